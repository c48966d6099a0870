# What workspaces may reach, as rules for the host that they run on.
let
  inherit (builtins)
    any
    attrNames
    concatMap
    concatStringsSep
    elemAt
    filter
    genList
    length
    mapAttrs
    ;
  inherit (import ./addresses.nix) networksOverlap parseAddress parseNetwork;
  inherit (import ./nftables.nix) nftChain nftSet replaceTables;
  inherit (import ./ports.nix)
    nowhereElse
    onlyThroughPorts
    portSeal
    portTables
    ;
  inherit (import ./reserved.nix) reservedIPv4 reservedIPv6;

  seal = portSeal 1;
  quote = interface: "\"${interface}\"";
  present = filter (item: item != null);
  isIPv4 = address: length (parseAddress address) == 4;
  isIPv4Network = network: builtins.match "[0-9.]+/[0-9]+" network != null;
  families = [
    {
      ip = "ip";
      type = "ipv4_addr";
      suffix = "";
      mine = isIPv4;
      mineNetwork = isIPv4Network;
      reserved = reservedIPv4;
      echo = "icmp type echo-request";
    }
    {
      ip = "ip6";
      type = "ipv6_addr";
      suffix = "6";
      mine = address: !isIPv4 address;
      mineNetwork = network: !isIPv4Network network;
      reserved = reservedIPv6;
      echo = "icmpv6 type echo-request";
    }
  ];

  # Without networks that lie in others of the list, which nft would not take.
  apart =
    networks:
    let
      prefixOf = network: (parseNetwork network).prefix;
      given = genList (index: {
        inherit index;
        network = elemAt networks index;
      }) (length networks);
      isCovered =
        it:
        any (
          other:
          other.index != it.index
          && networksOverlap other.network it.network
          && (
            prefixOf other.network < prefixOf it.network
            || prefixOf other.network == prefixOf it.network && other.index < it.index
          )
        ) given;
    in
    map (it: it.network) (filter (it: !isCovered it) given);

  addressesOf =
    port:
    present [
      port.address
      port.address6
    ];
