# Workspaces of type `vm`: microvm.nix with cloud-hypervisor. Its host module is for the user to import.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (import ../../lib) guardedPlaces pathsOverlap;

  workspaces = lib.filterAttrs (_: workspace: workspace.type == "vm") config.workspaces;

  share = mount: {
    proto = "virtiofs";
    inherit (mount) tag mountPoint readOnly;
    source = mount.hostPath;
  };
  overlay = "/nix/.rw-store";

  guestOf = workspace: {
    imports = [
      (import ./base.nix {
        inherit workspace;
        host = config;
        match.MACAddress = workspace.mac;
      })
      workspace.config
    ];

    microvm = {
      hypervisor = "cloud-hypervisor";
      # Without a limit there is no VM; checks.nix says so.
      vcpu = lib.mkIf (workspace.resources.cpu != null) workspace.resources.cpu;
      mem = lib.mkIf (workspace.resources.memory != null) workspace.resources.memory;
      vsock.cid = workspace.cid;
      interfaces = [
        {
          type = "tap";
          id = workspace.interface;
          inherit (workspace) mac;
        }
      ];
      shares = [
        {
          proto = "virtiofs";
          tag = "ro-store";
          source = "/nix/store";
          mountPoint = "/nix/.ro-store";
          readOnly = true;
        }
      ]
      ++ map share workspace.mounts;

      writableStoreOverlay = overlay;
      volumes = lib.optional (workspace.resources.disk != null) {
        image = "rw-store.img";
        mountPoint = overlay;
        size = workspace.resources.disk;
      };
      # The lower half of the overlay is the host's store of this start: an upper half of an older one does not fit it.
      preStart = lib.mkIf (workspace.resources.disk != null) "rm -f rw-store.img";
    };
    # They would rewrite the host's files through the overlay.
    nix.optimise.automatic = false;
    nix.settings.auto-optimise-store = false;
    # The key has to be there before sshd looks for it.
    fileSystems."/var/lib/workspace/ssh".neededForBoot = true;

    # SSH without a network, for `workspace_<name>_shell`.
    systemd.sockets.workspace-vsock = {
      description = "SSH from the host over vsock";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ "vsock::22" ];
      socketConfig.Accept = true;
    };
    systemd.services."workspace-vsock@" = {
      description = "SSH session from the host over vsock";
      serviceConfig = {
        ExecStart = "-${pkgs.openssh}/bin/sshd -i -f /etc/ssh/sshd_config";
        StandardInput = "socket";
        KillMode = "process";
      };
    };
  };

  # What options of microvm.nix would take a VM past the bridge that guards it, or give it of the host.
  waysOut =
    name: workspace:
    let
      inherit (config.microvm.vms.${name}.config.config) microvm;
      it = "`workspaces.${name}.config.microvm";
      ours = map (mount: mount.hostPath) workspace.mounts;
      more = lib.filter (interface: interface.id != workspace.interface) microvm.interfaces;
      placesOf = share: lib.filter (place: pathsOverlap place.path share.source) guardedPlaces;
      shares = lib.filter (share: !lib.elem share.source ours && placesOf share != [ ]) microvm.shares;
    in
    map (interface: {
      assertion = false;
      message = "${it}.interfaces` has ${interface.id}, which would be another way out of `workspaces.${name}`, or into it: leave it out";
    }) more
    ++ map (
      share:
      let
        place = lib.head (placesOf share);
      in
      {
        assertion = false;
        message = "${it}.shares` has ${share.source}, and ${place.path} holds ${place.holds}: leave it out";
      }
    ) shares;
in
{
  config = lib.optionalAttrs (options ? microvm) {
    assertions = lib.concatLists (lib.mapAttrsToList waysOut workspaces);
    microvm.vms = lib.mapAttrs (_: workspace: {
      autostart = workspace.autoStart;
      inherit (workspace) restartIfChanged;
      config = guestOf workspace;
    }) workspaces;
  };
}
