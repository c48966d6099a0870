# The ports of a guarded bridge: what a frame that comes in by one may say about where it comes from, and to which ports
# it may go. For every kind of compartment on a bridge; what they may reach beyond it is not said here.
let
  inherit (builtins)
    attrValues
    concatMap
    concatStringsSep
    filter
    length
    replaceStrings
    ;
  inherit (import ./addresses.nix) hexOfAddress linkLocalAddress parseAddress;
  inherit (import ./nftables.nix) nftChain nftSet;

  quote = interface: "\"${interface}\"";
  anonymous = elements: "{ ${concatStringsSep ", " elements} }";
  # What no machine sends from (RFC 1122, 3.2.1.3): "this network", loopback, multicast and what is kept for later use.
  notOfMachines = [
    "0.0.0.0/8"
    "127.0.0.0/8"
    "224.0.0.0/3"
  ];
  chainOfRouter = port: "from_router_${port.interface}";
  hexOfMac = replaceStrings [ ":" ] [ "" ];
  # The group address of link aggregation (IEEE 802.1AX), which no setting makes a bridge forward.
  aggregation = "01:80:c2:00:00:02";
  ofFamily = size: port: filter (address: length (parseAddress address) == size) port.addresses;
  addresses4 = ofFamily 4;
  addresses6 = ofFamily 8;
