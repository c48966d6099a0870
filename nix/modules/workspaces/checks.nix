# What is refused, with what to do about it.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (import ../../lib) stateFolderFaults workspaceFaults workspaceMountFaults;

  workspaces = lib.attrValues config.workspaces;

  # In MiB: less is meant to be GiB, or a slip.
  leastMemory = 128;
  leastDisk = 128;

  # With the module `fleet`: the machines by their names and host names.
  machinesBy = lib.zipAttrs (
    lib.concatMap (
      machine:
      map (host: { ${host} = machine.name; }) (lib.unique ([ machine.name ] ++ machine.hostNames))
    ) (if options ? machines then lib.attrValues config.machines.hosts else [ ])
  );

  ofEach =
    workspace:
    let
      it = "`workspaces.${workspace.name}`";
      isVm = workspace.type == "vm";
      inherit (workspace) resources;
      # This host itself may be a machine of its own name.
      namesakes = lib.filter (name: name != config.networking.hostName) (
        machinesBy.${workspace.name} or [ ]
      );
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
        assertion = config.networking.sandbox.enable;
        message = "${it} would be without a guard, because `networking.sandbox.enable` is false: leave it out";
      }
      {
        assertion = resources.memory == null || resources.memory >= leastMemory;
        message = "`workspaces.${workspace.name}.resources.memory` is ${toString resources.memory} MiB, in which NixOS does not run: give at least ${toString leastMemory}";
      }
      {
        assertion = resources.disk == null || resources.disk >= leastDisk;
        message = "`workspaces.${workspace.name}.resources.disk` is ${toString resources.disk} MiB, in which NixOS does not run: give at least ${toString leastDisk}";
      }
      {
        assertion = workspace.user == "root" || !(config.ids.uids ? ${workspace.user});
        message = "`workspaces.${workspace.name}.user` is ${workspace.user}, which is a user of NixOS itself: take another name";
      }
      {
        assertion = workspace.user != "root";
        message = "`workspaces.${workspace.name}.user` is root, who has neither a home of its own there nor a login: name another user, who becomes root by `doas`";
      }
      {
        assertion = workspace.name != config.networking.hostName;
        message = "${it} has the name of this host: call it something else";
      }
      {
        assertion = namesakes == [ ];
        message = "${it} has a name of the machine `${lib.head namesakes}`, which this host could not reach then: call it something else";
      }
    ];

  # What this host's configuration says about places that hold what is not for workspaces.
  guarded =
    let
      files =
        holds:
        map (path: {
          inherit path holds;
        });
    in
    files "the homes and keys of workspaces" [ config.workspaceDefaults.stateFolder ]
    ++ lib.concatMap (
      user:
      files "keys of the user ${user.name}" [
        "${user.home}/.gnupg"
        "${user.home}/.ssh"
      ]
    ) (lib.filter (user: user.isNormalUser) (lib.attrValues config.users.users))
    ++ files "keys of the boot environment" (
      lib.optionals (options ? thisMachine) [
        config.thisMachine.unlock.hostKeyFile
        config.thisMachine.unlock.onion.keyFolder
      ]
    )
    ++ files "a key of this host" (map (key: key.path) config.services.openssh.hostKeys)
    ++ files "secrets of this host" (
      lib.attrValues (
        lib.intersectAttrs {
          secretsDir = null;
          secretsMountPoint = null;
        } (config.age or { })
      )
    )
    ++ files "a key that opens secrets of this host" (map toString (config.age.identityPaths or [ ]));

  mountFaults =
    workspace:
    workspaceMountFaults {
      inherit (workspace) name;
      own = lib.filter (
        mount:
        lib.elem mount.tag [
          "home"
          "ssh"
        ]
      ) workspace.mounts;
      extra = lib.attrValues workspace.extraMounts;
      inherit guarded;
    };
in
{
  config = lib.mkIf (workspaces != [ ]) {
    assertions =
      map
        (message: {
          assertion = false;
          inherit message;
        })
        (
          stateFolderFaults config.workspaceDefaults.stateFolder
          ++ workspaceFaults workspaces
          ++ lib.concatMap mountFaults workspaces
        )
      ++ lib.concatMap ofEach workspaces;

    warnings = lib.concatMap (
      workspace:
      lib.optional (workspace.authorizedKeys == [ ])
        "nobody may log in to the workspace `${workspace.name}` over SSH: set `workspaceDefaults.authorizedKeys`"
    ) workspaces;
  };
}
