{ lib ? (import <nixpkgs> { }).lib }:
let
  keys = import ./keys.nix;
in
lib.mapAttrs' (name: value: lib.nameValuePair "${name}.age" { publicKeys = [ value ]; }) keys
