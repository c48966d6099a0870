# A machine that is as it should be.
{
  hostNames = [ "s0.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" "pia" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG05BpvbKEAOVxxt4dOcsNfCvvA0OV6oPheCQdYsDyWf";
}
