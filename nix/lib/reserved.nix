# The networks that are not the public internet.
{
  /**
    IPv4 networks that a workspace must not reach: those of the IANA registry of special-purpose addresses (RFC 6890),
    multicast and what is kept for later use. `224.0.0.0/3` is multicast (224.0.0.0/4, RFC 5771) and 240.0.0.0/4
    (RFC 1112, 4) in one.

    # Type

    ```
    reservedIPv4 :: [String]
    ```

    # Example

    ```nix
    map (network: "ip daddr ${network} drop") reservedIPv4
    => [ "ip daddr 0.0.0.0/8 drop" "ip daddr 10.0.0.0/8 drop" … ]
    ```
  */
  reservedIPv4 = [
    "0.0.0.0/8" # this network: RFC 791, 3.2
    "10.0.0.0/8" # private: RFC 1918
    "100.64.0.0/10" # carrier-grade NAT, and Tailscale: RFC 6598
    "127.0.0.0/8" # loopback: RFC 1122, 3.2.1.3
    "169.254.0.0/16" # link-local, and the metadata services of clouds: RFC 3927
    "172.16.0.0/12" # private: RFC 1918
    "192.0.0.0/24" # IETF protocol assignments: RFC 6890, 2.1
    "192.0.2.0/24" # documentation: RFC 5737
    "192.88.99.0/24" # 6to4 relays: RFC 7526
    "192.168.0.0/16" # private: RFC 1918
    "198.18.0.0/15" # benchmarks: RFC 2544
    "198.51.100.0/24" # documentation: RFC 5737
    "203.0.113.0/24" # documentation: RFC 5737
    "224.0.0.0/3"
  ];

  /**
    IPv6 networks that a workspace must not reach: all but 2000::/3, the only part from which global unicast addresses
    are given out (RFC 4291, 2.4, and IANA's registry), and the special parts of that. So unique local, link-local and
    multicast addresses are among them, and those in which an IPv4 address is embedded: mapped ones (::ffff:0:0/96), NAT64
    (64:ff9b::/96, RFC 6052, and 64:ff9b:1::/48, RFC 8215), 6to4 and Teredo.

    # Type

    ```
    reservedIPv6 :: [String]
    ```

    # Example

    ```nix
    map (network: "ip6 daddr ${network} drop") reservedIPv6
    => [ "ip6 daddr ::/3 drop" "ip6 daddr 2001::/23 drop" … ]
    ```
  */
  reservedIPv6 = [
    "::/3"
    "2001::/23" # IETF protocol assignments, Teredo (RFC 4380) among them: RFC 2928
    "2001:db8::/32" # documentation: RFC 3849
    "2002::/16" # 6to4: RFC 3056
    "3fff::/20" # documentation: RFC 9637
    "4000::/2"
    "8000::/1"
  ];
}
