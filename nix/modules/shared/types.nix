# Types of texts that more than one module has options of.
{ lib }:
let
  inherit (lib.types) strMatching;
  of = pattern: description: strMatching pattern // { inherit description; };
in
{
  # No character that systemd, a shell or the flags of systemd-nspawn would read in another way.
  plainPath = of "(/[A-Za-z0-9_+@=-][A-Za-z0-9._+@=-]*|/\\.[A-Za-z0-9_+@=-][A-Za-z0-9._+@=-]*)+" "an absolute path of letters, digits and `._+@=-`, without `.` and `..`";

  # Options may stand before the key (sshd(8)); files that are read end with a newline.
  publicKeyLine = of "([^\n]* )?(ssh|ecdsa|sk-ssh|sk-ecdsa|webauthn-sk-ecdsa)-[a-z0-9@.-]+ AAAA[^\n]*\n?" "the line of an SSH public key";

  # The name of a file below /etc/zoneinfo.
  timeZone = of "[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*" "the name of a time zone, such as Europe/Berlin";

  # As the tools that make users take them.
  userName = of "[A-Za-z_][A-Za-z0-9_.-]{0,30}" "the name of a user";

  # Where somebody listens, for a command line.
  hostAndPort = of "([A-Za-z0-9.-]+|\\\[[0-9A-Fa-f:.]+]):[1-9][0-9]{0,4}" "a host and a port, such as 127.0.0.1:9050";
}
