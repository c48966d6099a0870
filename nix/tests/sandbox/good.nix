# Sandboxes with which nothing is wrong: what they make of the host.
{
  machine,
  modules,
  bulkhead,
  lib,
  ...
}:
let
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
          upstreams = [ "eth0" ];
          ports = {
            dev = {
              interface = "vb-dev";
              mac = "02:00:00:00:00:02";
              address = "10.20.0.2";
            };
            db = {
              interface = "vm-db";
              mac = "02:00:00:00:00:03";
              address = "10.20.0.3";
            };
          };
        };
      }
      extra
    ];
  plain = on { };
  withIPv6 = on {
    networking.sandbox = {
      subnet6 = "fd20::/64";
      gateway6 = "fd20::1";
      ports.dev.address6 = "fd20::2";
      ports.db.address6 = "fd20::3";
    };
  };
  holes = on {
    networking.sandbox.allow = [
      {
        address = "192.168.1.10";
        port = 5432;
        from = [ "dev" ];
        reason = "the test database on the NAS";
      }
      {
        address = "10.20.0.1";
        port = 8080;
        reason = "the host's package cache";
      }
    ];
    networking.sandbox.allowBetween = [
      [
        "dev"
        "db"
      ]
    ];
  };
  hosts = {
    networkd = on {
      networking.useNetworkd = true;
      networking.useDHCP = true;
    };
    networkManager = on { networking.networkmanager.enable = true; };
    nftables = on { networking.nftables.enable = true; };
    strict = on {
      networking.nftables.enable = true;
      networking.firewall.filterForward = true;
    };
    docker = on { virtualisation.docker.enable = true; };
    inherit plain withIPv6 holes;
  };
  unit = system: name: system.config.systemd.units.${name}.text;
  network = system: name: system.config.systemd.network.units.${name}.text;
  has = text: map (part: lib.hasInfix part text);
  rules = system: system.config.networking.sandbox.ruleset;
