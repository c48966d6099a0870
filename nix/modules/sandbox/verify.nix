# From time to time the guard is compared with what it should be: `nft flush ruleset` takes everybody's tables.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) guardVerifyScript;

  cfg = config.networking.sandbox;
in
{
  options.networking.sandbox.verifyInterval = mkOption {
    type = types.str;
    default = "30s";
    example = "5min";
    description = ''
      How often the guard in the kernel is compared with the configured one, as a time span of {manpage}`systemd.time(7)`.
      If it differs, it is loaded again; if that doesn't help, the bridge is cut off. Both are logged by
      `sandbox-guard-verify.service`.
    '';
  };

  config = lib.mkIf cfg.enable {
    systemd.services.sandbox-guard-verify = {
      description = "Verification of the guard of the workspaces' network";
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
        RuntimeDirectory = "sandbox-guard";
        RuntimeDirectoryPreserve = true;
        ExecStart = pkgs.writeShellScript "sandbox-guard-verify" (guardVerifyScript {
          tables = map (table: { inherit (table) family name; }) cfg.tables;
          rules = "${cfg.rulesFile}";
          inherit (cfg) bridge;
          ports = lib.mapAttrsToList (_: port: port.interface) cfg.ports;
          state = "/run/sandbox-guard";
        });
      };
    };
    systemd.timers.sandbox-guard-verify = {
      description = "Verification of the guard of the workspaces' network";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = cfg.verifyInterval;
        OnUnitInactiveSec = cfg.verifyInterval;
        AccuracySec = "1s";
      };
    };
  };
}
