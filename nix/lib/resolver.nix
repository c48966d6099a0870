# The resolver that workspaces are given.
let
  inherit (builtins) concatStringsSep;
  inherit (import ./reserved.nix) reservedIPv4 reservedIPv6;

  yes = value: if value then "yes" else "no";

  # Names of local networks: home networks (RFC 8375), mDNS (RFC 6762), what RFC 6762, appendix G, found in use, and the
  # name that ICANN has set aside for private use. `localhost`, `invalid` and `test` are unbound's own.
  localZones = [
    "home.arpa."
    "local."
    "internal."
    "intranet."
    "private."
    "corp."
    "home."
    "lan."
    "localdomain."
  ];
in
{
  /**
    The configuration of an unbound(8) that answers workspaces about the public internet and nothing else. Addresses that
    are not public are taken out of answers, so that no name leads a browser to a private service (DNS rebinding); names
    of local networks don't exist; the host's own `/etc/hosts` and resolver are not asked. If the forwarders don't
    answer, nobody does.

    # Inputs

    `listen`

    : The addresses to listen on.

    `subnets`

    : The networks that may ask.

    `forwarders`

    : The servers to ask, as unbound's `forward-addr` has them (`9.9.9.9`, or with TLS `9.9.9.9@853#dns.quad9.net`). If
      empty, the resolver asks the servers of the domains itself, and never one with an address that is not public.

    `tls`

    : Whether the forwarders are asked over TLS. Their certificates are checked with `certificates`.

    `certificates`

    : A file with the certificates of authorities.

    `trustAnchor`

    : A file with the keys of the root zone, to validate answers (DNSSEC); null for not doing so.

    `ipv6`

    : Whether to ask servers over IPv6.

    `refuse`

    : Domains that don't exist for workspaces, beyond those of local networks.

    `deny`

    : Networks whose addresses are taken out of answers, beyond those that are not public.

    # Type

    ```
    resolverConfig :: {
      listen, subnets, forwarders, refuse, deny :: [String],
      tls, ipv6 :: Bool,
      certificates :: String,
      trustAnchor :: String | Null,
    } -> String
    ```

    # Example

    ```nix
    resolverConfig {
      listen = [ "10.20.0.1" ];
      subnets = [ "10.20.0.0/24" ];
      forwarders = [ "9.9.9.9@853#dns.quad9.net" ];
      tls = true;
      certificates = "/etc/ssl/certs/ca-certificates.crt";
      trustAnchor = null;
      ipv6 = false;
      refuse = [ "example.net" ];
      deny = [ ];
    }
    => "server:\n  interface: 10.20.0.1\n…"
    ```
  */
  resolverConfig =
    {
      listen,
      subnets,
      forwarders,
      tls,
      certificates,
      trustAnchor,
      ipv6,
      refuse,
      deny,
    }:
    let
      isForwarding = forwarders != [ ];
      notPublic = reservedIPv4 ++ reservedIPv6 ++ deny;
      server =
        map (address: "interface: ${address}") listen
        ++ [
          "port: 53"
          "ip-freebind: yes" # before the bridge is there
          "do-ip6: ${yes ipv6}"
          "access-control: 0.0.0.0/0 refuse"
          "access-control: ::/0 refuse"
        ]
        ++ map (subnet: "access-control: ${subnet} allow") subnets
        ++ [
          "do-daemonize: no"
          "username: \"\""
          "chroot: \"\""
          "directory: \"\""
          "pidfile: \"\""
          "use-syslog: no"
          "logfile: \"\""
          "hide-identity: yes"
          "hide-version: yes"
          "module-config: \"${if trustAnchor == null then "iterator" else "validator iterator"}\""
        ]
        ++ (if trustAnchor == null then [ ] else [ "trust-anchor-file: ${trustAnchor}" ])
        ++ (if tls then [ "tls-cert-bundle: ${certificates}" ] else [ ])
        # This also holds for the addresses of name servers: else anyone who has a domain could have the host ask servers
        # in its own networks.
        ++ map (network: "private-address: ${network}") notPublic
        ++ map (zone: "local-zone: \"${zone}\" always_nxdomain") (localZones ++ refuse);
      forward = [
        "name: \".\""
        "forward-first: no"
        "forward-tls-upstream: ${yes tls}"
      ]
      ++ map (address: "forward-addr: ${address}") forwarders;
      section = name: lines: [ "${name}:" ] ++ map (line: "  ${line}") lines;
    in
    concatStringsSep "\n" (
      section "server" server
      ++ section "remote-control" [ "control-enable: no" ]
      ++ (if isForwarding then section "forward-zone" forward else [ ])
    )
    + "\n";
}
