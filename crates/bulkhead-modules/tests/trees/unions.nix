# The type of a value decides how it is merged.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  imports = [ { hosts = [ "b" ]; } ];
  options = {
    either = mkOption { type = types.either types.int types.str; };
    oneOf = mkOption {
      type = types.oneOf [
        types.bool
        types.int
        (types.listOf types.str)
      ];
    };
    hosts = mkOption { type = types.coercedTo types.str lib.singleton (types.listOf types.str); };
    number = mkOption { type = types.coercedTo types.str lib.toInt types.int; };
    module = mkOption {
      type = types.coercedTo types.int (size: { inherit size; }) (
        types.submodule { options.size = mkOption { type = types.int; }; }
      );
    };
    even = mkOption { type = types.addCheck types.int (n: lib.mod n 2 == 0); };
    unique = mkOption { type = types.uniq types.str; };
    raw = mkOption { type = types.raw; };
    untyped = mkOption { };
    values = mkOption {
      type = types.attrsOf (
        types.oneOf [
          types.bool
          types.str
          (types.listOf types.str)
        ]
      );
    };
  };
  config = {
    either = "text";
    oneOf = [ "list" ];
    hosts = "a";
    number = "42";
    module = 5;
    even = 4;
    unique = "only";
    raw = {
      mkIf = true;
    };
    untyped = [ 1 ];
    values = {
      a = true;
      b = "b";
      c = lib.mkBefore [ "c" ];
    };
  };
}
