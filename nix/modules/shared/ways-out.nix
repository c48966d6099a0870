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
  # The flags about its network that are meant.
  flags ? [ ],
}:
let
  given = attribute: none: container ? ${attribute} && container.${attribute} != none;
  isFlag =
    flag: builtins.match "--(network-|private-|port=).*|-[pnU].*|--(port|private-users)" flag != null;
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
) (lib.filter (flag: isFlag flag && !isMeant flag) container.extraFlags)
++
  lib.optional
    (lib.elem (container.privateUsers or "pick") [
      "no"
      "identity"
    ])
    (
      fault "privateUsers" "is \"${container.privateUsers or ""}\", so root in ${of} would be root of this host"
    )
