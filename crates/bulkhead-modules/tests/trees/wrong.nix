# What NixOS refuses is told, and all else is known.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
in
{
  imports = [
    {
      conflict = 2;
      forced = 2;
    }
  ];
  options = {
    wrongType = mkOption { type = types.int; };
    outOfRange = mkOption { type = types.port; };
    notInEnum = mkOption { type = types.enum [ "a" ]; };
    conflict = mkOption { type = types.int; };
    nullAndMore = mkOption { type = types.nullOr types.int; };
    forced = mkOption { type = types.int; };
    inSet = mkOption { type = types.attrsOf types.int; };
    inSubmodule = mkOption { type = types.submodule { options.a = mkOption { type = types.int; }; }; };
    ifInForce = mkOption { type = types.int; };
    forceInSet.a = mkOption { type = types.int; };
    selfish = mkOption { type = types.int; };
    readOnly = mkOption {
      type = types.int;
      readOnly = true;
      default = 1;
    };
    fine = mkOption {
      type = types.int;
      default = 1;
    };
  };
  config = {
    wrongType = "text";
    outOfRange = 70000;
    notInEnum = "b";
    conflict = 1;
    nullAndMore = lib.mkMerge [
      null
      1
    ];
    forced = lib.mkForce 3;
    inSet = {
      good = 1;
      bad = "x";
    };
    inSubmodule.a = true;
    ifInForce = lib.mkForce (lib.mkIf true 3);
    forceInSet = lib.mkForce { a = lib.mkForce 3; };
    selfish = config.selfish + 1;
    readOnly = 2;
  };
}
