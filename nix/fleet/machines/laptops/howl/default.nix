{ config, fleetLib, ... }:
{
  networking.networkmanager.enable = true;

  services.restic.backups.home = {
    repository = fleetLib.backupRepository "howl";
    passwordFile = config.age.secrets.restic-password.path;
    paths = [ "/home" ];
    exclude = [ "/home/*/.cache" ];
    timerConfig.OnCalendar = "hourly";
  };

  # A development environment that reaches the internet and nothing at home: `workspace_dev_start`, then `workspace_dev`.
  networking.sandbox.upstreams = [ "wlan0" ];
  workspaces.dev = {
    type = "container";
    ip = "10.20.0.10";
  };
}
