# The example of README.md is a whole configuration.
support:
let
  inherit (support) lib;
  inherit (import ../support/vpn.nix support) hostWith;

  parts = lib.splitString "```nix\nvpn = {" (builtins.readFile ../../../README.md);
  example = "vpn = {" + lib.head (lib.splitString "```" (lib.elemAt parts 1));
  # With what a test has.
  withFiles =
    lib.replaceStrings
      [
        "./pia/ca.crt"
        "./pia/serverlist.pem"
        "./torrent.nix"
        "pkgs.transmission}"
      ]
      [
        "./vpn.nix"
        "./vpn.nix"
        "{ }"
        "pkgs.hello}"
      ]
      example;
  # Comments and the space between words are nothing to Nix.
  bare =
    text:
    lib.concatMapStrings (
      line: lib.replaceStrings [ " " ] [ "" ] (lib.head (lib.splitString "# " line))
    ) (lib.splitString "\n" text);

  host = hostWith {
    imports = [ ../support/readme-vpn.nix ];
    options.age = lib.mkOption { type = lib.types.attrs; };
    config.age.secrets.pia-login.path = "/run/agenix/pia-login";
  };
in
{
  "it stands there as it is tested" = {
    expr = {
      count = lib.length parts;
      same = lib.hasInfix (bare withFiles) (bare (builtins.readFile ../support/readme-vpn.nix));
    };
    expected = {
      count = 2;
      same = true;
    };
  };
  "nothing is wrong with it" = {
    expr = {
      inherit (host) failed warnings;
      inherit (host.config.vpn) serverLocation credentialsFile;
      receiver = host.config.vpn.receiver.name;
      nginx = host.config.containers.web.config.services.nginx.enable;
      hook = lib.hasInfix "transmission-remote" host.config.vpn.onPortForwarded;
    };
    expected = {
      failed = [ ];
      warnings = [ ];
      serverLocation = [
        "swiss"
        "de-frankfurt"
      ];
      credentialsFile = "/run/agenix/pia-login";
      receiver = "torrent";
      nginx = true;
      hook = true;
    };
  };
}
