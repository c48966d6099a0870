//! Sorting, functors, and names that are computed.

use super::{Generator, NAMES, Type};

impl Generator {
    /// A list that is sorted by one of many orders; some are none.
    pub(super) fn sorted(&mut self, depth: u32) -> String {
        match self.below(5) {
            0 => {
                let order = self.pick(&["builtins.lessThan", "(a: b: a > b)", "(a: b: a <= b)", "(a: b: false)"]);
                format!("(builtins.sort {order} {})", self.texts(depth))
            }
            1 => {
                let items: Vec<String> = (0..self.below(30)).map(|_| self.below(12).to_string()).collect();
                let order =
                    self.pick(&["builtins.lessThan", "(a: b: a < b)", "(a: b: b < a)", "(a: b: a / 3 < b / 3)"]);
                format!("(builtins.sort {order} [ {} ])", items.join(" "))
            }
            2 => format!(
                "(builtins.sort (a: b: a < b) [ [ {} ] [ {} 1 ] [ ] [ {} ] ])",
                self.expr(Type::Int, depth),
                self.expr(Type::Int, depth),
                self.expr(Type::Float, depth)
            ),
            3 => {
                let order = "{ __functor = self: a: b: a.${self.by} < b.${self.by}; by = \"k\"; }";
                format!("(builtins.sort {order} [ {{ k = {}; }} {{ k = {}; l = 1; }} ])", self.below(3), self.below(3))
            }
            _ => format!("(builtins.sort builtins.lessThan [ {} {} /b ])", self.path(1), self.path(1)),
        }
    }

    /// A call of a set that can be called.
    pub(super) fn called_set(&mut self, depth: u32) -> String {
        let (inner, argument) = (self.expr(Type::Int, depth), self.expr(Type::Int, depth));
        match self.below(5) {
            0 => format!("({{ __functor = self: x: self.n + x; n = {inner}; }} {argument})"),
            1 => format!("({{ __functor = self: {{ __functor = other: x: self.n - x; }}; n = {inner}; }} {argument})"),
            2 => {
                format!("(({{ __functor = self: x: x; }} // {{ __functor = self: builtins.add {inner}; }}) {argument})")
            }
            3 => format!("(builtins.head (map {{ __functor = self: x: x * self.n; n = {inner}; }} [ {argument} ]))"),
            _ => format!("(builtins.foldl' {{ __functor = self: a: b: a + b; }} {inner} [ {argument} 1 ])"),
        }
    }

    /// A set with computed names, or a selection by one.
    pub(super) fn computed(&mut self, depth: u32) -> String {
        let (name, other) = self.two_names();
        let (value, second) = (self.any(depth), self.any(depth));
        match self.below(8) {
            0 => format!("{{ ${{\"{name}\"}} = {value}; {other} = {second}; }}"),
            // Not just any text: Nix 2.8 prints names with `$` in another way.
            1 => {
                let key = format!("\"k${{{}}}\"", self.ascii(depth));
                format!("{{ {name}.${{{key}}} = {value}; {name}.zz = {second}; }}")
            }
            2 => format!("(rec {{ {name} = {value}; ${{\"{other}\" + \"1\"}} = {name}; }})"),
            3 => {
                let condition = self.expr(Type::Bool, depth);
                format!("{{ ${{if {condition} then \"{name}\" else null}} = {value}; }}")
            }
            4 => {
                let set = self.expr(Type::Set, depth);
                format!("{{ k = {set}.${{\"{name}\"}} or {value}; l = {set} ? ${{\"{other}\"}}.\"x y\"; }}")
            }
            5 => format!("{{ inherit ({{ {name} = {value}; \"x y\" = 1; }}) {name} \"x y\"; }}"),
            6 => {
                format!("(builtins.listToAttrs (map (n: {{ name = n; value = {value}; }}) [ \"{name}\" \"{other}\" ]))")
            }
            _ => {
                let key = self.pick(&NAMES);
                format!("(let s = {{ \"${{\"{key}\"}}\" = {value}; }}; in s // {{ ${{\"{name}\"}} = s; }})")
            }
        }
    }
}
