# Sets are put together name by name; each value has its own priority.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  set = elem: mkOption { type = types.attrsOf elem; };
in
{
  imports = [
    {
      ints = {
        a = 1;
        b = lib.mkDefault 2;
      };
      lists.x = [ 1 ];
      lazy.b = 2;
      anything = {
        a.b = 1;
        l = [ 1 ];
      };
    }
  ];
  options = {
    ints = set types.int;
    lists = set (types.listOf types.int);
    deep = set (types.attrsOf types.str);
    maybe = set (types.nullOr types.str);
    lazy = mkOption { type = types.lazyAttrsOf types.int; };
    anything = mkOption { type = types.anything; };
    loose = mkOption { type = types.attrs; };
    empty = mkOption {
      type = types.attrsOf types.int;
      default = { };
    };
  };
  config = {
    ints = lib.mkMerge [
      { b = 3; }
      (lib.mkIf true { c = 4; })
      (lib.mkIf false { d = 5; })
      { e = lib.mkIf false 6; }
    ];
    lists = {
      x = lib.mkBefore [ 0 ];
      y = lib.mkMerge [
        [ 2 ]
        [ 3 ]
      ];
    };
    deep.one.two = "three";
    maybe = {
      is = "here";
      none = null;
    };
    lazy.a = 1;
    anything = {
      a.c = lib.mkForce 2;
      s = "text";
    };
    loose = {
      any.thing = [ 1 ];
    };
  };
}
