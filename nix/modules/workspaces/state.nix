# What a workspace keeps on the host, made before its first start: the home, and the key of its SSH server.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../../lib) workspaceStateScript;
  inherit (config.workspaceDefaults) stateFolder uid;

  unitOf = workspace: {
    name = "workspace-state@${workspace.name}";
    value = {
      description = "Home and SSH host key of the workspace ${workspace.name}";
      path = [
        pkgs.coreutils
        pkgs.openssh
      ];
      unitConfig.RequiresMountsFor = [ stateFolder ];
      # The workspace asks for it at each start.
      restartIfChanged = false;
      serviceConfig.Type = "oneshot";
      script = workspaceStateScript {
        inherit (workspace) name hostKey;
        folder = workspace.state;
        inherit uid;
        gid = config.ids.gids.users;
      };
    };
  };
  needed = unit: workspace: {
    name = lib.removeSuffix ".service" unit;
    value =
      let
        state = [ "workspace-state@${workspace.name}.service" ];
      in
      {
        requires = state;
        after = state;
        unitConfig.RequiresMountsFor = map (mount: mount.hostPath) (lib.attrValues workspace.extraMounts);
      };
  };
  neededBy =
    workspace:
    [ (needed workspace.unit workspace) ]
    ++ lib.optional (workspace.type == "vm") (
      needed "microvm-virtiofsd@${workspace.name}.service" workspace
    );
  workspaces = lib.attrValues config.workspaces;
in
{
  systemd.services = lib.listToAttrs (map unitOf workspaces ++ lib.concatMap neededBy workspaces);
}
