# An option may be declared in several places: submodules are put together.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  host =
    options:
    mkOption {
      type = types.attrsOf (types.submodule { inherit options; });
    };
  inner =
    options:
    mkOption {
      type = types.submodule { inherit options; };
    };
in
{
  imports = [
    { options.one = inner { b = mkOption { type = types.int; default = 2; }; }; }
    { options.hosts = host { port = mkOption { type = types.port; default = 22; }; }; }
    { options.text = mkOption { description = "Says nothing of the type."; }; }
  ];
  options = {
    one = inner { a = mkOption { type = types.int; default = 1; }; };
    hosts = host { user = mkOption { type = types.str; default = "root"; }; };
    text = mkOption { type = types.str; };
  };
  config = {
    one.a = 5;
    hosts.web.user = "admin";
    text = "x";
  };
}
