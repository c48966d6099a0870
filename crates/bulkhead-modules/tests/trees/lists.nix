# Lists are joined, lines too: what was imported comes first, `mkBefore` and `mkAfter` move.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  list =
    elem:
    mkOption {
      type = types.listOf elem;
      default = [ ];
    };
in
{
  imports = [
    {
      names = [ "imported" ];
      text = "imported";
      path = "/imported";
    }
    {
      names = lib.mkBefore [ "before" ];
      text = lib.mkAfter "after";
    }
  ];
  options = {
    names = list types.str;
    nested = list (types.listOf types.int);
    conditional = list types.int;
    forced = list types.int;
    untouched = list types.int;
    some = mkOption { type = types.nonEmptyListOf types.int; };
    text = mkOption { type = types.lines; };
    path = mkOption { type = types.separatedString ":"; };
    commas = mkOption { type = types.commas; };
  };
  config = {
    names = lib.mkMerge [
      [ "one" ]
      (lib.mkAfter [ "after" ])
      (lib.mkOrder 700 [ "at 700" ])
      (lib.mkIf false [ "never" ])
    ];
    nested = [
      [ 1 ]
      [
        2
        3
      ]
    ];
    conditional = [
      1
      (lib.mkIf false 2)
      (lib.mkIf true 3)
    ];
    forced = lib.mkForce [ 1 ];
    some = [ 5 ];
    text = ''
      first
      second'';
    path = "/here";
    commas = "a,b";
  };
}
