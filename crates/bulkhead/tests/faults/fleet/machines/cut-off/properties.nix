# malformed-ssh-key: the end of the line is missing.
{
  hostNames = [ "cut-off.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSmviOnQrh++uY8u0VrDBCO9D4+mOKz";
}
