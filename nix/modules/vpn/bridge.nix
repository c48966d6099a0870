# The bridge, made by a unit of its own: whoever is ordered after it finds the bridge with its address, and needs no
# "network is online" for that.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) vpnBridgeScript;

  cfg = config.vpn;
  make = pkgs.writeShellScript "vpn-bridge" (vpnBridgeScript cfg.description);
  interfaces = [
    cfg.bridgeName
    cfg.interfaceName
    cfg.description.vpn.interface
  ]
  ++ lib.mapAttrsToList (_: service: service.interface) cfg.description.services;
in
{
  options.vpn.bridgeUnit = mkOption {
    type = types.str;
    readOnly = true;
    default = "vpn-bridge.service";
    example = "vpn-bridge.service";
    description = "The unit that makes the bridge and its address.";
  };

  config = lib.mkIf cfg.enable {
    systemd.services.vpn-bridge = {
      description = "Bridge of the VPN container and its services";
      wantedBy = [ "multi-user.target" ];
      requires = [ cfg.guardUnit ];
      after = [
        cfg.guardUnit
        "network-pre.target"
      ];
      before = [ "network.target" ];
      # Containers that are plugged in stay so.
      reloadIfChanged = true;
      path = [ pkgs.iproute2 ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = make;
        ExecReload = make;
      };
    };

    # Programs that manage interfaces leave these alone. The WireGuard interface is the host's for a moment; a port that
    # networkd manages by a file for all of its kind leaves the bridge.
    systemd.network.networks."05-vpn" = {
      matchConfig.Name = lib.concatStringsSep " " interfaces;
      linkConfig.Unmanaged = true;
    };
    networking.networkmanager.unmanaged = map (interface: "interface-name:${interface}") interfaces;
    networking.dhcpcd.denyInterfaces = interfaces;
  };
}
