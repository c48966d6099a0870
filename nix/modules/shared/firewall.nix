# What the host's firewall must not do to the tables of a guard: assertions. Stopping and reloading it is nothing to them.
{ config, lib }:
{
  # The option that names the bridge, and the bridge.
  option,
  bridge,
  # The guard's tables, each with `family` and `name`.
  tables,
}:
let
  inherit (config.networking) firewall nat nftables;

  # In a script, or in rules. Comments about it are no such command.
  flushes =
    text:
    lib.any (line: builtins.match "[^#]*flush[[:space:]]+ruleset([^a-zA-Z0-9_-].*)?" line != null) (
      lib.splitString "\n" (builtins.replaceStrings [ "\\\n" ] [ " " ] text)
    );
  # What a build makes can't be read here.
  textOf =
    file: if builtins.isPath file && builtins.pathExists file then builtins.readFile file else "";
  scripts = {
    "networking.nftables.ruleset" = lib.optionalString nftables.enable nftables.ruleset;
    "networking.nftables.rulesetFile" = lib.optionalString nftables.enable (
      textOf nftables.rulesetFile
    );
    "networking.nftables.extraDeletions" = lib.optionalString nftables.enable nftables.extraDeletions;
    "networking.firewall.extraCommands" = firewall.extraCommands;
    "networking.firewall.extraStopCommands" = firewall.extraStopCommands;
    "networking.nat.extraCommands" = nat.extraCommands;
    "networking.nat.extraStopCommands" = nat.extraStopCommands;
    "networking.localCommands" = config.networking.localCommands;
  };
  taken = lib.filter (
    theirs: lib.any (table: table.name == theirs.name && table.family == theirs.family) tables
  ) (lib.attrValues nftables.tables);
in
[
  {
    assertion = nftables.enable -> !nftables.flushRuleset;
    message = "`networking.nftables.flushRuleset` would remove the guard of `${option}`, ${bridge}, at each reload of the firewall: set it to false (it is true by itself for `system.stateVersion` below 23.11 and where `networking.nftables.ruleset` or `rulesetFile` is given), and put rules into `networking.nftables.tables`, which cleans up its own";
  }
]
++ map (name: {
  assertion = false;
  message = "`${name}` has `flush ruleset`, which would remove the guard of `${option}`, ${bridge}, whenever it runs: flush or delete your own tables by name";
}) (lib.filter (name: flushes scripts.${name}) (lib.attrNames scripts))
++ map (table: {
  assertion = false;
  message = "`networking.nftables.tables` has the table ${table.family} ${table.name}, which is the guard's of `${option}`, ${bridge}, and would be removed with the firewall: call it something else";
}) (lib.optionals nftables.enable taken)
