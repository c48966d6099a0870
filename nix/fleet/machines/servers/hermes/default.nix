{ config, ... }:
{
  age.secrets.metrics-token = {
    file = ../../../secrets/metrics-token.age;
    owner = "prometheus";
  };

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
