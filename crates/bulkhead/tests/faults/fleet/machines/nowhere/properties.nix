# unlock-unreachable: after a reboot nobody can give it its passphrase.
{
  hostNames = [ "nowhere.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGf7yAN6tLvHMq4yApniKMSsiKsQfFmZznKXrAHRH/Vo";
  };
}
