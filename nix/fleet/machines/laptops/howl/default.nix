{ config, fleetLib, ... }:
{
  networking.networkmanager.enable = true;

  age.secrets = {
    wifi.file = ../../../secrets/wifi.age;
    restic-password.file = ../../../secrets/restic-password.age;
  };

  services.restic.backups.home = {
    repository = fleetLib.backupRepository "howl";
    passwordFile = config.age.secrets.restic-password.path;
    paths = [ "/home" ];
    exclude = [ "/home/*/.cache" ];
    timerConfig.OnCalendar = "hourly";
  };
}
