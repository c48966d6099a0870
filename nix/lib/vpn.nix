# What a VPN container and its services may send, as rules for the host that they run on and for the VPN container itself.
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elemAt
    filter
    mapAttrs
    ;
  inherit (import ./nftables.nix) nftChain nftSet replaceTables;
  inherit (import ./ports.nix)
    nowhereElse
    onlyThroughPorts
    portSeal
    portTables
    ;
  inherit (import ./reserved.nix) reservedIPv4 reservedIPv6;

  # That of the sandbox, which may be on the same host, is the first.
  seal = portSeal 2;
  quote = interface: "\"${interface}\"";
  anonymous = elements: "{ ${concatStringsSep ", " elements} }";
  when = condition: rule: if condition then [ rule ] else [ ];
  hook = name: priority: "type filter hook ${name} priority ${priority}; policy accept;";
  closed = name: "type filter hook ${name} priority filter - 10; policy drop;";
in
rec {
  /**
    The name of the VPN container, and of its port among those of the bridge.

    # Type

    ```
    vpnContainer :: String
    ```

    # Example

    ```nix
    "container@${vpnContainer}.service"
    => "container@vpn.service"
    ```
  */
  vpnContainer = "vpn";

  /**
    The name of a container's network interface on the host. systemd-nspawn names it so, and lets nobody choose.

    # Inputs

    `name`

    : The name of the container.

    # Type

    ```
    vpnPort :: String -> String
    ```

    # Example

    ```nix
    vpnPort "torrent"
    => "vb-torrent"
    ```
  */
  vpnPort = name: "vb-${name}";

  /**
    The tables that guard the bridge of a VPN container on the host. Ports are bound to MAC and IP address (`portTables`);
    a service exchanges frames with the VPN container, the host, and what `allowBetween` names; only the VPN container
    may also pass on what comes from elsewhere. The host forwards nothing from or to the bridge, whatever its settings of
    forwarding and address translation are, and sends nothing for its addresses to where it is not; it opens connections
    to the containers, and gets none but those of the VPN container to the proxy. The proxy itself reaches only public
    addresses, at its ports. There is no IPv6.

    # Inputs

    `name`

    : The name of all tables.

    `bridge`, `mac`

    : The interface of the bridge and its MAC address, which must not change.

    `subnet`, `hostAddress`

    : The IPv4 network of the bridge, and the host's address in it.

    `vpn`

    : The VPN container: `interface` on the host, `mac` and `address`.

    `services`

    : The service containers by name, each with the same.

    `allowBetween`

    : Pairs of names of services that may reach each other.

    `proxy`

    : Null without one, else the `port` that it listens on at `hostAddress`, the `user` that it runs as (a name or a
      number; nft takes only names that the host knows) and the TCP `ports` that it may connect to.

    # Type

    ```
    Port :: { interface, mac, address :: String }
    Vpn :: {
      name, bridge, mac, subnet, hostAddress :: String,
      vpn :: Port,
      services :: { <name> :: Port },
      allowBetween :: [ [String] ],
      proxy :: { port :: Int, user :: String, ports :: [Int] } | Null,
    }
    vpnTables :: Vpn -> [ { family :: String, name :: String, content :: [String] } ]
    ```

    # Example

    ```nix
    map (table: table.family) (vpnTables {
      name = "vpn";
      bridge = "vpn0";
      mac = "02:00:00:00:00:01";
      subnet = "10.73.0.0/24";
      hostAddress = "10.73.0.1";
      vpn = { interface = "vb-vpn"; mac = "02:00:00:00:00:02"; address = "10.73.0.2"; };
      services.torrent = { interface = "vb-torrent"; mac = "02:00:00:00:00:03"; address = "10.73.0.10"; };
      allowBetween = [ ];
      proxy = { port = 8888; user = "vpn-proxy"; ports = [ 443 8080 1337 ]; };
    })
    => [ "bridge" "arp" "inet" ]
    ```
  */
  vpnTables =
    {
      name,
      bridge,
      mac,
      subnet,
      hostAddress,
      vpn,
      services,
      allowBetween,
      proxy,
      ...
    }:
    let
      portOf = port: peers: {
        inherit (port) interface mac;
        addresses = [ port.address ];
        inherit peers;
      };
      partnersOf =
        service:
        concatMap (
          pair:
          if elemAt pair 0 == service then
            [ (elemAt pair 1) ]
          else
            when (elemAt pair 1 == service) (elemAt pair 0)
        ) allowBetween;
      ports = mapAttrs (service: port: portOf port ([ vpnContainer ] ++ partnersOf service)) services // {
        ${vpnContainer} = portOf vpn (attrNames services) // {
          router = subnet;
        };
      };
      in' = "iifname ${quote bridge}";
      out = "oifname ${quote bridge}";
      containers = anonymous (map (port: port.address) ([ vpn ] ++ attrValues services));
      tcpPorts = anonymous (map toString proxy.ports);
      ofProxy = "meta skuid ${proxy.user}";
      hasProxy = proxy != null;
      elsewhere = nowhereElse {
        inherit bridge;
        networks = [ subnet ];
      };

      inet = {
        family = "inet";
        inherit name;
        content = [
          # With br_netfilter, the frames that go from port to port come by here too. The host's address translation must not
          # find a new way for them.
          (nftChain "bridged" [
            (hook "prerouting" "raw")
            "${in'} ether daddr != ${mac} notrack"
          ])
          (nftChain "prerouting" (
            [ (hook "prerouting" "mangle") ] ++ onlyThroughPorts { inherit bridge seal ports; }
          ))
          # After address translation, which could make an address of the host of another destination.
          (nftChain "input" [
            (hook "input" "filter - 10")
            "${in'} goto to_host"
            "iifname != { ${quote bridge}, \"lo\" } ip daddr ${hostAddress} drop"
          ])
          (nftChain "to_host" (
            [ "ip daddr ${hostAddress} ct direction reply ct state established,related accept" ]
            ++ when hasProxy "ip saddr ${vpn.address} ip daddr ${hostAddress} tcp dport ${toString proxy.port} accept"
            ++ [ "drop" ]
          ))
          (nftChain "forward" (
            [
              (hook "forward" "filter - 10")
              # Linux takes the seal off what it routes, and what it routes is tracked.
              "${in'} ${out} meta priority ${seal} ct state untracked accept"
              "${in'} drop"
              "${out} drop"
            ]
            ++ elsewhere.to
          ))
          (nftChain "output" (
            [
              (hook "output" "filter - 10")
              "${out} goto to_containers"
            ]
            ++ elsewhere.to
            ++ when hasProxy "${ofProxy} goto from_proxy"
          ))
          (nftChain "to_containers" (
            when hasProxy "${ofProxy} ct direction original drop"
            ++ [
              "ip saddr ${hostAddress} ip daddr ${containers} accept"
              "drop"
            ]
          ))
        ]
        ++ when hasProxy (
          nftChain "from_proxy" (
            # The host's resolver may be anywhere.
            [
              "meta l4proto { tcp, udp } th dport 53 accept"
            ]
            ++ map (network: "ip daddr ${network} drop") reservedIPv4
            ++ map (network: "ip6 daddr ${network} drop") reservedIPv6
            ++ [
              "tcp dport ${tcpPorts} accept"
              "drop"
            ]
          )
        );
      };
    in
    portTables {
      inherit name seal ports;
      gateway = {
        inherit mac;
        addresses = [ hostAddress ];
      };
    }
    ++ [ inet ];

  /**
    The text for `nft -f` that puts the guard of `vpnTables` in place, or replaces it, in one transaction.

    # Inputs

    `vpn`

    : As for `vpnTables`.

    # Type

    ```
    vpnRuleset :: Vpn -> String
    ```

    # Example

    ```nix
    vpnRuleset { name = "vpn"; bridge = "vpn0"; … }
    => "table bridge vpn\ndelete table bridge vpn\n…"
    ```
  */
  vpnRuleset = vpn: replaceTables (vpnTables vpn);

  /**
    The tables inside of the VPN container that are loaded before anything else runs there, and stay. They are what
    `bulkhead-vpn` never goes beyond, so a daemon that has not started yet, was killed or has removed its own table
    leaves nothing open: services are forwarded to the tunnel alone, answers and the forwarded port come back, and the
    container itself reaches the tunnel, the proxy and the service that its hook talks to. What is in here opens nothing by
    itself: address translation, DNS and counters are the daemon's, and a packet has to be accepted by both.

    # Inputs

    `name`

    : The name of the table.

    `interface`

    : The WireGuard interface.

    `bridge`

    : The interface to the bridge, as it is called inside of the container.

    `services`

    : The addresses of the service containers.

    `proxy`

    : The `address` and `port` of the proxy, or null.

    `receiver`

    : Null, or the service that gets the forwarded port: its `address`, the `protocols`, and whether a `hook` talks to it.

    # Type

    ```
    vpnInsideTables :: {
      name, interface, bridge :: String,
      services :: [String],
      proxy :: { address :: String, port :: Int } | Null,
      receiver :: { address :: String, protocols :: [String], hook :: Bool } | Null,
    } -> [ { family :: String, name :: String, content :: [String] } ]
    ```

    # Example

    ```nix
    map (table: table.family) (vpnInsideTables {
      name = "inside";
      interface = "wg-vpn";
      bridge = "eth0";
      services = [ "10.73.0.10" ];
      proxy = { address = "10.73.0.1"; port = 8888; };
      receiver = null;
    })
    => [ "inet" ]
    ```
  */
  vpnInsideTables =
    {
      name,
      interface,
      bridge,
      services,
      proxy,
      receiver,
    }:
    let
      fromBridge = "iifname ${quote bridge}";
      toBridge = "oifname ${quote bridge}";
      fromTunnel = "iifname ${quote interface}";
      toTunnel = "oifname ${quote interface}";
      answers = "ct state established,related accept";
      hasServices = services != [ ];
    in
    [
      {
        family = "inet";
        inherit name;
        content = [
          (nftSet "services" "ipv4_addr" services)
          (nftChain "forward" (
            [ (closed "forward") ]
            ++ when hasServices "${fromBridge} ${toTunnel} ip saddr @services accept"
            ++ when hasServices "${fromTunnel} ${toBridge} ip daddr @services ${answers}"
            ++ (
              if receiver == null then
                [ ]
              else
                when (receiver.protocols != [ ])
                  "${fromTunnel} ${toBridge} ip daddr ${receiver.address} meta l4proto ${anonymous receiver.protocols} ct state new ct status dnat accept"
            )
          ))
          (nftChain "input" [
            (closed "input")
            "iifname \"lo\" accept"
            answers
            "${fromBridge} icmp type echo-request accept"
          ])
          (nftChain "output" (
            [
              (closed "output")
              "oifname \"lo\" accept"
              "${toTunnel} meta nfproto ipv4 accept"
              "${toBridge} ${answers}"
            ]
            ++ (
              if proxy == null then
                [ ]
              else
                [ "${toBridge} ip daddr ${proxy.address} tcp dport ${toString proxy.port} accept" ]
            )
            ++ (
              if receiver == null then
                [ ]
              else
                when receiver.hook "${toBridge} ip daddr ${receiver.address} accept"
            )
          ))
        ];
      }
    ];

  /**
    The text for `nft -f` with the tables of `vpnInsideTables`.

    # Inputs

    `inside`

    : As for `vpnInsideTables`.

    # Type

    ```
    vpnInsideRuleset :: AttrSet -> String
    ```

    # Example

    ```nix
    vpnInsideRuleset { name = "inside"; interface = "wg-vpn"; … }
    => "table inet inside\ndelete table inet inside\n…"
    ```
  */
  vpnInsideRuleset = inside: replaceTables (vpnInsideTables inside);
}
