//! The interpreter: expressions to values.
//!
//! [`Evaluator::eval`] gives a forced value; [`Evaluator::delay`] gives one that may be a thunk. Everything that can
//! recurse goes through [`Evaluator::nested`] (in [`limits`]), which is where depth, steps and memory are limited.
//!
//! # What is unknown
//! An operation that needs something unknown fails with [`Cause::Unknown`]; the innermost expression around it then
//! *is* that unknown value. So unknown spreads exactly as far as it is needed.

mod call;
mod force;
mod limits;
mod select;
mod sets;
mod strings;
mod variables;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bulkhead_syntax::{Binding, Expr, ExprId, Symbol};
use rustc_hash::FxHashMap;

use crate::builtins::{Globals, Stored};
use crate::code::{Code, Files};
use crate::data::FailureKind;
use crate::error::{Cause, Error, Result};
use crate::memory::Cycles;
use crate::operators::CoerceMode;
use crate::pure::regex::Regex;
use crate::value::{Attr, Attrs, Closure, Env, Frame, Pos, State, Str, Unknown, Value};
use crate::world::World;
use crate::{memory, world};

pub use self::strings::{join_context, normal_path};
use self::variables::frame_at;

/// One evaluation: its files, its caches and what it has used. Stays on one thread.
pub struct Evaluator<'w> {
    pub world: &'w World,
    pub files: Files,
    pub globals: Rc<Globals>,
    /// Values of imported files, by absolute path, with links at their end followed.
    pub imports: RefCell<FxHashMap<Arc<str>, Value>>,
    /// What lies behind the store paths that were made.
    pub store: RefCell<FxHashMap<Arc<str>, Stored>>,
    /// Regular expressions compiled so far.
    pub regexes: RefCell<FxHashMap<Box<[u8]>, Rc<Regex>>>,
    /// What `trace` and `warn` said.
    pub messages: RefCell<Vec<String>>,
    pub symbols: Symbols,
    steps: Cell<u64>,
    depth: Cell<u32>,
    memory_before: u64,
    /// Bytes of names that this evaluation was the first to use; they are never given back.
    names: Cell<u64>,
    /// The newest name so far: a newer one is new to the process.
    newest: Cell<Symbol>,
    stack_end: usize,
    cycles: Cycles,
}

/// Names that the language itself knows.
pub struct Symbols {
    pub functor: Symbol,
    pub to_string: Symbol,
    pub out_path: Symbol,
    pub overrides: Symbol,
    pub type_: Symbol,
    pub name: Symbol,
    pub value: Symbol,
    pub drv_attrs: Symbol,
}

/// How many messages of `trace` and `warn` are kept.
const MAX_MESSAGES: usize = 1_000;

