# The options of agenix that our modules set, in place of its module.
{ lib, config, ... }:
{
  options.age.secrets = lib.mkOption {
    default = { };
    type = lib.types.attrsOf (
      lib.types.submodule (
        { name, config, ... }:
        {
          options = {
            file = lib.mkOption { type = lib.types.path; };
            path = lib.mkOption {
              type = lib.types.str;
              default = "/run/agenix/${name}";
            };
            mode = lib.mkOption {
              type = lib.types.str;
              default = "0400";
            };
            owner = lib.mkOption {
              type = lib.types.str;
              default = "0";
            };
            group = lib.mkOption {
              type = lib.types.str;
              default = "0";
            };
          };
        }
      )
    );
  };
}
