{
  hostNames = [ "kif.example.net" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm root@kif";
}
