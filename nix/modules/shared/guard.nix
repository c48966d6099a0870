# The units of a guard: one that loads its tables before any interface is made, and one that compares them with what they
# should be from time to time. `nft flush ruleset` takes everybody's tables.
{
  config,
  lib,
  pkgs,
}:
{
  # The name of the units, and of what they keep below /run.
  name,
  # What is guarded, after "of".
  what,
  # The option that names the bridge.
  bridgeOption,
  # The file with the rules, the bridge, and the interfaces of its ports: see `guardLoadScript`.
  guarded,
  # The tables in the rules, each with `family` and `name`.
  tables,
  # A time span, and the option that says it.
  verifyInterval,
  verifyOption,
}:
let
  inherit (import ../../lib) guardLoadScript guardVerifyScript;
  span = "[1-9][0-9]* ?(s|sec|seconds?|m|min|minutes?|h|hr|hours?)?";
  units = [
    "${name}.service"
    "${name}-verify.service"
    "${name}-verify.timer"
  ];
  isLeftOut =
    unit:
    lib.elem unit config.systemd.suppressedSystemUnits
    || !(config.systemd.units.${unit}.enable or true);
  load = pkgs.writeShellScript "${name}-load" (guardLoadScript guarded);
in
{
  # systemd takes no notice of a timer whose time spans it can't read; with "infinity" or 0 nothing is ever verified.
  assertions = [
    {
      assertion = builtins.match "(${span})( ${span})*" verifyInterval != null;
      message = "`${verifyOption}` is `${verifyInterval}`, and not a time span of seconds, minutes and hours such as 30s, 5min or 1h 30min";
    }
  ]
  ++ map (unit: {
    assertion = false;
    message = "`systemd` is told to leave out ${unit}, without which nobody loads or verifies the guard of `${bridgeOption}`, ${guarded.bridge}: let it be, or turn off what it guards";
  }) (lib.filter isLeftOut units)
  ++ import ./firewall.nix { inherit config lib; } {
    option = bridgeOption;
    inherit (guarded) bridge;
    inherit tables;
  };

  systemd.services.${name} = {
    description = "Guard of ${what}";
    # Before any interface is made, as the host's own firewall is.
    wants = [ "network-pre.target" ];
    wantedBy = [ "multi-user.target" ];
    after = [ "sysinit.target" ];
    before = [
      "network-pre.target"
      "systemd-networkd.service"
      "shutdown.target"
    ];
    conflicts = [ "shutdown.target" ];
    unitConfig.DefaultDependencies = false;
    # New rules replace the old ones in one transaction, and nobody has to stop for them.
    reloadIfChanged = true;
    path = [
      pkgs.nftables
      pkgs.iproute2
    ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = load;
      ExecReload = load;
      # There is no ExecStop: a guard that is stopped stays in the kernel.
    };
  };

  systemd.services."${name}-verify" = {
    description = "Verification of the guard of ${what}";
    after = [ "${name}.service" ];
    path = [
      pkgs.nftables
      pkgs.iproute2
      pkgs.util-linux
      pkgs.diffutils
      pkgs.coreutils
      pkgs.bash
    ];
    serviceConfig = {
      Type = "oneshot";
      RuntimeDirectory = name;
      RuntimeDirectoryPreserve = true;
      TimeoutStartSec = 60;
      ExecStart = pkgs.writeShellScript "${name}-verify" (
        guardVerifyScript (
          guarded
          // {
            tables = map (table: { inherit (table) family name; }) tables;
            state = "/run/${name}";
          }
        )
      );
    };
  };

  systemd.timers."${name}-verify" = {
    description = "Verification of the guard of ${what}";
    wantedBy = [ "timers.target" ];
    timerConfig = {
      OnActiveSec = verifyInterval;
      OnUnitInactiveSec = verifyInterval;
      AccuracySec = "1s";
    };
  };

  environment.systemPackages = [ pkgs.nftables ];
}
