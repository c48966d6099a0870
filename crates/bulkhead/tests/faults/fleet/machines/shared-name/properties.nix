# unlock-host-name-shared: SSH would meet two keys under one name.
{
  hostNames = [ "shared-name.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINjHtfu1mspHDWzM7/8oule2o7wal4U+TgNhvdQczjly";
    clearnetHost = "s0.example.org";
  };
}
