//! Operators, and the conversions and comparisons that builtins share with them.

use std::cmp::Ordering;
use std::rc::Rc;

use bulkhead_syntax::{BinaryOperator, ExprId, Symbol};

use crate::code::Code;
use crate::error::{Error, Result};
use crate::eval::{Evaluator, join_context};
use crate::pure::number;
use crate::value::{Attr, Attrs, Context, Env, List, Pos, Str, Unknown, Value};

/// What may become a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CoerceMode {
    /// `"${x}"` and `+`: strings, sets with `__toString` or `outPath`; paths are copied to the store.
    Interpolate,
    /// In a path literal or after a path: the same, but paths stay what they are.
    Path,
    /// `toString`: also numbers, Booleans, null and lists; paths stay what they are.
    Everything,
}

/// What is known of a comparison whose sides may be partly unknown.
pub enum Equality {
    Equal,
    Different,
    Unknown(Rc<Unknown>),
}

impl Evaluator<'_> {
    pub fn binary(
        &self,
        code: &Rc<Code>,
        env: &Env,
        operator: BinaryOperator,
        left: ExprId,
        right: ExprId,
        pos: Pos,
    ) -> Result<Value> {
        use BinaryOperator as Op;
        match operator {
            Op::And => {
                let left_value = self.eval(code, env, left)?;
                let value = self.expect_bool(&left_value, code.pos(left))? && self.bool_of(code, env, right)?;
                Ok(Value::Bool(value, pos))
            }
            Op::Or => {
                let value = self.bool_of(code, env, left)? || self.bool_of(code, env, right)?;
                Ok(Value::Bool(value, pos))
            }
            Op::Implies => {
                let value = !self.bool_of(code, env, left)? || self.bool_of(code, env, right)?;
                Ok(Value::Bool(value, pos))
            }
            Op::Equal | Op::NotEqual => {
                let (left, right) = (self.eval(code, env, left)?, self.eval(code, env, right)?);
                let equal = self.expect_equality(&left, &right, pos)?;
                Ok(Value::Bool(equal == (operator == Op::Equal), pos))
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                let (left, right) = (self.eval(code, env, left)?, self.eval(code, env, right)?);
                // As Nix does it: `a <= b` is `!(b < a)`, which differs for NaN.
                let value = match operator {
                    Op::Less => self.less(&left, &right, pos)?,
                    Op::Greater => self.less(&right, &left, pos)?,
                    Op::LessOrEqual => !self.less(&right, &left, pos)?,
                    _ => !self.less(&left, &right, pos)?,
                };
                Ok(Value::Bool(value, pos))
            }
            Op::Concat => {
                let left_value = self.eval(code, env, left)?;
                let right_value = self.eval(code, env, right)?;
                let left = self.expect_list(&left_value, code.pos(left))?;
                let right = self.expect_list(&right_value, code.pos(right))?;
                if left.items.is_empty() {
                    return Ok(right_value);
                }
                if right.items.is_empty() {
                    return Ok(left_value);
                }
                let length = left.items.len() + right.items.len();
                self.tick_bulk(pos, length)?;
                self.reserve(pos, length * size_of::<Value>())?;
                Ok(Value::list(left.items.iter().chain(&right.items).cloned().collect(), pos))
            }
            Op::Update => {
                let left_value = self.eval(code, env, left)?;
                let right_value = self.eval(code, env, right)?;
                self.update(left_value, right_value, pos)
            }
            Op::Add => {
                let mut left_value = self.eval(code, env, left)?;
                // The left side becomes a string before the right side is looked at.
                if !matches!(left_value, Value::Int(..) | Value::Float(..) | Value::Path(..) | Value::String(..)) {
                    let text = self.coerce_to_string(&left_value, CoerceMode::Interpolate, code.pos(left))?;
                    left_value = Value::String(text, code.pos(left));
                }
                let right_value = self.eval(code, env, right)?;
                self.add(&left_value, &right_value, pos, code.pos(left), code.pos(right))
            }
            Op::Subtract | Op::Multiply | Op::Divide => {
                let (left, right) = (self.eval(code, env, left)?, self.eval(code, env, right)?);
                self.arithmetic(operator, &left, &right, pos)
            }
        }
    }

    fn bool_of(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Result<bool> {
        let value = self.eval(code, env, id)?;
        self.expect_bool(&value, code.pos(id))
    }

    /// `-`, `*`, `/` (and, for the builtin, `+`) on numbers.
    pub fn arithmetic(&self, operator: BinaryOperator, left: &Value, right: &Value, pos: Pos) -> Result<Value> {
        use BinaryOperator as Op;
        if let (Value::Int(a, _), Value::Int(b, _)) = (left, right) {
            let (sign, result) = match operator {
                Op::Subtract => ("-", a.checked_sub(*b)),
                Op::Multiply => ("*", a.checked_mul(*b)),
                Op::Divide if *b == 0 => return Err(Error::evaluation("division by zero", pos)),
                Op::Divide => ("/", a.checked_div(*b)),
                _ => ("+", a.checked_add(*b)),
            };
            return match result {
                Some(result) => Ok(Value::Int(result, pos)),
                None => Err(Error::evaluation(format!("integer overflow in {a} {sign} {b}"), pos)),
            };
        }
        let (a, b) = (self.expect_number(left, pos)?, self.expect_number(right, pos)?);
        if operator == Op::Divide && b == 0.0 {
            return Err(Error::evaluation("division by zero", pos));
        }
        let result = match operator {
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            Op::Divide => a / b,
            _ => a + b,
        };
        Ok(Value::Float(result, pos))
    }

    pub fn negate(&self, operand: Value, pos: Pos) -> Result<Value> {
        match operand {
            Value::Int(value, _) => match value.checked_neg() {
                Some(value) => Ok(Value::Int(value, pos)),
                None => Err(Error::evaluation(format!("integer overflow in -({value})"), pos)),
            },
            // Nix computes 0 - x.
            Value::Float(value, _) => Ok(Value::Float(0.0 - value, pos)),
            other => self.arithmetic(BinaryOperator::Subtract, &Value::Int(0, pos), &other, pos),
        }
    }

    fn add(&self, left: &Value, right: &Value, pos: Pos, left_pos: Pos, right_pos: Pos) -> Result<Value> {
        match (left, right) {
            (Value::Int(..) | Value::Float(..), Value::Int(..) | Value::Float(..)) => {
                return self.arithmetic(BinaryOperator::Add, left, right, pos);
            }
            (Value::Int(..) | Value::Float(..), Value::Unknown(unknown, _)) => {
                return Err(Error::unknown(unknown, pos));
            }
            (Value::Int(..) | Value::Float(..), other) => {
                return Err(Error::evaluation(
                    format!("cannot add {} to {}", other.described_type(), left.described_type()),
                    pos,
                ));
            }
            (Value::Path(path, _), right) => {
                let right = self.coerce_to_string(right, CoerceMode::Path, right_pos)?;
                if right.context.is_some() {
                    return Err(Error::evaluation(
                        "a string that refers to a store path cannot be appended to a path",
                        pos,
                    ));
                }
                let joined = [path.path.as_bytes(), &right.bytes].concat();
                let joined =
                    String::from_utf8(joined).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
                return Ok(self.path(&joined, pos));
            }
            _ => {}
        }
        let left = self.coerce_to_string(left, CoerceMode::Interpolate, left_pos)?;
        let right = self.coerce_to_string(right, CoerceMode::Interpolate, right_pos)?;
        self.reserve(pos, left.bytes.len() + right.bytes.len())?;
        self.tick_bulk(pos, left.bytes.len() + right.bytes.len())?;
        let mut context = left.context.clone();
        join_context(&mut context, &right.context);
        Ok(Value::String(Str::new([&*left.bytes, &right.bytes].concat().into(), context), pos))
    }

    /// `left // right`. A side that is unknown, or open, makes the result open; attributes that an unknown right side
    /// might replace become unknown, but surely exist.
    pub fn update(&self, left: Value, right: Value, pos: Pos) -> Result<Value> {
        let open = |value: &Value| match value {
            Value::Attrs(attrs, _) => attrs.open.clone(),
            Value::Unknown(unknown, _) => Some(unknown.clone()),
            _ => None,
        };
        if let (Value::Unknown(unknown, _), Value::Unknown(..)) = (&left, &right) {
            return Err(Error::unknown(unknown, pos));
        }
        let (left_open, right_open) = (open(&left), open(&right));
        let none: &[Attr] = &[];
        let entries = |value: &Value| -> Result<Option<Rc<Attrs>>> {
            match value {
                Value::Unknown(..) => Ok(None),
                value => Ok(Some(self.expect_attrs(value, pos)?.clone())),
            }
        };
        let (left_attrs, right_attrs) = (entries(&left)?, entries(&right)?);
        let left_entries = left_attrs.as_ref().map_or(none, |attrs| attrs.entries());
        let right_entries = right_attrs.as_ref().map_or(none, |attrs| attrs.entries());
        if left_open.is_none() && right_open.is_none() {
            if left_entries.is_empty() {
                return Ok(right);
            }
            if right_entries.is_empty() {
                return Ok(left);
            }
        }
        self.tick(pos, ((left_entries.len() + right_entries.len()) / 16) as u64)?;
        self.reserve(pos, (left_entries.len() + right_entries.len()) * size_of::<Attr>())?;
        let kept = |attr: &Attr| match &right_open {
            Some(unknown) => Attr { value: Value::Unknown(unknown.clone(), attr.value.pos()), ..attr.clone() },
            None => attr.clone(),
        };
        let mut merged = Vec::with_capacity(left_entries.len() + right_entries.len());
        let (mut i, mut j) = (0, 0);
        while i < left_entries.len() && j < right_entries.len() {
            match left_entries[i].name.cmp(&right_entries[j].name) {
                Ordering::Less => {
                    merged.push(kept(&left_entries[i]));
                    i += 1;
                }
                order => {
                    merged.push(right_entries[j].clone());
                    j += 1;
                    i += usize::from(order == Ordering::Equal);
                }
            }
        }
        merged.extend(left_entries[i..].iter().map(kept));
        merged.extend_from_slice(&right_entries[j..]);
        Ok(Value::attrs(Attrs::from_sorted(merged, right_open.or(left_open)), pos))
    }

    /// Whether two values are equal, where that must be known.
    pub fn expect_equality(&self, left: &Value, right: &Value, pos: Pos) -> Result<bool> {
        match self.equality(left, right, pos)? {
            Equality::Equal => Ok(true),
            Equality::Different => Ok(false),
            Equality::Unknown(unknown) => Err(Error::unknown(&unknown, pos)),
        }
    }

    /// `==`. A difference that is known decides, whatever else is unknown.
    pub fn equality(&self, left: &Value, right: &Value, pos: Pos) -> Result<Equality> {
        let simple = |equal: bool| if equal { Equality::Equal } else { Equality::Different };
        let (left, right) = (self.force(left)?, self.force(right)?);
        Ok(match (&left, &right) {
            (Value::Unknown(unknown, _), _) | (_, Value::Unknown(unknown, _)) => Equality::Unknown(unknown.clone()),
            (Value::Int(a, _), Value::Int(b, _)) => simple(a == b),
            (Value::Int(a, _), Value::Float(b, _)) | (Value::Float(b, _), Value::Int(a, _)) => simple(*a as f64 == *b),
            (Value::Float(a, _), Value::Float(b, _)) => simple(a == b),
            (Value::String(a, _), Value::String(b, _)) => {
                self.tick_bulk(pos, a.bytes.len().min(b.bytes.len()))?;
                simple(a.bytes == b.bytes)
            }
            (Value::Path(a, _), Value::Path(b, _)) => simple(a.path == b.path),
            (Value::Bool(a, _), Value::Bool(b, _)) => simple(a == b),
            (Value::Null(_), Value::Null(_)) => Equality::Equal,
            (Value::List(a, _), Value::List(b, _)) => {
                if a.items.len() != b.items.len() {
                    return Ok(Equality::Different);
                }
                self.all_equal(a.items.iter().zip(&b.items), pos)?
            }
            (Value::Attrs(a, _), Value::Attrs(b, _)) => {
                if let Some(equality) = self.derivations_equal(a, b, pos)? {
                    return Ok(equality);
                }
                let open = a.open.as_ref().or(b.open.as_ref());
                let same_names = a.entries().len() == b.entries().len()
                    && a.entries().iter().zip(b.entries()).all(|(a, b)| a.name == b.name);
                match open {
                    None if !same_names => Equality::Different,
                    None => self.all_equal(
                        a.by_name().into_iter().map(|attr| &attr.value).zip(b.by_name().into_iter().map(|b| &b.value)),
                        pos,
                    )?,
                    Some(unknown) => Equality::Unknown(unknown.clone()),
                }
            }
            _ => Equality::Different,
        })
    }

    fn all_equal<'a>(&self, pairs: impl Iterator<Item = (&'a Value, &'a Value)>, pos: Pos) -> Result<Equality> {
        let mut unknown = None;
        for (a, b) in pairs {
            if same_object(a, b) {
                continue;
            }
            match self.nested(pos, || self.equality(a, b, pos))? {
                Equality::Equal => {}
                Equality::Different => return Ok(Equality::Different),
                Equality::Unknown(reason) => {
                    unknown.get_or_insert(reason);
                }
            }
        }
        Ok(unknown.map_or(Equality::Equal, Equality::Unknown))
    }

    /// Derivations are equal when their output paths are.
    fn derivations_equal(&self, a: &Attrs, b: &Attrs, pos: Pos) -> Result<Option<Equality>> {
        if !self.is_derivation(a)? || !self.is_derivation(b)? {
            return Ok(None);
        }
        match (a.get(self.symbols.out_path), b.get(self.symbols.out_path)) {
            (Some(a), Some(b)) => Ok(Some(self.nested(pos, || self.equality(&a.value, &b.value, pos))?)),
            _ => Ok(None),
        }
    }

    /// Whether a set has `type = "derivation"`.
    pub fn is_derivation(&self, attrs: &Attrs) -> Result<bool> {
        let Some(attr) = attrs.get(self.symbols.type_) else { return Ok(false) };
        match self.force(&attr.value)? {
            Value::String(text, _) => Ok(&*text.bytes == b"derivation"),
            Value::Unknown(unknown, at) => Err(Error::unknown(&unknown, at)),
            _ => Ok(false),
        }
    }

    /// `left < right`.
    pub fn less(&self, left: &Value, right: &Value, pos: Pos) -> Result<bool> {
        let (left, right) = (self.force(left)?, self.force(right)?);
        match (&left, &right) {
            (Value::Unknown(unknown, _), _) | (_, Value::Unknown(unknown, _)) => Err(Error::unknown(unknown, pos)),
            (Value::Int(a, _), Value::Int(b, _)) => Ok(a < b),
            (Value::Int(a, _), Value::Float(b, _)) => Ok((*a as f64) < *b),
            (Value::Float(a, _), Value::Int(b, _)) => Ok(*a < *b as f64),
            (Value::Float(a, _), Value::Float(b, _)) => Ok(a < b),
            (Value::String(a, _), Value::String(b, _)) => Ok(a.bytes < b.bytes),
            (Value::Path(a, _), Value::Path(b, _)) => Ok(a.path < b.path),
            (Value::List(a, _), Value::List(b, _)) => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if same_object(a, b) {
                        continue;
                    }
                    if !self.nested(pos, || self.expect_equality(a, b, pos))? {
                        return self.nested(pos, || self.less(a, b, pos));
                    }
                }
                Ok(a.items.len() < b.items.len())
            }
            (a, b) => Err(Error::evaluation(
                format!("cannot compare {} with {}", a.described_type(), b.described_type()),
                pos,
            )),
        }
    }

    /// A value as a string, with its context.
    pub fn coerce_to_string(&self, value: &Value, mode: CoerceMode, pos: Pos) -> Result<Rc<Str>> {
        let everything = mode == CoerceMode::Everything;
        let text = |text: &str| Ok(Str::new(text.as_bytes().into(), None));
        let value = self.force(value)?;
        match &value {
            Value::String(string, _) => Ok(string.clone()),
            Value::Path(path, _) => match mode {
                CoerceMode::Path | CoerceMode::Everything => text(&path.path),
                CoerceMode::Interpolate => self.copy_to_store(&path.path, pos),
            },
            Value::Attrs(attrs, _) => {
                if let Some(attr) = attrs.get(self.symbols.to_string) {
                    let result = self.nested(pos, || self.apply(&attr.value, std::slice::from_ref(&value), pos))?;
                    return self.nested(pos, || self.coerce_to_string(&result, mode, pos));
                }
                if let Some(unknown) = &attrs.open {
                    return Err(Error::unknown(unknown, pos));
                }
                if let Some(attr) = attrs.get(self.symbols.out_path) {
                    return self.nested(pos, || self.coerce_to_string(&attr.value, mode, pos));
                }
                Err(Error::evaluation("cannot coerce a set to a string", pos)
                    .with_help("only sets with `outPath` or `__toString` become strings"))
            }
            Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
            Value::Bool(true, _) if everything => text("1"),
            Value::Bool(false, _) | Value::Null(_) if everything => text(""),
            Value::Int(number, _) if everything => text(&number.to_string()),
            Value::Float(number, _) if everything => text(&number::float_to_string(*number)),
            Value::List(list, _) if everything => self.coerce_list(list, mode, pos),
            other => {
                let error = Error::evaluation(format!("cannot coerce {} to a string", other.described_type()), pos);
                Err(match other {
                    Value::Int(..) | Value::Float(..) | Value::Bool(..) => {
                        error.with_help("`toString` turns it into one")
                    }
                    _ => error,
                })
            }
        }
    }

    fn coerce_list(&self, list: &List, mode: CoerceMode, pos: Pos) -> Result<Rc<Str>> {
        let mut bytes = Vec::new();
        let mut context: Option<Rc<Context>> = None;
        for (index, item) in list.items.iter().enumerate() {
            let item = self.force(item)?;
            let part = self.nested(pos, || self.coerce_to_string(&item, mode, pos))?;
            bytes.extend_from_slice(&part.bytes);
            join_context(&mut context, &part.context);
            self.tick_bulk(pos, part.bytes.len())?;
            self.reserve(pos, bytes.len())?;
            // An empty list in a list adds nothing, not even a space; as in Nix.
            let empty_list = matches!(&item, Value::List(inner, _) if inner.items.is_empty());
            if index + 1 < list.items.len() && !empty_list {
                bytes.push(b' ');
            }
        }
        Ok(Str::new(bytes.into(), context))
    }

    pub fn expect_bool(&self, value: &Value, pos: Pos) -> Result<bool> {
        match value {
            Value::Bool(value, _) => Ok(*value),
            other => Err(self.wrong_type("a Boolean", other, pos)),
        }
    }

    pub fn expect_int(&self, value: &Value, pos: Pos) -> Result<i64> {
        match self.force(value)? {
            Value::Int(value, _) => Ok(value),
            other => Err(self.wrong_type("an integer", &other, pos)),
        }
    }

    pub fn expect_number(&self, value: &Value, pos: Pos) -> Result<f64> {
        match self.force(value)? {
            Value::Int(value, _) => Ok(value as f64),
            Value::Float(value, _) => Ok(value),
            other => Err(self.wrong_type("a float", &other, pos)),
        }
    }

    /// A value that is a string already.
    pub fn expect_string(&self, value: &Value, pos: Pos) -> Result<Rc<Str>> {
        match self.force(value)? {
            Value::String(string, _) => Ok(string),
            other => Err(self.wrong_type("a string", &other, pos)),
        }
    }

    /// A forced value that is a list.
    pub fn expect_list<'v>(&self, value: &'v Value, pos: Pos) -> Result<&'v Rc<List>> {
        match value {
            Value::List(list, _) => Ok(list),
            other => Err(self.wrong_type("a list", other, pos)),
        }
    }

    /// A forced value that is a set. Its attributes are all there is only if it is not open.
    pub fn expect_attrs<'v>(&self, value: &'v Value, pos: Pos) -> Result<&'v Rc<Attrs>> {
        match value {
            Value::Attrs(attrs, _) => Ok(attrs),
            other => Err(self.wrong_type("a set", other, pos)),
        }
    }

    /// A string that serves as the name of an attribute.
    pub fn expect_symbol(&self, value: &Value, pos: Pos) -> Result<Symbol> {
        let string = self.expect_string(value, pos)?;
        if string.context.is_some() {
            return Err(Error::evaluation(
                format!("the string '{}' is not allowed to refer to a store path", string.lossy()),
                pos,
            ));
        }
        match std::str::from_utf8(&string.bytes) {
            Ok(name) => Ok(self.intern(name)),
            Err(_) => Err(Error::evaluation("the name of an attribute is not UTF-8", pos)),
        }
    }

    pub fn wrong_type(&self, expected: &str, found: &Value, pos: Pos) -> Box<Error> {
        match found {
            Value::Unknown(unknown, _) => Error::unknown(unknown, pos),
            other => Error::evaluation(format!("expected {expected} but found {}", other.described_type()), pos),
        }
    }
}

/// Whether two values are the same object, which Nix takes for equal without looking (functions too).
fn same_object(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Thunk(a), Value::Thunk(b)) => Rc::ptr_eq(a, b),
        (Value::Closure(a, _), Value::Closure(b, _)) => Rc::ptr_eq(a, b),
        (Value::Attrs(a, _), Value::Attrs(b, _)) => Rc::ptr_eq(a, b) && a.open.is_none(),
        (Value::List(a, _), Value::List(b, _)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
