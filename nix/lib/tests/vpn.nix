# The tests of the VPN container's rules and scripts, for tests.nix.
lib:
let
  inherit (builtins) concatStringsSep filter mapAttrs;

  port = number: {
    interface = "vb-${toString number}";
    mac = "02:00:00:00:00:0${toString number}";
    address = "10.73.0.${toString number}";
  };
  vpn = {
    name = "vpn";
    bridge = "vpn0";
    mac = "02:00:00:00:00:01";
    subnet = "10.73.0.0/24";
    hostAddress = "10.73.0.1";
    vpn = port 2;
    services = {
      a = port 3;
      b = port 4;
    };
    allowBetween = [ ];
    proxy = {
      port = 8888;
      user = "proxy";
      ports = [
        443
        1337
      ];
    };
  };
  inside = {
    name = "inside";
    interface = "wg-vpn";
    bridge = "eth0";
    services = [
      "10.73.0.3"
      "10.73.0.4"
    ];
    proxy = {
      address = "10.73.0.1";
      port = 8888;
    };
    receiver = null;
  };
  receiver = {
    address = "10.73.0.4";
    protocols = [ "tcp" ];
    hook = false;
  };

  has =
    text: part:
    builtins.length (builtins.split (builtins.replaceStrings [ "." ] [ "\\." ] part) text) > 1;
  # The lines of a chain or set in the table of a family.
  linesOf =
    tables: family: name:
    let
      table = builtins.head (filter (table: table.family == family) tables);
      bodies = filter (body: body != null) (
        map (text: builtins.match "(chain|set) ${name} [{]\n(.*)\n[}]" text) table.content
      );
      trim = line: builtins.head (builtins.match "[ ]*(.*)" line);
    in
    if bodies == [ ] then
      null
    else
      map trim (
        filter builtins.isString (builtins.split "\n" (builtins.elemAt (builtins.head bodies) 1))
      );
  services = mapAttrs (_: service: service // { receives = false; }) vpn.services;
  described =
    changes:
    vpn
    // {
      interface = "wg-vpn";
      inherit services;
      hook = false;
      others = [ ];
    }
    // changes;
  host = changes: linesOf (lib.vpnTables (vpn // changes));
  within = changes: linesOf (lib.vpnInsideTables (inside // changes)) "inet";
in
{
  "services exchange frames with the VPN container and not with each other" = {
    got = host { } "bridge" "pairs";
    want = [
      "type ifname . ifname"
      "elements = {"
      ''"vb-3" . "vb-2",''
      ''"vb-4" . "vb-2",''
      ''"vb-2" . "vb-3",''
      ''"vb-2" . "vb-4",''
      "}"
    ];
  };
  "a pair of services is one in both directions" = {
    got =
      filter
        (
          line:
          builtins.elem line [
            ''"vb-3" . "vb-4",''
            ''"vb-4" . "vb-3",''
          ]
        )
        (
          host {
            allowBetween = [
              [
                "b"
                "a"
              ]
            ];
          } "bridge" "pairs"
        );
    want = [
      ''"vb-3" . "vb-4",''
      ''"vb-4" . "vb-3",''
    ];
  };
  "only the VPN container passes on what comes from elsewhere, and to services alone" = {
    got = {
      rule = filter (line: has line "goto from_router") (host { } "bridge" "from_port");
      chain = host { } "bridge" "from_router_vb-2";
    };
    want = {
      rule = [
        ''ether type ip iifname "vb-2" ether saddr 02:00:00:00:00:02 goto from_router_vb-2''
      ];
      chain = [
        "ip saddr 10.73.0.0/24 drop"
        "ip saddr 0.0.0.0/8 drop"
        "ip saddr 127.0.0.0/8 drop"
        "ip saddr 224.0.0.0/3 drop"
        "ether daddr { 02:00:00:00:00:03, 02:00:00:00:00:04 } meta priority set ${lib.portSeal 2} accept"
        "drop"
      ];
    };
  };
  "what is not a router has no chain for it" = {
    got = map (table: filter (text: has text "router") table.content) (
      lib.vpnTables (vpn // { services = { }; })
    );
    want = [
      [ ]
      [ ]
      [ ]
    ];
  };
  "the host gets answers and what the VPN container asks of the proxy" = {
    got = host { } "inet" "to_host";
    want = [
      "ip daddr 10.73.0.1 ct direction reply ct state established,related accept"
      "ip saddr 10.73.0.2 ip daddr 10.73.0.1 tcp dport 8888 accept"
      "drop"
    ];
  };
  "without a proxy nobody opens a connection to the host" = {
    got = {
      input = host { proxy = null; } "inet" "to_host";
      output = host { proxy = null; } "inet" "to_containers";
      from = host { proxy = null; } "inet" "from_proxy";
    };
    want = {
      input = [
        "ip daddr 10.73.0.1 ct direction reply ct state established,related accept"
        "drop"
      ];
      output = [
        "ip saddr 10.73.0.1 ip daddr { 10.73.0.2, 10.73.0.3, 10.73.0.4 } accept"
        "drop"
      ];
      from = null;
    };
  };
  "the host forwards only what the bridge shows it" = {
    got = host { } "inet" "forward";
    want = [
      "type filter hook forward priority filter - 10; policy accept;"
      ''iifname "vpn0" oifname "vpn0" meta priority ${lib.portSeal 2} ct state untracked accept''
      ''iifname "vpn0" drop''
      ''oifname "vpn0" drop''
      ''oifname != { "vpn0", "lo" } ip daddr 10.73.0.0/24 drop''
    ];
  };
  "the host sends nothing for the bridge to elsewhere" = {
    got = builtins.elem ''oifname != { "vpn0", "lo" } ip daddr 10.73.0.0/24 drop'' (
      host { } "inet" "output"
    );
    want = true;
  };
  "the proxy reaches no network that is not public" = {
    got =
      let
        rules = host { } "inet" "from_proxy";
        dropped =
          network:
          builtins.elem "ip daddr ${network} drop" rules || builtins.elem "ip6 daddr ${network} drop" rules;
      in
      {
        missing = filter (network: !dropped network) (lib.reservedIPv4 ++ lib.reservedIPv6);
        last = builtins.elemAt rules (builtins.length rules - 1);
        open = filter (rule: has rule "accept") rules;
      };
    want = {
      missing = [ ];
      last = "drop";
      open = [
        "meta l4proto { tcp, udp } th dport 53 accept"
        "tcp dport { 443, 1337 } accept"
      ];
    };
  };
  "the VPN container forwards services to the tunnel, and nothing else" = {
    got = within { } "forward";
    want = [
      "type filter hook forward priority filter - 10; policy drop;"
      ''iifname "eth0" oifname "wg-vpn" ip saddr @services accept''
      ''iifname "wg-vpn" oifname "eth0" ip daddr @services ct state established,related accept''
    ];
  };
  "what opens a connection from the tunnel was translated to the receiver" = {
    got = builtins.elemAt (within { inherit receiver; } "forward") 3;
    want = ''iifname "wg-vpn" oifname "eth0" ip daddr 10.73.0.4 meta l4proto { tcp } ct state new ct status dnat accept'';
  };
  "the VPN container itself reaches the tunnel and the proxy" = {
    got = within { inherit receiver; } "output";
    want = [
      "type filter hook output priority filter - 10; policy drop;"
      ''oifname "lo" accept''
      ''oifname "wg-vpn" meta nfproto ipv4 accept''
      ''oifname "eth0" ct state established,related accept''
      ''oifname "eth0" ip daddr 10.73.0.1 tcp dport 8888 accept''
    ];
  };
  "only a hook reaches its service, and without a proxy there is no way to the host" = {
    got = filter (line: has line "daddr") (
      within {
        proxy = null;
        receiver = receiver // {
          hook = true;
        };
      } "output"
    );
    want = [ ''oifname "eth0" ip daddr 10.73.0.4 accept'' ];
  };
  "without services nothing is forwarded" = {
    got = within { services = [ ]; } "forward";
    want = [ "type filter hook forward priority filter - 10; policy drop;" ];
  };
  "no rule lets IPv6 through" = {
    got =
      let
        text = lib.vpnRuleset vpn + lib.vpnInsideRuleset (inside // { inherit receiver; });
        accepting = filter (line: builtins.isString line && has line "accept") (builtins.split "\n" text);
      in
      filter (line: has line "ip6" || has line "ipv6") accepting;
    want = [ ];
  };
  "the proxy lets through what CONNECT asks for, at the provider's hosts and ports" = {
    got = lib.vpnProxyFilter {
      domains = [
        "example.com"
        "example.net"
      ];
      ports = [
        443
        1337
      ];
    };
    want = concatStringsSep "\n" [
      ''^\([0-9]\{1,3\}\.\)\{3\}[0-9]\{1,3\}:443$''
      ''^[A-Za-z0-9.-]*\.example\.com:443$''
      ''^[A-Za-z0-9.-]*\.example\.net:443$''
      ''^\([0-9]\{1,3\}\.\)\{3\}[0-9]\{1,3\}:1337$''
      ''^[A-Za-z0-9.-]*\.example\.com:1337$''
      ''^[A-Za-z0-9.-]*\.example\.net:1337$''
      ""
    ];
  };
  "the proxy listens on the bridge and serves one client" = {
    got =
      map
        (has (
          lib.vpnProxyConfig {
            listen = "10.73.0.1";
            port = 8888;
            client = "10.73.0.2";
            filter = "/etc/filter";
            ports = [ 443 ];
          }
        ))
        [
          "Listen 10.73.0.1\n"
          "Allow 10.73.0.2\n"
          "FilterURLs On\n"
          "FilterDefaultDeny Yes\n"
          "ConnectPort 443\n"
        ];
    want = [
      true
      true
      true
      true
      true
    ];
  };
  "a good VPN has no faults" = {
    got = lib.vpnFaults (described { });
    want = [ ];
  };
  "what is wrong is told with both sides" = {
    got = builtins.concatMap (changes: lib.vpnFaults (described changes)) [
      { hostAddress = "10.74.0.1"; }
      {
        services = services // {
          b = services.b // {
            address = "10.73.0.3";
          };
        };
      }
      { services = mapAttrs (_: service: service // { receives = true; }) services; }
      { interface = "vpn0"; }
      { hook = true; }
      { subnet = "fd73::/64"; }
      {
        others = [
          {
            option = "the other";
            subnet = "10.0.0.0/8";
          }
        ];
      }
      { allowBetween = [ [ "a" ] ]; }
    ];
    want = [
      "`vpn.hostAddress` is 10.74.0.1, outside of `vpn.subnet`, 10.73.0.0/24"
      "`vpn.containers.a.ip` and `vpn.containers.b.ip` are both 10.73.0.3"
      "`vpn.containers.a.receiveForwardedPort` and `vpn.containers.b.receiveForwardedPort` are both set, but the provider forwards one port: choose one container"
      "`vpn.bridgeName` and `vpn.interfaceName` are both vpn0"
      "`vpn.onPortForwarded` is set, but no container has `receiveForwardedPort`"
      "`vpn.subnet` is `fd73::/64`, and not an IPv4 network such as 10.73.0.0/24, with no bits after the prefix"
      "`vpn.subnet`, 10.73.0.0/24, overlaps with 10.0.0.0/8 of the other"
      "a pair of `vpn.allowBetween`, [ \"a\" ], has to have two names"
    ];
  };
  "what is no address and no network does not throw" = {
    got = map (changes: lib.vpnFaults (described changes) != [ ]) [
      { hostAddress = ""; }
      { hostAddress = "nonsense"; }
      { subnet = ""; }
      { subnet = "10.73.0.0"; }
      { subnet = "10.73.0.0/33"; }
      {
        others = [
          {
            option = "the other";
            interface = "wg-vpn";
          }
        ];
      }
    ];
    want = [
      true
      true
      true
      true
      true
      true
    ];
  };
}
