# The guard as a service: its tables are there before the bridge is, stay when the service stops, and are compared with
# what they should be from time to time.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) vpnBridgeScript vpnPlugScript;

  cfg = config.vpn;
  rules = pkgs.writeText "vpn-guard.nft" cfg.ruleset;
in
{
  options.vpn = {
    guardUnit = mkOption {
      type = types.str;
      readOnly = true;
      default = "vpn-guard.service";
      example = "vpn-guard.service";
      description = "The unit that loads the guard. Nothing is on the bridge without it.";
    };
  }
  // import ../shared/guard-options.nix { inherit lib; } {
    name = "vpn-guard";
    ruleset = "vpn.ruleset";
    inherit rules;
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      (import ../shared/guard.nix { inherit config lib pkgs; } {
        name = "vpn-guard";
        what = "the VPN's bridge";
        bridgeOption = "vpn.bridgeName";
        guarded = {
          rules = "${rules}";
          bridge = cfg.bridgeName;
          ports = [
            cfg.description.vpn.interface
          ]
          ++ lib.mapAttrsToList (_: service: service.interface) cfg.description.services;
        };
        inherit (cfg) tables verifyInterval;
        verifyOption = "vpn.verifyInterval";
      })
      {
        # Whoever turns on forwarding for the host does so for this bridge, too; it is turned off again. A bridge or a port
        # that somebody has taken away comes back.
        systemd.services.vpn-guard-verify.serviceConfig.ExecStartPost =
          pkgs.writeShellScript "vpn-bridge-verify" ''
            ip link show dev ${cfg.bridgeName} > /dev/null 2>&1 || ${config.systemd.package}/bin/systemctl is-active --quiet ${cfg.bridgeUnit} || exit 0
            ${vpnBridgeScript cfg.description}
            ${vpnPlugScript cfg.description}
          '';
      }
    ]
  );
}
