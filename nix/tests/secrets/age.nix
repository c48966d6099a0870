# `age.secrets` from grants.
{
  machine,
  modules,
  lib,
  ...
}:
let
  agenix = ../support/agenix.nix;
  example = ../../fleet;
  with' =
    root: name: extra:
    machine (
      [
        (modules + "/fleet")
        (modules + "/secrets")
        {
          networking.hostName = name;
          machines.root = root;
        }
      ]
      ++ extra
    );
  on = with' example;
  kif = on "kif" [ agenix ];
  shown = secret: { inherit (secret) mode owner group; };
  names = system: lib.attrNames system.config.age.secrets;
in
{
  "a machine has the secrets of its roles, of everyone and of its folder, and no others" = {
    expr = map names [
      kif
      (on "s0" [ agenix ])
      (on "fry" [ agenix ])
    ];
    expected = [
      [
        "acme-dns-token"
        "matrix-signing-key"
        "metrics-token"
        "restic-password"
        "smtp-login"
        "web/session-key"
      ]
      [
        "metrics-token"
        "pia-login"
        "smtp-login"
        "wireguard"
      ]
      [
        "smtp-login"
        "wifi"
      ]
    ];
  };
  "nothing is wrong with any of them" = {
    expr = lib.concatMap (name: (on name [ agenix ]).failed ++ (on name [ agenix ]).warnings) [
      "fry"
      "hermes"
      "howl"
      "kif"
      "s0"
    ];
    expected = [ ];
  };
  "files are those of the fleet" = {
    expr = map (name: kif.config.age.secrets.${name}.file) [
      "web/session-key"
      "matrix-signing-key"
    ];
    expected = [
      (example + "/secrets/web/session-key.age")
      (example + "/machines/servers/kif/secrets/matrix-signing-key.age")
    ];
  };
  "mode, owner and group are those of secrets/properties.nix, and agenix' own where it says nothing" =
    {
      expr = map (name: shown kif.config.age.secrets.${name}) [
        "acme-dns-token"
        "smtp-login"
      ];
      expected = [
        {
          mode = "0440";
          owner = "0";
          group = "acme";
        }
        {
          mode = "0400";
          owner = "0";
          group = "0";
        }
      ];
    };
  "a configuration may say otherwise" = {
    expr =
      shown
        (on "kif" [
          agenix
          { age.secrets.acme-dns-token.group = "nginx"; }
        ]).config.age.secrets.acme-dns-token;
    expected = {
      mode = "0440";
      owner = "0";
      group = "nginx";
    };
  };
  "without agenix' module it is said what to do" = {
    expr = (on "kif" [ ]).failed;
    expected = [
      "`kif` is granted secrets, but agenix's module is missing: add `agenix.nixosModules.default` to its modules"
    ];
  };
  "a secret that is not there, and two of one name, are refused" = {
    expr = (with' ./faulty "kif" [ agenix ]).failed;
    expected = [
      "two secrets of `kif` would both be `age.secrets.\"token\"`: machines/kif/secrets/token.age and secrets/token.age; rename one of them"
      "secrets/wifi.age is granted to `kif`, but is not there: make it with `agenix -e`, or take it out of secrets/properties.nix"
    ];
  };
}
