# What all containers of the VPN have inside: a static network on the bridge, IPv4 alone, and no resolver with a fallback.
{
  host,
  name,
  mac,
  address,
  gateway,
}:
{ lib, ... }:
let
  inherit (import ../../lib) parseNetwork;
  prefix = toString (parseNetwork host.vpn.subnet).prefix;
in
{
  system.stateVersion = lib.mkDefault host.system.stateVersion;
  time.timeZone = lib.mkDefault host.time.timeZone;

  # The store is the host's, and nobody builds for a container.
  nix.enable = lib.mkDefault false;
  environment.variables.NIX_REMOTE = lib.mkForce "";

  networking = {
    hostName = name;
    useNetworkd = true;
    useDHCP = false;
    enableIPv6 = false;
    useHostResolvConf = lib.mkForce false;
    resolvconf.enable = lib.mkForce false;
    # The host's guard decides who reaches whom; a rule set in a user namespace needs kernel modules that may be missing.
    firewall.enable = lib.mkDefault false;
  };
  systemd.network.networks."10-vpn" = {
    matchConfig.Name = "eth0";
    linkConfig.MACAddress = mac;
    address = [ "${address}/${prefix}" ];
    gateway = lib.optional (gateway != null) gateway;
    networkConfig = {
      DHCP = "no";
      IPv6AcceptRA = false;
      LinkLocalAddressing = "no";
      LLMNR = false;
      MulticastDNS = false;
      LLDP = false;
      EmitLLDP = false;
    };
  };
  # One server and nothing beside it: while the tunnel is down there is no answer, and none from elsewhere.
  services.resolved.enable = lib.mkForce false;
  environment.etc."resolv.conf" = lib.mkForce {
    text = lib.optionalString (gateway != null) "nameserver ${gateway}\n";
  };
}
