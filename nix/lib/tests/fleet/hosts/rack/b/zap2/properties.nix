# No host key yet: it can't read secrets that are granted to it.
{
  hostNames = [ "zap2" ];
  arch = "aarch64-linux";
  systemRoles = [ "web" ];
}
