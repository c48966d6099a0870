# Service containers whose only way out is a VPN container. See ARCHITECTURE.md, "VPN containers".
{
  imports = [
    ./options.nix
    ./containers.nix
    ./description.nix
    ./assertions.nix
    ./guard.nix
    ./bridge.nix
    ./proxy.nix
    ./gateway.nix
    ./services.nix
    ./firewall.nix
    ./host-tool.nix
  ];
}
