# Of definitions of one option those with the lowest priority count, and they must be the same.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    name = mkOption { type = types.str; };
    port = mkOption {
      type = types.port;
      default = 80;
    };
    enable = lib.mkEnableOption "the example";
    level = mkOption {
      type = types.enum [
        "low"
        "high"
      ];
      default = "low";
    };
    ratio = mkOption {
      type = types.float;
      default = 0.5;
    };
    count = mkOption {
      type = types.ints.between 1 10;
      default = 3;
    };
    limit = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
    };
    label = mkOption { type = types.nullOr types.singleLineStr; };
    any = mkOption { type = types.boolByOr or types.bool; };
    number = mkOption { type = types.number; };
    pattern = mkOption { type = types.strMatching "[a-z]+"; };
    folder = mkOption { type = types.path; };
    unset = mkOption { type = types.str; };
    upper = mkOption {
      type = types.str;
      apply = lib.toUpper;
      default = "shout";
    };
  };
  imports = [
    { name = "same"; }
    { port = lib.mkDefault 8080; }
    { level = lib.mkForce "high"; }
    { label = "twice"; }
    { folder = "/srv"; }
  ];
  config = {
    name = "same";
    enable = true;
    level = "low";
    label = lib.mkIf true "twice";
    limit = lib.mkIf false 7;
    any = true;
    number = 1.5;
    pattern = "abc";
  };
}
