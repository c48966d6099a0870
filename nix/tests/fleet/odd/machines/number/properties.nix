{
  arch = "x86_64-linux";
  hostNames = [ ];
  systemRoles = [ ];
  hostKey = 1;
}
