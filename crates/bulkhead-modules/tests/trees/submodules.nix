# A submodule has options, a name and a `config` of its own.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  user =
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
        };
        home = mkOption {
          type = types.str;
          default = "/home/${config.name}";
        };
        groups = mkOption {
          type = types.listOf types.str;
          default = [ ];
        };
        admin = lib.mkEnableOption "more";
        keys = mkOption {
          type = types.attrsOf (
            types.submodule {
              options.bits = mkOption {
                type = types.int;
                default = 256;
              };
            }
          );
          default = { };
        };
      };
      config.groups = lib.mkIf config.admin [ "wheel" ];
    };
in
{
  imports = [ { users.alice.groups = [ "video" ]; } ];
  options = {
    users = mkOption { type = types.attrsOf (types.submodule user); };
    single = mkOption {
      type = types.submodule user;
      default = { };
    };
    listed = mkOption { type = types.listOf (types.submodule { options.size = mkOption { type = types.int; }; }); };
    homes = mkOption { type = types.listOf types.str; };
    with' = mkOption {
      type = types.submoduleWith {
        modules = [
          (
            { greeting, ... }:
            {
              options.text = mkOption {
                type = types.str;
                default = greeting;
              };
            }
          )
        ];
        specialArgs.greeting = "hello";
      };
      default = { };
    };
    args = mkOption {
      type = types.submodule (
        { extra, ... }:
        {
          options.text = mkOption { type = types.str; };
          config = {
            _module.args.extra = "given";
            text = extra;
          };
        }
      );
      default = { };
    };
  };
  config = {
    users.alice = {
      admin = true;
      keys.main = { };
    };
    users.bob =
      { name, ... }:
      {
        home = "/srv/${name}";
        keys.old.bits = 128;
      };
    single.name = "root";
    listed = [
      { size = 1; }
      { size = lib.mkForce 2; }
    ];
    homes = map (user: user.home) (builtins.attrValues config.users);
  };
}
