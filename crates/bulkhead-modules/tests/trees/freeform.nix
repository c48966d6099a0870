# With a freeform type there are more options than are declared.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  imports = [ { settings.log.file = "/var/log/x"; } ];
  options.settings = mkOption {
    type = types.submodule {
      freeformType = types.attrsOf (
        types.oneOf [
          types.str
          types.int
          (types.attrsOf types.str)
        ]
      );
      options = {
        port = mkOption {
          type = types.port;
          default = 80;
        };
        log.level = mkOption {
          type = types.str;
          default = "info";
        };
      };
    };
  };
  options.loose = mkOption {
    type = types.submodule {
      freeformType = types.anything;
      options.known = mkOption {
        type = types.bool;
        default = true;
      };
    };
    default = { };
  };
  config = {
    settings = {
      title = "free";
      count = 3;
      log.colour = "red";
      other.nested = "set";
    };
    loose = {
      a.b.c = 1;
      list = [ { x = 1; } ];
    };
  };
}
