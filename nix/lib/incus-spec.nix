# What `bulkhead-incus` has to know about a workspace.
let
  inherit (builtins) any elem filter;
  inherit (import ./addresses.nix) parseNetwork;

  present = filter (item: item != null);
in
{
  /**
    The content of a `SPEC.json` for `bulkhead-incus`, by `schemas/incus-spec.schema.json`.

    # Inputs

    `workspace`

    : The workspace: its `name`, `interface` on the host, `mac`, `ip` and `ip6` (which may be null), `resources`, `mounts`
      and whether it has the `gpu`.

    `sandbox`

    : The network: its `bridge`, `subnet`, `subnet6` (null without IPv6) and the pairs of `allowBetween`.

    `image`

    : The `metadata` and the `rootfs` of the image, the paths of two archives.

    `incus`

    : The name of the storage `pool`, `startSeconds` and `stopSeconds`, the `gpuGroup` (the number of the group that owns
      the GPU's device files in the workspace) and the `specFolder` with the specs of all workspaces.

    # Type

    ```
    incusSpec :: {
      workspace :: {
        name, interface, mac, ip :: String,
        ip6 :: String | Null,
        resources :: { cpu, memory, disk :: Int | Null },  # memory and disk in MiB
        mounts :: [{ hostPath, mountPoint :: String, readOnly :: Bool }],
        gpu :: Bool,
      },
      sandbox :: { bridge, subnet :: String, subnet6 :: String | Null, allowBetween :: [[String]] },
      image :: { metadata, rootfs :: String },
      incus :: { pool, specFolder :: String, startSeconds, stopSeconds, gpuGroup :: Int },
    } -> AttrSet
    ```

    # Example

    ```nix
    (incusSpec { workspace = …; sandbox = …; image = …; incus = …; }).network.addresses
    => [ "10.20.0.10/24" ]
    ```
  */
  incusSpec =
    {
      workspace,
      sandbox,
      image,
      incus,
    }:
    let
      within =
        address: network:
        if address == null then null else "${address}/${toString (parseNetwork network).prefix}";
      inMebibytes = amount: if amount == null then null else "${toString amount}MiB";
    in
    {
      version = 1;
      inherit (workspace) name;
      image = { inherit (image) metadata rootfs; };
      network = {
        inherit (sandbox) bridge;
        hostInterface = workspace.interface;
        interface = "eth0";
        inherit (workspace) mac;
        addresses = present [
          (within workspace.ip sandbox.subnet)
          (within workspace.ip6 sandbox.subnet6)
        ];
        # Those of a pair that may reach each other must not be.
        isolated = !any (elem workspace.name) sandbox.allowBetween;
      };
      resources = {
        inherit (workspace.resources) cpu;
        memory = inMebibytes workspace.resources.memory;
        disk = inMebibytes workspace.resources.disk;
      };
      mounts = map (mount: {
        source = mount.hostPath;
        path = mount.mountPoint;
        inherit (mount) readOnly;
      }) workspace.mounts;
      gpu = if workspace.gpu then { gid = incus.gpuGroup; } else null;
      ready = {
        port = 22;
        deadlineSeconds = incus.startSeconds;
      };
      incus.storagePool = incus.pool;
      inherit (incus) specFolder stopSeconds;
    };
}
