# The tests of nix/lib: the list of those that fail, with what came out and what was expected. It has to be empty.
#
#   nix-instantiate --eval --strict nix/lib/tests/tests.nix
#   bulkhead eval nix/lib/tests/tests.nix
let
  lib = import ../.;
  fleet = lib.loadFleet ./fleet;
  example = lib.loadFleet ../../fleet;

  names = map (item: item.name);
  machine = name: (lib.machinesByName fleet.machines).${name};
  secret = name: builtins.head (builtins.filter (secret: secret.name == name) fleet.secrets);
  fails = value: !(builtins.tryEval (builtins.deepSeq value null)).success;

  amyHost = "ssh-ed25519 AMY_HOST";
  zapHost = "ssh-ed25519 ZAP_HOST";
  admins = [
    "ssh-ed25519 AMY_USER"
    "ssh-rsa AMY_USER2"
    "age1admin"
  ];

  tests =
    import ./network.nix lib
    // import ./paths.nix lib
    // import ./vpn.nix lib
    // {
      "without bulkhead.toml the defaults hold" = {
        got = removeAttrs (lib.readConfig ./no-such-folder) [ "root" ];
        want = {
          machines = "machines";
          secrets = "secrets";
          rules = "secrets/secrets.nix";
          admins = [ ];
          ignore = [ ];
        };
      };
      "the layout is read from bulkhead.toml" = {
        got = { inherit (fleet.config) machines secrets rules; };
        want = {
          machines = "hosts";
          secrets = "vault";
          rules = "secrets.nix";
        };
      };

      "a text of keys has comments, empty lines and Windows line ends" = {
        got = lib.keyLines "# mine\r\n\r\n  ssh-ed25519 AAAA me \r\nage1x";
        want = [
          "ssh-ed25519 AAAA me"
          "age1x"
        ];
      };
      "a key is the same with another comment" = {
        got = map lib.keyIdentity [
          "ssh-ed25519 AAAA fry @ home"
          " ssh-ed25519\tAAAA "
          "age1x fry"
          "neither of them"
          "ssh-ed25519"
          ""
        ];
        want = [
          "ssh-ed25519 AAAA"
          "ssh-ed25519 AAAA"
          "age1x"
          "neither of them"
          "ssh-ed25519"
          ""
        ];
      };
      "unique keys keep their order" = {
        got = lib.uniqueKeys [
          "ssh-rsa B b"
          "ssh-rsa A a"
          "ssh-rsa B c"
        ];
        want = [
          "ssh-rsa B"
          "ssh-rsa A"
        ];
      };

      "machines are found at any depth, but not in tools' and ignored folders" = {
        got = lib.findMachines fleet.config;
        want = [
          {
            name = "amy";
            path = "hosts/amy";
          }
          {
            name = "zap";
            path = "hosts/rack/zap";
          }
          {
            name = "zap2";
            path = "hosts/rack/b/zap2";
          }
        ];
      };
      "a folder without machines has none" = {
        got = lib.findMachines (lib.readConfig ./no-such-folder);
        want = [ ];
      };
      "keys come from text, from files, and several from one file" = {
        got = {
          inherit (machine "amy") hostKey userKeys;
          byPath = (machine "zap").hostKey;
        };
        want = {
          hostKey = "ssh-ed25519 AMY_HOST root@amy";
          userKeys = [
            "ssh-ed25519 AMY_USER amy"
            "ssh-rsa AMY_USER2"
          ];
          byPath = "ssh-ed25519 ZAP_HOST root@zap";
        };
      };
      "what a machine leaves out is null or empty" = {
        got = machine "zap2";
        want = {
          name = "zap2";
          path = "hosts/rack/b/zap2";
          arch = "aarch64-linux";
          hostNames = [ "zap2" ];
          systemRoles = [ "web" ];
          hostKey = null;
          userKeys = [ ];
          deployKeys = [ ];
          remoteUnlock = null;
          publicIP = null;
          meta = { };
        };
      };
      "what remoteUnlock leaves out is null" = {
        got = (machine "zap").remoteUnlock;
        want = {
          hostKey = "ssh-ed25519 ZAP_UNLOCK";
          clearnetHost = null;
          onionHost = null;
        };
      };
      "two machines of one name are an error once they are asked for" = {
        got =
          let
            byName = lib.machinesByName [
              {
                name = "amy";
                path = "a/amy";
              }
              {
                name = "amy";
                path = "b/amy";
              }
              {
                name = "zap";
                path = "zap";
              }
            ];
          in
          [
            (fails byName.amy)
            (fails byName.zap)
          ];
        want = [
          true
          false
        ];
      };

      "roles come from machines, each machine once" = {
        got = fleet.roles;
        want = {
          mail = [
            "amy"
            "zap"
          ];
          web = [
            "zap"
            "zap2"
          ];
        };
      };
      "a role that nobody has has no machines" = {
        got = lib.machinesWithRole "pia" fleet.machines;
        want = [ ];
      };

      "secrets are those on disk and those that are declared" = {
        got = names fleet.secrets;
        want = [
          "amy/own"
          "zap/own"
          "all"
          "both"
          "machines-only"
          "mail/list"
          "mail/relay"
          "nobody"
          "shared"
          "undeclared"
        ];
      };
      "a secret is read by the machines of its roles, and each once" = {
        got = names (lib.secretReaders fleet.machines (secret "both"));
        want = [
          "amy"
          "zap"
          "zap2"
        ];
      };
      "recipients are the readers' host keys and the administrators" = {
        got = fleet.recipients;
        want =
          let
            rule = publicKeys: {
              inherit publicKeys;
              armor = false;
            };
          in
          {
            "hosts/amy/secrets/own.age" = rule ([ amyHost ] ++ admins);
            "hosts/rack/zap/secrets/own.age" = rule ([ zapHost ] ++ admins);
            "vault/all.age" = rule (
              [
                amyHost
                zapHost
              ]
              ++ admins
            );
            "vault/both.age" = {
              publicKeys = [
                amyHost
                zapHost
              ]
              ++ admins;
              armor = true;
            };
            "vault/machines-only.age" = rule [ amyHost ];
            "vault/mail/list.age" = rule (
              [
                amyHost
                zapHost
              ]
              ++ admins
            );
            "vault/mail/relay.age" = rule (
              [
                amyHost
                zapHost
              ]
              ++ admins
            );
            "vault/nobody.age" = rule [ ];
            "vault/shared.age" = rule ([ zapHost ] ++ admins);
            "vault/undeclared.age" = rule admins;
          };
      };

      "a MAC address is made from the name alone" = {
        got = [
          (lib.mkMac "dev")
          (lib.mkMac "")
        ];
        # The first 48 bits of the SHA-256 are ef260e9aa3c6 and e3b0c44298fc.
        want = [
          "ee:26:0e:9a:a3:c6"
          "e2:b0:c4:42:98:fc"
        ];
      };
      "a MAC address is private and unicast, whatever the name" = {
        got = builtins.all (index: lib.isPrivateMac (lib.mkMac "workspace-${toString index}")) (
          builtins.genList (index: index) 200
        );
        want = true;
      };
      "other MAC addresses are told apart" = {
        got = map lib.isPrivateMac [
          "02:00:00:00:00:01"
          "01:00:5e:00:00:fb"
          "00:16:3e:00:00:01"
          "03:00:00:00:00:01"
          "02:00:00:00:00"
          "02-00-00-00-00-01"
          "02:00:00:00:00:0g"
        ];
        want = [
          true
          false
          false
          false
          false
          false
          false
        ];
      };

      "the example has the machines and roles that the documentation speaks of" = {
        got = {
          machines = names example.machines;
          inherit (example.roles) pia;
          inherit (lib.listFolder example.config "machines") laptops servers storage;
          s0 = (lib.machinesByName example.machines).s0.systemRoles;
          armored = example.recipients."acme-dns-token.age".armor;
        };
        want = {
          machines = [
            "fry"
            "hermes"
            "howl"
            "kif"
            "s0"
          ];
          pia = [ "s0" ];
          laptops = "directory";
          servers = "directory";
          storage = "directory";
          s0 = [
            "pia"
            "server"
            "storage"
          ];
          armored = true;
        };
      };
      "no secret of the example is without a reader" = {
        got = builtins.filter (secret: lib.secretReaders example.machines secret == [ ]) example.secrets;
        want = [ ];
      };
    };

  all = tests // import ./workspaces.nix lib;
  failure =
    name:
    let
      inherit (all.${name}) got want;
    in
    if got == want then [ ] else [ { inherit name got want; } ];
in
builtins.concatMap failure (builtins.attrNames all)
