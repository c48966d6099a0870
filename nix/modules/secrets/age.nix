# `age.secrets` for everything that this machine is meant to read.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) secretReaders;

  cfg = config.thisMachine.secrets;
  inherit (config.machines) fleet root;
  readers = secretReaders fleet.machines;
  isMine = secret: lib.any (machine: machine.name == config.thisMachine.name) (readers secret);
  mine = lib.filter isMine fleet.secrets;

  # `wifi`, `web/session-key` for one of a role, and for one of the machine's folder just its own name.
  nameOf =
    secret:
    if secret.machine == null then
      secret.name
    else
      lib.removePrefix "${config.thisMachine.name}/" secret.name;
  byName = lib.groupBy nameOf mine;
  isThere = secret: builtins.pathExists (root + "/${secret.file}");

  declaration =
    secret:
    {
      file = root + "/${secret.file}";
    }
    // lib.mapAttrs (_: lib.mkDefault) (
      lib.filterAttrs (_: value: value != null) { inherit (secret) mode owner group; }
    );
in
{
  options.thisMachine.secrets = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether `age.secrets` declares every secret that the fleet grants this machine, with `mode`, `owner` and `group`
        from `secrets/properties.nix`. What a configuration says about the same secret comes first.
      '';
    };

    names = mkOption {
      type = types.attrsOf types.str;
      readOnly = true;
      default = lib.mapAttrs (_: same: (lib.head same).file) byName;
      defaultText = lib.literalMD "from the roles of this machine, `secrets/properties.nix` and the machine's folder";
      example."web/session-key" = "secrets/web/session-key.age";
      description = ''
        The secrets that the fleet grants this machine: by their names in `age.secrets`, their files. A secret of a role's
        folder has the role in its name; one of the machine's own folder has not the machine's.
      '';
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = mine != [ ] -> options ? age;
            message = "`${config.thisMachine.name}` is granted secrets, but agenix's module is missing: add `agenix.nixosModules.default` to its modules";
          }
        ]
        ++ lib.mapAttrsToList (name: same: {
          assertion = lib.length same == 1;
          message = "two secrets of `${config.thisMachine.name}` would both be `age.secrets.\"${name}\"`: ${
            lib.concatMapStringsSep " and " (secret: secret.file) same
          }; rename one of them";
        }) byName
        ++ map (secret: {
          assertion = isThere secret;
          message = "${secret.file} is granted to `${config.thisMachine.name}`, but is not there: make it with `agenix -e`, or take it out of ${fleet.config.secrets}/properties.nix";
        }) mine;
      }
      (lib.optionalAttrs (options ? age) {
        age.secrets = lib.mapAttrs (_: same: declaration (lib.head same)) byName;
      })
    ]
  );
}
