# What a sandbox is: its network, and what is open in it.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) mkMac sandboxTables sandboxRuleset;

  cfg = config.networking.sandbox;

  hole = types.submodule {
    options = {
      address = mkOption {
        type = types.str;
        example = "192.168.1.10";
        description = "The one IP address to reach. That of the host on another network is possible too.";
      };
      port = mkOption {
        type = types.port;
        example = 5432;
        description = "The one port to reach.";
      };
      protocol = mkOption {
        type = types.enum [
          "tcp"
          "udp"
        ];
        default = "tcp";
        example = "udp";
        description = "The protocol.";
      };
      from = mkOption {
        type = types.nullOr (types.listOf types.str);
        default = null;
        example = [ "dev" ];
        description = "The workspaces that may reach it; null for all of them.";
      };
      reason = mkOption {
        type = types.str;
        example = "the test database on the NAS";
        description = "Why it is open, for those who read the configuration later.";
      };
    };
  };

  # What the functions of nix/lib call a sandbox.
  description = {
    name = "bulkhead-sandbox";
    inherit (cfg)
      bridge
      mac
      subnet
      gateway
      subnet6
      gateway6
      upstreams
      ports
      allow
      allowBetween
      deny
      ;
    dns = cfg.dns.enable;
  };
in
{
  options.networking.sandbox = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether there is a guarded bridge for workspaces. From it they reach the public internet, and of this host the
        resolver and ping at {option}`networking.sandbox.gateway`. They don't reach private, link-local, carrier-grade NAT
        or other special addresses, other addresses or services of this host, each other, or interfaces that are not in
        {option}`networking.sandbox.upstreams`; and they can't send with an address that is not theirs.

        What is public is the internet to it: the public addresses of your own router and of machines next to this one are
        reached until {option}`networking.sandbox.deny` names them. And it is about the network alone: through a socket in
        a mounted folder of the host, a workspace talks to whoever listens there.
      '';
    };

    bridge = mkOption {
      type = types.str;
      default = "sandbox0";
      example = "lab0";
      description = "The name of the bridge. At most 15 characters.";
    };

    mac = mkOption {
      type = types.str;
      default = mkMac "sandbox ${cfg.bridge} of ${config.networking.hostName}";
      defaultText = lib.literalMD "made from the names of the bridge and of the host";
      example = "02:00:00:00:00:01";
      description = "The MAC address of the bridge itself, the only one that workspaces can send to.";
    };

    subnet = mkOption {
      type = types.str;
      default = "10.20.0.0/24";
      example = "172.30.0.0/24";
      description = "The IPv4 network of the bridge. No other network of the host may overlap with it.";
    };

    gateway = mkOption {
      type = types.str;
      default = "10.20.0.1";
      example = "172.30.0.1";
      description = "The host's address in {option}`networking.sandbox.subnet`.";
    };

    subnet6 = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "fd20::/64";
      description = ''
        The IPv6 network of the bridge, which is translated to the host's address like IPv4. Null for a sandbox without
        IPv6: all of it is dropped on the bridge then.

        A host that forwards IPv6 takes router advertisements only where it is told to: this is done for
        {option}`networking.sandbox.upstreams`. Machines next to the host often have public IPv6 addresses; name their
        network in {option}`networking.sandbox.deny`.
      '';
    };

    gateway6 = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "fd20::1";
      description = "The host's address in {option}`networking.sandbox.subnet6`.";
    };

    upstreams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "eth0" ];
      description = ''
        The interfaces that lead to the internet. Packets of workspaces leave by no other one, so a VPN that takes over
        the default route cuts them off, and is not used by them unless it is named here.
      '';
    };

    allow = mkOption {
      type = types.listOf hole;
      default = [ ];
      example = [
        {
          address = "192.168.1.10";
          port = 5432;
          from = [ "dev" ];
          reason = "the test database on the NAS";
        }
      ];
      description = "What workspaces may reach beyond the public internet: one address and one port each.";
    };

    allowBetween = mkOption {
      type = types.listOf (types.listOf types.str);
      default = [ ];
      example = [
        [
          "dev"
          "database"
        ]
      ];
      description = "Pairs of workspaces that may reach each other, by their names.";
    };

    deny = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "2a00:1234:5678:9a00::/64" ];
      description = ''
        Networks that workspaces don't reach although their addresses are public, such as the IPv6 network of your home or
        a data centre's internal one.

        The public address of the router before this host is such a one, too: many a router answers there from the inside,
        with its page for administrators and with the ports that it forwards to your other machines. Where that address
        stays the same, name it (`198.51.100.7/32`); where it changes, turn this off in the router ("NAT loopback",
        "hairpin NAT").
      '';
    };

    description = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = description;
      description = "The sandbox as `sandboxTables` and `sandboxFaults` of `nix/lib` take it.";
    };

    tables = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = sandboxTables description;
      description = "The guard's tables.";
    };

    ruleset = mkOption {
      type = types.lines;
      readOnly = true;
      default = sandboxRuleset description;
      defaultText = lib.literalMD "made from the other options";
      example = "table inet bulkhead-sandbox { … }";
      description = "The guard's rules, as `nft -f` takes them.";
    };
  };
}
