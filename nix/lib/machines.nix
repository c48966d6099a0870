# The machines of a fleet: every folder below `machines/` that has a `properties.nix`, however deep it lies.
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    head
    isAttrs
    length
    listToAttrs
    pathExists
    sort
    ;
  inherit (import ./paths.nix) isIgnored listFolder;
  inherit (import ./keys.nix) keyLines;

  join = folder: name: if folder == "" then name else "${folder}/${name}";
  propertiesFile = "properties.nix";
  isFile =
    type:
    elem type [
      "regular"
      "symlink"
    ];

  byNameThenPath = a: b: if a.name == b.name then a.path < b.path else a.name < b.name;

  # One key where a machine has one; `null` where it has none.
  oneKey =
    place: value:
    let
      keys = keyLines value;
    in
    if value == null then
      null
    else if length keys == 1 then
      head keys
    else
      throw "${place}: there are ${toString (length keys)} keys here, where one is wanted";
in
rec {
  /**
    Find the machines of a fleet without reading their properties, sorted by name. Symbolic links to folders are not
    followed: through a link, the same machine could be there twice.

    # Inputs

    `config`

    : What `readConfig` returned.

    # Type

    ```
    findMachines :: Config -> [{ name :: String, path :: String }]
    ```

    # Example

    ```nix
    findMachines (readConfig ./nix/fleet)
    => [ { name = "fry"; path = "machines/laptops/fry"; } … ]
    ```
  */
  findMachines =
    config:
    let
      below =
        folder: entries:
        concatMap (name: walk name (join folder name)) (
          filter (name: entries.${name} == "directory") (attrNames entries)
        );
      walk =
        name: path:
        let
          entries = listFolder config path;
        in
        (if isFile (entries.${propertiesFile} or "none") then [ { inherit name path; } ] else [ ])
        ++ below path entries;
      exists = pathExists (config.root + "/${config.machines}");
    in
    if !exists || isIgnored config.ignore config.machines then
      [ ]
    else
      sort byNameThenPath (below config.machines (listFolder config config.machines));

  /**
    Read the properties of a machine. Every property is there: those that the file leaves out are `null` or empty, and
    keys are lines, also where the file names a `.pub` file by its path.

    # Inputs

    `config`

    : What `readConfig` returned.

    `machine`

    : The `name` of the machine and its `path`, the folder relative to the root.

    # Type

    ```
    loadMachine :: Config -> { name :: String, path :: String } -> {
      name, path, arch :: String,
      hostNames, systemRoles, userKeys, deployKeys :: [String],
      hostKey, publicIP :: String | Null,
      remoteUnlock :: { hostKey, clearnetHost, onionHost :: String | Null } | Null,
      meta :: AttrSet,
    }
    ```

    # Example

    ```nix
    (loadMachine (readConfig ./nix/fleet) { name = "s0"; path = "machines/storage/s0"; }).systemRoles
    => [ "pia" "server" "storage" ]
    ```
  */
  loadMachine =
    config:
    { name, path }:
    let
      file = "${path}/${propertiesFile}";
      properties = import (config.root + "/${file}");
      unlock = properties.remoteUnlock or null;
      needed =
        name: what:
        properties.${name} or (throw "${file} has no `${name}`, which every machine has: ${what}");
      listIn =
        name: value:
        if builtins.isList value && builtins.all builtins.isString value then
          value
        else
          throw "${file}: `${name}` is to be a list of texts, as in [ \"x\" ]";
      textIn =
        name: value:
        if value == null || builtins.isString value then
          value
        else
          throw "${file}: `${name}` is to be a text, as in \"x\"";
      # Keys are texts, or paths of files with them.
      isKey = value: builtins.isString value || builtins.isPath value;
      keyIn =
        name: value:
        if value == null || isKey value then
          oneKey "${file}: ${name}" value
        else
          throw "${file}: `${name}` is to be a key, as in \"ssh-ed25519 …\", or the path of a file with it";
      keysIn =
        name:
        let
          value = properties.${name} or [ ];
        in
        if builtins.isList value && builtins.all isKey value then
          concatMap keyLines value
        else
          throw "${file}: `${name}` is to be a list of keys, as in [ \"ssh-ed25519 …\" ]";
    in
    if !isAttrs properties then
      throw "${file} is to be a set of properties, as in { hostNames = [ \"${name}\" ]; … }"
    else
      {
        inherit name path;
        arch = textIn "arch" (needed "arch" "its platform, such as \"x86_64-linux\"");
        hostNames = listIn "hostNames" (needed "hostNames" "a list of its names, which may be empty");
        systemRoles = listIn "systemRoles" (needed "systemRoles" "a list of its roles, which may be empty");
        hostKey = keyIn "hostKey" (properties.hostKey or null);
        userKeys = keysIn "userKeys";
        deployKeys = keysIn "deployKeys";
        remoteUnlock =
          if unlock == null then
            null
          else if isAttrs unlock then
            {
              hostKey = keyIn "remoteUnlock.hostKey" (unlock.hostKey or null);
              clearnetHost = textIn "remoteUnlock.clearnetHost" (unlock.clearnetHost or null);
              onionHost = textIn "remoteUnlock.onionHost" (unlock.onionHost or null);
            }
          else
            throw "${file}: `remoteUnlock` is to be a set, as in { hostKey = ./unlock.pub; clearnetHost = \"x\"; }";
        publicIP = textIn "publicIP" (properties.publicIP or null);
        meta = properties.meta or { };
      };

  /**
    Find the machines of a fleet and read their properties, sorted by name.

    # Inputs

    `config`

    : What `readConfig` returned.

    # Type

    ```
    loadMachines :: Config -> [Machine]
    ```

    # Example

    ```nix
    map (machine: machine.name) (loadMachines (readConfig ./nix/fleet))
    => [ "fry" "hermes" "howl" "kif" "s0" ]
    ```
  */
  loadMachines = config: map (loadMachine config) (findMachines config);

  /**
    Machines as a set by their names. Two folders of one name are an error: which of them would be meant?

    # Inputs

    `machines`

    : A list of machines, as `findMachines` or `loadMachines` return it.

    # Type

    ```
    machinesByName :: [Machine] -> { <name> :: Machine }
    ```

    # Example

    ```nix
    (machinesByName (loadMachines (readConfig ./nix/fleet))).s0.path
    => "machines/storage/s0"
    ```
  */
  machinesByName =
    machines:
    let
      byName = builtins.groupBy (machine: machine.name) machines;
      only =
        name:
        let
          same = byName.${name};
          paths = builtins.concatStringsSep " and " (map (machine: machine.path) same);
        in
        if length same == 1 then head same else throw "two machines are called `${name}`: ${paths}";
      entry = name: {
        inherit name;
        value = only name;
      };
    in
    listToAttrs (map entry (attrNames byName));
}
