//! JSON and TOML.

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::operators::CoerceMode;
use crate::pure::data::Data;
use crate::pure::{json, number, toml};
use crate::value::{Attr, Attrs, Context, Pos, Str, Truth, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("toJSON", 1, |ev, args, pos| {
        let mut writer = Writer { out: Vec::new(), context: None };
        writer.value(ev, args[0], pos)?;
        Ok(Value::String(ev.new_str(&writer.out, writer.context), pos))
    }),
    builtin("fromJSON", 1, |ev, args, pos| {
        let text = ev.plain_string_of(args[0], pos)?;
        ev.reserve(pos, parts(text, b",:[{").saturating_mul(80).saturating_add(2 * text.len()))?;
        ev.tick(pos, text.len() as u64)?;
        let parsed = json::parse(text.bytes()).map_err(|message| Error::evaluation(message, pos))?;
        Ok(value_of(ev, parsed, pos))
    }),
    builtin("fromTOML", 1, |ev, args, pos| {
        let text = ev.plain_string_of(args[0], pos)?;
        ev.reserve(pos, parts(text, b",=.[{").saturating_mul(800).saturating_add(2 * text.len()))?;
        ev.tick(pos, 20 * text.len() as u64)?;
        let parsed = toml::parse(text.bytes()).map_err(|message| Error::evaluation(message, pos))?;
        Ok(value_of(ev, parsed, pos))
    }),
];

/// Steps that writing a float takes.
const FLOAT: usize = 40;

/// How many values a text may have at most: so often one of these bytes is in it. What is read is kept as a whole before
/// there are values.
fn parts(text: &Str<'_>, bytes: &[u8]) -> usize {
    text.bytes().iter().filter(|byte| bytes.contains(byte)).count()
}

fn value_of<'a>(ev: &Evaluator<'a>, data: Data, pos: Pos) -> Value<'a> {
    match data {
        Data::Null => Value::Null(pos),
        Data::Bool(value) => Value::bool(value, pos),
        Data::Int(value) => Value::Int(value, pos),
        Data::Float(value) => Value::Float(value, pos),
        Data::String(bytes) => ev.string(bytes.into_bytes(), pos),
        Data::Array(items) => ev.list(items.into_iter().map(|item| value_of(ev, item, pos)), pos),
        Data::Object(members) => {
            let entries = members
                .into_iter()
                .map(|(name, value)| Attr {
                    name: ev.intern(&name),
                    key: pos.carried(),
                    value: value_of(ev, value, pos),
                })
                .collect();
            ev.attrs(entries, pos)
        }
    }
}

/// A value as JSON, with the context of all strings in it.
pub fn json_of<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, (Vec<u8>, Option<&'a Context<'a>>)> {
    let mut writer = Writer { out: Vec::new(), context: None };
    writer.value(ev, value, pos)?;
    Ok((writer.out, writer.context))
}

/// A value as JSON text.
pub fn value_to_json_text<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, Vec<u8>> {
    let mut writer = Writer { out: Vec::new(), context: None };
    writer.value(ev, value, pos)?;
    Ok(writer.out)
}

struct Writer<'a> {
    out: Vec<u8>,
    context: Option<&'a Context<'a>>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, ()> {
        ev.nested(pos, || {
            ev.reserve(pos, self.out.len())?;
            let value = ev.force(value)?;
            match value {
                Value::Null(_) => self.out.extend_from_slice(b"null"),
                Value::Bool(Truth(value), _) => self.out.extend_from_slice(if value { b"true" } else { b"false" }),
                Value::Int(value, _) => self.out.extend_from_slice(value.to_string().as_bytes()),
                Value::Float(value, _) => {
                    ev.charge(FLOAT);
                    self.out.extend_from_slice(number::float_to_json(value).as_bytes());
                }
                Value::String(text, _) => self.string(ev, text, pos)?,
                Value::Path(path, at) => {
                    let copied = ev.copy_to_store(path.path, at)?;
                    self.string(ev, copied, pos)?;
                }
                Value::List(list, _) => {
                    self.out.push(b'[');
                    for (index, item) in list.iter().enumerate() {
                        if index > 0 {
                            self.out.push(b',');
                        }
                        self.value(ev, item, pos)?;
                    }
                    self.out.push(b']');
                }
                Value::Attrs(attrs, at) => self.attrs(ev, value, attrs, at)?,
                other => {
                    return Err(match other {
                        Value::Unknown(unknown, _) => Error::unknown(unknown, pos),
                        other => {
                            Error::evaluation(format!("cannot convert {} to JSON", other.described_type()), other.pos())
                        }
                    });
                }
            }
            Ok(())
        })
    }

    fn attrs(&mut self, ev: &Evaluator<'a>, value: Value<'a>, attrs: &Attrs<'a>, pos: Pos) -> Result<'a, ()> {
        if attrs.get(ev.symbols.to_string).is_some() {
            let text = ev.coerce_to_string(value, CoerceMode::Interpolate, pos)?;
            return self.string(ev, text, pos);
        }
        if let Some(unknown) = attrs.open {
            return Err(Error::unknown(unknown, pos));
        }
        if let Some(attr) = attrs.get(ev.symbols.out_path) {
            return self.value(ev, attr.value, pos);
        }
        self.out.push(b'{');
        for (index, attr) in ev.by_name(attrs).into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            json::write_string(attr.name.as_str().as_bytes(), &mut self.out)
                .map_err(|error| Error::evaluation(error, attr.key))?;
            self.out.push(b':');
            self.value(ev, attr.value, attr.key).map_err(|error| {
                error.through(attr.key, || format!("while evaluating the attribute `{}`", attr.name))
            })?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn string(&mut self, ev: &Evaluator<'a>, text: &Str<'a>, pos: Pos) -> Result<'a, ()> {
        self.context = ev.join_context(self.context, text.context);
        ev.charge_bytes(text.len());
        // Escaped, a byte takes up to six.
        ev.reserve(pos, self.out.len() + 6 * text.len())?;
        json::write_string(text.bytes(), &mut self.out).map_err(|error| Error::evaluation(error, pos))
    }
}
