# IP addresses as numbers, to tell whether two texts mean the same one and whether it lies in a network.
let
  inherit (builtins)
    bitAnd
    concatLists
    concatStringsSep
    elem
    elemAt
    filter
    genList
    isString
    length
    match
    split
    substring
    ;

  power = exponent: if exponent == 0 then 1 else 2 * power (exponent - 1);
  number = text: (builtins.fromTOML "it = ${text}").it;

  # A list of parts of equal width, or null: four bytes or eight times 16 bits.
  octet =
    text:
    if match "0|[1-9][0-9]{0,2}" text != null && number text < 256 then [ (number text) ] else [ ];
  parse4 =
    text:
    let
      found = match "([0-9]+)\\.([0-9]+)\\.([0-9]+)\\.([0-9]+)" text;
      octets = if found == null then [ ] else concatLists (map octet found);
    in
    if length octets == 4 then octets else null;

  groupsOf = text: if text == "" then [ ] else filter isString (split ":" text);
  isGroup = text: match "[0-9a-fA-F]{1,4}" text != null;

  digits = "0123456789abcdef";
  hexDigit = value: substring value 1 digits;
  # In `width` hexadecimal digits.
  hex =
    width: value: if width == 0 then "" else hex (width - 1) (value / 16) + hexDigit (bitAnd value 15);
  # An IPv4 address at the end, as the two groups that it stands for.
  withoutIPv4 =
    text:
    let
      found = match "(.*:)([0-9.]+\\.[0-9.]+)" text;
      bytes = parse4 (elemAt found 1);
      groupOf = index: hex 4 (256 * elemAt bytes index + elemAt bytes (index + 1));
    in
    if found == null || bytes == null then text else "${elemAt found 0}${groupOf 0}:${groupOf 2}";
  parse6 =
    given:
    let
      text = withoutIPv4 given;
      halves = filter isString (split "::" text);
      front = groupsOf (elemAt halves 0);
      back = groupsOf (elemAt halves 1);
      missing = 8 - length front - length back;
      groups = if length halves == 1 then front else front ++ genList (_: "0") missing ++ back;
      isGood =
        match "[0-9a-fA-F:]+" text != null
        && length halves < 3
        && (length halves == 1 || missing > 0)
        && length groups == 8
        && builtins.all isGroup groups;
    in
    if isGood then map (group: number "0x${group}") groups else null;

  widthOf = parts: if length parts == 4 then 8 else 16;

  # The parts with all bits after the first `prefix` cleared.
  masked =
    prefix: parts:
    let
      width = widthOf parts;
      bitsOf =
        index:
        let
          left = prefix - index * width;
        in
        if left < 0 then
          0
        else if left > width then
          width
        else
          left;
    in
    genList (index: bitAnd (elemAt parts index) (power width - power (width - bitsOf index))) (
      length parts
    );
