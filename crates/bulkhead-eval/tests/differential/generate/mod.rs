//! Random, well-formed Nix expressions: most of them have a value, a few fail.
//!
//! Expressions are made by type, so that they seldom go wrong, and see the variables around them. The same seed gives
//! the same expressions.

mod collections;
mod order;
mod regex;
mod scalars;
mod store;
mod strings;
mod texts;

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
}
