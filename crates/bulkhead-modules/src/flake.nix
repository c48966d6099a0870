# What the inputs of a flake give to its `outputs`, as far as NixOS systems are made with it. Whatever is left out is
# unknown. `given` is what the flake gives out if that is known already, else null. Where `isHive`, it is no flake but a
# hive of colmena.
{
  flake,
  given,
  inputs,
  isHive,
  lib,
  notKnown,
  root,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    isFunction
    listToAttrs
    mapAttrs
    match
    readDir
    removeAttrs
    ;

  # Where it is taken as a value it is not gone into, as a derivation is not: flakes contain themselves.
  closed = value: outPath: value // {
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
      system = systemOf arguments;
    in
    system
    // {
      config = configOf system;
    };

  systemOf =
    arguments:
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
        nixosSystem (
          arguments
          // {
            modules = arguments.modules or [ ] ++ more.modules or [ ];
            specialArgs = arguments.specialArgs or { } // more.specialArgs or { };
          }
        );
    };

  # What deploy-rs brings to a machine is a system, or whatever else it is given.
  activate = notKnown // {
    nixos = system: system;
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
      nodes = mapAttrs (
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
      ) (removeAttrs raw [
        "defaults"
        "meta"
        "network"
        "require"
        "resources"
      ]);
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

  made = {
    inherit
      eachDefaultSystem
      eachDefaultSystemPassThrough
      eachSystem
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
    match ".*(nixpkgs|nixos).*" name != null || (builtins.isString url && match ".*nixpkgs.*" url != null);

  # Of packages nothing is known but their `lib`.
  packages = rest: closed rest rest.outPath // { lib = extensible lib; };

  isDeploy = name: match ".*deploy.*" name != null;

  # All that it has: it is put on top of that of nixpkgs, too.
  ofHomeManager = rest: {
    inherit (rest) hm homeManagerConfiguration;
  };

  input =
    name: rest:
    closed rest rest.outPath
    // {
      lib =
        (if isNixpkgs name then extensible lib else if match ".*home-?manager.*" name != null then ofHomeManager rest else rest)
        // made
        // (if isDeploy name then named platforms (rest // { inherit activate; }) else { });
      inherit mkFlake;
      nixosGenerate = nixosSystem;
    }
    // (
      if isNixpkgs name then
        {
          # What `import nixpkgs { }` is.
          "<import>" = _: packages rest;
          legacyPackages = rest // named platforms (packages rest);
        }
      else
        { }
    )
    // (if match ".*import-?tree" name != null then { __functor = _: importTree; } else { });

  everything = mapAttrs input inputs // {
    inherit self;
  };
  outputs = if isHive then { colmena = flake; } else flake.outputs everything;
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
in
{
  inherit makeHive outputs;

  # What flake-parts' modules are called with.
  arguments = {
    inherit self;
    inputs = everything;
    lib = extensible lib;
    flake-parts-lib = notKnown // made;
    withSystem = system: f: f (notKnown // { inherit system; });
    moduleWithSystem = module: { config, ... }: module (notKnown // { inherit config; });
  };

  # What its modules are called with for each system.
  ofSystem = {
    inherit system;
    inputs' = notKnown;
    self' = notKnown;
  };

  # What is given out for each system, as far as systems may be in it.
  products = with lib; {
    options = genAttrs [ "apps" "checks" "legacyPackages" "packages" ] (
      _:
      mkOption {
        type = types.lazyAttrsOf types.raw;
        default = { };
      }
    );
  };

  # What flake-parts and its extensions declare of what is read here.
  options = {
    options.perSystem = lib.mkOption {
      type = lib.types.deferredModule;
      default = { };
    };
    # It may be a function, and what is given out need not be declared.
    options.flake = with lib; mkOption {
      default = { };
      type = types.submoduleWith {
        modules = [
          {
            freeformType = types.lazyAttrsOf types.raw;
            options = {
              # Few flakes have these; where nothing defines them, there is none.
              colmena = mkOption {
                type = types.lazyAttrsOf types.raw;
                default = { };
              };
              colmenaHive = mkOption {
                type = types.raw;
                default = null;
              };
              lib = mkOption { type = types.raw; };
              nixosConfigurations = mkOption {
                type = types.lazyAttrsOf types.raw;
                default = { };
              };
              nixosModules = mkOption { type = types.lazyAttrsOf types.deferredModule; };
              modules = mkOption { type = types.lazyAttrsOf (types.lazyAttrsOf types.deferredModule); };
            };
          }
        ];
      };
    };
  };
}
