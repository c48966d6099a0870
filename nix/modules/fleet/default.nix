# A fleet's properties, for the configuration of each of its machines: what all machines are, who knows whom over SSH,
# and how a machine's disk is unlocked from afar.
{
  imports = [
    ./machines.nix
    ./ssh.nix
    ./unlock.nix
  ];
}
