# Texts for nft(8).
let
  inherit (builtins)
    concatMap
    concatStringsSep
    filter
    isString
    split
    ;

  lines = concatStringsSep "\n";
  indent =
    text:
    lines (map (line: if line == "" then line else "  ${line}") (filter isString (split "\n" text)));
  tableOf = { family, name, ... }: "${family} ${name}";
in
rec {
  /**
    The text of a named set, or nothing if it has no elements: no rule should refer to it then.

    # Inputs

    `name`

    : The name of the set.

    `type`

    : The type of its elements, such as `ipv4_addr` or `ifname . ether_addr`.

    `elements`

    : Its elements, as nft reads them. Prefixes make it a set of intervals.

    # Type

    ```
    nftSet :: String -> String -> [String] -> String
    ```

    # Example

    ```nix
    nftSet "lan" "ipv4_addr" [ "192.168.0.0/16" ]
    => "set lan {\n  type ipv4_addr\n  flags interval\n  elements = {\n    192.168.0.0/16,\n  }\n}"
    ```
  */
  nftSet =
    name: type: elements:
    let
      isPrefix = element: builtins.match ".*/[0-9]+" element != null;
    in
    if elements == [ ] then
      ""
    else
      lines (
        [
          "set ${name} {"
          "  type ${type}"
        ]
        ++ (if builtins.any isPrefix elements then [ "  flags interval" ] else [ ])
        ++ [ "  elements = {" ]
        ++ map (element: "    ${element},") elements
        ++ [
          "  }"
          "}"
        ]
      );

  /**
    The text of a chain.

    # Inputs

    `name`

    : The name of the chain.

    `rules`

    : Its lines: rules, and for a base chain first its type, hook, priority and policy. Empty ones are left out.

    # Type

    ```
    nftChain :: String -> [String] -> String
    ```

    # Example

    ```nix
    nftChain "nothing" [ "drop" ]
    => "chain nothing {\n  drop\n}"
    ```
  */
  nftChain =
    name: rules:
    lines (
      [ "chain ${name} {" ] ++ map (rule: "  ${rule}") (filter (rule: rule != "") rules) ++ [ "}" ]
    );

  /**
    The text that makes tables, or replaces those of the same names, in one transaction: no packet meets a state
    between the old tables and the new ones, and if one of them can't be loaded, all stay as they were. Other tables are
    not touched.

    # Inputs

    `tables`

    : A list of tables with `family`, `name` and `content`, a list of texts of sets and chains.

    # Type

    ```
    replaceTables :: [ { family :: String, name :: String, content :: [String] } ] -> String
    ```

    # Example

    ```nix
    replaceTables [ { family = "inet"; name = "none"; content = [ ]; } ]
    => "table inet none\ndelete table inet none\n\ntable inet none {\n}\n"
    ```
  */
  replaceTables =
    tables:
    let
      # Deleting what is not there is an error, so it is made first.
      removal = table: [
        "table ${tableOf table}"
        "delete table ${tableOf table}"
      ];
      made =
        table:
        [
          ""
          "table ${tableOf table} {"
        ]
        ++ map indent (filter (text: text != "") table.content)
        ++ [ "}" ];
    in
    lines (concatMap removal tables ++ concatMap made tables) + "\n";
}
