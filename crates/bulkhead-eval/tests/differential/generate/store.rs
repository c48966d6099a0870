//! Paths, and strings that refer to the store.

use super::{Generator, Type};

impl Generator {
    /// An absolute path: relative ones depend on where Nix runs.
    pub(super) fn path(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.pick(&["/a", "/a/b", "/.", "/a/../c", "/a/./b.nix", "/x-1.0/y", "/a//b"]).to_owned();
        }
        let depth = depth - 1;
        match self.below(6) {
            0 => format!(
                "({} + \"{}\")",
                self.path(depth),
                self.pick(&["/b", "b", "/../c", "/./", "", "/", "//x", ".nix"])
            ),
            1 => format!("({} + {})", self.path(depth), self.path(depth)),
            2 => format!("(dirOf {})", self.path(depth)),
            3 => format!("(/. + builtins.unsafeDiscardStringContext (toString {}))", self.path(depth)),
            4 => format!("/p/${{baseNameOf {}}}/q", self.path(depth)),
            _ => self.path(0),
        }
    }

    /// What may be asked about paths, as a string.
    pub(super) fn about_paths(&mut self, depth: u32) -> String {
        match self.below(6) {
            0 | 1 => format!("(toString {})", self.path(2)),
            2 => format!("(baseNameOf {})", self.path(2)),
            3 => format!("(toString (dirOf {}))", self.path(2)),
            4 => format!(
                "({} \"{}\")",
                self.pick(&["dirOf", "baseNameOf"]),
                self.pick(&["", "/", "a", "a/", "a/b", "/a", "a//", "/a/b/", "./.", "a/b//"])
            ),
            _ => format!("(builtins.substring 0 1 (toString {}) + {})", self.path(1), self.expr(Type::Text, depth)),
        }
    }

    /// A string that refers to something in the store.
    pub(super) fn referring(&mut self, depth: u32) -> String {
        if depth == 0 {
            return match self.below(4) {
                0 => "(builtins.toFile \"f\" \"x\")".to_owned(),
                1 => "\"${builtins.toFile \"g\" \"y\"}/bin\"".to_owned(),
                2 => "(derivation { name = \"d\"; system = \"s\"; builder = \"b\"; }).outPath".to_owned(),
                _ => "\"<${derivation { name = \"e\"; system = \"s\"; builder = \"b\"; outputs = [ \"dev\" \"out\" ]; }}>\""
                    .to_owned(),
            };
        }
        let depth = depth - 1;
        match self.below(10) {
            0 | 1 => format!("({} + {})", self.referring(depth), self.referring(depth)),
            2 => format!("\"${{{}}}-${{{}}}\"", self.referring(depth), self.expr(Type::Text, depth)),
            3 => format!("(builtins.substring {} 5 {})", self.pick(&["0", "3", "500"]), self.referring(depth)),
            4 => format!(
                "(builtins.replaceStrings [ \"{}\" ] [ {} ] {})",
                self.pick(&["a", "/", "nix", "~"]),
                self.referring(depth),
                self.referring(depth)
            ),
            5 => format!("(builtins.concatStringsSep {} [ {} \"z\" ])", self.referring(depth), self.referring(depth)),
            6 => format!("(builtins.toJSON [ {} ])", self.referring(depth)),
            7 => format!("(builtins.head (builtins.split \"s\" {}))", self.referring(depth)),
            8 => format!("(builtins.unsafeDiscardStringContext {})", self.referring(depth)),
            _ => format!("(toString [ {} {{ outPath = {}; }} ])", self.referring(depth), self.referring(depth)),
        }
    }

    /// What a string refers to, and the string.
    pub(super) fn context(&mut self) -> String {
        let depth = self.below(3);
        let text = self.referring(depth);
        match self.below(3) {
            0 => format!("(let it = {text}; in {{ c = builtins.getContext it; t = it; }})"),
            1 => format!("{{ h = builtins.hasContext {text}; }}"),
            _ => format!("(builtins.getContext (builtins.appendContext \"\" (builtins.getContext {text})))"),
        }
    }
}
