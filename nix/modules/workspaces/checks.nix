# What is refused, with what to do about it.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (import ../../lib) workspaceFaults;

  workspaces = lib.attrValues config.workspaces;

  ofEach =
    workspace:
    let
      it = "`workspaces.${workspace.name}`";
      isVm = workspace.type == "vm";
      inherit (workspace) resources;
    in
    [
      {
        assertion = isVm -> options ? microvm;
        message = "${it} is a VM, but microvm.nix's module is missing: add `microvm.nixosModules.host` to this machine's modules";
      }
      {
        assertion = isVm -> resources.cpu != null && resources.memory != null;
        message = "${it} is a VM, and a VM can't do without limits: give `resources.cpu` and `resources.memory` numbers";
      }
      {
        assertion = isVm -> !workspace.gpu;
        message = "${it} is a VM, to which the host's GPU can't be given without taking it from the host: use `type = \"container\"` or `type = \"incus\"`, or leave `gpu` out";
      }
      {
        assertion = isVm -> workspace.cid != null;
        message = "${it} is a VM, and has to have a `cid`";
      }
      {
        assertion = !isVm -> workspace.cid == null;
        message = "${it} has a `cid`, but only a VM has a vsock: leave it out, or use `type = \"vm\"`";
      }
      {
        assertion = workspace.type == "container" -> resources.disk == null;
        message = "${it} is a container, which shares the host's file system, so `resources.disk` can't be kept: use `type = \"vm\"` or `type = \"incus\"`, or leave it out";
      }
      {
        assertion = workspace.type == "container" -> !config.containers.${workspace.name}.config.nix.enable;
        message = "${it} is a container, in which there is no Nix: its store is the host's, and building there would be building as the host. Use `type = \"vm\"` or `type = \"incus\"`, or leave `nix.enable` out";
      }
      {
        assertion = workspace.name != config.networking.hostName;
        message = "${it} has the name of this host: call it something else";
      }
    ];

  sameMounts =
    workspace:
    let
      groups = lib.groupBy (mount: mount.mountPoint) workspace.mounts;
    in
    lib.mapAttrsToList (place: mounts: {
      assertion = lib.length mounts == 1;
      message = "`workspaces.${workspace.name}.extraMounts`: ${
        lib.concatMapStringsSep " and " (mount: mount.hostPath) mounts
      } would both be at ${place}";
    }) groups;
in
{
  config = lib.mkIf (workspaces != [ ]) {
    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) (workspaceFaults workspaces)
      ++ lib.concatMap ofEach workspaces
      ++ lib.concatMap sameMounts workspaces;

    warnings = lib.concatMap (
      workspace:
      lib.optional (workspace.authorizedKeys == [ ])
        "nobody may log in to the workspace `${workspace.name}` over SSH: set `workspaceDefaults.authorizedKeys`"
    ) workspaces;
  };
}
