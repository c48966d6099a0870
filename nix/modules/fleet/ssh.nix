# SSH inside the fleet: every machine knows the keys of all others and of their boot environments, and lets the people
# and the deploying machines in.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) keyIdentity uniqueKeys;
  inherit (import ../shared/types.nix { inherit lib; }) hostAndPort userName;

  cfg = config.machines.ssh;
  inherit (config.machines.fleet) machines;
  unlockPort = config.machines.unlockPort;

  # known_hosts writes a port other than that of SSH with the name.
  atUnlockPort = host: if unlockPort == 22 then host else "[${host}]:${toString unlockPort}";
  unlockHosts =
    unlock:
    lib.filter (host: host != null) [
      unlock.clearnetHost
      unlock.onionHost
    ];
  # What people have for secrets alone is no login.
  isLogin = key: !lib.hasPrefix "age1" key;
  canBeUnlocked = lib.filter (machine: machine.remoteUnlock != null) machines;

  knownMachines = lib.listToAttrs (
    map (machine: {
      inherit (machine) name;
      value = {
        inherit (machine) hostNames;
        publicKey = keyIdentity machine.hostKey;
      };
    }) (lib.filter (machine: machine.hostKey != null && machine.hostNames != [ ]) machines)
  );
  # Entries of their own: the key of a boot environment is never good for the machine, nor the other way round.
  knownUnlocks = lib.listToAttrs (
    map
      (machine: {
        name = "${machine.name} (unlock)";
        value = {
          hostNames = map atUnlockPort (unlockHosts machine.remoteUnlock);
          publicKey = keyIdentity machine.remoteUnlock.hostKey;
        };
      })
      (
        lib.filter (
          machine: machine.remoteUnlock.hostKey != null && unlockHosts machine.remoteUnlock != [ ]
        ) canBeUnlocked
      )
  );

  # The passphrase goes to whoever has the key that the fleet names, and to nobody who just asks first: keys that the
  # user has accepted at some time don't count.
  unlockWith =
    options: host:
    lib.concatStringsSep " " (
      [
        "ssh -t -p ${toString unlockPort}"
        "-o StrictHostKeyChecking=yes"
        "-o UserKnownHostsFile=/dev/null"
      ]
      ++ options
      ++ [ (lib.escapeShellArg "root@${host}") ]
    );
  throughTor = "-o ${lib.escapeShellArg "ProxyCommand=${pkgs.netcat}/bin/nc -X 5 -x ${cfg.torProxy} %h %p"}";
  aliasesOf =
    machine:
    lib.optional (machine.remoteUnlock.clearnetHost != null) {
      name = "unlock_${machine.name}";
      value = unlockWith [ ] machine.remoteUnlock.clearnetHost;
    }
    ++ lib.optional (machine.remoteUnlock.onionHost != null) {
      name = "unlock-over-tor_${machine.name}";
      value = unlockWith [ throughTor ] machine.remoteUnlock.onionHost;
    };
in
{
  options.machines.unlockPort = mkOption {
    type = types.ints.between 1 65535;
    default = 22;
    example = 2222;
    description = "The port of the SSH servers in the boot environments of the fleet.";
  };

  options.machines.ssh = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether this machine knows the host keys of the fleet, lets its administrators and deploying machines in, and has
        the aliases `unlock_<machine>` and `unlock-over-tor_<machine>`.
      '';
    };

    adminUser = mkOption {
      type = types.nullOr userName;
      default = null;
      example = "admin";
      description = ''
        The user as whom the administrators log in, with the `userKeys` of all machines. Without one, nobody is let in by
        these keys.
      '';
    };

    userKeys = mkOption {
      type = types.listOf types.str;
      readOnly = true;
      default = uniqueKeys (lib.concatMap (machine: machine.userKeys) machines);
      defaultText = lib.literalMD "the `userKeys` of all machines";
      example = [ "ssh-ed25519 AAAA…" ];
      description = "The keys of the people who administer the fleet, without comments, each once.";
    };

    deployKeys = mkOption {
      type = types.listOf types.str;
      readOnly = true;
      default = uniqueKeys (lib.concatMap (machine: machine.deployKeys) machines);
      defaultText = lib.literalMD "the `deployKeys` of all machines";
      example = [ "ssh-ed25519 AAAA…" ];
      description = "The keys with which machines deploy to others as root, without comments, each once.";
    };

    hostKeysByRole = mkOption {
      type = types.attrsOf (types.listOf types.str);
      readOnly = true;
      default = lib.mapAttrs (
        _: names:
        uniqueKeys (lib.filter (key: key != null) (map (name: config.machines.hosts.${name}.hostKey) names))
      ) config.machines.withRole;
      defaultText = lib.literalMD "the `hostKey` of the machines of each role";
      example.storage = [ "ssh-ed25519 AAAA…" ];
      description = "The host keys of the machines that have a role, by the role. Boot environments' keys are not there.";
    };

    torProxy = mkOption {
      type = hostAndPort;
      default = "127.0.0.1:9050";
      example = "127.0.0.1:9150";
      description = "Where the SOCKS proxy of Tor listens that `unlock-over-tor_<machine>` goes through.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = lib.optional (cfg.adminUser != null) (
      let
        user = config.users.users.${cfg.adminUser};
      in
      {
        assertion = cfg.adminUser == "root" || user.isNormalUser || user.isSystemUser;
        message = "`machines.ssh.adminUser` is ${cfg.adminUser}, who is no user of this machine: declare `users.users.${cfg.adminUser}`, with `isNormalUser = true`, or name another one";
      }
    );
    programs.ssh.knownHosts = knownMachines // knownUnlocks;
    environment.shellAliases = lib.listToAttrs (lib.concatMap aliasesOf canBeUnlocked);
    users.users = lib.mkMerge [
      { root.openssh.authorizedKeys.keys = cfg.deployKeys; }
      (lib.mkIf (cfg.adminUser != null) {
        ${cfg.adminUser}.openssh.authorizedKeys.keys = lib.filter isLogin cfg.userKeys;
      })
    ];
  };
}
