//! The interpreter: expressions to values.
//!
//! [`Evaluator::eval`] gives a forced value; [`Evaluator::delay`] gives one that may be a thunk. Everything that can
//! recurse goes through one of [`Evaluator::eval`] and [`Evaluator::nested`] (in [`limits`]), which is where depth,
//! steps and memory are limited.
//!
//! # What is unknown
//! An operation that needs something unknown fails with [`Cause::Unknown`]; the innermost expression around it then
//! *is* that unknown value. So unknown spreads exactly as far as it is needed.

mod call;
mod force;
pub mod limits;
mod make;
mod names;
mod select;
mod sets;
mod strings;
mod trail;
mod variables;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use bulkhead_syntax::{AttrName, Binding, Expr, ExprId, Lambda, Symbol};
use rustc_hash::FxHashMap;

use crate::arena::Arena;
use crate::builtins::{Globals, Stored};
use crate::code::{Code, Files};
use crate::data::FailureKind;
use crate::error::{Cause, Error, Result};
use crate::explain::Recorded;
use crate::operators::decides;
use crate::outcome::without_escapes;
use crate::pure::derivation::Instantiated;
use crate::pure::regex::Regex;
use crate::value::{Closure, Env, Frame, FreeFrames, List, Pos, Slot, State, Thunk, Truth, Value};
use crate::world::{self, Limits, World};

use self::force::{PassedOver, is_equal_by_place};
use self::limits::Used;
use self::names::Names;
use self::sets::is_plain;
pub use self::strings::normal_path;
use self::variables::frame_at;

/// One evaluation: its files, its caches and what it has used. Stays on one thread.
pub struct Evaluator<'a> {
    pub world: &'a World,
    pub arena: &'a Arena<'a>,
    pub files: Files<'a>,
    pub globals: Globals<'a>,
    /// Values of imported files, by absolute path, with links at their end followed.
    pub imports: RefCell<FxHashMap<Arc<str>, Value<'a>>>,
    /// What lies behind the store paths that were made.
    pub store: RefCell<FxHashMap<Arc<str>, Stored<'a>>>,
    /// Derivations made so far, by their paths.
    pub derivations: RefCell<FxHashMap<String, Rc<Instantiated>>>,
    /// Regular expressions compiled so far.
    pub regexes: RefCell<FxHashMap<&'a [u8], Rc<Regex>>>,
    /// What `trace` and `warn` said.
    pub messages: RefCell<Vec<String>>,
    pub symbols: &'static Symbols,
    limits: Limits,
    steps: Cell<u64>,
    /// What was used and does not count.
    forgiven: Cell<Used>,
    /// At this step steps and memory are looked at.
    next_check: Cell<u64>,
    depth: Cell<u32>,
    /// Bytes that are kept outside of the arena: names that this evaluation was the first to use (they are never given back),
    /// regular expressions, derivations.
    outside: Cell<u64>,
    /// The newest name so far: a newer one is new to the process.
    newest: Cell<Symbol>,
    stack_end: usize,
    passed_over: PassedOver<'a>,
    free_frames: FreeFrames<'a>,
    names: Names<'a>,
    empty_list: &'a List<'a>,
    /// What strings are put together of, if somebody will ask.
    pub recorded: Option<Recorded<'a>>,
    /// What the thunks were, by their addresses, whose values are unknown or may have more attributes; if somebody will
    /// ask.
    pub origins: Option<RefCell<FxHashMap<usize, State<'a>>>>,
    /// Texts that were handed out, by where they lie in memory, which they do as long as the evaluation.
    pub shared_texts: RefCell<FxHashMap<(usize, usize), Arc<str>>>,
    /// Sets that stand for another one, by their addresses: see `Session::stands_for`.
    pub stand_ins: RefCell<FxHashMap<usize, usize>>,
    /// What stands for the values of unknown files and functions: see `Session::stand_in`.
    pub stand_in: Cell<Option<Value<'a>>>,
    /// Whether it is asked for files at hand, too.
    pub stands_for_files_at_hand: Cell<bool>,
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

