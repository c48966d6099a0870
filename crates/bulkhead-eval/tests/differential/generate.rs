//! Random, well-formed Nix expressions: most of them have a value, a few fail.
//!
//! Expressions are made by type, so that they seldom go wrong, and see the variables around them. The same seed gives
//! the same expressions.

/// A type that an expression is meant to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    Int,
    Float,
    Bool,
    Text,
    List,
    Set,
    /// From an integer to an integer.
    Function,
}

const TYPES: [Type; 7] = [Type::Int, Type::Float, Type::Bool, Type::Text, Type::List, Type::Set, Type::Function];

/// Names of attributes: few, so that they meet.
const NAMES: [&str; 7] = ["a", "b", "c", "d", "x'", "e-f", "_g"];

pub struct Generator {
    state: u64,
    /// Variables in scope, innermost last.
    scope: Vec<(String, Type)>,
    fresh: u32,
    /// Whether an expression may have another type than it should.
    may_be_wrong: bool,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            scope: Vec::new(),
            fresh: 0,
            may_be_wrong: true,
        }
    }

    /// An expression of any type.
    pub fn expression(&mut self) -> String {
        self.scope.clear();
        self.fresh = 0;
        let wanted = self.any_type();
        let depth = 2 + self.below(4);
        self.expr(wanted, depth)
    }

    /// xorshift64*
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u32) -> u32 {
        ((self.random() >> 33) % u64::from(bound)) as u32
    }

    fn one_in(&mut self, bound: u32) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len() as u32) as usize]
    }

    fn any_type(&mut self) -> Type {
        // Functions print as <LAMBDA>: they tell little.
        match self.below(20) {
            0 => Type::Function,
            n => TYPES[(n % 6) as usize],
        }
    }

    fn variable(&mut self, wanted: Type) -> Option<String> {
        // An inner variable may hide an outer one of another type.
        let visible =
            |name: &str| self.scope.iter().rev().find(|(other, _)| other == name).is_some_and(|(_, t)| *t == wanted);
        let fitting: Vec<String> =
            self.scope.iter().map(|(name, _)| name).filter(|name| visible(name)).cloned().collect();
        if fitting.is_empty() {
            return None;
        }
        let index = self.below(fitting.len() as u32) as usize;
        fitting.into_iter().nth(index)
    }

    fn fresh_name(&mut self) -> String {
        // Now and then a name that is taken already, so that it is hidden.
        if self.one_in(6) && !self.scope.is_empty() {
            let index = self.below(self.scope.len() as u32) as usize;
            return self.scope[index].0.clone();
        }
        self.fresh += 1;
        format!("v{}", self.fresh)
    }

    fn within<R>(&mut self, names: &[(String, Type)], make: impl FnOnce(&mut Generator) -> R) -> R {
        let before = self.scope.len();
        self.scope.extend_from_slice(names);
        let result = make(self);
        self.scope.truncate(before);
        result
    }

    fn expr(&mut self, wanted: Type, depth: u32) -> String {
        if self.one_in(250) && self.may_be_wrong {
            // Not a float: it would get into JSON, see `without_floats`.
            let other = [Type::Int, Type::Bool, Type::Text, Type::List, Type::Set][self.below(5) as usize];
            return self.leaf(other);
        }
        if self.one_in(300) {
            return self.pick(&["(throw \"t\")", "(assert false; 1)", "null", "(abort \"a\")"]).to_owned();
        }
        if depth == 0 || self.one_in(8) {
            return self.leaf(wanted);
        }
        let depth = depth - 1;
        if self.one_in(4) {
            return self.anywhere(wanted, depth);
        }
        match wanted {
            Type::Int => self.int(depth),
            Type::Float => self.float(depth),
            Type::Bool => self.boolean(depth),
            Type::Text => self.text(depth),
            Type::List => self.list(depth),
            Type::Set => self.set(depth),
            Type::Function => self.function(depth),
        }
    }

    fn any(&mut self, depth: u32) -> String {
        let wanted = self.any_type();
        self.expr(wanted, depth)
    }

    /// Data: nothing that can't be compared or written as JSON.
    fn plain(&mut self, depth: u32) -> String {
        if self.one_in(5) { self.expr(Type::Float, depth) } else { self.without_floats(depth) }
    }

    /// The same without floats, which Nix 2.8 writes to JSON with six digits.
    fn without_floats(&mut self, depth: u32) -> String {
        match self.below(4) {
            0 => self.expr(Type::Int, depth),
            2 => self.expr(Type::Bool, depth),
            3 => "null".to_owned(),
            _ => self.expr(Type::Text, depth),
        }
    }

    fn leaf(&mut self, wanted: Type) -> String {
        if self.one_in(2)
            && let Some(name) = self.variable(wanted)
        {
            return name;
        }
        self.literal(wanted)
    }

    fn literal(&mut self, wanted: Type) -> String {
        match wanted {
            Type::Int => match self.below(12) {
                0 => "9007199254740993".to_owned(),
                1 => "(-7)".to_owned(),
                2 => "9223372036854775807".to_owned(),
                _ => self.below(20).to_string(),
            },
            Type::Float => {
                let leaves = [
                    "1.5",
                    "0.1",
                    "2.0",
                    "(-3.25)",
                    "1e3",
                    "1.0e-5",
                    "123456789.0",
                    ".5",
                    "1e20",
                    "3.",
                    "0.30000000000000004",
                ];
                self.pick(&leaves).to_owned()
            }
            Type::Bool => self.pick(&["true", "false"]).to_owned(),
            Type::Text => {
                let leaves = [
                    "\"\"",
                    "\"a\"",
                    "\"b c\"",
                    "\"1.2.3\"",
                    "\"x-1.0\"",
                    "\"\\n\\t\\\"\\\\\"",
                    "\"$\"",
                    "\"$$\"",
                    "\"\\${a}\"",
                    "\"/a/b.c\"",
                    "\"é😀\"",
                    "''\n  two\n    lines\n''",
                    "''''$ ''${x} ''\\n '''''",
                    "''  a\n   b ''",
                    "http://a.b/c?d=e",
                    "\"foo1bar22\"",
                    "\"a\\\r\nb\"",
                    "\"<&>'\\\"\"",
                ];
                self.pick(&leaves).to_owned()
            }
            Type::List => {
                self.pick(&["[ ]", "[ 3 1 2 ]", "[ \"b\" \"a\" ]", "[ 1 [ 2 ] ]", "[ 1.5 2 null ]"]).to_owned()
            }
            Type::Set => self
                .pick(&["{ }", "{ a = 1; b = 2; }", "{ c.d = 3; }", "{ a = 1; c = \"s\"; }", "rec { a = b; b = 4; }"])
                .to_owned(),
            Type::Function => self
                .pick(&[
                    "(x: x)",
                    "(x: x + 1)",
                    "builtins.add 2",
                    "({ __functor = s: x: x * s.k; k = 2; })",
                    "builtins.sub 9",
                ])
                .to_owned(),
        }
    }

    /// What may have any type.
    fn anywhere(&mut self, wanted: Type, depth: u32) -> String {
        match self.below(14) {
            0 => {
                let condition = self.expr(Type::Bool, depth);
                format!("(if {condition} then {} else {})", self.expr(wanted, depth), self.expr(wanted, depth))
            }
            1 | 2 => {
                let (name, of) = (self.fresh_name(), self.any_type());
                let (other, other_type) = (self.fresh_name(), self.any_type());
                if name == other {
                    return self.leaf(wanted);
                }
                // The first can't see itself or the second; the second sees the first.
                let hidden: Vec<(String, Type)> =
                    self.scope.iter().filter(|(n, _)| *n != name && *n != other).cloned().collect();
                let outer = std::mem::replace(&mut self.scope, hidden);
                let value = self.expr(of, depth);
                let result = self.within(&[(name.clone(), of)], |g| {
                    let other_value = g.expr(other_type, depth);
                    g.within(&[(other.clone(), other_type)], |g| {
                        let body = g.expr(wanted, depth);
                        format!("(let {other} = {other_value}; {name} = {value}; in {body})")
                    })
                });
                self.scope = outer;
                result
            }
            3 => {
                let (name, of) = (self.fresh_name(), self.any_type());
                let argument = self.expr(of, depth);
                let body = self.within(&[(name.clone(), of)], |g| g.expr(wanted, depth));
                format!("(({name}: {body}) {argument})")
            }
            4 => {
                let argument = self.expr(Type::Int, depth);
                let default = self.expr(Type::Int, depth);
                let names = [("p".to_owned(), Type::Int), ("q".to_owned(), Type::Int)];
                let body = self.within(&names, |g| g.expr(wanted, depth));
                match self.below(4) {
                    0 => format!("(({{ p, q ? {default} }}: {body}) {{ p = {argument}; }})"),
                    1 => format!("((args@{{ p, q ? p + 1, ... }}: {body}) {{ p = {argument}; z = 1; }})"),
                    2 => format!("(({{ q, p ? q }}@args: {body}) {{ q = {argument}; }})"),
                    _ => format!("(({{ p ? args.q or 3, q ? {default} }}@args: {body}) {{ q = {argument}; }})"),
                }
            }
            5 => {
                let value = self.expr(wanted, depth);
                let name = self.pick(&NAMES);
                format!("({{ {name} = {value}; }}).{name}")
            }
            6 => {
                let (set, value) = (self.expr(Type::Set, depth), self.expr(wanted, depth));
                format!("(({set}).zz or {value})")
            }
            7 => {
                let value = self.expr(wanted, depth);
                let body = self.within(&[("w".to_owned(), wanted)], |g| g.expr(wanted, depth));
                format!("(with {{ w = {value}; }}; with {{ y = 1; }}; {body})")
            }
            8 => {
                let condition = self.expr(Type::Bool, depth);
                let value = self.expr(wanted, depth);
                format!("(assert {condition} || true; {value})")
            }
            9 => {
                let (first, value) = (self.any(depth), self.expr(wanted, depth));
                format!("(builtins.{} {first} {value})", self.pick(&["seq", "deepSeq"]))
            }
            10 => {
                let (list, value) = (self.expr(Type::List, depth), self.expr(wanted, depth));
                format!("(builtins.head ([ {value} ] ++ {list}))")
            }
            11 => {
                let value = self.expr(wanted, depth);
                format!("(rec {{ inherit (z) y; z = {{ y = x; }}; x = {value}; }}).y")
            }
            12 => {
                let value = self.expr(wanted, depth);
                format!("((builtins.tryEval ({value})).value)")
            }
            _ => {
                let (value, name) = (self.expr(wanted, depth), self.pick(&NAMES));
                format!("({{ ${{\"{name}\"}}.k = {value}; ${{null}} = 1; }}).\"{name}\".${{\"k\"}}")
            }
        }
    }

    fn int(&mut self, depth: u32) -> String {
        match self.below(17) {
            0 | 1 => {
                let (left, right) = (self.expr(Type::Int, depth), self.expr(Type::Int, depth));
                format!("({left} {} {right})", self.pick(&["+", "-", "*"]))
            }
            2 => format!("({} / {})", self.expr(Type::Int, depth), 1 + self.below(9)),
            3 => format!("(-{})", self.expr(Type::Int, depth)),
            4 => format!("(builtins.length {})", self.expr(Type::List, depth)),
            5 => format!("(builtins.stringLength {})", self.expr(Type::Text, depth)),
            6 | 7 => format!("({} {})", self.expr(Type::Function, depth), self.expr(Type::Int, depth)),
            8 => format!("(builtins.{} (0.5 + {}))", self.pick(&["floor", "ceil"]), self.expr(Type::Float, depth)),
            9 => {
                let (left, right) = (self.expr(Type::Int, depth), self.expr(Type::Int, depth));
                format!("(builtins.{} {left} {right})", self.pick(&["bitAnd", "bitOr", "bitXor", "sub", "mul", "add"]))
            }
            10 => format!(
                "(builtins.foldl' (a: b: a + {}) {} {})",
                self.pick(&["1", "b", "b * 2"]),
                self.expr(Type::Int, depth),
                self.numbers(depth)
            ),
            11 => {
                format!("(builtins.compareVersions {} {})", self.expr(Type::Text, depth), self.expr(Type::Text, depth))
            }
            12 => format!("(builtins.fromJSON (toString {}))", self.expr(Type::Int, depth)),
            13 => format!(
                "(builtins.elemAt [ {} {} ] {})",
                self.expr(Type::Int, depth),
                self.expr(Type::Int, depth),
                self.below(2)
            ),
            14 => format!("(builtins.bitOr 0 ({}.a or {}))", self.expr(Type::Set, depth), self.expr(Type::Int, depth)),
            15 => format!(
                "(builtins.getAttr \"k\" ({} // {{ k = {}; }}))",
                self.expr(Type::Set, depth),
                self.expr(Type::Int, depth)
            ),
            _ => format!("(builtins.length (builtins.attrNames {}))", self.expr(Type::Set, depth)),
        }
    }

    fn float(&mut self, depth: u32) -> String {
        match self.below(5) {
            0 | 1 => {
                let (left, right) = (self.expr(Type::Float, depth), self.expr(Type::Float, depth));
                format!("({left} {} {right})", self.pick(&["+", "-", "*"]))
            }
            2 => format!("({} / {})", self.expr(Type::Float, depth), self.pick(&["2", "0.5", "3.0", "7"])),
            3 => {
                let (left, right) = (self.expr(Type::Int, depth), self.expr(Type::Float, depth));
                format!("({left} {} {right})", self.pick(&["+", "-", "*"]))
            }
            _ => format!("(-{})", self.expr(Type::Float, depth)),
        }
    }

    fn boolean(&mut self, depth: u32) -> String {
        match self.below(14) {
            0 | 1 => {
                let wanted = [Type::Int, Type::Float, Type::Text][self.below(3) as usize];
                let (left, right) = (self.expr(wanted, depth), self.expr(wanted, depth));
                format!("({left} {} {right})", self.pick(&["<", "<=", ">", ">=", "==", "!="]))
            }
            2 | 3 => {
                let (left, right) = (self.expr(Type::Bool, depth), self.expr(Type::Bool, depth));
                format!("({left} {} {right})", self.pick(&["&&", "||", "->", "=="]))
            }
            4 => format!("(!{})", self.expr(Type::Bool, depth)),
            5 => {
                let path = self.pick(&["a", "c.d", "zz", "\"a\"", "${\"b\"}", "a.b.c", "c.${\"d\"}"]);
                format!("({} ? {path})", self.expr(Type::Set, depth))
            }
            6 => format!("(builtins.elem {} {})", self.plain(depth), self.expr(Type::List, depth)),
            7 => {
                let test = self.within(&[("t".to_owned(), Type::Int)], |g| g.expr(Type::Bool, depth));
                format!("(builtins.{} (t: {test}) {})", self.pick(&["all", "any"]), self.numbers(depth))
            }
            8 => {
                let is = self.pick(&[
                    "isInt",
                    "isFloat",
                    "isBool",
                    "isString",
                    "isList",
                    "isAttrs",
                    "isFunction",
                    "isNull",
                    "isPath",
                ]);
                format!("(builtins.{is} {})", self.any(depth))
            }
            9 => format!("({} == {})", self.expr(Type::Set, depth), self.expr(Type::Set, depth)),
            10 => format!(
                "({} {} {})",
                self.expr(Type::List, depth),
                self.pick(&["==", "!="]),
                self.expr(Type::List, depth)
            ),
            11 => format!("({} {} {})", self.numbers(depth), self.pick(&["<", ">=", "<=", ">"]), self.numbers(depth)),
            12 => format!("(builtins.hasAttr {} {})", self.expr(Type::Text, depth), self.expr(Type::Set, depth)),
            _ => format!("(builtins.lessThan {} {})", self.expr(Type::Int, depth), self.expr(Type::Float, depth)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        match self.below(22) {
            0 | 1 => format!("({} + {})", self.expr(Type::Text, depth), self.expr(Type::Text, depth)),
            2 | 3 => format!("\"x${{{}}}-${{{}}}\"", self.expr(Type::Text, depth), self.expr(Type::Text, depth)),
            4 => format!("''\n    ${{{}}}\n  y\n  ''", self.expr(Type::Text, depth)),
            5 => format!("(toString {})", self.plain(depth)),
            6 => format!("(toString [ {} [ ] {} [ [ ] 1 ] ])", self.plain(depth), self.plain(depth)),
            7 => format!(
                "(builtins.substring {} {} {})",
                self.below(4),
                self.pick(&["0", "1", "2", "10", "(-1)"]),
                self.ascii(depth)
            ),
            8 => format!("(builtins.concatStringsSep {} {})", self.expr(Type::Text, depth), self.texts(depth)),
            9 => {
                let from = self.pick(&[
                    "[ \"a\" ]",
                    "[ \"\" ]",
                    "[ \"a\" \"b\" ]",
                    "[ \"ab\" \"a\" ]",
                    "[ ]",
                    "[ \"1\" \"\" ]",
                ]);
                let count = from.matches('"').count() / 2;
                // Nix 2.8 evaluates replacements also where they are not used: these have no way to fail.
                let to: Vec<String> = (0..count).map(|_| self.literal(Type::Text)).collect();
                format!("(builtins.replaceStrings {from} [ {} ] {})", to.join(" "), self.ascii(depth))
            }
            10 | 11 => format!("(builtins.toJSON {})", self.data(depth)),
            12 => format!("(builtins.typeOf {})", self.any(depth)),
            13 => format!(
                "(builtins.hashString \"{}\" {})",
                self.pick(&["md5", "sha1", "sha256", "sha512"]),
                self.expr(Type::Text, depth)
            ),
            14 => format!("({} {})", self.pick(&["baseNameOf", "dirOf"]), self.expr(Type::Text, depth)),
            15 => format!("(builtins.toXML {})", self.data(depth)),
            16 => format!("(builtins.concatStringsSep \",\" (builtins.attrNames {}))", self.expr(Type::Set, depth)),
            17 => format!("(toString {{ __toString = self: self.t; t = {}; }})", self.expr(Type::Text, depth)),
            18 => format!("\"${{{{ outPath = {}; }}}}\"", self.expr(Type::Text, depth)),
            19 => format!("(toString {})", self.pick(&["/a/b", "(/a + \"/../c\")", "/a/./b//c", "(/. + \"x\")"])),
            20 => format!("(builtins.parseDrvName {}).name", self.expr(Type::Text, depth)),
            _ => format!("(builtins.toJSON (builtins.fromJSON (builtins.toJSON {})))", self.data(depth)),
        }
    }

    /// A text whose characters are one byte each: Nix cuts anywhere, and prints halves of characters as they are.
    fn ascii(&mut self, depth: u32) -> String {
        format!("(toString {})", self.expr(Type::Int, depth))
    }

    fn data(&mut self, depth: u32) -> String {
        // A float must not get there.
        let before = std::mem::replace(&mut self.may_be_wrong, false);
        let data = match self.below(4) {
            0 => format!("[ {} {} ]", self.without_floats(depth), self.without_floats(depth)),
            1 => format!(
                "{{ b = {}; \"x y\" = {}; a.n = null; }}",
                self.without_floats(depth),
                self.without_floats(depth)
            ),
            2 => format!("{{ l = [ {} {{ }} [ ] ]; }}", self.without_floats(depth)),
            _ => self.without_floats(depth),
        };
        self.may_be_wrong = before;
        data
    }

    fn numbers(&mut self, depth: u32) -> String {
        match self.below(3) {
            0 => format!("(builtins.genList (n: n * {}) {})", self.below(5), self.below(6)),
            _ => format!(
                "[ {} {} {} ]",
                self.expr(Type::Int, depth),
                self.expr(Type::Int, depth),
                self.expr(Type::Int, depth)
            ),
        }
    }

    fn texts(&mut self, depth: u32) -> String {
        format!("[ {} {} ]", self.expr(Type::Text, depth), self.expr(Type::Text, depth))
    }

    fn list(&mut self, depth: u32) -> String {
        match self.below(20) {
            0 | 1 => format!("[ {} {} ]", self.any(depth), self.any(depth)),
            2 => format!("[ {} ]", self.any(depth)),
            3 | 4 => format!("({} ++ {})", self.expr(Type::List, depth), self.expr(Type::List, depth)),
            5 => {
                let of = self.any_type();
                let body = self.within(&[("m".to_owned(), Type::Int)], |g| g.expr(of, depth));
                format!("(map (m: {body}) {})", self.numbers(depth))
            }
            6 => {
                let test = self.within(&[("t".to_owned(), Type::Int)], |g| g.expr(Type::Bool, depth));
                format!("(builtins.filter (t: {test}) {})", self.numbers(depth))
            }
            7 => format!("(builtins.sort builtins.lessThan {})", self.numbers(depth)),
            8 => format!(
                "(builtins.sort (a: b: a.k > b.k) [ {{ k = {}; n = 1; }} {{ k = 1; n = 2; }} {{ k = {}; n = 3; }} ])",
                self.expr(Type::Int, depth),
                self.expr(Type::Int, depth)
            ),
            9 => format!("(builtins.{} {})", self.pick(&["attrNames", "attrValues"]), self.expr(Type::Set, depth)),
            10 => {
                format!("(builtins.concatLists [ {} {} ])", self.expr(Type::List, depth), self.expr(Type::List, depth))
            }
            11 => {
                let body = self.within(&[("m".to_owned(), Type::Int)], |g| g.expr(Type::List, depth));
                format!("(builtins.concatMap (m: {body}) {})", self.numbers(depth))
            }
            12 => format!("(builtins.tail ([ 0 ] ++ {}))", self.expr(Type::List, depth)),
            13 => format!("(builtins.splitVersion {})", self.expr(Type::Text, depth)),
            14 | 15 => {
                let regex = self.pick(&[
                    "[0-9]+",
                    "([a-z])",
                    "(a|b)*",
                    "(o*)",
                    "\\\\.",
                    "(x(y)?)",
                    "",
                    "^a",
                    "b$",
                    "(1|2)(3)?",
                    "[[:space:]]+",
                    ".",
                    "([^/]*)/",
                    "a{2}",
                    "(a?)(a|ab)",
                ]);
                format!("(builtins.split \"{regex}\" {})", self.ascii_text(depth))
            }
            16 => {
                let regex = self.pick(&[
                    "(.*)-(.*)",
                    "([a-z]+)([0-9]*).*",
                    "[^.]*",
                    "(a|b|c)*",
                    ".*",
                    "(.)(.)?.*",
                    "([[:alpha:]]*)[[:punct:]]*(.*)",
                    "((x)|(y))*.*",
                ]);
                format!("[ (builtins.match \"{regex}\" {}) ]", self.ascii_text(depth))
            }
            17 => {
                let test = self.within(&[("t".to_owned(), Type::Int)], |g| g.expr(Type::Bool, depth));
                format!("(builtins.partition (t: {test}) {}).right", self.numbers(depth))
            }
            18 => {
                format!("(builtins.catAttrs \"a\" [ {} {} ])", self.expr(Type::Set, depth), self.expr(Type::Set, depth))
            }
            _ => format!(
                "(builtins.genericClosure {{ startSet = [ {{ key = {}; }} ]; operator = i: if i.key > 20 || i.key < 0 then [ ] else [ {{ key = i.key + 7; }} {{ key = i.key * 2 + 1; }} ]; }})",
                self.below(5)
            ),
        }
    }

    fn ascii_text(&mut self, depth: u32) -> String {
        match self.below(3) {
            0 => self.ascii(depth),
            _ => self
                .pick(&[
                    "\"foo1bar22\"",
                    "\"a-b-c\"",
                    "\"/a/b/c.d\"",
                    "\"aab\"",
                    "\"xyxxy\"",
                    "\"\"",
                    "\"two words\\nline\"",
                ])
                .to_owned(),
        }
    }

    fn set(&mut self, depth: u32) -> String {
        match self.below(18) {
            0 | 1 => {
                let (name, other) = self.two_names();
                format!("{{ {name} = {}; {other} = {}; }}", self.any(depth), self.any(depth))
            }
            2 => {
                let (name, other) = self.two_names();
                format!("{{ {name}.{other} = {}; {name}.zz = {}; }}", self.any(depth), self.any(depth))
            }
            3 => {
                let value = self.expr(Type::Int, depth);
                let rest = self.within(&[("r".to_owned(), Type::Int)], |g| g.any(depth));
                format!("(rec {{ r = {value}; a = {rest}; b = r; }})")
            }
            4..=6 => format!("({} // {})", self.expr(Type::Set, depth), self.expr(Type::Set, depth)),
            7 => format!("(builtins.mapAttrs (n: v: [ n v ]) {})", self.expr(Type::Set, depth)),
            8 => {
                let (name, other) = self.two_names();
                let (one, two) = (self.any(depth), self.any(depth));
                format!(
                    "(builtins.listToAttrs [ {{ name = \"{name}\"; value = {one}; }} {{ name = \"{other}\"; value = {two}; }} {{ name = \"{name}\"; value = 0; }} ])"
                )
            }
            9 => format!("(removeAttrs {} [ \"a\" \"{}\" ])", self.expr(Type::Set, depth), self.pick(&NAMES)),
            10 => format!("(builtins.intersectAttrs {} {})", self.expr(Type::Set, depth), self.expr(Type::Set, depth)),
            11 => format!("(builtins.groupBy (g: if g > 3 then \"big\" else \"small\") {})", self.numbers(depth)),
            12 => format!("(builtins.functionArgs ({{ a, b ? {}, ... }}: 1))", self.expr(Type::Int, depth)),
            13 => format!("(builtins.parseDrvName {})", self.expr(Type::Text, depth)),
            14 => format!("(builtins.tryEval {})", self.any(depth)),
            15 => format!(
                "(builtins.fromJSON (builtins.toJSON {{ a = {}; b = [ {} ]; }}))",
                self.data(depth),
                self.without_floats(depth)
            ),
            16 => format!(
                "(builtins.zipAttrsWith (n: vs: {{ inherit n; c = builtins.length vs; f = builtins.head vs; }}) [ {} {} ])",
                self.expr(Type::Set, depth),
                self.expr(Type::Set, depth)
            ),
            _ => {
                let value = self.any(depth);
                format!("(let in {{ inherit ({{ a = {value}; b = 2; }}) a b; inherit ({{ c = 1; }}); }})")
            }
        }
    }

    fn two_names(&mut self) -> (&'static str, &'static str) {
        let first = self.pick(&NAMES);
        loop {
            let second = self.pick(&NAMES);
            if second != first {
                return (first, second);
            }
        }
    }

    fn function(&mut self, depth: u32) -> String {
        let name = self.fresh_name();
        let body = self.within(&[(name.clone(), Type::Int)], |g| g.expr(Type::Int, depth));
        match self.below(4) {
            0 => format!("(a: {name}: {body}) {}", self.expr(Type::Int, 0)),
            1 => format!("{{ __functor = self: {name}: {body}; }}"),
            _ => format!("({name}: {body})"),
        }
    }
}
