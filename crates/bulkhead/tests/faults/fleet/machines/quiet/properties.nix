# allow-without-reason: nobody knows whether it still holds.
{
  hostNames = [ "quiet.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  deployKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIETeo8+A4X9VuWnHPBo/I76hdiU2RD4k8HZb9j9vSSFq" ]; # bulkhead: allow(deploy-key-without-role)
}