in
rec {
  /**
    Read an IPv4 address (RFC 791, four decimal numbers without leading zeros) or an IPv6 address (RFC 4291, 2.2,
    without a zone). Two texts mean the same address if the results are equal.

    # Inputs

    `text`

    : The address.

    # Type

    ```
    parseAddress :: String -> [Int] | Null  # 4 bytes, or 8 numbers of 16 bits; null if it is neither
    ```

    # Example

    ```nix
    parseAddress "192.0.2.1"
    => [ 192 0 2 1 ]
    ```
  */
  parseAddress =
    text:
    let
      four = parse4 text;
    in
    if four == null then parse6 text else four;

  /**
    Read a network: an address, a slash and the number of leading bits that all of its addresses share. Bits after those
    have to be zero.

    # Inputs

    `text`

    : The network.

    # Type

    ```
    parseNetwork :: String -> { first :: [Int], prefix :: Int } | Null
    ```

    # Example

    ```nix
    parseNetwork "192.0.2.0/24"
    => { first = [ 192 0 2 0 ]; prefix = 24; }
    ```
  */
  parseNetwork =
    text:
    let
      found = match "([^/]+)/(0|[1-9][0-9]{0,2})" text;
      first = parseAddress (elemAt found 0);
      prefix = number (elemAt found 1);
    in
    if found == null || first == null then
      null
    else if prefix > length first * widthOf first || masked prefix first != first then
      null
    else
      { inherit first prefix; };

  /**
    The network in which an address lies, written as an interface has it: the address and the length of the prefix.

    # Inputs

    `text`

    : The address, a slash and the number of leading bits that all addresses of the network share.

    # Type

    ```
    networkOf :: String -> String | Null
    ```

    # Example

    ```nix
    networkOf "192.0.2.7/24"
    => "192.0.2.0/24"
    ```
  */
  networkOf =
    text:
    let
      found = match "([^/]+)/(0|[1-9][0-9]{0,2})" text;
      address = parseAddress (elemAt found 0);
      prefix = number (elemAt found 1);
    in
    if found == null || address == null || prefix > length address * widthOf address then
      null
    else
      "${formatAddress (masked prefix address)}/${toString prefix}";

  /**
    Whether an address lies in a network. False if one of the two can't be read.

    # Inputs

    `network`

    : The network, as for `parseNetwork`.

    `address`

    : The address, as for `parseAddress`.

    # Type

    ```
    isInNetwork :: String -> String -> Bool
    ```

    # Example

    ```nix
    isInNetwork "192.0.2.0/24" "192.0.2.7"
    => true
    ```
  */
  isInNetwork =
    network: address:
    let
      net = parseNetwork network;
      parts = parseAddress address;
    in
    net != null
    && parts != null
    && length parts == length net.first
    && masked net.prefix parts == net.first;

  /**
    Whether an address of a network may be given to a machine in it: not the network's own address, which has no bits
    after the prefix, and in IPv4 not that of its broadcast, which has all of them (RFC 1122, 3.2.1.3). Networks of one
    or two IPv4 addresses have neither (RFC 3021).

    # Inputs

    `network`

    : The network, as for `parseNetwork`.

    `address`

    : The address, as for `parseAddress`.

    # Type

    ```
    isHostAddress :: String -> String -> Bool
    ```

    # Example

    ```nix
    isHostAddress "192.0.2.0/24" "192.0.2.255"
    => false
    ```
  */
  isHostAddress =
    network: address:
    let
      net = parseNetwork network;
      parts = parseAddress address;
      isFour = length parts == 4;
      ones = map (_: if isFour then 255 else 65535) parts;
      # What is left without the shared bits.
      rest = genList (index: elemAt parts index - elemAt net.first index) (length parts);
      most = genList (index: elemAt ones index - elemAt (masked net.prefix ones) index) (length parts);
      zeros = map (_: 0) parts;
    in
    isInNetwork network address
    && (
      elem net.prefix (
        if isFour then
          [
            31
            32
          ]
        else
          [
            127
            128
          ]
      )
      || (rest != zeros && !(isFour && rest == most))
    );

  /**
    Whether two networks share an address. False if one of them can't be read.

    # Inputs

    `a`, `b`

    : The networks, as for `parseNetwork`.

    # Type

    ```
    networksOverlap :: String -> String -> Bool
    ```

    # Example

    ```nix
    networksOverlap "10.0.0.0/8" "10.20.0.0/24"
    => true
    ```
  */
  networksOverlap =
    a: b:
    let
      one = parseNetwork a;
      other = parseNetwork b;
      prefix = if one.prefix < other.prefix then one.prefix else other.prefix;
    in
    one != null
    && other != null
    && length one.first == length other.first
    && masked prefix one.first == masked prefix other.first;

  /**
    Write an address, as `parseAddress` reads it, in its one canonical form: for IPv6 that of RFC 5952, in lower case,
    without leading zeros, the first longest run of zero groups shortened.

    # Inputs

    `parts`

    : The address.

    # Type

    ```
    formatAddress :: [Int] -> String
    ```

    # Example

    ```nix
    formatAddress (parseAddress "2001:DB8:0:0:0:0:0:1")
    => "2001:db8::1"
    ```
  */
  formatAddress =
    parts:
    let
      # The number of zero groups from an index on.
      run = index: if index < 8 && elemAt parts index == 0 then 1 + run (index + 1) else 0;
      longest =
        builtins.foldl'
          (
            best: index:
            if run index > best.length then
              {
                inherit index;
                length = run index;
              }
            else
              best
          )
          {
            index = 0;
            length = 1; # one group alone is not shortened
          }
          (genList (index: index) 8);
      short = value: elemAt (match "0{0,3}(.+)" (hex 4 value)) 0;
      joined =
        from: count: concatStringsSep ":" (genList (index: short (elemAt parts (from + index))) count);
      after = longest.index + longest.length;
    in
    if length parts == 4 then
      concatStringsSep "." (map toString parts)
    else if longest.length < 2 then
      joined 0 8
    else
      "${joined 0 longest.index}::${joined after (8 - after)}";

  /**
    Write an address, as `parseAddress` reads it, as one hexadecimal number with all its digits.

    # Inputs

    `parts`

    : The address.

    # Type

    ```
    hexOfAddress :: [Int] -> String
    ```

    # Example

    ```nix
    hexOfAddress (parseAddress "192.0.2.1")
    => "c0000201"
    ```
  */
  hexOfAddress = parts: concatStringsSep "" (map (hex (if length parts == 4 then 2 else 4)) parts);

  /**
    The link-local IPv6 address that an interface makes from its MAC address (RFC 4291, 2.5.1 and appendix A: the
    modified EUI-64 format).

    # Inputs

    `mac`

    : Six bytes in hexadecimal digits with colons between.

    # Type

    ```
    linkLocalAddress :: String -> String
    ```

    # Example

    ```nix
    linkLocalAddress "02:00:00:00:00:01"
    => "fe80::ff:fe00:1"
    ```
  */
  linkLocalAddress =
    mac:
    let
      bytes = map (text: number "0x${text}") (filter isString (split ":" mac));
      byte = elemAt bytes;
      # The bit that says "locally administered" is inverted.
      first = if bitAnd (byte 0) 2 == 0 then byte 0 + 2 else byte 0 - 2;
    in
    formatAddress [
      65152 # fe80
      0
      0
      0
      (256 * first + byte 1)
      (256 * byte 2 + 255)
      (65024 + byte 3) # fe00
      (256 * byte 4 + byte 5)
    ];
}
