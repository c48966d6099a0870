# What flake.nix gives, computed by calling its `outputs` as Nix would, with inputs that are at hand.
{
  lib,
  nixpkgs,
  packagesFor,
  plain,
  ...
}:
let
  flake = import ../../../flake.nix;
  inputs = {
    nixpkgs = {
      outPath = toString nixpkgs;
      lib = lib // {
        nixosSystem =
          arguments:
          import (nixpkgs + "/nixos/lib/eval-config.nix") (
            {
              inherit lib;
              system = null;
            }
            // arguments
            // {
              modules = [ plain ] ++ arguments.modules;
            }
          );
      };
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ] packagesFor;
    };
    agenix = "/no/agenix";
    microvm.outPath = "";
  };
  self = flake.outputs (inputs // { inherit self; }) // {
    outPath = toString ../../..;
  };
  example = (import ../../fleet/flake.nix).outputs {
    inherit (inputs) nixpkgs;
    bulkhead = self;
    agenix.nixosModules.default = ../support/agenix.nix;
  };
  names = lib.mapAttrs (_: lib.attrNames);
  programs = lib.filter (name: builtins.pathExists (../../../crates + "/${name}/src/main.rs")) (
    lib.attrNames (builtins.readDir ../../../crates)
  );
  faultsOf =
    name:
    let
      inherit (example.nixosConfigurations.${name}) config;
    in
    map (found: found.message) (lib.filter (found: !found.assertion) config.assertions)
    ++ config.warnings;
in
{
  "modules by area, and all of them" = {
    expr = lib.mapAttrs (_: path: builtins.pathExists (path + "/default.nix")) self.nixosModules;
    expected = {
      default = true;
      fleet = true;
      sandbox = true;
      vpn = true;
      secrets = true;
      workspaces = true;
    };
  };
  "a package for every program" = {
    expr = lib.mapAttrs (_: lib.mapAttrs (_: package: package.pname or package.name)) self.packages;
    expected =
      let
        each = lib.genAttrs programs (name: name) // {
          default = "bulkhead";
        };
      in
      {
        x86_64-linux = each;
        aarch64-linux = each;
      };
  };
  "a check for every machine, by its system, and for every file of tests" = {
    expr = lib.mapAttrs (
      _: checks:
      lib.filter (name: lib.hasPrefix "machine-" name || name == "nixos-flake-outputs") (
        lib.attrNames checks
      )
    ) self.checks;
    expected = {
      x86_64-linux = [
        "machine-howl"
        "machine-kif"
        "machine-s0"
        "nixos-flake-outputs"
      ];
      aarch64-linux = [
        "machine-fry"
        "machine-hermes"
      ];
    };
  };
  "a shell, a formatter and a template" = {
    expr = {
      shells = names self.devShells;
      formatter = lib.attrNames self.formatter;
      template = builtins.pathExists (self.templates.default.path + "/flake.nix");
    };
    expected = {
      shells = {
        x86_64-linux = [ "default" ];
        aarch64-linux = [ "default" ];
      };
      formatter = [
        "aarch64-linux"
        "x86_64-linux"
      ];
      template = true;
    };
  };
  "the library is there, and mkFleet knows a nixpkgs" = {
    expr = {
      mac = self.lib.mkMac "dev";
      machines = lib.attrNames (self.lib.mkFleet { root = ../../fleet; });
    };
    expected = {
      mac = "ee:26:0e:9a:a3:c6";
      machines = [
        "fry"
        "hermes"
        "howl"
        "kif"
        "s0"
      ];
    };
  };
  "the template has every machine of its folder" = {
    expr = lib.mapAttrs (_: system: {
      inherit (system.config.networking) hostName;
      inherit (system.config.nixpkgs.hostPlatform) system;
    }) example.nixosConfigurations;
    expected = {
      fry = {
        hostName = "fry";
        system = "aarch64-linux";
      };
      hermes = {
        hostName = "hermes";
        system = "aarch64-linux";
      };
      howl = {
        hostName = "howl";
        system = "x86_64-linux";
      };
      kif = {
        hostName = "kif";
        system = "x86_64-linux";
      };
      s0 = {
        hostName = "s0";
        system = "x86_64-linux";
      };
    };
  };
  "nothing is wrong with any of the template's machines" = {
    expr = lib.genAttrs [ "fry" "hermes" "howl" "kif" "s0" ] faultsOf;
    expected = lib.genAttrs [ "fry" "hermes" "howl" "kif" "s0" ] (_: [ ]);
  };
}
