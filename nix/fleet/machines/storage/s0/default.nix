{ config, ... }:
{
  networking.wireguard.interfaces.wg-home = {
    ips = [ "10.80.0.1/24" ];
    listenPort = 51820;
    privateKeyFile = config.age.secrets.wireguard.path;
  };

  # Where the other machines keep their backups; see nix/lib/default.nix.
  users.users.backup = {
    isNormalUser = true;
    home = "/srv/backup";
  };
}
