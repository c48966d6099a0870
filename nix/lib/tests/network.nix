# The tests of addresses and of the sandbox's rules, for tests.nix.
lib:
let
  inherit (builtins) filter length;

  sandbox = {
    name = "sandbox";
    bridge = "sandbox0";
    mac = "02:00:00:00:00:01";
    subnet = "10.20.0.0/24";
    gateway = "10.20.0.1";
    subnet6 = "fd20::/64";
    gateway6 = "fd20::1";
    upstreams = [ "eth0" ];
    ports = {
      a = {
        interface = "vb-a";
        mac = "02:00:00:00:00:0a";
        address = "10.20.0.10";
        address6 = "fd20::a";
      };
      b = {
        interface = "vb-b";
        mac = "02:00:00:00:00:0b";
        address = "10.20.0.11";
        address6 = null;
      };
    };
    allow = [ ];
    allowBetween = [ ];
    deny = [ ];
    dns = true;
  };
  rulesOf = changes: lib.sandboxRuleset (sandbox // changes);
  has = text: part: length (builtins.split part text) > 1;
in
{
  "an IPv4 address has four numbers without leading zeros" = {
    got = map lib.parseAddress [
      "192.0.2.1"
      "0.0.0.0"
      "255.255.255.255"
      "192.0.2.256"
      "192.0.2.01"
      "192.0.2"
      "192.0.2.1.1"
      "192.0.2.1 "
      ""
    ];
    want = [
      [
        192
        0
        2
        1
      ]
      [
        0
        0
        0
        0
      ]
      [
        255
        255
        255
        255
      ]
      null
      null
      null
      null
      null
      null
    ];
  };
  "an IPv6 address has one canonical form" = {
    got = map (text: lib.formatAddress (lib.parseAddress text)) [
      "2001:DB8:0:0:0:0:0:1"
      "::"
      "::1"
      "1::"
      "2001:db8:0:0:1:0:0:1"
      "2001:db8:0:1:1:1:1:1"
      "1:0:0:2:0:0:0:3"
      "1:2:3:4:5:6:7::"
      "::ffff:192.0.2.1"
      "64:ff9b::192.0.2.33"
      "0001:0020:0300:4000::"
    ];
    want = [
      "2001:db8::1"
      "::"
      "::1"
      "1::"
      "2001:db8::1:0:0:1"
      "2001:db8:0:1:1:1:1:1"
      "1:0:0:2::3"
      "1:2:3:4:5:6:7:0"
      "::ffff:c000:201"
      "64:ff9b::c000:221"
      "1:20:300:4000::"
    ];
  };
  "what is no IPv6 address is none" = {
    got = filter (text: lib.parseAddress text != null) [
      ":"
      ":::"
      "1:::2"
      "::1::"
      "1:2:3:4:5:6:7"
      "1:2:3:4:5:6:7:8:9"
      "1::2:3:4:5:6:7:8"
      ":1:2:3:4:5:6:7"
      "12345::"
      "g::"
      "fe80::1%eth0"
      "fd20::1/64"
      "::192.0.2.256"
      "::192.0.2.1:1"
      "1:2:3:4:5:6:7:192.0.2.1"
    ];
    want = [ ];
  };
  "networks overlap if one lies in the other" = {
    got = map (pair: lib.networksOverlap (builtins.elemAt pair 0) (builtins.elemAt pair 1)) [
      [
        "10.0.0.0/8"
        "10.20.0.0/24"
      ]
      [
        "10.20.0.0/24"
        "10.0.0.0/8"
      ]
      [
        "10.20.0.0/24"
        "10.20.1.0/24"
      ]
      [
        "0.0.0.0/0"
        "::/0"
      ]
      [
        "2001::/23"
        "2001:1ff::/32"
      ]
      [
        "2001::/23"
        "2001:200::/32"
      ]
      [
        "10.20.0.1/24"
        "10.20.0.0/24"
      ]
    ];
    want = [
      true
      true
      false
      false
      true
      false
      false # bits after the prefix: no network
    ];
  };
  "an interface's address tells its network" = {
    got = map lib.networkOf [
      "192.0.2.7/24"
      "192.0.2.7/0"
      "fd20:0:0:1::7/48"
      "192.0.2.7/33"
      "192.0.2.7"
    ];
    want = [
      "192.0.2.0/24"
      "0.0.0.0/0"
      "fd20::/48"
      null
      null
    ];
  };
  "link-local addresses are made from MAC addresses" = {
    got = map lib.linkLocalAddress [
      "02:00:00:00:00:01"
      "ee:26:0e:9a:a3:c6"
      "00:16:3e:ff:00:10"
    ];
    want = [
      "fe80::ff:fe00:1"
      "fe80::ec26:eff:fe9a:a3c6"
      "fe80::216:3eff:feff:10"
    ];
  };
  "reserved networks are networks, and none lies in another" = {
    got =
      let
        all = lib.reservedIPv4 ++ lib.reservedIPv6;
      in
      filter (
        network: lib.parseNetwork network == null || length (filter (lib.networksOverlap network) all) != 1
      ) all;
    want = [ ];
  };
  "the public internet is not reserved, and private networks are" = {
    got =
      filter
        (
          address:
          builtins.any (network: lib.isInNetwork network address) (lib.reservedIPv4 ++ lib.reservedIPv6)
        )
        [
          "1.1.1.1"
          "9.255.255.255"
          "11.0.0.0"
          "172.15.255.255"
          "172.32.0.0"
          "100.63.255.255"
          "100.128.0.0"
          "192.167.255.255"
          "192.169.0.0"
          "223.255.255.255"
          "2001:200::1"
          "2606:4700::1111"
          "3ffe::1"
          "10.0.0.0"
          "172.31.255.255"
          "224.0.0.1"
          "::ffff:1.1.1.1"
          "fe80::1"
        ];
    want = [
      "10.0.0.0"
      "172.31.255.255"
      "224.0.0.1"
      "::ffff:1.1.1.1"
      "fe80::1"
    ];
  };
  "a good sandbox has no faults" = {
    got = lib.sandboxFaults sandbox;
    want = [ ];
  };
  "without IPv6 no rule speaks of it" = {
    got =
      let
        rules = rulesOf { gateway6 = null; };
      in
      # But for the list of protocols that nobody sends to a bridge itself.
      map (has rules) [
        "ip6 "
        "icmpv6"
        "fd20"
      ];
    want = [
      false
      false
      false
    ];
  };
  "a denied network that is reserved already is not there twice" = {
    got =
      let
        rules = rulesOf {
          deny = [
            "10.1.0.0/16"
            "45.1.0.0/16"
            "45.1.2.0/24"
          ];
        };
      in
      map (has rules) [
        "10\\.1\\.0\\.0/16"
        "45\\.1\\.0\\.0/16"
        "45\\.1\\.2\\.0/24"
      ];
    want = [
      false
      true
      false
    ];
  };
  "a sandbox without workspaces replaces the tables of those that it had" = {
    got = map (table: table.family) (lib.sandboxTables (sandbox // { ports = { }; }));
    want = [
      "bridge"
      "arp"
      "inet"
    ];
  };
  "the networks of the bridge are nowhere else" = {
    got = map (has (rulesOf { })) [
      "oifname != [{] \"sandbox0\", \"lo\" } ip daddr 10.20.0.0/24 drop"
      "oifname != [{] \"sandbox0\", \"lo\" } ip6 daddr fd20::/64 drop"
      "iifname != [{] \"sandbox0\", \"lo\" } ip saddr 10.20.0.0/24 drop"
      "iifname != [{] \"sandbox0\", \"lo\" } ip6 saddr fd20::/64 drop"
    ];
    want = [
      true
      true
      true
      true
    ];
  };
  "only a hole makes packets leave by other interfaces than the upstreams" = {
    got = map (rules: has rules "oifname != [^\n]* masquerade") [
      (rulesOf { })
      (rulesOf {
        allow = [
          {
            address = "100.64.0.2";
            port = 80;
            protocol = "tcp";
            from = [ "b" ];
            reason = "it is tested";
          }
        ];
      })
    ];
    want = [
      false
      true
    ];
  };
  "a dot in the name of an interface is a slash to sysctl" = {
    got = map (interface: lib.interfaceSysctl "ipv6" interface "accept_ra") [
      "eth0"
      "eth0.5"
    ];
    want = [
      "net.ipv6.conf.eth0.accept_ra"
      "net.ipv6.conf.eth0/5.accept_ra"
    ];
  };
}
