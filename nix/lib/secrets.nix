# Secrets: where they lie, and who is meant to read them.
#
#   secrets/<name>.age                   whom secrets/properties.nix says
#   secrets/<role>/<name>.age            every machine of the role, and whom secrets/properties.nix says
#   machines/**/<machine>/secrets/*.age  the machine
#
# and the administrators, unless secrets/properties.nix says `admins = false`.
let
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    elem
    elemAt
    filter
    genList
    groupBy
    head
    length
    listToAttrs
    match
    pathExists
    sort
    ;
  inherit (import ./paths.nix)
    isIgnored
    listFolder
    relativePath
    ;
  inherit (import ./keys.nix) uniqueKeys;

  # The names, without `.age`, of the secrets among the entries of a folder.
  stemsOf =
    entries:
    let
      isFile =
        name:
        elem entries.${name} [
          "regular"
          "symlink"
        ];
      stemOf = name: match "(.+)\\.age" name;
    in
    concatMap (name: if isFile name && stemOf name != null then stemOf name else [ ]) (
      attrNames entries
    );

  foldersOf = entries: filter (name: entries.${name} == "directory") (attrNames entries);
  listIfThere =
    config: folder:
    if pathExists (config.root + "/${folder}") && !isIgnored config.ignore folder then
      listFolder config folder
    else
      { };

  # The folder of a file: all of its path but the last part.
  folderOf =
    path:
    let
      found = match "(.*)/[^/]*" path;
    in
    if found == null then "" else head found;

  # What an entry of secrets/properties.nix may say, and what holds where it doesn't.
  defaults = {
    roles = [ ];
    machines = [ ];
    everyone = false;
    admins = true;
    armor = false;
    description = null;
    mode = null;
    owner = null;
    group = null;
  };

  join = folder: name: if folder == "" then name else "${folder}/${name}";

  # A secret in the folder of the shared ones: `wifi`, or `pia/token` for that of a role.
  sharedSecret =
    config: name:
    let
      inRole = match "([^/]+)/[^/]+" name;
    in
    {
      inherit name;
      file = "${join config.secrets name}.age";
      role = if inRole == null then null else head inRole;
      machine = null;
    };

  checkedName =
    file: name:
    if match ".*\\.age" name != null then
      throw "${file}: secrets are named without `.age`, not `${name}`"
    else if match "[^./][^/]*(/[^./][^/]*)?" name == null then
      throw "${file}: `${name}` is no name of a secret; write `wifi`, or `role/wifi` for a secret of a role"
    else
      name;
