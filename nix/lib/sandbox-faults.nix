# What must not be said about a sandbox.
let
  inherit (builtins)
    any
    attrNames
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    groupBy
    head
    length
    match
    stringLength
    ;
  inherit (import ./addresses.nix)
    formatAddress
    isHostAddress
    isInNetwork
    networksOverlap
    parseAddress
    parseNetwork
    ;
  inherit (import ./mac.nix) isPrivateMac;

  # IFNAMSIZ of Linux is 16, with the zero at the end.
  longestInterface = 15;
  # The loopback, and what sysctl has beside interfaces (ip-sysctl).
  interfacesOfLinux = [
    "all"
    "default"
    "lo"
  ];
  # In which no machine has an address that others send to (RFC 6890; RFC 4291, 2.4).
  ofNoMachine = [
    "0.0.0.0/8"
    "127.0.0.0/8"
    "224.0.0.0/3"
    "::/8"
    "fe80::/10"
    "ff00::/8"
  ];

  quote = name: "`${name}`";
  option = name: quote "networking.sandbox.${name}";
  when = condition: message: if condition then [ message ] else [ ];
  sizeOf = family: if family == "IPv4" then 4 else 8;
  isAddress =
    family: text:
    let
      parts = parseAddress text;
    in
    parts != null && length parts == sizeOf family;
  isNetwork =
    family: text:
    let
      network = parseNetwork text;
    in
    network != null && length network.first == sizeOf family;
