# unlock-key-reused and unlock-key-is-recipient: its private half lies in clear in /boot.
{
  hostNames = [ "reused.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" "pia" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcvYifzxrnEyXSbBTKblvfQwj82jTxjlomZohyW8/tr";
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHcvYifzxrnEyXSbBTKblvfQwj82jTxjlomZohyW8/tr";
    clearnetHost = "boot.example.org";
  };
}