in
rec {
  /**
    The secrets of a fleet, sorted by file: the `.age` files that lie where secrets belong, and those that
    `secrets/properties.nix` names although their files are not there yet. Each has all properties of such an entry.

    # Inputs

    `config`

    : What `readConfig` returned.

    `machines`

    : What `loadMachines` returned.

    # Type

    ```
    findSecrets :: Config -> [Machine] -> [{
      name :: String,            # `wifi`, `pia/token` for a role's, `s0/token` for a machine's
      file :: String,            # relative to the root
      role :: String | Null,     # the role in whose folder it lies
      machine :: String | Null,  # the path of the machine in whose folder it lies
      roles, machines :: [String],
      everyone, admins, armor :: Bool,
      description, mode, owner, group :: String | Null,
    }]
    ```

    # Example

    ```nix
    map (secret: secret.name) (loadFleet ./nix/fleet).secrets
    => [ "kif/mail-dkim" … "wifi" ]
    ```
  */
  findSecrets =
    config: machines:
    let
      shared = listIfThere config config.secrets;
      inRole =
        role: map (stem: "${role}/${stem}") (stemsOf (listFolder config (join config.secrets role)));
      onDisk = stemsOf shared ++ concatMap inRole (foldersOf shared);

      file = join config.secrets "properties.nix";
      exists = pathExists (config.root + "/${file}") && !isIgnored config.ignore file;
      entries = if exists then import (config.root + "/${file}") else { };
      declared = map (checkedName file) (attrNames entries);

      ofMachine =
        machine:
        let
          # Not every machine has the folder, and a link to one is not followed.
          hasFolder = (listFolder config machine.path).secrets or "none" == "directory";
          folder = "${machine.path}/secrets";
        in
        map (stem: {
          name = "${machine.name}/${stem}";
          file = "${folder}/${stem}.age";
          role = null;
          machine = machine.path;
        }) (if hasFolder then stemsOf (listFolder config folder) else [ ]);

      toEntry = secret: {
        name = secret.file;
        value =
          defaults // (if secret.machine == null then entries.${secret.name} or { } else { }) // secret;
      };
      # Of two entries for one file the first counts: a machine's folder may lie in that of the shared secrets.
      all = concatMap ofMachine machines ++ map (sharedSecret config) (onDisk ++ declared);
    in
    attrValues (listToAttrs (map toEntry all));

  /**
    The keys of the administrators: all `userKeys` of the machines, then `admins` of `bulkhead.toml`, each once.

    # Inputs

    `config`

    : What `readConfig` returned.

    `machines`

    : What `loadMachines` returned.

    # Type

    ```
    adminKeys :: Config -> [Machine] -> [String]
    ```

    # Example

    ```nix
    adminKeys { admins = [ "age1…" ]; } [ { userKeys = [ "ssh-ed25519 AAAA… howl" ]; } ]
    => [ "ssh-ed25519 AAAA…" "age1…" ]
    ```
  */
  adminKeys =
    config: machines: uniqueKeys (concatMap (machine: machine.userKeys) machines ++ config.admins);

  /**
    The machines that are meant to read a secret, sorted by name: those that have one of its roles, those that it names,
    the one in whose folder it lies, or all of them. Roles and machines that don't exist grant nothing; `bulkhead check`
    reports them.

    # Inputs

    `machines`

    : What `loadMachines` returned.

    `secret`

    : One of those that `findSecrets` returned.

    # Type

    ```
    secretReaders :: [Machine] -> Secret -> [Machine]
    ```

    # Example

    ```nix
    let fleet = loadFleet ./nix/fleet; in
    map (secret: map (machine: machine.name) (secretReaders fleet.machines secret)) fleet.secrets
    => [ [ "kif" ] … [ "fry" "howl" ] ]
    ```
  */
  secretReaders =
    machines:
    let
      numbered = genList (index: {
        inherit index;
        machine = elemAt machines index;
      }) (length machines);
      byRole = groupBy (item: item.role) (
        concatMap ({ index, machine }: map (role: { inherit index role; }) machine.systemRoles) numbered
      );
      byName = groupBy ({ machine, ... }: machine.name) numbered;
      byPath = groupBy ({ machine, ... }: machine.path) numbered;
    in
    secret:
    let
      roles = secret.roles ++ (if secret.role == null then [ ] else [ secret.role ]);
      granted =
        concatMap (role: byRole.${role} or [ ]) roles
        ++ concatMap (name: byName.${name} or [ ]) secret.machines
        ++ (if secret.machine == null then [ ] else byPath.${secret.machine});
      indices = map (same: (head same).index) (
        attrValues (groupBy ({ index, ... }: toString index) granted)
      );
    in
    if secret.everyone then machines else map (elemAt machines) (sort builtins.lessThan indices);

  /**
    What the agenix rules file of a fleet has to say: the keys of each secret, by its file relative to the folder of the
    rules file. First come the host keys of the machines that read it, by the machines' names, then those of the
    administrators. Keys are unique and without comments.

    # Inputs

    `config`

    : What `readConfig` returned.

    `machines`

    : What `loadMachines` returned.

    `secrets`

    : What `findSecrets` returned.

    # Type

    ```
    secretRecipients :: Config -> [Machine] -> [Secret] -> {
      <file> :: { publicKeys :: [String], armor :: Bool }
    }
    ```

    # Example

    ```nix
    (loadFleet ./nix/fleet).recipients."acme-dns-token.age".armor
    => true
    ```
  */
  secretRecipients =
    config: machines: secrets:
    let
      admins = adminKeys config machines;
      readersOf = secretReaders machines;
      hostKeysOf = secret: filter (key: key != null) (map (machine: machine.hostKey) (readersOf secret));
      toRule = secret: {
        name = relativePath (folderOf config.rules) secret.file;
        value = {
          publicKeys = uniqueKeys (hostKeysOf secret ++ (if secret.admins then admins else [ ]));
          inherit (secret) armor;
        };
      };
    in
    listToAttrs (map toRule secrets);
}
