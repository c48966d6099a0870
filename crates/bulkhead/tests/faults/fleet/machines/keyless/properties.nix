# secret-unreadable-by-machine: secrets are granted to it, and it has no host key.
{
  hostNames = [ "keyless.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
}
