{
  hostNames = [ "zap.example.net" ];
  arch = "aarch64-linux";
  systemRoles = [ "web" ];
}
