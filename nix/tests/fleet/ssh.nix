# Who knows whom, and who is let in.
{
  machine,
  modules,
  lib,
  ...
}:
let
  of =
    extra:
    (machine [
      (modules + "/fleet")
      {
        networking.hostName = "fry";
        machines.root = ../../fleet;
        machines.ssh.adminUser = "admin";
        users.users.admin.isNormalUser = true;
      }
      extra
    ]).config;
  fry = of { };
  onion = "2dfhbnofd7jarkoit5e62dxjwutuc2rnz4a5fjgeskj4kexxj5yg4aqd.onion";
  known = fry.programs.ssh.knownHosts;
  kif = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm";
  bootKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSvUpmxcrayGSLDEFMNKv/6DVjETruQHqjrWtyJVVKo";
  deploy = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIItFG3eh/UWR6XZWki9huYJFvEGsXfXtRWjPvmbo737p";
  admins = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI"
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKKmuuEvOlJQiuCyVbI/86o88tqiWaTSYQMK3Gs1Rmk6"
  ];
  keysOf = user: fry.users.users.${user}.openssh.authorizedKeys.keys;
in
{
  "every machine is known, and apart from it its boot environment" = {
    expr = {
      names = lib.attrNames known;
      kif = { inherit (known.kif) hostNames publicKey; };
      unlock = { inherit (known."kif (unlock)") hostNames publicKey; };
    };
    expected = {
      names = [
        "fry"
        "hermes"
        "howl"
        "kif"
        "kif (unlock)"
        "s0"
      ];
      kif = {
        hostNames = [
          "kif.example.net"
          "www.example.net"
        ];
        publicKey = kif;
      };
      unlock = {
        hostNames = [
          "unlock.kif.example.net"
          onion
        ];
        publicKey = bootKey;
      };
    };
  };
  "people log in as the administrator, deploying machines as root" = {
    expr = {
      admin = keysOf "admin";
      root = keysOf "root";
    };
    expected = {
      admin = admins;
      root = [ deploy ];
    };
  };
  "no role has the key of a boot environment" = {
    expr = {
      web = fry.machines.ssh.hostKeysByRole.web;
      leaked = lib.any (lib.elem bootKey) (lib.attrValues fry.machines.ssh.hostKeysByRole);
    };
    expected = {
      web = [ kif ];
      leaked = false;
    };
  };
  "aliases unlock a machine directly and over Tor, trusting the fleet's key alone" = {
    expr = lib.mapAttrs (
      _: lib.hasInfix "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/dev/null"
    ) (lib.filterAttrs (name: _: lib.hasPrefix "unlock" name) fry.environment.shellAliases);
    expected = {
      unlock_kif = true;
      unlock-over-tor_kif = true;
    };
  };
  "an alias goes where the properties say" = {
    expr = {
      direct = lib.hasInfix "root@unlock.kif.example.net" fry.environment.shellAliases.unlock_kif;
      tor = lib.hasInfix "root@${onion}" fry.environment.shellAliases.unlock-over-tor_kif;
      proxied = lib.hasInfix "-X 5 -x 127.0.0.1:9050 %h %p" fry.environment.shellAliases.unlock-over-tor_kif;
    };
    expected = {
      direct = true;
      tor = true;
      proxied = true;
    };
  };
  "another port is part of the known name" = {
    expr = (of { machines.unlockPort = 2222; }).programs.ssh.knownHosts."kif (unlock)".hostNames;
    expected = [
      "[unlock.kif.example.net]:2222"
      "[${onion}]:2222"
    ];
  };
}