in
rec {
  /**
    What is wrong with the name of a network interface, in words: Linux takes 15 characters, and nft and sysctl must be
    able to name it.

    # Inputs

    `what`

    : What to call the interface in the message.

    `interface`

    : The name.

    # Type

    ```
    interfaceFaults :: String -> String -> [String]
    ```

    # Example

    ```nix
    interfaceFaults "the bridge" "a-bridge-with-a-name"
    => [ "the bridge is `a-bridge-with-a-name`, which has 20 characters; Linux takes 15" ]
    ```
  */
  interfaceFaults =
    what: interface:
    when (stringLength interface > longestInterface)
      "${what} is ${quote interface}, which has ${toString (stringLength interface)} characters; Linux takes ${toString longestInterface}"
    ++ (
      if match ".*@.*" interface != null then
        [
          "${what} is ${quote interface}; `ip link` shows after `@` what an interface is made on: write the part before it"
        ]
      else
        when (
          match "[a-zA-Z0-9_.-]+" interface == null
        ) "${what} is ${quote interface}; an interface has letters, digits, `_`, `.` and `-` in its name"
    )
    # What programs would take for an option, for the number of an interface, or for a folder.
    ++
      when (match "-.*|[0-9]+|[.].*" interface != null)
        "${what} is ${quote interface}; the name of an interface begins with no `-` or `.`, and has not only digits"
    ++ when (elem interface interfacesOfLinux) "${what} is ${quote interface}, a name that Linux has a use of its own for";

  /**
    The name of an interface's setting, as sysctl.d(5) has it: a dot in the name of the interface is written as a slash.

    # Inputs

    `family`, `interface`, `setting`

    : `"ipv4"` or `"ipv6"`, the name of the interface, and the setting.

    # Type

    ```
    interfaceSysctl :: String -> String -> String -> String
    ```

    # Example

    ```nix
    interfaceSysctl "ipv6" "eth0.5" "accept_ra"
    => "net.ipv6.conf.eth0/5.accept_ra"
    ```
  */
  interfaceSysctl =
    family: interface: setting:
    "net.${family}.conf.${builtins.replaceStrings [ "." ] [ "/" ] interface}.${setting}";

  /**
    What is wrong with a network for machines, in words: it has in it, or lies in, what no machine has an address in.

    # Inputs

    `what`

    : What to call the network in the message.

    `network`

    : The network, one that `parseNetwork` takes.

    # Type

    ```
    networkFaults :: String -> String -> [String]
    ```

    # Example

    ```nix
    networkFaults "the subnet" "127.0.0.0/24"
    => [ "the subnet is 127.0.0.0/24, but no machine has an address in 127.0.0.0/8" ]
    ```
  */
  networkFaults =
    what: network:
    map (other: "${what} is ${network}, but no machine has an address in ${other}") (
      filter (networksOverlap network) ofNoMachine
    );

  /**
    What is wrong with a sandbox, in words that name both sides: names of interfaces, addresses outside of the subnet or
    taken, MAC addresses, holes and pairs. Where there is nothing, `sandboxTables` gives rules that nft takes.

    # Inputs

    `sandbox`

    : As for `sandboxTables`, with the networks of the bridge, `subnet` and `subnet6` (null without IPv6), and in each
      hole its `reason`.

    # Type

    ```
    sandboxFaults :: Sandbox -> [String]
    ```

    # Example

    ```nix
    sandboxFaults { subnet = "10.0.0.0/24"; gateway = "10.0.1.1"; … }
    => [ "`networking.sandbox.gateway` is 10.0.1.1, outside of `networking.sandbox.subnet`, 10.0.0.0/24" ]
    ```
  */
  sandboxFaults =
    {
      bridge,
      mac,
      subnet,
      gateway,
      subnet6,
      gateway6,
      upstreams,
      ports,
      allow,
      allowBetween,
      deny,
      ...
    }:
    let
      hasIPv6 = subnet6 != null;
      names = attrNames ports;

      subnetFaults =
        family: subnetName: network: gatewayName: address:
        if !isNetwork family network then
          [
            "${option subnetName} is ${quote network}, and not an ${family} network such as ${
              if family == "IPv4" then "10.20.0.0/24" else "fd20::/64"
            }, with no bits after the prefix"
          ]
        else if !isAddress family address then
          [ "${option gatewayName} is ${quote address}, and not an ${family} address" ]
        else if !isInNetwork network address then
          [ "${option gatewayName} is ${address}, outside of ${option subnetName}, ${network}" ]
        else
          networkFaults (option subnetName) network
          ++
            when (!isHostAddress network address)
              "${option gatewayName} is ${address}, the first or last address of ${option subnetName}, ${network}, which no machine may have";
      familyFaults =
        if hasIPv6 then
          if gateway6 == null then
            [
              "${option "subnet6"} is ${subnet6}, but ${option "gateway6"} is null: set both, or none to be without IPv6"
            ]
          else
            subnetFaults "IPv6" "subnet6" subnet6 "gateway6" gateway6
        else
          when (gateway6 != null)
            "${option "gateway6"} is ${toString gateway6}, but ${option "subnet6"} is null: set both, or none to be without IPv6";

      bridgeFaults =
        interfaceFaults (option "bridge") bridge
        ++
          when (!isPrivateMac mac)
            "${option "mac"} is ${quote mac}, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01"
        ++ when (elem bridge upstreams) "${option "bridge"}, ${quote bridge}, is also one of ${option "upstreams"}"
        ++ concatMap (interfaceFaults "one of ${option "upstreams"}") upstreams;

      addressFaults =
        name: family: attribute: network: networkName: taken: takenName:
        let
          address = ports.${name}.${attribute};
          it = option "ports.${name}.${attribute}";
        in
        if address == null then
          [ ]
        else if !isAddress family address then
          [ "${it} is ${quote address}, and not an ${family} address" ]
        else if network == null then
          [ "${it} is ${address}, but ${option networkName} is null: the sandbox is without ${family}" ]
        else if !isNetwork family network || taken == null || !isAddress family taken then
          [ ] # reported above
        else if !isInNetwork network address then
          [ "${it} is ${address}, outside of ${option networkName}, ${network}" ]
        else if parseAddress address == parseAddress taken then
          [ "${it} is ${address}, which is also ${option takenName}" ]
        else
          when (!isHostAddress network address)
            "${it} is ${address}, the first or last address of ${option networkName}, ${network}, which no machine may have";
      portFaults =
        name:
        let
          port = ports.${name};
          of = attribute: option "ports.${name}.${attribute}";
        in
        when (match "[a-zA-Z0-9][a-zA-Z0-9_.-]*" name == null)
          "${quote name} can't be the name of one of ${option "ports"}: files are called by it, so write letters, digits, `.`, `_` and `-`, the first a letter or a digit"
        ++ interfaceFaults (of "interface") port.interface
        ++ when (
          port.interface == bridge
        ) "${of "interface"} is ${quote bridge}, which is also ${option "bridge"}"
        ++ when (elem port.interface upstreams) "${of "interface"} is ${quote port.interface}, which is also one of ${option "upstreams"}"
        ++
          when (!isPrivateMac port.mac)
            "${of "mac"} is ${quote port.mac}, and not a locally administered unicast address in lower case such as 02:00:00:00:00:01"
        ++ when (port.mac == mac) "${of "mac"} is ${mac}, which is also ${option "mac"}, the bridge's"
        ++ when (
          port.address == null && port.address6 == null
        ) "${option "ports.${name}"} has neither `address` nor `address6`"
        ++ addressFaults name "IPv4" "address" subnet "subnet" gateway "gateway"
        ++ addressFaults name "IPv6" "address6" subnet6 "subnet6" gateway6 "gateway6";

      # Names of ports that have the same, by what they share.
      sharedFaults =
        attribute: key:
        let
          groups = groupBy (name: toString (key ports.${name}.${attribute})) (
            filter (name: ports.${name}.${attribute} != null && key ports.${name}.${attribute} != null) names
          );
        in
        concatMap (
          shared:
          let
            same = groups.${shared};
            others = concatStringsSep " and " (map (name: option "ports.${name}.${attribute}") same);
          in
          when (length same > 1) "${others} are both ${ports.${head same}.${attribute}}"
        ) (attrNames groups);
      canonical =
        text:
        let
          parts = parseAddress text;
        in
        if parts == null then null else formatAddress parts;

      holeFaults =
        hole:
        let
          it = "the hole of ${option "allow"} to ${hole.address}, port ${toString hole.port}";
          parts = parseAddress hole.address;
          isFour = length parts == 4;
          isGateway = parts == parseAddress gateway || gateway6 != null && parts == parseAddress gateway6;
          inSandbox = isInNetwork subnet hole.address || hasIPv6 && isInNetwork subnet6 hole.address;
          unknown = filter (name: !(ports ? ${name})) (if hole.from == null then [ ] else hole.from);
        in
        (
          if parts == null then
            [ "the address of a hole of ${option "allow"} is ${quote hole.address}, and not one IP address" ]
          else
            when (
              !isFour && !hasIPv6
            ) "${it}, is one of IPv6, but ${option "subnet6"} is null: the sandbox is without IPv6"
            ++
              when (inSandbox && !isGateway)
                "${it}, leads into the sandbox itself, ${
                  if isFour then subnet else subnet6
                }; ${option "allowBetween"} is for pairs of workspaces"
        )
        ++ when (hole.port == 0) "${it}: there is no port 0"
        ++
          when (parts != null && any (network: isInNetwork network hole.address) ofNoMachine)
            "${it}, is for no machine: name the one that is to be reached; the host itself is at its address on another network"
        ++ when (match "[[:space:]]*" hole.reason != null) "${it}, has no reason"
        ++ when (
          hole.from == [ ]
        ) "${it}, is for nobody: name workspaces in `from`, or leave it null for all"
        ++ map (name: "${it}, is for ${quote name}, which is not one of ${option "ports"}") unknown;

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
          when (elemAt pair 0 == elemAt pair 1) "${it}, names one workspace twice"
          ++ map (name: "${it}, names ${quote name}, which is not one of ${option "ports"}") (
            filter (name: !(ports ? ${name})) pair
          );
      denyFaults =
        network:
        when (parseNetwork network == null)
          "one of ${option "deny"} is ${quote network}, and not a network such as 198.51.100.0/24, with no bits after the prefix";
    in
    bridgeFaults
    ++ subnetFaults "IPv4" "subnet" subnet "gateway" gateway
    ++ familyFaults
    ++ concatMap portFaults names
    ++ sharedFaults "interface" (interface: interface)
    ++ sharedFaults "mac" (given: given)
    ++ sharedFaults "address" canonical
    ++ sharedFaults "address6" canonical
    ++ concatMap holeFaults allow
    ++ concatMap pairFaults allowBetween
    ++ concatMap denyFaults deny;
}
