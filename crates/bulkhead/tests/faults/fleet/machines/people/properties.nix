# user-key-without-role: a key that decrypts everything, on a server.
{
  hostNames = [ "people.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  userKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINOW2o7rHzskEwa3xTT/WQde2JQ7TUh7B2R4xd20ESqx" ];
}
