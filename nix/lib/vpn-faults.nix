# What must not be said about a VPN container and its services.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elemAt
    filter
    groupBy

    length
    match
    ;
  inherit (import ./addresses.nix)
    isHostAddress
    isInNetwork
    networksOverlap
    parseAddress
    parseNetwork
    ;
  inherit (import ./mac.nix) isPrivateMac;
  inherit (import ./sandbox-faults.nix) interfaceFaults networkFaults;
  inherit (import ./vpn.nix) vpnContainer;

  quote = name: "`${name}`";
  option = name: quote "vpn.${name}";
  when = condition: message: if condition then [ message ] else [ ];
  isIPv4 =
    text:
    let
      parts = parseAddress text;
    in
    parts != null && length parts == 4;
  isIPv4Network = text: match "[0-9.]+/[0-9]+" text != null && parseNetwork text != null;
  and' = concatStringsSep " and ";
in
{
  /**
    What is wrong with a VPN container and its services, in words that name both sides: addresses outside of the subnet or
    taken, networks that the host has elsewhere, names of interfaces, more than one receiver of the forwarded port, pairs.
    Where there is nothing, `vpnTables` gives rules that nft takes.

    # Inputs

    `bridge`, `mac`, `subnet`, `hostAddress`

    : As for `vpnTables`.

    `interface`

    : The WireGuard interface.

    `vpn`

    : The VPN container: `interface`, `mac` and `address`.

    `services`

    : The same of the service containers, by name, each with `receives`: whether it gets the forwarded port.

    `allowBetween`

    : Pairs of names of services.

    `hook`

    : Whether something is run when a port was forwarded.

    `others`

    : Bridges and networks that the host has elsewhere: a list of `option`, which names them, and `subnet` or `interface`.

    # Type

    ```
    vpnFaults :: {
      bridge, mac, subnet, hostAddress, interface :: String,
      vpn :: Port,
      services :: { <name> :: Port // { receives :: Bool } },
      allowBetween :: [ [String] ],
      hook :: Bool,
      others :: [ { option :: String, subnet :: Optional String, interface :: Optional String } ],
    } -> [String]
    ```

    # Example

    ```nix
    vpnFaults { subnet = "10.73.0.0/24"; hostAddress = "10.74.0.1"; … }
    => [ "`vpn.hostAddress` is 10.74.0.1, outside of `vpn.subnet`, 10.73.0.0/24" ]
    ```
  */
  vpnFaults =
    {
      bridge,
      mac,
      subnet,
      hostAddress,
      interface,
      vpn,
      services,
      allowBetween,
      hook,
      others,
      ...
    }:
    let
      names = attrNames services;
      of = name: attribute: option "containers.${name}.${attribute}";

      addressFaults =
        it: address:
        if !isIPv4 address then
          [
            "${it} is ${quote address}, and not an IPv4 address${
              if parseAddress address == null then
                ""
              else
                "; there is no IPv6 on the bridge, since it would have a way of its own"
            }"
          ]
        else if !isIPv4Network subnet then
          [ ] # reported below
        else if !isInNetwork subnet address then
          [ "${it} is ${address}, outside of ${option "subnet"}, ${subnet}" ]
        else
          when (!isHostAddress subnet address)
            "${it} is ${address}, the first or last address of ${option "subnet"}, ${subnet}, which no machine may have";

      # All that have the same of something, each by the option that says it.
      sharedFaults =
        given:
        let
          groups = groupBy (it: it.value) given;
        in
        concatMap (
          value:
          let
            same = groups.${value};
          in
          when (length same > 1) "${and' (map (it: it.option) same)} are both ${value}"
        ) (attrNames groups);

      nameFaults =
        name:
        when (
          name == vpnContainer
        ) "${option "containers.${name}"} has the name of the VPN container itself: call it something else"
        ++
          when (match "[a-z]([a-z0-9-]*[a-z0-9])?" name == null)
            "${option "containers"} has ${quote name}; a container has small letters, digits and `-` in its name, and begins with a letter"
        ++
          interfaceFaults "the interface of ${option "containers.${name}"} on the host"
            services.${name}.interface
        ++
          when (!isPrivateMac services.${name}.mac)
            "${of name "mac"} is ${quote services.${name}.mac}, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01"
        ++ addressFaults (of name "ip") services.${name}.address;

      receivers = filter (name: services.${name}.receives) names;

      pairFaults =
        pair:
        let
          it = "a pair of ${option "allowBetween"}, [ ${
            concatStringsSep " " (map (name: "\"${name}\"") pair)
          } ]";
        in
        if length pair != 2 then
          [ "${it}, has to have two names" ]
        else
          when (elemAt pair 0 == elemAt pair 1) "${it}, names one container twice"
          ++ map (name: "${it}, names ${quote name}, which is not one of ${option "containers"}") (
            filter (name: !(services ? ${name})) pair
          );

      otherFaults =
        other:
        (
          if other ? subnet && isIPv4Network subnet && parseNetwork other.subnet != null then
            when (networksOverlap subnet other.subnet) "${option "subnet"}, ${subnet}, overlaps with ${other.subnet} of ${other.option}"
          else
            [ ]
        )
        ++ concatMap (
          mine:
          when (
            other ? interface && other.interface == mine.value
          ) "${mine.option}, ${mine.value}, is also ${other.option}"
        ) interfaces;
      interfaces = [
        {
          option = option "bridgeName";
          value = bridge;
        }
        {
          option = option "interfaceName";
          value = interface;
        }
      ];
    in
    when (!isIPv4Network subnet)
      "${option "subnet"} is ${quote subnet}, and not an IPv4 network such as 10.73.0.0/24, with no bits after the prefix"
    ++ when (
      isIPv4Network subnet && (parseNetwork subnet).prefix > 29
    ) "${option "subnet"} is ${subnet}, which has no room for the host, the VPN container and services"
    ++ (if isIPv4Network subnet then networkFaults (option "subnet") subnet else [ ])
    ++
      when (!isPrivateMac mac)
        "${option "mac"} is ${quote mac}, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01"
    ++ addressFaults (option "hostAddress") hostAddress
    ++ addressFaults (option "vpnAddress") vpn.address
    ++ interfaceFaults (option "bridgeName") bridge
    ++ interfaceFaults (option "interfaceName") interface
    ++ concatMap nameFaults names
    ++ sharedFaults (
      [
        {
          option = option "hostAddress";
          value = hostAddress;
        }
        {
          option = option "vpnAddress";
          value = vpn.address;
        }
      ]
      ++ map (name: {
        option = of name "ip";
        value = services.${name}.address;
      }) names
    )
    ++ sharedFaults (
      [
        {
          option = "the MAC address of ${option "bridgeName"}";
          value = mac;
        }
        {
          option = "that of the VPN container";
          value = vpn.mac;
        }
      ]
      ++ map (name: {
        option = of name "mac";
        value = services.${name}.mac;
      }) names
    )
    ++ sharedFaults (
      interfaces
      ++ [
        {
          option = "the interface of the VPN container on the host";
          value = vpn.interface;
        }
      ]
      ++ map (name: {
        option = "the interface of ${option "containers.${name}"} on the host";
        value = services.${name}.interface;
      }) names
    )
    ++
      when (length receivers > 1)
        "${
          and' (map (name: of name "receiveForwardedPort") receivers)
        } are both set, but the provider forwards one port: choose one container"
    ++ when (
      hook && receivers == [ ]
    ) "${option "onPortForwarded"} is set, but no container has `receiveForwardedPort`"
    ++ concatMap pairFaults allowBetween
    ++ concatMap otherFaults others;
}
