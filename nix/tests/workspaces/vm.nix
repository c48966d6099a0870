# Workspaces of type `vm`.
support:
let
  inherit (support) lib;
  inherit (import ../support/workspaces.nix support) hostOf;

  host = hostOf "vm" { };
  guest = host.config.microvm.vms.dev.config.config;
  full = hostOf "vm" {
    workspaces.dev = {
      resources = {
        cpu = 3;
        memory = 512;
        disk = 20480;
      };
      cid = 42;
      extraMounts."/data".hostPath = "/srv/data";
    };
  };
  fullGuest = full.config.microvm.vms.dev.config.config;
  shown = share: {
    inherit (share)
      source
      mountPoint
      proto
      readOnly
      ;
  };
in
{
  "it is run by cloud-hypervisor, on a TAP interface with its MAC address" = {
    expr = {
      inherit (guest.microvm) hypervisor;
      interfaces = map (interface: { inherit (interface) type id mac; }) guest.microvm.interfaces;
      matched = guest.systemd.network.networks."10-workspace".matchConfig;
    };
    expected = {
      hypervisor = "cloud-hypervisor";
      interfaces = [
        {
          type = "tap";
          id = "vm-dev";
          mac = "ee:26:0e:9a:a3:c6";
        }
      ];
      matched.MACAddress = "ee:26:0e:9a:a3:c6";
    };
  };
  "its TAP interface and its file servers wait for the guard and the state too" = {
    expr = [
      host.config.systemd.services."microvm-tap-interfaces@dev".requires
      host.config.systemd.services."microvm-virtiofsd@dev".requires
    ];
    expected = [
      [ "sandbox-guard.service" ]
      [ "workspace-state@dev.service" ]
    ];
  };
  "its CID follows from its name, or is said" = {
    expr = [
      guest.microvm.vsock.cid
      fullGuest.microvm.vsock.cid
    ];
    expected = [
      4012248733
      42
    ];
  };
  "the store, the home and the key are shares" = {
    expr = map shown guest.microvm.shares;
    expected = [
      {
        source = "/nix/store";
        mountPoint = "/nix/.ro-store";
        proto = "virtiofs";
        readOnly = true;
      }
      {
        source = "/var/lib/workspaces/dev/private/home";
        mountPoint = "/home/dev";
        proto = "virtiofs";
        readOnly = false;
      }
      {
        source = "/var/lib/workspaces/dev/private/ssh";
        mountPoint = "/var/lib/workspace/ssh";
        proto = "virtiofs";
        readOnly = true;
      }
    ];
  };
  "its store can be written, in memory or on a disk of the size that is said" = {
    expr = {
      overlay = guest.microvm.writableStoreOverlay;
      none = guest.microvm.volumes;
      volumes = map (volume: { inherit (volume) image mountPoint size; }) fullGuest.microvm.volumes;
      anew = lib.hasInfix "rm -f rw-store.img" fullGuest.microvm.preStart;
      early = guest.fileSystems."/var/lib/workspace/ssh".neededForBoot;
    };
    expected = {
      overlay = "/nix/.rw-store";
      none = [ ];
      volumes = [
        {
          image = "rw-store.img";
          mountPoint = "/nix/.rw-store";
          size = 20480;
        }
      ];
      anew = true;
      early = true;
    };
  };
  "what it may use is limited, and folders of the host are there" = {
    expr = {
      inherit (full) failed;
      inherit (fullGuest.microvm) vcpu mem;
      data = lib.filter (share: share.mountPoint == "/data") (map shown fullGuest.microvm.shares);
    };
    expected = {
      failed = [ ];
      vcpu = 3;
      mem = 512;
      data = [
        {
          source = "/srv/data";
          mountPoint = "/data";
          proto = "virtiofs";
          readOnly = true;
        }
      ];
    };
  };
  "SSH is there over vsock" = {
    expr = {
      listens = guest.systemd.sockets.workspace-vsock.listenStreams;
      starts =
        lib.hasInfix "/bin/sshd -i"
          guest.systemd.services."workspace-vsock@".serviceConfig.ExecStart;
    };
    expected = {
      listens = [ "vsock::22" ];
      starts = true;
    };
  };
}
