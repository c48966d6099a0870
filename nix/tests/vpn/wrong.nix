# VPNs that are refused, and in which words.
support:
let
  inherit (support) lib;
  inherit (import ../support/vpn.nix support) hostOf hostWith;

  option = name: "`vpn.${name}`";
  # Values over those of the host.
  changed = given: {
    vpn = lib.mapAttrsRecursiveCond (value: builtins.isAttrs value && !lib.isDerivation value) (
      _: lib.mkForce
    ) given;
  };
  refused = given: message: {
    expr = (hostOf (changed given)).failed;
    expected = [ message ];
  };
  refusedHost = module: message: {
    expr = (hostOf module).failed;
    expected = [ message ];
  };
  noMachine = "which no machine may have";
in
{
  # Addresses.
  "an address outside of the subnet" = refused {
    containers.web.ip = "10.74.0.11";
  } "${option "containers.web.ip"} is 10.74.0.11, outside of ${option "subnet"}, 10.73.0.0/24";
  "an address that two containers have" = refused {
    containers.web.ip = "10.73.0.10";
  } "${option "containers.torrent.ip"} and ${option "containers.web.ip"} are both 10.73.0.10";
  "the address of the host" = refused {
    containers.web.ip = "10.73.0.1";
  } "${option "hostAddress"} and ${option "containers.web.ip"} are both 10.73.0.1";
  "the address of the VPN container" = refused {
    containers.web.ip = "10.73.0.2";
  } "${option "vpnAddress"} and ${option "containers.web.ip"} are both 10.73.0.2";
  "a host and a VPN container at one address" = refused {
    vpnAddress = "10.73.0.1";
  } "${option "hostAddress"} and ${option "vpnAddress"} are both 10.73.0.1";
  "the address of the broadcast" =
    refused
      {
        containers.web.ip = "10.73.0.255";
      }
      "${option "containers.web.ip"} is 10.73.0.255, the first or last address of ${option "subnet"}, 10.73.0.0/24, ${noMachine}";
  "an address of IPv6" =
    refused
      {
        containers.web.ip = "fd73::11";
      }
      "${option "containers.web.ip"} is `fd73::11`, and not an IPv4 address; there is no IPv6 on the bridge, since it would have a way of its own";
  "something that is no address" = refused {
    containers.web.ip = "10.73.0.11/24";
  } "${option "containers.web.ip"} is `10.73.0.11/24`, and not an IPv4 address";
  "a subnet of IPv6" =
    refused
      {
        subnet = "fd73::/64";
      }
      "${option "subnet"} is `fd73::/64`, and not an IPv4 network such as 10.73.0.0/24, with no bits after the prefix";
  "a subnet with bits after the prefix" =
    refused
      {
        subnet = "10.73.0.1/24";
      }
      "${option "subnet"} is `10.73.0.1/24`, and not an IPv4 network such as 10.73.0.0/24, with no bits after the prefix";
  "a subnet without room" = {
    expr =
      lib.head
        (hostOf (changed {
          subnet = "10.73.0.0/30";
        })).failed;
    expected = "${option "subnet"} is 10.73.0.0/30, which has no room for the host, the VPN container and services";
  };
  "a subnet that the host has elsewhere" = refusedHost {
    networking.interfaces.eth1.ipv4.addresses = [
      {
        address = "10.73.0.200";
        prefixLength = 25;
      }
    ];
  } "${option "subnet"}, 10.73.0.0/24, overlaps with 10.73.0.128/25 of `networking.interfaces.eth1`";
  "a subnet that is the sandbox's" =
    refusedHost
      {
        imports = [ (support.modules + "/sandbox") ];
        networking.sandbox = {
          enable = true;
          upstreams = [ "eth0" ];
          subnet = "10.73.0.0/16";
          gateway = "10.73.0.1";
        };
      }
      "${option "subnet"}, 10.73.0.0/24, overlaps with 10.73.0.0/16 of the sandbox's (`networking.sandbox.subnet` and `bridge`)";

  # Names.
  "an interface whose name Linux would cut" = refused {
    interfaceName = "wireguard-of-vpn";
  } "${option "interfaceName"} is `wireguard-of-vpn`, which has 16 characters; Linux takes 15";
  "a bridge whose name Linux would cut" = refused {
    bridgeName = "bridge-of-the-vpn";
  } "${option "bridgeName"} is `bridge-of-the-vpn`, which has 17 characters; Linux takes 15";
  "an interface that is the bridge" = refused {
    interfaceName = "vpn0";
  } "${option "bridgeName"} and ${option "interfaceName"} are both vpn0";
  "an interface that is a container's" =
    refused
      {
        interfaceName = "vb-web";
      }
      "${option "interfaceName"} and the interface of ${option "containers.web"} on the host are both vb-web";
  "an interface that the host has for another VPN" = refusedHost {
    networking.wireguard.interfaces.wg-vpn.privateKeyFile = "/run/key";
  } "${option "interfaceName"}, wg-vpn, is also one of `networking.wireguard.interfaces`";
  "a bridge that is the sandbox's" = refusedHost {
    imports = [ (support.modules + "/sandbox") ];
    networking.sandbox = {
      enable = true;
      upstreams = [ "eth0" ];
      bridge = "vpn0";
    };
    # Both make it.
    systemd.network.wait-online.enable = false;
  } "${option "bridgeName"}, vpn0, is also the sandbox's (`networking.sandbox.subnet` and `bridge`)";
  "a container whose interface Linux would cut" =
    refused
      {
        containers.a-long-name-x.ip = "10.73.0.20";
      }
      "the interface of ${option "containers.a-long-name-x"} on the host is `vb-a-long-name-x`, which has 16 characters; Linux takes 15";
  "a container with the name of the host" = refused {
    containers.s0.ip = "10.73.0.20";
  } "${option "containers.s0"} has the name of this host: call it something else";
  "a container with a name that is none" = {
    expr =
      lib.elem
        "${option "containers"} has `Web_1`; a container has small letters, digits and `-` in its name, and begins with a letter"
        (hostOf { vpn.containers.Web_1.ip = "10.73.0.20"; }).failed;
    expected = true;
  };
  "a MAC address of a vendor" =
    refused
      {
        containers.web.mac = "00:16:3e:00:00:02";
      }
      "${option "containers.web.mac"} is `00:16:3e:00:00:02`, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01";
  "a MAC address that two have" =
    refused
      {
        containers.web.mac = "02:00:00:00:00:02";
        containers.torrent.mac = "02:00:00:00:00:02";
      }
      "${option "containers.torrent.mac"} and ${option "containers.web.mac"} are both 02:00:00:00:00:02";

  # The forwarded port.
  "two containers that want the port" =
    refused
      {
        containers.web.receiveForwardedPort = { };
        containers.torrent.receiveForwardedPort = { };
      }
      "${option "containers.torrent.receiveForwardedPort"} and ${option "containers.web.receiveForwardedPort"} are both set, but the provider forwards one port: choose one container";
  "a hook for nobody" = refused {
    onPortForwarded = "true";
  } "${option "onPortForwarded"} is set, but no container has `receiveForwardedPort`";
  "a port from a WireGuard file" = {
    expr =
      (hostWith {
        vpn.provider = "wireguard";
        vpn.wireguardFile = "/run/agenix/wireguard";
        vpn.containers.web.receiveForwardedPort = { };
      }).failed;
    expected = [
      "${option "containers.web.receiveForwardedPort"} is set, but a WireGuard file can't ask its provider for a port: leave it out, or use `vpn.provider = \"pia\"`"
    ];
  };

  # The provider.
  "PIA without what it needs" = {
    expr = (hostWith { }).failed;
    expected = [
      "${option "credentialsFile"} is not set: PIA wants a user name and a password; name the decrypted file, such as `config.age.secrets.<name>.path`"
      "${option "pia.caFile"} is not set: PIA's servers have certificates of PIA's own authority; name the file with its certificate, which PIA publishes"
      "${option "pia.listKeyFile"} is not set: PIA signs its list of servers; name the file with its public key, which PIA publishes"
    ];
  };
  "a WireGuard file that is not there, and PIA's credentials instead" = {
    expr =
      (hostWith {
        vpn.provider = "wireguard";
        vpn.credentialsFile = "/run/agenix/pia-login";
      }).failed;
    expected = [
      "${option "wireguardFile"} is not set: the provider `wireguard` is a file; name the decrypted file, such as `config.age.secrets.<name>.path`"
      "${option "credentialsFile"} is set, but ${option "provider"} is \"wireguard\", which has no use for it: leave it out"
    ];
  };
  "credentials that everybody can read" =
    refused
      {
        credentialsFile = "/nix/store/00000000000000000000000000000000-pia-login";
      }
      "${option "credentialsFile"} is /nix/store/00000000000000000000000000000000-pia-login, in the Nix store, which everybody on this host can read: name the decrypted file, such as `config.age.secrets.<name>.path`";
  "credentials with a path that a flag would read in another way" =
    refused
      {
        credentialsFile = "/run/agenix/pia login";
      }
      "${option "credentialsFile"} is `/run/agenix/pia login`, and not an absolute path of letters, digits and `._+@=-`";
  "no region" = refused {
    serverLocation = [ ];
  } "${option "serverLocation"} names no region: name one, or \"lowest-latency\"";
  "regions, and countries for the lowest latency" =
    refused
      {
        serverLocation = "swiss";
        latencyCountries = [ "CH" ];
      }
      "${option "latencyCountries"} is set, but ${option "serverLocation"} names regions: set it to \"lowest-latency\", or leave the countries out";

  # Containers.
  "a pair with a container that is not there" =
    refused
      {
        allowBetween = [
          [
            "web"
            "nobody"
          ]
        ];
      }
      "a pair of ${option "allowBetween"}, [ \"web\" \"nobody\" ], names `nobody`, which is not one of ${option "containers"}";
  "a mount of all secrets" =
    refused
      {
        containers.web.mounts."/secrets".hostPath = "/run/agenix";
      }
      "${option "containers.web.mounts"} has /run/agenix, which holds secrets of this host: give the container the one file that it needs, by `credentials`";
  "a mount of secrets that lie elsewhere" = {
    expr =
      (hostOf (
        { lib, ... }:
        {
          options.age = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
          config.age.secretsDir = "/srv/secrets";
          config.age.identityPaths = [ "/persist/keys/host" ];
          config.vpn.containers.web.mounts = {
            "/secrets".hostPath = "/srv/secrets/web";
            "/keys".hostPath = "/persist/keys";
            "/data".hostPath = "/srv/data";
          };
        }
      )).failed;
    expected = [
      "${option "containers.web.mounts"} has /persist/keys, and /persist/keys/host holds secrets of this host: give the container the one file that it needs, by `credentials`"
      "${option "containers.web.mounts"} has /srv/secrets/web, and /srv/secrets holds secrets of this host: give the container the one file that it needs, by `credentials`"
    ];
  };
  "a mount of one secret" =
    refused
      {
        containers.web.mounts."/login".hostPath = "/run/agenix/login";
      }
      "${option "containers.web.mounts"} has /run/agenix/login, and /run/agenix holds secrets of this host: give the container the one file that it needs, by `credentials`";
  "a mount of what holds all secrets" = {
    expr = lib.length (hostOf { vpn.containers.web.mounts."/host".hostPath = "/run"; }).failed;
    expected = 5;
  };
  "two mounts at one place" = refusedHost {
    vpn.containers.web.mounts = {
      a = {
        mountPoint = "/data";
        hostPath = "/srv/a";
      };
      b = {
        mountPoint = "/data";
        hostPath = "/srv/b";
      };
    };
  } "${option "containers.web.mounts"}: /srv/a and /srv/b would both be at /data";
  "a path that a flag would read in another way" = {
    expr =
      support.throws
        (hostOf { vpn.containers.web.mounts."/data".hostPath = "/srv/a:/etc"; })
        .config.containers.web.extraFlags;
    expected = true;
  };
  "a Nix that would build as the host" =
    refusedHost
      {
        vpn.containers.web.config.nix.enable = true;
      }
      "${option "containers.web"} is a container, in which there is no Nix: its store is the host's, and building there would be building as the host, by the host's network. Leave `nix.enable` out";
  "other ways out of a container, by NixOS' own options" = {
    expr =
      (hostOf {
        containers.web = {
          macvlans = [ "eth0" ];
          extraVeths.side.hostAddress = "10.9.0.1";
          privateNetwork = lib.mkForce false;
        };
        containers.vpn.forwardPorts = [ { hostPort = 80; } ];
      }).failed;
    expected = [
      "`containers.vpn.forwardPorts` is set, which would be another way out of the VPN container, or into it: leave it out"
    ]
    ++
      map
        (
          option:
          "`containers.web.${option}` is set, which would be another way out of `vpn.containers.web`, or into it: leave it out"
        )
        [
          "macvlans"
          "extraVeths"
          "privateNetwork"
        ];
  };
  "other ways out of a container, by flags of systemd-nspawn" = {
    expr =
      (hostOf {
        containers.web.extraFlags = [
          "--network-macvlan=eth0"
          "--port=80"
          "-U"
          "--private-users=no"
          "--tmpfs=/scratch"
        ];
        containers.vpn.extraFlags = [ "--network-interface=eth1" ];
      }).failed;
    expected =
      map
        (
          { container, flag }:
          "`containers.${container}.extraFlags` has `${flag}`, which is about the network or the users of ${
            if container == "vpn" then "the VPN container" else "`vpn.containers.${container}`"
          }: leave it out"
        )
        (
          [
            {
              container = "vpn";
              flag = "--network-interface=eth1";
            }
          ]
          ++
            map
              (flag: {
                container = "web";
                inherit flag;
              })
              [
                "--network-macvlan=eth0"
                "--port=80"
                "-U"
                "--private-users=no"
              ]
        );
  };
  "names of interfaces that Linux has a use for" = {
    expr =
      map
        (
          name:
          (hostOf (changed {
            bridgeName = name;
          })).failed
        )
        [
          "all"
          "default"
          "lo"
        ]
      ++ [
        (hostOf (changed {
          interfaceName = "lo";
        })).failed
      ];
    expected =
      map (name: [ "${option "bridgeName"} is `${name}`, a name that Linux has a use of its own for" ]) [
        "all"
        "default"
        "lo"
      ]
      ++ [ [ "${option "interfaceName"} is `lo`, a name that Linux has a use of its own for" ] ];
  };
  "a subnet in which no machine has an address" = refused {
    subnet = "127.0.0.0/24";
    hostAddress = "127.0.0.1";
    vpnAddress = "127.0.0.2";
    containers.torrent.ip = "127.0.0.10";
    containers.web.ip = "127.0.0.11";
  } "${option "subnet"} is 127.0.0.0/24, but no machine has an address in 127.0.0.0/8";
  "a MAC address of many" =
    refused
      {
        mac = "01:00:00:00:00:01";
      }
      "${option "mac"} is `01:00:00:00:00:01`, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01";
  "a verification that never comes" = {
    expr = map (span: lib.length (hostOf { vpn.verifyInterval = span; }).failed) [
      ""
      "0"
      "often"
      "infinity"
      "30d"
      "90"
      "30s"
      "5 min"
      "1h 30min"
    ];
    expected = [
      1
      1
      1
      1
      1
      0
      0
      0
      0
    ];
  };
  "regions and countries that are none" = {
    expr = map (given: map (lib.substring 0 24) (hostOf (changed given)).failed) [
      { serverLocation = ""; }
      { serverLocation = [ "" ]; }
      {
        serverLocation = [
          "lowest-latency"
          "swiss"
        ];
      }
      { latencyCountries = [ "Switzerland" ]; }
    ];
    expected = [
      [ "`vpn.serverLocation` has" ]
      [ "`vpn.serverLocation` has" ]
      [ "`vpn.serverLocation` has" ]
      [ "`vpn.latencyCountries` h" ]
    ];
  };
  "ports and a user that the proxy can't have" = {
    expr =
      map
        (
          given:
          lib.length
            (hostOf (changed {
              proxy = given;
            })).failed
        )
        [
          { ports = [ 53 ]; }
          { ports = [ 0 ]; }
          { port = 0; }
          { user = "root"; }
        ];
    expected = [
      1
      1
      1
      1
    ];
  };
  "options that a WireGuard file has no use for" = {
    expr =
      (hostWith {
        vpn.provider = "wireguard";
        vpn.wireguardFile = "/run/agenix/wireguard";
        vpn.serverLocation = "swiss";
        vpn.latencyCountries = [ "CH" ];
        vpn.pia.caFile = ./wrong.nix;
        vpn.proxy = {
          port = 3128;
          user = "squid";
          domains = [ "example.com" ];
          ports = [ 443 ];
        };
      }).failed;
    expected =
      map
        (
          name:
          "${option name} is set, but `vpn.provider` is \"wireguard\", which has no use for it: leave it out"
        )
        [
          "latencyCountries"
          "pia.caFile"
          "proxy.domains"
          "proxy.port"
          "proxy.ports"
          "proxy.user"
          "serverLocation"
        ];
  };
  "a secret for a container that everybody can read" =
    refused
      {
        containers.web.credentials.login = "/nix/store/login";
      }
      "${option "containers.web.credentials.login"} is /nix/store/login, in the Nix store, which everybody on this host can read: name the decrypted file, such as `config.age.secrets.<name>.path`";
  "a mount where NixOS is" =
    refused
      {
        containers.web.mounts."/nix".hostPath = "/srv/nix";
      }
      "${option "containers.web.mounts"}: /srv/nix can't be at /nix, which NixOS needs for itself in the container";
  "flags that are cut short, or stand together" = {
    expr =
      map
        (
          flags:
          map (lib.hasPrefix "`containers.web.extraFlags` has `")
            (hostOf { containers.web.extraFlags = flags; }).failed
        )
        [
          [ "--quiet --port=80" ]
          [ "--po=80" ]
          [ "-qp80" ]
          [ "--settings=override" ]
          [
            "--pipe"
            "--capability=CAP_NET_ADMIN"
            "-bD/var/lib/x"
          ]
        ];
    expected = [
      [ true ]
      [ true ]
      [ true ]
      [ true ]
      [ ]
    ];
  };
  "a mount of a socket that commands the host" =
    refused
      {
        containers.web.mounts."/docker.sock".hostPath = "/run/docker.sock";
      }
      "${option "containers.web.mounts"} has /run/docker.sock, which holds sockets of the host's services: share a folder that has only what the container needs";
  "a mount of secrets by another name" =
    refused
      {
        containers.web.mounts."/secrets".hostPath = "/var/run/agenix";
      }
      "${option "containers.web.mounts"} has /var/run/agenix, and /var/run holds sockets of the host's services: share a folder that has only what the container needs";
  "a socket by another option" =
    refusedHost
      {
        containers.web.bindMounts."/run/dbus" = { };
      }
      "`containers.web.bindMounts` has /run/dbus, and /run/dbus holds sockets of the host's services: leave it out";
  "secrets by another option" =
    refusedHost
      {
        containers.web.bindMounts."/run/agenix" = { };
      }
      "`containers.web.bindMounts` has /run/agenix, where this host has secrets: leave it out, and give the container the one file that it needs, by `vpn.containers.<name>.credentials`";
  "a workspace of the same name" = {
    expr =
      let
        host = hostOf {
          imports = [
            (support.modules + "/sandbox")
            (support.modules + "/workspaces")
            support.microvmHost
          ];
          networking.sandbox.upstreams = [ "eth0" ];
          workspaces.web = {
            type = "vm";
            ip = "10.20.0.10";
          };
        };
      in
      lib.filter (lib.hasPrefix "`workspaces.web`") host.failed;
    expected = [
      "`workspaces.web` has the name of ${option "containers.web"}: both would be the container `web`; call one of them something else"
    ];
  };

  # The host around it.
  "a firewall that flushes everything" = {
    expr =
      map
        (lib.hasPrefix "`networking.nftables.flushRuleset` would remove the guard of ${option "bridgeName"}, vpn0")
        (hostOf {
          networking.nftables.enable = true;
          networking.nftables.flushRuleset = true;
        }).failed;
    expected = [ true ];
  };
  "rules that flush everything" = {
    expr =
      map
        (lib.hasPrefix "`networking.nftables.ruleset` has `flush ruleset`, which would remove the guard of ${option "bridgeName"}, vpn0")
        (hostOf {
          networking.nftables.enable = true;
          networking.nftables.flushRuleset = false;
          networking.nftables.ruleset = "flush   ruleset";
        }).failed;
    expected = [ true ];
  };
  "somebody to ask for the address who is no URL" = refused {
    publicAddressUrl = "http://example.com";
  } "${option "publicAddressUrl"} is `http://example.com`, and not an https URL without a query";
  "a network that a container has" = {
    expr =
      (hostOf {
        containers.other = {
          privateNetwork = true;
          hostAddress = "10.73.0.5";
          config = { };
        };
      }).failed;
    expected = [ "${option "subnet"}, 10.73.0.0/24, overlaps with 10.73.0.5/32 of `containers.other`" ];
  };
  "a guard that nobody loads" = {
    expr =
      map (lib.hasPrefix "`systemd` is told to leave out vpn-guard.service")
        (hostOf {
          systemd.services.vpn-guard.enable = false;
        }).failed;
    expected = [ true ];
  };
}
