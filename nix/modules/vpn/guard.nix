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
  inherit (import ../../lib) guardLoadScript guardVerifyScript vpnBridgeScript;

  cfg = config.vpn;
  rules = pkgs.writeText "vpn-guard.nft" cfg.ruleset;
  guarded = {
    rules = "${rules}";
    bridge = cfg.bridgeName;
    ports = [
      cfg.description.vpn.interface
    ]
    ++ lib.mapAttrsToList (_: service: service.interface) cfg.description.services;
  };
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

    rulesFile = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = rules;
      description = "The file with {option}`vpn.ruleset`.";
    };

    verifyInterval = mkOption {
      type = types.str;
      default = "30s";
      example = "5min";
      description = ''
        How often the guard in the kernel is compared with the configured one, as a time span of {manpage}`systemd.time(7)`.
        If it differs, it is loaded again; if that doesn't help, the bridge is cut off. Both are logged by
        `vpn-guard-verify.service`.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.vpn-guard = {
      description = "Guard of the VPN's bridge";
      # Before any interface is made, as the host's own firewall is.
      wants = [ "network-pre.target" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      # New rules replace the old ones in one transaction, and no container has to stop for them.
      reloadIfChanged = true;
      path = [
        pkgs.nftables
        pkgs.iproute2
      ];
      serviceConfig =
        let
          load = pkgs.writeShellScript "vpn-guard-load" (guardLoadScript guarded);
        in
        {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = load;
          ExecReload = load;
          # There is no ExecStop: a guard that is stopped stays in the kernel.
        };
    };

    systemd.services.vpn-guard-verify = {
      description = "Verification of the guard of the VPN's bridge";
      after = [ cfg.guardUnit ];
      path = [
        pkgs.nftables
        pkgs.iproute2
        pkgs.util-linux
        pkgs.diffutils
        pkgs.coreutils
        pkgs.bash
      ];
      serviceConfig = {
        Type = "oneshot";
        RuntimeDirectory = "vpn-guard";
        RuntimeDirectoryPreserve = true;
        ExecStart = pkgs.writeShellScript "vpn-guard-verify" (
          guardVerifyScript (
            guarded
            // {
              tables = map (table: { inherit (table) family name; }) cfg.tables;
              state = "/run/vpn-guard";
            }
          )
        );
        # Whoever turns on forwarding for the host does so for this bridge, too; it is turned off again.
        ExecStartPost = pkgs.writeShellScript "vpn-bridge-verify" ''
          [ -e /sys/class/net/${cfg.bridgeName} ] || exit 0
          ${vpnBridgeScript cfg.description}
        '';
      };
    };
    systemd.timers.vpn-guard-verify = {
      description = "Verification of the guard of the VPN's bridge";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = cfg.verifyInterval;
        OnUnitInactiveSec = cfg.verifyInterval;
        AccuracySec = "1s";
      };
    };
    environment.systemPackages = [ pkgs.nftables ];
  };
}
