# duplicate-machine-name: there is a kif already.
{
  hostNames = [ "old-kif.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
}
