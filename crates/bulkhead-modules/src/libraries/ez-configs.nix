# What stands in for ez-configs, written from its documentation: a module of flake-parts that makes a system of each module in
# a folder, and gives each the module that is called `default`.
known:
let
  inherit (builtins)
    attrNames
    filter
    functionArgs
    hasAttr
    isFunction
    isList
    listToAttrs
    mapAttrs
    pathExists
    removeAttrs
    ;

  flakeModule =
    { config, lib, ... }:
    let
      cfg = config.ezConfigs;
      inputs = known.everything;
      inherit (lib) mkOption types;

      host.options = {
        importDefault = mkOption {
          type = types.bool;
          default = true;
        };
        userHomeModules = mkOption {
          type = types.raw;
          default = [ ];
        };
      };
      user.options = {
        nameFunction = mkOption {
          type = types.raw;
          default = null;
        };
        importDefault = mkOption {
          type = types.bool;
          default = true;
        };
        passInOsConfig = mkOption {
          type = types.bool;
          default = true;
        };
        standalone = mkOption {
          type = types.raw;
          default = { };
        };
      };
      ofKind = kind: {
        modulesDirectory = mkOption {
          type = types.raw;
          default = if cfg.root == null then null else cfg.root + "/${kind}-modules";
        };
        configurationsDirectory = mkOption {
          type = types.raw;
          default = if cfg.root == null then null else cfg.root + "/${kind}-configurations";
        };
        configurationEntryPoint = mkOption {
          type = types.str;
          default = "default.nix";
        };
        earlyModuleArgs = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = cfg.earlyModuleArgs;
        };
        ${if kind == "home" then "extraSpecialArgs" else "specialArgs"} = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = cfg.globalArgs;
        };
        ${if kind == "home" then "users" else "hosts"} = mkOption {
          type = types.attrsOf (types.submodule (if kind == "home" then user else host));
          default = { };
        };
      };

      read =
        entry: folder:
        if folder == null then
          { }
        else if pathExists (folder + ".nix") then
          { default = folder + ".nix"; }
        else
          known.modulesIn entry folder;
      # Some arguments are given to modules before they are given out.
      withEarly =
        early:
        mapAttrs (
          _: path:
          let
            module = import path;
            names = functionArgs module;
          in
          if early == { } || !isFunction module then
            path
          else
            {
              _file = path;
              imports = [
                (lib.setFunctionArgs (
                  arguments: module (arguments // lib.filterAttrs (name: _: hasAttr name names) early)
                ) (removeAttrs names (attrNames early)))
              ];
            }
        );
      modulesOf =
        kind: withEarly cfg.${kind}.earlyModuleArgs (read "default.nix" cfg.${kind}.modulesDirectory);
      configurationsOf =
        kind: read cfg.${kind}.configurationEntryPoint cfg.${kind}.configurationsDirectory;
      # The first versions had other folders, by other options: where none is as it is now, they may be those.
      isKnown = configurationsOf "nixos" != { } || configurationsOf "darwin" != { } || homes != { };
      orUnknown = systems: if isKnown then systems else known.notKnown;
      homeModules = modulesOf "home";
      homes = configurationsOf "home";

      # What a user's home is made of. The module of a platform is for that platform.
      homeFor =
        kind: name:
        let
          own = cfg.home.users.${name} or { };
          given = name: if homeModules ? ${name} then [ homeModules.${name} ] else [ ];
        in
        [ (homes.${name} or known.notKnown.${name}) ]
        ++ (
          if own.importDefault or true then
            given "default" ++ given (if kind == "darwin" then "darwin" else "linux")
          else
            [ ]
        );
      systems =
        kind: make:
        let
          modules = modulesOf kind;
        in
        mapAttrs (
          name: path:
          let
            own = cfg.${kind}.hosts.${name} or { };
            given = own.userHomeModules or [ ];
            users =
              if isList given then
                listToAttrs (
                  map (user: {
                    name = user;
                    value = user;
                  }) given
                )
              else
                given;
          in
          make {
            specialArgs = cfg.${kind}.specialArgs // {
              ezModules = modules;
            };
            modules = [
              path
              { networking.hostName = lib.mkDefault name; }
            ]
            ++ (if (own.importDefault or true) && modules ? default then [ modules.default ] else [ ])
            ++ (
              if users == { } then
                [ ]
              else
                [
                  inputs.home-manager."${kind}Modules".default
                  {
                    home-manager = {
                      extraSpecialArgs = known.asValues (cfg.home.extraSpecialArgs // { ezModules = homeModules; });
                      users = mapAttrs (_: user: { imports = homeFor kind user; }) users;
                    };
                  }
                ]
            );
          }
        ) (configurationsOf kind);
      # Those of systems are in them.
      alone = filter (name: cfg.home.users.${name}.standalone.enable or false) (attrNames homes);
    in
    {
      options.ezConfigs = {
        root = mkOption {
          type = types.raw;
          default = null;
        };
        globalArgs = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = { };
        };
        earlyModuleArgs = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = { };
        };
        home = ofKind "home";
        nixos = ofKind "nixos";
        darwin = ofKind "darwin";
      };
      config.flake = {
        inherit homeModules;
        nixosModules = modulesOf "nixos";
        darwinModules = modulesOf "darwin";
        nixosConfigurations = orUnknown (systems "nixos" known.nixosSystem);
        darwinConfigurations = orUnknown (systems "darwin" known.darwinSystem);
        homeConfigurations = listToAttrs (
          map (name: {
            inherit name;
            value = known.homeManagerConfiguration {
              extraSpecialArgs = cfg.home.extraSpecialArgs // {
                ezModules = homeModules;
              };
              modules = homeFor "linux" name;
            };
          }) alone
        );
      };
    };
in
{
  inherit flakeModule;
  flakeModules.default = flakeModule;
}
