//! Operators, and the conversions and comparisons that builtins share with them.

use std::cmp::Ordering;

use bulkhead_syntax::{BinaryOperator, Expr, ExprId, Symbol};
use smallvec::SmallVec;

use crate::code::Code;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::explain::Recording;
use crate::pure::number;
use crate::value::{Attr, Attrs, Env, List, Pos, Str, Truth, Unknown, Value};

/// What may become a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CoerceMode {
    /// `"${x}"` and `+`: strings, sets with `__toString` or `outPath`; paths are copied to the store.
    Interpolate,
    /// In a path literal or after a path: the same, but paths stay what they are.
    Path,
    /// `toString`: also numbers, Booleans, null and lists; paths stay what they are.
    Everything,
    /// For the environment of a builder: everything, and paths are copied to the store.
    Environment,
}

/// What is known of a comparison whose sides may be partly unknown.
pub enum Equality<'a> {
    Equal,
    Different,
    Unknown(&'a Unknown<'a>),
}

impl<'a> Evaluator<'a> {
    pub fn binary(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        operator: BinaryOperator,
        left: ExprId,
        right: ExprId,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        use BinaryOperator as Op;
        match operator {
            Op::And
            | Op::Or
            | Op::Implies
            | Op::Equal
            | Op::NotEqual
            | Op::Less
            | Op::LessOrEqual
            | Op::Greater
            | Op::GreaterOrEqual => Ok(Value::bool(self.decide(code, env, operator, left, right, pos)?, pos)),
            Op::Concat => {
                let left_value = self.eval(code, env, left)?;
                let right_value = self.eval(code, env, right)?;
                let left = self.expect_list(left_value, code.pos(left))?;
                let right = self.expect_list(right_value, code.pos(right))?;
                if left.is_empty() {
                    return Ok(right_value);
                }
                if right.is_empty() {
                    return Ok(left_value);
                }
                self.tick_bulk(pos, left.len() + right.len())?;
                self.reserve(pos, left.concat_cost(right))?;
                Ok(Value::List(self.arena.alloc(left.concat(self.arena, right)), pos))
            }
            Op::Update => {
                let left_value = self.eval(code, env, left)?;
                let right_value = self.eval(code, env, right)?;
                self.update(left_value, right_value, pos)
            }
            Op::Add => {
                let mut left_value = self.eval(code, env, left)?;
                // Only behind a string a path is copied to the store, not behind a set as in `inputs.self + /file`:
                // `ExprConcatStrings::eval` of Nix.
                let is_string = matches!(left_value, Value::String(..));
                let mode = if is_string { CoerceMode::Interpolate } else { CoerceMode::Path };
                // The left side becomes a string before the right side is looked at.
                if !is_string && !matches!(left_value, Value::Int(..) | Value::Float(..) | Value::Path(..)) {
                    let text = self.coerce_to_string(left_value, mode, code.pos(left)).map_err(|error| {
                        self.on_trail(error, |trail| match code.expr(right) {
                            Expr::Text(text, _) => format!("{trail}{text}"),
                            _ => String::new(),
                        })
                    })?;
                    left_value = Value::String(text, code.pos(left));
                }
                let right_value = self.eval(code, env, right)?;
                self.add(left_value, right_value, mode, pos, code.pos(right))
            }
            Op::Subtract | Op::Multiply | Op::Divide => {
                let (left, right) = (self.eval(code, env, left)?, self.eval(code, env, right)?);
                self.arithmetic(operator, left, right, pos)
            }
        }
    }

