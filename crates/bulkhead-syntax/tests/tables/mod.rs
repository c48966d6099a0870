//! Expressions, each with the tree it is lowered to as `support` writes it.

pub const LITERALS: &[(&str, &str)] = &[
    ("1", "1"),
    ("007", "7"),
    ("9223372036854775807", "9223372036854775807"),
    ("1.5", "1.5"),
    ("1.", "1.0"),
    (".5e-3", "0.0005"),
    ("x:x", r#""x:x""#),
    ("https://example.org/a?b=c", r#""https://example.org/a?b=c""#),
    ("x: x", "(λ x: x)"),
    ("__curPos", "position"),
    ("[ 1 a.b (f x) (-1) ]", "[1 (. a b) (f x) (- 1)]"),
    ("[ ]", "[]"),
    ("{ }", "{}"),
];

pub const PATHS: &[(&str, &str)] = &[
    ("./a/b.nix", r#"(Relative-path "./a/b.nix")"#),
    ("a/b", r#"(Relative-path "a/b")"#),
    ("../.", r#"(Relative-path "../.")"#),
    ("/etc/x", r#"(Absolute-path "/etc/x")"#),
    ("~/x", r#"(Home-path "~/x")"#),
    ("./${a}/b${c}d", r#"(Relative-path "./" a "/b" c "d")"#),
    ("/${a}", r#"(Absolute-path "/" a)"#),
    ("<nixpkgs/lib>", r#"(__findFile __nixPath "nixpkgs/lib")"#),
    // A slash between operands is a path if path characters follow it, else a division.
    ("a/(b)", "(Divide a b)"),
    ("6/ 2", "(Divide 6 2)"),
    ("x.y/[ ]", "(Divide (. x y) [])"),
    ("6 /2", r#"(6 (Absolute-path "/2"))"#),
];

pub const OPERATORS_BIND_AS_IN_NIX: &[(&str, &str)] = &[
    ("1 + 2 * 3", "(Add 1 (Multiply 2 3))"),
    ("1 - 2 - 3", "(Subtract (Subtract 1 2) 3)"),
    ("a ++ b ++ c", "(Concat a (Concat b c))"),
    ("a // b // c", "(Update a (Update b c))"),
    ("a -> b -> c", "(Implies a (Implies b c))"),
    ("a || b && c", "(Or a (And b c))"),
    ("a == b && c != d", "(And (Equal a b) (NotEqual c d))"),
    ("a < b == c >= d", "(Equal (Less a b) (GreaterOrEqual c d))"),
    ("a <= b || a > b", "(Or (LessOrEqual a b) (Greater a b))"),
    ("!a // b", "(Update (! a) b)"),
    ("!a + b", "(! (Add a b))"),
    ("1 + !a + 2 == 3", "(Equal (Add 1 (! (Add a 2))) 3)"),
    ("1 + -a + 2", "(Add (Add 1 (- a)) 2)"),
    ("a * -b ? c", "(Multiply a (? (- b) c))"),
    ("!a ? b", "(! (? a b))"),
    ("-a * b", "(Multiply (- a) b)"),
    ("a - -b", "(Subtract a (- b))"),
    ("- - a", "(- (- a))"),
    ("!!a", "(! (! a))"),
    ("-f x", "(- (f x))"),
    ("-a.b", "(- (. a b))"),
    ("a ++ b ? c", "(Concat a (? b c))"),
    ("a ? b ? c", "(? (? a b) c)"),
    ("a * b ++ c", "(Multiply a (Concat b c))"),
];

/// Not among [`ALL`]: Nix refuses them unless a feature is on.
pub const PIPE_OPERATORS: &[(&str, &str)] = &[
    ("a |> f", "(f a)"),
    ("f <| a", "(f a)"),
    ("a |> f |> g", "(g (f a))"),
    ("f <| g <| a", "(f (g a))"),
    ("a |> f b |> g.h", "((. g h) ((f b) a))"),
    ("a -> b |> f", "(f (Implies a b))"),
    ("f <| a -> b -> c", "(f (Implies a (Implies b c)))"),
    ("a == b |> f || c == d", "((Or f (Equal c d)) (Equal a b))"),
    ("(a |> f) <| b", "((f a) b)"),
    ("x: x |> f", "(λ x: (f x))"),
    ("if a |> f then b |> g else c |> h", "(if (f a) (g b) (h c))"),
    ("[ (a |> f) ]", "[(f a)]"),
    ("!a |> -f", "((- f) (! a))"),
];

pub const APPLICATION_AND_SELECTION: &[(&str, &str)] = &[
    ("f a b c", "(f a b c)"),
    ("(f a) b", "(f a b)"),
    ("f (a b)", "(f (a b))"),
    ("f { } [ ] \"x\" 1", r#"(f {} [] "x" 1)"#),
    ("a.b.c", "(. a b.c)"),
    ("a.b or c", "(. a b or c)"),
    ("f a.b or c d", "(f (. a b or c) d)"),
    ("a.b or c.d or e", "(. a b or (. c d or e))"),
    ("a.\"b c\".${d}.\"${e}\"", "(. a b c.$d.$(string e))"),
    ("a.${\"b\"}.${(''c'')}", "(. a b.c)"),
    ("{ }.a", "(. {} a)"),
    ("x ? a.\"b\".${c}", "(? x a.b.$c)"),
    ("0.a", "(. 0 a)"),
];

pub const OR_IS_A_NAME_WHERE_NOTHING_IS_SELECTED: &[(&str, &str)] = &[
    ("x.or", "(. x or)"),
    ("x.or or y", "(. x or or y)"),
    ("{ or = 1; }", "{or=1}"),
    ("{ inherit or; }", "{inherit or}"),
    ("a b or c", "(a (b or) c)"),
    ("[ a or b ]", "[(a or) b]"),
    ("x ? or", "(? x or)"),
];

pub const CONTROL: &[(&str, &str)] = &[
    ("if a then b else if c then d else e", "(if a b (if c d e))"),
    ("assert a; with b; c", "(assert a (with b c))"),
    ("let in 1", "(let rec{} 1)"),
    ("let a = 1; inherit b; in a", "(let rec{a=1, inherit b} a)"),
    ("let { a = 1; body = a; }", "(. rec{a=1, body=a} body)"),
    ("f let { body = 1; }.a", "(f (. (. rec{body=1} body) a))"),
    ("let { body = 1; } + 1", "(Add (. rec{body=1} body) 1)"),
];

pub const FUNCTIONS: &[(&str, &str)] = &[
    ("a: b: a", "(λ a: (λ b: a))"),
    ("{ }: 1", "(λ {}: 1)"),
    ("{ a, b ? a, ... }: b", "(λ {a, b ? a, ...}: b)"),
    ("{ a, }: a", "(λ {a}: a)"),
    ("{ ... }@all: all", "(λ {...}@all: all)"),
    ("all@{ a }: all", "(λ {a}@all: all)"),
    ("{ f = x: y: x; g = (z: z); }", "{f=(λ f = x: (λ f = y: x)), g=(λ g = z: z)}"),
    ("{ a.b = x: x; }", "{a={b=(λ b = x: x)}}"),
];

pub const STRINGS: &[(&str, &str)] = &[
    (r#""""#, r#""""#),
    (r#""a\n\t\r\"\\\x\${b}""#, r#""a\n\t\r\"\\x${b}""#),
    (r#""a${b}c""#, r#"(string "a" b "c")"#),
    (r#""${"a"}""#, r#"(string "a")"#),
    (r#""$a $$ $${b}""#, r#""$a $$ $${b}""#),
    (r#""${"${a}"}""#, "(string (string a))"),
    ("\"a\r\nb\rc\"", r#""a\nb\nc""#),
    ("\"é\u{1f980}\"", "\"é\u{1f980}\""),
];

pub const INDENTED_STRINGS: &[(&str, &str)] = &[
    ("''''", r#""""#),
    ("''a''", r#""a""#),
    ("''\n  a\n   b\n  c\n''", r#""a\n b\nc\n""#),
    ("''\n  a\n\n    \n  b\n  ''", r#""a\n\n  \nb\n""#),
    ("''  \n    a''", r#""a""#),
    ("''  a\n  b''", r#""a\nb""#),
    ("''\ta\n\tb''", r#""\ta\n\tb""#),
    ("''\n  ''${a}\n  ''\\n ''' $ $$ ' ''$x\n''", r#""${a}\n\n'' $ $$ ' $x\n""#),
    ("''\n  ${a}\n    b\n''", r#"(string a "\n  b\n")"#),
    ("''\n    a\n  ${b}''", r#"(string "  a\n" b)"#),
    // What an escaped line feed begins loses its indentation too.
    ("''\n  a''\\n    b''", r#""a\n  b""#),
    // CR LF stays as it is.
    ("''a\r\nb''", r#""a\r\nb""#),
    // An indented string around a lone string is that string.
    ("''${\"a\"}''", r#""a""#),
];

pub const NESTED_DEFINITIONS_ARE_MERGED: &[(&str, &str)] = &[
    ("{ a.b = 1; a.c = 2; }", "{a={b=1, c=2}}"),
    ("{ a.b.c = 1; a.b.d = 2; a.e = 3; }", "{a={b={c=1, d=2}, e=3}}"),
    ("{ a = { b = 1; }; a.c = 2; }", "{a={b=1, c=2}}"),
    ("{ a.b = 1; a = { c = 2; }; }", "{a={b=1, c=2}}"),
    ("{ a = ({ b = 1; }); a = (({ c = 2; })); }", "{a={b=1, c=2}}"),
    ("{ a = { b.c = 1; }; a = { b.d = 2; }; }", "{a={b={c=1, d=2}}}"),
    ("{ a.${x} = 1; a.b = 2; }", "{a={b=2, $x=1}}"),
    ("{ ${x}.a = 1; ${x}.b = 2; }", "{$x={a=1}, $x={b=2}}"),
    ("{ a = { inherit (p) x; }; a = { inherit (q) y; }; }", "{a={inherit (p) x, inherit (q) y}}"),
    ("let a.b = 1; a.c = 2; in a", "(let rec{a={b=1, c=2}} a)"),
    ("{ a = let { body = 1; }; b = 2; }", "{a=(. rec{body=1} body), b=2}"),
    ("{ \"a\".b = 1; ${\"a\"}.c = 2; a.d = 3; }", "{a={b=1, c=2, d=3}}"),
];

/// With the places of variables.
pub const THE_FIRST_DEFINITION_DECIDES_ABOUT_RECURSION: &[(&str, &str)] = &[
    ("{ a = rec { b = 1; }; a.c = b; }", "{a=rec{b=1, c=b^0.0}}"),
    ("{ a.c = b; a = rec { b = c; }; }", "{a={c=b^global, b=c^global}}"),
    ("{ a = rec { b = 1; }; a = { inherit c; }; }", "{a=rec{b=1, inherit c^global}}"),
];

/// With the places of variables.
pub const VARIABLES_KNOW_THEIR_FRAME: &[(&str, &str)] = &[
    ("x", "x^global"),
    ("x: y: x y", "(λ x: (λ y: (x^1.0 y^0.0)))"),
    ("x: x: x", "(λ x: (λ x: x^0.0))"),
    ("{ a, b ? a }@c: c", "(λ {a, b ? a^0.0}@c: c^0.2)"),
    ("let a = b; b = a; in a", "(let rec{a=b^0.1, b=a^0.0} a^0.0)"),
    ("rec { a = 1; b = a; }", "rec{a=1, b=a^0.0}"),
    ("a: { a = 1; b = a; }", "(λ a: {a=1, b=a^0.0})"),
    ("rec { a = { b = a; }; }", "rec{a={b=a^0.0}}"),
    ("rec { a = 1; ${a} = a; }", "rec{a=1, $a^0.0=a^0.0}"),
    ("x: let x = 1; in (y: x)", "(λ x: (let rec{x=1} (λ y: x^1.0)))"),
    ("(x: x) x", "((λ x: x^0.0) x^global)"),
];

/// With the places of variables.
pub const INHERIT_LOOKS_OUTSIDE: &[(&str, &str)] = &[
    ("a: rec { inherit a; b = a; }", "(λ a: rec{inherit a^0.0, b=a^0.0})"),
    ("a: let inherit a; in a", "(λ a: (let rec{inherit a^0.0} a^0.0))"),
    ("rec { s = { }; inherit (s) a; b = a; }", "rec{s={}, inherit (s^0.0) a, b=a^0.1}"),
    ("s: { inherit (s) a; }", "(λ s: {inherit (s^0.0) a})"),
    ("{ inherit \"a\" ${\"b\"}; }", "{inherit a^global, inherit b^global}"),
];

/// With the places of variables.
pub const WITH_IS_ASKED_LAST: &[(&str, &str)] = &[
    ("with a; b", "(with a^global b^with0)"),
    ("b: with a; b", "(λ b: (with a^global b^1.0))"),
    ("with a; x: b", "(with a^global (λ x: b^with1))"),
    ("with a; with b; c", "(with a^global (with^1 b^with0 c^with0))"),
    ("with a; x: with b; y: c", "(with a^global (λ x: (with^2 b^with1 (λ y: c^with1))))"),
    ("(with a; b) c", "((with a^global b^with0) c^global)"),
    ("with a; <b>", "(with a^global (__findFile^with0 __nixPath^with0 \"b\"))"),
    ("__nixPath: <b>", "(λ __nixPath: (__findFile^global __nixPath^0.0 \"b\"))"),
];

/// All of them.
#[allow(dead_code)]
pub const ALL: &[&[(&str, &str)]] = &[
    LITERALS,
    PATHS,
    OPERATORS_BIND_AS_IN_NIX,
    APPLICATION_AND_SELECTION,
    OR_IS_A_NAME_WHERE_NOTHING_IS_SELECTED,
    CONTROL,
    FUNCTIONS,
    STRINGS,
    INDENTED_STRINGS,
    NESTED_DEFINITIONS_ARE_MERGED,
    THE_FIRST_DEFINITION_DECIDES_ABOUT_RECURSION,
    VARIABLES_KNOW_THEIR_FRAME,
    INHERIT_LOOKS_OUTSIDE,
    WITH_IS_ASKED_LAST,
];