impl<'w> Evaluator<'w> {
    pub fn new(world: &'w World) -> Evaluator<'w> {
        Evaluator {
            world,
            files: Files::default(),
            globals: Globals::of(world),
            imports: RefCell::default(),
            store: RefCell::default(),
            regexes: RefCell::default(),
            messages: RefCell::default(),
            symbols: Symbols {
                functor: Symbol::new("__functor"),
                to_string: Symbol::new("__toString"),
                out_path: Symbol::new("outPath"),
                overrides: Symbol::new("__overrides"),
                type_: Symbol::new("type"),
                name: Symbol::new("name"),
                value: Symbol::new("value"),
                drv_attrs: Symbol::new("drvAttrs"),
            },
            steps: Cell::new(0),
            depth: Cell::new(0),
            memory_before: memory::live(),
            names: Cell::new(0),
            newest: Cell::new(Symbol::new("builtins")),
            stack_end: world::stack_end(),
            cycles: Cycles::default(),
        }
    }

    /// Note what `trace` or `warn` said.
    pub fn say(&self, message: String) {
        let mut messages = self.messages.borrow_mut();
        if messages.len() < MAX_MESSAGES {
            messages.push(message);
        }
    }

    /// The value of an expression, forced.
    pub fn eval(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Result<Value> {
        let depth = self.depth.get();
        let steps = self.steps.get() + 1;
        let limits = self.world.limits();
        self.steps.set(steps);
        if depth >= limits.depth
            || steps > limits.steps
            || steps & 0x3ff == 0
            || world::stack_position() < self.stack_end
        {
            self.nested(code.pos(id), || Ok(()))?;
        }
        self.depth.set(depth + 1);
        let result = self.eval_expr(code, env, id);
        self.depth.set(depth);
        match result {
            Err(error) => match error.cause {
                Cause::Unknown(unknown) => Ok(Value::Unknown(unknown, code.pos(id))),
                Cause::Failure(_) => Err(error.or_at(code.pos(id))),
            },
            value => value,
        }
    }

    fn eval_expr(&self, code: &Rc<Code>, env: &Env, mut id: ExprId) -> Result<Value> {
        loop {
            let pos = code.pos(id);
            return match code.ast.expr(id) {
                Expr::Int(value) => Ok(Value::Int(*value, pos)),
                Expr::Float(value) => Ok(Value::Float(*value, pos)),
                Expr::Text(text) => Ok(Value::String(code.text(id, text), pos)),
                Expr::Variable { name, binding } => self.variable(code, env, *name, *binding, pos),
                Expr::Apply { function, arguments } => {
                    let function = self.eval(code, env, *function)?;
                    if let ([argument], Value::Closure(closure, _)) = (&**arguments, &function) {
                        let argument = self.delay(code, env, *argument);
                        return self.call_closure(closure, argument, pos);
                    }
                    let arguments: smallvec::SmallVec<[Value; 4]> =
                        arguments.iter().map(|argument| self.delay(code, env, *argument)).collect();
                    self.apply_forced(function, &arguments, pos)
                }
                Expr::Select { base, path, default } => self.select(code, env, *base, path, *default, pos),
                Expr::If { condition, consequence, alternative } => {
                    id = if self.condition(code, env, *condition)? { *consequence } else { *alternative };
                    continue;
                }
                Expr::Lambda(_) => {
                    Ok(Value::Closure(Rc::new(Closure { code: code.clone(), lambda: id, env: env.clone() }), pos))
                }
                Expr::Let { bindings, body } => {
                    let frame = self.frame_of(code, env, bindings);
                    self.eval(code, &Some(frame), *body)
                }
                Expr::Attrs(set) => self.attr_set(code, env, set, pos),
                Expr::List(items) => {
                    self.reserve(pos, items.len() * size_of::<Value>())?;
                    Ok(Value::list(items.iter().map(|item| self.delay(code, env, *item)).collect(), pos))
                }
                Expr::With { scope, body, outer } => {
                    let scope = self.delay(code, env, *scope);
                    self.eval(code, &Frame::with(scope, *outer, env.clone()), *body)
                }
                Expr::Assert { condition, body } => {
                    if !self.condition(code, env, *condition)? {
                        let span = code.ast.span(*condition);
                        let text = code.ast.text.get(span.start as usize..span.end as usize).unwrap_or_default();
                        return Err(Error::new(
                            FailureKind::Thrown,
                            format!("assertion '{}' failed", shortened(text)),
                            code.pos(*condition),
                        ));
                    }
                    id = *body;
                    continue;
                }
                Expr::Binary { operator, left, right } => self.binary(code, env, *operator, *left, *right, pos),
                Expr::Not(operand) => Ok(Value::Bool(!self.condition(code, env, *operand)?, pos)),
                Expr::Negate(operand) => {
                    let operand = self.eval(code, env, *operand)?;
                    self.negate(operand, pos)
                }
                Expr::HasAttr { base, path } => self.has_attr(code, env, *base, path, pos),
                Expr::Interpolated(parts) => {
                    let (bytes, context) = self.concat_parts(code, env, parts, CoerceMode::Interpolate, pos)?;
                    Ok(Value::String(Str::new(bytes.into(), context), pos))
                }
                Expr::Path(path) => self.path_literal(code, env, path, pos),
                Expr::SearchPath { path, find_file, nix_path } => {
                    let find_file = self.eval(code, env, *find_file)?;
                    let nix_path = self.delay(code, env, *nix_path);
                    let name = Value::string(path.as_bytes(), pos);
                    self.apply_forced(find_file, &[nix_path, name], pos)
                }
                Expr::CurrentPosition => Ok(self.position_value(pos)),
            };
        }
    }

    /// A value for an expression that may never be needed: itself if that takes no work, else a thunk.
    pub fn delay(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Value {
        match code.ast.expr(id) {
            Expr::Int(value) => Value::Int(*value, code.pos(id)),
            Expr::Float(value) => Value::Float(*value, code.pos(id)),
            Expr::Text(text) => Value::String(code.text(id, text), code.pos(id)),
            Expr::Variable { binding: Binding::Local { up, slot }, .. } => {
                match frame_at(env, *up).and_then(|frame| frame.slot(*slot)) {
                    Some(value) => value,
                    None => self.thunk(code, env, id),
                }
            }
            Expr::Variable { name, binding: Binding::Global } => match self.global(code, *name) {
                Some(value) => value,
                None => self.thunk(code, env, id),
            },
            Expr::Lambda(_) => {
                Value::Closure(Rc::new(Closure { code: code.clone(), lambda: id, env: env.clone() }), code.pos(id))
            }
            Expr::List(items) if items.is_empty() => Value::list(Vec::new(), code.pos(id)),
            _ => self.thunk(code, env, id),
        }
    }

    fn thunk(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Value {
        Value::thunk(State::Delayed { file: code.index, expr: id, env: env.clone() })
    }

    fn condition(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Result<bool> {
        let value = self.eval(code, env, id)?;
        self.expect_bool(&value, code.pos(id))
    }

    /// Something unknown that comes in here.
    pub fn unknown(&self, reason: &str, help: Option<&str>, pos: Pos) -> Rc<Unknown> {
        Rc::new(Unknown { reason: Arc::from(reason), help: help.map(Arc::from), origin: pos })
    }

    /// `{ file, line, column }` of a place, or null.
    pub fn position_value(&self, pos: Pos) -> Value {
        let Some((file, position)) = self.files.position(pos) else { return Value::Null(pos) };
        let entry = |name: &str, value: Value| Attr { name: Symbol::new(name), key: pos, value };
        Value::attrs(
            Attrs::new(vec![
                entry("file", Value::string(file.as_bytes(), pos)),
                entry("line", Value::Int(position.line.into(), pos)),
                entry("column", Value::Int(position.column.into(), pos)),
            ]),
            pos,
        )
    }
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
