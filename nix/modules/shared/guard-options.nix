# The options of a guard that is a service; see guard.nix beside this file.
{ lib }:
{
  # The name of its units.
  name,
  # The option that the file with the rules is made of.
  ruleset,
  # That file.
  rules,
}:
let
  inherit (lib) mkOption types;
in
{
  rulesFile = mkOption {
    type = types.raw;
    internal = true;
    readOnly = true;
    default = rules;
    description = "The file with {option}`${ruleset}`.";
  };

  verifyInterval = mkOption {
    type = types.str;
    default = "30s";
    example = "5min";
    description = ''
      How often the guard in the kernel is compared with the configured one, as a time span of {manpage}`systemd.time(7)`.
      If it differs, it is loaded again; if that doesn't help, the bridge is cut off. Both are logged by
      `${name}-verify.service`.
    '';
  };
}
