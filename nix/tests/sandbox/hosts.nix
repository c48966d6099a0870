# Hosts as their operators have them around a sandbox: what works beside it, and what is refused because it would take the
# guard, the bridge or its resolver away.
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
  on =
    extra:
    machine [
      (modules + "/sandbox")
      {
        networking.hostName = "howl";
        # A host with dhcpcd beside networkd is warned by NixOS itself.
        networking.useDHCP = lib.mkDefault false;
        networking.sandbox = {
          enable = true;
          upstreams = lib.mkDefault [ "eth0" ];
          ports.a = port 2;
          ports.b = port 3;
        };
      }
      extra
    ];
  # Values that no assertion needs are evaluated too: options that two set are errors there.
  told =
    extra:
    let
      system = on extra;
      inherit (system.config) boot networking systemd;
    in
    builtins.deepSeq [
      boot.kernel.sysctl
      networking.firewall.extraCommands
      (lib.mapAttrs (_: unit: unit.text) systemd.network.units)
      systemd.units."sandbox-guard.service".text
    ] (system.failed ++ system.warnings);
  allTold = lib.mapAttrs (_: told);
  beginning = lib.mapAttrs (_: map (text: lib.head (lib.splitString ": " text)));
  ipv6.networking.sandbox = {
    subnet6 = "fd20::/64";
    gateway6 = "fd20::1";
  };
  nat = {
    networking.nat = {
      enable = true;
      enableIPv6 = true;
      internalInterfaces = [ "lan0" ];
      externalInterface = "eth0";
    };
  };
  routing.services.tailscale = {
    enable = true;
    useRoutingFeatures = "both";
  };
  wireguard.networking.wireguard.interfaces.wg0 = {
    ips = [ "10.100.0.2/24" ];
    privateKeyFile = "/run/agenix/wg0";
    peers = [ ];
  };
  overlap =
    network: option: "`networking.sandbox.subnet`, 10.20.0.0/24, overlaps with ${network} of ${option}";
  guard = "the guard of `networking.sandbox.bridge`, sandbox0";
  resolver =
    option:
    "`${option}` would take port 53 of `networking.sandbox.gateway`, 10.20.0.1, from the resolver of the sandbox, and answer workspaces itself";
