{
  hostNames = [ ];
  systemRoles = [ ];
}