static SYMBOLS: LazyLock<Symbols> = LazyLock::new(|| Symbols {
    functor: Symbol::new("__functor"),
    to_string: Symbol::new("__toString"),
    out_path: Symbol::new("outPath"),
    overrides: Symbol::new("__overrides"),
    type_: Symbol::new("type"),
    name: Symbol::new("name"),
    value: Symbol::new("value"),
    drv_attrs: Symbol::new("drvAttrs"),
});

/// How many messages of `trace` and `warn` are kept.
const MAX_MESSAGES: usize = 1_000;

/// Sets of so few attributes take no more than a thunk for them would.
const FEW: usize = 4;

impl<'a> Evaluator<'a> {
    pub fn new(world: &'a World, arena: &'a Arena<'a>) -> Evaluator<'a> {
        Evaluator {
            world,
            arena,
            files: Files::default(),
            globals: Globals::of(world, arena),
            imports: RefCell::default(),
            store: RefCell::default(),
            derivations: RefCell::default(),
            regexes: RefCell::default(),
            messages: RefCell::default(),
            symbols: &SYMBOLS,
            limits: *world.limits(),
            steps: Cell::new(0),
            forgiven: Cell::default(),
            next_check: Cell::new(0),
            depth: Cell::new(0),
            outside: Cell::new(0),
            newest: Cell::new(Symbol::new("builtins")),
            stack_end: world::stack_end(),
            passed_over: PassedOver::default(),
            free_frames: FreeFrames::default(),
            names: Names::default(),
            recorded: None,
            origins: None,
            shared_texts: RefCell::default(),
            stand_ins: RefCell::default(),
            stand_in: Cell::new(None),
            stands_for_files_at_hand: Cell::new(false),
            empty_list: arena.alloc(List::new(&[])),
        }
    }

    /// Note what `trace` or `warn` said.
    pub fn say(&self, message: String, pos: Pos) -> Result<'a, ()> {
        self.charge_bytes(message.len());
        let mut messages = self.messages.borrow_mut();
        if messages.len() < MAX_MESSAGES {
            self.keep_outside(message.len() as u64);
            self.reserve(pos, 0)?;
            messages.push(without_escapes(message));
        }
        Ok(())
    }

