# duplicate-host-key and duplicate-host-name: an image of s0, installed again.
{
  hostNames = [ "s0.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG05BpvbKEAOVxxt4dOcsNfCvvA0OV6oPheCQdYsDyWf";
}
