{ config, ... }:
{
  # Who owns it depends on this machine, so it is said here and not in secrets/properties.nix.
  age.secrets.metrics-token.owner = "prometheus";

  services.prometheus = {
    enable = true;
    scrapeConfigs = [
      {
        job_name = "servers";
        authorization.credentials_file = config.age.secrets.metrics-token.path;
        static_configs = [
          {
            targets = [
              "kif.example.net:9100"
              "s0.home.arpa:9100"
            ];
          }
        ];
      }
    ];
  };
}
