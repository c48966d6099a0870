# What the properties of all machines say, as options that every machine's configuration may read.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  bulkhead = import ../../lib;

  cfg = config.machines;
  fleet = bulkhead.loadFleet cfg.root;
  hosts = bulkhead.machinesByName fleet.machines;
  properties = types.attrsOf types.anything;
  example = name: lib.literalMD "`${name}`";
in
{
  options.machines = {
    root = mkOption {
      type = types.path;
      example = lib.literalExpression "./.";
      description = ''
        The root of the fleet: the folder with `machines/`, `secrets/` and perhaps `bulkhead.toml`. `lib.mkFleet` sets it.
      '';
    };

    hosts = mkOption {
      type = types.attrsOf properties;
      readOnly = true;
      default = hosts;
      defaultText = lib.literalMD "what the `properties.nix` of all machines say";
      example = {
        s0 = {
          hostNames = [ "s0.home.arpa" ];
          arch = "x86_64-linux";
          systemRoles = [ "storage" ];
        };
      };
      description = ''
        The properties of every machine of the fleet, by its name. What a machine leaves out is `null` or empty; keys are
        lines, also where a file is named.
      '';
    };

    withRole = mkOption {
      type = types.attrsOf (types.listOf types.str);
      readOnly = true;
      default = fleet.roles;
      defaultText = lib.literalMD "from the `systemRoles` of all machines";
      example.storage = [ "s0" ];
      description = "The names of the machines that have a role, by the role.";
    };

    allRoles = mkOption {
      type = types.listOf types.str;
      readOnly = true;
      default = builtins.attrNames fleet.roles;
      defaultText = lib.literalMD "from the `systemRoles` of all machines";
      example = [
        "personal"
        "storage"
      ];
      description = "Every role that a machine has.";
    };

    fleet = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = fleet;
      description = "What `loadFleet` of `nix/lib` returned, for the other modules.";
      example = example "loadFleet ./.";
    };
  };

  options.thisMachine = {
    name = mkOption {
      type = types.str;
      default = config.networking.hostName;
      defaultText = lib.literalExpression "config.networking.hostName";
      example = "s0";
      description = "The name of this machine in the fleet: that of the folder with its `properties.nix`.";
    };

    config = mkOption {
      type = properties;
      readOnly = true;
      default =
        if hosts == { } then
          throw "`machines.root` is ${toString cfg.root}, and there is no machine: no ${fleet.config.machines}/**/properties.nix. Set it to the folder of the fleet, in which bulkhead.toml is or could be"
        else
          hosts.${config.thisMachine.name} or (throw ''
            `${config.thisMachine.name}` is no machine of the fleet: there is no ${fleet.config.machines}/**/${config.thisMachine.name}/properties.nix. Its machines are: ${lib.concatStringsSep ", " (builtins.attrNames hosts)}
          '');
      defaultText = lib.literalExpression "config.machines.hosts.\${config.thisMachine.name}";
      example = {
        hostNames = [ "s0.home.arpa" ];
        systemRoles = [ "storage" ];
      };
      description = "The properties of this machine.";
    };

    hasRole = mkOption {
      type = types.attrsOf types.bool;
      readOnly = true;
      default = lib.genAttrs cfg.allRoles (role: lib.elem role config.thisMachine.config.systemRoles);
      defaultText = lib.literalMD "from the `systemRoles` of this machine";
      example.storage = true;
      description = ''
        Whether this machine has a role. There is an attribute for every role of the fleet, so that a misspelt one is an
        error.
      '';
    };
  };
}
