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

  cfg = config.networking.sandbox;
  rules = pkgs.writeText "sandbox-guard.nft" cfg.ruleset;
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
  }
  // import ../shared/guard-options.nix { inherit lib; } {
    name = "sandbox-guard";
    ruleset = "networking.sandbox.ruleset";
    inherit rules;
  };

  config = lib.mkIf cfg.enable (
    import ../shared/guard.nix { inherit config lib pkgs; } {
      name = "sandbox-guard";
      what = "the workspaces' network";
      bridgeOption = "networking.sandbox.bridge";
      guarded = {
        rules = "${rules}";
        inherit (cfg) bridge;
        ports = lib.mapAttrsToList (_: port: port.interface) cfg.ports;
      };
      inherit (cfg) tables verifyInterval;
      verifyOption = "networking.sandbox.verifyInterval";
    }
  );
}