in
rec {
  /**
    The group addresses 01:80:c2:00:00:0x that a bridge treats as any other one, as networkd's `GroupForwardMask=` and the
    kernel's `group_fwd_mask` have them: a bit for each x, all but the three that Linux refuses. Frames to an address
    that is not among them are given to the host by way of the port, as if there were no bridge. With that of LLDP (14), no
    hook of the bridge family sees them, and the bridge learns from them which MAC addresses are behind the port: so whoever
    sends them could take those of others.

    # Type

    ```
    groupForwardMask :: Int
    ```

    # Example

    ```nix
    groupForwardMask
    => 65528
    ```
  */
  groupForwardMask = 65528; # 0xfff8

  /**
    The features of a bridge that the tables of its ports depend on, as ip-link(8) names them: no frame goes around the
    rules (`groupForwardMask`), neighbour solicitations reach ports that have joined no group, and the bridge itself sends
    nothing to its ports.

    # Type

    ```
    bridgeFeatures :: { <name> :: Int }
    ```

    # Example

    ```nix
    bridgeFeatures
    => { group_fwd_mask = 65528; mcast_snooping = 0; stp_state = 0; }
    ```
  */
  bridgeFeatures = {
    group_fwd_mask = groupForwardMask;
    mcast_snooping = 0;
    stp_state = 0;
  };

  /**
    What `portTables` writes to `meta priority` of the frames that it has let pass (no traffic class uses it, and Linux
    sets the field anew when it forwards a packet, and to zero when one comes from another network namespace). The rules
    for packets that come from the bridge must refuse those without it: they came by a port that nobody has declared. They
    must also refuse those with it that come from elsewhere, so each bridge of a host has a seal of its own.

    # Inputs

    `number`

    : The number of the bridge among those of the host, from 1 to 9.

    # Type

    ```
    portSeal :: Int -> String
    ```

    # Example

    ```nix
    portSeal 1
    => "b01d:1"
    ```
  */
  portSeal = number: "b01d:${toString number}";

  /**
    The tables of a guarded bridge's ports. They bind each port to its MAC address and its IP addresses, in IP, ARP and
    neighbour discovery together, and keep ports apart. Whatever they do not know is dropped: VLAN tags, other
    ethertypes, multicast and broadcasts but for ARP and neighbour solicitation, router advertisements, redirects.

    Nobody learns of frames for others, either: what leaves by a port is for its MAC address, or for a group.

    Interfaces are matched by name, so the tables can be loaded before they exist. The bridge has to have `groupForwardMask`:
    frames to certain group addresses pass no rules of a bridge otherwise.

    # Inputs

    `name`

    : The name of the tables.

    `seal`

    : What frames that have passed get, as `portSeal` gives it.

    `gateway`

    : The host's end: the `mac` of the bridge itself, which must not change, and its `addresses`.

    `ports`

    : The ports by their names, each with its `interface`, `mac`, `addresses` (of IPv4 and IPv6) and `peers`, the names of
      other ports that it may exchange frames with. All may exchange frames with the gateway. Peers have to name each
      other. A port with `router`, the IPv4 network of the bridge, may also send its peers what comes from elsewhere:
      from any address that is not of that network, and that some machine can have.

    # Type

    ```
    Port :: {
      interface :: String, mac :: String, addresses :: [String], peers :: [String], router :: Optional String,
    }
    portTables :: {
      name :: String,
      seal :: String,
      gateway :: { mac :: String, addresses :: [String] },
      ports :: { <name> :: Port },
    } -> [ { family :: String, name :: String, content :: [String] } ]
    ```

    # Example

    ```nix
    map (table: table.family) (portTables {
      name = "sandbox";
      seal = portSeal 1;
      gateway = { mac = "02:00:00:00:00:01"; addresses = [ "10.0.0.1" ]; };
      ports.dev = { interface = "vb-dev"; mac = "02:00:00:00:00:02"; addresses = [ "10.0.0.2" ]; peers = [ ]; };
    })
    => [ "bridge" "arp" ]
    ```
  */
  portTables =
    {
      name,
      seal,
      gateway,
      ports,
    }:
    let
      all = attrValues ports;
      interfaces = map (port: quote port.interface) all;
      peersOf = port: map (peer: ports.${peer}) port.peers;
      perPort = f: concatMap (port: map (element: "${quote port.interface} . ${element}") (f port)) all;
      macs = map (port: port.mac) all;
      own = perPort (port: [ port.mac ]);

      bound = perPort (port: map (address: "${port.mac} . ${address}") (addresses4 port));
      bound6 = perPort (port: map (address: "${port.mac} . ${address}") (addresses6 port));
      # Neighbour discovery also comes from the link-local address.
      withLinkLocal =
        port: if addresses6 port == [ ] then [ ] else addresses6 port ++ [ (linkLocalAddress port.mac) ];
      neighbours6 = perPort (port: map (address: "${port.mac} . ${address}") (withLinkLocal port));
      destinations = perPort (port: [ gateway.mac ] ++ map (peer: peer.mac) (peersOf port));
      # A port may ask who has these addresses.
      askable = perPort (port: addresses4 gateway ++ concatMap addresses4 (peersOf port));
      pairs = perPort (port: map (peer: quote peer.interface) (peersOf port));
      routers = filter (port: port ? router && port.peers != [ ]) all;
      # One rule for each network, and no set of intervals: see sandbox.nix.
      fromRouter =
        port:
        map (network: "ip saddr ${network} drop") ([ port.router ] ++ notOfMachines)
        ++ [ "ether daddr ${anonymous (map (peer: peer.mac) (peersOf port))} ${pass}" ]
        ++ [ "drop" ];
      hasIPv4 = bound != [ ];
      hasIPv6 = bound6 != [ ];

      # The fields of neighbour discovery (RFC 4861, 4.3, 4.4 and 4.6.1), for which nft has names only from 1.0.8 on: the
      # target of 16 bytes, and after it the one option that may be there, a link-layer address.
      targets = anonymous (
        perPort (port: map (address: "0x${hexOfAddress (parseAddress address)}") (withLinkLocal port))
      );
      optionOf =
        type:
        anonymous (
          perPort (port: if addresses6 port == [ ] then [ ] else [ "0x${type}01${hexOfMac port.mac}" ])
        );
      solicitation = "ip6 length 32 iifname . @th,192,64 ${optionOf "01"}";
      advertisement = "iifname . @th,64,128 ${targets}";
      # Without extension headers, a fragment's among them: only a part of it might be seen here (RFC 6980).
      neighbourFrom = "ether type ip6 ip6 nexthdr icmpv6 iifname . ether saddr . ip6 saddr @neighbours6";
      pass = "meta priority set ${seal} accept";

      fromPort =
        (
          if hasIPv4 then
            [
              "ether type ip iifname . ether saddr . ip saddr @bound iifname . ether daddr @destinations ${pass}"
              # Both the frame and the ARP message in it come from the port's own addresses (RFC 826, Ethernet and IPv4).
              "ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . ether saddr . arp saddr ip @bound iifname . arp saddr ether . arp saddr ip @bound goto from_port_arp"
            ]
            ++ map (
              port:
              "ether type ip iifname ${quote port.interface} ether saddr ${port.mac} goto ${chainOfRouter port}"
            ) routers
          else
            [ ]
        )
        ++ (
          if hasIPv6 then
            [
              "${neighbourFrom} icmpv6 type nd-neighbor-solicit ${solicitation} ${pass}"
              "${neighbourFrom} icmpv6 type nd-neighbor-advert ip6 length 24 ${advertisement} ${pass}"
              "${neighbourFrom} icmpv6 type nd-neighbor-advert ip6 length 32 ${advertisement} iifname . @th,192,64 ${optionOf "02"} ${pass}"
              "ether type ip6 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } drop"
              "ether type ip6 iifname . ether saddr . ip6 saddr @bound6 iifname . ether daddr @destinations ${pass}"
            ]
          else
            [ ]
        )
        ++ [ "drop" ];
    in
    # Also without ports there are tables, which replace those of earlier ones.
    [
      {
        family = "bridge";
        inherit name;
        content =
          if all == [ ] then
            [ ]
          else
            [
              (nftSet "ports" "ifname" interfaces)
              (nftSet "macs" "ether_addr" macs)
              (nftSet "own" "ifname . ether_addr" own)
              (nftSet "bound" "ifname . ether_addr . ipv4_addr" bound)
              (nftSet "destinations" "ifname . ether_addr" destinations)
              (nftSet "askable" "ifname . ipv4_addr" askable)
            ]
            ++ (
              if hasIPv6 then
                [
                  (nftSet "bound6" "ifname . ether_addr . ipv6_addr" bound6)
                  (nftSet "neighbours6" "ifname . ether_addr . ipv6_addr" neighbours6)
                ]
              else
                [ ]
            )
            ++ [
              (nftSet "pairs" "ifname . ifname" pairs)
              # Before br_netfilter (priority 0) takes frames to the hooks for IP, and before the address translation of
              # the bridge family (-300).
              (nftChain "prerouting" [
                "type filter hook prerouting priority -400; policy accept;"
                "iifname @ports goto from_port"
                # Else the bridge would believe that they are behind another port.
                "ether saddr @macs drop"
              ])
              (nftChain "from_port" fromPort)
            ]
            ++ map (port: nftChain (chainOfRouter port) (fromRouter port)) routers
            ++ (
              if hasIPv4 then
                [
                  (nftChain "from_port_arp" [
                    "arp operation request iifname . arp daddr ip @askable ${pass}"
                    "arp operation reply iifname . ether daddr @destinations ${pass}"
                    "drop"
                  ])
                ]
              else
                [ ]
            )
            ++ [
              (nftChain "forward" [
                "type filter hook forward priority filter; policy accept;"
                (if pairs == [ ] then "" else "iifname . oifname @pairs accept")
                "iifname @ports drop"
                "oifname @ports drop"
              ])
              # Here too come frames to group addresses that a bridge keeps to itself, which have not met the rules above. It
              # would learn from them where MAC addresses are, and give what is in them to the host.
              (nftChain "input" [
                "type filter hook input priority filter; policy accept;"
                "iifname @ports meta priority != ${seal} drop"
                "ether daddr ${aggregation} ether type { ip, ip6, arp } drop"
              ])
              # A frame for a MAC address that the bridge has forgotten, or never knew, goes out by all ports.
              (nftChain "postrouting" [
                "type filter hook postrouting priority filter; policy accept;"
                "oifname . ether daddr @own accept"
                "ether daddr @macs drop"
                "oifname @ports ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 drop"
              ])
            ];
      }
      # No hook of the bridge family sees the frames of a port that is not in the bridge yet. What is IP in them,
      # `onlyThroughPorts` drops.
      {
        family = "arp";
        inherit name;
        content =
          if all == [ ] then
            [ ]
          else
            [
              (nftChain "input" [
                "type filter hook input priority filter; policy accept;"
                "iifname ${anonymous interfaces} drop"
              ])
            ];
      }
    ];

  /**
    Rules for a table of the inet family, in a chain that sees packets before they are routed. Dropped are those that come
    by a port that is not in the bridge, those that come from the bridge without having passed `portTables`, and those that
    have and come from another interface: somebody has given the bridge another name, or put something on top of it, and
    rules that know it by its name would let them through.

    # Inputs

    `bridge`

    : The interface of the bridge.

    `seal`, `ports`

    : As for `portTables`.

    # Type

    ```
    onlyThroughPorts :: { bridge :: String, seal :: String, ports :: { <name> :: Port } } -> [String]
    ```

    # Example

    ```nix
    onlyThroughPorts { bridge = "sandbox0"; seal = portSeal 1; ports = { }; }
    => [
      "iifname \"sandbox0\" meta priority != b01d:1 drop"
      "iifname != \"sandbox0\" meta priority b01d:1 drop"
    ]
    ```
  */
  onlyThroughPorts =
    {
      bridge,
      seal,
      ports,
    }:
    (
      if ports == { } then
        [ ]
      else
        [
          "iifname ${anonymous (map (port: quote port.interface) (attrValues ports))} drop"
        ]
    )
    ++ [
      "iifname ${quote bridge} meta priority != ${seal} drop"
      "iifname != ${quote bridge} meta priority ${seal} drop"
    ];

  /**
    Rules for tables of the inet family: the networks of a bridge are nowhere else. `to` is for chains that see what is
    forwarded and what the host sends, `from` for one that sees what is forwarded. What they drop would go past rules that
    know the bridge by its name: it has another one, or it is gone or down and the host's routes lead elsewhere, or somebody
    outside sends with an address of the bridge.

    # Inputs

    `bridge`

    : The interface of the bridge.

    `networks`

    : Its networks, of IPv4 and IPv6.

    # Type

    ```
    nowhereElse :: { bridge :: String, networks :: [String] } -> { to, from :: [String] }
    ```

    # Example

    ```nix
    (nowhereElse { bridge = "sandbox0"; networks = [ "10.0.0.0/24" ]; }).to
    => [ "oifname != { \"sandbox0\", \"lo\" } ip daddr 10.0.0.0/24 drop" ]
    ```
  */
  nowhereElse =
    { bridge, networks }:
    let
      here = anonymous (
        map quote [
          bridge
          "lo"
        ]
      );
      familyOf = network: if builtins.match ".*:.*" network == null then "ip" else "ip6";
    in
    {
      to = map (network: "oifname != ${here} ${familyOf network} daddr ${network} drop") networks;
      from = map (network: "iifname != ${here} ${familyOf network} saddr ${network} drop") networks;
    };
}
