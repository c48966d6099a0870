# Public keys as people write them: lines of `.pub` files, or age recipients.
let
  inherit (builtins)
    elemAt
    filter
    isPath
    isString
    length
    match
    readFile
    split
    ;

  blank = "[ \t\r\n]";

  trim =
    line:
    let
      found = match "${blank}*(.*[^ \t\r\n])${blank}*" line;
    in
    if found == null then "" else elemAt found 0;

  pieces = separator: text: filter isString (split separator text);
  isKeyLine = line: line != "" && match "#.*" line == null;
in
rec {
  /**
    The keys that a value of `hostKey`, `userKeys` or `deployKeys` stands for: a string with one key, a text with a key
    on each line, or the path of a file with such a text. Empty lines and lines that begin with `#` don't count.

    # Inputs

    `value`

    : A string or a path.

    # Type

    ```
    keyLines :: (String | Path) -> [String]
    ```

    # Example

    ```nix
    keyLines "ssh-ed25519 AAAA… fry\n# the key that he lost\n"
    => [ "ssh-ed25519 AAAA… fry" ]
    ```
  */
  keyLines =
    value:
    let
      text = if isPath value then readFile value else value;
    in
    filter isKeyLine (map trim (pieces "\n" text));

  /**
    A key without its comment: two lines with the same identity are the same key. SSH keys keep their type and their
    base64 text, age recipients are one word. What is neither stays as it is.

    # Inputs

    `line`

    : The line of a key.

    # Type

    ```
    keyIdentity :: String -> String
    ```

    # Example

    ```nix
    keyIdentity "ssh-ed25519 AAAA… fry@laptop"
    => "ssh-ed25519 AAAA…"
    ```
  */
  keyIdentity =
    line:
    let
      words = filter (word: word != "") (pieces "${blank}+" line);
      type = elemAt words 0;
    in
    if words == [ ] then
      ""
    else if match "age1.*" type != null then
      type
    else if match "(ssh|ecdsa|sk-ssh|sk-ecdsa)-.*" type != null && length words > 1 then
      "${type} ${elemAt words 1}"
    else
      trim line;

  /**
    The identities of keys, each once, in the order of their first appearance.

    # Inputs

    `lines`

    : The lines of keys.

    # Type

    ```
    uniqueKeys :: [String] -> [String]
    ```

    # Example

    ```nix
    uniqueKeys [ "ssh-ed25519 AAAA… fry" "age1…" "ssh-ed25519 AAAA… leela" ]
    => [ "ssh-ed25519 AAAA…" "age1…" ]
    ```
  */
  uniqueKeys =
    lines:
    # genericClosure remembers what it has seen in a balanced tree; comparing every pair would be slow for big fleets.
    map (item: item.key) (
      builtins.genericClosure {
        startSet = map (line: { key = keyIdentity line; }) lines;
        operator = _: [ ];
      }
    );
}
