# Every option of the modules can be looked up: it has a type, a description and an example.
{
  lib,
  machine,
  modules,
  ...
}:
let
  system = machine [
    modules
    { networking.hostName = "s0"; }
  ];
  ours = [
    "machines"
    "networking.sandbox"
    "thisMachine"
    "vpn"
    "workspaceDefaults"
    "workspaces"
  ];
  isOurs = name: lib.any (prefix: name == prefix || lib.hasPrefix "${prefix}." name) ours;
  optionsIn = path: lib.optionAttrSetToDocList (lib.attrByPath path { } system.options);
  # Only these branches: walking over all of NixOS takes a minute.
  all = lib.concatMap optionsIn [
    [ "machines" ]
    [
      "networking"
      "sandbox"
    ]
    [ "thisMachine" ]
    [ "vpn" ]
    [ "workspaceDefaults" ]
    [ "workspaces" ]
  ];
  shown = lib.filter (option: isOurs option.name && option.visible && !option.internal) all;
  without =
    attribute: map (option: option.name) (lib.filter (option: !(option ? ${attribute})) shown);
in
{
  "there are options of every module" = {
    expr = lib.filter (prefix: !lib.any (option: lib.hasPrefix prefix option.name) shown) ours;
    expected = [ ];
  };
  "each has a type, a description and an example" = {
    expr = lib.genAttrs [
      "type"
      "description"
      "example"
    ] without;
    expected = {
      type = [ ];
      description = [ ];
      example = [ ];
    };
  };
}
