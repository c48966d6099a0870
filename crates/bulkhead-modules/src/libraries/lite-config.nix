# What stands in for lite-config, and for lite-system as it was called, written from its documentation: a module of flake-parts
# that makes a system of each host which it names, with modules for all of them.
known:
let
  inherit (builtins) match removeAttrs;

  inputs = known.everything;

  flakeModule =
    { config, lib, ... }:
    let
      inherit (lib) mkOption types;
      cfg = config.lite-config;

      modules = mkOption {
        type = types.listOf types.raw;
        default = [ ];
      };
      # What is not said is null.
      perhaps = mkOption {
        type = types.raw;
        default = null;
      };
      any = mkOption {
        type = types.raw;
        default = { };
      };
      host.options = {
        inherit modules;
        system = mkOption { type = types.str; };
        hostModule = perhaps;
        useHomeManager = mkOption {
          type = types.bool;
          default = true;
        };
      };

      isDarwin = host: match ".*-darwin" host.system != null;
      given = module: if module == null then [ ] else [ module ];
      homeModules = cfg.homeModules ++ given cfg.homeModule;
      # Before there were modules, a host's lay in a folder.
      ownModules =
        name: host:
        host.modules
        ++ (
          if host.hostModule != null then
            [ host.hostModule ]
          else if cfg.hostModuleDir != null then
            [ (cfg.hostModuleDir + "/${name}") ]
          else
            [ ]
        );
      systemFor =
        make: name: host:
        let
          platform = if isDarwin host then "darwin" else "nixos";
          specialArgs = {
            inherit inputs;
            hostPlatform = lib.systems.elaborate host.system // {
              inherit (host) system;
              isLinux = !isDarwin host;
              isDarwin = isDarwin host;
            };
          }
          // cfg.extraSpecialArgs;
        in
        make {
          inherit specialArgs;
          modules =
            ownModules name host
            ++ cfg.hostModules
            ++ cfg.systemModules
            ++ given cfg.systemModule
            ++ [ { networking.hostName = name; } ]
            ++ cfg."${platform}Modules"
            ++ (
              if host.useHomeManager then
                [
                  inputs.home-manager."${platform}Modules".default
                  {
                    home-manager = {
                      sharedModules = homeModules;
                      extraSpecialArgs = known.asValues specialArgs;
                    };
                  }
                ]
              else
                [ ]
            );
        };
      systems =
        isTaken: make: lib.mapAttrs (systemFor make) (lib.filterAttrs (_: host: isTaken host) cfg.hosts);
    in
    {
      imports = [ (lib.mkAliasOptionModule [ "lite-system" ] [ "lite-config" ]) ];
      options.lite-config = mkOption {
        default = { };
        type = types.submodule {
          options = {
            hosts = mkOption {
              type = types.attrsOf (types.submodule host);
              default = { };
            };
            extraSpecialArgs = mkOption {
              type = types.lazyAttrsOf types.raw;
              default = { };
            };
            hostModules = modules;
            systemModules = modules;
            nixosModules = modules;
            darwinModules = modules;
            homeModules = modules;
            hostModuleDir = perhaps;
            systemModule = perhaps;
            homeModule = perhaps;
            homeManagerFlake = perhaps;
            builder = any;
            flakes = any;
            nixpkgs = any;
            homeConfigurations = any;
          };
        };
      };
      config.flake = {
        nixosConfigurations = systems (host: !isDarwin host) known.nixosSystem;
        darwinConfigurations = systems isDarwin known.darwinSystem;
        # It gives them out as a package.
        homeConfigurations = lib.mapAttrs (
          _: home:
          known.homeManagerConfiguration {
            extraSpecialArgs = {
              inherit inputs;
            }
            // cfg.extraSpecialArgs;
            modules = homeModules ++ home.modules or [ (removeAttrs home [ "modules" ]) ];
          }
        ) cfg.homeConfigurations;
      };
    };
in
{
  inherit flakeModule;
  flakeModules.default = flakeModule;
}
