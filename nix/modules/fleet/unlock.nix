# Unlocking this machine's LUKS disks from afar: an SSH server in the initial ramdisk, reached directly or as a Tor onion
# service. Its keys lie in clear in /boot, so they are good for nothing else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption mkIf types;
  inherit (import ../../lib) unlockFaults unlockUndecided;

  cfg = config.thisMachine.unlock;
  properties = config.thisMachine.config.remoteUnlock;
  faults = lib.filter (fault: fault.machine == config.thisMachine.name) (
    unlockFaults config.machines.fleet
  );
  bySystemd = config.boot.initrd.systemd.enable;
  isOnionOnly = properties != null && properties.clearnetHost == null;

  # A text and not a path: a path would be copied to the store, which everybody reads.
  inherit (import ../shared/types.nix { inherit lib; }) plainPath publicKeyLine;
  inStore = file: lib.hasPrefix "${builtins.storeDir}/" file;

  onionFolder = "/etc/tor/onion";
  onionFiles = [
    "hs_ed25519_public_key"
    "hs_ed25519_secret_key"
  ];
  torrc = ''
    DataDirectory /etc/tor/data
    SOCKSPort 0
    Log notice stderr
    HiddenServiceDir ${onionFolder}
    HiddenServicePort ${toString config.machines.unlockPort} 127.0.0.1:${toString config.machines.unlockPort}
  '';
