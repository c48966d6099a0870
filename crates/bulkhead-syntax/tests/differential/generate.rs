//! Random expressions as pieces of text, printed with random white space and comments, and mutations of them. The same
//! seed gives the same expressions.

/// A token, or a part of a literal.
#[derive(Clone)]
pub struct Piece {
    text: String,
    /// Whether it belongs to the piece before: nothing may stand between.
    glued: bool,
}

pub struct Generator {
    state: u64,
    pieces: Vec<Piece>,
    /// For names that must differ.
    fresh: u32,
}

const NAMES: [&str; 8] = ["a", "b", "c", "x'", "e-f", "_g", "orr", "true"];

/// What may be put into a text at random.
const TOKENS: [&str; 48] = [
    "or", "rec", "inherit", "let", "in", "if", "then", "else", "with", "assert", "...", "@", "?", ":", ";", ",", ".",
    "=", "==", "!=", "<", "<=", ">", ">=", "->", "++", "+", "-", "*", "/", "//", "&&", "||", "!", "{", "}", "(", ")",
    "[", "]", "${", "\"", "''", "a", "1", "0.5", "./p", "<n>",
];

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, pieces: Vec::new(), fresh: 0 }
    }

    /// A well-formed expression, save that computed names may meet.
    pub fn expression(&mut self) -> Vec<Piece> {
        self.pieces.clear();
        self.fresh = 0;
        let depth = 1 + self.below(4);
        self.expr(depth);
        std::mem::take(&mut self.pieces)
    }

    /// The text of an expression, with white space and comments where they may be.
    pub fn print(&mut self, pieces: &[Piece]) -> String {
        let mut text = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 && !piece.glued && !(self.one_in(2) && needs_no_space(&pieces[index - 1].text, &piece.text)) {
                text.push_str(self.pick(&[
                    " ",
                    " ",
                    " ",
                    " ",
                    "\n",
                    "  ",
                    "\t",
                    "\r\n",
                    " # it's \"${\n",
                    " /* c */",
                    " /**/",
                    " /* * ** */\n",
                ]));
            }
            text.push_str(&piece.text);
        }
        text
    }

    /// Spoil an expression in one or two places.
    pub fn mutate(&mut self, pieces: &mut Vec<Piece>) {
        for _ in 0..1 + self.below(2) {
            if pieces.is_empty() {
                return;
            }
            let (at, other) = (self.index(pieces.len()), self.index(pieces.len()));
            match self.below(7) {
                0 => {
                    pieces.remove(at);
                }
                1 => {
                    let piece = pieces[at].clone();
                    pieces.insert(at, piece);
                }
                2 => pieces.swap(at, other),
                3 => {
                    let next = (at + 1) % pieces.len();
                    pieces.swap(at, next);
                }
                4 => pieces[at].glued ^= true,
                5 => pieces[at].text = self.pick(&TOKENS).to_owned(),
                _ => {
                    let text = self.pick(&TOKENS).to_owned();
                    pieces.insert(at, Piece { text, glued: self.one_in(4) });
                }
            }
        }
    }

    /// xorshift64*
    fn below(&mut self, bound: u32) -> u32 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        ((self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(bound)) as u32
    }

    fn index(&mut self, length: usize) -> usize {
        self.below(length as u32) as usize
    }

    fn one_in(&mut self, bound: u32) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.index(items.len())]
    }

    fn put(&mut self, text: &str) {
        self.pieces.push(Piece { text: text.to_owned(), glued: false });
    }

    fn glue(&mut self, text: &str) {
        self.pieces.push(Piece { text: text.to_owned(), glued: true });
    }

    fn name(&mut self) {
        let name = self.pick(&NAMES);
        self.put(name);
    }

    fn fresh_name(&mut self) -> String {
        self.fresh += 1;
        format!("n{}", self.fresh)
    }

    /// An expression of which it would not be seen where it ends if it were an `assert`: Nix writes that without
    /// parentheses.
    fn enclosed(&mut self, depth: u32) {
        let start = self.pieces.len();
        self.expr(depth);
        if self.pieces[start].text == "assert" {
            let front = ["a", ":"].map(|text| Piece { text: text.to_owned(), glued: false });
            self.pieces.splice(start..start, front);
        }
    }

    fn expr(&mut self, depth: u32) {
        if depth == 0 {
            return self.operation(0);
        }
        let depth = depth - 1;
        match self.below(16) {
            0 => {
                self.name();
                self.put(":");
                self.expr(depth);
            }
            1 | 2 => self.pattern(depth),
            3 => {
                self.put("let");
                self.entries(depth, false);
                self.put("in");
                self.expr(depth);
            }
            4 => {
                let keyword = self.pick(&["with", "assert"]);
                self.put(keyword);
                self.expr(depth);
                self.put(";");
                self.expr(depth);
            }
            5 => {
                for keyword in ["if", "then", "else"] {
                    self.put(keyword);
                    self.expr(depth);
                }
            }
            _ => self.operation(depth),
        }
    }

    fn pattern(&mut self, depth: u32) {
        let whole = self.below(4);
        if whole == 0 {
            self.put("all");
            self.put("@");
        }
        self.put("{");
        let count = self.below(4);
        for index in 0..count {
            let name = self.fresh_name();
            self.put(&name);
            if self.one_in(3) {
                self.put("?");
                self.expr(depth);
            }
            if index + 1 < count || self.one_in(6) {
                self.put(",");
            }
        }
        if self.one_in(3) {
            if self.pieces.last().is_some_and(|last| !matches!(last.text.as_str(), "{" | ",")) {
                self.put(",");
            }
            self.put("...");
        }
        self.put("}");
        if whole == 1 {
            self.put("@");
            self.put("all");
        }
        self.put(":");
        self.expr(depth);
    }

    /// Operands and operators without parentheses; of the operators that can't be chained there is at most one.
    fn operation(&mut self, depth: u32) {
        let (mut equality, mut comparison) = (false, false);
        let mut more = if depth == 0 { self.below(2) } else { self.below(5) };
        loop {
            while self.one_in(5) {
                let operator = self.pick(&["!", "-"]);
                self.put(operator);
            }
            self.application(depth);
            while self.one_in(10) {
                self.put("?");
                self.attr_path(depth);
            }
            if more == 0 {
                return;
            }
            more -= 1;
            let operator = loop {
                let operator = self.pick(&[
                    "->", "||", "&&", "==", "!=", "<", "<=", ">", ">=", "//", "//", "+", "+", "-", "*", "/", "++", "++",
                ]);
                let used = match operator {
                    "==" | "!=" => &mut equality,
                    "<" | "<=" | ">" | ">=" => &mut comparison,
                    _ => break operator,
                };
                if !std::mem::replace(used, true) {
                    break operator;
                }
            };
            self.put(operator);
        }
    }

    fn application(&mut self, depth: u32) {
        self.selection(depth);
        while self.one_in(4) {
            self.selection(depth);
        }
    }

    fn selection(&mut self, depth: u32) {
        let start = self.pieces.len();
        self.simple(depth);
        match self.below(12) {
            0 | 1 => {
                self.put(".");
                self.attr_path(depth);
                if self.one_in(3) {
                    self.put("or");
                    self.selection(depth.saturating_sub(1));
                }
            }
            // Nix writes `(a.b) or` like the beginning of a default.
            2 if !matches!(self.pieces[start].text.as_str(), "(" | "let") => self.put("or"),
            _ => {}
        }
    }

    fn attr_path(&mut self, depth: u32) {
        self.attr_name(depth);
        while self.one_in(3) {
            self.put(".");
            self.attr_name(depth);
        }
    }

    fn attr_name(&mut self, depth: u32) {
        match self.below(8) {
            0 => self.put("or"),
            1 => self.string(depth),
            2 => {
                self.put("${");
                self.expr(depth.saturating_sub(1));
                self.put("}");
            }
            3 => self.put("\"if\""),
            _ => self.name(),
        }
    }

    fn simple(&mut self, depth: u32) {
        let inner = depth.saturating_sub(1);
        match self.below(if depth == 0 { 13 } else { 21 }) {
            0..=4 => self.name(),
            5 => {
                let number = self.pick(&["0", "1", "007", "42", "9223372036854775807"]);
                self.put(number);
            }
            6 => {
                // Nix writes six digits.
                let number = self.pick(&["1.5", ".25", "2.", "0.125", "12.5e1", ".5E-2", "3.0"]);
                self.put(number);
            }
            7 => self.path(depth),
            8 => {
                let literal =
                    self.pick(&["<nixpkgs>", "<nixpkgs/lib/a-b>", "x:x", "https://a.org/b?c=d&e=%20", "__curPos"]);
                self.put(literal);
            }
            9 | 10 => self.string(depth),
            11 | 12 => self.indented_string(depth),
            13 | 14 => {
                self.put("(");
                self.enclosed(inner);
                self.put(")");
            }
            15 | 16 => {
                self.put("[");
                for _ in 0..self.below(4) {
                    self.selection(inner);
                }
                self.put("]");
            }
            kind => {
                match kind {
                    17 => self.put("rec"),
                    18 => self.put("let"),
                    _ => {}
                }
                self.put("{");
                self.entries(inner, kind != 18);
                self.put("}");
            }
        }
    }

    fn entries(&mut self, depth: u32, computed: bool) {
        for _ in 0..self.below(4) {
            match self.below(8) {
                0 => {
                    self.put("inherit");
                    for _ in 0..self.below(3) {
                        self.fresh_key();
                    }
                    self.put(";");
                }
                1 => {
                    self.put("inherit");
                    self.put("(");
                    self.expr(depth);
                    self.put(")");
                    for _ in 0..self.below(3) {
                        self.fresh_key();
                    }
                    self.put(";");
                }
                2 => self.merged(depth),
                3 if computed => {
                    self.put("${");
                    self.expr(depth);
                    self.put("}");
                    self.value(depth);
                }
                4 => {
                    self.fresh_key();
                    self.put(".");
                    self.attr_path(depth);
                    self.value(depth);
                }
                _ => {
                    self.fresh_key();
                    self.value(depth);
                }
            }
        }
    }

    fn fresh_key(&mut self) {
        let name = self.fresh_name();
        match self.below(6) {
            0 => self.put(&format!("\"{name}\"")),
            1 => self.put(&format!("\" {name}\\n\"")),
            _ => self.put(&name),
        }
    }

    fn value(&mut self, depth: u32) {
        self.put("=");
        self.expr(depth);
        self.put(";");
    }

    /// Definitions of one attribute that belong together.
    fn merged(&mut self, depth: u32) {
        let name = self.fresh_name();
        for _ in 0..2 + self.below(2) {
            self.put(&name);
            if self.one_in(2) {
                self.put(".");
                self.fresh_key();
                self.value(depth);
            } else {
                self.put("=");
                if self.one_in(3) {
                    self.put("rec");
                }
                self.put("{");
                // Nix 2.8 forgets computed names when it merges.
                self.entries(depth, false);
                self.put("}");
                self.put(";");
            }
        }
    }

    fn interpolation(&mut self, depth: u32) {
        self.glue("${");
        self.enclosed(depth.saturating_sub(1));
        self.put("}");
    }

    fn string(&mut self, depth: u32) {
        self.put("\"");
        for _ in 0..self.below(4) {
            if depth > 0 && self.one_in(3) {
                self.interpolation(depth);
            } else {
                let text = self.pick(&[
                    "a", " ", "$x", "$$x", "\\n", "\\t", "\\r", "\\\"", "\\\\", "\\${", "\\$", "\\x", "''", "'", "é",
                    "\n", "\r\n", "\t", "#", "/*", "{", "}",
                ]);
                self.glue(text);
            }
        }
        self.glue("\"");
    }

    fn indented_string(&mut self, depth: u32) {
        self.put("''");
        for _ in 0..self.below(8) {
            if depth > 0 && self.one_in(4) {
                self.interpolation(depth);
            } else {
                let text = self.pick(&[
                    "a", " ", "  ", "\n", "\n", "\n  ", "\n    ", "\n\t", "$x", "$$x", "'x", "''$", "'''", "''\\n",
                    "''\\t", "''\\\\", "''\\ ", "\\n", "\"", "é", "\r\n", "#", "}", "\n  \n",
                ]);
                self.glue(text);
            }
        }
        self.glue("''");
    }

    fn path(&mut self, depth: u32) {
        let front = self.pick(&["./a", "../b-c", "/etc/x.nix", "a/b", "~/q", "./.", "../.", "a/../b", "./a/./b+c"]);
        self.put(front);
        if depth > 0 && self.one_in(3) {
            if self.one_in(2) {
                self.glue("/");
            }
            self.interpolation(depth);
            while self.one_in(2) {
                let text = self.pick(&["/c", "d", "-e", "/.f", "/g/h"]);
                self.glue(text);
                if self.one_in(3) {
                    self.interpolation(depth);
                }
            }
        }
    }
}

/// Whether two tokens stay apart without white space.
fn needs_no_space(left: &str, right: &str) -> bool {
    if left.contains(':') || left.starts_with('}') || left.ends_with('$') {
        return false;
    }
    left.ends_with(['(', ')', '[', ']', '{', ';', ',', '"']) || right.starts_with([')', ']', ';', ',', '(', '[', '"'])
}
