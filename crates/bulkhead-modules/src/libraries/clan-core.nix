# What stands in for clan-core, written from its documentation: a system of each folder in `machines`, and of each machine that
# the clan or its inventory names. Each has modules of clan-core, and of the services in its inventory, that are not known.
known:
let
  inherit (builtins)
    any
    attrNames
    concatMap
    elem
    filter
    foldl'
    fromJSON
    head
    isList
    isString
    listToAttrs
    match
    pathExists
    readFile
    ;
  inherit (known) lib plain said;

  clanOf =
    self: module:
    let
      arguments = known.rest // {
        inherit lib self;
        config = known.notKnown // {
          inherit directory specialArgs;
        };
        clan-core = known.rest;
      };
      clan = said arguments module;
      given = name: concatMap (set: if set ? ${name} then plain set.${name} else [ ]) clan;
      specialArgs = foldl' (a: b: a // b) { } (given "specialArgs");
      directory =
        let
          named = given "directory";
        in
        /. + (if named == [ ] then self else head named);

      # Programs write it to a file.
      written = directory + "/inventory.json";
      inventory =
        concatMap (said arguments) (given "inventory")
        ++ (if pathExists written then [ (fromJSON (readFile written)) ] else [ ]);
      inInventory = name: concatMap (set: if set ? ${name} then plain set.${name} else [ ]) inventory;
      # The sets that say something of a name in an option that has some.
      of = name: sets: concatMap (set: if set ? ${name} then plain set.${name} else [ ]) sets;

      machines = given "machines";
      inventoried = inInventory "machines";
      folders =
        let
          entries = known.entriesOf (directory + "/machines");
        in
        filter (name: entries.${name} == "directory") (attrNames entries);
      names = attrNames (
        listToAttrs (
          map (name: {
            inherit name;
            value = null;
          }) (folders ++ concatMap attrNames (machines ++ inventoried))
        )
      );
      classOf =
        name:
        let
          classes = concatMap (machine: if machine ? machineClass then [ machine.machineClass ] else [ ]) (
            of name inventoried
          );
        in
        if classes == [ ] then "nixos" else head classes;

      # Of services nothing is known but what a role gives to its machines besides.
      instances = concatMap (set: map (name: set.${name}) (attrNames set)) (inInventory "instances");
      roles = concatMap (
        instance: map (name: instance.roles.${name}) (attrNames (instance.roles or { }))
      ) (concatMap plain instances);
      tagsOf =
        name:
        [
          "all"
          (classOf name)
        ]
        ++ concatMap (machine: machine.tags or [ ]) (of name inventoried);
      isFor =
        name: role:
        let
          tags = role.tags or { };
        in
        (role.machines or { }) ? ${name}
        || any (tag: if isList tags then elem tag tags else tags ? ${tag}) (tagsOf name);
      # Strings are paths below the clan's folder.
      atClan =
        module: if isString module && match "/.*" module == null then directory + "/${module}" else module;
      fromRoles =
        name:
        concatMap (role: if isFor name role then map atClan (role.extraModules or [ ]) else [ ]) roles;

      modulesFor =
        name:
        let
          class = classOf name;
          files = [
            "configuration.nix"
          ]
          ++ (
            if class == "darwin" then
              [ ]
            else
              [
                "disko.nix"
                "hardware-configuration.nix"
              ]
          );
        in
        filter pathExists (map (file: directory + "/machines/${name}/${file}") files)
        ++ [
          known.rest."${class}Modules".clanCore
          { networking.hostName = lib.mkDefault name; }
        ]
        ++ of name machines
        ++ fromRoles name;
      ofClass =
        class: make:
        listToAttrs (
          map (name: {
            inherit name;
            value = make name;
          }) (filter (name: classOf name == class) names)
        );
      systemFor =
        make: name:
        make {
          specialArgs = {
            inherit self;
            clan-core = known.rest;
          }
          // specialArgs;
          modules = modulesFor name;
        };
      modules =
        class:
        lib.mapAttrs'
          (name: value: {
            name = "clan-machine-${name}";
            inherit value;
          })
          (
            ofClass class (name: {
              imports = modulesFor name;
            })
          );
      made = known.notKnown // {
        # What the flake gives out has its systems already.
        type = "derivation";
        outPath = known.root;
        inherit directory specialArgs;
        nixosConfigurations = ofClass "nixos" (systemFor known.nixosSystem);
        darwinConfigurations = ofClass "darwin" (systemFor known.darwinSystem);
        nixosModules = modules "nixos";
        darwinModules = modules "darwin";
      };
    in
    made // { config = made; };

  clan = options: clanOf (options.self or known.self) options;

  flakeModule =
    { config, lib, ... }:
    let
      option = lib.mkOption {
        type = lib.types.deferredModule;
        default = { };
      };
      made = clanOf known.self {
        imports = [
          config.clan
          config.flake.clan
        ];
      };
    in
    {
      options.clan = option;
      options.flake.clan = option;
      config.flake = {
        inherit (made)
          darwinConfigurations
          darwinModules
          nixosConfigurations
          nixosModules
          ;
        clanInternals = known.notKnown;
      };
    };
in
{
  inherit flakeModule;
  flakeModules.default = flakeModule;
  lib = {
    inherit clan;
    buildClan = clan;
  };
}
