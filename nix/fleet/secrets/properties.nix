# Who is meant to read which secret, by the secret's name: that of its file, without `.age`. Besides those named here,
# the administrators can read a secret (all `userKeys`, and `admins` in bulkhead.toml).
#
# After a change here or in a machine's properties.nix:
#
#   bulkhead gen-secrets           writes secrets.nix, and says which files have to be encrypted anew
#   cd secrets && agenix --rekey   encrypts them
#
# Two kinds of secrets need no entry: those in machines/**/<machine>/secrets/ are for that machine, those in
# secrets/<role>/ for all machines of the role, such as web/session-key.
{
  # A secret for every machine that has a role, now or later …
  pia-login = {
    roles = [ "pia" ];
    description = "User name and password of the VPN provider";
  };
  restic-password = {
    roles = [ "backup" ];
    description = "Password of the backups, the same for all who make some";
  };

  # … for some machines by name …
  wifi = {
    machines = [
      "fry"
      "howl"
    ];
    description = "Passphrase of the wireless network at home";
  };

  # … or for all of them.
  smtp-login = {
    everyone = true;
    description = "Password for sending mail to the administrators";
  };

  # `armor` keeps the file as text, `mode`, `owner` and `group` are those of the decrypted file on the machine.
  acme-dns-token = {
    roles = [ "web" ];
    armor = true;
    mode = "0440";
    group = "acme";
    description = "Token of the DNS provider, with which certificates are requested";
  };

  # `admins = false` would leave the administrators out, but then they can't rekey it either, and `agenix --rekey` stops
  # there: each change of the recipients takes a new secret.
  metrics-token = {
    roles = [
      "monitoring"
      "server"
    ];
    description = "Token with which hermes asks the servers for their metrics";
  };

  # A secret in a role's folder is granted by that folder. An entry can still say more about it.
  "web/session-key".description = "Signs the cookies of the web applications";
}
