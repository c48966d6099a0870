# A fleet as a whole, read from the folder that it lies in.
let
  inherit (import ./config.nix) readConfig;
  inherit (import ./machines.nix) loadMachines;
  inherit (import ./roles.nix) rolesOf;
  inherit (import ./secrets.nix) findSecrets secretRecipients;
in
{
  /**
    Read everything that a fleet says about itself. Nothing is evaluated before it is asked for.

    # Inputs

    `root`

    : The folder of the fleet, as a path.

    # Type

    ```
    loadFleet :: Path -> {
      config :: Config,
      machines :: [Machine],
      roles :: { <role> :: [String] },
      secrets :: [Secret],
      recipients :: { <file> :: { publicKeys :: [String], armor :: Bool } },
    }
    ```

    # Example

    ```nix
    (loadFleet ./nix/fleet).roles.pia
    => [ "s0" ]
    ```
  */
  loadFleet =
    root:
    let
      config = readConfig root;
      machines = loadMachines config;
      secrets = findSecrets config machines;
    in
    {
      inherit config machines secrets;
      roles = rolesOf machines;
      recipients = secretRecipients config machines secrets;
    };
}
