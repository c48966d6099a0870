//! Values as Nix prints them (`nix-instantiate --eval`).

use std::collections::HashSet;

use bulkhead_syntax::Symbol;

use crate::builtins::uninstantiated;
use crate::pure::number;
use crate::value::{Attrs, List, Pos, Truth, Value};

/// Show a value as far as it has been evaluated. What has not been is `<CODE>`; what was shown before is `«repeated»`.
pub fn print(value: Value<'_>) -> String {
    let mut out = String::new();
    Printer { seen: HashSet::new() }.value(value, &mut out, 0);
    out
}

/// Deeper structures are cut; nobody reads them, and printing recurses.
const MAX_DEPTH: usize = 5_000;

struct Printer {
    seen: HashSet<*const ()>,
}

impl Printer {
    fn value(&mut self, value: Value<'_>, out: &mut String, depth: usize) {
        if depth > MAX_DEPTH {
            return out.push_str("«too deep»");
        }
        match value {
            Value::Null(_) => out.push_str("null"),
            Value::Bool(Truth(value), _) => out.push_str(if value { "true" } else { "false" }),
            Value::Int(value, _) => out.push_str(&value.to_string()),
            Value::Float(value, _) => out.push_str(&number::float_to_display(value)),
            Value::String(text, _) => quote(&text.lossy(), out),
            Value::Path(path, _) => out.push_str(path.path),
            Value::List(list, _) => self.list(list, std::ptr::from_ref(list).cast(), out, depth),
            Value::Attrs(attrs, _) => self.attrs(attrs, out, depth),
            Value::Closure(..) => out.push_str("<LAMBDA>"),
            Value::Builtin(..) => out.push_str("<PRIMOP>"),
            Value::Partial(..) => out.push_str("<PRIMOP-APP>"),
            Value::Unknown(unknown, _) => {
                out.push_str("«unknown: ");
                out.push_str(unknown.reason);
                out.push('»');
            }
            Value::Thunk(thunk) => match value.resolved() {
                Value::Thunk(_) => out.push_str("<CODE>"),
                // Nix keeps one or two items in the value itself, so such a list is another one in another value.
                Value::List(list, _) if list.len() <= 2 => {
                    self.list(list, std::ptr::from_ref(thunk).cast(), out, depth)
                }
                value => self.value(value, out, depth),
            },
        }
    }

    fn list(&mut self, list: &List<'_>, identity: *const (), out: &mut String, depth: usize) {
        if !list.is_empty() && !self.seen.insert(identity) {
            return out.push_str("«repeated»");
        }
        out.push_str("[ ");
        for item in list.iter() {
            self.value(item, out, depth + 1);
            out.push(' ');
        }
        out.push(']');
    }

    fn attrs(&mut self, attrs: &Attrs<'_>, out: &mut String, depth: usize) {
        if let Some(unknown) = uninstantiated(attrs, Symbol::new("type"), Symbol::new("outPath")) {
            return self.value(Value::Unknown(unknown, Pos::NONE), out, depth);
        }
        if !attrs.entries().is_empty() && !self.seen.insert(std::ptr::from_ref(attrs).cast()) {
            return out.push_str("«repeated»");
        }
        out.push_str("{ ");
        for attr in attrs.by_name() {
            name(attr.name.as_str(), out);
            out.push_str(" = ");
            self.value(attr.value, out, depth + 1);
            out.push_str("; ");
        }
        if attrs.open.is_some() {
            out.push_str("«perhaps more» ");
        }
        out.push('}');
    }
}

/// A string literal.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if chars.peek() == Some(&'{') => out.push_str("\\$"),
            char => out.push(char),
        }
    }
    out.push('"');
}

fn name(name: &str, out: &mut String) {
    const KEYWORDS: &[&str] = &["if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"];
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '-'));
    if plain && !KEYWORDS.contains(&name) { out.push_str(name) } else { quote(name, out) }
}
