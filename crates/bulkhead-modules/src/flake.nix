# What the inputs of a flake give to its `outputs`, as far as NixOS systems are made with it. Whatever is left out is
# unknown. `given` is what the flake gives out if that is known already, else null. Where it is no flake, `kind` says what it
# is: a hive of colmena or the like, or `plain`: whatever else may make systems. `libraries` are what stands in for inputs that
# make systems by rules of their own: each a function of `known`, and of the input's `rest`.
{
  flake,
  given,
  inputs,
  kind,
  lib,
  libraries,
  notKnown,
  packages,
  root,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    listToAttrs
    mapAttrs
    match
    pathExists
    readDir
    removeAttrs
    ;

  # Where it is taken as a value it is not gone into, as a derivation is not: flakes contain themselves.
  closed =
    value: outPath:
    value
    // {
      type = "derivation";
      inherit outPath;
    };

  # What is built of a system stands for the system.
  built = [
    "amazonImage"
    "azureImage"
    "digitalOceanImage"
    "diskoImages"
    "diskoImagesScript"
    "dockerImage"
    "googleComputeImage"
    "installBootLoader"
    "isoImage"
    "kexec"
    "kexecTarball"
    "kexecTree"
    "kexec_tarball"
    "netboot"
    "netbootRamdisk"
    "openstackImage"
    "ova"
    "qcow"
    "qcow2"
    "raw"
    "sdImage"
    "squashfsStore"
    "tarball"
    "toplevel"
    "vagrantVirtualbox"
    "virtualBoxOVA"
    "vm"
    "vmWithBootLoader"
    "vmwareImage"
    "VMA"
  ];
  formats = [
    "amazon"
    "azure"
    "cloudstack"
    "digital-ocean"
    "google-compute"
    "hyperv"
    "iso"
    "iso-installer"
    "kexec"
    "kubevirt"
    "linode"
    "lxc"
    "lxc-metadata"
    "oci"
    "openstack"
    "openstack-zfs"
    "proxmox"
    "proxmox-lxc"
    "qemu"
    "qemu-efi"
    "raw"
    "raw-efi"
    "sd-card"
    "vagrant-virtualbox"
    "virtualbox"
    "vmware"
  ];
  named =
    names: value:
    listToAttrs (
      map (name: {
        inherit name value;
      }) names
    );

  # The configuration of a system: nothing of it is known but what it is of.
  configOf =
    system:
    notKnown
    // {
      system = notKnown // {
        build = notKnown // named built system // { images = notKnown // named formats system; };
      };
    };

  nixosSystem =
    arguments:
    let
      system = systemOf nixosSystem arguments;
    in
    system
    // {
      config = configOf system;
    };

  # `make` is what made it.
  systemOf =
    make: arguments:
    closed notKnown notKnown.outPath
    // {
      _type = "nixos-system";
      inherit arguments;
      # Hives are often made of systems.
      _module = notKnown // {
        args = notKnown // {
          modules = arguments.modules or [ ] ++ arguments.extraModules or [ ];
        };
        specialArgs = arguments.specialArgs or { };
      };
      extendModules =
        more:
        make (
          arguments
          // {
            modules = arguments.modules or [ ] ++ more.modules or [ ];
            specialArgs = arguments.specialArgs or { } // more.specialArgs or { };
          }
        );
    };

  # Of other platforms' modules, what they say of secrets is read.
  darwinSystem =
    arguments:
    systemOf darwinSystem arguments
    // {
      _type = "darwin-system";
      config = notKnown;
    };

  homeOf =
    arguments:
    let
      home = systemOf homeOf arguments // {
        _type = "home-configuration";
        config = notKnown;
      };
    in
    home // { activationPackage = home; };

  homeManagerConfiguration =
    arguments:
    homeOf {
      # Before 22.11 it was `configuration`.
      modules =
        arguments.modules or [ ]
        ++ arguments.extraModules or [ ]
        ++ (if arguments ? configuration then [ arguments.configuration ] else [ ]);
      specialArgs = arguments.extraSpecialArgs or { };
    };

  # `modules/default.nix` of a home-manager.
  home =
    arguments:
    homeOf {
      modules = [ (arguments.configuration or notKnown.configuration) ];
      specialArgs = arguments.extraSpecialArgs or { };
    };

  # `default.nix` of a nix-darwin.
  darwin =
    arguments:
    let
      system = darwinSystem {
        modules = [ (arguments.configuration or notKnown.configuration) ];
        specialArgs = arguments.specialArgs or { };
      };
    in
    system // { inherit system; };

  # `nixos/default.nix` of a nixpkgs.
  nixos =
    arguments:
    let
      system = nixosSystem {
        modules = [ (arguments.configuration or notKnown.configuration) ];
        specialArgs = arguments.specialArgs or { };
      };
    in
    system // named [ "system" "vm" "vmWithBootLoader" ] system;

  # The function `nixos` of its packages.
  pkgsNixos =
    modules:
    if isAttrs modules && modules._type or null == "nixos-system" then
      modules
    else
      nixosSystem { modules = if isList modules then modules else [ modules ]; };

  # What stands for files and functions of a nixpkgs, wherever it comes from: see `Session::stand_in`.
  standIn =
    what: trail:
    let
      is = pattern: match pattern trail != null;
      nixpkgs = "\\.[^/]*(nixpkgs|nixos)[^/]*";
      # A branch of nixpkgs is called `nixpkgs-darwin`.
      isDarwin = rest: !is "${nixpkgs}${rest}" && is "\\.[^/]*darwin[^/]*${rest}";
    in
    if what == "function" then
      (if trail == ".nixos" then pkgsNixos else null)
    else if is ".*/nixos/lib/eval-config\\.nix" then
      nixosSystem
    else if is ".*/nixos(/default\\.nix)?" then
      nixos
    else if is ".*home-?manager.*/modules(/default\\.nix)?" then
      home
    else if is "\\.[^/]*home-?manager[^/]*(/default\\.nix)?" then
      _:
      notKnown
      // {
        lib = ofHomeManager notKnown // {
          inherit homeManagerConfiguration;
        };
      }
    else if isDarwin "/eval-config\\.nix" then
      darwinSystem
    else if isDarwin "(/default\\.nix)?" then
      darwin
    else if is "${nixpkgs}/lib(/default\\.nix)?" then
      extensible lib
    else if is nixpkgs then
      _: ofNixpkgs
    else
      null;

  # What deploy-rs brings to a machine is a system, or whatever else it is given.
  activate = notKnown // {
    nixos = system: system;
    darwin = system: system;
    home-manager = home: home;
    custom = {
      __functor =
        _: base: _:
        base;
    };
    __functor =
      _: base: _:
      base;
  };
  platforms = [
    "aarch64-darwin"
    "aarch64-linux"
    "armv7l-linux"
    "i686-linux"
    "riscv64-linux"
    "x86_64-darwin"
    "x86_64-linux"
  ];

  mkFleet =
    arguments:
    closed notKnown notKnown.outPath
    // {
      _type = "fleet";
      inherit arguments;
    };

  # The nodes of a hive of colmena are systems like others.
  makeHive =
    hive:
    let
      raw = if isFunction hive then hive { } else hive;
      meta = raw.meta or raw.network or { };
      nodes =
        mapAttrs
          (
            name: node:
            nixosSystem {
              modules = [
                { networking.hostName = lib.mkDefault name; }
                (raw.defaults or { })
                node
              ];
              specialArgs = {
                inherit name nodes;
              }
              // meta.specialArgs or { }
              // meta.nodeSpecialArgs.${name} or { };
            }
          )
          (
            removeAttrs raw [
              "defaults"
              "meta"
              "network"
              "require"
              "resources"
            ]
          );
    in
    closed notKnown notKnown.outPath
    // {
      _type = "hive";
      inherit nodes;
    };

  # flake-parts calls it with two arguments, flake-utils-plus with one.
  mkFlake =
    arguments:
    closed notKnown notKnown.outPath
    // {
      _type = "half-made-flake";
      __functor =
        _: module:
        closed notKnown notKnown.outPath
        // {
          _type = "flake-parts";
          inherit arguments module;
        };
    }
    // (
      if arguments ? hosts || arguments ? hostDefaults then
        {
          _type = "flake";
          nixosConfigurations = mapAttrs (
            _: host:
            nixosSystem {
              modules = arguments.hostDefaults.modules or [ ] ++ host.modules or [ ];
              specialArgs =
                arguments.hostDefaults.specialArgs or { }
                // arguments.hostDefaults.extraArgs or { }
                // host.specialArgs or { }
                // host.extraArgs or { };
            }
          ) (arguments.hosts or { });
        }
      else
        { }
    );

  importApply = path: static: {
    _file = path;
    imports = [ (import path static) ];
  };

  # How modules of flake-parts declare further things that are given out.
  mkSubmoduleOptions =
    options:
    lib.mkOption {
      type = lib.types.submoduleWith { modules = [ { inherit options; } ]; };
    };
  mkPerSystemOption = _: lib.mkOption { type = lib.types.deferredModule; };
  mkTransposedPerSystemModule =
    { name, ... }:
    {
      options.flake = mkSubmoduleOptions {
        ${name} = lib.mkOption {
          type = lib.types.raw;
          default = notKnown;
        };
      };
    };

  # Of what differs from system to system, one stands for all.
  system = "x86_64-linux";
  eachSystem = systems: f: eachDefaultSystem f;
  eachDefaultSystem = f: mapAttrs (_: value: { ${system} = value; }) (f system);
  eachDefaultSystemPassThrough = f: f system;

  # All modules below a folder, but for those with `/_` in their path.
  importTree = path: { imports = filesBelow path; };
  filesBelow =
    folder:
    let
      entries = readDir folder;
      file =
        name:
        if match "_.*" name != null then
          [ ]
        else if entries.${name} == "directory" then
          filesBelow (folder + "/${name}")
        else if match ".*\\.nix" name != null then
          [ (folder + "/${name}") ]
        else
          [ ];
    in
    concatMap file (attrNames entries);

  # What haumea makes of a folder: a set of what is in its files and folders, by their names. What begins with `_` is for
  # what lies beside it, and with `__` also for what lies below that.
  haumea =
    rest:
    let
      loaders = rest // {
        default =
          inputs: path:
          let
            value = import path;
          in
          if isFunction value then
            let
              wanted = functionArgs value;
              isGiven = name: !wanted.${name} || inputs ? ${name};
              given = listToAttrs (
                map (name: {
                  inherit name;
                  value = null;
                }) (filter isGiven (attrNames wanted))
              );
            in
            # What it does not use may be missing.
            value (mapAttrs (name: _: inputs.${name}) given)
          else
            value;
        path = _: path: path;
        scoped = inputs: path: scopedImport inputs path;
        verbatim = _: import;
      };
    in
    {
      load =
        {
          src,
          loader ? loaders.default,
          inputs ? { },
          transformer ? [ ],
        }:
        let
          transform =
            if isFunction transformer then
              transformer
            else
              cursor: value: foldl' (value: change: change cursor value) value transformer;
          folder =
            path: cursor:
            let
              entries = readDir path;
              nameOf = entry: if entries.${entry} == "directory" then entry else head (match "(.*)\\.nix" entry);
              isTaken =
                entry:
                (
                  entries.${entry} == "directory" || (entries.${entry} == "regular" && match ".+\\.nix" entry != null)
                )
                && match "_{1,2}" (nameOf entry) == null;
              taken = filter isTaken (attrNames entries);
              own =
                entry:
                let
                  name = nameOf entry;
                in
                if entries.${entry} == "directory" then
                  folder (path + "/${entry}") (cursor ++ [ name ])
                else
                  loader (
                    inputs
                    // {
                      self = all.${stripped name};
                      super = all;
                      root = top;
                    }
                  ) (path + "/${entry}");
              stripped = name: head (match "_{0,2}(.*)" name);
              all = listToAttrs (
                map (entry: {
                  name = stripped (nameOf entry);
                  value = own entry;
                }) taken
              );
              isPublic = entry: match "_.*" (nameOf entry) == null;
            in
            transform cursor (
              listToAttrs (
                map (entry: {
                  name = nameOf entry;
                  value = all.${nameOf entry};
                }) (filter isPublic taken)
              )
            );
          top = folder src [ ];
        in
        top;
      inherit loaders;
      transformers = rest // {
        liftDefault =
          _: value:
          if isAttrs value && value ? default then
            removeAttrs value [ "default" ] // value.default
          else
            value;
      };
    };

  made = {
    inherit
      darwinSystem
      eachDefaultSystem
      eachDefaultSystemPassThrough
      eachSystem
      homeManagerConfiguration
      importApply
      makeHive
      mkFlake
      mkFleet
      mkPerSystemOption
      mkSubmoduleOptions
      mkTransposedPerSystemModule
      nixosSystem
      ;
    nixosGenerate = nixosSystem;
    nixosSystemFull = nixosSystem;
  };

  extensible =
    before:
    before
    // {
      inherit nixosSystem;
      extend =
        overlay:
        let
          final = extensible (before // overlay final (extensible before));
        in
        final;
    };

  # A nixpkgs by its name or by where it comes from.
  isNixpkgs =
    name:
    let
      url = flake.inputs.${name}.url or "";
    in
    match ".*(nixpkgs|nixos).*" name != null || (isString url && match ".*nixpkgs.*" url != null);

  # Of packages nothing is known but these.
  ofNixpkgs = packages // {
    lib = extensible lib;
    nixos = pkgsNixos;
  };

  # What libraries are told.
  known = {
    inherit
      asValues
      darwinSystem
      entriesOf
      everything
      homeManagerConfiguration
      mergeAny
      modulesIn
      nixosSystem
      notKnown
      packages
      plain
      root
      said
      self
      ;
    lib = extensible lib;
    channels = packages // {
      nixpkgs = ofNixpkgs;
    };
    # What a flake gives out, with what `build` makes for each system, which may be unknown as a whole.
    withBuilt =
      build: given:
      mergeAny 2 given (eachDefaultSystem (_: build known.channels))
      // removeAttrs given [
        "apps"
        "checks"
        "devShells"
        "formatter"
        "legacyPackages"
        "packages"
      ];
  };

  # What is left of `mkIf` and the like: sets.
  plain =
    value:
    let
      kind = value._type or null;
    in
    if kind == "merge" then
      concatMap plain value.contents
    else if kind == "if" then
      (if value.condition then plain value.content else [ ])
    else if kind == "override" || kind == "order" then
      plain value.content
    else
      [ value ];

  # What a module says, and those that it imports, without types: sets one after another.
  said =
    arguments: module:
    let
      value = if isPath module || isString module then import module else module;
      called = if isFunction value then value arguments else value;
      of =
        set:
        concatMap (said arguments) (set.imports or [ ])
        ++ (
          if set ? config then
            plain set.config
          else
            [
              (removeAttrs set [
                "_class"
                "_file"
                "imports"
                "key"
                "options"
              ])
            ]
        );
    in
    concatMap of (plain called);

  # Arguments for modules, which are gone into by nobody who looks for options.
  asValues = mapAttrs (_: value: if isAttrs value then closed value root else value);

  # What is in a folder, if there is one.
  entriesOf = folder: if pathExists folder then readDir folder else { };

  # Files in a folder, and folders in it that have an `entry`, by their names.
  modulesIn =
    entry: folder:
    let
      entries = entriesOf folder;
      stem = match "(.+)\\.nix";
      module =
        name:
        if entries.${name} == "directory" && pathExists (folder + "/${name}/${entry}") then
          [
            {
              inherit name;
              value = folder + "/${name}/${entry}";
            }
          ]
        else if entries.${name} != "directory" && stem name != null then
          [
            {
              name = head (stem name);
              value = folder + "/${name}";
            }
          ]
        else
          [ ];
    in
    # Of a file and a folder of the same name, the file counts.
    listToAttrs (
      concatMap module (filter (name: entries.${name} != "directory") (attrNames entries))
      ++ concatMap module (filter (name: entries.${name} == "directory") (attrNames entries))
    );

  # Sets put together, to such a depth, with lists one after another.
  mergeAny =
    depth: a: b:
    a
    // mapAttrs (
      name: value:
      if !(a ? ${name}) || depth == 0 then
        value
      else if isList a.${name} && isList value then
        a.${name} ++ value
      else if isAttrs a.${name} && isAttrs value && !(value ? _type) then
        mergeAny (depth - 1) a.${name} value
      else
        value
    ) b;

  isDeploy = name: match ".*deploy.*" name != null;

  # All that it has: it is put on top of that of nixpkgs, too.
  ofHomeManager = rest: {
    inherit (rest) hm homeManagerConfiguration;
  };

  input =
    name: rest:
    let
      given = libraries.${name} (known // { inherit rest; });
      plain = plainInput name rest;
    in
    if libraries ? ${name} then plain // given // { lib = plain.lib // given.lib or { }; } else plain;

  plainInput =
    name: rest:
    # `standIn` goes by names.
    closed rest (if isNixpkgs name then rest.nixpkgs.outPath else rest.outPath)
    // {
      lib =
        (
          if isNixpkgs name then
            extensible lib
          else if match ".*home-?manager.*" name != null then
            ofHomeManager rest
          else
            rest
        )
        // made
        // (if isDeploy name then named platforms (rest // { inherit activate; }) else { })
        // (if match ".*haumea.*" name != null then haumea rest else { });
      inherit mkFlake;
      nixosGenerate = nixosSystem;
    }
    // (
      if isNixpkgs name then
        {
          legacyPackages = rest // named platforms ofNixpkgs;
        }
      else
        { }
    )
    // (if match ".*import-?tree" name != null then { __functor = _: importTree; } else { });

  everything = mapAttrs input inputs // {
    inherit self;
  };
  outputs =
    if kind == "hive" then
      { colmena = flake; }
    else if kind == "plain" then
      flake
    else
      flake.outputs everything;
  own = if given == null then outputs else given;
  self =
    notKnown
    // own
    // {
      inputs = everything;
      outputs = closed own root;
      outPath = root;
      type = "derivation";
      # It comes before `outPath`, and nothing that is not known could come before it.
      __toString = _: root;
    };

  # An option that modules of flake-parts put sets into.
  sets = lib.mkOption {
    type = lib.types.lazyAttrsOf lib.types.raw;
    default = { };
  };
