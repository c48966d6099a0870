# What all machines have in common.
{ config, ... }:
let
  # Public keys are kept where the private ones are, so that a laptop takes its key along when its folder is deleted.
  adminKeys = builtins.concatMap (folder: (import (folder + "/properties.nix")).userKeys) [
    ../machines/laptops/fry
    ../machines/laptops/howl
  ];
in
{
  boot.loader.systemd-boot.enable = true;
  fileSystems."/" = {
    device = "/dev/disk/by-label/nixos";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/disk/by-label/boot";
    fsType = "vfat";
  };

  # The host key of the SSH server is also what agenix decrypts with: it has to be there before the first deployment.
  services.openssh = {
    enable = true;
    settings.PasswordAuthentication = false;
  };
  users.users.admin = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = adminKeys;
  };
  users.users.root.openssh.authorizedKeys.keyFiles = [ ../machines/laptops/howl/deploy.pub ];

  # Every machine sends mail when something fails; see `everyone` in secrets/properties.nix.
  age.secrets.smtp-login.file = ../secrets/smtp-login.age;
  programs.msmtp = {
    enable = true;
    accounts.default = {
      host = "mail.example.net";
      port = 465;
      tls = true;
      tls_starttls = false;
      auth = true;
      user = "fleet";
      from = "fleet@example.net";
      passwordeval = "cat ${config.age.secrets.smtp-login.path}";
    };
  };

  system.stateVersion = "24.05";
}
