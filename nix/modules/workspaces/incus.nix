# Workspaces of type `incus`: an image with the workspace's NixOS, from which `bulkhead-incus` makes an unprivileged
# instance at each start, and removes it at stop.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) incusSpec;
  inherit (config.networking) sandbox;

  cfg = config.workspaceDefaults.incus;
  workspaces = lib.filterAttrs (_: workspace: workspace.type == "incus") config.workspaces;
  pools = config.virtualisation.incus.preseed.storage_pools or [ ];
  program = lib.getExe' cfg.package "bulkhead-incus";
  specFolder = "/etc/bulkhead/incus";

  systemOf =
    workspace:
    import (pkgs.path + "/nixos/lib/eval-config.nix") {
      inherit lib;
      system = null;
      modules = [
        (pkgs.path + "/nixos/modules/virtualisation/lxc-container.nix")
        ./incus-image.nix
        (import ./base.nix {
          inherit workspace;
          host = config;
          match.Name = "eth0";
        })
        workspace.config
        { nixpkgs.pkgs = lib.mkDefault pkgs; }
      ];
    };

  specOf =
    workspace:
    let
      inherit ((systemOf workspace).config.system.build) workspaceImage;
    in
    incusSpec {
      inherit workspace sandbox;
      image = {
        metadata = "${workspaceImage.metadata}/tarball/metadata.tar.zst";
        rootfs = "${workspaceImage.rootfs}/tarball/rootfs.tar.zst";
      };
      incus = {
        pool = cfg.pool.name;
        inherit (cfg) startSeconds stopSeconds;
        inherit specFolder;
        gpuGroup = config.ids.gids.render;
      };
    };

  specs = lib.mapAttrs (_: specOf) workspaces;
  # With the fingerprint of the image, which only its files tell, Incus has to read it only when it is new.
  specFile =
    name: spec:
    pkgs.runCommand "${name}.json"
      {
        nativeBuildInputs = [ pkgs.jq ];
        spec = builtins.toJSON spec;
        passAsFile = [ "spec" ];
      }
      ''
        fingerprint=$(cat ${spec.image.metadata} ${spec.image.rootfs} | sha256sum | cut -d ' ' -f 1)
        jq --arg fingerprint "$fingerprint" '.image.fingerprint = $fingerprint' < "$specPath" > $out
      '';
  files = lib.mapAttrs specFile specs;

  unitOf = name: workspace: {
    name = "incus-workspace@${name}";
    value = {
      description = "Workspace ${name}, an Incus instance";
      # Not `requires`: instances outlive a restart of the daemon.
      wants = [ "incus.service" ];
      after = [
        "incus.service"
        "incus-preseed.service"
        "network.target"
      ];
      wantedBy = lib.mkIf workspace.autoStart [ "multi-user.target" ];
      inherit (workspace) restartIfChanged;
      # It looks with `ip` at interfaces that a killed daemon has left.
      path = [ pkgs.iproute2 ];
      serviceConfig = {
        Type = "notify";
        RemainAfterExit = true;
        # The commands that stop it ask for more time too.
        NotifyAccess = "exec";
        ExecStart = "${program} start ${files.${name}}";
        ExecStop = "${program} stop ${files.${name}}";
        # What a start that was killed has left.
        ExecStopPost = "${program} stop ${files.${name}}";
        # The program keeps a deadline of its own, and asks for more time while it works.
        TimeoutStartSec = cfg.startSeconds + 30;
        TimeoutStopSec = cfg.stopSeconds + 150;
      };
    };
  };
