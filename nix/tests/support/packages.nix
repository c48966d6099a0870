# A package set of stand-ins, for trees without packages: enough for the values of options to evaluate, and nothing to
# build. Texts that modules write (scripts, units, configurations) can be read back as `text`.
#
# `names.nix` lists the plain stand-ins. Where a module wants another one, Nix says that the attribute is missing: add
# its name there, or here if more than its path matters.
{
  lib,
  nixpkgs,
  system,
}:
let
  platform = lib.systems.elaborate system;

  # A package that is only a name.
  standIn =
    name:
    let
      self = {
        type = "derivation";
        inherit name system;
        pname = name;
        version = "1";
        outPath = "/nix/store/00000000000000000000000000000000-${name}";
        drvPath = "/nix/store/00000000000000000000000000000000-${name}.drv";
        outputName = "out";
        outputs = [ "out" ];
        meta = {
          mainProgram = name;
          available = true;
          broken = false;
          unfree = false;
          insecure = false;
          license = { };
          maintainers = [ ];
          platforms = [ system ];
        };
        passthru = { };
        networkManagerPlugin = "VPN/${name}.name";
        override = _: self;
        overrideAttrs = _: self;
        out = self;
        bin = self;
        dev = self;
        lib = self;
        man = self;
        doc = self;
        info = self;
      };
    in
    self;

  written = name: text: standIn name // { inherit text; };
  writtenBin = name: text: standIn name // { inherit text; };

  # What `callPackage` makes keeps its arguments.
  called =
    args:
    standIn "called"
    // {
      inherit args;
      override = more: called (args // more);
    };

  # Formats of settings (`pkgs.formats`): what is generated keeps its value. Lists of several definitions are one.
  format =
    kind: _:
    let
      inherit (lib.types)
        anything
        attrsOf
        either
        listOf
        ;
      value = either (listOf value) (either (attrsOf value) anything) // {
        description = "${kind} value";
      };
    in
    {
      type = attrsOf value // {
        description = "${kind} value";
      };
      generate = name: value: standIn name // { inherit value; };
    };

  kernel = standIn "linux" // {
    version = "6.12";
    modDirVersion = "6.12";
    override = _: kernel;
    features.efiBootStub = true;
    kernelOlder = lib.versionOlder "6.12";
    kernelAtLeast = lib.versionAtLeast "6.12";
    config = lib.genAttrs [
      "isDisabled"
      "isEnabled"
      "isModule"
      "isNo"
      "isSet"
      "isYes"
    ] (_: _: true);
  };
  kernelPackages = lib.makeExtensible (_: {
    inherit kernel;
  });

  packages = lib.genAttrs (import ./names.nix) standIn // {
    _type = "pkgs";
    inherit lib system;
    path = nixpkgs;
    config = { };
    overlays = [ ];
    hostPlatform = platform;
    __splicedPackages = packages;
    buildPackages = packages;
    pkgsStatic = packages;
    pkgsi686Linux = packages;
    extend = _: packages;
    appendOverlays = _: packages;
    callPackage = _: called;

    stdenv = standIn "stdenv" // {
      inherit (platform)
        isLinux
        is64bit
        isx86_64
        isAarch64
        isi686
        isx86
        ;
      hostPlatform = platform;
      buildPlatform = platform;
      targetPlatform = platform;
      cc = standIn "cc" // {
        libc = standIn "libc";
        bintools = standIn "bintools" // {
          dynamicLinker = "/lib/ld-linux-x86-64.so.2";
        };
      };
      mkDerivation = args: standIn (args.name or args.pname);
    };

    stdenvNoCC = packages.stdenv;

    adguardhome = standIn "adguardhome" // {
      schema_version = 28;
    };
    dhcpcd = standIn "dhcpcd" // {
      enablePrivSep = true;
    };
    bash = standIn "bash" // {
      shellPath = "/bin/bash";
    };
    bashInteractive = standIn "bash" // {
      shellPath = "/bin/bash";
    };
    zsh = standIn "zsh" // {
      shellPath = "/bin/zsh";
    };
    fish = standIn "fish" // {
      shellPath = "/bin/fish";
    };
    postgresql_15 = standIn "postgresql" // {
      psqlSchema = "15";
      withJIT = packages.postgresql_15;
      withoutJIT = packages.postgresql_15;
      withPackages = _: packages.postgresql_15;
    };
    nginxStable = standIn "nginx" // {
      modules = [ ];
      override = _: packages.nginxStable;
    };
    rustPlatform.buildRustPackage = args: standIn args.pname;
    libxcrypt = standIn "libxcrypt" // {
      enabledCryptSchemeIds = [ "y" ];
    };
    nix = standIn "nix" // {
      version = "2.28.0";
    };
    perl = standIn "perl" // {
      withPackages = _: standIn "perl";
    };
    python3 = standIn "python3" // {
      withPackages = _: standIn "python3";
    };
    systemd =
      standIn "systemd"
      // lib.genAttrs (import ./systemd.nix) (_: true)
      // {
        interfaceVersion = 2;
        kbd = standIn "kbd";
        util-linux = standIn "util-linux";
      };

    linuxPackages = kernelPackages;
    linuxPackagesFor = _: kernelPackages;
    linuxKernel = {
      packages = { };
      packagesFor = _: kernelPackages;
    };

    formats = lib.genAttrs [
      "ini"
      "iniWithGlobalSection"
      "json"
      "keyValue"
      "systemd"
      "toml"
      "yaml"
      "nixConf"
      "javaProperties"
      "elixirConf"
      "gitIni"
      "hocon"
      "libconfig"
      "lua"
      "php"
      "pythonVars"
    ] format;

    runtimeShell = "/bin/bash";
    writeText = written;
    writeTextDir = path: written (baseNameOf path);
    writeTextFile = args: written args.name (args.text or "");
    writeScript = written;
    writers.writeNginxConfig = written;
    writeScriptBin = writtenBin;
    writeShellScript = written;
    writeShellScriptBin = writtenBin;
    writeShellApplication = args: writtenBin args.name args.text;
    runCommand =
      name: args: command:
      standIn name // args.passthru or { } // { text = command; };
    runCommandLocal = packages.runCommand;
    runCommandCC = packages.runCommand;
    symlinkJoin = args: standIn args.name;
    linkFarm = name: entries: standIn name // { inherit entries; };
    buildEnv = args: standIn args.name;
    substituteAll = args: standIn (args.name or "substituted");
    replaceVars = _: _: standIn "replaced";
    closureInfo = _: standIn "closure-info";
    makeModulesClosure = _: standIn "kernel-modules";
    makeInitrdNG = args: standIn "initrd" // { inherit (args) contents; };
    fetchurl = _: standIn "fetched";
  };
in
packages
