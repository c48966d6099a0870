# What `bulkhead.toml` says about where things lie and who administers the fleet.
let
  inherit (import ./paths.nix) normalisePath;
in
{
  /**
    Read `bulkhead.toml` at the root of a fleet, as far as the other functions need it. Without the file, and for what
    it leaves out, the defaults of `bulkhead` hold.

    # Inputs

    `root`

    : The root of the fleet, as a path.

    # Type

    ```
    readConfig :: Path -> {
      root :: Path,
      machines :: String,  # the folder with the machines
      secrets :: String,   # the folder with the shared secrets
      rules :: String,     # the agenix rules file
      admins :: [String],  # keys that read every secret, besides the machines' `userKeys`
      ignore :: [String],  # patterns of paths that are not looked at
    }
    ```

    # Example

    ```nix
    (readConfig ./nix/fleet).rules
    => "secrets/secrets.nix"
    ```
  */
  readConfig =
    root:
    let
      file = root + "/bulkhead.toml";
      written = if builtins.pathExists file then builtins.fromTOML (builtins.readFile file) else { };
      layout = written.layout or { };
    in
    {
      inherit root;
      machines = normalisePath (layout.machines or "machines");
      secrets = normalisePath (layout.secrets or "secrets");
      rules = normalisePath (layout.rules or "secrets/secrets.nix");
      admins = written.admins or [ ];
      ignore = written.ignore or [ ];
    };
}
