# Sandboxes that are refused, and in which words.
{
  machine,
  modules,
  lib,
  ...
}:
let
  port = number: {
    interface = "vb-${toString number}";
    mac = "02:00:00:00:00:0${toString number}";
    address = "10.20.0.${toString number}";
  };
  failedOf =
    extra:
    (machine [
      (modules + "/sandbox")
      {
        networking.hostName = "howl";
        networking.sandbox = {
          enable = true;
          upstreams = [ "eth0" ];
          ports = {
            a = port 2;
            b = port 3;
          };
        };
      }
      extra
    ]).failed;
  sandbox = given: failedOf { networking.sandbox = lib.mapAttrsRecursive (_: lib.mkForce) given; };
  refused = given: message: {
    expr = sandbox given;
    expected = [ message ];
  };
  option = name: "`networking.sandbox.${name}`";
  hole = given: {
    allow = [
      (
        {
          address = "192.168.1.10";
          port = 80;
          reason = "it is tested";
        }
        // given
      )
    ];
  };
in
{
  "an address outside of the subnet" = refused {
    ports.a.address = "10.21.0.2";
  } "${option "ports.a.address"} is 10.21.0.2, outside of ${option "subnet"}, 10.20.0.0/24";
  "the address of the gateway" = refused {
    ports.a.address = "10.20.0.1";
  } "${option "ports.a.address"} is 10.20.0.1, which is also ${option "gateway"}";
  "the address of the broadcast" =
    refused
      {
        ports.a.address = "10.20.0.255";
      }
      "${option "ports.a.address"} is 10.20.0.255, the first or last address of ${option "subnet"}, 10.20.0.0/24, which no machine may have";
  "the address of the network" =
    refused
      {
        ports.a.address = "10.20.0.0";
      }
      "${option "ports.a.address"} is 10.20.0.0, the first or last address of ${option "subnet"}, 10.20.0.0/24, which no machine may have";
  "something that is no address" = refused {
    ports.a.address = "10.20.0.02";
  } "${option "ports.a.address"} is `10.20.0.02`, and not an IPv4 address";
  "an address that two have" = refused {
    ports.b.address = "10.20.0.2";
  } "${option "ports.a.address"} and ${option "ports.b.address"} are both 10.20.0.2";
  "an address that two write in different ways" = {
    expr = sandbox {
      subnet6 = "fd20::/64";
      gateway6 = "fd20::1";
      ports.a.address6 = "fd20::a";
      ports.b.address6 = "FD20:0::000A";
    };
    expected = [ "${option "ports.a.address6"} and ${option "ports.b.address6"} are both fd20::a" ];
  };
  "a MAC address that two have" = refused {
    ports.b.mac = "02:00:00:00:00:02";
  } "${option "ports.a.mac"} and ${option "ports.b.mac"} are both 02:00:00:00:00:02";
  "a MAC address that is the bridge's" = refused {
    mac = "02:00:00:00:00:02";
  } "${option "ports.a.mac"} is 02:00:00:00:00:02, which is also ${option "mac"}, the bridge's";
  "a MAC address of a vendor" =
    refused
      {
        ports.a.mac = "00:16:3e:00:00:02";
      }
      "${option "ports.a.mac"} is `00:16:3e:00:00:02`, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01";
  "an interface whose name Linux would cut" = refused {
    ports.a.interface = "vb-a-long-name-x";
  } "${option "ports.a.interface"} is `vb-a-long-name-x`, which has 16 characters; Linux takes 15";
  "an interface that two have" = refused {
    ports.b.interface = "vb-2";
  } "${option "ports.a.interface"} and ${option "ports.b.interface"} are both vb-2";
  "an interface that leads to the internet" = refused {
    ports.a.interface = "eth0";
  } "${option "ports.a.interface"} is `eth0`, which is also one of ${option "upstreams"}";
  "an interface with a pattern for a name" =
    refused
      {
        ports.a.interface = "vb-*";
      }
      "${option "ports.a.interface"} is `vb-*`; an interface has letters, digits, `_`, `.` and `-` in its name";
  "an interface as `ip link` shows it" =
    refused
      {
        upstreams = [ "eth0.5@eth0" ];
      }
      "one of ${option "upstreams"} is `eth0.5@eth0`; `ip link` shows after `@` what an interface is made on: write the part before it";
  "interfaces that programs would take for something else" = {
    expr =
      map
        (
          bridge:
          lib.length (sandbox {
            inherit bridge;
          })
        )
        [
          ""
          "-x"
          "123"
          "all"
          "default"
          "lo"
          "a b"
          ".."
          "a/b"
          "eth0"
          "vb-2"
          "lab0"
        ];
    expected = [
      1
      1
      1
      1
      1
      1
      1
      1
      1
      1
      1
      0
    ];
  };
  "networks in which no machine has an address" = {
    expr =
      map
        (
          subnet6:
          map (lib.removePrefix "${option "subnet6"} is ") (sandbox {
            inherit subnet6;
            gateway6 = "${lib.head (lib.splitString "/" subnet6)}1";
          })
        )
        [
          "fe80::/64"
          "ff02::/64"
          "fd21::/64"
        ];
    expected = [
      [ "fe80::/64, but no machine has an address in fe80::/10" ]
      [ "ff02::/64, but no machine has an address in ff00::/8" ]
      [ ]
    ];
  };
  "a port whose name is no name of a file" = {
    expr = failedOf {
      networking.sandbox.ports."../x" = port 4;
    };
    expected = [
      "`../x` can't be the name of one of ${option "ports"}: files are called by it, so write letters, digits, `.`, `_` and `-`, the first a letter or a digit"
    ];
  };
  "forwarders that are no addresses, or the resolver itself" = {
    expr = sandbox {
      dns.forwarders = [
        "dns.quad9.net"
        "9.9.9.9@0"
        "9.9.9.9\n  x"
        "10.20.0.1"
        "2620:fe::9"
      ];
    };
    expected =
      map
        (
          forwarder:
          "one of ${option "dns.forwarders"} is `${forwarder}`; write an address, such as 9.9.9.9 or 9.9.9.9@853#dns.quad9.net"
        )
        [
          "dns.quad9.net"
          "9.9.9.9@0"
          "9.9.9.9\n  x"
        ]
      ++ [
        "one of ${option "dns.forwarders"} is 10.20.0.1, the resolver itself: name the one that it is to ask, or none"
      ];
  };
  "a domain that is none" = refused {
    dns.refuse = [ "a\"b" ];
  } "one of ${option "dns.refuse"} is `a\"b`, and not a domain such as office.example.com";
  "an upstream that leads nowhere" = refused {
    upstreams = [ "lo" ];
  } "one of ${option "upstreams"} is `lo`, a name that Linux has a use of its own for";
  "holes to no machine, and to no port" = {
    expr = map (given: lib.length (sandbox (hole given))) [
      { address = "0.0.0.0"; }
      { address = "127.0.0.1"; }
      { address = "224.0.0.251"; }
      { address = "255.255.255.255"; }
      { port = 0; }
      { address = "192.168.1.11"; }
    ];
    expected = [
      1
      1
      1
      1
      1
      0
    ];
  };
  "a subnet of the loopback" = {
    expr = sandbox {
      subnet = "127.0.0.0/24";
      gateway = "127.0.0.1";
      ports.a.address = "127.0.0.2";
      ports.b.address = "127.0.0.3";
    };
    expected = [ "${option "subnet"} is 127.0.0.0/24, but no machine has an address in 127.0.0.0/8" ];
  };
  "a verification that never comes" =
    refused
      {
        verifyInterval = "infinity";
      }
      "${option "verifyInterval"} is `infinity`, and not a time span of seconds, minutes and hours such as 30s, 5min or 1h 30min";
  "a bridge that is an upstream" = refused {
    upstreams = [ "sandbox0" ];
  } "${option "bridge"}, `sandbox0`, is also one of ${option "upstreams"}";
  "a gateway outside of the subnet" = refused {
    gateway = "10.20.1.1";
  } "${option "gateway"} is 10.20.1.1, outside of ${option "subnet"}, 10.20.0.0/24";
  "a subnet with bits after the prefix" =
    refused
      {
        subnet = "10.20.0.1/24";
      }
      "${option "subnet"} is `10.20.0.1/24`, and not an IPv4 network such as 10.20.0.0/24, with no bits after the prefix";
  "a subnet that the host has elsewhere" = {
    expr = failedOf {
      networking.interfaces.eth1.ipv4.addresses = [
        {
          address = "10.20.0.77";
          prefixLength = 16;
        }
      ];
    };
    expected = [
      "${option "subnet"}, 10.20.0.0/24, overlaps with 10.20.0.77/16 of `networking.interfaces.eth1`"
    ];
  };
  "a half of IPv6" =
    refused
      {
        subnet6 = "fd20::/64";
      }
      "${option "subnet6"} is fd20::/64, but ${option "gateway6"} is null: set both, or none to be without IPv6";
  "an IPv6 address in a sandbox without" =
    refused
      {
        ports.a.address6 = "fd20::2";
      }
      "${option "ports.a.address6"} is fd20::2, but ${option "subnet6"} is null: the sandbox is without IPv6";
  "a hole without a reason" = refused (hole {
    reason = " ";
  }) "the hole of ${option "allow"} to 192.168.1.10, port 80, has no reason";
  "a hole to a whole network" = refused (hole {
    address = "192.168.1.0/24";
  }) "the address of a hole of ${option "allow"} is `192.168.1.0/24`, and not one IP address";
  "a hole to another workspace" =
    refused
      (hole {
        address = "10.20.0.3";
      })
      "the hole of ${option "allow"} to 10.20.0.3, port 80, leads into the sandbox itself, 10.20.0.0/24; ${option "allowBetween"} is for pairs of workspaces";
  "a hole for nobody" =
    refused
      (hole {
        from = [ ];
      })
      "the hole of ${option "allow"} to 192.168.1.10, port 80, is for nobody: name workspaces in `from`, or leave it null for all";
  "a hole for an unknown workspace" =
    refused
      (hole {
        from = [ "c" ];
      })
      "the hole of ${option "allow"} to 192.168.1.10, port 80, is for `c`, which is not one of ${option "ports"}";
  "a pair with an unknown workspace" =
    refused
      {
        allowBetween = [
          [
            "a"
            "c"
          ]
        ];
      }
      "a pair of ${option "allowBetween"}, [ \"a\" \"c\" ], names `c`, which is not one of ${option "ports"}";
  "a network to deny that is none" =
    refused
      {
        deny = [ "2a00:1234::1/64" ];
      }
      "one of ${option "deny"} is `2a00:1234::1/64`, and not a network such as 198.51.100.0/24, with no bits after the prefix";
  "forwarders of two kinds" =
    refused
      {
        dns.forwarders = [
          "9.9.9.9@853#dns.quad9.net"
          "1.1.1.1"
        ];
      }
      "${option "dns.forwarders"}: 9.9.9.9@853#dns.quad9.net is asked over TLS and 1.1.1.1 is not; the resolver would fall back from one to the other, so write all of them in one way";
  "a firewall that flushes the tables of others" = {
    expr =
      map (lib.any (lib.hasInfix "would remove the guard of `networking.sandbox.bridge`, sandbox0"))
        [
          (failedOf {
            networking.nftables.enable = true;
            networking.nftables.flushRuleset = true;
          })
          (failedOf {
            networking.nftables.enable = true;
            networking.nftables.flushRuleset = false;
            networking.nftables.ruleset = "add table inet x\nflush  ruleset\n";
          })
          (failedOf {
            networking.nftables.enable = true;
            networking.nftables.flushRuleset = false;
            networking.nftables.ruleset = "table inet x { }";
          })
        ];
    expected = [
      true
      true
      false
    ];
  };
}
