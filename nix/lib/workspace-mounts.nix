# Folders of the host in workspaces: which of them would undo what a workspace is for.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    filter
    groupBy
    length
    substring
    stringLength
    ;

  isIn = place: path: path == place || substring 0 (stringLength place + 1) path == "${place}/";

  # Where NixOS keeps itself in a workspace, or mounts something over what is there already.
  taken = [
    "/dev"
    "/nix"
    "/proc"
    "/run"
    "/sys"
  ];
  # These too, but what is below them is free.
  needed = [
    "/bin"
    "/etc"
    "/usr"
    "/var"
    "/var/lib"
  ];
in
rec {
  /**
    Places on every host with NixOS that hold what nobody in a container or a virtual machine may have: keys, secrets, devices,
    and sockets by which the host is commanded. What depends on a host's configuration is not among them. A socket is used
    also through a mount that is read-only.

    # Type

    ```
    guardedPlaces :: [{ path :: String, holds :: String }]
    ```

    # Example

    ```nix
    guardedPlaces
    => [ { path = "/boot"; holds = "keys of the boot environment"; } … ]
    ```
  */
  guardedPlaces = [
    {
      path = "/boot";
      holds = "keys of the boot environment";
    }
    {
      path = "/dev";
      holds = "the host's devices";
    }
    {
      path = "/nix/var";
      holds = "the socket of the host's Nix daemon";
    }
    {
      path = "/proc";
      holds = "the host's processes";
    }
    {
      path = "/run/agenix";
      holds = "secrets of the host";
    }
    {
      path = "/run/agenix.d";
      holds = "secrets of the host";
    }
    {
      path = "/run/secrets";
      holds = "secrets of the host";
    }
    {
      path = "/sys";
      holds = "the host's devices";
    }
    {
      path = "/var/lib/incus";
      holds = "the socket of Incus";
    }
    {
      path = "/var/lib/microvms";
      holds = "the virtual machines";
    }
    {
      path = "/var/lib/nixos-containers";
      holds = "the containers";
    }
    # A link to /run.
    {
      path = "/var/run";
      holds = "sockets of the host's services";
    }
  ]
  ++
    map
      (name: {
        path = "/run/${name}";
        holds = "sockets of the host's services";
      })
      [
        "containerd"
        "crio"
        "dbus"
        "docker.sock"
        "incus"
        "libvirt"
        "podman"
        "systemd"
        "tailscale"
        "udev"
        "user"
      ];

  /**
    Whether a path is the place, lies in it, or has it in it. Links are not followed.

    # Inputs

    `place`, `path`

    : Two absolute paths.

    # Type

    ```
    pathsOverlap :: String -> String -> Bool
    ```

    # Example

    ```nix
    pathsOverlap "/run/dbus" "/run"
    => true
    ```
  */
  pathsOverlap = place: path: isIn place path || isIn path place;

  /**
    Whether NixOS needs a place for itself in a workspace or container, so that nothing can be mounted there.

    # Inputs

    `mountPoint`

    : An absolute path.

    # Type

    ```
    isTakenPlace :: String -> Bool
    ```

    # Example

    ```nix
    isTakenPlace "/nix/store"
    => true
    ```
  */
  isTakenPlace =
    mountPoint: builtins.any (place: isIn place mountPoint) taken || builtins.elem mountPoint needed;

  /**
    What is wrong with the folders of the host in a workspace, in words: two in one place, one that hides what the
    workspace needs, and those by which it could get out of where it is or read what is not its own. Links on the host are
    not followed: nobody knows them before the workspace starts.

    # Inputs

    `name`

    : The name of the workspace.

    `own`

    : What every workspace has: the home and the host key.

    `extra`

    : What this one has besides.

    `guarded`

    : Paths on the host that no workspace may have, with what they hold.

    # Type

    ```
    workspaceMountFaults :: {
      name :: String,
      own, extra :: [{ hostPath :: String, mountPoint :: String }],
      guarded :: [{ path :: String, holds :: String }],
    } -> [String]
    ```

    # Example

    ```nix
    workspaceMountFaults {
      name = "dev";
      own = [ ];
      extra = [ { hostPath = "/nix"; mountPoint = "/data"; } ];
      guarded = [ ];
    }
    => [ "`workspaces.dev.extraMounts`: /nix has /nix/var in it, which holds the socket of the host's Nix daemon; …" ]
    ```
  */
  workspaceMountFaults =
    {
      name,
      own,
      extra,
      guarded,
    }:
    let
      it = "`workspaces.${name}.extraMounts`";

      byPlace = groupBy (mount: mount.mountPoint) (own ++ extra);
      shared =
        place:
        let
          mounts = byPlace.${place};
        in
        if length mounts == 1 then
          [ ]
        else
          [
            "${it}: ${concatStringsSep " and " (map (mount: mount.hostPath) mounts)} would ${
              if length mounts == 2 then "both" else "all"
            } be at ${place}"
          ];

      hidden =
        { hostPath, mountPoint, ... }:
        let
          below = filter (mount: mount.mountPoint != mountPoint && isIn mountPoint mount.mountPoint) own;
        in
        if isTakenPlace mountPoint then
          [ "${it}: ${hostPath} can't be at ${mountPoint}, which NixOS needs for itself in the workspace" ]
        else
          map (
            mount:
            "${it}: ${hostPath} at ${mountPoint} would hide ${mount.mountPoint}, which every workspace has"
          ) below;

      opened =
        { hostPath, ... }:
        let
          found = filter ({ path, ... }: pathsOverlap path hostPath) (guardedPlaces ++ guarded);
          how =
            path:
            if path == hostPath then
              "holds"
            else if isIn path hostPath then
              "lies in ${path}, which holds"
            else
              "has ${path} in it, which holds";
          told =
            { path, holds }:
            "${it}: ${hostPath} ${how path} ${holds}; share a folder that has only what the workspace needs";
        in
        # One reason is enough.
        if found == [ ] then [ ] else [ (told (builtins.head found)) ];
    in
    concatMap shared (attrNames byPlace) ++ concatMap hidden extra ++ concatMap opened extra;
}
