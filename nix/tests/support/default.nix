# What test cases are given.
{ nixpkgs, microvm }:
let
  lib = import (nixpkgs + "/lib");
  isComplete = builtins.pathExists (nixpkgs + "/pkgs/top-level/default.nix");
  packagesFor =
    system:
    if isComplete then
      import nixpkgs {
        inherit system;
        config = { };
        overlays = [ ];
      }
    else
      import ./packages.nix { inherit lib nixpkgs system; };

  # What every NixOS system must say, and what makes evaluating it quick.
  plain =
    { config, ... }:
    {
      # Weaker than a default, which a fleet gives its machines.
      nixpkgs.hostPlatform = lib.mkOverride 1400 "x86_64-linux";
      nixpkgs.pkgs = lib.mkDefault (packagesFor config.nixpkgs.hostPlatform.system);
      documentation.enable = false;
      documentation.nixos.enable = false;
      boot.loader.grub.enable = lib.mkDefault false;
      fileSystems."/" = lib.mkDefault {
        device = "/dev/disk/by-label/root";
        fsType = "ext4";
      };
      system.stateVersion = lib.mkDefault "24.05";
    };

  # NixOS containers evaluate a system of their own, with the same packages.
  inContainers = {
    options.containers = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule (
          { options, ... }:
          {
            config.config = {
              _module.args.pkgs = lib.mkForce (packagesFor "x86_64-linux");
              nixpkgs.pkgs = lib.mkForce (packagesFor "x86_64-linux");
              system.stateVersion = lib.mkDefault "24.05";
            };
          }
        )
      );
    };
  };
in
rec {
  inherit
    lib
    nixpkgs
    packagesFor
    plain
    ;

  # The host module of microvm.nix, or what stands in for it.
  microvmHost = import ./microvm.nix { inherit lib microvm nixpkgs; };

  # Bulkhead's own library and the folder with its modules.
  bulkhead = import ../../lib;
  modules = ../../modules;

  /**
    The NixOS system of a list of modules.

    # Type

    ```
    machine :: [Module] -> {
      config, options :: AttrSet,
      failed :: [String],    # messages of the assertions that do not hold
      warnings :: [String],
    }
    ```
  */
  machine = modules: machineWith { } modules;

  /**
    As `machine`, with `specialArgs`.
  */
  machineWith =
    specialArgs: modules:
    let
      system = import (nixpkgs + "/nixos/lib/eval-config.nix") {
        system = null;
        inherit lib specialArgs;
        modules = [
          plain
          inContainers
        ]
        ++ modules;
      };
    in
    {
      inherit (system) config options;
      failed = map (found: found.message) (lib.filter (found: !found.assertion) system.config.assertions);
      inherit (system.config) warnings;
    };

  /**
    What is wrong inside of a system: the assertions that do not hold, and the warnings.
  */
  faultsOf =
    config:
    map (found: found.message) (lib.filter (found: !found.assertion) config.assertions)
    ++ config.warnings;

  /**
    Whether evaluating a value to its end throws.
  */
  throws = value: !(builtins.tryEval (builtins.deepSeq value null)).success;
}
