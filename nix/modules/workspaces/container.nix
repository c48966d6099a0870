# Workspaces of type `container`: systemd-nspawn by NixOS' own `containers`, with a user namespace.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (import ../../lib) guardedPlaces;
  inherit (config.networking) sandbox;
  inherit (config.workspaceDefaults) stateFolder;

  workspaces = lib.filterAttrs (_: workspace: workspace.type == "container") config.workspaces;

  # Older module sets have neither of these options.
  known = options.containers.type.getSubOptions [ ];
  hasUsers = known ? privateUsers;
  hasMac = known ? localMacAddress;

  # `idmap` shows files with the owners that they have on the host; without it they would all be nobody's.
  bindFlag =
    mount:
    "${if mount.readOnly then "--bind-ro" else "--bind"}=${mount.hostPath}:${mount.mountPoint}:idmap";

  containerOf =
    _: workspace:
    {
      inherit (workspace) autoStart restartIfChanged;
      privateNetwork = true;
      hostBridge = sandbox.bridge;
      allowedDevices = lib.optional workspace.gpu {
        node = "char-drm";
        modifier = "rw";
      };
      extraFlags =
        lib.optional (!hasUsers) "--private-users=pick"
        ++ map bindFlag workspace.mounts
        ++ lib.optional workspace.gpu "--bind=/dev/dri";
      config = {
        imports = [
          (import ./base.nix {
            inherit workspace;
            host = config;
            match.Name = "eth0";
          })
          workspace.config
        ];
        nixpkgs.pkgs = lib.mkDefault pkgs;
        # The store is the host's, and nobody builds for a container.
        nix.enable = lib.mkDefault false;
        environment.variables.NIX_REMOTE = lib.mkForce "";
      };
    }
    // lib.optionalAttrs hasUsers { privateUsers = "pick"; }
    // lib.optionalAttrs hasMac { localMacAddress = workspace.mac; };

  unitOf = name: workspace: {
    name = "container@${name}";
    value = {
      # NixOS restarts only those that start by themselves.
      restartIfChanged = lib.mkForce workspace.restartIfChanged;
      restartTriggers = lib.mkIf (!workspace.autoStart) [
        config.containers.${name}.path
        config.environment.etc."${folder}/${name}.conf".source
      ];
      serviceConfig = import ../shared/sockets.nix { inherit lib; } // {
        # NixOS binds the socket of the host's nix-daemon into every container, from where it is in the mounts of this
        # unit: there it is an empty folder. A flag of systemd-nspawn could only hide it inside, under another mount.
        BindReadOnlyPaths = [ "${empty}:/nix/var/nix/daemon-socket" ];
        CPUQuota =
          lib.mkIf (workspace.resources.cpu != null)
            "${toString (workspace.resources.cpu * 100)}%";
        MemoryMax = lib.mkIf (workspace.resources.memory != null) "${toString workspace.resources.memory}M";
      };
    };
  };
  empty = "${stateFolder}/.empty";
  folder = "${lib.optionalString (lib.versionAtLeast config.system.stateVersion "22.05") "nixos-"}containers";
in
{
  assertions = lib.concatMap (
    name:
    import ../shared/ways-out.nix { inherit lib; } {
      inherit name;
      of = "`workspaces.${name}`";
      container = config.containers.${name};
      inherit (sandbox) bridge;
      places = guardedPlaces;
    }
  ) (lib.attrNames workspaces);
  containers = lib.mapAttrs containerOf workspaces;
  systemd.services = lib.mapAttrs' unitOf workspaces;
  systemd.tmpfiles.rules = lib.mkIf (workspaces != { }) [ "d ${empty} 0555 root root -" ];
}
