{
  description = "The machines of a small fleet";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    agenix.url = "github:ryantm/agenix";
    agenix.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, agenix, ... }:
    let
      # A machine is its folder: who it is (properties.nix) and what runs on it (default.nix).
      machine =
        folder:
        let
          properties = import (folder + "/properties.nix");
        in
        nixpkgs.lib.nixosSystem {
          specialArgs.fleetLib = import ./nix/lib;
          modules = [
            agenix.nixosModules.default
            ./modules/base.nix
            folder
            {
              networking.hostName = baseNameOf folder;
              nixpkgs.hostPlatform = properties.arch;
            }
          ];
        };
    in
    {
      nixosConfigurations = {
        fry = machine ./machines/laptops/fry;
        hermes = machine ./machines/servers/hermes;
        howl = machine ./machines/laptops/howl;
        kif = machine ./machines/servers/kif;
        s0 = machine ./machines/storage/s0;
      };
    };
}
