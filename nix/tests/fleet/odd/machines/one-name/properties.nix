{
  arch = "x86_64-linux";
  hostNames = "x";
  systemRoles = [ ];
}