in
{
  options.thisMachine.unlock = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the initial ramdisk runs an SSH server that asks for the passphrases of the LUKS disks, for those who
        `authorizedKeys` names. `remoteUnlock` in the machine's `properties.nix` says how it is reached. The driver of the
        network card has to be in {option}`boot.initrd.availableKernelModules`.
      '';
    };

    hostKeyFile = mkOption {
      type = plainPath;
      default = "/etc/secrets/initrd/ssh_host_ed25519_key";
      example = "/persist/initrd/ssh_host_ed25519_key";
      description = ''
        Where the private half of `remoteUnlock.hostKey` lies on the machine, from where it is copied to the initial
        ramdisk when the boot loader is installed. Make it there, and for this alone:
        `ssh-keygen -t ed25519 -N "" -f /etc/secrets/initrd/ssh_host_ed25519_key`
      '';
    };

    authorizedKeys = mkOption {
      type = types.listOf publicKeyLine;
      # What people have for secrets alone is no login.
      default = lib.filter (key: !lib.hasPrefix "age1" key) config.machines.ssh.userKeys;
      defaultText = lib.literalMD "those of `config.machines.ssh.userKeys` that are of SSH";
      example = [ "ssh-ed25519 AAAA…" ];
      description = "The keys of those who may unlock the disks.";
    };

    askOnly = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether those who log in are asked for the passphrase and get nothing else, rather than a shell.";
    };

    onion = {
      enable = mkOption {
        type = types.bool;
        default = properties != null && properties.onionHost != null;
        defaultText = lib.literalMD "whether `remoteUnlock.onionHost` is there";
        example = true;
        description = ''
          Whether the SSH server is reached as a Tor onion service too. Tor wants a clock that is right within some hours.
        '';
      };

      keyFolder = mkOption {
        type = plainPath;
        default = "/etc/secrets/initrd/onion";
        example = "/persist/initrd/onion";
        description = ''
          The folder on the machine with the service's `hs_ed25519_secret_key` and `hs_ed25519_public_key`, as Tor has made
          them for this service alone. `remoteUnlock.onionHost` is the content of its `hostname`.
        '';
      };
    };
  };

  config = lib.mkMerge [
    {
      # Also without the server: another configuration may run it with the same keys.
      assertions = map (fault: {
        assertion = false;
        message = "${fault.message} (${fault.rule})";
      }) faults;
      warnings = unlockUndecided config.machines.fleet;
    }

    (mkIf cfg.enable {
      assertions = [
        {
          assertion = properties != null && properties.hostKey != null;
          message = "`thisMachine.unlock.enable` of `${config.thisMachine.name}`: its properties.nix has no `remoteUnlock.hostKey`, by which the boot environment is known";
        }
        {
          assertion = config.boot.initrd.luks.devices != { };
          message = "`thisMachine.unlock.enable` of `${config.thisMachine.name}`: there is nothing to unlock; `boot.initrd.luks.devices` is empty";
        }
        {
          assertion = config.boot.loader.supportsInitrdSecrets;
          message = "`thisMachine.unlock.enable` of `${config.thisMachine.name}`: this boot loader can't add files to the initial ramdisk, so the private key ${cfg.hostKeyFile} would go to the world-readable Nix store; use `boot.loader.systemd-boot` or `boot.loader.grub`";
        }
        {
          assertion =
            !lib.any inStore [
              cfg.hostKeyFile
              cfg.onion.keyFolder
            ];
          message = "`thisMachine.unlock.hostKeyFile` and `onion.keyFolder` of `${config.thisMachine.name}` are paths on the machine; in the Nix store everybody could read the private keys";
        }
        {
          assertion = !lib.elem cfg.hostKeyFile (map (key: key.path) config.services.openssh.hostKeys);
          message = "the boot key of `${config.thisMachine.name}`, ${cfg.hostKeyFile}, is also a host key of its SSH server: make a key for the boot environment alone";
        }
        {
          assertion = cfg.authorizedKeys != [ ];
          message = "`thisMachine.unlock.enable` of `${config.thisMachine.name}`: nobody may unlock it; no machine has `userKeys`, and `thisMachine.unlock.authorizedKeys` is empty";
        }
        {
          assertion = cfg.onion.enable -> properties != null && properties.onionHost != null;
          message = "`thisMachine.unlock.onion.enable` of `${config.thisMachine.name}`: its properties.nix has no `remoteUnlock.onionHost`";
        }
        {
          assertion = isOnionOnly -> cfg.onion.enable;
          message = "the boot environment of `${config.thisMachine.name}` can't be reached: it has no clearnet host, and `thisMachine.unlock.onion.enable` is false";
        }
      ];

      boot.initrd.network = {
        enable = true;
        ssh = {
          enable = true;
          port = config.machines.unlockPort;
          hostKeys = [ cfg.hostKeyFile ];
          inherit (cfg) authorizedKeys;
          # Those who log in to the running system are not all meant to unlock it.
          authorizedKeyFiles = [ ];
          shell = mkIf (cfg.askOnly && !bySystemd) "/bin/cryptsetup-askpass";
          # What is reached over Tor alone does not show itself on the network.
          extraConfig = mkIf isOnionOnly "ListenAddress 127.0.0.1";
        };
      };
      boot.initrd.systemd.users.root.shell = mkIf (
        cfg.askOnly && bySystemd
      ) "/bin/systemd-tty-ask-password-agent";
    })

    (mkIf (cfg.enable && cfg.onion.enable) {
      boot.initrd.secrets = lib.listToAttrs (
        map (file: {
          name = "${onionFolder}/${file}";
          value = "${cfg.onion.keyFolder}/${file}";
        }) onionFiles
      );
    })

    (mkIf (cfg.enable && cfg.onion.enable && bySystemd) {
      boot.initrd.systemd = {
        contents."/etc/tor/torrc".text = torrc;
        storePaths = [ "${pkgs.tor}/bin/tor" ];
        services.tor = {
          description = "Onion service of the SSH server that unlocks the disks";
          wantedBy = [ "initrd.target" ];
          after = [
            "network.target"
            "initrd-nixos-copy-secrets.service"
          ];
          before = [ "shutdown.target" ];
          conflicts = [ "shutdown.target" ];
          unitConfig.DefaultDependencies = false;
          # Tor takes no keys that others could read.
          preStart = ''
            /bin/mkdir -p /etc/tor/data
            /bin/chmod -R go= /etc/tor/data ${onionFolder}
          '';
          serviceConfig = {
            ExecStart = "${pkgs.tor}/bin/tor -f /etc/tor/torrc";
            Restart = "on-failure";
            RestartSec = 5;
          };
        };
      };
    })

    (mkIf (cfg.enable && cfg.onion.enable && !bySystemd) {
      boot.initrd.extraUtilsCommands = ''
        copy_bin_and_libs ${pkgs.tor}/bin/tor
      '';
      boot.initrd.network.postCommands = ''
        ip link set lo up
        mkdir -p /etc/tor/data
        echo -n ${lib.escapeShellArg torrc} > /etc/tor/torrc
        chmod -R go= /etc/tor/data ${onionFolder}
        tor -f /etc/tor/torrc --RunAsDaemon 1
      '';
      boot.initrd.postMountCommands = ''
        pkill -x tor
      '';
    })
  ];
}
