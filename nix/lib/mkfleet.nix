# A fleet as a flake's `nixosConfigurations`.
let
  inherit (builtins)
    attrNames
    concatStringsSep
    filter
    isAttrs
    mapAttrs
    pathExists
    ;
  inherit (import ./config.nix) readConfig;
  inherit (import ./machines.nix) findMachines loadMachine machinesByName;

  # What may be said about one machine.
  known = [
    "modules"
    "nixpkgs"
    "specialArgs"
  ];
in
{
  /**
    Make the NixOS configurations of a fleet: one for every folder with a `properties.nix`. A machine has the modules of
    Bulkhead, those given here, and its own folder's `default.nix`. Its host name is the folder's and its platform is the
    `arch` of its properties; its configuration may say otherwise. To add a machine, add its folder.

    The functions of this library and the properties of all machines are at hand in every module: as
    `config.machines` and `config.thisMachine`.

    # Inputs

    `root`

    : The folder of the fleet: `./.` or `self` in its flake.

    `nixpkgs`

    : The flake of nixpkgs, or anything else with `lib.nixosSystem`.

    `modules`

    : Modules for every machine: agenix's, and your own. None by default.

    `specialArgs`

    : Arguments for the modules besides those of NixOS. None by default.

    `machines`

    : What is different for one machine, by its name: another `nixpkgs`, more `modules`, more `specialArgs`.

    # Type

    ```
    mkFleet :: {
      root :: Path,
      nixpkgs :: Flake,
      modules :: [Module],
      specialArgs :: AttrSet,
      machines :: { <name> :: { nixpkgs :: Flake, modules :: [Module], specialArgs :: AttrSet } },
    } -> { <name> :: NixosConfiguration }
    ```

    # Example

    ```nix
    mkFleet {
      root = ./.;
      inherit nixpkgs;
      modules = [ agenix.nixosModules.default ./modules/base.nix ];
      machines.s0.nixpkgs = nixpkgs-stable;
    }
    => { fry = …; s0 = …; }
    ```
  */
  mkFleet =
    {
      root,
      nixpkgs,
      modules ? [ ],
      specialArgs ? { },
      machines ? { },
    }:
    let
      # A flake's `self` stands for its folder.
      folder = if isAttrs root then root.outPath else root;
      config = readConfig folder;
      found = machinesByName (findMachines config);

      strangers = filter (name: !found ? ${name}) (attrNames machines);
      wrongArguments =
        name: filter (argument: !builtins.elem argument known) (attrNames machines.${name});
      quoted = names: concatStringsSep ", " (map (name: "`${name}`") names);

      systemOf =
        name: machine:
        let
          own = machines.${name} or { };
          configuration = folder + "/${machine.path}";
        in
        if machines ? ${name} && wrongArguments name != [ ] then
          throw "mkFleet: `machines.${name}` has ${quoted (wrongArguments name)}; it may have ${quoted known}"
        else if !pathExists (configuration + "/default.nix") then
          throw "${machine.path} has a properties.nix, but no default.nix with the NixOS configuration of `${name}`"
        else
          (own.nixpkgs or nixpkgs).lib.nixosSystem {
            specialArgs = specialArgs // own.specialArgs or { };
            modules = [
              ../modules
              (
                { lib, ... }:
                {
                  machines.root = folder;
                  thisMachine.name = name;
                  networking.hostName = lib.mkDefault name;
                  nixpkgs.hostPlatform = lib.mkDefault (loadMachine config machine).arch;
                }
              )
              configuration
            ]
            ++ modules
            ++ own.modules or [ ];
          };
    in
    if strangers != [ ] then
      throw "mkFleet: `machines` names ${quoted strangers}, and there is no such machine; the fleet has ${quoted (attrNames found)}"
    else
      mapAttrs systemOf found;
}
