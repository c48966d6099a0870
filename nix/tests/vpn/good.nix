# VPNs with which nothing is wrong: what they make of the host, of the VPN container and of the services.
support:
let
  inherit (support) bulkhead lib;
  inherit (import ../support/vpn.nix support) hostOf hostWith;

  plain = hostOf { };
  forwarding = hostOf {
    vpn.serverLocation = [
      "swiss"
      "de-frankfurt"
    ];
    vpn.dedicatedIp = "/run/agenix/pia-ip";
    vpn.containers.torrent.receiveForwardedPort = {
      port = 51413;
      protocol = "tcp";
    };
    vpn.containers.web.credentials.login = "/run/agenix/web-login";
    vpn.onPortForwarded = ''echo "$PORT" "$TARGET_IP"'';
  };
  paired = hostOf {
    vpn.allowBetween = [
      [
        "web"
        "torrent"
      ]
    ];
  };
  hosts = {
    inherit plain forwarding paired;
    wireguard = hostWith {
      vpn.provider = "wireguard";
      vpn.wireguardFile = "/run/agenix/wireguard";
    };
    one = hostOf { vpn.serverLocation = "swiss"; };
    latency = hostOf { vpn.latencyCountries = [ "CH" ]; };
    networkd = hostOf {
      networking.useNetworkd = true;
      networking.useDHCP = true;
    };
    networkManager = hostOf { networking.networkmanager.enable = true; };
    nftables = hostOf { networking.nftables.enable = true; };
    strict = hostOf {
      networking.nftables.enable = true;
      networking.firewall.filterForward = true;
    };
    noFirewall = hostOf { networking.firewall.enable = false; };
    router = hostOf {
      boot.kernel.sysctl."net.ipv4.ip_forward" = true;
      networking.nat = {
        enable = true;
        externalInterface = "eth0";
        internalInterfaces = [ "eth1" ];
      };
    };
    docker = hostOf { virtualisation.docker.enable = true; };
    withAll = hostOf {
      imports = [ (support.modules + "/sandbox") ];
      networking.sandbox.enable = true;
      networking.sandbox.upstreams = [ "eth0" ];
    };
  };

  unitOf = host: name: host.config.systemd.units.${name}.text;
  insideOf = host: name: host.config.containers.${name}.config;
  flagsOf = host: name: lib.concatStringsSep " " host.config.containers.${name}.extraFlags;
  confOf = host: name: host.config.environment.etc."nixos-containers/${name}.conf".text;
  has = text: map (part: lib.hasInfix part text);
  all = text: parts: lib.filter (part: !lib.hasInfix part text) parts;
  rpFilterRule = "ip46tables -t mangle -I nixos-fw-rpfilter -i vpn0 -j RETURN\n";
  # The line of a unit with a key.
  lineOf = text: key: lib.filter (lib.hasPrefix "${key}=") (lib.splitString "\n" text);
