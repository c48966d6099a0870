# Rules that a person wrote.
let
  s0 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG05BpvbKEAOVxxt4dOcsNfCvvA0OV6oPheCQdYsDyWf";
  kif = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7IsUQDySnTx1SRJm2XQAM96ZzITjHKdzNmk7VUEMCu";
in
{
  # stale-recipient: the file is still encrypted to kif.
  "stale.age".publicKeys = [ s0 ];
  # missing-recipient: the file is not encrypted to kif yet.
  "missing.age".publicKeys = [ s0 kif ];
  # duplicate-recipient: ragenix refuses it.
  "duplicate.age".publicKeys = [ s0 s0 ];
  # unidentifiable-recipient: who the second X25519 recipient is can't be told.
  "anonymous.age".publicKeys = [ "age143j52ltdykxvefjgwqka4ag96amnvxztheh2p3sw5qhdffyjlc9s92a0lh" ];
  # no-recipients: nobody could read it.
  "nobody.age".publicKeys = [ ];
  # rule-refused-by-agenix: the name has a blank.
  "two words.age".publicKeys = [ s0 ];
  # rule-without-secret: there is no such file.
  "gone.age".publicKeys = [ s0 ];
  # not-age: a secret in clear.
  "clear.age".publicKeys = [ s0 ];
  # damaged-secret: the file is cut off.
  "damaged.age".publicKeys = [ s0 ];
  # rule-not-evaluated: no nixpkgs is at hand.
  "hidden.age".publicKeys = import <nixpkgs/keys.nix>;
}
