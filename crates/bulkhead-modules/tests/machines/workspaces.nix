# A host that uses much of Bulkhead's modules: a sandbox with a workspace of each kind, a VPN with services, and a machine of
# a fleet that is granted secrets and whose disk is unlocked from afar.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    ./nix/modules
    ./nix/tests/support/agenix.nix
    (import ./nix/tests/support/microvm.nix {
      inherit lib;
      microvm = null;
      nixpkgs = modulesPath + "/../..";
    })
  ];
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "24.05";
  documentation.enable = false;
  boot.loader.systemd-boot.enable = true;
  boot.initrd.luks.devices.root.device = "/dev/disk/by-label/crypt";
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "ext4";
  };
  networking.hostName = "kif";
  networking.domain = "home.arpa";
  networking.nftables.enable = true;
  networking.useNetworkd = true;
  networking.useDHCP = false;
  time.timeZone = "Europe/Berlin";

  machines.root = ./nix/fleet;
  machines.unlockPort = 2222;
  machines.ssh.adminUser = "admin";
  thisMachine.name = "kif";
  thisMachine.unlock = {
    enable = true;
    askOnly = false;
    onion.keyFolder = "/persist/initrd/onion";
  };
  users.users.admin.isNormalUser = true;
  age.secrets.restic-password.mode = lib.mkForce "0440";

  networking.sandbox = {
    upstreams = [ "eth0" ];
    subnet6 = "fd20::/64";
    gateway6 = "fd20::1";
    allow = [
      {
        address = "192.168.1.10";
        port = 5432;
        from = [ "dev" ];
        reason = "the test database";
      }
      {
        address = "192.168.1.11";
        port = 53;
        protocol = "udp";
        reason = "the names of the house";
      }
    ];
    allowBetween = [
      [
        "dev"
        "web"
      ]
    ];
    deny = [ "2a00:1234:5678:9a00::/64" ];
    dns.forwarders = [ "9.9.9.9" ];
    verifyInterval = "1min";
    ports.printer = {
      interface = "vb-printer";
      mac = "02:00:00:00:00:09";
      address = "10.20.0.99";
    };
  };

  workspaceDefaults = {
    user = "leela";
    authorizedKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI" ];
    notes = "Everything here may be thrown away.";
    incus.package = pkgs.hello;
    incus.pool.config.source = "/var/lib/incus/pools";
  };
  workspaces = {
    dev = {
      type = "container";
      ip = "10.20.0.10";
      ip6 = "fd20::10";
      config = {
        services.postgresql.enable = true;
      };
      extraMounts."/home/leela/src" = {
        hostPath = "/home/admin/src";
        readOnly = false;
      };
      extraMounts.data = {
        mountPoint = "/srv/data";
        hostPath = "/srv/data";
      };
      autoStart = true;
      gpu = true;
      notes = lib.mkAfter "The database is that of the staging system.";
    };
    web = {
      type = "vm";
      ip = "10.20.0.11";
      resources = {
        cpu = 4;
        memory = 8192;
        disk = 20480;
      };
      restartIfChanged = false;
      packages = [ pkgs.git ];
    };
    ml = {
      type = "incus";
      ip = "10.20.0.12";
      resources.cpu = null;
      timeZone = "UTC";
      hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI ml";
    };
  };

  vpn = {
    enable = true;
    package = pkgs.hello;
    credentialsFile = "/run/agenix/pia-login";
    serverLocation = [
      "swiss"
      "de-frankfurt"
    ];
    mtu = 1412;
    onPortForwarded = ''echo "$PORT" "$TARGET_IP"'';
    allowBetween = [
      [
        "indexer"
        "torrent"
      ]
    ];
    containers.torrent = {
      ip = "10.73.0.10";
      mounts."/var/lib/torrents" = {
        hostPath = "/srv/torrents";
        readOnly = false;
      };
      receiveForwardedPort = {
        port = 51413;
        protocol = "tcp";
      };
    };
    containers.indexer = {
      ip = "10.73.0.11";
      config.services.nginx.enable = true;
      credentials.login = config.age.secrets.restic-password.path or "/run/agenix/indexer-login";
      autoStart = false;
    };
  };
}
