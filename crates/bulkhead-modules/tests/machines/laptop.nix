# A laptop, with mistakes: no file system to boot from, and two assertions of its own.
{ config, lib, ... }:
{
  nixpkgs.hostPlatform = "aarch64-linux";
  system.stateVersion = "24.05";
  networking.hostName = "fry";
  boot.loader.systemd-boot.enable = true;
  boot.initrd.luks.devices.root.device = "/dev/disk/by-label/crypt";

  networking.networkmanager.enable = true;
  networking.nftables.enable = true;
  services.pipewire.enable = true;
  services.printing.enable = true;
  hardware.bluetooth.enable = true;
  time.timeZone = lib.mkDefault "Europe/Berlin";
  i18n.defaultLocale = "de_DE.UTF-8";
  nix.gc.automatic = true;
  swapDevices = [ { device = "/dev/disk/by-label/swap"; } ];

  assertions = [
    {
      assertion = config.networking.hostName == "fry";
      message = "this one holds";
    }
    {
      assertion = config.services.openssh.enable;
      message = "this one does not";
    }
  ];
  warnings = lib.optional config.networking.networkmanager.enable "this laptop roams";
}
