//! `toXML`: values as Nix's XML, in the shape of `nix-instantiate --xml`.

use bulkhead_syntax::Parameter;
use rustc_hash::FxHashSet;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::pure::number;
use crate::value::{Attrs, Closure, Context, Pos, Truth, Value};

pub const BUILTINS: &[Builtin] = &[builtin("toXML", 1, |ev, args, pos| {
    let mut writer = Writer { seen: FxHashSet::default(), out: String::new(), context: None, indent: 0 };
    writer.out.push_str("<?xml version='1.0' encoding='utf-8'?>\n");
    writer.open("expr", &[]);
    writer.value(ev, args[0], pos)?;
    writer.close("expr");
    Ok(Value::String(ev.new_str(writer.out.as_bytes(), writer.context), pos))
})];

struct Writer<'a> {
    /// Derivations that have been written, by their paths.
    seen: FxHashSet<String>,
    out: String,
    context: Option<&'a Context<'a>>,
    indent: usize,
}

impl<'a> Writer<'a> {
    fn line(&mut self, tag: &str, attributes: &[(&str, &str)], end: &str) {
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        self.out.push_str(end);
    }

    fn empty(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.line(tag, attributes, " />\n");
    }

    fn open(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.line(tag, attributes, ">\n");
        self.indent += 1;
    }

    fn close(&mut self, tag: &str) {
        self.indent -= 1;
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
        self.out.push_str(&format!("</{tag}>\n"));
    }

    fn value(&mut self, ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, ()> {
        ev.nested(pos, || {
            ev.reserve(pos, self.out.len())?;
            ev.charge(50 + self.indent);
            match ev.force(value)? {
                Value::Null(_) => self.empty("null", &[]),
                Value::Bool(Truth(value), _) => self.empty("bool", &[("value", if value { "true" } else { "false" })]),
                Value::Int(value, _) => self.empty("int", &[("value", &value.to_string())]),
                Value::Float(value, _) => self.empty("float", &[("value", &number::float_to_display(value))]),
                Value::String(text, _) => {
                    self.context = ev.join_context(self.context, text.context);
                    ev.charge_bytes(8 * text.len());
                    // Escaped, a byte takes up to six.
                    ev.reserve(pos, self.out.len() + 6 * text.len())?;
                    self.empty("string", &[("value", &text.lossy())]);
                }
                Value::Path(path, _) => self.empty("path", &[("value", path.path)]),
                Value::List(list, _) => {
                    self.open("list", &[]);
                    for item in list.iter() {
                        self.value(ev, item, pos)?;
                    }
                    self.close("list");
                }
                Value::Attrs(attrs, at) => {
                    if let Some(unknown) = attrs.open {
                        return Err(Error::unknown(unknown, at));
                    }
                    self.attrs(ev, attrs)?;
                }
                Value::Closure(closure, _) => self.function(closure),
                Value::Builtin(..) | Value::Partial(..) | Value::Thunk(_) => self.empty("unevaluated", &[]),
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
            }
            Ok(())
        })
    }

    fn attrs(&mut self, ev: &Evaluator<'a>, attrs: &Attrs<'a>) -> Result<'a, ()> {
        let derivation = ev.is_derivation(attrs)?;
        if derivation {
            let text = |name: &str| -> Result<'a, Option<String>> {
                match attrs.get(bulkhead_syntax::Symbol::new(name)) {
                    Some(attr) => Ok(match ev.force(attr.value)? {
                        Value::String(text, _) => Some(text.lossy().into_owned()),
                        Value::Unknown(unknown, at) => return Err(Error::unknown(unknown, at)),
                        _ => None,
                    }),
                    None => Ok(None),
                }
            };
            let (drv, out) = (text("drvPath")?, text("outPath")?);
            let attributes: Vec<(&str, &str)> = [("drvPath", &drv), ("outPath", &out)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?)))
                .collect();
            self.open("derivation", &attributes);
            if !drv.is_some_and(|drv| self.seen.insert(drv)) {
                self.empty("repeated", &[]);
                self.close("derivation");
                return Ok(());
            }
        } else {
            self.open("attrs", &[]);
        }
        for attr in ev.by_name(attrs) {
            self.open("attr", &[("name", attr.name.as_str())]);
            self.value(ev, attr.value, attr.key)?;
            self.close("attr");
        }
        self.close(if derivation { "derivation" } else { "attrs" });
        Ok(())
    }

    fn function(&mut self, closure: &Closure) {
        self.open("function", &[]);
        match &closure.lambda.parameter {
            Parameter::Name(name, _) => self.empty("varpat", &[("name", name.as_str())]),
            Parameter::Pattern { formals, ellipsis, whole } => {
                let mut attributes = Vec::new();
                if *ellipsis {
                    attributes.push(("ellipsis", "1"));
                }
                if let Some((name, _)) = whole {
                    attributes.push(("name", name.as_str()));
                }
                self.open("attrspat", &attributes);
                let mut names: Vec<&str> = formals.iter().map(|formal| formal.name.as_str()).collect();
                names.sort_unstable();
                for name in names {
                    self.empty("attr", &[("name", name)]);
                }
                self.close("attrspat");
            }
        }
        self.close("function");
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '"' => out.push_str("&quot;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("&#xA;"),
            char => out.push(char),
        }
    }
    out
}