in
{
  "nothing is wrong with any of them" = {
    expr = lib.mapAttrs (_: system: { inherit (system) failed warnings; }) hosts;
    expected = lib.mapAttrs (_: _: {
      failed = [ ];
      warnings = [ ];
    }) hosts;
  };
  "a way out that is missing is told, unless it is meant to be" = {
    expr =
      map
        (
          upstreams:
          (machine [
            (modules + "/sandbox")
            {
              networking.hostName = "howl";
              networking.useDHCP = false;
              networking.sandbox = {
                enable = true;
              }
              // upstreams;
            }
          ]).warnings
        )
        [
          { }
          { upstreams = [ ]; }
        ];
    expected = [
      [
        "`networking.sandbox.upstreams` is not set, so workspaces don't reach the internet: name the interface that leads there, such as [ \"eth0\" ], or set it to [ ] if that is meant"
      ]
      [ ]
    ];
  };
  "without it, nothing is made" = {
    expr =
      let
        inherit (machine [ (modules + "/sandbox") ]) config;
      in
      {
        guard = config.systemd.services ? sandbox-guard;
        networkd = config.systemd.network.enable;
        inherit (config.networking.firewall) extraForwardRules;
      };
    expected = {
      guard = false;
      networkd = false;
      extraForwardRules = "";
    };
  };
  "the guard is there before any interface, and stays" = {
    expr =
      let
        service = plain.config.systemd.services.sandbox-guard;
        text = unit plain "sandbox-guard.service";
      in
      {
        inherit (plain.config.networking.sandbox) guardUnit;
        inherit (service) before reloadIfChanged wantedBy;
        stops = lib.hasInfix "ExecStop" text;
        lines = has text [
          "ExecStart="
          "ExecReload="
          "RemainAfterExit=true"
          "DefaultDependencies=false"
        ];
      };
    expected = {
      guardUnit = "sandbox-guard.service";
      before = [
        "network-pre.target"
        "systemd-networkd.service"
        "shutdown.target"
      ];
      reloadIfChanged = true;
      wantedBy = [ "multi-user.target" ];
      stops = false;
      lines = [
        true
        true
        true
        true
      ];
    };
  };
  "the guard is loaded from the rules of the options, and the bridge falls if that fails" = {
    expr = {
      file = plain.config.networking.sandbox.rulesFile.text == rules plain;
      load = has plain.config.systemd.services.sandbox-guard.serviceConfig.ExecStart.text [
        "if ! nft -f /nix/store/00000000000000000000000000000000-sandbox-guard.nft; then"
        "for interface in sandbox0 vm-db vb-dev; do ip link set dev \"$interface\" down"
      ];
    };
    expected = {
      file = true;
      load = [
        true
        true
      ];
    };
  };
  "it is verified on a timer" = {
    expr = {
      inherit (plain.config.systemd.timers.sandbox-guard-verify) wantedBy;
      inherit (plain.config.systemd.timers.sandbox-guard-verify.timerConfig) OnUnitInactiveSec;
      script = has plain.config.systemd.services.sandbox-guard-verify.serviceConfig.ExecStart.text [
        "unshare --net"
        "nft --stateless list table bridge bulkhead-sandbox && nft --stateless list table arp bulkhead-sandbox && nft --stateless list table inet bulkhead-sandbox"
        "for interface in sandbox0 vm-db vb-dev; do ip link set dev \"$interface\" down"
      ];
    };
    expected = {
      wantedBy = [ "timers.target" ];
      OnUnitInactiveSec = "30s";
      script = [
        true
        true
        true
      ];
    };
  };
  "the rules are those of the library" = {
    expr =
      rules plain == bulkhead.sandboxRuleset {
        name = "bulkhead-sandbox";
        bridge = "sandbox0";
        mac = bulkhead.mkMac "sandbox sandbox0 of howl";
        subnet = "10.20.0.0/24";
        gateway = "10.20.0.1";
        subnet6 = null;
        gateway6 = null;
        upstreams = [ "eth0" ];
        inherit (plain.config.networking.sandbox) ports;
        allow = [ ];
        allowBetween = [ ];
        deny = [ ];
        dns = true;
      };
    expected = true;
  };
  "holes and pairs are in them" = {
    expr = has (rules holes) [
      "10.20.0.2 . 192.168.1.10 . tcp . 5432"
      "10.20.0.3 . 192.168.1.10 . tcp . 5432"
      "10.20.0.2 . 10.20.0.1 . tcp . 8080"
      "10.20.0.3 . 10.20.0.1 . tcp . 8080"
      "10.20.0.2 . 10.20.0.3"
      "\"vm-db\" . \"vb-dev\""
    ];
    expected = [
      true
      false
      true
      true
      true
      true
    ];
  };
  "the bridge has its addresses and takes none from others" = {
    expr = {
      bridge = has (network plain "00-sandbox.network") [
        "Name=sandbox0"
        "Address=10.20.0.1/24"
        "LinkLocalAddressing=no"
        "IPv6AcceptRA=false"
        "ConfigureWithoutCarrier=true"
      ];
      withIPv6 = has (network withIPv6 "00-sandbox.network") [
        "Address=fd20::1/64"
        "LinkLocalAddressing=ipv6"
        "IPv6AcceptRA=false"
      ];
      made = has (network plain "00-sandbox.netdev") [
        "Kind=bridge"
        "MACAddress=${plain.config.networking.sandbox.mac}"
        "MulticastSnooping=false"
      ];
      masquerades = lib.hasInfix "IPMasquerade" (network plain "00-sandbox.network");
    };
    expected = {
      bridge = [
        true
        true
        true
        true
        true
      ];
      withIPv6 = [
        true
        true
        true
      ];
      made = [
        true
        true
        true
      ];
      masquerades = false;
    };
  };
  "ports are of the bridge and isolated, but for those of a pair" = {
    expr = {
      alone = has (network plain "00-sandbox-dev.network") [
        "Name=vb-dev"
        "Bridge=sandbox0"
        "Isolated=true"
        "LinkLocalAddressing=no"
        "IPv6AcceptRA=false"
      ];
      paired = has (network holes "00-sandbox-dev.network") [ "Isolated=false" ];
    };
    expected = {
      alone = [
        true
        true
        true
        true
        true
      ];
      paired = [ true ];
    };
  };
  "the host forwards, in the families that the sandbox has" = {
    expr =
      map
        (
          system:
          lib.getAttrs (lib.filter (name: system.config.boot.kernel.sysctl ? ${name}) [
            "net.ipv4.conf.all.forwarding"
            "net.ipv6.conf.all.forwarding"
            "net.ipv6.conf.eth0.accept_ra"
          ]) system.config.boot.kernel.sysctl
        )
        [
          plain
          withIPv6
        ];
    expected = [
      { "net.ipv4.conf.all.forwarding" = true; }
      {
        "net.ipv4.conf.all.forwarding" = true;
        "net.ipv6.conf.all.forwarding" = true;
        "net.ipv6.conf.eth0.accept_ra" = 2;
      }
    ];
  };
  "the host's firewalls let through what the guard lets through" = {
    expr = {
      inherit (plain.config.networking.firewall.interfaces.sandbox0) allowedTCPPorts allowedUDPPorts;
      hole = holes.config.networking.firewall.interfaces.sandbox0.allowedTCPPorts;
      forward = lib.hasInfix "iifname \"sandbox0\" accept" hosts.strict.config.networking.nftables.tables.nixos-fw.content;
      docker = has hosts.docker.config.systemd.services.sandbox-docker.script [
        "iptables -w -I DOCKER-USER -i sandbox0 -j ACCEPT"
        "ip6tables"
      ];
    };
    expected = {
      allowedTCPPorts = [ 53 ];
      allowedUDPPorts = [ 53 ];
      hole = [
        53
        8080
      ];
      forward = true;
      docker = [
        true
        false
      ];
    };
  };
  "the tables are not among those that the host's firewall deletes" = {
    expr = lib.attrNames hosts.nftables.config.networking.nftables.tables;
    expected = [ "nixos-fw" ];
  };
  "others leave the interfaces alone" = {
    expr = {
      networkManager = hosts.networkManager.config.networking.networkmanager.unmanaged;
      dhcpcd = lib.take 3 plain.config.networking.dhcpcd.denyInterfaces;
      # On a host without networkd there is nothing for it to wait for.
      waits = plain.config.systemd.network.wait-online.enable;
      waitsOnNetworkd = hosts.networkd.config.systemd.network.wait-online.enable;
    };
    expected = {
      networkManager = [
        "interface-name:sandbox0"
        "interface-name:vm-db"
        "interface-name:vb-dev"
        "interface-name:veth*"
      ];
      dhcpcd = [
        "sandbox0"
        "vm-db"
        "vb-dev"
      ];
      waits = false;
      waitsOnNetworkd = true;
    };
  };
  "the resolver is behind the guard" = {
    expr = {
      inherit (plain.config.systemd.services.sandbox-resolver) requires after;
      dns = (on { networking.sandbox.dns.enable = false; }).config.systemd.services ? sandbox-resolver;
      open = lib.hasInfix "dport 53" (
        rules (on {
          networking.sandbox.dns.enable = false;
        })
      );
    };
    expected = {
      requires = [ "sandbox-guard.service" ];
      after = [
        "network.target"
        "sandbox-guard.service"
      ];
      dns = false;
      open = false;
    };
  };
}
