# What the properties of the example fleet give every machine.
{
  machine,
  modules,
  throws,
  ...
}:
let
  of =
    name:
    machine [
      (modules + "/fleet")
      {
        networking.hostName = name;
        machines.root = ../../fleet;
      }
    ];
  kif = of "kif";
in
{
  "a machine may ask for the properties of all machines" = {
    expr = {
      inherit (kif.config.machines) allRoles;
      pia = kif.config.machines.withRole.pia;
      disks = kif.config.machines.hosts.s0.meta.disks;
      own = kif.config.thisMachine.config.publicIP;
      hasRole = {
        inherit (kif.config.thisMachine.hasRole) web pia;
      };
    };
    expected = {
      allRoles = [
        "backup"
        "deploy"
        "monitoring"
        "personal"
        "pia"
        "server"
        "storage"
        "web"
      ];
      pia = [ "s0" ];
      disks = 6;
      own = "203.0.113.7";
      hasRole = {
        web = true;
        pia = false;
      };
    };
  };
  "nothing is wrong with it" = {
    expr = { inherit (kif) failed warnings; };
    expected = {
      failed = [ ];
      warnings = [ ];
    };
  };
  "a machine that is not of the fleet is refused" = {
    expr = throws (of "bender").config.thisMachine.config;
    expected = true;
  };
}
