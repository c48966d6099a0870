# What is refused, and in which words.
support:
let
  inherit (support) lib throws;
  inherit (import ../support/workspaces.nix support)
    allTypes
    hostOf
    hostWith
    perType
    ;

  failedWith = type: extra: (hostOf type { workspaces.dev = extra; }).failed;
  mountsOf =
    path:
    (hostOf "container" { workspaces.dev.extraMounts."/data".hostPath = path; })
    .config.workspaces.dev.mounts;
  two =
    a: b:
    (hostWith {
      workspaces.a = {
        type = "vm";
        ip = "10.20.0.10";
      }
      // a;
      workspaces.b = {
        type = "container";
        ip = "10.20.0.11";
      }
      // b;
    }).failed;
in
{
  "two that share nothing are fine" = {
    expr = two { } { };
    expected = [ ];
  };
  "a name that is no host name" = {
    expr =
      (hostWith {
        workspaces.Dev = {
          type = "vm";
          ip = "10.20.0.10";
        };
      }).failed;
    expected = [
      "`Dev` can't be the name of a workspace: it is a host name too, so write at most 63 of a to z, 0 to 9 and `-`, the first a letter and the last not `-`"
    ];
  };
  "the host's own name" = {
    expr =
      (hostWith {
        workspaces.fry = {
          type = "container";
          ip = "10.20.0.10";
        };
      }).failed;
    expected = [ "`workspaces.fry` has the name of this host: call it something else" ];
  };
  "a name of another machine of the fleet" = {
    expr =
      (hostWith {
        imports = [ (support.modules + "/fleet") ];
        machines.root = ../../fleet;
        thisMachine.name = "fry";
        workspaces."s0" = {
          type = "container";
          ip = "10.20.0.10";
        };
        workspaces.web = {
          type = "container";
          ip = "10.20.0.11";
        };
      }).failed;
    expected = [
      "`workspaces.s0` has a name of the machine `s0`, which this host could not reach then: call it something else"
    ];
  };
  "a host key that is none, and a private one" = {
    expr =
      map (hostKey: throws (hostOf "container" { workspaces.dev = { inherit hostKey; }; }).failed)
        [
          "AAAA"
          "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ"
          "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n"
        ];
    expected = [
      true
      true
      true
    ];
  };
  "two with the same CID, and a reserved one" = {
    expr =
      two { cid = 7; } {
        type = "vm";
        cid = 7;
      }
      ++ failedWith "vm" { cid = 2; };
    expected = [
      "`workspaces.a.cid` and `workspaces.b.cid` are both 7: set one of them to another number"
      "`workspaces.dev.cid` is 2, which is the host's (vsock(7)): take one from 3 to 4294967294"
    ];
  };
  "two with the same address or MAC address, each named" = {
    expr =
      two { } { ip = "10.20.0.10"; } ++ two { mac = "02:00:00:00:00:07"; } { mac = "02:00:00:00:00:07"; };
    expected = [
      "`networking.sandbox.ports.a.address` and `networking.sandbox.ports.b.address` are both 10.20.0.10"
      "`networking.sandbox.ports.a.mac` and `networking.sandbox.ports.b.mac` are both 02:00:00:00:00:07"
    ];
  };
  "an address outside of the sandbox, and that of its gateway" = {
    expr =
      failedWith "container" { ip = lib.mkForce "192.168.1.10"; }
      ++ failedWith "incus" { ip = lib.mkForce "10.20.0.1"; }
      ++ failedWith "vm" { ip6 = "fd20::10"; };
    expected = [
      "`networking.sandbox.ports.dev.address` is 192.168.1.10, outside of `networking.sandbox.subnet`, 10.20.0.0/24"
      "`networking.sandbox.ports.dev.address` is 10.20.0.1, which is also `networking.sandbox.gateway`"
      "`networking.sandbox.ports.dev.address6` is fd20::10, but `networking.sandbox.subnet6` is null: the sandbox is without IPv6"
    ];
  };
  "a name that makes the interface too long for Linux" = {
    expr =
      (hostWith {
        workspaces.development-of-all = {
          type = "container";
          ip = "10.20.0.10";
        };
      }).failed;
    expected = [
      "`networking.sandbox.ports.development-of-all.interface` is `vb-development-of-all`, which has 21 characters; Linux takes 15"
    ];
  };
  "what is wrong with the network is told before what follows from it" = {
    expr = perType (
      type: lib.length (hostOf type { networking.sandbox.subnet = "10.20.0.5/24"; }).failed
    );
    expected = allTypes 1;
  };
  "what a VM can't do" = {
    expr =
      failedWith "vm" { gpu = true; }
      ++ failedWith "vm" { resources.memory = null; }
      ++ failedWith "vm" { cid = null; };
    expected = [
      "`workspaces.dev` is a VM, to which the host's GPU can't be given without taking it from the host: use `type = \"container\"` or `type = \"incus\"`, or leave `gpu` out"
      "`workspaces.dev` is a VM, and a VM can't do without limits: give `resources.cpu` and `resources.memory` numbers"
      "`workspaces.dev` is a VM, and has to have a `cid`"
    ];
  };
  "what a container can't do" = {
    expr =
      failedWith "container" { resources.disk = 1024; }
      ++ failedWith "container" { cid = 7; }
      ++ failedWith "container" { config.nix.enable = true; };
    expected = [
      "`workspaces.dev` is a container, which shares the host's file system, so `resources.disk` can't be kept: use `type = \"vm\"` or `type = \"incus\"`, or leave it out"
      "`workspaces.dev` has a `cid`, but only a VM has a vsock: leave it out, or use `type = \"vm\"`"
      "`workspaces.dev` is a container, in which there is no Nix: its store is the host's, and building there would be building as the host. Use `type = \"vm\"` or `type = \"incus\"`, or leave `nix.enable` out"
    ];
  };
  "ways out of a container past the sandbox, by NixOS' own options" = {
    expr =
      (hostOf "container" {
        containers.dev = {
          macvlans = [ "eth0" ];
          extraFlags = [ "--network-veth-extra=side" ];
        };
      }).failed;
    expected = [
      "`containers.dev.macvlans` is set, which would be another way out of `workspaces.dev`, or into it: leave it out"
      "`containers.dev.extraFlags` has `--network-veth-extra=side`, which is about the network or the users of `workspaces.dev`: leave it out"
    ];
  };
  "ways out of a virtual machine, by options of microvm.nix" = {
    expr = failedWith "vm" {
      config.microvm = {
        interfaces = [
          {
            type = "tap";
            id = "other";
            mac = "02:00:00:00:00:07";
          }
        ];
        shares =
          map
            (source: {
              inherit source;
              proto = "virtiofs";
              tag = baseNameOf source;
              mountPoint = "/${baseNameOf source}";
              readOnly = true;
            })
            [
              "/run/agenix"
              "/srv/src"
            ];
      };
    };
    expected = [
      "`workspaces.dev.config.microvm.interfaces` has other, which would be another way out of `workspaces.dev`, or into it: leave it out"
      "`workspaces.dev.config.microvm.shares` has /run/agenix, and /run/agenix holds secrets of the host: leave it out"
    ];
  };
  "secrets and sockets of the host, by NixOS' own option" = {
    expr =
      (hostOf "container" {
        containers.dev.bindMounts = {
          "/data".hostPath = "/nix/var/nix";
          "/secrets".hostPath = "/run/agenix";
          "/src".hostPath = "/srv/src";
        };
      }).failed;
    expected = [
      "`containers.dev.bindMounts` has /nix/var/nix, and /nix/var holds the socket of the host's Nix daemon: leave it out"
      "`containers.dev.bindMounts` has /run/agenix, and /run/agenix holds secrets of the host: leave it out"
    ];
  };
  "a name that breaks the names of units is told before what follows from it" = {
    expr =
      map
        (
          name:
          throws
            (hostWith {
              workspaces.${name} = {
                type = "container";
                ip = "10.20.0.10";
              };
            }).failed
        )
        [
          "a b"
          "a\"b"
          "a\nb"
          ".."
          "$HOME"
          "a%i"
          "a/b"
        ];
    expected = lib.genList (_: true) 7;
  };
  "a sandbox that is off" = {
    expr = (hostOf "incus" { networking.sandbox.enable = false; }).failed;
    expected = [
      "`workspaces.dev` would be without a guard, because `networking.sandbox.enable` is false: leave it out"
    ];
  };
  "less than NixOS runs in, such as a number of GiB" = {
    expr = failedWith "container" { resources.memory = 4; } ++ failedWith "vm" { resources.disk = 20; };
    expected = [
      "`workspaces.dev.resources.memory` is 4 MiB, in which NixOS does not run: give at least 128"
      "`workspaces.dev.resources.disk` is 20 MiB, in which NixOS does not run: give at least 128"
    ];
  };
  "a user of NixOS itself" = {
    expr = failedWith "container" { user = "nobody"; };
    expected = [
      "`workspaces.dev.user` is nobody, which is a user of NixOS itself: take another name"
    ];
  };
  "keys, time zones, commands and other values that are none" = {
    expr =
      let
        refused =
          extra:
          let
            host = hostOf "container" extra;
            inherit (host.config.workspaces) dev;
          in
          throws [
            dev.authorizedKeys
            dev.timeZone
            dev.resources
            dev.shell.name
            dev.gpu
            dev.user
            host.config.workspaceDefaults.privileged
            host.config.workspaceDefaults.stateFolder
            host.config.workspaceDefaults.uid
          ];
      in
      map refused [
        { workspaces.dev.authorizedKeys = [ "" ]; }
        { workspaces.dev.authorizedKeys = [ "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=" ]; }
        { workspaces.dev.authorizedKeys = [ "ssh-ed25519 AAAA\nssh-ed25519 AAAB" ]; }
        { workspaces.dev.timeZone = "../../etc/shadow"; }
        { workspaces.dev.timeZone = "Mars/Olympus Mons"; }
        { workspaces.dev.resources.cpu = 0; }
        { workspaces.dev.resources.memory = -1; }
        { workspaces.dev.shell = null; }
        { workspaces.dev.gpu = "--bind=/"; }
        { workspaces.dev.user = "a b"; }
        { workspaceDefaults.privileged = "sudo; true"; }
        { workspaceDefaults.stateFolder = "/srv/../etc"; }
        { workspaceDefaults.stateFolder = "/"; }
        { workspaceDefaults.uid = 0; }
        # These are fine.
        { workspaces.dev.authorizedKeys = [ "from=\"10.0.0.1\" ssh-ed25519 AAAA dev@fry" ]; }
        { workspaceDefaults.privileged = "run0 --user=root"; }
      ];
    expected = lib.genList (index: index < 14) 16;
  };
  "a state folder that does not keep, or that others write to" = {
    expr = (hostOf "container" { workspaceDefaults.stateFolder = "/tmp/workspaces"; }).failed;
    expected = [
      "`workspaceDefaults.stateFolder` is /tmp/workspaces, but /tmp is for everybody: take a folder that stays and is root's, such as /var/lib/workspaces"
    ];
  };
  "homes with keys, and what the host runs" = {
    expr =
      (hostOf "container" {
        users.users.leela.isNormalUser = true;
        workspaces.dev.extraMounts = {
          "/home/dev/leela".hostPath = "/home/leela";
          "/home/dev/src" = {
            hostPath = "/home/leela/src";
            readOnly = false;
          };
          "/store".hostPath = "/nix/store";
          "/usr/local" = {
            hostPath = "/nix/store";
            readOnly = false;
          };
        };
      }).failed;
    expected = [
      "`workspaces.dev.extraMounts`: /home/leela has /home/leela/.gnupg in it, which holds keys of the user leela; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /nix/store could be written to, and the host runs what is in /nix: leave `readOnly` true, or share another folder"
    ];
  };
  "root for a user" = {
    expr = failedWith "container" { user = "root"; };
    expected = [
      "`workspaces.dev.user` is root, who has neither a home of its own there nor a login: name another user, who becomes root by `doas`"
    ];
  };
  "a disk that Incus would not limit" = {
    expr = failedWith "incus" { resources.disk = 1024; };
    expected = [
      "`workspaces.dev.resources.disk` can't be kept by an Incus storage pool of the driver `dir`: set `workspaceDefaults.incus.pool.driver` to another one, or leave it out"
    ];
  };
  "two folders in one place" = {
    expr = failedWith "container" { extraMounts."/home/dev".hostPath = "/srv/src"; };
    expected = [
      "`workspaces.dev.extraMounts`: /var/lib/workspaces/dev/private/home and /srv/src would both be at /home/dev"
    ];
  };
  "folders of the host that are not for workspaces, and places that are not for folders" = {
    expr =
      lib.concatMap
        (
          mounts:
          failedWith "container" { extraMounts = lib.mapAttrs (_: hostPath: { inherit hostPath; }) mounts; }
        )
        [
          { "/data" = "/nix/var/nix/daemon-socket"; }
          { "/data" = "/var/lib/workspaces/web/private"; }
          { "/data" = "/etc"; }
          { "/home" = "/srv/src"; }
        ];
    expected = [
      "`workspaces.dev.extraMounts`: /nix/var/nix/daemon-socket lies in /nix/var, which holds the socket of the host's Nix daemon; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /var/lib/workspaces/web/private lies in /var/lib/workspaces, which holds the homes and keys of workspaces; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /etc has /etc/ssh/ssh_host_rsa_key in it, which holds a key of this host; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /srv/src at /home would hide /home/dev, which every workspace has"
    ];
  };
  "keys and secrets of agenix too" = {
    expr =
      (hostOf "incus" {
        options.age = lib.genAttrs [ "secretsDir" "secretsMountPoint" "identityPaths" ] (
          _: lib.mkOption { }
        );
        config.age = {
          secretsDir = "/persist/agenix";
          secretsMountPoint = "/persist/agenix.d";
          identityPaths = [ "/persist/keys/age" ];
        };
        config.workspaces.dev.extraMounts."/data".hostPath = "/persist/agenix";
        config.workspaces.dev.extraMounts."/more".hostPath = "/persist/keys";
      }).failed;
    expected = [
      "`workspaces.dev.extraMounts`: /persist/agenix holds secrets of this host; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /persist/keys has /persist/keys/age in it, which holds a key that opens secrets of this host; share a folder that has only what the workspace needs"
    ];
  };
  "a path that would mean something else on the way" = {
    expr = map (path: throws (mountsOf path)) [
      "/srv/a:b"
      "/srv/a b"
      "/srv/../etc"
      "srv"
      "/srv/a"
    ];
    expected = [
      true
      true
      true
      true
      false
    ];
  };
  "a type that does not exist, and none" = {
    expr = [
      (throws (hostOf "docker" { }).failed)
      (throws (hostWith { workspaces.dev.ip = "10.20.0.10"; }).failed)
    ];
    expected = [
      true
      true
    ];
  };
  "a VM without microvm.nix' module" = {
    expr =
      (support.machine [
        (support.modules + "/workspaces")
        {
          networking.hostName = "fry";
          workspaceDefaults.authorizedKeys = [ "ssh-ed25519 AAAA" ];
          workspaces.dev = {
            type = "vm";
            ip = "10.20.0.10";
          };
        }
      ]).failed;
    expected = [
      "`workspaces.dev` is a VM, but microvm.nix's module is missing: add `microvm.nixosModules.host` to this machine's modules"
    ];
  };
  "a pool of Incus that the operator has, too" = {
    expr =
      let
        pool = name: {
          virtualisation.incus.preseed.storage_pools = [
            {
              inherit name;
              driver = "btrfs";
            }
          ];
        };
      in
      map (name: (hostOf "incus" (pool name)).failed) [
        "default"
        "workspaces"
      ];
    expected = [
      [ ]
      [
        "`virtualisation.incus.preseed.storage_pools` has the pool workspaces, which is also `workspaceDefaults.incus.pool.name`: leave one of them out, or call it something else"
      ]
    ];
  };
}
