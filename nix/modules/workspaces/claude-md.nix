# The text that tells a program that works in a workspace where it is. A function from the workspace and the host's
# configuration to a string.
{
  lib,
  workspace,
  host,
}:
let
  inherit (host.networking) sandbox;

  kinds = {
    vm = "a virtual machine";
    container = "a container";
    incus = "a container";
  };
  stays = {
    vm = "Everything else is made anew when the workspace starts.";
    container = "Everything else is the configuration's, and may be made anew.";
    incus = "Everything else is made anew when the workspace starts.";
  };
  nix = {
    vm = "Nix builds and `nix shell` work. What they add to the store is gone after the next start.";
    container = "There is no Nix here: the store is the host's, and only to be read.";
    incus = "Nix builds and `nix shell` work. What they add to the store is gone after the next start.";
  };

  places =
    mounts:
    lib.concatMapStrings (
      mount: "\n- `${mount.mountPoint}`${lib.optionalString mount.readOnly ", only to be read"}"
    ) mounts;
  extra = lib.attrValues workspace.extraMounts;
in
''
  # This machine

  You are in `${workspace.name}`, ${kinds.${workspace.type}} with NixOS that is there for work like yours: nothing that
  you do here reaches the machine around it.

  - You are `${workspace.user}`; `doas COMMAND` runs a command as root, without a password.
  - `/home/${workspace.user}` stays. ${stays.${workspace.type}} To keep a package or a service, it has to be added to
    `workspaces.${workspace.name}.config` on the host, which can't be done from here.
  - ${nix.${workspace.type}}
  - The address is ${workspace.ip}. The public internet can be reached; private networks, the host and other workspaces
    can't, unless the host says so. A connection that is refused there is not a fault to be worked around.
  - Names are resolved by ${sandbox.gateway} alone.
''
+ lib.optionalString (extra != [ ]) ''

  Folders of the host:
  ${places extra}
''
+ lib.optionalString (workspace.notes != "") ''

  ${workspace.notes}
''
