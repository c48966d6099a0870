# The comments that allow findings can be wrong too.
{
  hostNames = [ "kif.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  # unused-allow: the key is as it should be.
  # bulkhead: allow(weak-ssh-key) an old switch
  # malformed-allow: there is no such rule.
  # bulkhead: allow(weak-key) an old switch
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7IsUQDySnTx1SRJm2XQAM96ZzITjHKdzNmk7VUEMCu";
}
