# deploy-key-without-role: whoever has this key is root everywhere.
{
  hostNames = [ "deployer.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  deployKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPX4WCFe5gFrzRvKOSBBFn0q+3K63JRGj7NflqeJxMAt" ];
}