    /// The value of an expression, forced.
    #[inline(always)]
    pub fn eval(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Result<'a, Value<'a>> {
        let expr = code.expr(id);
        match expr {
            // Most of what is evaluated is a variable whose value is known.
            Expr::Variable { binding: Binding::Local { up, slot }, .. } => {
                if let Some(Slot::Value(value)) = frame_at(env, *up).and_then(|frame| frame.slot(*slot)) {
                    match value {
                        Value::Thunk(thunk) => {
                            if let State::Done(value) = thunk.state.get() {
                                return Ok(value);
                            }
                        }
                        value => return Ok(value),
                    }
                }
            }
            Expr::Text(_, text) => return Ok(Value::String(code.text(*text), code.pos(id))),
            _ => {}
        }
        self.eval_nested(code, env, id, expr)
    }

    /// The same of an expression that has been looked up, without looking whether that takes no work.
    #[inline(never)]
    pub(super) fn eval_nested(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        id: ExprId,
        expr: &'a Expr,
    ) -> Result<'a, Value<'a>> {
        self.step(|| code.pos(id))?;
        let mut at = id;
        match self.eval_expr(code, env, &mut at, expr) {
            Err(error) => caught(error, code.pos(at)),
            value => value,
        }
    }

    /// Leaves in `id` the expression whose value it is: of an `if`, for instance, what was chosen.
    fn eval_expr(
        &self,
        code: &'a Code<'a>,
        mut env: Env<'a>,
        id: &mut ExprId,
        mut expr: &'a Expr,
    ) -> Result<'a, Value<'a>> {
        loop {
            let pos = code.pos(*id);
            return match expr {
                Expr::Int(value) => Ok(Value::Int(*value, pos)),
                Expr::Float(value) => Ok(Value::Float(*value, pos)),
                Expr::Text(_, text) => Ok(Value::String(code.text(*text), pos)),
                Expr::Variable { name, binding } => self.variable(code, env, *name, *binding, pos),
                Expr::Apply { function, arguments } => {
                    let function = self.eval(code, env, *function)?;
                    self.apply_expressions(code, env, function, arguments, pos)
                }
                Expr::Select { base, path, default } => {
                    let base = self.eval(code, env, *base)?;
                    self.select(code, env, base, path, *default, pos)
                }
                Expr::If { condition, consequence, alternative } => {
                    *id = if self.condition(code, env, *condition)? { *consequence } else { *alternative };
                    expr = code.expr(*id);
                    continue;
                }
                Expr::Lambda(lambda) => Ok(self.closure(code, lambda, env, pos)),
                Expr::Let { bindings, body } => {
                    env = Some(self.let_frame(code, env, bindings));
                    *id = *body;
                    expr = code.expr(*id);
                    continue;
                }
                Expr::Attrs(set) => self.attr_set(code, env, set, pos),
                Expr::List(items) => self.list_expr(code, env, items, pos),
                Expr::With { scope, body, outer } => {
                    let scope = self.delay(code, env, *scope);
                    env = Some(self.arena.alloc(Frame::with(scope, *outer, env)));
                    *id = *body;
                    expr = code.expr(*id);
                    continue;
                }
                Expr::Assert { condition, body } => {
                    if !self.condition(code, env, *condition)? {
                        return Err(assertion_failed(code, *condition));
                    }
                    *id = *body;
                    expr = code.expr(*id);
                    continue;
                }
                Expr::Binary { operator, left, right } => self.binary(code, env, *operator, *left, *right, pos),
                Expr::Not(operand) => Ok(Value::bool(!self.condition(code, env, *operand)?, pos)),
                Expr::Negate(operand) => self.negate(self.eval(code, env, *operand)?, pos),
                Expr::HasAttr { base, path } => Ok(Value::bool(self.has_attr(code, env, *base, path, pos)?, pos)),
                Expr::Interpolated(parts) => self.interpolated(code, env, parts, pos),
                Expr::Path(path) => self.path_literal(code, env, path, pos),
                Expr::SearchPath { path, find_file, nix_path } => {
                    self.search_path(code, env, path, *find_file, *nix_path, pos)
                }
                Expr::CurrentPosition => Ok(self.position_value(pos)),
            };
        }
    }

    fn list_expr(&self, code: &'a Code<'a>, env: Env<'a>, items: &'a [ExprId], pos: Pos) -> Result<'a, Value<'a>> {
        self.reserve(pos, items.len() * size_of::<Value<'_>>())?;
        Ok(self.row(items.len(), |index| self.delay(code, env, items[index]), pos))
    }

    fn search_path(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        path: &'a str,
        find_file: ExprId,
        nix_path: ExprId,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let find_file = self.eval(code, env, find_file)?;
        let nix_path = self.delay(code, env, nix_path);
        let name = self.borrowed_string(path.as_bytes(), pos);
        self.apply_forced(find_file, &[nix_path, name], pos)
    }

    /// A value for an expression that may never be needed: itself if that takes no work, else a thunk.
    pub fn delay(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Value<'a> {
        match code.expr(id) {
            // Small literals are made at once: a thunk would take as much.
            Expr::Attrs(set) if set.attrs.len() <= FEW && is_plain(set) => self.plain_set(code, env, set, code.pos(id)),
            _ => self.delay_parts(code, env, id),
        }
    }

    /// The same, without looking into literals.
    #[inline(always)]
    fn delay_parts(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Value<'a> {
        match code.expr(id) {
            Expr::Variable { binding: Binding::Local { up, slot }, .. } => {
                let Some(frame) = frame_at(env, *up) else { return self.thunk(code, env, id) };
                match frame.slot(*slot) {
                    Some(Slot::Value(Value::Thunk(thunk))) => match thunk.state.get() {
                        State::Done(settled) if !self.needs_thunk(settled) => settled,
                        _ => Value::Thunk(thunk),
                    },
                    Some(Slot::Value(value)) => value,
                    _ => self.keep_slot(code, frame, *slot).unwrap_or_else(|| self.thunk(code, env, id)),
                }
            }
            Expr::Lambda(lambda) => self.closure(code, lambda, env, code.pos(id)),
            Expr::Text(_, text) => Value::String(code.text(*text), code.pos(id)),
            Expr::Int(value) => Value::Int(*value, code.pos(id)),
            Expr::Float(value) => Value::Float(*value, code.pos(id)),
            Expr::List(items) if items.is_empty() => Value::List(self.empty_list, code.pos(id)),
            Expr::Variable { name, binding: Binding::Global } => {
                self.global(code, *name).unwrap_or_else(|| self.thunk(code, env, id))
            }
            Expr::Select { base, path, default: None } => {
                self.selected(code, env, *base, path).unwrap_or_else(|| self.thunk(code, env, id))
            }
            _ => self.thunk(code, env, id),
        }
    }

    /// What is selected from a set that is there.
    fn selected(&self, code: &'a Code<'a>, env: Env<'a>, base: ExprId, path: &'a [AttrName]) -> Option<Value<'a>> {
        let Expr::Variable { binding: Binding::Local { up, slot }, .. } = code.expr(base) else { return None };
        let Slot::Value(mut value) = frame_at(env, *up)?.slot(*slot)? else { return None };
        for name in path {
            let (Value::Attrs(attrs, _), AttrName::Static(name, _)) = (value.settled(), name) else { return None };
            value = attrs.get(*name)?.value;
        }
        // One that is unknown comes in here, and must say so.
        if matches!(value, Value::Unknown(..)) || is_equal_by_place(value) { None } else { Some(value) }
    }

    #[inline]
    fn thunk(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Value<'a> {
        self.thunk_of(State::delayed(code.index, id, env))
    }

    #[inline]
    pub fn thunk_of(&self, state: State<'a>) -> Value<'a> {
        Value::Thunk(self.arena.alloc(Thunk { state: Cell::new(state) }))
    }

    #[inline]
    fn closure(&self, code: &'a Code<'a>, lambda: &'a Lambda, env: Env<'a>, pos: Pos) -> Value<'a> {
        Value::Closure(self.arena.alloc(Closure::new(code, lambda, env)), pos)
    }

    /// Whether a condition holds. What decides operators is looked at right here, without making values of it.
    pub fn condition(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Result<'a, bool> {
        let pos = code.pos(id);
        let decided = match code.expr(id) {
            Expr::Not(operand) => return Ok(!self.condition(code, env, *operand)?),
            Expr::Binary { operator, left, right } if decides(*operator) => {
                self.nested(pos, || self.decide(code, env, *operator, *left, *right, pos))
            }
            Expr::HasAttr { base, path } => self.nested(pos, || self.has_attr(code, env, *base, path, pos)),
            _ => match self.eval(code, env, id)? {
                Value::Bool(Truth(value), _) => return Ok(value),
                other => Err(self.wrong_type("a Boolean", other, pos)),
            },
        };
        decided.map_err(|error| error.or_at(pos))
    }
}

/// Turn the failure "this is unknown" into an unknown value, made at `pos`.
#[cold]
fn caught<'a>(error: Box<Error<'a>>, pos: Pos) -> Result<'a, Value<'a>> {
    match error.cause {
        Cause::Unknown(unknown) => Ok(Value::Unknown(unknown, pos)),
        Cause::Failure(_) => Err(error.or_at(pos)),
    }
}

#[cold]
fn assertion_failed<'a>(code: &Code<'a>, condition: ExprId) -> Box<Error<'a>> {
    let span = code.ast.span(condition);
    let text = code.ast.text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let message = format!("assertion '{}' failed", shortened(text));
    Error::new(FailureKind::Thrown, message, code.pos(condition))
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    // Each word has a character, so that more of them don't matter.
    let line = text.split_whitespace().take(SHOWN).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
