# Values of `machines` and `thisMachine` that nobody means: each is refused, and those beside them are not.
{
  lib,
  machine,
  modules,
  throws,
  ...
}:
let
  key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI";
  on =
    extra:
    machine [
      (modules + "/fleet")
      {
        networking.hostName = "kif";
        machines.root = lib.mkDefault ../../fleet;
      }
      extra
    ];
  # `null` where evaluating it throws.
  told =
    extra:
    let
      system = on extra;
      inherit (system.config) machines thisMachine;
      all = [
        machines.hosts
        machines.ssh
        machines.unlockPort
        thisMachine.config
        thisMachine.hasRole
        thisMachine.unlock
      ];
    in
    if throws all || throws system.failed then null else system.failed;
  refused = values: map (value: told value == null) values;
  all = values: map (_: true) values;
  each = set: values: {
    expr = refused (map set values);
    expected = all values;
  };
  taken = set: values: {
    expr = map (value: told (set value)) values;
    expected = map (_: [ ]) values;
  };
  root = value: { machines.root = value; };
  name = value: { thisMachine.name = value; };
  port = value: { machines.unlockPort = value; };
  proxy = value: { machines.ssh.torProxy = value; };
  hostKey = value: { thisMachine.unlock.hostKeyFile = value; };
  folder = value: { thisMachine.unlock.onion.keyFolder = value; };
  keys = value: { thisMachine.unlock.authorizedKeys = value; };
  admin = value: { machines.ssh.adminUser = value; };
  people = {
    users.users.leela.isNormalUser = true;
    users.users."fry.j".isNormalUser = true;
  };

  files = [
    null
    ""
    "etc/key"
    "/"
    "/etc/secrets/"
    "/etc/a b"
    "/etc/a\nb"
    "/etc/a'b"
    "/etc/../nix/store/x"
    "//nix/store/x"
    ../../fleet/flake.nix
  ];
in
{
  "a root that is no fleet" = each root [
    null
    ""
    "machines"
    { }
    [ ../../fleet ]
    "/nonexistent/fleet"
    ../../fleet/flake.nix
    ../../fleet/machines
  ];
  "a name that no machine has" = each name [
    null
    ""
    "bender"
    "a/kif"
    "kif/"
    "../kif"
    "kif\n"
    "kif "
    "'kif'"
    "Kïf"
    [ "kif" ]
  ];
  "ports that are none" = each port [
    null
    0
    (-1)
    65536
    "22"
    22.5
  ];
  "proxies that are none" = each proxy [
    null
    ""
    "localhost"
    ":9050"
    "127.0.0.1:0"
    "127.0.0.1:9050 -o x"
    "127.0.0.1:9050\n"
    "'; true; '"
    "tor\"x:1"
  ];
  "proxies" = taken proxy [
    "127.0.0.1:9050"
    "tor.home.arpa:9150"
    "[::1]:9050"
  ];
  "files on the machine that are none" = {
    expr = refused (map hostKey files ++ map folder files);
    expected = all (files ++ files);
  };
  "files on the machine" = taken hostKey [
    "/etc/secrets/initrd/key"
    "/persist/.secrets/key_1"
    "/run/agenix/initrd-key"
  ];
  "keys that are no login" = each keys [
    null
    key
    [ "" ]
    [ "nonsense" ]
    [ "/etc/keys.pub" ]
    [ "${key}\n${key}" ]
    [ "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p" ]
  ];
  "keys" = taken keys [
    [ key ]
    [ "${key} leela@laptop" ]
    [ "command=\"x\" ${key}" ]
    [ "${key}\n" ]
    [ ]
  ];
  "administrators whose names are none" = each admin [
    ""
    "a b"
    "../x"
    "a\nb"
    "löwe"
    "-x"
    [ "leela" ]
  ];
  "administrators" =
    taken
      (value: {
        imports = [ people ];
        machines.ssh.adminUser = value;
      })
      [
        null
        "root"
        "leela"
        "fry.j"
      ];
  "an administrator whom nobody has declared" = {
    expr = lib.head (told (admin "zoidberg"));
    expected = "`machines.ssh.adminUser` is zoidberg, who is no user of this machine: declare `users.users.zoidberg`, with `isNormalUser = true`, or name another one";
  };
  "what is computed can't be set" = {
    expr = refused [
      { machines.hosts = { }; }
      { machines.withRole = { }; }
      { machines.allRoles = [ "x" ]; }
      { machines.ssh.userKeys = [ ]; }
      { machines.ssh.hostKeysByRole = { }; }
      { thisMachine.config = { }; }
      { thisMachine.hasRole.web = false; }
    ];
    expected = lib.genList (_: true) 7;
  };
  "properties that are none" = {
    expr =
      let
        inherit (import ../../lib) findMachines loadMachine readConfig;
        config = readConfig ./odd;
      in
      map (found: found.name) (
        lib.filter (found: !throws (loadMachine config found)) (findMachines config)
      );
    expected = [ "fine" ];
  };
  "keys for secrets alone let nobody in" = {
    expr =
      let
        system = on {
          imports = [ people ];
          machines.root = lib.mkForce ./age-keys;
          machines.ssh.adminUser = "leela";
        };
      in
      {
        inherit (system.config.machines.ssh) userKeys;
        logins = system.config.users.users.leela.openssh.authorizedKeys.keys;
        unlock = system.config.thisMachine.unlock.authorizedKeys;
      };
    expected = {
      userKeys = [
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
        key
      ];
      logins = [ key ];
      unlock = [ key ];
    };
  };
}
