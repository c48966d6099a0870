# schema: it is called `hostNames`, and `x86_64-linux`.
{
  hostName = "schema.example.org";
  arch = "x86-64-linux";
  systemRoles = [ "server" ];
}