in
rec {
  /**
    The tables that guard a sandbox: those of the bridge's ports, which bind workspaces to their addresses and keep them
    apart (`portTables`), and one of the inet family, which says what they reach. A workspace reaches the public internet
    through the upstream interfaces, the gateway's resolver and ping, the holes of `allow`, and nothing else; answers
    come back; nobody outside opens a connection to a workspace, but the host itself may. IPv6 is dropped as a whole unless the gateway
    has an address of it, and guarded in the same way if it has.

    The verdicts hold whatever the host's firewall does: a packet that one table drops is dropped. A packet that these
    tables accept may still be dropped by another one.

    # Inputs

    `name`

    : The name of all tables.

    `bridge`, `mac`

    : The interface of the bridge and its MAC address, which must not change.

    `subnet`, `subnet6`

    : The networks of the bridge, which are nowhere else.

    `gateway`, `gateway6`

    : The addresses of the host on the bridge. Without IPv6, `gateway6` is null, and `subnet6` means nothing.

    `upstreams`

    : The interfaces that lead to the internet. Through others a workspace reaches only what a hole names.

    `ports`

    : The workspaces by name, each with its `interface` on the host, `mac`, `address` and `address6`, one of which may be
      null.

    `allow`

    : The holes: each with `address`, `port`, `protocol` (`"tcp"` or `"udp"`) and `from`, the names of the workspaces that
      it is for, or null for all of them.

    `allowBetween`

    : Pairs of names of workspaces that may reach each other.

    `deny`

    : Networks that are not to be reached, beyond those that are no part of the public internet.

    `dns`

    : Whether workspaces may ask the gateway for names (port 53).

    # Type

    ```
    Sandbox :: {
      name, bridge, mac, subnet, gateway :: String,
      subnet6, gateway6 :: String | Null,
      upstreams :: [String],
      ports :: { <name> :: { interface, mac :: String, address, address6 :: String | Null } },
      allow :: [ { address :: String, port :: Int, protocol :: String, from :: [String] | Null } ],
      allowBetween :: [ [String] ],
      deny :: [String],
      dns :: Bool,
    }
    sandboxTables :: Sandbox -> [ { family :: String, name :: String, content :: [String] } ]
    ```

    # Example

    ```nix
    map (table: table.family) (sandboxTables {
      name = "sandbox";
      bridge = "sandbox0";
      mac = "02:00:00:00:00:01";
      subnet = "10.0.0.0/24";
      gateway = "10.0.0.1";
      subnet6 = null;
      gateway6 = null;
      upstreams = [ "eth0" ];
      ports.dev = { interface = "vb-dev"; mac = "02:00:00:00:00:02"; address = "10.0.0.2"; address6 = null; };
      allow = [ ];
      allowBetween = [ ];
      deny = [ ];
      dns = true;
    })
    => [ "bridge" "arp" "inet" ]
    ```
  */
  sandboxTables =
    {
      name,
      bridge,
      mac,
      subnet,
      gateway,
      subnet6,
      gateway6,
      upstreams,
      ports,
      allow,
      allowBetween,
      deny,
      dns,
    }:
    let
      hasIPv6 = gateway6 != null;
      elsewhere = nowhereElse {
        inherit bridge;
        networks = [ subnet ] ++ (if hasIPv6 then [ subnet6 ] else [ ]);
      };
      gateways = present [
        gateway
        gateway6
      ];
      used = filter (family: family.ip == "ip" || hasIPv6) families;
      forFamilies = f: concatMap f used;

      guarded = mapAttrs (portName: port: {
        inherit (port) interface mac;
        addresses = filter (address: hasIPv6 || isIPv4 address) (addressesOf port);
        peers = filter (peer: peer != null) (
          map (
            pair:
            if elemAt pair 0 == portName then
              elemAt pair 1
            else if elemAt pair 1 == portName then
              elemAt pair 0
            else
              null
          ) allowBetween
        );
      }) ports;

      # Holes for each workspace they are for: the port table vouches for source addresses.
      holesOf =
        family: hole:
        if !family.mine hole.address then
          [ ]
        else
          concatMap (
            portName:
            map (source: "${source} . ${hole.address} . ${hole.protocol} . ${toString hole.port}") (
              filter family.mine guarded.${portName}.addresses
            )
          ) (if hole.from == null then attrNames ports else hole.from);
      holes = family: concatMap (holesOf family) allow;
      pairs =
        family:
        concatMap (
          portName:
          concatMap (
            source:
            concatMap (
              peer: map (target: "${source} . ${target}") (filter family.mine guarded.${peer}.addresses)
            ) guarded.${portName}.peers
          ) (filter family.mine guarded.${portName}.addresses)
        ) (attrNames guarded);
      unless = elements: rule: if elements == [ ] then [ ] else [ rule ];

      throughHole =
        verdict: family:
        unless (holes family) "${family.ip} saddr . ${family.ip} daddr . meta l4proto . th dport @holes${family.suffix} ${verdict}";
      gatewayOf = family: filter family.mine gateways;
      atGateway = family: "${family.ip} daddr ${elemAt (gatewayOf family) 0}";
      in' = "iifname ${quote bridge}";
      out = "oifname ${quote bridge}";
      anonymous = names: "{ ${concatStringsSep ", " (map quote names)} }";

      # Only the side that answers is let through without a look at where it goes. Connections that were opened while no
      # guard was there don't go on.
      answer = "ct direction reply ct state established,related";
      answers = "${answer} accept";
      # To the host, a workspace answers for itself alone: an ICMP error is an answer too, whoever sends it.
      ownAnswers =
        family:
        unless (own family) "${answer} ${family.ip} saddr . ct reply ${family.ip} saddr @own${family.suffix} accept";
      own =
        family:
        concatMap (
          portName:
          map (address: "${address} . ${address}") (filter family.mine guarded.${portName}.addresses)
        ) (attrNames guarded);
      hook = name: priority: "type filter hook ${name} priority ${priority}; policy accept;";

      inet = {
        family = "inet";
        inherit name;
        content =
          forFamilies (family: [
            (nftSet "holes${family.suffix}" "${family.type} . ${family.type} . inet_proto . inet_service" (
              holes family
            ))
            (nftSet "pairs${family.suffix}" "${family.type} . ${family.type}" (pairs family))
            (nftSet "own${family.suffix}" "${family.type} . ${family.type}" (own family))
          ])
          ++ [
            # Before address translation (-100), which could make another destination of an address of the host.
            (nftChain "prerouting" (
              [ (hook "prerouting" "mangle") ]
              ++ onlyThroughPorts {
                inherit bridge seal;
                ports = guarded;
              }
              ++ [ "${in'} fib daddr type != unicast goto to_host" ]
            ))
            # After it, which could make an address of the host of another destination.
            (nftChain "input" [
              (hook "input" "filter - 10")
              "${in'} goto to_host"
              "iifname != { ${quote bridge}, \"lo\" } ip daddr ${gateway} drop"
              (if hasIPv6 then "iifname != { ${quote bridge}, \"lo\" } ip6 daddr ${gateway6} drop" else "")
            ])
            (nftChain "to_host" (
              forFamilies (
                family:
                ownAnswers family
                ++ [ "${atGateway family} ${family.echo} accept" ]
                ++ (if dns then [ "${atGateway family} meta l4proto { tcp, udp } th dport 53 accept" ] else [ ])
                ++ throughHole "accept" family
              )
              ++ (
                if hasIPv6 then
                  [ "ip6 nexthdr icmpv6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept" ]
                else
                  [ ]
              )
              ++ [ "drop" ]
            ))
            (nftChain "forward" (
              [
                (hook "forward" "filter - 10")
                "${in'} goto from_workspaces"
                "${out} goto to_workspaces"
              ]
              ++ elsewhere.to
              ++ elsewhere.from
            ))
            (nftChain "output" ([ (hook "output" "filter - 10") ] ++ elsewhere.to))
            (nftChain "from_workspaces" (
              # From bridge to bridge: between two workspaces, if br_netfilter shows bridged frames here, and if one sends
              # packets for another one to the gateway.
              forFamilies (
                family:
                unless (pairs family) "${out} ${family.ip} saddr . ${family.ip} daddr @pairs${family.suffix} accept"
              )
              # Neighbour discovery has this hop limit only if nobody has forwarded it (RFC 4861, 7.1).
              ++ (
                if hasIPv6 then
                  unless (pairs (elemAt families 1)) "${out} ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
                else
                  [ ]
              )
              ++ forFamilies (
                family:
                throughHole "accept" family
                # One rule for each, and no set: the elements of a set of intervals may become visible only a moment after
                # the rules that refer to it do, and in that moment this would let everything through.
                ++ map (network: "${family.ip} daddr ${network} drop") (
                  apart (family.reserved ++ filter family.mineNetwork deny)
                )
              )
              ++ unless upstreams "oifname ${anonymous upstreams} accept"
              ++ [ "drop" ]
            ))
            (nftChain "to_workspaces" [
              answers
              "drop"
            ])
            (nftChain "postrouting" (
              [ "type nat hook postrouting priority srcnat; policy accept;" ]
              ++ unless upstreams "${in'} oifname ${anonymous upstreams} masquerade"
              ++ forFamilies (
                family:
                unless (holes family) "${in'} ${family.ip} saddr . ${family.ip} daddr . meta l4proto . th dport @holes${family.suffix} oifname != ${
                  anonymous (upstreams ++ [ bridge ])
                } masquerade"
              )
            ))
          ];
      };
    in
    portTables {
      inherit name seal;
      gateway = {
        inherit mac;
        addresses = gateways;
      };
      ports = guarded;
    }
    ++ [ inet ];

  /**
    The text for `nft -f` that puts a sandbox's guard in place, or replaces it, in one transaction.

    # Inputs

    `sandbox`

    : As for `sandboxTables`.

    # Type

    ```
    sandboxRuleset :: Sandbox -> String
    ```

    # Example

    ```nix
    sandboxRuleset { name = "sandbox"; bridge = "sandbox0"; … }
    => "table bridge sandbox\ndelete table bridge sandbox\n…"
    ```
  */
  sandboxRuleset = sandbox: replaceTables (sandboxTables sandbox);
}
