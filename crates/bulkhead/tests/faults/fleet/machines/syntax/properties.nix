# nix-syntax: a semicolon is missing in key.nix.
{
  hostNames = [ "syntax.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = (import ./key.nix).key;
}
