{
  description = "Bulkhead: reads a fleet of NixOS machines without Nix, and keeps what runs on them apart";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # Only to check the modules with them; whoever uses these modules brings their own.
    agenix = {
      url = "github:ryantm/agenix";
      flake = false;
    };
    microvm = {
      url = "github:microvm-nix/microvm.nix";
      flake = false;
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      agenix,
      microvm,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forSystems = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      library = import ./nix/lib;

      # The template, as its user's flake would make it.
      example = (import ./nix/fleet/flake.nix).outputs {
        self = example;
        inherit nixpkgs;
        bulkhead = self;
        agenix.nixosModules.default = agenix + "/modules/age.nix";
      };
    in
    {
      lib = library // {
        mkFleet = arguments: library.mkFleet ({ inherit nixpkgs; } // arguments);
      };

      nixosModules = {
        default = ./nix/modules;
        fleet = ./nix/modules/fleet;
        secrets = ./nix/modules/secrets;
        sandbox = ./nix/modules/sandbox;
        vpn = ./nix/modules/vpn;
        workspaces = ./nix/modules/workspaces;
      };

      packages = forSystems (
        pkgs:
        let
          programs = import ./nix/packages.nix { inherit pkgs; };
        in
        programs // { default = programs.bulkhead; }
      );

      # One for each machine of the example and each file of tests, so that a farm can spread them.
      checks = forSystems (
        pkgs:
        import ./nix/checks.nix {
          inherit pkgs example;
          inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) bulkhead;
          nixpkgs = nixpkgs.outPath;
          microvm = microvm.outPath;
        }
      );

      devShells = forSystems (pkgs: {
        default = pkgs.mkShell {
          packages = with pkgs; [
            age
            cargo
            clippy
            git
            nftables
            nix
            rustc
            rustfmt
          ];
        };
      });

      formatter = forSystems (pkgs: pkgs.nixfmt-tree);

      templates.default = {
        path = ./nix/fleet;
        description = "A small fleet, with machines, roles and agenix secrets";
        welcomeText = ''
          Machines are folders below `machines/`. Replace those of the example by your own, and run `bulkhead check`:
          it tells what does not fit. CLAUDE.md says how to do the rest.
        '';
      };
    };
}
