# What stands in for Snowfall Lib, written from its documentation: a system of each folder in `systems/<target>`, with all
# modules in `modules/<platform>`, the homes that are for it, and a `lib` that has what the flake's own `lib/` gives.
known:
let
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    elemAt
    filter
    foldl'
    functionArgs
    head
    intersectAttrs
    isAttrs
    isFunction
    isList
    listToAttrs
    mapAttrs
    match
    pathExists
    removeAttrs
    ;

  inherit (known) entriesOf;
  are =
    kind: folder:
    let
      entries = entriesOf folder;
    in
    filter (name: entries.${name} == kind) (attrNames entries);
  foldersIn = are "directory";
  filesIn = folder: map (name: folder + "/${name}") (are "regular" folder);
  # Files below a folder, as `{ name, path }`: the folders that they lie in below it, and where they are.
  below =
    isTaken: folder: within:
    let
      entries = entriesOf folder;
      inside = name: if within == "" then name else "${within}/${name}";
      taken =
        name:
        if entries.${name} == "directory" then
          below isTaken (folder + "/${name}") (inside name)
        else if entries.${name} == "regular" && isTaken name then
          [
            {
              name = within;
              path = folder + "/${name}";
            }
          ]
        else
          [ ];
    in
    concatMap taken (attrNames entries);
  pathsBelow = isTaken: folder: map (file: file.path) (below isTaken folder "");
  isDefault = name: name == "default.nix";
  isNix = name: match ".*\\.nix" name != null;
  isOther = name: isNix name && !isDefault name;
  baseName = path: baseNameOf (toString path);

  # What comes last is the virtual format if it is no platform: `x86_64-install-iso`.
  formatOf =
    target:
    let
      rest = match "[^-]+-(.+)" target;
    in
    if rest == null then "linux" else head rest;
  isDarwin = target: match ".*darwin.*" target != null;
  isVirtual =
    target:
    !(builtins.elem (formatOf target) [
      "linux"
      "darwin"
    ]);
  systemOf = target: if isVirtual target then "${head (match "([^-]+)-.+" target)}-linux" else target;

  # What a flake says of itself when it asks for the library.
  of =
    {
      inputs,
      src,
      snowfall ? { },
      ...
    }:
    let
      inherit (known) lib;
      top = snowfall.root or src;
      namespace = snowfall.namespace or "internal";
      at = name: top + "/${name}";

      # The `lib` of each input, by the input's name.
      base =
        lib
        // mapAttrs (_: input: input.lib) (
          removeAttrs inputs [
            "self"
            "src"
          ]
        )
        // {
          inherit mkFlake;
          snowfall = helpers;
        };
      systemLib = base // {
        ${namespace} = userLib;
      };
      userLib = foldl' lib.recursiveUpdate { } (
        map (
          path:
          let
            value = import path;
          in
          if isFunction value then
            value (
              intersectAttrs (functionArgs value) {
                inherit inputs namespace;
                snowfall-inputs = known.notKnown;
                lib = systemLib // {
                  internal = userLib;
                };
              }
            )
          else
            value
        ) (pathsBelow isDefault (at "lib"))
      );

      ofPlatform = platform: modulesIn (at "modules/${platform}");
      modulesIn =
        folder:
        listToAttrs (
          map (file: {
            inherit (file) name;
            value = file.path;
          }) (below isDefault folder "")
        );

      # Folders with a `default.nix`, two levels below.
      inTargets =
        folder:
        concatMap (
          target:
          concatMap (
            name:
            let
              path = folder + "/${target}/${name}/default.nix";
            in
            if pathExists path then [ { inherit name path target; } ] else [ ]
          ) (foldersIn (folder + "/${target}"))
        ) (foldersIn folder);

      helpers = known.notKnown // {
        fs = known.notKnown // {
          get-file = path: src + "/${path}";
          get-snowfall-file = at;
          get-directories = folder: map (name: folder + "/${name}") (foldersIn folder);
          get-files = filesIn;
          get-files-recursive = pathsBelow (_: true);
          get-nix-files = folder: filter (path: isNix (baseName path)) (filesIn folder);
          get-nix-files-recursive = pathsBelow isNix;
          get-default-nix-files = folder: filter (path: isDefault (baseName path)) (filesIn folder);
          get-default-nix-files-recursive = pathsBelow isDefault;
          get-non-default-nix-files = folder: filter (path: isOther (baseName path)) (filesIn folder);
          get-non-default-nix-files-recursive = pathsBelow isOther;
        };
        module = known.notKnown // {
          create-modules =
            {
              src ? at "modules/nixos",
              overrides ? { },
              alias ? { },
            }:
            withAliases (modulesIn src) alias // overrides;
        };
        attrs = known.notKnown // {
          merge-deep = foldl' lib.recursiveUpdate { };
          merge-shallow = foldl' (a: b: a // b) { };
        };
        internal = known.notKnown // {
          system-lib = systemLib;
          user-lib = userLib;
        };
      };
      withAliases = modules: alias: modules // mapAttrs (_: name: modules.${name}) alias;

      mkFlake =
        options:
        let
          systemOptions = options.systems or { };
          # Before version 2 it was a list for all, and all modules were NixOS'.
          forAll = systemOptions.modules or { };
          given = platform: if isList forAll then forAll else forAll.${platform} or [ ];
          shared =
            platform:
            if isList forAll && platform == "nixos" && !pathExists (at "modules/nixos") then
              modulesIn (at "modules")
            else
              ofPlatform platform;
          homeOptions = options.homes or { };
          hostDefaults = options.hostDefaults or { };
          # The first that have a name count least.
          byName = listToAttrs (
            lib.reverseList (
              map (host: {
                inherit (host) name;
                value = host;
              }) (inTargets (at "systems"))
            )
          );
          # Those without a folder are made of what is said of them.
          hosts = mapAttrs (_: _: { }) (systemOptions.hosts or { }) // byName;

          # What is given to the systems of all hosts: their homes come by way of them.
          argumentsOf =
            name: target: overrides:
            overrides.specialArgs or { }
            // {
              inherit inputs target namespace;
              lib = systemLib;
              system = overrides.system or (systemOf target);
              systems = hosts;
              host = name;
              virtual = isVirtual target;
              format = formatOf target;
            };
          systemFor =
            name: host:
            let
              overrides = systemOptions.hosts.${name} or { };
              target = host.target or "x86_64-linux";
              platform = if isDarwin target then "darwin" else "nixos";
              builder =
                overrides.builder or hostDefaults.builder
                  or (if isDarwin target then known.darwinSystem else known.nixosSystem);
              isBuilt = host ? path;
            in
            builder {
              system = overrides.system or (systemOf target);
              specialArgs =
                hostDefaults.specialArgs or { }
                // hostDefaults.extraArgs or { }
                // overrides.extraArgs or { }
                // (if isBuilt then argumentsOf name target overrides else { inherit inputs; });
              modules = [
                {
                  networking.hostName = lib.mkDefault (lib.last (lib.splitString "." name));
                  nix.extraOptions = "extra-experimental-features = nix-command flakes";
                }
              ]
              ++ hostDefaults.modules or [ ]
              ++ (if isBuilt then [ host.path ] ++ attrValues (shared platform) else [ ])
              ++ overrides.modules or [ ]
              ++ (
                if isBuilt then
                  given platform
                  ++ (
                    if inputs ? home-manager then
                      [ inputs.home-manager."${platform}Modules".home-manager ] ++ homesFor name (systemOf target)
                    else
                      [ ]
                  )
                  ++ [ (usersModule platform) ]
                else
                  [ ]
              );
            };
          outputOf =
            name: host:
            let
              target = host.target or "x86_64-linux";
              overrides = systemOptions.hosts.${name} or { };
            in
            overrides.output or hostDefaults.output or (
              if isVirtual target then
                "${formatOf target}Configurations"
              else if isDarwin target then
                "darwinConfigurations"
              else
                "nixosConfigurations"
            );
          systems =
            output:
            listToAttrs (
              concatMap (
                name:
                if outputOf name hosts.${name} == output then
                  [
                    {
                      inherit name;
                      value = systemFor name hosts.${name};
                    }
                  ]
                else
                  [ ]
              ) (attrNames hosts)
            );
          configurations = listToAttrs (
            map (name: {
              inherit name;
              value = systems name;
            }) (map (name: outputOf name hosts.${name}) (attrNames hosts))
          );

          # A home is called after its user, and after its host if it is for one.
          homes = map (
            home:
            let
              parts = match "([^@]*)@?(.*)" home.name;
            in
            home
            // {
              user = head parts;
              host = elemAt parts 1;
              own = homeOptions.users.${home.name} or { };
            }
          ) (inTargets (at "homes"));
          sharedModules = attrValues (shared "home") ++ homeOptions.modules or [ ];
          homeLib = systemLib // {
            inherit (known.notKnown) hm;
          };
          homesFor =
            host: system:
            [
              {
                home-manager = {
                  sharedModules = sharedModules ++ [ userModule ];
                  extraSpecialArgs = known.asValues {
                    inherit
                      host
                      inputs
                      namespace
                      system
                      ;
                    lib = homeLib;
                    target = system;
                    virtual = false;
                    format = "home";
                  };
                };
              }
            ]
            ++ map (
              home:
              { config, ... }:
              {
                snowfallorg.users.${home.user}.home.config = { };
                home-manager.users.${home.user} = lib.mkIf config.snowfallorg.users.${home.user}.home.enable {
                  # What all have is in those of its own, too: it sees what they say.
                  imports = [
                    home.path
                    config.snowfallorg.users.${home.user}.home.config
                    { _module.args = removeAttrs (home.own.specialArgs or { }) [ "lib" ]; }
                  ]
                  ++ home.own.modules or [ ]
                  ++ sharedModules;
                };
              }
            ) (filter (isFor host system) homes);
          isFor =
            host: system: home:
            home.host == host || (home.host == "" && home.target == system);
          # Those that are for a system are in it.
          alone = filter (
            home: !any (host: isFor host.name (systemOf host.target) home) (inTargets (at "systems"))
          ) homes;
          homeConfigurations = listToAttrs (
            map (home: {
              inherit (home) name;
              value = known.homeManagerConfiguration {
                modules = [
                  home.path
                  userModule
                ]
                ++ sharedModules
                ++ home.own.modules or [ ];
                extraSpecialArgs = {
                  inherit inputs namespace;
                  inherit (home) host name user;
                  lib = systemLib;
                  system = home.target;
                  format = "home";
                }
                // home.own.specialArgs or { };
              };
            }) alone
          );

          modulesOf =
            platform:
            withAliases (shared platform) (options.alias.modules.${platform} or { })
            // options.modules.${platform} or { };
          builders =
            options.outputs-builder or options.outputsBuilder or (_: {
            });
          made = configurations // {
            inherit homeConfigurations;
            nixosModules = modulesOf "nixos";
            darwinModules = modulesOf "darwin";
            homeModules = modulesOf "home";
            lib = userLib;
            overlays = known.notKnown;
            packages.x86_64-linux = known.packages;
            devShells = known.notKnown;
            pkgs.x86_64-linux = known.channels;
            _snowfall = known.notKnown;
          };
          all = known.mergeAny 2 others made;
          others = removeAttrs options [
            "alias"
            "channels"
            "channels-config"
            "channelsConfig"
            "extra-exported-overlays"
            "homes"
            "hostDefaults"
            "hosts"
            "inputs"
            "modules"
            "outputs-builder"
            "outputsBuilder"
            "overlays"
            "package-namespace"
            "packages"
            "packagesPrefix"
            "self"
            "sharedOverlays"
            "shells"
            "snowfall"
            "src"
            "supportedSystems"
            "systems"
            "templates"
          ];
        in
        known.withBuilt builders all;
    in
    {
      inherit mkFlake;
      lib =
        systemLib
        // userLib
        // {
          inherit mkFlake;
        };
    };

  # What systems with homes have: users are made of what is said of them.
  usersModule =
    platform:
    { config, lib, ... }:
    let
      usersOption = lib.mkOption {
        default = { };
        type = lib.types.attrsOf (
          lib.types.submodule (
            { name, ... }:
            {
              options = with lib; {
                create = mkOption {
                  type = types.bool;
                  default = true;
                };
                admin = mkOption {
                  type = types.bool;
                  default = true;
                };
                home = {
                  enable = mkOption {
                    type = types.bool;
                    default = true;
                  };
                  path = mkOption {
                    type = types.str;
                    default = if platform == "darwin" then "/Users/${name}" else "/home/${name}";
                  };
                  config = mkOption {
                    type = types.deferredModule;
                    default = { };
                  };
                };
              };
            }
          )
        );
      };
      usersOf = lib.mapAttrs (
        name: user:
        lib.mkIf user.create (
          {
            name = lib.mkDefault name;
            home = lib.mkDefault user.home.path;
          }
          // (
            if platform == "darwin" then
              { }
            else
              {
                isNormalUser = lib.mkDefault true;
                group = lib.mkDefault "users";
                extraGroups = lib.optional user.admin "wheel";
              }
          )
        )
      );
    in
    {
      # Before version 3 it was `user`.
      options.snowfallorg = {
        user = usersOption;
        users = usersOption;
      };
      config.users.users = lib.mkMerge [
        (usersOf config.snowfallorg.user)
        (usersOf config.snowfallorg.users)
      ];
    };

  # What homes have.
  userModule =
    { config, lib, ... }:
    {
      options.snowfallorg.user = with lib; {
        enable = mkOption {
          type = types.bool;
          default = false;
        };
        name = mkOption { type = types.str; };
        home.directory = mkOption { type = types.str; };
      };
    };

  mkLib = options: (of options).lib;
in
{
  inherit mkLib;
  mkFlake =
    options:
    (of options).mkFlake (
      removeAttrs options [
        "inputs"
        "src"
      ]
    );
}
