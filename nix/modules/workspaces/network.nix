# Workspaces are ports of the sandbox's bridge, and none of them runs without the guard.
{
  config,
  lib,
  utils,
  ...
}:
let
  inherit (config.networking) sandbox;

  # Made by networkd at boot, perhaps later than the workspace wants to be plugged in.
  bridge = "sys-subsystem-net-devices-${utils.escapeSystemdPath sandbox.bridge}.device";

  portOf = _: workspace: {
    inherit (workspace) interface mac;
    address = workspace.ip;
    address6 = workspace.ip6;
  };
  guarded = unit: {
    name = lib.removeSuffix ".service" unit;
    value = {
      requires = [ sandbox.guardUnit ];
      wants = [ bridge ];
      after = [
        sandbox.guardUnit
        bridge
      ];
    };
  };
  # The one that makes the interface counts too, where it is not the workspace's own.
  unitsOf =
    workspace:
    [ workspace.unit ]
    ++ lib.optional (workspace.type == "vm") "microvm-tap-interfaces@${workspace.name}.service";
in
{
  config = lib.mkIf (config.workspaces != { }) {
    networking.sandbox.enable = lib.mkDefault true;
    networking.sandbox.ports = lib.mapAttrs portOf config.workspaces;
    systemd.services = lib.listToAttrs (
      map guarded (lib.concatMap unitsOf (lib.attrValues config.workspaces))
    );
  };
}
