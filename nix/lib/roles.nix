# Roles: a role exists because machines have it. There is no list of roles to keep.
let
  inherit (builtins)
    concatMap
    elem
    filter
    groupBy
    mapAttrs
    ;

  # A machine that names a role twice still has it once.
  unique = list: builtins.attrNames (groupBy (item: item) list);
in
{
  /**
    The roles of a fleet, each with the names of its machines, sorted.

    # Inputs

    `machines`

    : A list of machines with `name` and `systemRoles`.

    # Type

    ```
    rolesOf :: [Machine] -> { <role> :: [String] }
    ```

    # Example

    ```nix
    rolesOf [
      { name = "s0"; systemRoles = [ "pia" "server" ]; }
      { name = "kif"; systemRoles = [ "server" ]; }
    ]
    => { pia = [ "s0" ]; server = [ "kif" "s0" ]; }
    ```
  */
  rolesOf =
    machines:
    let
      given = concatMap (
        machine:
        map (role: {
          inherit role;
          inherit (machine) name;
        }) machine.systemRoles
      ) machines;
    in
    mapAttrs (_: members: unique (map (member: member.name) members)) (groupBy (item: item.role) given);

  /**
    The machines that have a role, in the order of the list. None has a role that nobody has.

    # Inputs

    `role`

    : The name of the role.

    `machines`

    : A list of machines with `systemRoles`.

    # Type

    ```
    machinesWithRole :: String -> [Machine] -> [Machine]
    ```

    # Example

    ```nix
    map (machine: machine.name) (machinesWithRole "pia" (loadFleet ./nix/fleet).machines)
    => [ "s0" ]
    ```
  */
  machinesWithRole = role: filter (machine: elem role machine.systemRoles);
}
