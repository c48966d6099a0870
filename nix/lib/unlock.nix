# What must not be said about boot environments that are unlocked from afar. These are the rules of `bulkhead check` in
# the same words, for NixOS modules to assert: a system that breaks one is not to be built.
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    genList
    head
    isFunction
    length
    listToAttrs
    match
    pathExists
    stringLength
    substring
    ;
  inherit (import ./keys.nix) keyIdentity;
  inherit (import ./paths.nix) isIgnored;

  take = count: list: genList (elemAt list) (if length list < count then length list else count);
  last = list: elemAt list (length list - 1);

  # `a`, `a and b`, `a, b and c`, `a, b, c, d and 4 more`.
  enumerate =
    items:
    let
      most = 4;
      more = length items - most;
      shown = take most items ++ (if more > 0 then [ "${toString more} more" ] else [ ]);
    in
    if length shown < 2 then
      concatStringsSep "" shown
    else
      "${concatStringsSep ", " (take (length shown - 1) shown)} and ${last shown}";

  quote = name: "`${name}`";

  upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  lower = "abcdefghijklmnopqrstuvwxyz";
  letters = text: genList (index: substring index 1 text) (stringLength text);
  toLower = builtins.replaceStrings (letters upper) (letters lower);

  # A host name as it is compared: `Kif.example.org.` is `kif.example.org`.
  plain =
    name:
    let
      found = match "(.*[^.])\\.*" name;
    in
    toLower (if found == null then "" else head found);

  # What is no key at all is another fault, and two texts that are none are not the same key.
  isKey =
    line: match "(age1[a-z0-9]+|(ssh-ed25519|ssh-rsa) AAAA[A-Za-z0-9+/]+=*)" (keyIdentity line) != null;

  unlockKey =
    machine:
    if
      machine.remoteUnlock != null
      && machine.remoteUnlock.hostKey != null
      && isKey machine.remoteUnlock.hostKey
    then
      keyIdentity machine.remoteUnlock.hostKey
    else
      null;

  # The rules file as it is: null if it can't be evaluated here, such as one that wants `<nixpkgs>` or an argument.
  evaluatedRules =
    config:
    let
      file = config.root + "/${config.rules}";
      rules = if pathExists file && !isIgnored config.ignore config.rules then import file else { };
      got = builtins.tryEval (builtins.deepSeq rules rules);
    in
    if !got.success || isFunction got.value then null else got.value;
  rulesOf =
    config:
    let
      rules = evaluatedRules config;
    in
    if rules == null then { } else rules;

  # Every use of a key in the fleet but being this machine's own unlock key, in words.
  usesOf =
    fleet: machine: key:
    let
      is = line: line != null && keyIdentity line == key;
      hosts = concatMap (
        other: if is other.hostKey then [ "the host key of `${other.name}`" ] else [ ]
      ) fleet.machines;
      users = concatMap (
        other: map (_: "a user key of `${other.name}`") (filter is other.userKeys)
      ) fleet.machines;
      admins = map (_: "an admin key of the fleet") (filter is fleet.config.admins);
      others = concatMap (
        other:
        map (_: "a deploy key of `${other.name}`") (filter is other.deployKeys)
        ++ (
          if other.path != machine.path && unlockKey other == key then
            [ "the boot key of `${other.name}`" ]
          else
            [ ]
        )
      ) fleet.machines;
    in
    hosts ++ users ++ admins ++ others;

  # The secrets that a key opens: those of the rules file, then those that the convention grants.
  openedBy =
    fleet: key:
    let
      rules = rulesOf fleet.config;
      opens =
        table:
        filter (name: elem key (map keyIdentity (table.${name}.publicKeys or [ ]))) (attrNames table);
      inRules = opens rules;
      granted = filter (name: !elem name inRules) (opens fleet.recipients);
    in
    inRules ++ granted;

  # Why an onion address can't work; null if nothing is found. The checksum takes SHA-3, which Nix hasn't: `bulkhead
  # check` looks at that too.
  onionFault =
    host:
    let
      name = plain host;
      found = match "((.*)\\.)?([^.]*)\\.onion" name;
      subdomain = elemAt found 1;
      label = elemAt found 2;
      wrong = filter (index: match "[a-z2-7]" (substring index 1 label) == null) (
        genList (index: index) (stringLength label)
      );
      # The last 8 bits are the version, which is 3. They are all of the last character and three bits of the one before.
      digits = listToAttrs (
        genList (value: {
          name = substring value 1 "abcdefghijklmnopqrstuvwxyz234567";
          inherit value;
        }) 32
      );
      digit = index: digits.${substring index 1 label};
      version = builtins.bitAnd (digit 54 * 32 + digit 55) 255;
      isLabel = part: match "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?" part != null;
      parts = filter builtins.isString (builtins.split "\\." subdomain);
    in
    if match "[^]:/@ \t\n\r]*" host == null then
      "only the host name belongs here, without scheme, port or path"
    else if found == null then
      "an onion address ends in `.onion`"
    else if stringLength label == 16 then
      "version 2 addresses (16 characters) have been dead since 2021; make a version 3 service"
    else if stringLength label != 56 then
      "an onion address has 56 characters before `.onion`; this one has ${toString (stringLength label)}"
    else if wrong != [ ] then
      "character ${toString (head wrong + 1)} does not belong there; an onion address has only a to z and 2 to 7"
    else if version != 3 then
      "it says to be of version ${toString version}; only version 3 exists. Is its last character right?"
    else if subdomain != null && !builtins.all isLabel parts then
      "what stands before the address is not a host name"
    else
      null;
