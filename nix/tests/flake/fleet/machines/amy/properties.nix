{
  hostNames = [ "amy.example.net" ];
  arch = "x86_64-linux";
  systemRoles = [ "mail" ];
}