in
{
  "nothing is wrong with any of them" = {
    expr = lib.mapAttrs (_: system: { inherit (system) failed warnings; }) hosts;
    expected = lib.mapAttrs (_: _: {
      failed = [ ];
      warnings = [ ];
    }) hosts;
  };
  "nothing is wrong inside of the containers" = {
    expr = lib.mapAttrs (_: container: support.faultsOf container.config) forwarding.config.containers;
    expected = {
      torrent = [ ];
      vpn = [ ];
      web = [ ];
    };
  };
  "without it, nothing is made" = {
    expr =
      let
        inherit (support.machine [ (support.modules + "/vpn") ]) config;
      in
      {
        guard = config.systemd.services ? vpn-guard;
        inherit (config) containers;
        file = config.environment.etc ? "bulkhead/vpn.json";
        inherit (config.networking.firewall) extraForwardRules;
        rpFilter = has config.networking.firewall.extraCommands [ "vpn0" ];
      };
    expected = {
      guard = false;
      containers = { };
      file = false;
      extraForwardRules = "";
      rpFilter = [ false ];
    };
  };

  # The guard.
  "the rules are those of the library, for the options" = {
    expr =
      plain.config.vpn.ruleset == bulkhead.vpnRuleset {
        name = "bulkhead-vpn";
        bridge = "vpn0";
        mac = bulkhead.mkMac "vpn vpn0 of s0";
        subnet = "10.73.0.0/24";
        hostAddress = "10.73.0.1";
        vpn = {
          interface = "vb-vpn";
          mac = bulkhead.mkMac "vpn of vpn0";
          address = "10.73.0.2";
        };
        services = {
          torrent = {
            interface = "vb-torrent";
            mac = bulkhead.mkMac "torrent of vpn0";
            address = "10.73.0.10";
          };
          web = {
            interface = "vb-web";
            mac = bulkhead.mkMac "web of vpn0";
            address = "10.73.0.11";
          };
        };
        allowBetween = [ ];
        proxy = {
          port = 8888;
          user = "vpn-proxy";
          ports = [
            443
            1337
            8080
          ];
        };
      };
    expected = true;
  };
  "the guard is there before any interface, and stays" = {
    expr =
      let
        text = unitOf plain "vpn-guard.service";
      in
      {
        inherit (plain.config.systemd.services.vpn-guard) before reloadIfChanged wantedBy;
        stops = lib.hasInfix "ExecStop" text;
        missing = all text [
          "ExecStart="
          "ExecReload="
          "RemainAfterExit=true"
          "DefaultDependencies=false"
        ];
        file = plain.config.vpn.rulesFile.text == plain.config.vpn.ruleset;
        load = all plain.config.systemd.services.vpn-guard.serviceConfig.ExecStart.text [
          "if ! nft -f /nix/store/00000000000000000000000000000000-vpn-guard.nft; then"
          "for interface in vpn0 vb-vpn vb-torrent vb-web; do ip link set dev \"$interface\" down"
        ];
      };
    expected = {
      before = [
        "network-pre.target"
        "systemd-networkd.service"
        "shutdown.target"
      ];
      reloadIfChanged = true;
      wantedBy = [ "multi-user.target" ];
      stops = false;
      missing = [ ];
      file = true;
      load = [ ];
    };
  };
  "it is verified on a timer" = {
    expr = {
      inherit (plain.config.systemd.timers.vpn-guard-verify) wantedBy;
      inherit (plain.config.systemd.timers.vpn-guard-verify.timerConfig) OnUnitInactiveSec;
      bridge = all plain.config.systemd.services.vpn-guard-verify.serviceConfig.ExecStartPost.text [
        "systemctl is-active --quiet vpn-bridge.service || exit 0\n"
        "echo 0 > /proc/sys/net/ipv4/conf/vpn0/forwarding"
        "plug vb-vpn off\nplug vb-torrent on\nplug vb-web on\n"
      ];
      missing = all plain.config.systemd.services.vpn-guard-verify.serviceConfig.ExecStart.text [
        "unshare --net"
        "nft --stateless list table bridge bulkhead-vpn && nft --stateless list table arp bulkhead-vpn && nft --stateless list table inet bulkhead-vpn"
        "for interface in vpn0 vb-vpn vb-torrent vb-web; do ip link set dev \"$interface\" down"
      ];
    };
    expected = {
      wantedBy = [ "timers.target" ];
      OnUnitInactiveSec = "30s";
      bridge = [ ];
      missing = [ ];
    };
  };
  "its tables are not among those that the host's firewall deletes" = {
    expr = lib.attrNames hosts.nftables.config.networking.nftables.tables;
    expected = [ "nixos-fw" ];
  };
  "everything on the bridge has the guard and the bridge, or does not start" = {
    expr =
      let
        inherit (plain.config.systemd) services;
        units = [
          "container@vpn"
          "container@torrent"
          "container@web"
          "vpn-proxy"
        ];
        both = [
          "vpn-guard.service"
          "vpn-bridge.service"
        ];
        lacks =
          name:
          lib.subtractLists services.${name}.requires both ++ lib.subtractLists services.${name}.after both;
      in
      {
        lacking = lib.filter (name: lacks name != [ ]) units;
        bridge = {
          inherit (services.vpn-bridge) requires;
          after = lib.elem "vpn-guard.service" services.vpn-bridge.after;
        };
      };
    expected = {
      lacking = [ ];
      bridge = {
        requires = [ "vpn-guard.service" ];
        after = true;
      };
    };
  };

  # The bridge and the proxy.
  "the bridge is made with its address by one script, which a reload runs again" = {
    expr =
      let
        service = plain.config.systemd.services.vpn-bridge;
      in
      {
        same = service.serviceConfig.ExecStart.text == service.serviceConfig.ExecReload.text;
        stops = lib.hasInfix "ExecStop" (unitOf plain "vpn-bridge.service");
        inherit (service) reloadIfChanged;
        missing = all service.serviceConfig.ExecStart.text [
          "ip link add name vpn0 type bridge"
          "ip address add 10.73.0.1/24 dev vpn0"
          "echo 0 > /proc/sys/net/ipv4/conf/vpn0/forwarding"
          "echo 1 > /proc/sys/net/ipv6/conf/vpn0/disable_ipv6"
        ];
      };
    expected = {
      same = true;
      stops = false;
      reloadIfChanged = true;
      missing = [ ];
    };
  };
  "nothing changes for the rest of the host" = {
    expr = {
      forwarding = plain.config.boot.kernel.sysctl."net.ipv4.conf.all.forwarding" or false;
      rpFilter = plain.config.networking.firewall.checkReversePath;
      networkd = plain.config.systemd.network.enable;
      waits = hosts.networkd.config.systemd.network.wait-online.enable;
      tinyproxy = plain.config.services.tinyproxy.enable;
    };
    expected = {
      forwarding = false;
      rpFilter = true;
      networkd = false;
      waits = true;
      tinyproxy = false;
    };
  };
  "others leave the interfaces alone" = {
    expr = {
      networkManager = lib.take 5 hosts.networkManager.config.networking.networkmanager.unmanaged;
      dhcpcd = lib.take 5 plain.config.networking.dhcpcd.denyInterfaces;
      networkd = all hosts.networkd.config.systemd.network.units."05-vpn.network".text [
        "Name=vpn0 wg-vpn vb-vpn vb-torrent vb-web"
        "Unmanaged=true"
      ];
    };
    expected =
      let
        interfaces = [
          "vpn0"
          "wg-vpn"
          "vb-vpn"
          "vb-torrent"
          "vb-web"
        ];
      in
      {
        networkManager = map (interface: "interface-name:${interface}") interfaces;
        dhcpcd = interfaces;
        networkd = [ ];
      };
  };
  "the proxy is tinyproxy as a user of its own, whom the guard knows" = {
    expr = {
      missing = all (unitOf plain "vpn-proxy.service") [
        "ExecStart=/nix/store/00000000000000000000000000000000-tinyproxy/bin/tinyproxy -d -c /nix/store/00000000000000000000000000000000-vpn-proxy.conf"
        "User=vpn-proxy"
        "CapabilityBoundingSet="
      ];
      user = plain.config.users.users.vpn-proxy.isSystemUser;
      rule = has plain.config.vpn.ruleset [ "meta skuid vpn-proxy goto from_proxy" ];
    };
    expected = {
      missing = [ ];
      user = true;
      rule = [ true ];
    };
  };
  "a WireGuard file needs no proxy, and there is none" = {
    expr = {
      unit = hosts.wireguard.config.systemd.services ? vpn-proxy;
      user = hosts.wireguard.config.users.users ? vpn-proxy;
      rules = has hosts.wireguard.config.vpn.ruleset [
        "8888"
        "skuid"
      ];
      open = hosts.wireguard.config.networking.firewall.interfaces.vpn0.allowedTCPPorts;
      inside = has hosts.wireguard.config.vpn.insideRules.text [ "8888" ];
      inherit (hosts.wireguard.config.vpn.settings) provider;
      flags = has (flagsOf hosts.wireguard "vpn") [
        "--load-credential=wireguard:/run/agenix/wireguard"
        "pia"
      ];
    };
    expected = {
      unit = false;
      user = false;
      rules = [
        false
        false
      ];
      open = [ ];
      inside = [ false ];
      provider.wireguard.file = "/run/credentials/bulkhead-vpn.service/wireguard";
      flags = [
        true
        false
      ];
    };
  };
  "the host's firewalls let through what the guard lets through" = {
    expr = {
      proxy = plain.config.networking.firewall.interfaces.vpn0.allowedTCPPorts;
      rpFilter = map (host: has host.config.networking.firewall.extraCommands [ rpFilterRule ]) [
        plain
        (hostOf { networking.firewall.checkReversePath = false; })
      ];
      tables = all hosts.strict.config.networking.nftables.tables.nixos-fw.content [
        "iifname \"vpn0\" oifname \"vpn0\" accept"
        "iifname \"vpn0\" accept"
      ];
      docker = all hosts.docker.config.systemd.services.vpn-docker.script [
        "iptables -w -I DOCKER-USER -i vpn0 -o vpn0 -j ACCEPT"
      ];
    };
    expected = {
      proxy = [ 8888 ];
      rpFilter = [
        [ true ]
        [ false ]
      ];
      tables = [ ];
      docker = [ ];
    };
  };

  # The VPN container.
  "each start of the container makes the interface anew, and moves it in" = {
    expr = {
      made =
        lib.hasSuffix
          "\nip link delete dev wg-vpn 2> /dev/null || true\nip link add dev wg-vpn type wireguard\nudevadm wait --timeout=30 /sys/class/net/wg-vpn\n"
          plain.config.systemd.services."container@vpn".preStart;
      moved = has (flagsOf plain "vpn") [ "--network-interface=wg-vpn" ];
      # The unit would wait for the device, which comes with its own start.
      waits = has (unitOf plain "container@vpn.service") [ "sys-subsystem-net-devices" ];
      module = lib.elem "wireguard" plain.config.boot.kernelModules;
    };
    expected = {
      made = true;
      moved = [ true ];
      waits = [ false ];
      module = true;
    };
  };
  "a failure of the daemon restarts the container, at once and then in steps" = {
    expr = {
      inside = all (insideOf plain "vpn").systemd.units."bulkhead-vpn.service".text [
        "FailureAction=reboot-force"
        "Type=notify"
        "WatchdogSec=120"
        "StateDirectory=bulkhead-vpn"
        "StateDirectoryMode=0700"
        "CapabilityBoundingSet=CAP_NET_ADMIN"
        "ExecStart=/nix/store/00000000000000000000000000000000-hello/bin/bulkhead-vpn run --config /etc/bulkhead-vpn/config.json"
      ];
      # It would come to nothing without a new interface.
      restart = lineOf (insideOf plain "vpn").systemd.units."bulkhead-vpn.service".text "Restart";
      outside = all (unitOf plain "container@vpn.service") [
        "RestartForceExitStatus=133"
        "RestartSec=1\n"
        "RestartSteps=6"
        "RestartMaxDelaySec=300"
        "StartLimitIntervalSec=0"
        "TimeoutStartSec=infinity"
      ];
      reset = all plain.config.systemd.services."container@vpn".postStart [
        "if vpn status --json"
        "systemctl reset-failed container@vpn.service"
      ];
    };
    expected = {
      inside = [ ];
      restart = [ ];
      outside = [ ];
      reset = [ ];
    };
  };
  "what is closed in it is closed before its network, and before the daemon" = {
    expr = {
      inherit ((insideOf plain "vpn").systemd.services.bulkhead-vpn-rules) before;
      inherit ((insideOf plain "vpn").systemd.services.bulkhead-vpn) requires;
      after = lib.elem "bulkhead-vpn-rules.service" (insideOf plain "vpn")
      .systemd.services.bulkhead-vpn.after;
      rules =
        forwarding.config.vpn.insideRules.text == bulkhead.vpnInsideRuleset {
          name = "bulkhead-vpn-inside";
          interface = "wg-vpn";
          bridge = "eth0";
          services = [
            "10.73.0.10"
            "10.73.0.11"
          ];
          proxy = {
            address = "10.73.0.1";
            port = 8888;
          };
          receiver = {
            address = "10.73.0.10";
            protocols = [ "tcp" ];
            hook = true;
          };
        };
    };
    expected = {
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      requires = [ "bulkhead-vpn-rules.service" ];
      after = true;
      rules = true;
    };
  };
  "it has one address, no default route and no resolver" = {
    expr =
      let
        inherit (insideOf plain "vpn") environment services systemd;
      in
      {
        missing = all systemd.network.units."10-vpn.network".text [
          "Address=10.73.0.2/24"
          "LinkLocalAddressing=no"
          "IPv6AcceptRA=false"
          "MACAddress=${bulkhead.mkMac "vpn of vpn0"}"
        ];
        gateway = lib.hasInfix "Gateway" systemd.network.units."10-vpn.network".text;
        resolver = environment.etc."resolv.conf".text;
        resolved = services.resolved.enable;
      };
    expected = {
      missing = [ ];
      gateway = false;
      resolver = "";
      resolved = false;
    };
  };
  "it gets copies of the files with its secrets, and nothing else of the host" = {
    expr = {
      binds = has (flagsOf forwarding "vpn") [ "--bind" ];
      inherit (forwarding.config.containers.vpn) bindMounts;
      flags = all (confOf forwarding "vpn") [
        "--load-credential=pia-login:/run/agenix/pia-login"
        "--load-credential=pia-dedicated-ip:/run/agenix/pia-ip"
      ];
      unit =
        lineOf (insideOf forwarding "vpn").systemd.units."bulkhead-vpn.service".text
          "LoadCredential";
      inherit (forwarding.config.vpn.settings.provider.pia) credentialsFile dedicatedIpFile;
    };
    expected = {
      binds = [ false ];
      bindMounts = { };
      flags = [ ];
      unit = [
        "LoadCredential=pia-dedicated-ip"
        "LoadCredential=pia-login"
      ];
      credentialsFile = "/run/credentials/bulkhead-vpn.service/pia-login";
      dedicatedIpFile = "/run/credentials/bulkhead-vpn.service/pia-dedicated-ip";
    };
  };
  "the daemon is told what the options say" = {
    expr = {
      location = map (host: host.config.vpn.settings.provider.pia.location) [
        plain
        hosts.one
        forwarding
        hosts.latency
      ];
      port = removeAttrs forwarding.config.vpn.settings.portForwarding [ "onForwarded" ];
      hook = lib.length forwarding.config.vpn.settings.portForwarding.onForwarded.command;
      none = plain.config.vpn.settings ? portForwarding;
      inherit (plain.config.vpn.settings) services bridge;
      inherit (plain.config.vpn.settings.provider.pia) proxy;
      file =
        (insideOf plain "vpn").environment.etc."bulkhead-vpn/config.json".source.text
        == builtins.toJSON plain.config.vpn.settings;
    };
    expected = {
      location = [
        { lowestLatency.countries = [ ]; }
        { regions = [ "swiss" ]; }
        {
          regions = [
            "swiss"
            "de-frankfurt"
          ];
        }
        { lowestLatency.countries = [ "CH" ]; }
      ];
      port = {
        service = "torrent";
        protocol = "tcp";
        port = 51413;
      };
      hook = 1;
      none = false;
      services = {
        torrent.address = "10.73.0.10";
        web.address = "10.73.0.11";
      };
      bridge = {
        interface = "eth0";
        subnet = "10.73.0.0/24";
        hostAddress = "10.73.0.1";
        vpnAddress = "10.73.0.2";
      };
      proxy = "10.73.0.1:8888";
      file = true;
    };
  };

  "its configuration is checked by the daemon when the host is built" = {
    expr = lib.length (
      lib.filter (check: check.name == "bulkhead-vpn-config") plain.config.system.checks
    );
    expected = 1;
  };

  # The services.
  "services start when the VPN is connected, and stay when it restarts" = {
    expr = {
      after = lib.elem "vpn-online.service" plain.config.systemd.services."container@web".after;
      wants = lib.elem "vpn-online.service" plain.config.systemd.services."container@web".wants;
      inherit (plain.config.systemd.services."container@web") requires bindsTo partOf;
      online = {
        inherit (plain.config.systemd.services.vpn-online)
          after
          bindsTo
          partOf
          requires
          ;
        missing = all plain.config.systemd.services.vpn-online.script [ "until vpn status --json" ];
        timeout = lineOf (unitOf plain "vpn-online.service") "TimeoutStartSec";
        wanted = lib.elem "vpn-online.service" plain.config.systemd.services."container@vpn".wants;
      };
    };
    expected = {
      after = true;
      wants = true;
      requires = [
        "vpn-guard.service"
        "vpn-bridge.service"
      ];
      bindsTo = [ ];
      partOf = [ ];
      online = {
        # A container that fails and is started again must not end the wait.
        after = [ ];
        bindsTo = [ ];
        requires = [ ];
        partOf = [ "container@vpn.service" ];
        missing = [ ];
        timeout = [ "TimeoutStartSec=infinity" ];
        wanted = true;
      };
    };
  };
  "a service's gateway and its one DNS server are the VPN container" = {
    expr =
      let
        inherit (insideOf plain "torrent")
          environment
          networking
          services
          systemd
          ;
      in
      {
        missing = all systemd.network.units."10-vpn.network".text [
          "Address=10.73.0.10/24"
          "Gateway=10.73.0.2"
          "LinkLocalAddressing=no"
          "IPv6AcceptRA=false"
          "MACAddress=${bulkhead.mkMac "torrent of vpn0"}"
        ];
        resolver = environment.etc."resolv.conf".text;
        resolved = services.resolved.enable;
        inherit (networking) enableIPv6;
      };
    expected = {
      missing = [ ];
      resolver = "nameserver 10.73.0.2\n";
      resolved = false;
      enableIPv6 = false;
    };
  };
  "a service that asks for another resolver gets this one" = {
    expr =
      let
        host = hostOf {
          vpn.containers.web.config = {
            services.resolved.enable = true;
            networking.nameservers = [ "1.1.1.1" ];
            environment.etc."resolv.conf".text = "nameserver 1.1.1.1";
          };
        };
      in
      {
        resolver = (insideOf host "web").environment.etc."resolv.conf".text;
        resolved = (insideOf host "web").services.resolved.enable;
      };
    expected = {
      resolver = "nameserver 10.73.0.2\n";
      resolved = false;
    };
  };
  "containers have users of their own, and no nix-daemon" = {
    expr =
      let
        hasUsers = (plain.options.containers.type.getSubOptions [ ]) ? privateUsers;
        usersOf =
          name:
          if hasUsers then
            plain.config.containers.${name}.privateUsers == "pick"
          else
            lib.hasInfix "--private-users=pick" (flagsOf plain name);
      in
      {
        users = map usersOf [
          "vpn"
          "torrent"
        ];
        hidden =
          map
            (
              name:
              lib.hasInfix "BindReadOnlyPaths=/var/lib/bulkhead/empty:/nix/var/nix/daemon-socket" (
                unitOf plain "container@${name}.service"
              )
            )
            [
              "vpn"
              "torrent"
            ];
        nix = (insideOf plain "torrent").nix.enable;
      };
    expected = {
      users = [
        true
        true
      ];
      hidden = [
        true
        true
      ];
      nix = false;
    };
  };
  "containers get no sockets that go past their network" = {
    expr =
      map
        (
          name:
          let
            unit = unitOf plain "container@${name}.service";
          in
          {
            families = lineOf unit "RestrictAddressFamilies";
            native = lineOf unit "SystemCallArchitectures";
          }
        )
        [
          "vpn"
          "torrent"
        ];
    expected =
      let
        restricted = {
          families = map (family: "RestrictAddressFamilies=AF_${family}") [
            "UNIX"
            "INET"
            "INET6"
            "NETLINK"
            "PACKET"
          ];
          native = [ "SystemCallArchitectures=native" ];
        };
      in
      [
        restricted
        restricted
      ];
  };
  "mounts are what they say, and secrets are copies" = {
    expr = {
      torrent = lib.filter (lib.hasPrefix "--bind") plain.config.containers.torrent.extraFlags;
      web = lib.filter (lib.hasPrefix "--load-credential") forwarding.config.containers.web.extraFlags;
      mounts =
        lib.elem "/srv/torrents"
          plain.config.systemd.services."container@torrent".unitConfig.RequiresMountsFor;
    };
    expected = {
      torrent = [ "--bind=/srv/torrents:/var/lib/torrents:idmap" ];
      web = [ "--load-credential=login:/run/agenix/web-login" ];
      mounts = true;
    };
  };
  "ports are isolated, but for those of a pair" = {
    expr =
      map
        (
          host:
          map
            (
              name:
              lib.hasInfix "bridge link set dev vb-${name} isolated on"
                host.config.systemd.services."container@${name}".postStart
            )
            [
              "torrent"
              "web"
            ]
        )
        [
          plain
          paired
        ];
    expected = [
      [
        true
        true
      ]
      [
        false
        false
      ]
    ];
  };

  # The host's tool.
  "`vpn` on the host knows the containers, the guard and the socket" = {
    expr = builtins.fromJSON (
      builtins.unsafeDiscardStringContext plain.config.environment.etc."bulkhead/vpn.json".text
    );
    expected = {
      vpn = {
        namespace.machine = "vpn";
        interface = "eth0";
        controlSocket = "/var/lib/nixos-containers/vpn/var/lib/bulkhead-vpn/control.sock";
        root = "/var/lib/nixos-containers/vpn";
      };
      bridge = {
        interface = "vpn0";
        subnet = "10.73.0.0/24";
        hostAddress = "10.73.0.1";
        vpnAddress = "10.73.0.2";
      };
      proxy = "10.73.0.1:8888";
      services = {
        torrent = {
          address = "10.73.0.10";
          namespace.machine = "torrent";
          interface = "eth0";
        };
        web = {
          address = "10.73.0.11";
          namespace.machine = "web";
          interface = "eth0";
        };
      };
      guard = {
        rules = "/nix/store/00000000000000000000000000000000-vpn-guard.nft";
        tables = [
          {
            family = "bridge";
            name = "bulkhead-vpn";
          }
          {
            family = "arp";
            name = "bulkhead-vpn";
          }
          {
            family = "inet";
            name = "bulkhead-vpn";
          }
        ];
      };
      nft = "/nix/store/00000000000000000000000000000000-nftables/bin/nft";
      machinectl = "/nix/store/00000000000000000000000000000000-systemd/bin/machinectl";
      publicAddress.url = "https://www.privateinternetaccess.com/api/client/status";
    };
  };
}
