{ config, fleetLib, ... }:
{
  # The disk is unlocked over SSH and Tor; see `remoteUnlock` in properties.nix.
  boot.initrd.luks.devices.root.device = "/dev/disk/by-label/crypt";
  boot.initrd.availableKernelModules = [ "virtio_net" ];
  thisMachine.unlock.enable = true;

  # Of this machine alone: no entry anywhere says so, its folder does.
  age.secrets.matrix-signing-key.owner = "matrix-synapse";

  security.acme = {
    acceptTerms = true;
    defaults = {
      email = "admin@example.net";
      dnsProvider = "desec";
      environmentFile = config.age.secrets.acme-dns-token.path;
    };
  };

  networking.firewall.allowedTCPPorts = [
    80
    443
  ];
  services.nginx = {
    enable = true;
    virtualHosts."www.example.net" = fleetLib.proxyTo 8080;
    virtualHosts."matrix.example.net" = fleetLib.proxyTo 8008;
  };

  services.matrix-synapse = {
    enable = true;
    settings = {
      server_name = "example.net";
      signing_key_path = config.age.secrets.matrix-signing-key.path;
    };
  };
  services.postgresql.enable = true;

  services.restic.backups.state = {
    repository = fleetLib.backupRepository "kif";
    passwordFile = config.age.secrets.restic-password.path;
    paths = [ "/var/lib" ];
  };
}
