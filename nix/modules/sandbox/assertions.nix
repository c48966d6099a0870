# What can't be true of a sandbox, or of the host around it.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (import ../../lib)
    interfaceSysctl
    isInNetwork
    networksOverlap
    parseAddress
    sandboxFaults
    ;

  cfg = config.networking.sandbox;
  inherit (config.networking) nat;
  hasIPv6 = cfg.subnet6 != null;
  interfaces = [ cfg.bridge ] ++ lib.mapAttrsToList (_: port: port.interface) cfg.ports;
  refuse = message: {
    assertion = false;
    inherit message;
  };

  # Networks that the configuration gives to other interfaces of the host.
  hostNetworks = lib.filter (network: network.interface != cfg.bridge) (
    import ../shared/host-networks.nix { inherit config lib options; }
  );
  overlaps =
    option: subnet:
    map (
      network:
      refuse "`networking.sandbox.${option}`, ${subnet}, overlaps with ${network.shown} of ${network.option}"
    ) (lib.filter (network: networksOverlap network.subnet subnet) hostNetworks);

  # Without it, what the guard lets through goes nowhere.
  inherit (config.boot.kernel) sysctl;
  isOff =
    name:
    lib.elem (sysctl.${name} or null) [
      false
      0
      "0"
    ];
  forwarding = [
    "net.ipv4.ip_forward"
    "net.ipv4.conf.all.forwarding"
    (interfaceSysctl "ipv4" cfg.bridge "forwarding")
  ]
  ++ lib.optionals hasIPv6 [
    "net.ipv6.conf.all.forwarding"
    (interfaceSysctl "ipv6" cfg.bridge "forwarding")
  ];

  # Other makers of the bridge, which would not make it what the guard needs.
  makers =
    lib.optional (config.networking.bridges ? ${cfg.bridge}) "networking.bridges"
    ++ lib.optional (lib.any (
      network: (network.name or null) == cfg.bridge
    ) incusNetworks) "virtualisation.incus.preseed.networks";
  preseed = config.virtualisation.incus.preseed or null;
  incusNetworks = if lib.isAttrs preseed then preseed.networks or [ ] else [ ];

  # Of the names of containers on the bridge, those whose interface no port has.
  # Those of a VPN whose bridge has the same name are told of by its module.
  isOfVPN = options ? vpn && config.vpn.enable && config.vpn.bridgeName == cfg.bridge;
  strangers = lib.filter (
    name:
    !isOfVPN
    && config.containers.${name}.hostBridge == cfg.bridge
    && !lib.any (port: port.interface == "vb-${name}") (lib.attrValues cfg.ports)
  ) (lib.attrNames config.containers);

  # What networkd would take for one of our interfaces: the first file that matches.
  namesOf =
    network: lib.concatMap (lib.splitString " ") (lib.toList (network.matchConfig.Name or [ ]));
  regexOf =
    pattern:
    lib.concatMapStrings (
      part:
      if part == "*" then
        ".*"
      else if part == "?" then
        "."
      else
        lib.escapeRegex part
    ) (lib.filter (part: part != "") (lib.concatMap lib.toList (builtins.split "([*?])" pattern)));
  matching =
    network:
    lib.filter (
      interface: lib.any (pattern: builtins.match (regexOf pattern) interface != null) (namesOf network)
    ) interfaces;
  earlier = lib.filterAttrs (
    name: network: name < "00-sandbox" && matching network != [ ]
  ) config.systemd.network.networks;

  # Nobody outside opens a connection to a workspace.
  isHere =
    destination:
    let
      address = lib.head (lib.splitString ":" destination);
    in
    parseAddress address != null && isInNetwork cfg.subnet address;
  forwarded = lib.optionals nat.enable (lib.filter (port: isHere port.destination) nat.forwardPorts);
in
{
  config = lib.mkIf cfg.enable {
    # Who says so wants a network without a way out.
    warnings =
      lib.optional
        (options.networking.sandbox.upstreams.highestPrio >= (lib.mkOptionDefault null).priority)
        "`networking.sandbox.upstreams` is not set, so workspaces don't reach the internet: name the interface that leads there, such as [ \"eth0\" ], or set it to [ ] if that is meant"
      ++ map (
        port:
        "`networking.nat.forwardPorts` sends port ${toString port.sourcePort} to ${port.destination}, but the guard of `networking.sandbox.bridge`, ${cfg.bridge}, lets nobody outside open a connection to a workspace; the host itself may, so have a program of the host pass it on, such as `services.nginx.streamConfig` or systemd-socket-proxyd"
      ) forwarded;

    assertions =
      let
        faults = sandboxFaults cfg.description;
      in
      map refuse faults
      # What is no network overlaps with nothing.
      ++ lib.optionals (faults == [ ]) (
        overlaps "subnet" cfg.subnet ++ lib.optionals hasIPv6 (overlaps "subnet6" cfg.subnet6)
      )
      ++ map (
        name:
        refuse "`boot.kernel.sysctl.\"${name}\"` turns off forwarding, without which workspaces reach nothing beyond this host: leave it out, or set `networking.sandbox.enable` to false"
      ) (lib.filter isOff forwarding)
      ++ map (
        option:
        refuse "`${option}` has `networking.sandbox.bridge`, ${cfg.bridge}, which the sandbox makes itself: leave it out, or give one of them another name"
      ) makers
      ++ map (
        name:
        refuse "`containers.${name}.hostBridge` is `networking.sandbox.bridge`, ${cfg.bridge}, where what nobody has declared is cut off: make it one of `networking.sandbox.ports`, with the interface vb-${name}, or use another bridge"
      ) strangers
      ++ lib.mapAttrsToList (
        name: network:
        refuse "`systemd.network.networks.\"${name}\"` matches ${lib.concatStringsSep " and " (matching network)} of the sandbox, and comes before the sandbox's own, so that networkd would leave the sandbox out: give it a name that comes after 00-sandbox, or match fewer interfaces"
      ) earlier
      ++ [
        {
          assertion = config.systemd.network.enable;
          message = "`systemd.network.enable` is false, but systemd-networkd makes `networking.sandbox.bridge`, ${cfg.bridge}: leave it out; it leaves alone the interfaces that others manage";
        }
        {
          assertion = hasIPv6 -> config.networking.enableIPv6;
          message = "`networking.sandbox.subnet6` is ${toString cfg.subnet6}, but `networking.enableIPv6` is false, so this host is without IPv6: set `subnet6` and `gateway6` to null, or leave `enableIPv6` out";
        }
      ];
  };
}
