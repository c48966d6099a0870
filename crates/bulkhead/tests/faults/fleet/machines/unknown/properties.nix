# unknown-value: the environment is not read.
{
  hostNames = [ "unknown.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  publicIP = builtins.getEnv "PUBLIC_IP";
}
