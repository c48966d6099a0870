# personal-without-user-key: nobody can rekey secrets from here.
{
  hostNames = [ "nobody.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "personal" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILfajbIOxynfKYLIhuTCSsUA/EBxEHXyVECiF7BuE+D3";
}
