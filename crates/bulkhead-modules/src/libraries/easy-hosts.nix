# What stands in for easy-hosts, written from its documentation: a module of flake-parts that makes a system of each folder in
# `<path>/<arch>-<class>`, and of what is said of hosts.
known:
let
  inherit (builtins)
    attrNames
    elemAt
    filter
    head
    isList
    listToAttrs
    match
    pathExists
    tail
    ;

  flakeModule =
    { config, lib, ... }:
    let
      cfg = config.easy-hosts;
      inherit (lib) mkOption types;

      basic = {
        modules = mkOption {
          type = types.listOf types.raw;
          default = [ ];
        };
        specialArgs = mkOption {
          type = types.lazyAttrsOf types.raw;
          default = { };
        };
      };
      # Of a function: what it gives for a class, or the like.
      perName = mkOption {
        type = types.raw;
        default = _: { };
      };
      host =
        { config, ... }:
        {
          options = basic // {
            arch = mkOption {
              type = types.str;
              default = "x86_64";
            };
            class = mkOption {
              type = types.str;
              default = "nixos";
            };
            tags = mkOption {
              type = types.listOf types.str;
              default = [ ];
            };
            path = mkOption {
              type = types.raw;
              default = null;
            };
            system = mkOption {
              type = types.str;
              default = "${config.arch}-${if classOf config == "darwin" then "darwin" else "linux"}";
            };
            nixpkgs = mkOption {
              type = types.raw;
              default = null;
            };
            nix-darwin = mkOption {
              type = types.raw;
              default = null;
            };
            pure = mkOption {
              type = types.raw;
              default = null;
            };
            deployable = mkOption {
              type = types.bool;
              default = false;
            };
          };
        };

      # More classes may be called what they are.
      classOf = host: cfg.additionalClasses.${host.class} or host.class;

      # What is unknown in a list is one of its items then, and not the whole list.
      flat =
        modules:
        if modules == [ ] then
          [ ]
        else if isList modules then
          flat (head modules) ++ flat (tail modules)
        else
          [ modules ];
      foldersIn =
        folder:
        let
          entries = known.entriesOf folder;
        in
        filter (name: entries.${name} == "directory") (attrNames entries);
      # `x86_64-linux` is for NixOS.
      hostsOf =
        system: folder:
        let
          parts = match "([^-]+)-(.+)" system;
          class = elemAt parts 1;
        in
        lib.mapAttrs (_: path: {
          arch = lib.mkDefault (head parts);
          class = lib.mkDefault (if class == "linux" then "nixos" else class);
          path = lib.mkDefault path;
        }) (inFolder folder);
      inFolder =
        folder:
        let
          entries = known.entriesOf folder;
          stem = match "(.+)\\.nix";
          taken = filter (
            name: entries.${name} == "directory" || (stem name != null && name != "default.nix")
          ) (attrNames entries);
        in
        listToAttrs (
          map (name: {
            name = if entries.${name} == "directory" then name else head (stem name);
            value = folder + "/${name}";
          }) taken
        );
      found =
        if cfg.path == null then
          { }
        else if cfg.onlySystem != null then
          hostsOf cfg.onlySystem cfg.path
        else
          lib.mkMerge (map (system: hostsOf system (cfg.path + "/${system}")) (foldersIn cfg.path));

      # Where it says no path, it is looked for in two places.
      rootsOf =
        name: host:
        if host.path != null then
          [ host.path ]
        else
          filter pathExists [
            (known.root + "/hosts/${name}/default.nix")
            (known.root + "/systems/${name}/default.nix")
          ];
      sharedFor =
        host:
        [
          cfg.shared
          (cfg.perClass host.class)
          (cfg.perArch host.arch)
        ]
        ++ map cfg.perTag host.tags;
      systemFor =
        make: name: host:
        let
          shared = sharedFor host;
        in
        make {
          inherit (host) system;
          specialArgs = lib.foldl' lib.recursiveUpdate {
            inputs = known.everything;
            inherit (known) self;
            inputs' = known.notKnown;
            self' = known.notKnown;
          } ([ host.specialArgs ] ++ map (given: given.specialArgs or { }) shared);
          modules = flat (
            rootsOf name host
            ++ [
              {
                networking.hostName = lib.mkDefault name;
                nixpkgs.hostPlatform = lib.mkDefault host.system;
              }
              host.modules
            ]
            ++ (
              if classOf host == "iso" then
                [
                  (
                    known.everything.nixpkgs + "/nixos/modules/installer/cd-dvd/installation-cd-minimal-new-kernel.nix"
                  )
                ]
              else
                [ ]
            )
            ++ map (given: given.modules or [ ]) shared
          );
        };
      systems =
        isTaken: make:
        lib.mapAttrs (systemFor make) (lib.filterAttrs (_: host: isTaken (classOf host)) cfg.hosts);
    in
    {
      # Before version 1 it was `easyHosts`.
      imports = [ (lib.mkAliasOptionModule [ "easyHosts" ] [ "easy-hosts" ]) ];
      options.easy-hosts = {
        autoConstruct = mkOption {
          type = types.bool;
          default = false;
        };
        path = mkOption {
          type = types.raw;
          default = null;
        };
        onlySystem = mkOption {
          type = types.nullOr types.str;
          default = null;
        };
        shared = basic;
        perClass = perName;
        perArch = perName;
        perTag = perName;
        additionalClasses = mkOption {
          type = types.attrsOf types.str;
          default = { };
        };
        hosts = mkOption {
          type = types.attrsOf (types.submodule host);
          default = { };
        };
      };
      config = {
        easy-hosts.hosts = lib.mkIf cfg.autoConstruct found;
        flake = {
          nixosConfigurations = systems (class: class != "darwin") known.nixosSystem;
          darwinConfigurations = systems (class: class == "darwin") known.darwinSystem;
        };
      };
    };
in
{
  inherit flakeModule;
  flakeModules.default = flakeModule;
}
