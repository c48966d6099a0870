# Modules may be disabled, imported twice, and have arguments that other modules define.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  keyed = {
    key = "keyed";
    values = [ "once" ];
  };
in
{
  disabledModules = [ { key = "unwanted"; } ];
  imports = [
    keyed
    keyed
    {
      key = "unwanted";
      values = [ "never" ];
    }
    ({ greeting, ... }: { values = [ greeting ]; })
    ./disabled/inner.nix
    ./disabled/inner.nix
  ];
  options.values = mkOption { type = types.listOf types.str; };
  config._module.args.greeting = "hello";
}
