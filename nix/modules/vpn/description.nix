# What the functions of nix/lib call a VPN, made from the options.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib)
    mkMac
    vpnContainer
    vpnPort
    vpnRuleset
    vpnTables
    ;

  cfg = config.vpn;
  internal =
    default:
    mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      inherit default;
      description = "Made from the other options.";
    };
in
{
  options.vpn = {
    description = internal {
      name = "bulkhead-vpn";
      bridge = cfg.bridgeName;
      interface = cfg.interfaceName;
      inherit (cfg)
        mac
        subnet
        hostAddress
        allowBetween
        ;
      vpn = {
        interface = vpnPort vpnContainer;
        mac = mkMac "${vpnContainer} of ${cfg.bridgeName}";
        address = cfg.vpnAddress;
      };
      services = lib.mapAttrs (name: container: {
        interface = vpnPort name;
        inherit (container) mac;
        address = container.ip;
        receives = container.receiveForwardedPort != null;
      }) cfg.containers;
      proxy =
        if cfg.provider == "pia" then
          {
            inherit (cfg.proxy) port user ports;
          }
        else
          null;
    };

    tables = internal (vpnTables cfg.description);

    ruleset = mkOption {
      type = types.str;
      readOnly = true;
      default = vpnRuleset cfg.description;
      defaultText = lib.literalMD "made from the other options";
      example = "table inet bulkhead-vpn { … }";
      description = "The guard's rules on the host, as `nft -f` takes them.";
    };

    # The service that gets the forwarded port, with its name; null without one.
    receiver = internal (
      lib.findFirst (it: it.forward != null) null (
        lib.mapAttrsToList (name: container: {
          inherit name;
          address = container.ip;
          forward = container.receiveForwardedPort;
        }) cfg.containers
      )
    );
  };
}
