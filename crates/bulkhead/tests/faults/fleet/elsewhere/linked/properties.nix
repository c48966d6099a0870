# linked-machine: machines/linked leads here; links are not followed.
{
  hostNames = [ "linked.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
}
