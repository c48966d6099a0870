# What can't be true of a sandbox, or of the host around it.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (import ../../lib) networkOf networksOverlap sandboxFaults;

  cfg = config.networking.sandbox;
  inherit (config.networking) nftables;

  # Networks that the configuration gives to other interfaces of the host.
  hostNetworks = lib.concatLists (
    lib.mapAttrsToList (
      interface: given:
      map ({ address, prefixLength, ... }: {
        inherit interface;
        subnet = networkOf "${address}/${toString prefixLength}";
        shown = "${address}/${toString prefixLength}";
      }) (given.ipv4.addresses ++ given.ipv6.addresses)
    ) (removeAttrs config.networking.interfaces [ cfg.bridge ])
  );
  overlaps =
    option: subnet:
    map
      (network: {
        assertion = false;
        message = "`networking.sandbox.${option}`, ${subnet}, overlaps with ${network.shown} of `networking.interfaces.${network.interface}`";
      })
      (
        lib.filter (network: network.subnet != null && networksOverlap network.subnet subnet) hostNetworks
      );

  flushes =
    text:
    builtins.match ".*flush[[:space:]]+ruleset.*" (builtins.replaceStrings [ "\n" ] [ " " ] text)
    != null;
in
{
  config = lib.mkIf cfg.enable {
    # Who says so wants a network without a way out.
    warnings =
      lib.optional
        (options.networking.sandbox.upstreams.highestPrio >= (lib.mkOptionDefault null).priority)
        "`networking.sandbox.upstreams` is not set, so workspaces don't reach the internet: name the interface that leads there, such as [ \"eth0\" ], or set it to [ ] if that is meant";

    assertions =
      map (message: {
        assertion = false;
        inherit message;
      }) (sandboxFaults cfg.description)
      ++ overlaps "subnet" cfg.subnet
      ++ lib.optionals (cfg.subnet6 != null) (overlaps "subnet6" cfg.subnet6)
      ++ [
        {
          assertion = nftables.enable -> !nftables.flushRuleset;
          message = "`networking.nftables.flushRuleset` would remove the guard of `networking.sandbox.bridge`, ${cfg.bridge}, at each reload of the firewall: set it to false (it is true by itself for `system.stateVersion` below 23.11 and where `networking.nftables.ruleset` or `rulesetFile` is given), and put rules into `networking.nftables.tables`, which cleans up its own";
        }
        {
          assertion = nftables.enable -> !flushes nftables.ruleset && !flushes nftables.extraDeletions;
          message = "`networking.nftables.ruleset` or `extraDeletions` has `flush ruleset`, which would remove the guard of `networking.sandbox.bridge`, ${cfg.bridge}, at each reload of the firewall: flush or delete your own tables by name";
        }
      ];
  };
}
