# nix-evaluation: there is no such attribute.
{
  hostNames = [ "evaluation.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = { }.key;
}
