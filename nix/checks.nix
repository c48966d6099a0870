# What `nix flake check` builds, for one system: the machines of the example fleet that are of this system, the cases of
# nix/tests file by file, the tests of the library, and the example as Bulkhead judges it.
{
  pkgs,
  example,
  bulkhead,
  nixpkgs,
  microvm,
}:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv.hostPlatform) system;
  inherit (import ./lib) loadFleet;

  # Without the reminder that they are store paths, which the tests could not append to a path.
  path = given: builtins.unsafeDiscardStringContext (toString given);
  suite = import ./tests {
    nixpkgs = path nixpkgs;
    microvm = path microvm;
  };

  # A check that is made while it is evaluated: it builds if the list is empty.
  evaluated =
    name: failures:
    if failures == [ ] then
      pkgs.runCommand name { } "touch $out"
    else
      throw "${name}: ${builtins.toJSON failures}";

  machines = lib.listToAttrs (
    map (machine: {
      name = "machine-${machine.name}";
      value = example.nixosConfigurations.${machine.name}.config.system.build.toplevel;
    }) (lib.filter (machine: machine.arch == system) (loadFleet ./fleet).machines)
  );

  # Everything in it is evaluated for one system, whatever this one is.
  cases = lib.concatMapAttrs (
    area:
    lib.mapAttrs' (
      file: failures:
      let
        name = "nixos-${area}-${file}";
      in
      {
        inherit name;
        value = evaluated name failures;
      }
    )
  ) suite.failures;
in
machines
// lib.optionalAttrs (system == "x86_64-linux") cases
// {
  nix-lib = evaluated "nix-lib" (import ./lib/tests/tests.nix);

  example = pkgs.runCommand "example" { nativeBuildInputs = [ bulkhead ]; } ''
    bulkhead check ${./fleet}
    touch $out
  '';
}
