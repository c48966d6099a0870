# What stands in for nixos-unified, and for nixos-flake as it was called, written from its documentation: functions that make
# systems, and a module of flake-parts that calls them for each file in `configurations`.
known:
let
  inherit (builtins)
    attrNames
    filter
    head
    isAttrs
    mapAttrs
    pathExists
    readDir
    removeAttrs
    ;

  inputs = known.everything;
  inherit (known) lib self;

  # What it gives to all modules.
  argumentsWith =
    config:
    let
      common.flake = {
        inherit config inputs self;
      };
    in
    {
      inherit common;
      nixos = common;
      darwin = common // {
        rosettaPkgs = known.packages;
      };
    };
  # Before, they were asked for a module alone.
  asked =
    make: options:
    if isAttrs options && attrNames (removeAttrs options [ "home-manager" ]) == [ ] then
      make (options.home-manager or false)
    else
      make false options;
  functions =
    config:
    let
      arguments = argumentsWith config;
      system =
        kind: make:
        asked (
          withHome: module:
          make {
            specialArgs = arguments.${kind};
            modules = [
              optionsModule
              module
            ]
            ++ (if withHome then [ (homeModuleFor kind config) ] else [ ]);
          }
        );
    in
    {
      specialArgsFor = arguments;
      mkLinuxSystem = system "nixos" known.nixosSystem;
      mkMacosSystem = system "darwin" known.darwinSystem;
      # Of the system it goes by nothing.
      mkARMMacosSystem = system "darwin" known.darwinSystem;
      mkIntelMacosSystem = system "darwin" known.darwinSystem;
      mkHomeConfiguration =
        _: module:
        known.homeManagerConfiguration {
          extraSpecialArgs = arguments.common;
          modules = [ module ];
        };
    };

  # What is said of systems for those who deploy them.
  optionsModule =
    { lib, ... }:
    {
      options.nixos-unified = {
        sshTarget = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
        };
        overrideInputs = lib.mkOption {
          type = lib.types.listOf lib.types.str;
          default = [ ];
        };
      };
    };

  # It is not gone into where systems are looked for: the flake itself is in it.
  given = config: {
    type = "derivation";
    outPath = known.root;
    lib = functions config;
  };
  homeModuleFor = kind: config: {
    imports = [ inputs.home-manager."${kind}Modules".home-manager ];
    home-manager.extraSpecialArgs = known.asValues (argumentsWith config).${kind};
  };
  homeModuleOf =
    kind: config:
    if inputs ? home-manager then
      { home-manager = lib.mkDefault (homeModuleFor kind config); }
    else
      { };
  default =
    { config, ... }:
    {
      config.flake = {
        nixos-unified = given config;
        nixos-flake = given config;
        # Before there was a choice, systems took it from here.
        nixosModules = homeModuleOf "nixos" config;
        darwinModules = homeModuleOf "darwin" config;
      };
    };
  modulesIn = folder: known.modulesIn "default.nix" (known.root + "/${folder}");
  autoWire =
    { config, ... }:
    let
      make = functions config;
      withHome = {
        home-manager = true;
      };
    in
    {
      config = {
        flake = {
          nixosConfigurations = mapAttrs (_: make.mkLinuxSystem withHome) (modulesIn "configurations/nixos");
          darwinConfigurations = mapAttrs (_: make.mkMacosSystem withHome) (
            modulesIn "configurations/darwin"
          );
          nixosModules = modulesIn "modules/nixos";
          darwinModules = modulesIn "modules/darwin";
          homeModules = modulesIn "modules/home";
        };
        perSystem =
          { ... }:
          {
            legacyPackages.homeConfigurations = mapAttrs (_: make.mkHomeConfiguration null) (
              modulesIn "configurations/home"
            );
          };
      };
    };

  mkFlake =
    {
      inputs,
      root,
      specialArgs ? { },
      ...
    }:
    let
      folders = filter (folder: pathExists (root + "/${folder}")) [
        "nix/modules/flake"
        "modules/flake"
        "nix/modules/flake-parts"
        "modules/flake-parts"
      ];
      folder = root + "/${head folders}";
    in
    inputs.flake-parts.lib.mkFlake { inherit inputs specialArgs; } {
      _module.args = { inherit root; };
      imports = map (name: folder + "/${name}") (attrNames (readDir folder));
    };
in
{
  flakeModule = default;
  flakeModules = {
    inherit autoWire default;
  };
  lib = { inherit mkFlake; };
}
