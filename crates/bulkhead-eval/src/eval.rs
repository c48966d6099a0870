//! The interpreter: expressions to values.
//!
//! [`Evaluator::eval`] gives a forced value; [`Evaluator::delay`] gives one that may be a thunk. Everything that can
//! recurse goes through [`Evaluator::nested`], which is where depth, steps and memory are limited.
//!
//! # What is unknown
//! An operation that needs something unknown fails with [`Cause::Unknown`]; the innermost expression around it then
//! *is* that unknown value. So unknown spreads exactly as far as it is needed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{
    AttrName, AttrSet, AttrValue, Binding, Expr, ExprId, Parameter, PathAnchor, PathLiteral, StringPart, Symbol,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::builtins::{Builtin, Globals, Stored};
use crate::code::{Code, Files};
use crate::data::FailureKind;
use crate::error::{Cause, Error, Result};
use crate::memory::{self, Cycles};
use crate::operators::CoerceMode;
use crate::pure::path;
use crate::pure::regex::Regex;
use crate::value::{
    Attr, Attrs, Closure, Context, Env, Frame, Partial, PathValue, Pos, State, Str, Thunk, Unknown, Value,
};
use crate::world::{self, World};

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

/// Bytes that a name takes besides its text, roughly.
const NAME: u64 = 96;

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

    /// Do something that recurses, within the limits.
    pub fn nested<T>(&self, pos: Pos, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get();
        self.tick(pos, 1)?;
        if depth >= self.world.limits().depth || world::stack_position() < self.stack_end {
            return Err(self.limit(pos, format!("evaluation is nested more than {depth} levels deep")));
        }
        self.depth.set(depth + 1);
        let result = work();
        self.depth.set(depth);
        result
    }

    /// Count steps, and now and then look at the memory.
    pub fn tick(&self, pos: Pos, steps: u64) -> Result<()> {
        let before = self.steps.get();
        let now = before.saturating_add(steps);
        self.steps.set(now);
        if now > self.world.limits().steps {
            let limit = self.world.limits().steps;
            return Err(self.limit(pos, format!("evaluation takes more than {limit} steps")));
        }
        if (before ^ now) >> 10 != 0 {
            self.reserve(pos, 0)?;
        }
        Ok(())
    }

    /// Fail if `bytes` more would be too much memory.
    pub fn reserve(&self, pos: Pos, bytes: usize) -> Result<()> {
        let limit = self.world.limits().memory;
        let values = memory::live().saturating_sub(self.memory_before);
        let used = values.saturating_add(self.names.get()).saturating_add(bytes as u64);
        if used > limit {
            return Err(self.limit(pos, format!("evaluation needs more than {} MiB of memory", limit >> 20)));
        }
        Ok(())
    }

    /// Count work on so many bytes or items, done by a loop that is not interpreted.
    pub fn tick_bulk(&self, pos: Pos, amount: usize) -> Result<()> {
        self.tick(pos, (amount / 64) as u64)
    }

    /// How many steps are left.
    pub fn steps_left(&self) -> u64 {
        self.world.limits().steps.saturating_sub(self.steps.get())
    }

    /// A name that is made during the evaluation. Names live as long as the process, so they count as memory for good.
    pub fn intern(&self, name: &str) -> Symbol {
        let symbol = Symbol::new(name);
        if symbol > self.newest.get() {
            self.newest.set(symbol);
            self.names.set(self.names.get() + name.len() as u64 + NAME);
        }
        symbol
    }

    /// Whether there are steps left, and memory for `bytes` more.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.steps_left() > 0 && self.reserve(Pos::NONE, bytes).is_ok()
    }

    pub fn limit(&self, pos: Pos, message: String) -> Box<Error> {
        Error::new(FailureKind::Limit, message, pos)
            .with_help("if this is meant, raise the limit (see `bulkhead eval --help`, or [limits] in bulkhead.toml)")
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

    /// The value behind a thunk.
    pub fn force(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Thunk(thunk) => self.force_thunk(thunk),
            value => Ok(value.clone()),
        }
    }

    fn force_thunk(&self, thunk: &Rc<Thunk>) -> Result<Value> {
        let state = thunk.state.replace(State::Running);
        match state {
            State::Done(value) => {
                thunk.state.set(State::Done(value.clone()));
                Ok(value)
            }
            State::Delayed { file, expr, env } => {
                let code = self.files.get(file);
                let result = self.eval(&code, &env, expr);
                thunk.state.set(match &result {
                    Ok(value) => State::Done(value.clone()),
                    Err(_) => State::Delayed { file, expr, env },
                });
                result
            }
            State::Apply(parts) => {
                let pos = parts.2;
                let result = self.nested(pos, || self.apply(&parts.0, std::slice::from_ref(&parts.1), pos));
                self.settle(thunk, result, State::Apply(parts), pos)
            }
            State::Select(parts) => {
                let pos = parts.2;
                let result = self.nested(pos, || {
                    let set = self.force(&parts.0)?;
                    self.select_name(&set, parts.1, pos)
                });
                self.settle(thunk, result, State::Select(parts), pos)
            }
            State::Forward(value) => {
                let result = self.nested(Pos::NONE, || self.force(&value));
                self.settle(thunk, result, State::Forward(value), Pos::NONE)
            }
            State::Running => Err(Error::evaluation("infinite recursion encountered", Pos::NONE)
                .with_help("a value is needed to compute itself; follow the places below to see how")),
        }
    }

    fn settle(&self, thunk: &Thunk, result: Result<Value>, again: State, pos: Pos) -> Result<Value> {
        let result = self.unless_unknown(result, pos);
        thunk.state.set(match &result {
            Ok(value) => State::Done(value.clone()),
            Err(_) => again,
        });
        result
    }

    /// Turn the failure "this is unknown" into an unknown value.
    pub fn unless_unknown(&self, result: Result<Value>, pos: Pos) -> Result<Value> {
        match result {
            Err(error) => match error.cause {
                Cause::Unknown(unknown) => Ok(Value::Unknown(unknown, pos)),
                Cause::Failure(_) => Err(error),
            },
            value => value,
        }
    }

    /// Force a value all the way down, as `deepSeq` does: each set and list once, so that what contains itself has an
    /// end. Unknown parts are left alone.
    pub fn force_deep(&self, value: &Value, pos: Pos) -> Result<Value> {
        self.force_parts(value, pos, &mut FxHashSet::default())
    }

    fn force_parts(&self, value: &Value, pos: Pos, seen: &mut FxHashSet<*const ()>) -> Result<Value> {
        self.nested(pos, || {
            let forced = self.force(value)?;
            match &forced {
                Value::List(list, _) if seen.insert(Rc::as_ptr(list).cast()) => {
                    for item in list.items.iter().filter(|item| !is_plain(item)) {
                        self.force_parts(item, pos, seen)?;
                    }
                }
                Value::Attrs(attrs, _) if seen.insert(Rc::as_ptr(attrs).cast()) => {
                    // The outputs of a derivation lead to each other.
                    if self.uninstantiated(attrs).is_some() {
                        return match attrs.get(self.symbols.drv_attrs) {
                            Some(attr) => self.force_parts(&attr.value, attr.key, seen).map(|_| forced.clone()),
                            None => Ok(forced.clone()),
                        };
                    }
                    for attr in attrs.by_name().into_iter().filter(|attr| !is_plain(&attr.value)) {
                        self.force_parts(&attr.value, attr.key, seen).map_err(|error| {
                            error
                                .or_at(attr.key)
                                .through(attr.key, || format!("while evaluating the attribute `{}`", attr.name))
                        })?;
                    }
                }
                _ => {}
            }
            Ok(forced)
        })
    }

    fn condition(&self, code: &Rc<Code>, env: &Env, id: ExprId) -> Result<bool> {
        let value = self.eval(code, env, id)?;
        self.expect_bool(&value, code.pos(id))
    }

    fn global(&self, code: &Code, name: Symbol) -> Option<Value> {
        if let Some(value) = code.scope.as_ref().and_then(|scope| scope.get(&name)) {
            return Some(value.clone());
        }
        self.globals.get(name)
    }

    fn variable(&self, code: &Rc<Code>, env: &Env, name: Symbol, binding: Binding, pos: Pos) -> Result<Value> {
        match binding {
            Binding::Local { up, slot } => {
                let Some(value) = frame_at(env, up).and_then(|frame| frame.slot(slot)) else {
                    return Err(Error::evaluation(format!("`{name}` is not bound yet"), pos));
                };
                match value {
                    Value::Thunk(thunk) => self.force_variable(&thunk, name, pos),
                    value => Ok(value),
                }
            }
            Binding::Global => match self.global(code, name) {
                Some(value) => self.force(&value).map(|value| self.reached(value, pos)),
                None => Err(self.undefined(name, pos)),
            },
            Binding::With { up } => self.variable_of_with(code, env, name, up, pos),
        }
    }

    fn force_variable(&self, thunk: &Rc<Thunk>, name: Symbol, pos: Pos) -> Result<Value> {
        self.force_thunk(thunk)
            .map_err(|error| error.or_at(pos).through(pos, || format!("while evaluating the variable `{name}`")))
    }

    /// Globals come before every `with`: they are the outermost static scope.
    fn variable_of_with(&self, code: &Rc<Code>, env: &Env, name: Symbol, up: u32, pos: Pos) -> Result<Value> {
        if let Some(value) = self.global(code, name) {
            return self.force(&value);
        }
        let mut frame = frame_at(env, up);
        while let Some(current) = frame {
            let Some(scope) = current.slot(0) else { break };
            let scope = self.force(&scope)?;
            match &scope {
                Value::Attrs(attrs, _) => {
                    if let Some(attr) = attrs.get(name) {
                        let value = self.force(&attr.value).map_err(|error| {
                            error.or_at(pos).through(pos, || format!("while evaluating the variable `{name}`"))
                        })?;
                        return Ok(self.reached(value, pos));
                    }
                    if let Some(unknown) = &attrs.open {
                        return Err(Error::unknown(unknown, pos));
                    }
                }
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                other => {
                    return Err(Error::evaluation(format!("expected a set but found {}", other.described_type()), pos)
                        .with_help("`with` takes a set"));
                }
            }
            frame = current.outer_with();
        }
        Err(self.undefined(name, pos))
    }

    pub fn undefined(&self, name: Symbol, pos: Pos) -> Box<Error> {
        let error = Error::evaluation(format!("undefined variable '{name}'"), pos);
        match nearest(name.as_str(), self.globals.names()) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    fn select(
        &self,
        code: &Rc<Code>,
        env: &Env,
        base: ExprId,
        path: &[AttrName],
        default: Option<ExprId>,
        pos: Pos,
    ) -> Result<Value> {
        let mut value = self.eval(code, env, base)?;
        for (index, part) in path.iter().enumerate() {
            let (name, name_pos) = self.attr_name(code, env, part)?;
            let found = match &value {
                Value::Attrs(attrs, _) => match attrs.get(name) {
                    Some(attr) => Some(attr.value.clone()),
                    None => match &attrs.open {
                        Some(unknown) => return Err(Error::unknown(unknown, pos)),
                        None => None,
                    },
                },
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                _ => None,
            };
            let Some(found) = found else {
                return match default {
                    Some(default) => self.eval(code, env, default),
                    None => Err(self.missing(&value, name, name_pos)),
                };
            };
            value = match found {
                Value::Thunk(thunk) => self.force_thunk(&thunk).map_err(|error| {
                    let names: Vec<String> = path[..=index]
                        .iter()
                        .filter_map(|part| self.attr_name(code, env, part).ok())
                        .map(|(n, _)| n.to_string())
                        .collect();
                    error.or_at(pos).through(pos, || format!("while evaluating the attribute `{}`", names.join(".")))
                })?,
                value => value,
            };
        }
        Ok(self.reached(value, pos))
    }

    /// `set.name`, forced.
    pub fn select_name(&self, set: &Value, name: Symbol, pos: Pos) -> Result<Value> {
        match set {
            Value::Attrs(attrs, _) => match (attrs.get(name), &attrs.open) {
                (Some(attr), _) => self.force(&attr.value).map(|value| self.reached(value, pos)),
                (None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
                (None, None) => Err(self.missing(set, name, pos)),
            },
            Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
            _ => Err(self.missing(set, name, pos)),
        }
    }

    fn missing(&self, value: &Value, name: Symbol, pos: Pos) -> Box<Error> {
        let Value::Attrs(attrs, _) = value else {
            return Error::evaluation(format!("expected a set but found {}", value.described_type()), pos)
                .with_help(format!("`.{name}` selects from a set"));
        };
        let error = Error::evaluation(format!("attribute '{name}' missing"), pos);
        match nearest(name.as_str(), attrs.entries().iter().map(|attr| attr.name.as_str())) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    fn has_attr(&self, code: &Rc<Code>, env: &Env, base: ExprId, path: &[AttrName], pos: Pos) -> Result<Value> {
        let mut value = self.eval(code, env, base)?;
        for (index, part) in path.iter().enumerate() {
            let (name, _) = self.attr_name(code, env, part)?;
            let next = match &value {
                Value::Attrs(attrs, _) => match (attrs.get(name), &attrs.open) {
                    (Some(attr), _) => attr.value.clone(),
                    (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                    (None, None) => return Ok(Value::Bool(false, pos)),
                },
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                _ => return Ok(Value::Bool(false, pos)),
            };
            if index + 1 < path.len() {
                value = self.force(&next)?;
            }
        }
        Ok(Value::Bool(true, pos))
    }

    fn attr_name(&self, code: &Rc<Code>, env: &Env, name: &AttrName) -> Result<(Symbol, Pos)> {
        match name {
            AttrName::Static(symbol, key) => Ok((*symbol, code.name_pos(*key))),
            AttrName::Dynamic(id) => {
                let pos = code.pos(*id);
                let value = self.eval(code, env, *id)?;
                Ok((self.expect_symbol(&value, pos)?, pos))
            }
        }
    }

    /// The frame of a recursive set or `let`, with thunks that see it.
    fn frame_of(&self, code: &Rc<Code>, outer: &Env, set: &AttrSet) -> Rc<Frame> {
        // What may be overridden must be a thunk, so that it can be replaced for those who see it.
        let overridden = set.attrs.iter().any(|attr| attr.name == self.symbols.overrides);
        let frame = Frame::recursive(outer.clone(), |inner| {
            let sources: Vec<Value> = set.inherit_from.iter().map(|id| self.thunk(code, inner, *id)).collect();
            let mut values = Vec::with_capacity(set.attrs.len() + sources.len());
            values.extend(set.attrs.iter().map(|attr| match attr.value {
                AttrValue::Expr(id) if overridden => self.thunk(code, inner, id),
                _ => self.attr_value(code, outer, inner, &sources, attr),
            }));
            values.extend(sources);
            values
        });
        self.cycles.add(&frame);
        frame
    }

    fn attr_value(
        &self,
        code: &Rc<Code>,
        outer: &Env,
        inner: &Env,
        sources: &[Value],
        attr: &bulkhead_syntax::Attr,
    ) -> Value {
        match attr.value {
            AttrValue::Expr(id) => self.delay(code, inner, id),
            AttrValue::Inherit(id) => self.delay(code, outer, id),
            AttrValue::InheritFrom { source } => Value::thunk(State::Select(Box::new((
                sources[source as usize].clone(),
                attr.name,
                code.name_pos(attr.key),
            )))),
        }
    }

    fn attr_set(&self, code: &Rc<Code>, env: &Env, set: &AttrSet, pos: Pos) -> Result<Value> {
        self.reserve(pos, set.attrs.len() * size_of::<Attr>())?;
        let mut entries = Vec::with_capacity(set.attrs.len() + set.dynamic.len());
        let inner = if set.recursive {
            let frame = self.frame_of(code, env, set);
            for (slot, attr) in set.attrs.iter().enumerate() {
                let Some(value) = frame.slot(slot as u32) else { continue };
                entries.push(Attr { name: attr.name, key: code.name_pos(attr.key), value });
            }
            let inner = Some(frame);
            if set.attrs.iter().any(|attr| attr.name == self.symbols.overrides) {
                self.override_slots(&inner, set, &mut entries, pos)?;
            }
            inner
        } else {
            let sources: Vec<Value> = set.inherit_from.iter().map(|id| self.delay(code, env, *id)).collect();
            entries.extend(set.attrs.iter().map(|attr| Attr {
                name: attr.name,
                key: code.name_pos(attr.key),
                value: self.attr_value(code, env, env, &sources, attr),
            }));
            env.clone()
        };
        if set.dynamic.is_empty() {
            return Ok(Value::attrs(Attrs::new(entries), pos));
        }
        let mut open = None;
        let mut seen: FxHashMap<Symbol, Pos> = entries.iter().map(|attr| (attr.name, attr.key)).collect();
        for dynamic in &set.dynamic {
            let key = code.pos(dynamic.name);
            let name = self.eval(code, &inner, dynamic.name)?;
            let name = match &name {
                Value::Null(_) => continue,
                Value::Unknown(unknown, _) => {
                    open.get_or_insert_with(|| unknown.clone());
                    continue;
                }
                name => self.expect_symbol(name, key)?,
            };
            if seen.insert(name, key).is_some() {
                return Err(Error::evaluation(format!("dynamic attribute '{name}' is already defined"), key));
            }
            entries.push(Attr { name, key, value: self.delay(code, &inner, dynamic.value) });
        }
        entries.sort_unstable_by_key(|attr| attr.name);
        Ok(Value::attrs(Attrs::from_sorted(entries, open), pos))
    }

    /// `rec { __overrides = { … }; … }`: what it holds replaces the attributes of the set, also as they see each other.
    fn override_slots(&self, inner: &Env, set: &AttrSet, entries: &mut Vec<Attr>, pos: Pos) -> Result<()> {
        let Some(attr) = entries.iter().find(|attr| attr.name == self.symbols.overrides) else { return Ok(()) };
        let overrides = self.force(&attr.value)?;
        let overrides = self.expect_attrs(&overrides, pos)?;
        for over in overrides.entries() {
            match set.attrs.iter().position(|attr| attr.name == over.name) {
                Some(slot) => {
                    entries[slot].value = over.value.clone();
                    entries[slot].key = over.key;
                    // An override that is the attribute itself is already what it is.
                    if let Some(Value::Thunk(thunk)) = inner.as_ref().and_then(|frame| frame.slot(slot as u32))
                        && !matches!(&over.value, Value::Thunk(other) if Rc::ptr_eq(other, &thunk))
                    {
                        thunk.state.set(State::Forward(over.value.clone()));
                    }
                }
                None => entries.push(over.clone()),
            }
        }
        Ok(())
    }

    /// Apply a function to arguments, one after the other.
    pub fn apply(&self, function: &Value, arguments: &[Value], pos: Pos) -> Result<Value> {
        let function = self.force(function)?;
        self.apply_forced(function, arguments, pos)
    }

    fn apply_forced(&self, mut function: Value, mut arguments: &[Value], pos: Pos) -> Result<Value> {
        while let Some((first, rest)) = arguments.split_first() {
            match &function {
                Value::Closure(closure, _) => {
                    function = self.call_closure(closure, first.clone(), pos)?;
                    arguments = rest;
                }
                Value::Builtin(builtin, _) => {
                    let arity = builtin.arity as usize;
                    if arguments.len() < arity {
                        return Ok(Value::Partial(Rc::new(Partial { builtin, arguments: arguments.to_vec() }), pos));
                    }
                    function = self.call_builtin(builtin, &arguments[..arity], pos)?;
                    arguments = &arguments[arity..];
                }
                Value::Partial(partial, _) => {
                    let builtin = partial.builtin;
                    let missing = builtin.arity as usize - partial.arguments.len();
                    let take = missing.min(arguments.len());
                    let all: Vec<Value> = partial.arguments.iter().chain(&arguments[..take]).cloned().collect();
                    if take < missing {
                        return Ok(Value::Partial(Rc::new(Partial { builtin, arguments: all }), pos));
                    }
                    function = self.call_builtin(builtin, &all, pos)?;
                    arguments = &arguments[take..];
                }
                Value::Attrs(attrs, _) => {
                    let Some(functor) = attrs.get(self.symbols.functor) else {
                        if let Some(unknown) = &attrs.open {
                            return Err(Error::unknown(unknown, pos));
                        }
                        return Err(self.not_a_function(&function, pos));
                    };
                    let functor = functor.value.clone();
                    function = self.nested(pos, || self.apply(&functor, std::slice::from_ref(&function), pos))?;
                }
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                other => return Err(self.not_a_function(other, pos)),
            }
        }
        self.force(&function)
    }

    fn not_a_function(&self, value: &Value, pos: Pos) -> Box<Error> {
        Error::evaluation(
            format!("attempt to call something which is not a function but {}", value.described_type()),
            pos,
        )
    }

    fn call_builtin(&self, builtin: &'static Builtin, arguments: &[Value], pos: Pos) -> Result<Value> {
        let result = self.nested(pos, || (builtin.run)(self, arguments, pos));
        self.unless_unknown(result, pos)
            .map_err(|error| error.or_at(pos).through(pos, || format!("while calling the builtin `{}`", builtin.name)))
    }

    fn call_closure(&self, closure: &Closure, argument: Value, pos: Pos) -> Result<Value> {
        let Expr::Lambda(lambda) = closure.code.ast.expr(closure.lambda) else {
            return Err(Error::evaluation("not a function", pos));
        };
        let frame = match &lambda.parameter {
            Parameter::Name(..) => Frame::one(argument, closure.env.clone()),
            Parameter::Pattern { .. } => {
                Some(self.match_pattern(closure, &lambda.parameter, lambda.name, argument, pos)?)
            }
        };
        self.eval(&closure.code, &frame, lambda.body).map_err(|error| {
            error.through(pos, || match lambda.name {
                Some(name) => format!("while calling `{name}`"),
                None => "while calling an anonymous function".to_owned(),
            })
        })
    }

    fn match_pattern(
        &self,
        closure: &Closure,
        parameter: &Parameter,
        name: Option<Symbol>,
        argument: Value,
        pos: Pos,
    ) -> Result<Rc<Frame>> {
        let Parameter::Pattern { formals, ellipsis, whole } = parameter else {
            return Err(Error::evaluation("not a pattern", pos));
        };
        let code = &closure.code;
        let called = || name.map_or_else(|| "anonymous function".to_owned(), |name| format!("function '{name}'"));
        let argument = self.force(&argument)?;
        let (attrs, unknown) = match &argument {
            Value::Attrs(attrs, _) => (Some(attrs), attrs.open.as_ref()),
            Value::Unknown(unknown, _) => (None, Some(unknown)),
            other => {
                return Err(Error::evaluation(
                    format!("{} called with {} where it takes a set", called(), other.described_type()),
                    pos,
                ));
            }
        };
        let mut used = 0;
        for formal in formals {
            let given = attrs.is_some_and(|attrs| attrs.get(formal.name).is_some());
            used += usize::from(given);
            if !given && formal.default.is_none() && unknown.is_none() {
                return Err(Error::evaluation(
                    format!("{} called without required argument '{}'", called(), formal.name),
                    pos,
                )
                .through(code.name_pos(formal.key), || format!("`{}` is declared here", formal.name)));
            }
        }
        if let Some(attrs) = attrs.filter(|attrs| !ellipsis && used < attrs.entries().len()) {
            let extra = attrs.by_name().into_iter().find(|attr| !formals.iter().any(|f| f.name == attr.name));
            if let Some(extra) = extra {
                let error =
                    Error::evaluation(format!("{} called with unexpected argument '{}'", called(), extra.name), pos);
                let near = nearest(extra.name.as_str(), formals.iter().map(|f| f.name.as_str()));
                return Err(match near {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        let frame = Frame::recursive(closure.env.clone(), |env| {
            let mut values: Vec<Value> = formals
                .iter()
                .map(|formal| match (attrs.and_then(|attrs| attrs.get(formal.name)), unknown, formal.default) {
                    (Some(attr), ..) => attr.value.clone(),
                    (None, Some(unknown), _) => Value::Unknown(unknown.clone(), code.name_pos(formal.key)),
                    (None, None, Some(default)) => self.delay(code, env, default),
                    (None, None, None) => Value::Null(Pos::NONE),
                })
                .collect();
            if whole.is_some() {
                values.push(argument.clone());
            }
            values
        });
        // Only a default that is used sees the frame.
        if formals.iter().any(|formal| formal.default.is_some()) {
            self.cycles.add(&frame);
        }
        Ok(frame)
    }

    fn concat_parts(
        &self,
        code: &Rc<Code>,
        env: &Env,
        parts: &[StringPart],
        mode: CoerceMode,
        pos: Pos,
    ) -> Result<(Vec<u8>, Option<Rc<Context>>)> {
        let mut bytes = Vec::new();
        let mut context: Option<Rc<Context>> = None;
        for part in parts {
            match part {
                StringPart::Text(text, _) => bytes.extend_from_slice(text.as_bytes()),
                StringPart::Interpolation(id) => {
                    let pos = code.pos(*id);
                    let value = self.eval(code, env, *id)?;
                    let string = self.coerce_to_string(&value, mode, pos)?;
                    bytes.extend_from_slice(&string.bytes);
                    join_context(&mut context, &string.context);
                }
            }
            self.reserve(pos, bytes.len())?;
        }
        Ok((bytes, context))
    }

    fn path_literal(&self, code: &Rc<Code>, env: &Env, literal: &PathLiteral, pos: Pos) -> Result<Value> {
        let (bytes, _) = self.concat_parts(code, env, &literal.parts, CoerceMode::Path, pos)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
        let absolute = match literal.anchor {
            PathAnchor::Absolute => text,
            PathAnchor::Relative => format!("{}/{text}", code.folder),
            PathAnchor::Home => {
                return Err(Error::unknown(
                    &self.unknown("the home folder is not known to an analysis", None, pos),
                    pos,
                ));
            }
        };
        Ok(self.path(&absolute, pos))
    }

    /// A path value of an absolute path, normalised.
    pub fn path(&self, absolute: &str, pos: Pos) -> Value {
        Value::Path(Rc::new(PathValue { path: normal_path(absolute).into() }), pos)
    }

    /// A value that is reached from here. One that is unknown from the start (the clock) comes in here.
    fn reached(&self, value: Value, pos: Pos) -> Value {
        match &value {
            Value::Unknown(unknown, _) if unknown.origin == Pos::NONE => {
                Value::Unknown(self.unknown(&unknown.reason, unknown.help.as_deref(), pos), pos)
            }
            _ => value,
        }
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

fn frame_at(env: &Env, up: u32) -> Option<&Rc<Frame>> {
    let mut frame = env.as_ref()?;
    for _ in 0..up {
        frame = frame.parent.as_ref()?;
    }
    Some(frame)
}

/// An absolute path without `.`, `..` and doubled slashes.
pub fn normal_path(absolute: &str) -> String {
    // Taking away whole parts between slashes leaves UTF-8 what it was.
    String::from_utf8_lossy(&path::canonicalise(absolute.as_bytes())).into_owned()
}

/// Whether there is nothing in the value that could be forced.
fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Thunk(_) | Value::List(..) | Value::Attrs(..))
}

/// Add the context of a part to that of the whole.
pub fn join_context(all: &mut Option<Rc<Context>>, part: &Option<Rc<Context>>) {
    let Some(part) = part else { return };
    match all {
        None => *all = Some(part.clone()),
        Some(all) if Rc::ptr_eq(all, part) => {}
        Some(all) => Rc::make_mut(all).extend(part.iter().cloned()),
    }
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
