//! Strings.

use super::{Generator, Type};

impl Generator {
    pub(super) fn text(&mut self, depth: u32) -> String {
        match self.below(28) {
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
            21..=23 => self.written(depth),
            24 | 25 => self.about_paths(depth),
            26 => self.referring(1),
            _ => format!("(builtins.toJSON (builtins.fromJSON (builtins.toJSON {})))", self.data(depth)),
        }
    }

    /// A text whose characters are one byte each: Nix cuts anywhere, and prints halves of characters as they are.
    pub(super) fn ascii(&mut self, depth: u32) -> String {
        format!("(toString {})", self.expr(Type::Int, depth))
    }

    pub(super) fn data(&mut self, depth: u32) -> String {
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

    pub(super) fn numbers(&mut self, depth: u32) -> String {
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

    pub(super) fn texts(&mut self, depth: u32) -> String {
        format!("[ {} {} ]", self.expr(Type::Text, depth), self.expr(Type::Text, depth))
    }

    pub(super) fn ascii_text(&mut self, depth: u32) -> String {
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
}
