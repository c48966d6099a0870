# A network for workspaces: a bridge from which they reach the public internet and nothing that is private, whatever else
# the host does. See ARCHITECTURE.md, "The guard".
{
  imports = [
    ./options.nix
    ./ports.nix
    ./assertions.nix
    ./guard.nix
    ./bridge.nix
    ./resolver.nix
    ./other-resolvers.nix
    ./firewall.nix
    ./other-managers.nix
    ./docker.nix
  ];
}