in
{
  /**
    What `unlockFaults` could not look at, in words: the rules file, where it can't be evaluated without more than the
    fleet has. An empty list says that everything was looked at.

    # Inputs

    `fleet`

    : What `loadFleet` returned.

    # Type

    ```
    unlockUndecided :: Fleet -> [String]
    ```

    # Example

    ```nix
    unlockUndecided (loadFleet ./fleet)
    => [ "whether a boot key can read secrets is not known here: secrets/secrets.nix can't be evaluated …" ]
    ```
  */
  unlockUndecided =
    fleet:
    if
      evaluatedRules fleet.config == null
      && builtins.any (machine: unlockKey machine != null) fleet.machines
    then
      [
        "whether a boot key can read secrets is not known here: ${fleet.config.rules} can't be evaluated without arguments and without `<nixpkgs>`; run `bulkhead check`, which looks at the secrets themselves"
      ]
    else
      [ ];

  /**
    What is wrong with the boot environments of a fleet, by the rules of `bulkhead check` and in its words:
    `unlock-key-reused`, `unlock-key-is-recipient`, `unlock-host-name-shared`, `unlock-unreachable` and
    `malformed-onion-address`. Checksums of onion addresses and the headers of `.age` files are beyond Nix: there only
    `bulkhead check` looks.

    # Inputs

    `fleet`

    : What `loadFleet` returned.

    # Type

    ```
    unlockFaults :: Fleet -> [{ rule :: String, machine :: String, message :: String }]
    ```

    # Example

    ```nix
    map (fault: fault.message) (unlockFaults (loadFleet ./fleet))
    => [ "the boot key of `kif` is also the host key of `s0`" ]
    ```
  */
  unlockFaults =
    fleet:
    let
      owners = listToAttrs (
        concatMap (
          machine:
          map (name: {
            name = plain name;
            value = machine.name;
          }) machine.hostNames
        ) fleet.machines
      );
      isOnion = host: match ".*\\.onion" (plain host) != null;
      of =
        machine:
        let
          unlock = machine.remoteUnlock;
          key = unlockKey machine;
          fault = rule: message: {
            inherit rule message;
            machine = machine.name;
          };
          uses = usesOf fleet machine key;
          inRules =
            if
              elem key (
                concatMap (rule: map keyIdentity (rule.publicKeys or [ ])) (
                  builtins.attrValues (rulesOf fleet.config)
                )
              )
            then
              [ "a recipient of secrets in a rules file" ]
            else
              [ ];
          allUses = if uses == [ ] then inRules else uses;
          opened = openedBy fleet key;
          hosts = filter (host: host != null) [
            unlock.clearnetHost
            unlock.onionHost
          ];
          onions =
            (if unlock.onionHost == null then [ ] else [ unlock.onionHost ])
            ++ filter (host: host != null && isOnion host) [ unlock.clearnetHost ];
        in
        if unlock == null then
          [ ]
        else
          (
            if key != null && allUses != [ ] then
              [ (fault "unlock-key-reused" "the boot key of `${machine.name}` is also ${enumerate allUses}") ]
            else
              [ ]
          )
          ++ (
            if key != null && opened != [ ] then
              [
                (fault "unlock-key-is-recipient" "the boot key of `${machine.name}` can read ${enumerate (map quote opened)}")
              ]
            else
              [ ]
          )
          ++ map (
            host:
            fault "unlock-host-name-shared" "the boot environment of `${machine.name}` is reached as `${host}`, a host name of `${owners.${plain host}}`"
          ) (filter (host: owners ? ${plain host}) hosts)
          ++ (
            if hosts == [ ] then
              [
                (fault "unlock-unreachable" "the boot environment of `${machine.name}` can't be reached: it has neither a clearnet nor an onion host")
              ]
            else
              [ ]
          )
          ++ concatMap (
            host:
            if onionFault host == null then
              [ ]
            else
              [
                (fault "malformed-onion-address" "the onion address of `${machine.name}` can't work: ${onionFault host}")
              ]
          ) onions;
    in
    concatMap of fleet.machines;
}