in
{
  inherit makeHive outputs standIn;

  # What flake-parts' modules are called with.
  arguments = {
    inherit self;
    inputs = everything;
    lib = extensible lib;
    flake-parts-lib = notKnown // made;
    withSystem = system: f: f (notKnown // { inherit system; });
    # What it gives may be a function as well.
    moduleWithSystem = module: { config, ... }: {
      imports = [ (module (notKnown // { inherit config; })) ];
    };
  };

  # What its modules are called with for each system.
  ofSystem = {
    inherit system;
    inputs' = notKnown;
    self' = notKnown;
  };

  # What is given out for each system, as far as systems may be in it.
  products = with lib; {
    options = genAttrs [ "apps" "checks" "legacyPackages" "packages" ] (_: sets);
  };

  # What flake-parts and its extensions declare of what is read here.
  options = {
    options.perSystem = lib.mkOption {
      type = lib.types.deferredModule;
      default = { };
    };
    # It may be a function, and what is given out need not be declared.
    options.flake =
      with lib;
      mkOption {
        default = { };
        type = types.submoduleWith {
          modules = [
            {
              freeformType = types.lazyAttrsOf types.raw;
              options = {
                # Few flakes have these; where nothing defines them, there is none. Modules of other projects declare
                # some of them, which are not seen.
                colmena = sets;
                darwinConfigurations = sets;
                diskoConfigurations = sets;
                homeConfigurations = sets;
                nixosConfigurations = sets;
                colmenaHive = mkOption {
                  type = types.raw;
                  default = null;
                };
                lib = mkOption { type = types.raw; };
                darwinModules = mkOption { type = types.lazyAttrsOf types.deferredModule; };
                homeManagerModules = mkOption { type = types.lazyAttrsOf types.deferredModule; };
                homeModules = mkOption { type = types.lazyAttrsOf types.deferredModule; };
                nixosModules = mkOption { type = types.lazyAttrsOf types.deferredModule; };
                modules = mkOption { type = types.lazyAttrsOf (types.lazyAttrsOf types.deferredModule); };
              };
            }
          ];
        };
      };
  };
}
