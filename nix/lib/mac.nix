# MAC addresses for virtual interfaces, made from names.
let
  inherit (builtins)
    concatStringsSep
    genList
    hashString
    match
    substring
    ;

  # In the first byte of an address the lowest bit says "multicast" and the next one "made up locally" (IEEE 802, 8.2).
  # Both are in its second hexadecimal digit: here the first is cleared and the other one set.
  privateUnicast = {
    "0" = "2";
    "1" = "2";
    "2" = "2";
    "3" = "2";
    "4" = "6";
    "5" = "6";
    "6" = "6";
    "7" = "6";
    "8" = "a";
    "9" = "a";
    a = "a";
    b = "a";
    c = "e";
    d = "e";
    e = "e";
    f = "e";
  };
in
{
  /**
    Make the MAC address of a virtual interface from a name: the same one at every start, so that no neighbour keeps a
    stale ARP entry, and one that no vendor assigns. It is the first 48 bits of the SHA-256 of the name, with the bit
    for "locally administered" set and the one for "multicast" cleared. Two names may share the remaining 46 bits,
    however unlikely: where many addresses meet on one network, check that they differ.

    # Inputs

    `name`

    : Any name, such as that of a workspace.

    # Type

    ```
    mkMac :: String -> String
    ```

    # Example

    ```nix
    mkMac "dev"
    => "ee:26:0e:9a:a3:c6"
    ```
  */
  mkMac =
    name:
    let
      hash = hashString "sha256" name;
      first = substring 0 1 hash + privateUnicast.${substring 1 1 hash};
      rest = genList (index: substring (2 * index + 2) 2 hash) 5;
    in
    concatStringsSep ":" ([ first ] ++ rest);

  /**
    Whether a text is a MAC address that may be given to a virtual interface: six bytes in lower-case hexadecimal digits
    with colons between, locally administered, unicast.

    # Inputs

    `text`

    : The text.

    # Type

    ```
    isPrivateMac :: String -> Bool
    ```

    # Example

    ```nix
    isPrivateMac "02:00:00:00:00:01"
    => true
    isPrivateMac "01:00:5e:00:00:fb" # multicast
    => false
    ```
  */
  isPrivateMac = text: match "[0-9a-f][26ae](:[0-9a-f][0-9a-f]){5}" text != null;
}
