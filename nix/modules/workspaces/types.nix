# Types of options of workspaces.
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
}
