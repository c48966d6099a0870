# What stands in for blueprint, written from its documentation: a system of each folder in `hosts`, and modules of those in
# `modules`, which hosts import by themselves.
known:
let
  inherit (builtins)
    all
    attrNames
    elem
    filter
    functionArgs
    isFunction
    isString
    listToAttrs
    mapAttrs
    pathExists
    ;
  inherit (known) lib;

  mkBlueprint =
    {
      inputs,
      prefix ? null,
      ...
    }:
    let
      flake = inputs.self;
      src =
        if prefix == null then
          /. + flake
        else if isString prefix then
          /. + flake + "/${prefix}"
        else
          prefix;
      # What it gives to all modules.
      specialArgs = {
        inherit flake inputs;
        perSystem = known.packages;
      };

      hosts = known.entriesOf (src + "/hosts");
      at = name: file: src + "/hosts/${name}/${file}";
      has = file: name: pathExists (at name file);
      isOwn = has "default.nix";
      homesOf =
        name: lib.mapAttrs (_: path: path) (known.modulesIn "home-configuration.nix" (at name "users"));
      # Where it has a system of its own, what makes it says of what kind.
      own =
        name:
        let
          make = import (at name "default.nix");
        in
        make {
          inherit flake inputs;
          hostName = name;
        };
      systemFor =
        make: platform: file: name:
        make {
          specialArgs = specialArgs // {
            hostName = name;
          };
          modules = modulesFor platform name file;
        };
      modulesFor =
        platform: name: file:
        [ (at name file) ]
        ++ (
          if homesOf name != { } then
            [
              inputs.home-manager."${platform}Modules".default
              {
                home-manager = {
                  extraSpecialArgs = known.asValues specialArgs;
                  users = homesOf name;
                };
              }
            ]
          else
            [ ]
        );
      of =
        isTaken: make: names:
        listToAttrs (
          map (name: {
            inherit name;
            value = make name;
          }) (filter isTaken names)
        );
      folders = filter (name: hosts.${name} == "directory") (attrNames hosts);
      plain = filter (name: !isOwn name) folders;
      files = lib.filterAttrs (name: _: !(hosts ? ${name})) (known.modulesIn "" (src + "/hosts"));
      isNixos = has "configuration.nix";
      isDarwin = name: !isNixos name && has "darwin-configuration.nix" name;
      isHomes = name: homesOf name != { };
      isOther =
        name:
        !isNixos name
        && !isDarwin name
        && !isHomes name
        && !has "system-configuration.nix" name
        && !has "droid-configuration.nix" name;
      ofClass =
        class: of (name: (own name).class == class) (name: (own name).value) (filter isOwn folders);

      # Modules may be what a function of the flake gives.
      given =
        module:
        all (
          name:
          elem name [
            "flake"
            "inputs"
          ]
        ) (attrNames (functionArgs module));
      exported =
        path:
        let
          module = import path;
        in
        if isFunction module && given module then
          {
            _file = path;
            imports = [
              (module {
                inherit flake inputs;
              })
            ];
          }
        else
          path;
      kinds = known.entriesOf (src + "/modules");
      modules = listToAttrs (
        map (kind: {
          name = kind;
          value = mapAttrs (_: exported) (known.modulesIn "default.nix" (src + "/modules/${kind}"));
        }) (filter (kind: kinds.${kind} == "directory") (attrNames kinds))
      );
    in
    {
      nixosConfigurations =
        ofClass "nixos"
        // of isNixos (systemFor known.nixosSystem "nixos" "configuration.nix") plain
        # It can't be told what they are.
        // of isOther (_: known.notKnown) plain
        // mapAttrs (_: _: known.notKnown) files;
      darwinConfigurations =
        ofClass "nix-darwin"
        // of isDarwin (systemFor known.darwinSystem "darwin" "darwin-configuration.nix") plain;
      # Those of hosts with a system are in it.
      homeConfigurations = lib.concatMapAttrs (
        name: homes:
        lib.mapAttrs' (user: path: {
          name = "${user}@${name}";
          value = known.homeManagerConfiguration {
            extraSpecialArgs = specialArgs;
            modules = [ path ];
          };
        }) homes
      ) (of (name: isHomes name && !isNixos name && !isDarwin name) homesOf plain);
      inherit modules;
      nixosModules = modules.nixos or { };
      darwinModules = modules.darwin or { };
      homeModules = modules.home or { };
      lib =
        if pathExists (src + "/lib/default.nix") then
          import (src + "/lib") { inherit flake inputs; }
        else
          { };
      packages.x86_64-linux = known.packages;
      legacyPackages.x86_64-linux = known.packages;
      checks = known.notKnown;
      devShells = known.notKnown;
      formatter = known.notKnown;
      systemConfigs = known.notKnown;
      templates = known.notKnown;
    };
in
{
  __functor = _: mkBlueprint;
  inherit mkBlueprint;
  lib = {
    __functor = _: mkBlueprint;
    inherit mkBlueprint;
  };
}
