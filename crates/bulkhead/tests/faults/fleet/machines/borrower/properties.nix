# host-key-reused: this is the host key of kif, and no key of a person.
{
  hostNames = [ "borrower.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "personal" ];
  userKeys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7IsUQDySnTx1SRJm2XQAM96ZzITjHKdzNmk7VUEMCu" ];
}
