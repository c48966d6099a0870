# Other programs that manage interfaces leave the bridge and its ports alone.
{ config, lib, ... }:
let
  cfg = config.networking.sandbox;
  interfaces = [ cfg.bridge ] ++ lib.mapAttrsToList (_: port: port.interface) cfg.ports;
in
{
  config = lib.mkIf cfg.enable {
    # What makes workspaces names their interfaces vethXXXX before it renames them.
    networking.networkmanager.unmanaged = map (interface: "interface-name:${interface}") (
      interfaces ++ [ "veth*" ]
    );
    networking.dhcpcd.denyInterfaces = interfaces;
  };
}
