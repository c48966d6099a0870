# A host with one workspace, of each type.
{
  lib,
  machine,
  microvmHost,
  modules,
  packagesFor,
  ...
}:
rec {
  types = [
    "container"
    "incus"
    "vm"
  ];

  key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI";

  # The host without any workspace.
  bare = {
    imports = [
      (modules + "/workspaces")
      microvmHost
    ];
    networking.hostName = "fry";
    networking.nftables.enable = true;
    networking.useNetworkd = true;
    networking.sandbox.upstreams = [ "eth0" ];
    time.timeZone = "Europe/Berlin";
    workspaceDefaults.authorizedKeys = [ key ];
    workspaceDefaults.incus.package = (packagesFor "x86_64-linux").hello;
  };

  hostWith =
    extra:
    machine [
      bare
      extra
    ];

  /**
    A host with the workspace `dev` of a type.

    # Type

    ```
    hostOf :: String -> Module -> { config, failed, warnings, … }
    ```
  */
  hostOf =
    type: extra:
    hostWith {
      imports = [ extra ];
      workspaces.dev = {
        inherit type;
        ip = "10.20.0.10";
      };
    };

  /**
    The configuration inside of a workspace of a host.

    # Type

    ```
    insideOf :: String -> Host -> AttrSet
    ```
  */
  insideOf =
    name: host:
    {
      container = host.config.containers.${name}.config;
      incus = host.config.system.build.incusWorkspaces.${name}.system.config;
      vm = host.config.microvm.vms.${name}.config.config;
    }
    .${host.config.workspaces.${name}.type};

  /**
    The value that a function gives for each type.

    # Type

    ```
    perType :: (String -> a) -> { container :: a, incus :: a, vm :: a }
    ```
  */
  perType = lib.genAttrs types;

  /**
    The value that is the same for each type.
  */
  allTypes = value: perType (_: value);
}
