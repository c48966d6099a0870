# Functions are values too, and types may be the user's own.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  sum = lib.mkOptionType {
    name = "sum";
    description = "number, of which the sum counts";
    check = builtins.isInt;
    merge = _: defs: lib.foldl' (all: def: all + def.value) 0 defs;
  };
in
{
  imports = [ { total = 3; } ];
  options = {
    double = mkOption { type = types.functionTo types.int; };
    result = mkOption { type = types.int; };
    total = mkOption { type = sum; };
    totals = mkOption { type = types.attrsOf sum; };
  };
  config = {
    double = x: x * 2;
    result = config.double 21;
    total = 4;
    totals.a = lib.mkMerge [
      1
      2
    ];
  };
}
