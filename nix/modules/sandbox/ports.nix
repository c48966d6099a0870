# Where workspaces are attached to the bridge.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.networking.sandbox.ports = mkOption {
    type = types.attrsOf (
      types.submodule {
        options = {
          interface = mkOption {
            type = types.str;
            example = "vb-dev";
            description = ''
              The host's end of the workspace's network interface, by its exact name: at most 15 characters. What is
              attached to the bridge by another name is cut off.
            '';
          };
          mac = mkOption {
            type = types.str;
            example = "02:00:00:00:00:02";
            description = "The MAC address of the interface inside of the workspace.";
          };
          address = mkOption {
            type = types.nullOr types.str;
            default = null;
            example = "10.20.0.2";
            description = "The workspace's IPv4 address in {option}`networking.sandbox.subnet`.";
          };
          address6 = mkOption {
            type = types.nullOr types.str;
            default = null;
            example = "fd20::2";
            description = ''
              The workspace's address in {option}`networking.sandbox.subnet6`. For neighbour discovery it may also use the
              link-local address that is made from its MAC address (EUI-64), which is the default of Linux and networkd.
            '';
          };
        };
      }
    );
    default = { };
    example.dev = {
      interface = "vb-dev";
      mac = "02:00:00:00:00:02";
      address = "10.20.0.2";
    };
    description = ''
      The ports of the bridge by the names of their workspaces. {option}`workspaces` declares them for its own; declare
      those of other containers and machines here.
    '';
  };
}
