# Paths inside a fleet: strings relative to its root, parts joined by `/`, the root itself being the empty string.
let
  inherit (builtins)
    attrNames
    attrValues
    concatStringsSep
    elem
    elemAt
    filter
    isString
    length
    listToAttrs
    match
    readDir
    replaceStrings
    split
    ;

  partsOf = path: filter (part: isString part && part != "" && part != ".") (split "/" path);

  # Folders that belong to tools, never to a fleet.
  toolFolders = [
    ".direnv"
    ".git"
    ".hg"
    ".jj"
    ".svn"
    "__pycache__"
    "node_modules"
  ];

  # Characters of a pattern that a regular expression would understand in another way.
  inRegex = {
    "*" = "[^/]*";
    "?" = "[^/]";
    "\\" = "\\\\";
    "." = "\\.";
    "^" = "\\^";
    "$" = "\\$";
    "|" = "\\|";
    "(" = "\\(";
    ")" = "\\)";
    "[" = "\\[";
    "{" = "\\{";
    "+" = "\\+";
  };
  globToRegex = replaceStrings (attrNames inRegex) (attrValues inRegex);

  drop = count: list: builtins.genList (index: elemAt list (index + count)) (length list - count);

  commonLength =
    a: b:
    let
      go =
        index:
        if index < length a && index < length b && elemAt a index == elemAt b index then
          go (index + 1)
        else
          index;
    in
    go 0;
in
rec {
  /**
    Write a path relative to the root in its one normal form: no `.`, no empty parts, no `/` at its ends. A path that
    could leave the root is an error.

    # Inputs

    `path`

    : A path relative to the root of a fleet.

    # Type

    ```
    normalisePath :: String -> String
    ```

    # Example

    ```nix
    normalisePath "./machines//storage/"
    => "machines/storage"
    ```
  */
  normalisePath =
    path:
    if builtins.substring 0 1 path == "/" then
      throw "`${path}` is absolute; a path relative to the fleet's root is expected"
    else if elem ".." (partsOf path) then
      throw "`${path}` may leave the fleet's root: write it without `..`"
    else
      concatStringsSep "/" (partsOf path);

  /**
    Write a path as seen from a folder, both being relative to the same root.

    # Inputs

    `folder`

    : The folder to start from.

    `path`

    : The path to reach.

    # Type

    ```
    relativePath :: String -> String -> String
    ```

    # Example

    ```nix
    relativePath "secrets" "machines/s0/secrets/wireguard.age"
    => "../machines/s0/secrets/wireguard.age"
    ```
  */
  relativePath =
    folder: path:
    let
      here = partsOf folder;
      there = partsOf path;
      common = commonLength here there;
      parts = map (_: "..") (drop common here) ++ drop common there;
    in
    if parts == [ ] then "." else concatStringsSep "/" parts;

  /**
    Whether a path, or a folder that it lies in, matches one of the patterns of `ignore` in `bulkhead.toml`. `*` and `?`
    stand for any characters but `/`, `**` for any folders.

    # Inputs

    `patterns`

    : The patterns, relative to the root.

    `path`

    : The path, relative to the root.

    # Type

    ```
    isIgnored :: [String] -> String -> Bool
    ```

    # Example

    ```nix
    isIgnored [ "machines/old-*" ] "machines/old-s0/properties.nix"
    => true
    ```
  */
  isIgnored =
    patterns: path:
    let
      toRegex = part: if part == "**" then "([^/]+/)*" else "${globToRegex part}/";
      regexOf = pattern: "${concatStringsSep "" (map toRegex (partsOf pattern))}.*";
      matches = pattern: partsOf pattern != [ ] && match (regexOf pattern) "${path}/" != null;
    in
    path != "" && builtins.any matches patterns;

  /**
    What lies in a folder of a fleet: names and types as of `builtins.readDir`, without what is ignored and without the
    folders of tools (`.git`, `.direnv`, …). Folders that are marked as caches are listed like others: only git knows
    whether they are leftovers or committed, and a machine must not vanish by a file.

    # Inputs

    `tree`

    : `root`, the root of the fleet as a path, and `ignore`, the patterns of `bulkhead.toml`.

    `folder`

    : The folder, relative to the root.

    # Type

    ```
    listFolder :: { root :: Path, ignore :: [String], ... } -> String -> AttrSet
    ```

    # Example

    ```nix
    listFolder { root = ./nix/fleet; ignore = [ ]; } "machines"
    => { laptops = "directory"; servers = "directory"; storage = "directory"; }
    ```
  */
  listFolder =
    { root, ignore, ... }:
    folder:
    let
      entries = readDir (root + "/${folder}");
      isWanted =
        name:
        !(entries.${name} == "directory" && elem name toolFolders)
        && !isIgnored ignore (if folder == "" then name else "${folder}/${name}");
      keep = name: {
        inherit name;
        value = entries.${name};
      };
    in
    listToAttrs (map keep (filter isWanted (attrNames entries)));
}
