# The bridge and its ports, made by systemd-networkd; the host forwards.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOverride;
  inherit (import ../../lib) bridgeFeatures interfaceSysctl;

  cfg = config.networking.sandbox;
  hasIPv6 = cfg.subnet6 != null;
  lengthOf = subnet: lib.last (lib.splitString "/" subnet);
  hasPeers = name: lib.any (lib.elem name) cfg.allowBetween;
  # The first file that matches an interface is what networkd takes: before those with patterns, such as `vm-*`, that this
  # host has for others.
  file = "00-sandbox";
  ourFiles = [ file ] ++ map (name: "${file}-${name}") (lib.attrNames cfg.ports);
  others = removeAttrs config.systemd.network.networks ourFiles;

  # Before NixOS' own modules, each of which has one of its own since no value of sysctl may be set twice: `networking.nat`
  # 99, Docker 98, Tailscale 97.
  priority = 96;

  # The host listens to nothing on these links but what it is asked.
  quiet = {
    IPv6AcceptRA = false;
    LLMNR = "no";
    MulticastDNS = "no";
    LLDP = false;
    EmitLLDP = false;
  };
in
{
  config = mkIf cfg.enable {
    systemd.network = {
      enable = true;
      netdevs.${file} = {
        netdevConfig = {
          Kind = "bridge";
          Name = cfg.bridge;
          # Else it would be that of a port, and change with them.
          MACAddress = cfg.mac;
        };
        bridgeConfig = {
          STP = bridgeFeatures.stp_state != 0;
          MulticastSnooping = bridgeFeatures.mcast_snooping != 0;
          GroupForwardMask = bridgeFeatures.group_fwd_mask;
        };
      };
      networks = {
        ${file} = {
          matchConfig.Name = cfg.bridge;
          address = [
            "${cfg.gateway}/${lengthOf cfg.subnet}"
          ]
          ++ lib.optional hasIPv6 "${cfg.gateway6}/${lengthOf cfg.subnet6}";
          networkConfig = quiet // {
            ConfigureWithoutCarrier = true;
            # Without a link-local address Linux can't look for its neighbours in IPv6.
            LinkLocalAddressing = if hasIPv6 then "ipv6" else "no";
          };
          linkConfig.RequiredForOnline = "no";
        };
      }
      // lib.mapAttrs' (name: port: {
        name = "${file}-${name}";
        value = {
          matchConfig.Name = port.interface;
          bridge = [ cfg.bridge ];
          networkConfig = quiet // {
            LinkLocalAddressing = "no";
          };
          # The rules keep ports apart too; those of a pair must not be isolated for it to be one.
          bridgeConfig.Isolated = !hasPeers name;
          linkConfig.RequiredForOnline = "no";
        };
      }) cfg.ports;
      # Where networkd has nothing else to manage, there would be nothing to wait for.
      wait-online.enable = mkIf (others == { }) (lib.mkDefault false);
    };

    boot.kernel.sysctl = {
      "net.ipv4.conf.all.forwarding" = mkOverride priority true;
    }
    // lib.optionalAttrs hasIPv6 (
      {
        "net.ipv6.conf.all.forwarding" = mkOverride priority true;
        # If the verification cuts the bridge off, it comes back with its address.
        ${interfaceSysctl "ipv6" cfg.bridge "keep_addr_on_down"} = 1;
      }
      // lib.listToAttrs (
        map (upstream: {
          name = interfaceSysctl "ipv6" upstream "accept_ra";
          value = lib.mkDefault 2;
        }) cfg.upstreams
      )
    );
  };
}
