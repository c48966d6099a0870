# What is wrong with modules: workspaces, services behind a VPN, boot environments, declared secrets.
{
  config,
  inventory,
  lib,
  ...
}:
{
  workspaces = {
    dev = {
      type = "container";
      # address-outside-subnet
      ip = "10.21.0.10";
      # workspace-key-reused: it is that of s0.
      hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG05BpvbKEAOVxxt4dOcsNfCvvA0OV6oPheCQdYsDyWf";
      # missing-workspace-config
      config = ./workspaces/dev.nix;
      # nix-daemon-reachable
      extraMounts."/daemon".hostPath = "/nix/var/nix/daemon-socket";
    };
    all = {
      type = "vm";
      # address-reserved
      ip = "10.20.0.255";
      # reserved-cid
      cid = 2;
      # option-without-effect
      gpu = true;
      # malformed-workspace-key
      hostKey = "ssh-ed25519 AAAA";
    };
    a = {
      type = "vm";
      # malformed-address
      ip = "10.20.0.256";
      cid = 7;
      mac = "02:00:00:00:00:01";
    };
    # interface-name-too-long
    customer-portal = {
      type = "vm";
      # address-collision: it is the gateway's.
      ip = "10.20.0.1";
      # cid-collision
      cid = 7;
      # mac-collision
      mac = "02:00:00:00:00:01";
    };
    inherited = {
      type = "container";
      # configuration-not-known
      ip = inventory.inherited;
    };
  };
  # isolation-off
  systemd.services.vpn-guard.enable = lib.mkForce false;
  networking = {
    firewall = {
      # trusted-interface
      trustedInterfaces = [ "sandbox0" ];
      # forward-rules-ignored, private-range-open
      extraForwardRules = "iifname sandbox0 ip daddr 10.0.0.0/8 drop";
    };
    # subnet-overlap
    interfaces.lan0.ipv4.addresses = [
      {
        address = "10.20.0.3";
        prefixLength = 30;
      }
    ];
    # host-forwards-for-vpn, vpn-reachable-uplink
    nat = {
      enable = true;
      internalInterfaces = [ "vpn0" ];
    };
  };

  vpn = {
    enable = true;
    # vpn-credentials-outside-age
    credentialsFile = "/root/pia-login";
    # invalid-option
    portForwarding.enabled = true;
    containers.web = {
      ip = "10.73.0.10";
      receiveForwardedPort = { };
      # secrets-folder-mounted
      mounts."/run/agenix".hostPath = "/run/agenix";
    };
    # several-port-receivers
    containers.torrent = {
      ip = "10.73.0.11";
      receiveForwardedPort = { };
    };
  };
  # second-way-out, vpn-ipv6-unguarded
  containers.web.localAddress6 = "fd00::10";
  # openvpn-leftover
  services.openvpn.servers.old.config = "config /root/old.ovpn";
  # proxy-open-to-services
  services.tinyproxy = {
    enable = true;
    settings.Listen = "10.73.0.1";
  };

  boot.initrd = {
    # initrd-key-in-use
    network.ssh.hostKeys = [ "/etc/ssh/ssh_host_ed25519_key" ];
    # initrd-trusts-unknown-key
    network.ssh.authorizedKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF1PX7DWHmBpUMI15R07z5X9v6vIlMY1GfI+YKvB/q5m left" ];
    # unlock-key-in-store
    secrets."/disk" = ./properties.nix;
  };

  age.secrets = {
    # declared-secret-unreadable
    stale.file = ../../legacy/stale.age;
    # declared-secret-missing
    gone.file = ../../legacy/gone.age;
    # declared-secret-without-rule, world-readable-secret
    ruleless = {
      file = ../../legacy/ruleless.age;
      mode = "0444";
    };
  };
  # secret-in-store
  users.users.leela.hashedPasswordFile = ./properties.nix;
  # secret-read-at-evaluation
  services.postgresql.initialScript = builtins.readFile config.age.secrets.stale.path;
}
