# What options of NixOS' containers would take a container past the bridge that guards it, or its root past its user
# namespace: assertions.
{ lib }:
{
  # The name in `containers`, and what the container is called in messages.
  name,
  of,
  # What `containers.<name>` is.
  container,
  bridge,
  # Places of the host that it must not have, as `guardedPlaces`.
  places,
  # The flags about its network that are meant.
  flags ? [ ],
}:
let
  given = attribute: none: container ? ${attribute} && container.${attribute} != none;
  inherit (import ../../lib) pathsOverlap;
  # As getopt_long(3) reads them: long ones may be cut short, short ones stand together.
  isFlag =
    flag:
    builtins.match "--(network-|private-|settings|oci-bundle).*|--po(r|rt)?(=.*)?|-[abhjqxPnU]*[pnU].*" flag
    != null;
  # NixOS puts them into one line, which a shell splits.
  wordsOf =
    text: lib.filter (word: lib.isString word && word != "") (builtins.split "[[:space:]]+" text);
  isMeant = flag: lib.elem flag ([ "--private-users=pick" ] ++ flags);
  fault = attribute: what: {
    assertion = false;
    message = "`containers.${name}.${attribute}` ${what}: leave it out";
  };
in
map (attribute: fault attribute "is set, which would be another way out of ${of}, or into it") (
  lib.filter (attribute: given attribute [ ]) [
    "interfaces"
    "macvlans"
    "forwardPorts"
  ]
  ++ lib.optional (given "extraVeths" { }) "extraVeths"
  ++ lib.filter (attribute: given attribute null) [
    "hostAddress"
    "hostAddress6"
    "localAddress"
    "localAddress6"
    "networkNamespace"
  ]
  ++ lib.optional (!container.privateNetwork) "privateNetwork"
  ++ lib.optional (container.hostBridge != bridge) "hostBridge"
)
++ map (
  flag: fault "extraFlags" "has `${flag}`, which is about the network or the users of ${of}"
) (lib.filter (flag: isFlag flag && !isMeant flag) (lib.concatMap wordsOf container.extraFlags))
++ lib.concatMap (
  mount:
  let
    path = if mount.hostPath == null then mount.mountPoint else mount.hostPath;
    found = lib.filter (place: pathsOverlap place.path path) places;
  in
  # One reason is enough.
  lib.optional (found != [ ]) (
    fault "bindMounts" "has ${path}, and ${(lib.head found).path} holds ${(lib.head found).holds}"
  )
) (lib.attrValues container.bindMounts)
++
  lib.optional
    (lib.elem (container.privateUsers or "pick") [
      "no"
      "identity"
    ])
    (
      fault "privateUsers" "is \"${container.privateUsers or ""}\", so root in ${of} would be root of this host"
    )
