# What defines an option under an old name defines the new one.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  option =
    type: default:
    mkOption { inherit type default; };
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "old" "name" ] [ "new" "name" ])
    (lib.mkRenamedOptionModule [ "old" "unused" ] [ "new" "unused" ])
    (lib.mkRenamedOptionModule [ "old" "default" ] [ "new" "default" ])
    (lib.mkAliasOptionModule [ "short" ] [ "new" "list" ])
    (lib.mkRemovedOptionModule [ "gone" ] "It did nothing.")
    (lib.mkChangedOptionModule [ "old" "megabytes" ] [ "new" "bytes" ] (
      config: config.old.megabytes * 1000000
    ))
    (lib.mkMergedOptionModule [ [ "old" "first" ] [ "old" "last" ] ] [ "new" "full" ] (
      config: "${config.old.first} ${config.old.last}"
    ))
    {
      options = {
        # How many there are, and which hold: the texts are nixpkgs' own.
        warnings = option (types.listOf types.str) [ ] // {
          apply = builtins.length;
        };
        assertions = option (types.listOf types.unspecified) [ ] // {
          apply = map (assertion: assertion.assertion);
        };
        new = {
          name = option types.str "default";
          unused = option types.int 5;
          default = option types.int 6;
          list = option (types.listOf types.int) [ ];
          bytes = option types.int 0;
          full = option types.str "";
        };
        read = option types.str "";
      };
    }
  ];
  old = {
    name = "moved";
    default = lib.mkDefault 7;
    megabytes = 3;
    first = "Ada";
    last = "L";
  };
  short = [ 1 ];
  new.list = [ 2 ];
  read = config.old.name;
}
