//! Numbers and Booleans.

use super::{Generator, Type};

impl Generator {
    pub(super) fn int(&mut self, depth: u32) -> String {
        match self.below(18) {
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
            16 => self.called_set(depth),
            _ => format!("(builtins.length (builtins.attrNames {}))", self.expr(Type::Set, depth)),
        }
    }

    pub(super) fn float(&mut self, depth: u32) -> String {
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

    pub(super) fn boolean(&mut self, depth: u32) -> String {
        match self.below(16) {
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
            13 => format!("({} {} {})", self.path(2), self.pick(&["==", "<", "!="]), self.path(2)),
            14 => format!("(builtins.hasContext {})", self.referring(1)),
            _ => format!("(builtins.lessThan {} {})", self.expr(Type::Int, depth), self.expr(Type::Float, depth)),
        }
    }
}
