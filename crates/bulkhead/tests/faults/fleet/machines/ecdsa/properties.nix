# host-key-unfit-for-age: age encrypts to ed25519 and RSA keys only.
{
  hostNames = [ "ecdsa.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBGmNA1Nq1fjE7eQlfsoYrSIsYTKurR1k9LQFZHFHBj7UDueLPrqxfiu5RlyEdtn16AluG0X+epER6dsMEHBQOk=";
}
