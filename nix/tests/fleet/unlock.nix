# Unlocking disks from afar, in both kinds of initial ramdisks, and what is refused.
{
  machine,
  modules,
  lib,
  ...
}:
let
  root = ../../fleet;
  on =
    name: fleet: extra:
    machine [
      (modules + "/fleet")
      {
        networking.hostName = name;
        machines.root = fleet;
        boot.loader.systemd-boot.enable = true;
        fileSystems."/boot" = {
          device = "/dev/disk/by-label/boot";
          fsType = "vfat";
        };
        boot.initrd.luks.devices.root.device = "/dev/disk/by-label/crypt";
        thisMachine.unlock.enable = true;
      }
      extra
    ];
  kif = on "kif" root;

  scripted = kif { boot.initrd.systemd.enable = false; };
  bySystemd = kif { boot.initrd.systemd.enable = true; };
  secrets = {
    "/etc/secrets/initrd/ssh_host_ed25519_key" = "/etc/secrets/initrd/ssh_host_ed25519_key";
    "/etc/tor/onion/hs_ed25519_public_key" = "/etc/secrets/initrd/onion/hs_ed25519_public_key";
    "/etc/tor/onion/hs_ed25519_secret_key" = "/etc/secrets/initrd/onion/hs_ed25519_secret_key";
  };

  # A fleet like the example, in which kif's properties say something else.
  faulty = ./faulty;
  failedOf = extra: (kif extra).failed;
  refused = extra: words: lib.any (lib.hasInfix words) (failedOf extra);
in
{
  "nothing is wrong with either kind" = {
    expr = map (system: { inherit (system) failed warnings; }) [
      scripted
      bySystemd
    ];
    expected = [
      {
        failed = [ ];
        warnings = [ ];
      }
      {
        failed = [ ];
        warnings = [ ];
      }
    ];
  };
  "the keys come from the machine and never from the store" = {
    expr = map (system: system.config.boot.initrd.secrets) [
      scripted
      bySystemd
    ];
    expected = [
      secrets
      secrets
    ];
  };
  "a scripted ramdisk asks for the passphrase, and runs Tor" = {
    expr = {
      inherit (scripted.config.boot.initrd.network.ssh) shell hostKeys;
      starts = lib.hasInfix "tor -f /etc/tor/torrc" scripted.config.boot.initrd.network.postCommands;
      stops = lib.hasInfix "pkill -x tor" scripted.config.boot.initrd.postMountCommands;
      hasTor = lib.hasInfix "/bin/tor" scripted.config.boot.initrd.extraUtilsCommands;
    };
    expected = {
      shell = "/bin/cryptsetup-askpass";
      hostKeys = [ "/etc/secrets/initrd/ssh_host_ed25519_key" ];
      starts = true;
      stops = true;
      hasTor = true;
    };
  };
  "a systemd ramdisk asks for the passphrase, and runs Tor after its keys are there" = {
    expr = {
      inherit (bySystemd.config.boot.initrd.systemd.users.root) shell;
      inherit (bySystemd.config.boot.initrd.systemd.services.tor) after wantedBy;
      service =
        lib.hasInfix "HiddenServicePort 22 127.0.0.1:22"
          bySystemd.config.boot.initrd.systemd.contents."/etc/tor/torrc".text;
    };
    expected = {
      shell = "/bin/systemd-tty-ask-password-agent";
      after = [
        "network.target"
        "initrd-nixos-copy-secrets.service"
      ];
      wantedBy = [ "initrd.target" ];
      service = true;
    };
  };
  "only administrators unlock, and not the keys of the running system's root" = {
    expr = {
      keys =
        scripted.config.boot.initrd.network.ssh.authorizedKeys == scripted.config.machines.ssh.userKeys;
      files = scripted.config.boot.initrd.network.ssh.authorizedKeyFiles;
      deployers = lib.intersectLists scripted.config.boot.initrd.network.ssh.authorizedKeys scripted.config.machines.ssh.deployKeys;
    };
    expected = {
      keys = true;
      files = [ ];
      deployers = [ ];
    };
  };
  "a key of the running system is refused" = {
    expr = refused {
      services.openssh.enable = true;
      thisMachine.unlock.hostKeyFile = "/etc/ssh/ssh_host_ed25519_key";
    } "is also a host key of its SSH server";
    expected = true;
  };
  "a key in the store is refused" = {
    expr = refused {
      thisMachine.unlock.hostKeyFile = "${builtins.storeDir}/00000000000000000000000000000000-key";
    } "in the Nix store everybody could read";
    expected = true;
  };
  "a boot loader that would put the key into the store is refused" = {
    expr = refused {
      boot.loader.supportsInitrdSecrets = lib.mkForce false;
    } "world-readable Nix store";
    expected = true;
  };
  "without a disk or anybody to unlock it there is nothing to do" = {
    expr = {
      disk = refused { boot.initrd.luks.devices = lib.mkForce { }; } "there is nothing to unlock";
      people = refused { thisMachine.unlock.authorizedKeys = [ ]; } "nobody may unlock it";
    };
    expected = {
      disk = true;
      people = true;
    };
  };
  "a machine whose properties don't tell how to reach it is refused" = {
    expr = lib.any (lib.hasInfix "has no `remoteUnlock.hostKey`") (on "s0" root { }).failed;
    expected = true;
  };
  "what bulkhead check reports is asserted, in its words" = {
    expr = (on "kif" faulty { }).failed;
    expected = [
      "the boot key of `kif` is also the host key of `kif` (unlock-key-reused)"
      "the boot key of `kif` can read `wifi.age` (unlock-key-is-recipient)"
      "the boot environment of `kif` is reached as `Kif.example.net.`, a host name of `kif` (unlock-host-name-shared)"
    ];
  };
  "the other machines may be built" = {
    expr = (on "leela" faulty { thisMachine.unlock.enable = lib.mkForce false; }).failed;
    expected = [ ];
  };
  "rules that can't be evaluated stop nothing, and it is said what is not known" = {
    expr = {
      inherit (on "kif" ./undecided { thisMachine.unlock.authorizedKeys = [ "ssh-ed25519 AAAA" ]; })
        failed
        warnings
        ;
    };
    expected = {
      failed = [ ];
      warnings = [
        "whether a boot key can read secrets is not known here: secrets/secrets.nix can't be evaluated without arguments and without `<nixpkgs>`; run `bulkhead check`, which looks at the secrets themselves"
      ];
    };
  };
}
