let
  fry = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsm3UYiDp8ceatKtANk7ia0AtMWUb3QQIxHLLa8SmA9 root@fry";
  kif = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm root@kif";
  users = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI fry@fry" ];
  systems = [ fry kif ];
in
{
  "wifi.age".publicKeys = [ fry ] ++ users;
  "smtp-login.age".publicKeys = users ++ systems;
  "web/session-key.age" = {
    publicKeys = [ kif ];
    armor = true;
  };
  # bulkhead: allow(rule-without-secret) made when the machine is
  "later.age".publicKeys = systems;
}
