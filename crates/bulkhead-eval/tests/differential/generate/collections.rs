//! Lists, sets and functions.

use super::{Generator, NAMES, Type};

impl Generator {
    pub(super) fn list(&mut self, depth: u32) -> String {
        match self.below(26) {
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
            19..=21 => self.matching(),
            22 | 23 => self.sorted(depth),
            24 => format!("[ {} {} ]", self.path(2), self.parsed_json()),
            _ => format!(
                "(builtins.genericClosure {{ startSet = [ {{ key = {}; }} ]; operator = i: if i.key > 20 || i.key < 0 then [ ] else [ {{ key = i.key + 7; }} {{ key = i.key * 2 + 1; }} ]; }})",
                self.below(5)
            ),
        }
    }

    pub(super) fn set(&mut self, depth: u32) -> String {
        match self.below(24) {
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
            17..=19 => self.computed(depth),
            20 => self.context(),
            21 => format!("{{ j = {}; }}", self.parsed_json()),
            22 => format!("(builtins.tryEval (builtins.deepSeq {} 1))", self.any(depth)),
            _ => {
                let value = self.any(depth);
                format!("(let in {{ inherit ({{ a = {value}; b = 2; }}) a b; inherit ({{ c = 1; }}); }})")
            }
        }
    }

    pub(super) fn two_names(&mut self) -> (&'static str, &'static str) {
        let first = self.pick(&NAMES);
        loop {
            let second = self.pick(&NAMES);
            if second != first {
                return (first, second);
            }
        }
    }

    pub(super) fn function(&mut self, depth: u32) -> String {
        let name = self.fresh_name();
        let body = self.within(&[(name.clone(), Type::Int)], |g| g.expr(Type::Int, depth));
        match self.below(4) {
            0 => format!("(a: {name}: {body}) {}", self.expr(Type::Int, 0)),
            1 => format!("{{ __functor = self: {name}: {body}; }}"),
            _ => format!("({name}: {body})"),
        }
    }
}
