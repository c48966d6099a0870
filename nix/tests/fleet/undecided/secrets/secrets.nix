# Rules that somebody has written, with what no flake has.
let
  inherit (import <nowhere/lib>) concatLists;
in
{
  "wifi.age".publicKeys = concatLists [ ];
}