in
{
  "hosts that do other things work as they are" =
    let
      hosts = {
        inherit routing nat wireguard;
        "a router with IPv6" = {
          imports = [
            ipv6
            nat
          ];
        };
        "all that forwards at once" = {
          imports = [
            ipv6
            nat
            routing
          ];
          virtualisation.docker.enable = true;
        };
        "forwarding, as the operator says" = {
          boot.kernel.sysctl."net.ipv4.conf.all.forwarding" = 1;
          boot.kernel.sysctl."net.ipv4.ip_forward" = 1;
        };
        "forwarding by force" = {
          boot.kernel.sysctl."net.ipv4.conf.all.forwarding" = lib.mkForce "1";
        };
        "no firewall" = {
          networking.firewall.enable = false;
        };
        "tables of the operator's own" = {
          networking.nftables.enable = true;
          networking.nftables.tables.mine = {
            family = "inet";
            content = "chain x { }";
          };
        };
        "rules of iptables" = {
          networking.firewall.extraCommands = "iptables -F FORWARD # never: nft flush ruleset";
        };
        "a container of the operator's own" = {
          containers.web = {
            privateNetwork = true;
            hostAddress = "10.233.1.1";
            localAddress = "10.233.1.2";
            config = { };
          };
        };
        "containers on another bridge, in the same addresses of theirs" = {
          containers.web = {
            privateNetwork = true;
            hostBridge = "br0";
            localAddress = "10.20.0.9/24";
            config = { };
          };
        };
        "networks of virtual machines of the operator's own" = {
          systemd.network.networks."10-lan" = {
            matchConfig.Name = [
              "eno1"
              "v*-*"
            ];
            networkConfig.Bridge = "br0";
          };
        };
        "a host without IPv6" = {
          networking.enableIPv6 = false;
        };
        "a resolver for the host alone" = {
          services.dnsmasq.enable = true;
          services.dnsmasq.settings.bind-interfaces = true;
        };
        "DHCP of dnsmasq without names" = {
          services.dnsmasq.enable = true;
          services.dnsmasq.settings.port = 0;
        };
        "BIND on the LAN" = {
          services.bind.enable = true;
          services.bind.listenOn = [ "192.168.1.2" ];
          services.bind.listenOnIpv6 = [ "::1" ];
        };
      };
    in
    {
      expr = allTold hosts;
      expected = lib.mapAttrs (_: _: [ ]) hosts;
    };

  "interfaces have the names that Linux takes" =
    let
      system = on {
        imports = [ ipv6 ];
        networking.sandbox.upstreams = [
          "eth0.5"
          "ENP3s0"
          "br-lan"
          "wg_0"
        ];
        networking.sandbox.bridge = "lab.0";
      };
    in
    {
      expr = {
        inherit (system) failed warnings;
        rules = lib.hasInfix "oifname { \"eth0.5\", \"ENP3s0\", \"br-lan\", \"wg_0\" } accept" system.config.networking.sandbox.ruleset;
        # sysctl.d(5): the dot is a slash.
        sysctl = lib.filter (name: lib.hasInfix "/" name) (lib.attrNames system.config.boot.kernel.sysctl);
      };
      expected = {
        failed = [ ];
        warnings = [ ];
        rules = true;
        sysctl = [
          "net.ipv6.conf.eth0/5.accept_ra"
          "net.ipv6.conf.lab/0.keep_addr_on_down"
        ];
      };
    };

  "networks that the host has by other options" = {
    expr = allTold {
      networkd = {
        systemd.network.networks."10-lan" = {
          matchConfig.Name = "eth1";
          address = [ "10.20.0.7/24" ];
        };
      };
      wireguard = {
        networking.wireguard.interfaces.wg0 = wireguard.networking.wireguard.interfaces.wg0 // {
          ips = [ "10.20.0.2/16" ];
        };
      };
      wg-quick = {
        networking.wg-quick.interfaces.wg0 = {
          address = [ "10.20.0.2/32" ];
          privateKeyFile = "/run/agenix/wg0";
          peers = [ ];
        };
      };
      container = {
        containers.web = {
          privateNetwork = true;
          hostAddress = "10.20.0.5";
          localAddress = "10.233.1.2";
          config = { };
        };
      };
      docker = {
        virtualisation.docker.enable = true;
        virtualisation.docker.daemon.settings.bip = "10.20.0.1/16";
      };
      incus = {
        virtualisation.incus.preseed.networks = [
          {
            name = "incusbr0";
            type = "bridge";
            config."ipv4.address" = "10.20.0.1/24";
          }
        ];
      };
    };
    expected = {
      networkd = [ (overlap "10.20.0.7/24" "`systemd.network.networks.10-lan`") ];
      wireguard = [ (overlap "10.20.0.2/16" "`networking.wireguard.interfaces.wg0`") ];
      wg-quick = [ (overlap "10.20.0.2/32" "`networking.wg-quick.interfaces.wg0`") ];
      container = [ (overlap "10.20.0.5/32" "`containers.web`") ];
      docker = [ (overlap "10.20.0.1/16" "`virtualisation.docker.daemon.settings.bip`") ];
      incus = [ (overlap "10.20.0.1/24" "`virtualisation.incus.preseed.networks`") ];
    };
  };

  "scripts and tables of the firewall that would take the guard along" = {
    expr = lib.mapAttrs (_: map (text: lib.head (lib.splitString ", whenever" text))) (allTold {
      stop = {
        networking.firewall.extraStopCommands = "true; nft 'flush ruleset'";
      };
      start = {
        networking.firewall.extraCommands = "nft flush \\\n  ruleset";
      };
      local = {
        networking.localCommands = "nft flush ruleset || true";
      };
      tables = {
        networking.nftables.enable = true;
        networking.nftables.tables.bulkhead-sandbox = {
          family = "inet";
          content = "";
        };
      };
    });
    expected = {
      stop = [
        "`networking.firewall.extraStopCommands` has `flush ruleset`, which would remove ${guard}"
      ];
      start = [
        "`networking.firewall.extraCommands` has `flush ruleset`, which would remove ${guard}"
      ];
      local = [ "`networking.localCommands` has `flush ruleset`, which would remove ${guard}" ];
      tables = [
        "`networking.nftables.tables` has the table inet bulkhead-sandbox, which is the guard's of `networking.sandbox.bridge`, sandbox0, and would be removed with the firewall: call it something else"
      ];
    };
  };

  "units of the guard that are left out" = {
    expr = beginning (allTold {
      service = {
        systemd.services.sandbox-guard.enable = false;
      };
      verification = {
        systemd.services.sandbox-guard-verify.enable = false;
      };
      timer = {
        systemd.timers.sandbox-guard-verify.enable = false;
      };
      suppressed = {
        systemd.suppressedSystemUnits = [ "sandbox-guard-verify.timer" ];
      };
    });
    expected =
      let
        leftOut = unit: [
          "`systemd` is told to leave out ${unit}, without which nobody loads or verifies ${guard}"
        ];
      in
      {
        service = leftOut "sandbox-guard.service";
        verification = leftOut "sandbox-guard-verify.service";
        timer = leftOut "sandbox-guard-verify.timer";
        suppressed = leftOut "sandbox-guard-verify.timer";
      };
  };

  "forwarding that is turned off" = {
    expr = beginning (allTold {
      all = {
        boot.kernel.sysctl."net.ipv4.conf.all.forwarding" = lib.mkForce false;
      };
      old = {
        boot.kernel.sysctl."net.ipv4.ip_forward" = 0;
      };
      bridge = {
        imports = [ ipv6 ];
        boot.kernel.sysctl."net.ipv6.conf.sandbox0.forwarding" = "0";
      };
    });
    expected =
      lib.mapAttrs
        (_: name: [
          "`boot.kernel.sysctl.\"${name}\"` turns off forwarding, without which workspaces reach nothing beyond this host"
        ])
        {
          all = "net.ipv4.conf.all.forwarding";
          old = "net.ipv4.ip_forward";
          bridge = "net.ipv6.conf.sandbox0.forwarding";
        };
  };

  "a bridge that others make, take ports from or use" = {
    expr = beginning (allTold {
      bridges = {
        networking.bridges.sandbox0.interfaces = [ "eth1" ];
      };
      incus = {
        virtualisation.incus.preseed.networks = [ { name = "sandbox0"; } ];
      };
      container = {
        containers.web = {
          privateNetwork = true;
          hostBridge = "sandbox0";
          config = { };
        };
      };
      networkd = {
        systemd.network.networks."00-all".matchConfig.Name = "eno1 vb-?";
      };
      off = {
        systemd.network.enable = lib.mkForce false;
      };
    });
    expected = {
      bridges = [
        "`networking.bridges` has `networking.sandbox.bridge`, sandbox0, which the sandbox makes itself"
      ];
      incus = [
        "`virtualisation.incus.preseed.networks` has `networking.sandbox.bridge`, sandbox0, which the sandbox makes itself"
      ];
      container = [
        "`containers.web.hostBridge` is `networking.sandbox.bridge`, sandbox0, where what nobody has declared is cut off"
      ];
      networkd = [
        "`systemd.network.networks.\"00-all\"` matches vb-2 and vb-3 of the sandbox, and comes before the sandbox's own, so that networkd would leave the sandbox out"
      ];
      off = [
        "`systemd.network.enable` is false, but systemd-networkd makes `networking.sandbox.bridge`, sandbox0"
      ];
    };
  };

  "a container of the operator's own may be a port" = {
    expr = told {
      networking.sandbox.ports.web = {
        interface = "vb-web";
        mac = "02:00:00:00:00:09";
        address = "10.20.0.9";
      };
      containers.web = {
        privateNetwork = true;
        hostBridge = "sandbox0";
        config = { };
      };
    };
    expected = [ ];
  };

  "IPv6 in a sandbox of a host without" = {
    expr = told {
      imports = [ ipv6 ];
      networking.enableIPv6 = false;
    };
    expected = [
      "`networking.sandbox.subnet6` is fd20::/64, but `networking.enableIPv6` is false, so this host is without IPv6: set `subnet6` and `gateway6` to null, or leave `enableIPv6` out"
    ];
  };

  "resolvers that would answer in place of the sandbox's" = {
    expr = beginning (allTold {
      dnsmasq = {
        services.dnsmasq.enable = true;
        services.dnsmasq.settings.listen-address = "192.168.1.2";
      };
      unbound = {
        services.unbound.enable = true;
        services.unbound.settings.server.interface = [
          "127.0.0.1"
          "0.0.0.0@53"
        ];
      };
      bind = {
        services.bind.enable = true;
      };
      adguardhome = {
        services.adguardhome.enable = true;
      };
    });
    expected = lib.genAttrs [
      "dnsmasq"
      "unbound"
      "bind"
      "adguardhome"
    ] (name: [ (resolver "services.${name}") ]);
  };
  "without a resolver of its own, those of the host may be asked" = {
    expr = told {
      services.dnsmasq.enable = true;
      networking.sandbox.dns.enable = false;
    };
    expected = [ ];
  };

  "a port that is forwarded to a workspace, which the guard does not let in" = {
    expr =
      map (lib.hasPrefix "`networking.nat.forwardPorts` sends port 8080 to 10.20.0.2:80, but ")
        (told {
          imports = [ nat ];
          networking.nat.forwardPorts = [
            {
              sourcePort = 8080;
              destination = "10.20.0.2:80";
            }
            {
              sourcePort = 8081;
              destination = "192.168.1.10:80";
            }
          ];
        });
    expected = [ true ];
  };
}
