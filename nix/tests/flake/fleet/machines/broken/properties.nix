# A machine that nobody has configured yet.
{
  hostNames = [ "broken.example.net" ];
  arch = "x86_64-linux";
  systemRoles = [ ];
}
