# The service containers, plugged into the guarded bridge once the VPN is connected.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  nspawn = import ./nspawn.nix { inherit config lib options; };

  cfg = config.vpn;
  folder = "${lib.optionalString (lib.versionAtLeast config.system.stateVersion "22.05") "nixos-"}containers";
  hasPeers = name: lib.any (lib.elem name) cfg.allowBetween;

  # `idmap` shows files with the owners that they have on the host; without it they would all be nobody's.
  bindFlag =
    mount:
    "${if mount.readOnly then "--bind-ro" else "--bind"}=${mount.hostPath}:${mount.mountPoint}:idmap";

  containerOf =
    name: container:
    nspawn.containerOf {
      inherit name;
      inherit (container) mac;
      address = container.ip;
      gateway = cfg.vpnAddress;
      flags =
        map bindFlag (lib.attrValues container.mounts)
        ++ lib.mapAttrsToList (id: file: "--load-credential=${id}:${file}") container.credentials;
      modules = [ container.config ];
      inherit pkgs;
    }
    // {
      inherit (container) autoStart restartIfChanged;
    };

  unitOf = name: container: {
    name = "container@${name}";
    value = lib.mkMerge [
      nspawn.unit
      {
        # Not `requires`: a service goes on, cut off, while the VPN container restarts.
        wants = [ cfg.onlineUnit ];
        after = [ cfg.onlineUnit ];
        # NixOS restarts only those that start by themselves.
        restartIfChanged = lib.mkForce container.restartIfChanged;
        restartTriggers = lib.mkIf (!container.autoStart) [
          config.containers.${name}.path
          config.environment.etc."${folder}/${name}.conf".source
        ];
        unitConfig.RequiresMountsFor = map (mount: mount.hostPath) (lib.attrValues container.mounts);
        # The rules keep ports apart too; those of a pair must not be isolated for it to be one.
        postStart = lib.mkIf (!hasPeers name) (
          lib.mkAfter "bridge link set dev ${cfg.description.services.${name}.interface} isolated on"
        );
      }
    ];
  };
in
{
  config = lib.mkIf cfg.enable {
    containers = lib.mapAttrs containerOf cfg.containers;
    systemd.services = lib.mapAttrs' unitOf cfg.containers;
  };
}
