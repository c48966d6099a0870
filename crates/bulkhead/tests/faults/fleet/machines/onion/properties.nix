# malformed-onion-address: its checksum does not fit.
{
  hostNames = [ "onion.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAVsXF40P5t9fsfA6gUyMmbjt3MEzHFbYfNXqWpmCaDA";
    onionHost = "a4eascqlbqgq4dyqcejbgfavcylrqgi2dmob2hq7eaqseizeeutlzmyd.onion";
  };
}
