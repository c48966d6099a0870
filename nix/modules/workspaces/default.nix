# Isolated development environments: `workspaces.<name>` is a virtual machine, a container or an Incus instance, with the
# same options and the same inside, on the bridge of `networking.sandbox`.
{
  imports = [
    ../sandbox
    ./aliases.nix
    ./checks.nix
    ./container.nix
    ./defaults.nix
    ./incus.nix
    ./names.nix
    ./network.nix
    ./options.nix
    ./state.nix
    ./vm.nix
  ];
}
