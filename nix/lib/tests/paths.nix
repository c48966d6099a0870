# The tests of paths and of the patterns that ignore some. A function from nix/lib to tests, as in tests.nix.
lib:
let
  fails = value: !(builtins.tryEval (builtins.deepSeq value null)).success;
in
{
  "a path has one normal form" = {
    got = map lib.normalisePath [
      "./machines//storage/"
      "."
      ""
    ];
    want = [
      "machines/storage"
      ""
      ""
    ];
  };
  "a path can't leave the root" = {
    got = map (path: fails (lib.normalisePath path)) [
      "../machines"
      "machines/../.."
      "/machines"
      "..machines"
    ];
    want = [
      true
      true
      true
      false
    ];
  };
  "a path is seen from a folder" = {
    got = [
      (lib.relativePath "secrets" "machines/s0/secrets/a.age")
      (lib.relativePath "secrets" "secrets/web/a.age")
      (lib.relativePath "" "secrets/a.age")
      (lib.relativePath "a/b" "a")
      (lib.relativePath "a" "a")
    ];
    want = [
      "../machines/s0/secrets/a.age"
      "web/a.age"
      "secrets/a.age"
      ".."
      "."
    ];
  };
  "a pattern matches a path and what lies below it" = {
    got = map (lib.isIgnored [ "a/*.b" ]) [
      "a/x.b"
      "a/.b"
      "a/x.b/c"
      "a/xxb"
      "a/x/y.b"
      "c/a/x.b"
      ""
    ];
    want = [
      true
      true
      true
      false
      false
      false
      false
    ];
  };
  "two stars stand for any folders" = {
    got = map (lib.isIgnored [ "a/**/b" ]) [
      "a/b"
      "a/x/b"
      "a/x/y/b/c"
      "a/xb"
      "b"
    ];
    want = [
      true
      true
      true
      false
      false
    ];
  };
  "a pattern's other characters stand for themselves" = {
    got = [
      (lib.isIgnored [ "a(1)[2]{3}+.^$|\\b" ] "a(1)[2]{3}+.^$|\\b")
      (lib.isIgnored [ "a+" ] "aa")
      (lib.isIgnored [ "a?" ] "a")
      (lib.isIgnored [ "" ] "a")
    ];
    want = [
      true
      false
      false
      false
    ];
  };
}
