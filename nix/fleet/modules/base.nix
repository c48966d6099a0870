# What all machines have in common.
{ config, ... }:
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

  # Whom the `userKeys` of all machines let in. Their `deployKeys` let in root, and every machine knows the host keys of all
  # others: Bulkhead's module `fleet` does that.
  machines.ssh.adminUser = "admin";
  users.users.admin = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
  };

  # Every machine sends mail when something fails; see `everyone` in secrets/properties.nix. Secrets need no declaration:
  # what a machine is granted is in `age.secrets`.
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
