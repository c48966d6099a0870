{
  hostNames = [ "zap" ];
  arch = "aarch64-linux";
  systemRoles = [
    "mail"
    "web"
  ];
  hostKey = ./host.pub;
  remoteUnlock.hostKey = "ssh-ed25519 ZAP_UNLOCK";
}
