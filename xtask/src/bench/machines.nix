# The machines of a fleet and their roles, with builtins alone: what Nix is measured with.
{ root }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    groupBy
    isPath
    listToAttrs
    mapAttrs
    readDir
    readFile
    ;
  text = key: if isPath key then readFile key else key;
  properties =
    folder:
    let
      machine = import (folder + "/properties.nix");
    in
    {
      inherit (machine) arch hostNames systemRoles;
      hostKey = text (machine.hostKey or null);
      userKeys = map text (machine.userKeys or [ ]);
      deployKeys = map text (machine.deployKeys or [ ]);
      remoteUnlock = machine.remoteUnlock or null;
      publicIP = machine.publicIP or null;
      meta = machine.meta or { };
    };
  find =
    name: folder:
    let
      entries = readDir folder;
      folders = filter (entry: entries.${entry} == "directory") (attrNames entries);
      here = if entries ? "properties.nix" then [ { inherit name; value = properties folder; } ] else [ ];
    in
    here ++ concatMap (entry: find entry (folder + "/${entry}")) folders;
  machines = listToAttrs (find "machines" (root + "/machines"));
  members = concatMap (name: map (role: { inherit name role; }) machines.${name}.systemRoles) (attrNames machines);
in
{
  inherit machines;
  roles = mapAttrs (_: map (member: member.name)) (groupBy (member: member.role) members);
}
