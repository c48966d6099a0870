# Workspaces: isolated development environments on one bridge. What is made from their names, and what must not be the
# same for two of them.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    filter
    groupBy
    hashString
    length
    mapAttrs
    match
    stringLength
    substring
    ;

  prefixes = {
    vm = "vm-";
    container = "vb-"; # systemd-nspawn names it so, and lets nobody choose
    incus = "vi-";
  };

  # VMADDR_CID_HYPERVISOR, VMADDR_CID_LOCAL, VMADDR_CID_HOST and VMADDR_CID_ANY of vsock(7).
  anyCid = 4294967295;
  reservedCids = {
    "0" = "the hypervisor's";
    "1" = "that of a machine for itself";
    "2" = "the host's";
    "4294967295" = "that of any machine";
  };

  when = condition: message: if condition then [ message ] else [ ];
in
rec {
  /**
    The name of a workspace's network interface on the host.

    # Inputs

    `type`

    : `"vm"`, `"container"` or `"incus"`.

    `name`

    : The name of the workspace.

    # Type

    ```
    workspaceInterface :: String -> String -> String
    ```

    # Example

    ```nix
    workspaceInterface "container" "dev"
    => "vb-dev"
    ```
  */
  workspaceInterface = type: name: prefixes.${type} + name;

  /**
    The systemd unit that runs a workspace.

    # Inputs

    `type`

    : `"vm"`, `"container"` or `"incus"`.

    `name`

    : The name of the workspace.

    # Type

    ```
    workspaceUnit :: String -> String -> String
    ```

    # Example

    ```nix
    workspaceUnit "vm" "dev"
    => "microvm@dev.service"
    ```
  */
  workspaceUnit =
    type: name:
    {
      vm = "microvm@${name}.service";
      container = "container@${name}.service";
      incus = "incus-workspace@${name}.service";
    }
    .${type};

  /**
    Make the vsock context identifier (CID) of a virtual machine from a name: the first 32 bits of the SHA-256 of the
    name, brought between 3 and 4294967294, which are those that vsock(7) leaves to guests. Two names may get the same:
    where many meet on one host, check that they differ.

    # Inputs

    `name`

    : The name of the workspace.

    # Type

    ```
    mkCid :: String -> Int
    ```

    # Example

    ```nix
    mkCid "dev"
    => 4012248733
    ```
  */
  mkCid =
    name:
    let
      hash = (builtins.fromTOML "it = 0x${substring 0 8 (hashString "sha256" name)}").it;
      count = anyCid - 3;
    in
    3 + hash - hash / count * count;

  /**
    The entries of `/etc/hosts` for workspaces: names by address.

    # Inputs

    `workspaces`

    : A list of workspaces with `name`, `ip` and `ip6`, which may be null.

    # Type

    ```
    workspaceHosts :: [Workspace] -> { <address> :: [String] }
    ```

    # Example

    ```nix
    workspaceHosts [ { name = "dev"; ip = "192.0.2.2"; ip6 = null; } ]
    => { "192.0.2.2" = [ "dev" ]; }
    ```
  */
  workspaceHosts =
    workspaces:
    mapAttrs (_: map (entry: entry.name)) (
      groupBy (entry: entry.address) (
        concatMap (
          workspace:
          map
            (address: {
              inherit address;
              inherit (workspace) name;
            })
            (
              filter (address: address != null) [
                workspace.ip
                workspace.ip6
              ]
            )
        ) workspaces
      )
    );

  /**
    What is wrong with a host's workspaces, in words: names that don't fit everywhere, and CIDs that are reserved or that
    two virtual machines have. Their interfaces and addresses are the sandbox's ports: see `sandboxFaults`.

    # Inputs

    `workspaces`

    : A list of workspaces with `name` and with `cid`, which may be null.

    # Type

    ```
    workspaceFaults :: [{ name :: String, cid :: Int | Null }] -> [String]
    ```

    # Example

    ```nix
    workspaceFaults [ { name = "a"; cid = 7; } { name = "b"; cid = 7; } ]
    => [ "`workspaces.a.cid` and `workspaces.b.cid` are both 7: set one of them to another number" ]
    ```
  */
  workspaceFaults =
    workspaces:
    let
      nameFaults =
        { name, ... }:
        when (
          name == "localhost"
        ) "`localhost` can't be the name of a workspace: it is that of every host for itself"
        ++
          when (match "[a-z]([a-z0-9-]*[a-z0-9])?" name == null || stringLength name > 63)
            "`${name}` can't be the name of a workspace: it is a host name too, so write at most 63 of a to z, 0 to 9 and `-`, the first a letter and the last not `-`";

      cidFaults =
        { name, cid, ... }:
        let
          it = "`workspaces.${name}.cid` is ${toString cid}";
        in
        if cid == null then
          [ ]
        else if reservedCids ? ${toString cid} then
          [ "${it}, which is ${reservedCids.${toString cid}} (vsock(7)): take one from 3 to 4294967294" ]
        else
          when (cid < 0 || cid > anyCid) "${it}, and not a number from 3 to 4294967294";

      byCid = groupBy (workspace: toString workspace.cid) (
        filter (workspace: workspace.cid != null) workspaces
      );
      sharedFaults =
        cid:
        let
          options = map (workspace: "`workspaces.${workspace.name}.cid`") byCid.${cid};
        in
        if length options == 2 then
          [ "${concatStringsSep " and " options} are both ${cid}: set one of them to another number" ]
        else
          when (
            length options > 2
          ) "${concatStringsSep " and " options} are all ${cid}: set all but one of them to other numbers";
    in
    concatMap nameFaults workspaces
    ++ concatMap cidFaults workspaces
    ++ concatMap sharedFaults (attrNames byCid);
}
