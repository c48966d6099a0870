{
  hostNames = [ "kif.example.net" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSvUpmxcrayGSLDEFMNKv/6DVjETruQHqjrWtyJVVKo initrd@kif";
    clearnetHost = "unlock.kif.example.net";
  };
}
