# What prepares a VPN container on its host: shell scripts for services, and the proxy's configuration. The scripts want ip,
# bridge and udevadm in their path, and root's rights.
let
  inherit (builtins)
    any
    attrNames
    concatMap
    concatStringsSep
    elemAt
    replaceStrings
    ;
  inherit (import ./addresses.nix) parseNetwork;
  inherit (import ./ports.nix) bridgeFeatures;

  lines = parts: concatStringsSep "\n" parts + "\n";
  warn = text: "echo \"<4>${text}\" >&2"; # sd-daemon(3)
  escape = replaceStrings [ "." ] [ "\\." ];

  # ip-sysctl: what comes in by this interface is not routed, whatever all others do, and redirects are for routers.
  settings = {
    "ipv4/conf/@/forwarding" = 0;
    "ipv4/conf/@/accept_redirects" = 0;
    "ipv4/conf/@/send_redirects" = 0;
    "ipv4/conf/@/arp_ignore" = 1;
    "ipv6/conf/@/disable_ipv6" = 1;
  };
in
{
  /**
    A script that makes the bridge, with its address, or sets one right that is there. When it ends, the address can be
    bound: what listens on it needs to be ordered after it, and needs to wait for nothing else. Ports that are plugged in
    stay.

    # Inputs

    `bridge`, `mac`

    : The interface of the bridge and its MAC address.

    `subnet`, `hostAddress`

    : The IPv4 network of the bridge, and the host's address in it.

    # Type

    ```
    vpnBridgeScript :: { bridge, mac, subnet, hostAddress :: String } -> String
    ```

    # Example

    ```nix
    vpnBridgeScript { bridge = "vpn0"; mac = "02:00:00:00:00:01"; subnet = "10.73.0.0/24"; hostAddress = "10.73.0.1"; }
    => "set -e\nip link show dev vpn0 …"
    ```
  */
  vpnBridgeScript =
    {
      bridge,
      mac,
      subnet,
      hostAddress,
      ...
    }:
    let
      features = concatStringsSep " " (
        map (name: "${name} ${toString bridgeFeatures.${name}}") (attrNames bridgeFeatures)
      );
      address = "${hostAddress}/${toString (parseNetwork subnet).prefix}";
      set =
        path:
        let
          file = "/proc/sys/net/${replaceStrings [ "@" ] [ bridge ] path}";
        in
        "if [ -e ${file} ]; then echo ${toString settings.${path}} > ${file}; fi";
    in
    lines (
      [
        "set -e"
        "ip link show dev ${bridge} > /dev/null 2>&1 || ip link add name ${bridge} type bridge"
        "ip link set dev ${bridge} address ${mac} addrgenmode none type bridge ${features}"
      ]
      ++ map set (attrNames settings)
      ++ [
        "case \"$(ip -o -4 address show dev ${bridge})\" in"
        "  *\" inet ${address} \"*) ;;"
        "  *)"
        "    ip -4 address flush dev ${bridge}"
        "    ip address add ${address} dev ${bridge}"
        "    ;;"
        "esac"
        "ip link set dev ${bridge} up"
      ]
    );

  /**
    A script that puts the ports of the bridge back into it, if they are there and somebody took them out, and isolates
    those of services that are in no pair. It changes nothing of ports that are as they should be.

    # Inputs

    `bridge`

    : The interface of the bridge.

    `vpn`, `services`, `allowBetween`

    : As for `vpnTables`; of containers only `interface` is needed.

    # Type

    ```
    vpnPlugScript :: {
      bridge :: String,
      vpn :: { interface :: String },
      services :: { <name> :: { interface :: String } },
      allowBetween :: [ [String] ],
    } -> String
    ```

    # Example

    ```nix
    vpnPlugScript { bridge = "vpn0"; vpn.interface = "vb-vpn"; services = { }; allowBetween = [ ]; }
    => "plug() {\n…\n}\nplug vb-vpn off\n"
    ```
  */
  vpnPlugScript =
    {
      bridge,
      vpn,
      services,
      allowBetween,
      ...
    }:
    let
      isolated =
        name:
        if any (pair: elemAt pair 0 == name || elemAt pair 1 == name) allowBetween then "off" else "on";
    in
    lines (
      [
        "plug() {"
        "  link=$(ip -oneline link show dev \"$1\" 2> /dev/null) || return 0"
        "  case \"$link\" in"
        "    *\" master ${bridge} \"*) ;;"
        "    *) ${warn "$1 is not in ${bridge}; it is put back"} ;;"
        "  esac"
        "  ip link set dev \"$1\" master ${bridge}"
        "  bridge link set dev \"$1\" isolated \"$2\""
        "}"
        "plug ${vpn.interface} off"
      ]
      ++ map (name: "plug ${services.${name}.interface} ${isolated name}") (attrNames services)
    );

  /**
    A script that makes the WireGuard interface in the host's network namespace, for the container that starts next to take
    it in. One that is there has not been taken in, or has come back, and is made anew: it would keep its keys and peers.
    systemd-nspawn refuses an interface that udev has not seen yet (EBUSY), so that is waited for.

    # Inputs

    `interface`

    : The name of the interface.

    # Type

    ```
    vpnInterfaceScript :: String -> String
    ```

    # Example

    ```nix
    vpnInterfaceScript "wg-vpn"
    => "ip link delete dev wg-vpn 2> /dev/null || true\nip link add dev wg-vpn type wireguard\nudevadm wait …"
    ```
  */
  vpnInterfaceScript =
    interface:
    lines [
      "ip link delete dev ${interface} 2> /dev/null || true"
      "ip link add dev ${interface} type wireguard"
      "udevadm wait --timeout=30 /sys/class/net/${interface}"
    ];

  /**
    The filter of the proxy, a file with a regular expression on each line (tinyproxy.conf(5), `Filter`): what is asked for
    must be a host or an address and a port, as CONNECT has it. The URL of another method has `http://` before it and
    fits none of them.

    # Inputs

    `domains`

    : Domains in which all names may be asked for.

    `ports`

    : The ports.

    # Type

    ```
    vpnProxyFilter :: { domains :: [String], ports :: [Int] } -> String
    ```

    # Example

    ```nix
    vpnProxyFilter { domains = [ "example.com" ]; ports = [ 443 ]; }
    => "^\\([0-9]\\{1,3\\}\\.\\)\\{3\\}[0-9]\\{1,3\\}:443$\n^[A-Za-z0-9.-]*\\.example\\.com:443$\n"
    ```
  */
  vpnProxyFilter =
    { domains, ports }:
    lines (
      concatMap (
        port:
        [ "^\\([0-9]\\{1,3\\}\\.\\)\\{3\\}[0-9]\\{1,3\\}:${toString port}$" ]
        ++ map (domain: "^[A-Za-z0-9.-]*\\.${escape domain}:${toString port}$") domains
      ) ports
    );

  /**
    The configuration of the proxy, tinyproxy.conf(5): it listens at the host's address on the bridge, serves the VPN
    container, and connects to what the filter lets through.

    # Inputs

    `listen`, `port`

    : Where it listens.

    `client`

    : The address that it serves.

    `filter`

    : The file of `vpnProxyFilter`.

    `ports`

    : The ports that CONNECT may ask for.

    # Type

    ```
    vpnProxyConfig :: { listen :: String, port :: Int, client, filter :: String, ports :: [Int] } -> String
    ```

    # Example

    ```nix
    vpnProxyConfig { listen = "10.73.0.1"; port = 8888; client = "10.73.0.2"; filter = "/etc/filter"; ports = [ 443 ]; }
    => "Listen 10.73.0.1\nPort 8888\n…"
    ```
  */
  vpnProxyConfig =
    {
      listen,
      port,
      client,
      filter,
      ports,
    }:
    lines (
      [
        "Listen ${listen}"
        "Port ${toString port}"
        "Allow ${client}"
        "Timeout 120"
        "MaxClients 32"
        "Filter \"${filter}\""
        "FilterURLs On"
        "FilterDefaultDeny Yes"
        "DisableViaHeader Yes"
        "LogLevel Warning"
      ]
      ++ map (wanted: "ConnectPort ${toString wanted}") ports
    );
}