    /// What an operator says that [`decides`].
    pub fn decide(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        operator: BinaryOperator,
        left: ExprId,
        right: ExprId,
        pos: Pos,
    ) -> Result<'a, bool> {
        use BinaryOperator as Op;
        match operator {
            Op::And => return Ok(self.condition(code, env, left)? && self.condition(code, env, right)?),
            Op::Or => return Ok(self.condition(code, env, left)? || self.condition(code, env, right)?),
            Op::Implies => return Ok(!self.condition(code, env, left)? || self.condition(code, env, right)?),
            _ => {}
        }
        let (left, right) = (self.eval(code, env, left)?, self.eval(code, env, right)?);
        match operator {
            Op::Equal => self.expect_equality(left, right, pos),
            Op::NotEqual => Ok(!self.expect_equality(left, right, pos)?),
            Op::Less => self.less(left, right, pos),
            Op::Greater => self.less(right, left, pos),
            // As Nix does it: `a <= b` is `!(b < a)`, which differs for NaN.
            Op::LessOrEqual => Ok(!self.less(right, left, pos)?),
            _ => Ok(!self.less(left, right, pos)?),
        }
    }

    /// `-`, `*`, `/` (and, for the builtin, `+`) on numbers.
    pub fn arithmetic(
        &self,
        operator: BinaryOperator,
        left: Value<'a>,
        right: Value<'a>,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        use BinaryOperator as Op;
        if let (Value::Int(a, _), Value::Int(b, _)) = (left, right) {
            let (sign, result) = match operator {
                Op::Subtract => ("-", a.checked_sub(b)),
                Op::Multiply => ("*", a.checked_mul(b)),
                Op::Divide if b == 0 => return Err(Error::evaluation("division by zero", pos)),
                Op::Divide => ("/", a.checked_div(b)),
                _ => ("+", a.checked_add(b)),
            };
            return match result {
                Some(result) => Ok(Value::Int(result, pos)),
                None => Err(Error::evaluation(format!("integer overflow in {a} {sign} {b}"), pos)),
            };
        }
        // As in Nix the divisor is looked at first, and a number beside one that is no float must be an integer.
        if operator == Op::Divide && self.expect_number(right, pos)? == 0.0 {
            return Err(Error::evaluation("division by zero", pos));
        }
        if !matches!(left, Value::Float(..)) && !matches!(right, Value::Float(..)) {
            self.expect_int(left, pos)?;
            self.expect_int(right, pos)?;
        }
        let (a, b) = (self.expect_number(left, pos)?, self.expect_number(right, pos)?);
        let result = match operator {
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            Op::Divide => a / b,
            _ => a + b,
        };
        Ok(Value::Float(result, pos))
    }

    pub fn negate(&self, operand: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        match operand {
            Value::Int(value, _) => match value.checked_neg() {
                Some(value) => Ok(Value::Int(value, pos)),
                None => Err(Error::evaluation(format!("integer overflow in -({value})"), pos)),
            },
            // Nix computes 0 - x.
            Value::Float(value, _) => Ok(Value::Float(0.0 - value, pos)),
            other => self.arithmetic(BinaryOperator::Subtract, Value::Int(0, pos), other, pos),
        }
    }

    /// `left + right`, of which `left` is a number, a path or a string; `mode` is how `right` becomes a string.
    fn add(
        &self,
        left: Value<'a>,
        right: Value<'a>,
        mode: CoerceMode,
        pos: Pos,
        right_pos: Pos,
    ) -> Result<'a, Value<'a>> {
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
                )
                .about(other));
            }
            (Value::Path(path, _), right) => {
                let right = self.coerce_to_string(right, mode, right_pos)?;
                if right.context.is_some() {
                    return Err(Error::evaluation(
                        "a string that refers to a store path cannot be appended to a path",
                        pos,
                    ));
                }
                let joined = [path.path.as_bytes(), right.bytes()].concat();
                let joined =
                    String::from_utf8(joined).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
                return Ok(self.path(&joined, pos));
            }
            _ => {}
        }
        let (left_at, right_at) = (left.pos(), right.pos());
        let left = self.coerce_to_string(left, mode, pos)?;
        let right = self.coerce_to_string(right, mode, right_pos)?;
        self.reserve(pos, left.len() + right.len())?;
        self.tick_bulk(pos, left.len() + right.len())?;
        let context = self.join_context(left.context, right.context);
        let joined = self.arena.alloc(Str::joined(self.arena, left, right, context));
        self.record(joined, || vec![Recording::Value(left, left_at), Recording::Value(right, right_at)]);
        Ok(Value::String(joined, pos))
    }

    /// `left // right`. A side that is unknown, or open, makes the result open; attributes that an unknown right side
    /// might replace become unknown, but surely exist.
    pub fn update(&self, left: Value<'a>, right: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        if let (Value::Unknown(unknown, _), Value::Unknown(..)) = (left, right) {
            return Err(Error::unknown(unknown, pos));
        }
        let side = |value: Value<'a>| -> Result<'a, (&'a [Attr<'a>], Option<&'a Unknown<'a>>)> {
            match value {
                Value::Attrs(attrs, _) => Ok((attrs.entries(), attrs.open)),
                Value::Unknown(unknown, _) => {
                    self.pass_over(value);
                    Ok((&[], Some(unknown)))
                }
                other => Err(self.wrong_type("a set", other, pos)),
            }
        };
        let ((left_entries, left_open), (right_entries, right_open)) = (side(left)?, side(right)?);
        if left_open.is_none() && right_open.is_none() {
            if left_entries.is_empty() {
                return Ok(right);
            }
            if right_entries.is_empty() {
                return Ok(left);
            }
        }
        let most = left_entries.len() + right_entries.len();
        self.tick(pos, (most / 2) as u64)?;
        self.reserve(pos, most * size_of::<Attr<'_>>())?;
        let kept = |attr: &Attr<'a>| match right_open {
            Some(unknown) => Attr { value: Value::Unknown(unknown, attr.value.pos()), ..*attr },
            None => *attr,
        };
        let mut merged: SmallVec<[Attr<'a>; 32]> = SmallVec::with_capacity(most);
        let (mut i, mut j) = (0, 0);
        while i < left_entries.len() && j < right_entries.len() {
            match left_entries[i].name.cmp(&right_entries[j].name) {
                Ordering::Less => {
                    merged.push(kept(&left_entries[i]));
                    i += 1;
                }
                order => {
                    merged.push(right_entries[j]);
                    j += 1;
                    i += usize::from(order == Ordering::Equal);
                }
            }
        }
        merged.extend(left_entries[i..].iter().map(kept));
        merged.extend_from_slice(&right_entries[j..]);
        Ok(self.sorted_attrs(self.arena.copied(&merged), right_open.or(left_open), pos))
    }

    /// Whether two values are equal, where that must be known.
    pub fn expect_equality(&self, left: Value<'a>, right: Value<'a>, pos: Pos) -> Result<'a, bool> {
        // Most often something is compared with null, or with another tag.
        match (left, right) {
            (Value::Null(_), Value::Null(_)) => return Ok(true),
            (Value::Null(_), Value::Attrs(..) | Value::String(..)) => return Ok(false),
            (Value::Attrs(..) | Value::String(..), Value::Null(_)) => return Ok(false),
            (Value::String(a, _), Value::String(b, _)) if a.len() != b.len() => return Ok(false),
            _ => {}
        }
        match self.equality(left, right, pos)? {
            Equality::Equal => Ok(true),
            Equality::Different => Ok(false),
            Equality::Unknown(unknown) => Err(Error::unknown(unknown, pos)),
        }
    }

    /// `==`. A difference that is known decides, whatever else is unknown.
    pub fn equality(&self, left: Value<'a>, right: Value<'a>, pos: Pos) -> Result<'a, Equality<'a>> {
        let simple = |equal: bool| if equal { Equality::Equal } else { Equality::Different };
        let (left, right) = (self.force(left)?, self.force(right)?);
        Ok(match (left, right) {
            (Value::Unknown(unknown, _), _) | (_, Value::Unknown(unknown, _)) => Equality::Unknown(unknown),
            (Value::Int(a, _), Value::Int(b, _)) => simple(a == b),
            (Value::Int(a, _), Value::Float(b, _)) | (Value::Float(b, _), Value::Int(a, _)) => simple(a as f64 == b),
            (Value::Float(a, _), Value::Float(b, _)) => simple(a == b),
            (Value::String(a, _), Value::String(b, _)) => {
                self.tick_bulk(pos, a.len().min(b.len()))?;
                simple(a.len() == b.len() && a.bytes() == b.bytes())
            }
            (Value::Path(a, _), Value::Path(b, _)) => {
                self.tick_bulk(pos, a.path.len().min(b.path.len()))?;
                simple(a.path == b.path)
            }
            (Value::Bool(Truth(a), _), Value::Bool(Truth(b), _)) => simple(a == b),
            (Value::Null(_), Value::Null(_)) => Equality::Equal,
            (Value::List(a, _), Value::List(b, _)) => {
                if a.len() != b.len() {
                    return Ok(Equality::Different);
                }
                if std::ptr::eq(a, b) {
                    return self.equal_to_itself(a.iter(), pos);
                }
                self.all_equal(a.iter().zip(b.iter()), pos)?
            }
            (Value::Attrs(a, _), Value::Attrs(b, _)) => {
                if let Some(equality) = self.derivations_equal(a, b, pos)? {
                    return Ok(equality);
                }
                let open = a.open.or(b.open);
                if std::ptr::eq(a, b) && open.is_none() {
                    return self.equal_to_itself(self.by_name(a).into_iter().map(|attr| attr.value), pos);
                }
                self.charge(a.entries().len().min(b.entries().len()) / 8);
                let same_names = a.entries().len() == b.entries().len()
                    && a.entries().iter().zip(b.entries()).all(|(a, b)| a.name == b.name);
                match open {
                    None if !same_names => Equality::Different,
                    None => self.all_equal(
                        self.by_name(a)
                            .into_iter()
                            .map(|attr| attr.value)
                            .zip(self.by_name(b).into_iter().map(|attr| attr.value)),
                        pos,
                    )?,
                    Some(unknown) => Equality::Unknown(unknown),
                }
            }
            _ => Equality::Different,
        })
    }

    fn all_equal(&self, pairs: impl Iterator<Item = (Value<'a>, Value<'a>)>, pos: Pos) -> Result<'a, Equality<'a>> {
        let mut unknown = None;
        for (a, b) in pairs {
            self.tick(pos, 1)?;
            let equality = match self.equality_of_parts(a, b, pos) {
                // What is unknown may be a difference, and then nothing behind it is looked at.
                Err(error) if !error.is_limit() => unknown.map(Equality::Unknown).ok_or(error)?,
                equality => equality?,
            };
            match equality {
                Equality::Equal => {}
                Equality::Different => return Ok(Equality::Different),
                Equality::Unknown(reason) => {
                    self.pass_over_unknown(reason);
                    unknown.get_or_insert(reason);
                }
            }
        }
        Ok(unknown.map_or(Equality::Equal, Equality::Unknown))
    }

    /// `==` of a list or set with itself: each part is the same object, if it can be evaluated.
    fn equal_to_itself(&self, parts: impl Iterator<Item = Value<'a>>, pos: Pos) -> Result<'a, Equality<'a>> {
        for part in parts {
            self.tick(pos, 1)?;
            self.pass_over(self.nested(pos, || self.force(part))?);
        }
        Ok(Equality::Equal)
    }

    /// `==` of two parts of lists or sets. As in Nix the same object is equal to itself without a look into it: functions
    /// are, and sets of which some part fails.
    pub fn equality_of_parts(&self, a: Value<'a>, b: Value<'a>, pos: Pos) -> Result<'a, Equality<'a>> {
        self.nested(pos, || {
            let (left, right) = (self.force(a)?, self.force(b)?);
            if same_object(a, b) {
                self.pass_over(left);
                return Ok(Equality::Equal);
            }
            self.equality(left, right, pos)
        })
    }

    /// Derivations are equal when their output paths are.
    fn derivations_equal(&self, a: &Attrs<'a>, b: &Attrs<'a>, pos: Pos) -> Result<'a, Option<Equality<'a>>> {
        if !self.is_derivation(a)? || !self.is_derivation(b)? {
            return Ok(None);
        }
        match (a.get(self.symbols.out_path), b.get(self.symbols.out_path)) {
            (Some(a), Some(b)) => Ok(Some(self.nested(pos, || self.equality(a.value, b.value, pos))?)),
            _ => Ok(None),
        }
    }

    /// Whether a set has `type = "derivation"`.
    pub fn is_derivation(&self, attrs: &Attrs<'a>) -> Result<'a, bool> {
        let Some(attr) = attrs.get(self.symbols.type_) else { return Ok(false) };
        match self.force(attr.value)? {
            Value::String(text, _) => Ok(text.bytes() == b"derivation"),
            Value::Unknown(unknown, at) => Err(Error::unknown(unknown, at)),
            _ => Ok(false),
        }
    }

    /// `left < right`.
    pub fn less(&self, left: Value<'a>, right: Value<'a>, pos: Pos) -> Result<'a, bool> {
        let (left, right) = (self.force(left)?, self.force(right)?);
        match (left, right) {
            (Value::Unknown(unknown, _), _) | (_, Value::Unknown(unknown, _)) => Err(Error::unknown(unknown, pos)),
            (Value::Int(a, _), Value::Int(b, _)) => Ok(a < b),
            (Value::Int(a, _), Value::Float(b, _)) => Ok((a as f64) < b),
            (Value::Float(a, _), Value::Int(b, _)) => Ok(a < b as f64),
            (Value::Float(a, _), Value::Float(b, _)) => Ok(a < b),
            (Value::String(a, _), Value::String(b, _)) => {
                self.tick_bulk(pos, a.len().min(b.len()))?;
                Ok(a.bytes() < b.bytes())
            }
            (Value::Path(a, _), Value::Path(b, _)) => {
                self.tick_bulk(pos, a.path.len().min(b.path.len()))?;
                Ok(a.path < b.path)
            }
            (Value::List(a, _), Value::List(b, _)) => {
                for (a, b) in a.iter().zip(b.iter()) {
                    self.tick(pos, 1)?;
                    match self.equality_of_parts(a, b, pos)? {
                        Equality::Equal => {}
                        Equality::Different => return self.nested(pos, || self.less(a, b, pos)),
                        Equality::Unknown(unknown) => return Err(Error::unknown(unknown, pos)),
                    }
                }
                Ok(a.len() < b.len())
            }
            (a, b) => Err(Error::evaluation(
                format!("cannot compare {} with {}", a.described_type(), b.described_type()),
                pos,
            )
            .about(a)
            .about(b)),
        }
    }

    /// A value as a string, with its context.
    pub fn coerce_to_string(&self, value: Value<'a>, mode: CoerceMode, pos: Pos) -> Result<'a, &'a Str<'a>> {
        let everything = matches!(mode, CoerceMode::Everything | CoerceMode::Environment);
        let text = |text: &str| Ok(self.new_str(text.as_bytes(), None));
        let value = self.force(value)?;
        match value {
            Value::String(string, _) => Ok(string),
            Value::Path(path, _) => match mode {
                CoerceMode::Path | CoerceMode::Everything => Ok(self.str(path.path.as_bytes(), None)),
                CoerceMode::Interpolate | CoerceMode::Environment => self.copy_to_store(path.path, pos),
            },
            Value::Attrs(attrs, _) => {
                if let Some(attr) = attrs.get(self.symbols.to_string) {
                    let result = self.nested(pos, || self.apply(attr.value, &[value], pos))?;
                    return self.nested(pos, || self.coerce_to_string(result, mode, pos));
                }
                if let Some(unknown) = attrs.open {
                    return Err(Error::unknown(self.unknown_place(attrs)?.unwrap_or(unknown), pos));
                }
                if let Some(attr) = attrs.get(self.symbols.out_path) {
                    return self.nested(pos, || self.coerce_to_string(attr.value, mode, pos));
                }
                Err(Error::evaluation("cannot coerce a set to a string", pos)
                    .about(value)
                    .with_help("only sets with `outPath` or `__toString` become strings"))
            }
            Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
            Value::Bool(Truth(true), _) if everything => text("1"),
            Value::Bool(Truth(false), _) | Value::Null(_) if everything => text(""),
            Value::Int(number, _) if everything => text(&number.to_string()),
            Value::Float(number, _) if everything => {
                let shown = number::float_to_string(number);
                self.charge(40 + 3 * shown.len());
                text(&shown)
            }
            Value::List(list, _) if everything => self.coerce_list(list, mode, pos),
            other => {
                let error = Error::evaluation(format!("cannot coerce {} to a string", other.described_type()), pos)
                    .about(other);
                Err(match other {
                    Value::Int(..) | Value::Float(..) | Value::Bool(..) => {
                        error.with_help("`toString` turns it into one")
                    }
                    _ => error,
                })
            }
        }
    }

    fn coerce_list(&self, list: &List<'a>, mode: CoerceMode, pos: Pos) -> Result<'a, &'a Str<'a>> {
        let mut bytes = Vec::new();
        let mut context = None;
        let mut parts = Vec::new();
        for (index, item) in list.iter().enumerate() {
            self.charge(4);
            let item = self.force(item)?;
            let part = self.nested(pos, || self.coerce_to_string(item, mode, pos))?;
            if self.recorded.is_some() {
                parts.push(Recording::Value(part, item.pos()));
            }
            bytes.extend_from_slice(part.bytes());
            context = self.join_context(context, part.context);
            self.tick_bulk(pos, part.len())?;
            self.reserve(pos, bytes.len())?;
            // An empty list in a list adds nothing, not even a space; as in Nix.
            let empty_list = matches!(item, Value::List(inner, _) if inner.is_empty());
            if index + 1 < list.len() && !empty_list {
                bytes.push(b' ');
            }
        }
        let whole = self.new_str(&bytes, context);
        self.record(whole, || parts);
        Ok(whole)
    }

    pub fn expect_bool(&self, value: Value<'a>, pos: Pos) -> Result<'a, bool> {
        match value {
            Value::Bool(Truth(value), _) => Ok(value),
            other => Err(self.wrong_type("a Boolean", other, pos)),
        }
    }

    pub fn expect_int(&self, value: Value<'a>, pos: Pos) -> Result<'a, i64> {
        match self.force(value)? {
            Value::Int(value, _) => Ok(value),
            other => Err(self.wrong_type("an integer", other, pos)),
        }
    }

    pub fn expect_number(&self, value: Value<'a>, pos: Pos) -> Result<'a, f64> {
        match self.force(value)? {
            Value::Int(value, _) => Ok(value as f64),
            Value::Float(value, _) => Ok(value),
            other => Err(self.wrong_type("a float", other, pos)),
        }
    }

    /// A value that is a string already.
    pub fn expect_string(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a Str<'a>> {
        match self.force(value)? {
            Value::String(string, _) => Ok(string),
            other => Err(self.wrong_type("a string", other, pos)),
        }
    }

    /// A forced value that is a list.
    pub fn expect_list(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a List<'a>> {
        match value {
            Value::List(list, _) => Ok(list),
            other => Err(self.wrong_type("a list", other, pos)),
        }
    }

    /// A forced value that is a set. Its attributes are all there is only if it is not open.
    pub fn expect_attrs(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a Attrs<'a>> {
        match value {
            Value::Attrs(attrs, _) => Ok(attrs),
            other => Err(self.wrong_type("a set", other, pos)),
        }
    }

    /// A string that serves as the name of an attribute.
    pub fn expect_symbol(&self, value: Value<'a>, pos: Pos) -> Result<'a, Symbol> {
        let string = self.expect_string(value, pos)?;
        if string.context.is_some() {
            return Err(Error::evaluation(
                format!("the string '{}' is not allowed to refer to a store path", string.lossy()),
                pos,
            ));
        }
        self.charge(2 + string.len() / 8);
        self.symbol_of(string).ok_or_else(|| Error::evaluation("the name of an attribute is not UTF-8", pos))
    }

    #[cold]
    pub fn wrong_type(&self, expected: &str, found: Value<'a>, pos: Pos) -> Box<Error<'a>> {
        match found {
            Value::Unknown(unknown, _) => Error::unknown(unknown, pos),
            other => {
                Error::evaluation(format!("expected {expected} but found {}", other.described_type()), pos).about(other)
            }
        }
    }
}

/// Whether an operator gives a Boolean.
pub fn decides(operator: BinaryOperator) -> bool {
    use BinaryOperator as Op;
    !matches!(operator, Op::Concat | Op::Update | Op::Add | Op::Subtract | Op::Multiply | Op::Divide)
}

/// Whether two values are the same object, which Nix takes for equal without looking (functions too): what one expression
/// made, and came along as a variable. What was selected or given by a call is another object there, and here another
/// thunk ([`Evaluator::needs_thunk`]).
fn same_object<'a>(a: Value<'a>, b: Value<'a>) -> bool {
    match (a, b) {
        (Value::Thunk(a), Value::Thunk(b)) => std::ptr::eq(a, b),
        (Value::Closure(a, _), Value::Closure(b, _)) => std::ptr::eq(a, b),
        (Value::Builtin(a, _), Value::Builtin(b, _)) => std::ptr::eq(a, b),
        (Value::Partial(a, _), Value::Partial(b, _)) => std::ptr::eq(a, b),
        (Value::Attrs(a, _), Value::Attrs(b, _)) => std::ptr::eq(a, b) && a.open.is_none(),
        (Value::List(a, _), Value::List(b, _)) => std::ptr::eq(a, b),
        _ => false,
    }
}
