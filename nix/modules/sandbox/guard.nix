# The guard as a service: its tables are there before the bridge is, and stay when the service stops.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) guardLoadScript;

  cfg = config.networking.sandbox;
  rules = pkgs.writeText "sandbox-guard.nft" cfg.ruleset;
  load = pkgs.writeShellScript "sandbox-guard-load" (guardLoadScript {
    rules = "${rules}";
    inherit (cfg) bridge;
    ports = lib.mapAttrsToList (_: port: port.interface) cfg.ports;
  });
in
{
  options.networking.sandbox = {
    guardUnit = mkOption {
      type = types.str;
      readOnly = true;
      default = "sandbox-guard.service";
      example = "sandbox-guard.service";
      description = ''
        The unit that loads the guard. Every unit that runs a workspace has to have it in `requires` and in `after`, so
        that it starts with the guard or not at all.
      '';
    };

    rulesFile = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = rules;
      description = "The file with {option}`networking.sandbox.ruleset`.";
    };
  };

  config = lib.mkIf cfg.enable {
    systemd.services.sandbox-guard = {
      description = "Guard of the workspaces' network";
      # Before any interface is made, as the host's own firewall is.
      wants = [ "network-pre.target" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "sysinit.target" ];
      before = [
        "network-pre.target"
        "systemd-networkd.service"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      # New rules replace the old ones in one transaction, and no workspace has to stop for them.
      reloadIfChanged = true;
      path = [
        pkgs.nftables
        pkgs.iproute2
      ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = load;
        ExecReload = load;
        # There is no ExecStop: a guard that is stopped stays in the kernel.
      };
    };
    environment.systemPackages = [ pkgs.nftables ];
  };
}
