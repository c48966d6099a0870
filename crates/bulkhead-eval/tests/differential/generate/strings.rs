//! How strings may be written: escapes, indented strings, JSON texts.

use super::{Generator, Type};

impl Generator {
    /// A string literal of random pieces.
    pub(super) fn written(&mut self, depth: u32) -> String {
        match self.below(2) {
            0 => self.quoted(depth),
            _ => self.indented(depth),
        }
    }

    fn quoted(&mut self, depth: u32) -> String {
        let mut text = "\"".to_owned();
        for _ in 0..1 + self.below(5) {
            let pieces = [
                "a", " ", "\\n", "\\t", "\\r", "\\\\", "\\\"", "\\$", "\\${", "$", "$$", "$${", "'", "''", "\\x",
                "\\ ", "\n", "\t", "é", "#", "/*", "}",
            ];
            text.push_str(self.pick(&pieces));
            if self.one_in(6) {
                text.push_str(&self.interpolation(depth));
            }
        }
        // A `$` may not come before what the next piece begins with.
        format!("{}\"", text.replace("$${a", "$$ {a"))
    }

    fn indented(&mut self, depth: u32) -> String {
        let mut text = "''".to_owned();
        for _ in 0..self.below(5) {
            text.push_str(self.pick(&["", "\n", "\n ", "\n  ", "\n    ", "\n\t", "\n \t ", "\r\n", "  "]));
            for _ in 0..self.below(3) {
                let pieces =
                    ["a", "b c", "''$", "''${", "'''", "''\\n", "''\\t", "''\\ ", "$", "$$", "\\", "\"", "'a", "''\\$"];
                text.push_str(self.pick(&pieces));
            }
            if self.one_in(4) {
                text.push_str(&self.interpolation(depth));
            }
        }
        text.push_str(self.pick(&["", "\n", "\n  ", " "]));
        text.push_str("''");
        text
    }

    fn interpolation(&mut self, depth: u32) -> String {
        format!("${{{}}}", self.expr(Type::Text, depth))
    }

    /// What `fromJSON` makes of a random text.
    pub(super) fn parsed_json(&mut self) -> String {
        let depth = 1 + self.below(3);
        let text = self.json(depth);
        format!("(builtins.fromJSON \"{}\")", text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    fn json(&mut self, depth: u32) -> String {
        let space = self.pick(&["", "", " ", "\n", "\t "]);
        let value = match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => self.pick(&["null", "true", "false"]).to_owned(),
            1 => self.pick(&["0", "-0", "7", "-12", "9007199254740993", "9223372036854775807"]).to_owned(),
            2 | 3 => self
                .pick(&["1.5", "-0.0", "1e3", "1E-7", "0.1", "123456789.125", "1e22", "2.5e+2", "5e-324", "1.0"])
                .to_owned(),
            4 | 5 => self.json_text(),
            6 => {
                let items: Vec<String> = (0..self.below(4)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
            _ => {
                let members: Vec<String> =
                    (0..self.below(4)).map(|_| format!("{}:{}", self.json_text(), self.json(depth - 1))).collect();
                format!("{{{}}}", members.join(","))
            }
        };
        format!("{space}{value}{space}")
    }

    fn json_text(&mut self) -> String {
        let pieces =
            ["a", "b", "", " ", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9", "\\ud83d\\ude00", "é", "\\b"];
        let text: String = (0..self.below(4)).map(|_| self.pick(&pieces)).collect();
        format!("\"{text}\"")
    }
}
