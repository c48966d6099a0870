# A module system with 1,000 submodules of ten options each.
{ lib }:
let
  inherit (lib) mkOption types;
  item = { name, ... }: {
    options = {
      enable = mkOption { type = types.bool; default = false; };
      name = mkOption { type = types.str; default = name; };
      port = mkOption { type = types.port; default = 80; };
      tags = mkOption { type = types.listOf types.str; default = [ ]; };
      extra = mkOption { type = types.attrsOf types.int; default = { }; };
      user = mkOption { type = types.nullOr types.str; default = null; };
      mode = mkOption { type = types.enum [ "a" "b" "c" ]; default = "a"; };
      text = mkOption { type = types.lines; default = ""; };
      weight = mkOption { type = types.int; default = 1; };
      path = mkOption { type = types.path; default = "/var/lib/${name}"; };
    };
  };
  evaluated = lib.evalModules {
    modules = [
      { options.items = mkOption { type = types.attrsOf (types.submodule item); default = { }; }; }
      {
        items = builtins.listToAttrs (builtins.genList (n: {
          name = "item-${toString n}";
          value = {
            enable = lib.mkIf (n / 2 * 2 == n) true;
            port = 1000 + n;
            tags = [ "t${toString n}" "common" ];
            extra.n = n;
            text = lib.mkMerge [ "one" "two" ];
            weight = lib.mkDefault n;
          };
        }) 1000);
      }
      { items = builtins.listToAttrs (builtins.genList (n: { name = "item-${toString (n * 10)}"; value = { user = "u"; mode = lib.mkForce "b"; }; }) 100); }
    ];
  };
in
evaluated.config.items
