# Lists of a million elements, and deep recursion.
let
  numbers = builtins.genList (n: n) 1000000;
  sum = builtins.foldl' (a: b: a + b) 0;
  depth = n: if n == 0 then 0 else 1 + depth (n - 1);
in
[
  (sum numbers)
  (sum (map (n: n * 2) numbers))
  (builtins.length (builtins.concatMap (n: if n / 3 * 3 == n then [ n (n + 1) ] else [ ]) numbers))
  (builtins.length (builtins.filter (n: n < 500000) numbers))
  (depth 9000)
]
