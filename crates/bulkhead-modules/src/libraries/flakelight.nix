# What stands in for Flakelight, written from its documentation: a system of each set of arguments that its modules, or files
# in `nix`, give for one.
known:
let
  inherit (builtins)
    concatMap
    foldl'
    head
    isFunction
    listToAttrs
    mapAttrs
    match
    pathExists
    removeAttrs
    ;
  inherit (known) lib;

  mkFlake =
    src: module:
    let
      parts = known.said arguments module;
      given = name: concatMap (set: if set ? ${name} then known.plain set.${name} else [ ]) parts;
      # What its modules, and functions in place of values, are called with.
      arguments = known.notKnown // {
        inherit
          inputs
          lib
          outputs
          src
          ;
        flakelight = known.rest.lib // {
          inherit importDir importDirPaths mkFlake;
        };
        config = known.notKnown // {
          inherit nixDir;
          nixosModules = modules "nixos";
          homeModules = modules "home";
          propagationModule = propagation;
        };
        moduleArgs = arguments;
      };
      called = value: if isFunction value then value arguments else value;
      inputs = foldl' (a: b: a // b) known.everything (given "inputs");
      nixDir =
        let
          named = given "nixDir";
        in
        if named == [ ] then src + "/nix" else head named;

      # What begins with `_` is called as if it did not.
      importWith =
        use: folder:
        lib.mapAttrs' (name: path: {
          name = if match "_.+" name == null then name else head (match "_(.+)" name);
          value = use path;
        }) (removeAttrs (known.modulesIn "default.nix" folder) [ "default" ]);
      importDir = importWith (path: import path);
      importDirPaths = importWith (path: path);
      # Other names of what is in `nix`.
      aliases = foldl' (a: b: a // b) { } (
        map called (loadedAs (_: known.notKnown) "nixDirAliases" ++ given "nixDirAliases")
      );
      # An option that is a file or a folder in `nix`.
      loaded = readFolder: name: concatMap (loadedAs readFolder) ([ name ] ++ aliases.${name} or [ ]);
      loadedAs =
        readFolder: name:
        if nixDir == null then
          [ ]
        else if pathExists (nixDir + "/${name}.nix") then
          [ (import (nixDir + "/${name}.nix")) ]
        else if pathExists (nixDir + "/${name}/default.nix") then
          [ (import (nixDir + "/${name}")) ]
        else if pathExists (nixDir + "/${name}") then
          [ (readFolder (nixDir + "/${name}")) ]
        else
          [ ];
      # Modules in `nix` may say anything.
      unread = concatMap (loadedAs (_: known.notKnown)) [
        "imports"
        "perSystem"
      ];
      # A set that is said in parts.
      option =
        readFolder: names:
        foldl' (a: b: a // b) { } (
          map called (concatMap (name: loaded readFolder name ++ given name) names)
        );

      propagation =
        { ... }:
        {
          _module.args.flake = arguments // {
            inputs' = known.notKnown;
            outputs' = known.notKnown;
          };
        };
      configurations =
        names: tag: make:
        mapAttrs (
          name: value:
          let
            made = called value;
          in
          if made._type or null == tag then made else make name made
        ) (option importDir names);
      modules =
        kind:
        let
          single = given "${kind}Module" ++ loaded (path: path) "${kind}Module";
        in
        option importDirPaths [ "${kind}Modules" ]
        // (if single == [ ] then { } else { default = head single; });
      outputs = {
        nixosConfigurations =
          configurations
            [
              "nixosConfigurations"
              "nixos"
            ]
            "nixos-system"
            (
              name: cfg:
              known.nixosSystem (
                cfg
                // {
                  specialArgs = {
                    inherit inputs;
                    hostname = name;
                  }
                  // cfg.specialArgs or { };
                  modules = [ propagation ] ++ cfg.modules or [ ];
                }
              )
            );
        homeConfigurations =
          configurations
            [
              "homeConfigurations"
              "home"
            ]
            "home-configuration"
            (
              _: cfg:
              known.homeManagerConfiguration (
                cfg
                // {
                  extraSpecialArgs = {
                    inherit inputs;
                  }
                  // cfg.extraSpecialArgs or { };
                  modules = [ propagation ] ++ cfg.modules or [ ];
                }
              )
            );
        nixosModules = modules "nixos";
        homeModules = modules "home";
        lib = option (path: known.notKnown) [ "lib" ];
        packages.x86_64-linux = known.packages;
        devShells = known.notKnown;
        checks = known.notKnown;
        overlays = known.notKnown;
        formatter = known.notKnown;
      };
    in
    foldl' (known.mergeAny 2) outputs (
      map (_: known.notKnown) unread
      ++ map called (loaded (_: known.notKnown) "outputs" ++ given "outputs")
    );
in
{
  __functor = _: mkFlake;
  lib = {
    inherit mkFlake;
  };
}