in
{
  options.workspaceDefaults.incus = {
    enable = mkOption {
      type = types.bool;
      default = workspaces != { };
      defaultText = lib.literalMD "whether a workspace has the type `incus`";
      example = true;
      description = ''
        Whether this host has Incus with a storage pool for workspaces. Where Incus is, what workspaces have left that are
        not in the configuration any more is removed: their instances and images. With the last workspace of this type,
        Incus goes too, and keeps its image below /var/lib/incus: set this to true for one switch to have it removed.
      '';
    };

    package = mkOption {
      type = types.package;
      default = (import ../../packages.nix { inherit pkgs; }).bulkhead-incus;
      defaultText = lib.literalMD "`bulkhead-incus` of this repository, built with this host's nixpkgs";
      example = lib.literalExpression "bulkhead.packages.\${pkgs.system}.bulkhead-incus";
      description = "The program that makes and removes Incus instances.";
    };

    pool = {
      name = mkOption {
        type = types.strMatching "[A-Za-z0-9][A-Za-z0-9_.-]{0,62}";
        default = "workspaces";
        example = "default";
        description = "The storage pool of instances, which is made if it is not there.";
      };
      driver = mkOption {
        type = types.enum [
          "dir"
          "btrfs"
          "lvm"
          "zfs"
        ];
        default = "dir";
        example = "btrfs";
        description = "The driver of the pool. `dir` can't limit `resources.disk`.";
      };
      config = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example.source = "tank/incus";
        description = "Settings of the pool, as Incus has them for the driver.";
      };
    };

    startSeconds = mkOption {
      type = types.ints.between 1 86400;
      default = 300;
      example = 600;
      description = "How long a start may take, in seconds, the import of a new image included.";
    };

    stopSeconds = mkOption {
      type = types.ints.between 1 86400;
      default = 30;
      example = 90;
      description = "How long a shutdown may take before the instance is killed, in seconds.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (workspaces != { }) {
      assertions = [
        {
          assertion = cfg.enable;
          message = "`workspaces.${lib.head (lib.attrNames workspaces)}` has the type `incus`, but `workspaceDefaults.incus.enable` is false: leave it out";
        }
      ]
      ++ lib.mapAttrsToList (name: workspace: {
        assertion = workspace.resources.disk != null -> cfg.pool.driver != "dir";
        message = "`workspaces.${name}.resources.disk` can't be kept by an Incus storage pool of the driver `dir`: set `workspaceDefaults.incus.pool.driver` to another one, or leave it out";
      }) workspaces;

      systemd.services = lib.mapAttrs' unitOf workspaces;
    })
    (lib.mkIf cfg.enable {
      # Incus would make the first, and fail at the second or change it.
      assertions = [
        {
          assertion = lib.count (pool: (pool.name or null) == cfg.pool.name) pools == 1;
          message = "`virtualisation.incus.preseed.storage_pools` has the pool ${cfg.pool.name}, which is also `workspaceDefaults.incus.pool.name`: leave one of them out, or call it something else";
        }
      ];
      virtualisation.incus = {
        enable = true;
        preseed.storage_pools = [
          {
            inherit (cfg.pool) name driver config;
          }
        ];
      };
    })
    # Also where Incus is there for something else: it has kept what the last workspace has left.
    (lib.mkIf config.virtualisation.incus.enable {
      environment.etc =
        lib.mapAttrs' (name: file: {
          name = "bulkhead/incus/${name}.json";
          value.source = file;
        }) files
        // {
          # Without any spec there is a folder, or nobody would know that none is missing.
          "bulkhead/incus/README".text =
            "The workspaces of type incus, each with its spec for bulkhead-incus.\n";
        };
      environment.systemPackages = [ cfg.package ];
      # Workspaces that were taken out of the configuration, or were left by a crash of the host.
      systemd.services.bulkhead-incus-gc = {
        description = "Removes what Incus workspaces have left";
        wants = [ "incus.service" ];
        after = [
          "incus.service"
          "incus-preseed.service"
        ];
        wantedBy = [ "multi-user.target" ];
        restartTriggers = lib.attrValues files;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${program} gc";
        };
      };
    })
    {
      # For those who want to look at them without a build.
      system.build.incusWorkspaces = lib.mapAttrs (name: spec: {
        inherit spec;
        file = files.${name};
        system = systemOf workspaces.${name};
      }) specs;
    }
  ];
}
