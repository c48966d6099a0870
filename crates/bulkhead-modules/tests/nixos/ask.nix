# What Nix says of a machine. `paths` are what is asked: `{ path, what }`, with `what` one of `value`, `names` (of a set),
# `length` (of a list).
{
  nixpkgs,
  machine,
  support,
  modules,
  paths,
  missing,
}:
let
  lib = import (nixpkgs + "/lib");
  packages = import (support + "/packages.nix") {
    inherit lib nixpkgs;
    system = "x86_64-linux";
  };
  other =
    packages.hello
    // lib.genAttrs missing (_: other)
    // {
      __functor = self: _: self;
    };
  withMore = value: if lib.isDerivation value then lib.genAttrs missing (_: other) // value else value;
  system = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = null;
    inherit lib;
    modules = [ machine ];
    specialArgs.pkgs =
      lib.genAttrs missing (_: other)
      // lib.mapAttrs (_: withMore) packages
      // {
        systemd = lib.mapAttrs (_: withMore) (withMore packages.systemd);
      };
  };

  show =
    value:
    if builtins.isFunction value then
      "<function>"
    else if builtins.isAttrs value then
      if value ? __functor then
        "<function>"
      else
        value.outPath or (builtins.mapAttrs (_: show) value)
    else if builtins.isList value then
      map show value
    else if builtins.isPath value then
      toString value
    else
      value;
  get = builtins.foldl' (
    value: name: if builtins.isInt name then builtins.elemAt value name else value.${name}
  ) system.config;
  ask =
    { path, what }:
    let
      found = get path;
      answer =
        {
          value.value = show found;
          names.names = builtins.attrNames found;
          length.length = builtins.length found;
        }
        .${what};
      tried = builtins.tryEval (builtins.deepSeq answer answer);
    in
    if tried.success then tried.value else { fails = true; };

  # A value part by part, so that what throws takes nothing along: sets and lists are `{ set }` and `{ list }`, and what JSON
  # has no word for is `{ is }`.
  tree =
    depth: value:
    let
      tried = builtins.tryEval value;
      shown = tried.value;
      below = tree (depth + 1);
    in
    if !tried.success then
      { is = "failure"; }
    else if depth > 50 then
      throw "a value is nested too deeply to be compared"
    else if builtins.isFunction shown || shown ? __functor then
      { is = "function"; }
    else if lib.isDerivation shown then
      { is = "package"; }
    else if builtins.isAttrs shown then
      { set = builtins.mapAttrs (_: below) shown; }
    else if builtins.isList shown then
      { list = map below shown; }
    else if builtins.isPath shown then
      toString shown
    else
      shown;

  # Every option that a file below `modules` declares, with those of their submodules.
  isOwn =
    option: lib.any (file: lib.hasPrefix "${toString modules}/" (toString file)) option.declarations;
  declared = lib.filter (option: !lib.elem "_module" option.loc) (
    lib.concatMap lib.optionAttrSetToDocList (
      lib.filter isOwn (lib.collect lib.isOption system.options)
    )
  );
  isInSubmodule = option: lib.any (name: name == "*" || lib.hasPrefix "<" name) option.loc;
in
{
  answers = map ask paths;
  said = {
    failed = map (a: a.message) (lib.filter (a: !a.assertion) system.config.assertions);
    inherit (system.config) warnings;
  };
  own = map (option: {
    inherit (option) loc type internal readOnly visible;
    values = if isInSubmodule option then [ ] else [ (tree 0 (lib.getAttrFromPath option.loc system.config)) ];
  }) declared;
}
