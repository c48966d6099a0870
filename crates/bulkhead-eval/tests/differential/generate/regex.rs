//! Regular expressions (POSIX ERE) and texts that they may match.

use super::Generator;

impl Generator {
    /// `match` or `split` with a random expression on a short text of the same letters.
    pub(super) fn matching(&mut self) -> String {
        let depth = 1 + self.below(3);
        let regex = self.alternatives(depth, false);
        let text: String =
            (0..self.below(9)).map(|_| self.pick(&["a", "a", "b", "x", "1", "-", ".", " ", "B"])).collect();
        match self.below(3) {
            0 => format!("(builtins.split {} \"{text}\")", quoted(&regex)),
            1 => format!("[ (builtins.match {} \"{text}\") ]", quoted(&regex)),
            _ => format!("[ (builtins.match {} \"{text}\") ]", quoted(&format!("{regex}.*"))),
        }
    }

    fn alternatives(&mut self, depth: u32, repeated: bool) -> String {
        let count = if self.one_in(3) { 2 + self.below(2) } else { 1 };
        (0..count).map(|_| self.sequence(depth, repeated)).collect::<Vec<_>>().join("|")
    }

    /// Within what is `repeated` without end nothing else is: that takes Nix time without end.
    fn sequence(&mut self, depth: u32, repeated: bool) -> String {
        let parts = (0..1 + self.below(3)).map(|_| {
            let times = match repeated {
                true => self.pick(&["", "", "", "?", "{2}"]),
                false => self.pick(&["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"]),
            };
            let atom = self.atom(depth, repeated || matches!(times, "*" | "+" | "{2,}"));
            format!("{atom}{times}")
        });
        parts.collect()
    }

    fn atom(&mut self, depth: u32, repeated: bool) -> String {
        if depth > 0 && self.one_in(2) {
            return format!("({})", self.alternatives(depth - 1, repeated));
        }
        let atoms = [
            "a",
            "b",
            "x",
            "1",
            ".",
            "[ab]",
            "[^a]",
            "[a-x]",
            "[[:digit:]]",
            "[[:alpha:]-]",
            "[]a]",
            "[^]a]",
            "\\.",
            "[.-]",
            "[[:upper:][:space:]]",
            "-",
            "[*]",
            "\\(",
        ];
        self.pick(&atoms).to_owned()
    }
}

/// A regular expression as a string of Nix.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
