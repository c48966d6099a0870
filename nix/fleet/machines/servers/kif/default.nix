{ config, fleetLib, ... }:
{
  age.secrets = {
    # Of this machine alone: no entry anywhere says so, the folder does.
    matrix-signing-key = {
      file = ./secrets/matrix-signing-key.age;
      owner = "matrix-synapse";
    };

    acme-dns-token.file = ../../../secrets/acme-dns-token.age;
    metrics-token.file = ../../../secrets/metrics-token.age;
    restic-password.file = ../../../secrets/restic-password.age;
    session-key.file = ../../../secrets/web/session-key.age;
  };

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
