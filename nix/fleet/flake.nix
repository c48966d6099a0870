{
  description = "The machines of a small fleet";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    bulkhead.url = "github:bulkhead-nix/bulkhead";
    bulkhead.inputs.nixpkgs.follows = "nixpkgs";
    agenix.url = "github:ryantm/agenix";
    agenix.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    {
      nixpkgs,
      bulkhead,
      agenix,
      ...
    }:
    {
      # A machine is its folder: who it is (properties.nix) and what runs on it (default.nix). None is named here.
      nixosConfigurations = bulkhead.lib.mkFleet {
        root = ./.;
        inherit nixpkgs;
        modules = [
          agenix.nixosModules.default
          ./modules/base.nix
        ];
        specialArgs.fleetLib = import ./nix/lib;
      };
    };
}
