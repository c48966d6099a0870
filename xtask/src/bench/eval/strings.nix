# Ten megabytes of text: put together, replaced, split, hashed.
let
  line = n: "line ${toString n}: the quick brown fox jumps over the lazy dog\n";
  text = builtins.concatStringsSep "" (builtins.genList line 160000);
  folded = builtins.foldl' (text: n: text + line n) "" (builtins.genList (n: n) 2000);
  replaced = builtins.replaceStrings [ "fox" "dog" ] [ "wolf" "cat" ] text;
in
[ (builtins.stringLength text) (builtins.stringLength folded) (builtins.stringLength replaced) (builtins.hashString "sha256" replaced) (builtins.length (builtins.filter builtins.isString (builtins.split "\n" (builtins.substring 0 1000000 text)))) ]
