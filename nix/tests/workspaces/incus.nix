# Workspaces of type `incus`.
support:
let
  inherit (support) lib nixpkgs;
  inherit (import ../support/workspaces.nix support) hostOf hostWith;

  host = hostOf "incus" { };
  full = hostOf "incus" {
    networking.sandbox.subnet6 = "fd20::/64";
    networking.sandbox.gateway6 = "fd20::1";
    workspaceDefaults.incus.pool.driver = "btrfs";
    workspaces.dev = {
      ip6 = "fd20::10";
      gpu = true;
      resources = {
        cpu = 3;
        memory = 512;
        disk = 20480;
      };
      extraMounts."/data".hostPath = "/srv/data";
    };
  };
  made = host: host.config.system.build.incusWorkspaces.dev;
  specOf = host: removeAttrs (made host).spec [ "image" ];
  service = host.config.systemd.services."incus-workspace@dev".serviceConfig;
  isComplete = builtins.pathExists (nixpkgs + "/pkgs/top-level/default.nix");
  image = (made host).system.config.system.build.workspaceImage;
in
{
  "its unit makes it, and removes it" = {
    expr = {
      inherit (service) Type RemainAfterExit NotifyAccess;
      start = lib.hasInfix "/bin/bulkhead-incus start " service.ExecStart;
      stop = lib.hasInfix "/bin/bulkhead-incus stop " service.ExecStop;
      left = lib.hasInfix "/bin/bulkhead-incus stop " service.ExecStopPost;
    };
    expected = {
      Type = "notify";
      RemainAfterExit = true;
      NotifyAccess = "exec";
      start = true;
      stop = true;
      left = true;
    };
  };
  "`ip` is at hand for interfaces that were left behind" = {
    expr = lib.any (
      package: lib.getName package == "iproute2"
    ) host.config.systemd.services."incus-workspace@dev".path;
    expected = true;
  };
  "its spec says all that bulkhead-incus has to know" = {
    expr = specOf host;
    expected = {
      version = 1;
      name = "dev";
      network = {
        bridge = "sandbox0";
        hostInterface = "vi-dev";
        interface = "eth0";
        mac = "ee:26:0e:9a:a3:c6";
        addresses = [ "10.20.0.10/24" ];
        isolated = true;
      };
      resources = {
        cpu = 2;
        memory = "4096MiB";
        disk = null;
      };
      mounts = [
        {
          source = "/var/lib/workspaces/dev/private/home";
          path = "/home/dev";
          readOnly = false;
        }
        {
          source = "/var/lib/workspaces/dev/private/ssh";
          path = "/var/lib/workspace/ssh";
          readOnly = true;
        }
      ];
      gpu = null;
      ready = {
        port = 22;
        deadlineSeconds = 300;
      };
      incus.storagePool = "workspaces";
      specFolder = "/etc/bulkhead/incus";
      stopSeconds = 30;
    };
  };
  "limits, the GPU, mounts and IPv6 are in the spec" = {
    expr = {
      inherit (full) failed;
      inherit (specOf full) resources gpu;
      inherit ((specOf full).network) addresses;
      data = lib.last (specOf full).mounts;
    };
    expected = {
      failed = [ ];
      resources = {
        cpu = 3;
        memory = "512MiB";
        disk = "20480MiB";
      };
      gpu.gid = 303;
      addresses = [
        "10.20.0.10/24"
        "fd20::10/64"
      ];
      data = {
        source = "/srv/data";
        path = "/data";
        readOnly = true;
      };
    };
  };
  "specs lie where bulkhead-incus looks for those that are gone" = {
    expr = {
      file = host.config.environment.etc ? "bulkhead/incus/dev.json";
      gc = lib.hasSuffix "/bin/bulkhead-incus gc" host.config.systemd.services.bulkhead-incus-gc.serviceConfig.ExecStart;
    };
    expected = {
      file = true;
      gc = true;
    };
  };
  "what the last workspace has left is removed, as long as there is Incus" = {
    expr =
      lib.mapAttrs
        (
          _: extra:
          let
            inherit (hostWith extra) config failed;
          in
          {
            inherit failed;
            incus = config.virtualisation.incus.enable;
            gc = config.systemd.services ? bulkhead-incus-gc;
            folder = config.environment.etc ? "bulkhead/incus/README";
            specs = lib.filter (lib.hasSuffix ".json") (
              lib.filter (lib.hasPrefix "bulkhead/incus/") (lib.attrNames config.environment.etc)
            );
          }
        )
        {
          without = { };
          kept.workspaceDefaults.incus.enable = true;
          ofOthers.virtualisation.incus.enable = true;
        };
    expected = {
      without = {
        failed = [ ];
        incus = false;
        gc = false;
        folder = false;
        specs = [ ];
      };
    }
    // lib.genAttrs [ "kept" "ofOthers" ] (_: {
      failed = [ ];
      incus = true;
      gc = true;
      folder = true;
      specs = [ ];
    });
  };
  "a workspace can't be without Incus" = {
    expr = (hostOf "incus" { workspaceDefaults.incus.enable = false; }).failed;
    expected = [
      "`workspaces.dev` has the type `incus`, but `workspaceDefaults.incus.enable` is false: leave it out"
    ];
  };
  "Incus is there, with a storage pool" = {
    expr = {
      inherit (host.config.virtualisation.incus) enable;
      pools = host.config.virtualisation.incus.preseed.storage_pools;
    };
    expected = {
      enable = true;
      pools = [
        {
          name = "workspaces";
          driver = "dir";
          config = { };
        }
      ];
    };
  };
  "the image is NixOS in two archives, compressed with zstd" = {
    expr = {
      files = lib.mapAttrs (_: lib.hasSuffix ".tar.zst") (made host).spec.image;
      container = (made host).system.config.boot.isContainer;
    }
    // lib.optionalAttrs (!isComplete) {
      compression = lib.mapAttrs (_: archive: archive.args.compressCommand) image;
      names = lib.mapAttrs (_: archive: archive.args.fileName + archive.args.compressionExtension) image;
    };
    expected = {
      files = {
        metadata = true;
        rootfs = true;
      };
      container = true;
    }
    // lib.optionalAttrs (!isComplete) {
      compression = {
        metadata = "zstd -T0 -9";
        rootfs = "zstd -T0 -9";
      };
      names = {
        metadata = "metadata.zst";
        rootfs = "rootfs.zst";
      };
    };
  };
  "no login of root is left open by NixOS' image" = {
    expr = {
      inherit ((made host).system.config.users.users.root) initialHashedPassword hashedPassword;
      help = (made host).system.config.services.getty.helpLine;
    };
    expected = {
      initialHashedPassword = null;
      hashedPassword = "!";
      help = "";
    };
  };
}
