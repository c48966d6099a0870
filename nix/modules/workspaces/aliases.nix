# Commands for people on the host: `workspace_<name>` logs in, `workspace_<name>_start` and its like do what they say.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../../lib) vsockProxyScript;
  inherit (config.workspaceDefaults) privileged;
  asRoot = words: lib.concatStringsSep " " (lib.optional (privileged != "") privileged ++ words);
  systemctl =
    verb: workspace:
    asRoot [
      "systemctl"
      verb
      workspace.unit
    ];

  throughVsock = pkgs.writeShellScript "workspace-vsock" (vsockProxyScript {
    port = 22;
    socat = "${pkgs.socat}/bin/socat";
    cat = "${pkgs.coreutils}/bin/cat";
  });
  shells = {
    vm =
      workspace:
      let
        vsock = "${config.microvm.stateDir or "/var/lib/microvms"}/${workspace.name}/notify.vsock";
        proxy = asRoot [
          "${throughVsock}"
          vsock
        ];
      in
      "ssh -t -o ${lib.escapeShellArg "ProxyCommand=${proxy}"} ${workspace.user}@${workspace.name}";
    container =
      workspace:
      asRoot [
        "machinectl"
        "shell"
        "${workspace.user}@${workspace.name}"
      ];
    incus =
      workspace:
      asRoot [
        "incus"
        "exec"
        workspace.name
        "--"
        "/run/wrappers/bin/su"
        "--login"
        workspace.user
      ];
  };

  aliasesOf = workspace: {
    "workspace_${workspace.name}" = "ssh ${workspace.user}@${workspace.name}";
    "workspace_${workspace.name}_start" = systemctl "start" workspace;
    "workspace_${workspace.name}_stop" = systemctl "stop" workspace;
    "workspace_${workspace.name}_restart" = systemctl "restart" workspace;
    # Anybody may look.
    "workspace_${workspace.name}_status" = "systemctl status ${workspace.unit}";
    # Also when its network does not work.
    "workspace_${workspace.name}_shell" = shells.${workspace.type} workspace;
  };
in
{
  environment.shellAliases = lib.mkMerge (map aliasesOf (lib.attrValues config.workspaces));
}
