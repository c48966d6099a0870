# A host with Bulkhead's modules: a sandbox with a workspace of each kind, a VPN with two services, a machine of a fleet.
{
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
  boot.loader.grub.enable = false;
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "ext4";
  };
  networking.hostName = "kif";
  networking.nftables.enable = true;
  networking.useNetworkd = true;
  networking.useDHCP = false;
  networking.sandbox.upstreams = [ "eth0" ];
  time.timeZone = "Europe/Berlin";

  machines.root = ./nix/fleet;
  thisMachine.name = "kif";
  machines.ssh.adminUser = "admin";
  users.users.admin.isNormalUser = true;

  workspaceDefaults.authorizedKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI" ];
  workspaceDefaults.incus.package = pkgs.hello;
  workspaces = {
    dev = {
      type = "container";
      ip = "10.20.0.10";
    };
    web = {
      type = "vm";
      ip = "10.20.0.11";
    };
    ml = {
      type = "incus";
      ip = "10.20.0.12";
    };
  };

  vpn = {
    enable = true;
    package = pkgs.hello;
    credentialsFile = "/run/agenix/pia-login";
    containers.torrent = {
      ip = "10.73.0.10";
      mounts."/var/lib/torrents" = {
        hostPath = "/srv/torrents";
        readOnly = false;
      };
    };
    containers.indexer.ip = "10.73.0.11";
  };
}
