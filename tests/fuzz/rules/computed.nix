let
  keys = import ./keys.nix;
  inherit (builtins) attrNames attrValues filter listToAttrs map readDir match;
  everyone = attrValues keys;
  named = name: publicKeys: {
    inherit name;
    value = { inherit publicKeys; };
  };
  files = filter (name: match ".*\\.age" name != null) (attrNames (readDir ./.));
in
listToAttrs (map (name: named name everyone) files)
// {
  "pia-login.age".publicKeys = with keys; [ kif safe ];
}
