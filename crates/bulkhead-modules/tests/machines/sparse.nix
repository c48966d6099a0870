# A host that has Bulkhead's modules and uses next to nothing of them.
{
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    ./nix/modules
    (import ./nix/tests/support/microvm.nix {
      inherit lib;
      microvm = null;
      nixpkgs = modulesPath + "/../..";
    })
  ];
  nixpkgs.hostPlatform = "aarch64-linux";
  system.stateVersion = "24.05";
  documentation.enable = false;
  boot.loader.grub.enable = false;
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "ext4";
  };
  networking.hostName = "hermes";
  machines.root = ./nix/fleet;
  # Their defaults are built from the repository.
  workspaceDefaults.incus.package = pkgs.hello;
  vpn.package = pkgs.hello;
}
