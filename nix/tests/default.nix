# The modules of this repository, evaluated in the real module system of NixOS.
#
#   NIXPKGS=/path/to/nixpkgs nix-instantiate --eval --strict --json nix/tests -A failures
#   NIXPKGS=/path/to/nixpkgs nix-instantiate --eval --strict --json nix/tests -A failures.fleet.unlock
#   NIXPKGS=/path/to/nixpkgs cargo xtask test --nixos
#
# Virtual machines are evaluated with the microvm.nix that MICROVM names, else with a few options in its place.
#
# The list of failures has to be empty. Without NIXPKGS, `<nixpkgs>` is looked up in the search path. A tree that has
# only nixpkgs' `lib/` and `nixos/` will do: packages are stand-ins then (support/packages.nix), since nothing is built.
#
# Cases are files: every nix/tests/<area>/<name>.nix but those in `support` is a function from what
# support/default.nix offers to a set of cases, each with what comes out and what is expected:
#
#   { machine, ... }:
#   {
#     "the host name is the machine's" = {
#       expr = (machine [ { networking.hostName = "s0"; } ]).config.networking.hostName;
#       expected = "s0";
#     };
#   }
{
  nixpkgs ?
    let
      given = builtins.getEnv "NIXPKGS";
    in
    if given == "" then <nixpkgs> else given,
  microvm ? builtins.getEnv "MICROVM",
}:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    listToAttrs
    mapAttrs
    match
    readDir
    ;

  # Also given as a text, for a path on the command line would be copied to the store.
  support = import ./support {
    nixpkgs = /. + toString nixpkgs;
    microvm = if toString microvm == "" then null else /. + toString microvm;
  };

  foldersOf =
    entries: filter (name: entries.${name} == "directory" && name != "support") (attrNames entries);
  stem = name: match "(.+)\\.nix" name;
  casesIn =
    area:
    listToAttrs (
      map (name: {
        name = head (stem name);
        value = import (./. + "/${area}/${name}") support;
      }) (filter (name: stem name != null) (attrNames (readDir (./. + "/${area}"))))
    );

  cases = listToAttrs (
    map (area: {
      name = area;
      value = casesIn area;
    }) (foldersOf (readDir ./.))
  );

  # A case that throws is a failure like others, as far as Nix lets it be caught.
  outcome =
    name:
    { expr, expected }:
    let
      got = builtins.tryEval (builtins.deepSeq expr expr);
    in
    if !got.success then
      [
        {
          inherit name expected;
          threw = true;
        }
      ]
    else if got.value == expected then
      [ ]
    else
      [
        {
          inherit name expected;
          got = got.value;
        }
      ];
in
{
  /**
    The cases themselves, by area and file.
  */
  inherit cases;

  /**
    What is wrong, by area and file: for every case that fails, its name, what came out and what was expected.
  */
  failures = mapAttrs (
    _: mapAttrs (_: cases: concatMap (name: outcome name cases.${name}) (attrNames cases))
  ) cases;

  /**
    The names of the cases by area and file, without evaluating any of them.
  */
  names = mapAttrs (_: mapAttrs (_: attrNames)) cases;
}
