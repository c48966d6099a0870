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
    "/etc/ssh"
    "/etc/static"
    "/etc/systemd"
    "/etc/workspace"
    "/nix"
    "/proc"
    "/run"
    "/sys"
  ];
  # These too, but what is below them is free.
  needed = [
    "/bin"
    "/etc"
    "/lib"
    "/lib64"
    "/sbin"
    "/usr"
    "/var"
    "/var/lib"
  ];

  # Who may write here on the host commands it.
  ofHost = [
    "/bin"
    "/etc"
    "/nix"
    "/usr"
  ];

  # Where nothing is kept, or where others may have been first.
  notToKeep = {
    "/boot" = "is for booting";
    "/dev" = "is the kernel's";
    "/etc" = "is the configuration's";
    "/nix" = "is Nix' own";
    "/proc" = "is the kernel's";
    "/run" = "is emptied at each boot";
    "/sys" = "is the kernel's";
    "/tmp" = "is for everybody";
    "/var/tmp" = "is for everybody";
  };
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
      path = "/etc/NetworkManager";
      holds = "passwords of networks";
    }
    {
      path = "/etc/shadow";
      holds = "passwords of the host";
    }
    {
      path = "/etc/wireguard";
      holds = "keys of the host";
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
      path = "/root";
      holds = "what root of the host keeps";
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
      path = "/run/credentials";
      holds = "secrets of the host";
    }
    {
      path = "/run/keys";
      holds = "secrets of the host";
    }
    {
      path = "/sys";
      holds = "the host's devices";
    }
    {
      path = "/tmp/.X11-unix";
      holds = "the socket of the display";
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
    {
      path = "/var/lib/systemd";
      holds = "keys of the host";
    }
    {
      path = "/var/lib/tailscale";
      holds = "keys of the host";
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
        path = "/var/lib/${name}";
        holds = "other containers and machines";
      })
      [
        "containerd"
        "containers"
        "docker"
        "libvirt"
        "lxc"
        "lxd"
        "machines"
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
      own, extra :: [{ hostPath :: String, mountPoint :: String, readOnly :: Bool }],
      guarded :: [{ path :: String, holds :: String }],
    } -> [String]
    ```

    # Example

    ```nix
    workspaceMountFaults {
      name = "dev";
      own = [ ];
      extra = [ { hostPath = "/nix"; mountPoint = "/data"; readOnly = true; } ];
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
          found = filter ({ path, ... }: pathsOverlap path hostPath) (guarded ++ guardedPlaces);
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

      written =
        {
          hostPath,
          readOnly ? true,
          ...
        }:
        let
          found = filter (place: pathsOverlap place hostPath) ofHost;
        in
        if readOnly || found == [ ] then
          [ ]
        else
          [
            "${it}: ${hostPath} could be written to, and the host runs what is in ${builtins.head found}: leave `readOnly` true, or share another folder"
          ];
    in
    concatMap shared (attrNames byPlace)
    ++ concatMap hidden extra
    ++ concatMap opened extra
    ++ concatMap written extra;

  /**
    What is wrong with the folder for what workspaces keep, in words: one that loses what is in it, that anybody may write
    to, or that is something else.

    # Inputs

    `folder`

    : An absolute path.

    # Type

    ```
    stateFolderFaults :: String -> [String]
    ```

    # Example

    ```nix
    stateFolderFaults "/run/workspaces"
    => [ "`workspaceDefaults.stateFolder` is /run/workspaces, but /run is emptied at each boot: …" ]
    ```
  */
  stateFolderFaults =
    folder:
    map (
      place:
      "`workspaceDefaults.stateFolder` is ${folder}, but ${place} ${notToKeep.${place}}: take a folder that stays and is root's, such as /var/lib/workspaces"
    ) (filter (place: isIn place folder) (attrNames notToKeep));
}
