//! Looking at values piece by piece, without evaluating more than is asked for.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};

use bulkhead_diagnostics::Place;
use bulkhead_source::TreePath;
use bulkhead_syntax::{Ast, AttrName, BinaryOperator, Binding, Expr, ExprId, Parameter, Symbol, SyntaxError};

use crate::arena::{Arena, Memory};
use crate::code::Code;
use crate::data::{Data, Failure, Unknown};
use crate::error::{Cause, Error};
use crate::eval::Evaluator;
use crate::eval::limits::{Used, sorting};
use crate::outcome::Summary;
use crate::value::{self, Attr, Env, Frame, Pos, Slot, State, Truth, Value};
use crate::world::{Located, World, on_large_stack};

/// One evaluation whose values are looked at one by one. All its values share the limits of the [`World`].
pub struct Session<'a> {
    evaluator: &'a Evaluator<'a>,
    /// Nodes of [`Data`] that were handed out; they count as memory.
    nodes: Cell<usize>,
}

/// A value of a session, perhaps not evaluated yet.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    value: Value<'a>,
    key: Pos,
}

/// What a value is, one level deep.
pub enum Shape<'a> {
    /// A set.
    Attrs(Members<'a>),
    /// A list.
    List(Vec<Node<'a>>),
    /// A string; bytes that are not UTF-8 are replaced.
    String(String),
    /// A path, absolute.
    Path(String),
    /// An integer.
    Int(i64),
    /// A Boolean.
    Bool(bool),
    /// Something that can be called.
    Function,
    /// `null`
    Null,
    /// A float.
    Other,
    /// Something unknown; and what it is put together of, where the expression tells.
    Unknown(Unknown, Option<Split<'a>>),
    /// The evaluation failed.
    Failed(Arc<Failure>),
}

/// What a value is, without what is in it: quicker than [`Shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A set, with what tells it apart ([`Members::identity`]).
    Attrs(usize),
    /// A list.
    List,
    /// A string.
    String,
    /// A path.
    Path,
    /// An integer.
    Int,
    /// A Boolean.
    Bool(bool),
    /// Something that can be called.
    Function,
    /// `null`
    Null,
    /// A float.
    Other,
    /// Something unknown.
    Unknown,
    /// The evaluation failed.
    Failed,
}

/// The attributes of a set.
#[derive(Default)]
pub struct Members<'a> {
    /// By name, in the order of the names' bytes.
    pub attrs: Vec<(&'static str, Node<'a>)>,
    /// Why there may be more, if there may.
    pub open: Option<Unknown>,
    /// What is unknown then, as a value.
    pub rest: Option<Node<'a>>,
    /// If there may be more, and the expression is `left // right`: these.
    pub update: Option<(Node<'a>, Node<'a>)>,
    /// Equal for what is the same set in memory: one that contains itself can be told by it.
    pub identity: usize,
}

impl<'a> Members<'a> {
    /// An attribute.
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        self.attrs.binary_search_by_key(&name, |(name, _)| name).ok().map(|at| self.attrs[at].1)
    }
}

/// What an unknown value is put together of.
pub enum Split<'a> {
    /// `if condition then consequence else alternative`
    If {
        /// The condition; unknown.
        condition: Node<'a>,
        /// The value if it holds.
        consequence: Node<'a>,
        /// The value if it does not.
        alternative: Node<'a>,
    },
    /// `left ++ right`
    Concat(Node<'a>, Node<'a>),
    /// `left // right`
    Update(Node<'a>, Node<'a>),
}

/// What a session has used of the limits at a moment.
#[derive(Clone, Copy)]
pub struct Mark {
    used: Used,
    nodes: usize,
}

/// What tells a value apart from others of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity((u8, u32, u64));

impl Node<'_> {
    /// Equal for what is the same in memory. Of the same value that was made twice it is not.
    pub fn identity(self) -> Identity {
        Identity(self.value.identity())
    }
}

/// A parameter in a pattern.
pub struct FormalName {
    /// Its name.
    pub name: &'static str,
    /// Where it is written.
    pub place: Option<Place>,
}

/// An expression, and the frames it sees.
type Seen<'a> = (&'a Code<'a>, Env<'a>, ExprId);

/// So many calls and `let`s are gone through to find what an unknown value is put together of.
const MAX_STEPS: usize = 32;

impl World {
    /// Evaluate with `work`, piece by piece. The values end with it; what it returns is owned.
    ///
    /// # Errors
    /// The system gives no thread to evaluate on.
    pub fn session<R: Send>(&self, work: impl FnOnce(&Session<'_>) -> R + Send) -> std::io::Result<R> {
        on_large_stack(|| {
            let memory = Memory::new();
            let arena = Arena::new(&memory);
            let mut evaluator = Evaluator::new(self, &arena);
            evaluator.origins = Some(RefCell::default());
            work(&Session { evaluator: &evaluator, nodes: Cell::new(0) })
        })
    }
}

/// A text of this program that has been parsed; see [`Session::own_text`].
pub struct ParsedText(Result<Arc<Ast>, Vec<SyntaxError>>);

impl<'a> Session<'a> {
    /// This moment, as far as limits go.
    pub fn mark(&self) -> Mark {
        Mark { used: self.evaluator.used(), nodes: self.nodes.get() }
    }

    /// Take what comes now for an evaluation that began at `mark`: what was used since does not count. So several
    /// evaluations share what they begin with.
    pub fn begin_again(&self, mark: Mark) {
        self.evaluator.forgive_after(mark.used);
        self.nodes.set(mark.nodes);
    }

    /// How many steps and bytes were used since `mark`.
    pub fn used_since(&self, mark: Mark) -> (u64, u64) {
        let Used { steps, memory } = self.evaluator.used();
        (steps.saturating_sub(mark.used.steps), memory.saturating_sub(mark.used.memory))
    }

    /// The value of a file (or of the `default.nix` in a folder) of the first tree.
    pub fn import(&self, path: &TreePath) -> Result<Node<'a>, Failure> {
        self.import_absolute(&self.absolute(path))
    }

    /// What options of modules are called otherwise: [`World::rename_option`].
    pub fn renamed_options(&self) -> &'a [(String, String)] {
        self.evaluator.world.renamed_options()
    }

    /// The absolute path by which evaluated code names a file or folder of the first tree.
    pub fn absolute(&self, path: &TreePath) -> String {
        Located { mount: self.evaluator.world.first_mount(), path: path.clone() }.absolute()
    }

    /// How messages name the file or folder of an absolute path, if it is in one of the trees.
    pub fn display(&self, absolute: &str) -> Option<Arc<str>> {
        self.evaluator.world.display(absolute)
    }

    /// The value of a file that evaluated code names by this absolute path.
    pub fn import_absolute(&self, path: &str) -> Result<Node<'a>, Failure> {
        self.result(self.evaluator.import_path(path, None, Pos::NONE))
    }

    /// The value of an expression that is in no file of the world. `name` stands for it in places.
    pub fn text(&self, text: &str, name: &str) -> Result<Node<'a>, Failure> {
        self.result(self.evaluator.text_value(text, name, "/", None))
    }

    /// As [`Session::text`] for a text of this program, which is parsed once for all sessions. `cell` keeps it.
    pub fn own_text(&self, cell: &OnceLock<ParsedText>, text: &str, name: &str) -> Result<Node<'a>, Failure> {
        let parsed = cell.get_or_init(|| ParsedText(bulkhead_syntax::parse(text).map(Arc::new)));
        self.result(self.evaluator.parsed_text_value(parsed.0.clone(), name, "/", None))
    }

    /// Let a function say what stands for files and functions that are unknown: it is called with `"file"` where a file is
    /// imported, or with `"function"` where a function is called, and with how that was reached, `.nixpkgs/nixos` for
    /// example; `null` stands for nothing. Files `at_hand` are asked for by their paths, if they lie outside of the first
    /// tree.
    pub fn stand_in(&self, function: Node<'a>, at_hand: bool) {
        self.evaluator.stand_in.set(Some(function.value));
        self.evaluator.stands_for_files_at_hand.set(at_hand);
    }

    /// How something unknown was reached, as [`Session::stand_in`] has it; empty if that is not noted.
    pub fn trail(&self, node: Node<'a>) -> &'a str {
        match self.evaluator.force(node.value) {
            Ok(Value::Unknown(unknown, _)) => unknown.trail,
            Err(error) => match &error.cause {
                Cause::Unknown(unknown) => unknown.trail,
                Cause::Failure(_) => "",
            },
            _ => "",
        }
    }

    /// Something unknown. It comes in where something is selected from it.
    pub fn unknown(&self, reason: &str, help: Option<&str>) -> Node<'a> {
        let unknown = self.evaluator.unknown(reason, help, Pos::NONE);
        Node { value: Value::Unknown(unknown, Pos::NONE), key: Pos::NONE }
    }

    /// A string.
    pub fn string(&self, text: &str) -> Node<'a> {
        Node { value: self.evaluator.string(text, Pos::NONE), key: Pos::NONE }
    }

    /// `null`
    pub fn null(&self) -> Node<'a> {
        Node { value: Value::Null(Pos::NONE), key: Pos::NONE }
    }

    /// A Boolean.
    pub fn bool(&self, value: bool) -> Node<'a> {
        Node { value: Value::bool(value, Pos::NONE), key: Pos::NONE }
    }

    /// An integer.
    pub fn int(&self, value: i64) -> Node<'a> {
        Node { value: Value::Int(value, Pos::NONE), key: Pos::NONE }
    }

    /// A list.
    pub fn list(&self, items: &[Node<'a>]) -> Node<'a> {
        let items = items.iter().map(|node| node.value);
        Node { value: self.evaluator.list(items, Pos::NONE), key: Pos::NONE }
    }

    /// A value under the name of another: [`Session::key`] of both is the same.
    pub fn named_as(&self, node: Node<'a>, other: Node<'a>) -> Node<'a> {
        Node { value: node.value, key: other.key }
    }

    /// A set; with `open` there may be more attributes in it, for the reason for which that node is unknown.
    pub fn attrs(&self, entries: Vec<(&str, Node<'a>)>, open: Option<Node<'a>>) -> Node<'a> {
        let attr = |(name, node): (&str, Node<'a>)| Attr { name: Symbol::new(name), key: node.key, value: node.value };
        let mut entries: Vec<Attr<'a>> = entries.into_iter().map(attr).collect();
        entries.sort_by_key(|attr| attr.name);
        entries.dedup_by_key(|attr| attr.name);
        let open = open.map(|node| self.reason(node));
        let entries = self.evaluator.arena.copied(&entries);
        Node { value: self.evaluator.sorted_attrs(entries, open, Pos::NONE), key: Pos::NONE }
    }

    /// Why a node is unknown. One that has not been looked at is taken for that all the same.
    fn reason(&self, node: Node<'a>) -> &'a value::Unknown<'a> {
        match node.value.resolved() {
            Value::Unknown(unknown, _) => unknown,
            _ => self.evaluator.unknown("there may be more here", None, node.key),
        }
    }

    /// What a function gives for an argument; evaluated when it is looked at.
    pub fn call(&self, function: Node<'a>, argument: Node<'a>) -> Result<Node<'a>, Failure> {
        let ev = self.evaluator;
        let called = ev.force(function.value).and_then(|forced| match forced {
            Value::Closure(closure, pos) => {
                let frame = ev.bind(closure.code, closure.lambda, closure.env(), argument.value, pos)?;
                Ok(ev.thunk_of(State::delayed(closure.code.index, closure.lambda.body, Some(frame))))
            }
            other => Ok(ev.lazy_apply(other, argument.value, other.pos())),
        });
        Ok(Node { value: called.map_err(|error| ev.failure_of(*error))?, key: function.key })
    }

    /// The names in a function's pattern; none if it takes any argument. `None` if it is no function of the language.
    pub fn formals(&self, function: Node<'a>) -> Option<Vec<FormalName>> {
        let Ok(Value::Closure(closure, _)) = self.evaluator.force(function.value) else { return None };
        let Parameter::Pattern { formals, .. } = &closure.lambda.parameter else { return Some(Vec::new()) };
        let name = |formal: &bulkhead_syntax::Formal| FormalName {
            name: formal.name.as_str(),
            place: self.evaluator.files.place(closure.code.name_pos(formal.key)),
        };
        Some(formals.iter().map(name).collect())
    }

    /// What a function can see of a set that it is called with: attributes of these names. `None` if it may be more.
    pub fn seen_by(&self, function: Node<'a>) -> Option<Vec<&'static str>> {
        let ev = self.evaluator;
        let Ok(Value::Closure(closure, _)) = ev.force(function.value) else { return None };
        let is_read = |name: Symbol| closure.code.reads(ev.arena, name);
        match &closure.lambda.parameter {
            Parameter::Name(name, _) => (!is_read(*name)).then(Vec::new),
            Parameter::Pattern { ellipsis: false, .. } => None,
            Parameter::Pattern { whole: Some((name, _)), .. } if is_read(*name) => None,
            Parameter::Pattern { formals, .. } => {
                let read = formals.iter().map(|formal| formal.name).filter(|name| is_read(*name));
                Some(read.map(Symbol::as_str).collect())
            }
        }
    }

    /// Where the value's name is written, if it is an attribute.
    pub fn key(&self, node: Node<'a>) -> Option<Place> {
        self.evaluator.files.place(node.key)
    }

    /// The expression that made a value which was looked at.
    pub fn place(&self, node: Node<'a>) -> Option<Place> {
        self.evaluator.files.place(node.value.resolved().pos())
    }

    /// The value, all the way down.
    pub fn data(&self, node: Node<'a>) -> Data {
        let (data, nodes) = self.evaluator.data_after(node.value, self.nodes.get());
        self.nodes.set(nodes);
        data
    }

    /// What [`Session::data`] would give, in short, and whether some of it is unknown because `awaited` is.
    pub fn summary(&self, node: Node<'a>, awaited: &str) -> Summary {
        self.evaluator.summary_of(node.value, self.nodes.get(), awaited)
    }

    /// Take a set for the one that `identity` tells ([`Members::identity`]), or for itself: an earlier or later state of the
    /// same thing. So a set that has an earlier state of itself in it contains itself, and has no end. Gives the identity.
    pub fn stands_for(&self, node: Node<'a>, identity: Option<usize>) -> Option<usize> {
        let Ok(Value::Attrs(attrs, _)) = self.evaluator.force(node.value) else { return identity };
        let own = std::ptr::from_ref(attrs) as usize;
        let identity = identity.unwrap_or(own);
        self.evaluator.stand_ins.borrow_mut().insert(own, identity);
        Some(identity)
    }

    /// What a value is, without what is in it.
    pub fn form(&self, node: Node<'a>) -> Form {
        let ev = self.evaluator;
        match ev.nested(node.key, || ev.force(node.value)) {
            Ok(Value::Attrs(attrs, _)) => Form::Attrs(ev.identity(attrs)),
            Ok(Value::List(..)) => Form::List,
            Ok(Value::String(..)) => Form::String,
            Ok(Value::Path(..)) => Form::Path,
            Ok(Value::Int(..)) => Form::Int,
            Ok(Value::Bool(Truth(value), _)) => Form::Bool(value),
            Ok(Value::Closure(..) | Value::Builtin(..) | Value::Partial(..)) => Form::Function,
            Ok(Value::Null(_)) => Form::Null,
            Ok(Value::Unknown(..)) => Form::Unknown,
            Ok(Value::Float(..) | Value::Thunk(_)) => Form::Other,
            Err(error) => match &error.cause {
                Cause::Unknown(_) => Form::Unknown,
                Cause::Failure(_) => Form::Failed,
            },
        }
    }

    /// An attribute of what is a set.
    pub fn member(&self, node: Node<'a>, name: &str) -> Option<Node<'a>> {
        let ev = self.evaluator;
        match ev.nested(node.key, || ev.force(node.value)) {
            Ok(Value::Attrs(attrs, _)) => {
                let attr = attrs.get(Symbol::new(name))?;
                Some(Node { value: attr.value, key: attr.key })
            }
            _ => None,
        }
    }

    /// What a value is.
    pub fn look(&self, node: Node<'a>) -> Shape<'a> {
        let ev = self.evaluator;
        let value = match ev.nested(node.key, || ev.force(node.value)) {
            Ok(value) => value,
            Err(error) => match &error.cause {
                Cause::Unknown(unknown) => return Shape::Unknown(ev.unknown_of(unknown), None),
                Cause::Failure(_) => return Shape::Failed(Arc::new(ev.failure_of(*error))),
            },
        };
        match value {
            Value::Attrs(attrs, _) => {
                ev.charge(sorting(attrs.entries().len()));
                let member = |attr: &Attr<'a>| (attr.name.as_str(), Node { value: attr.value, key: attr.key });
                let mut members: Vec<(&'static str, Node<'a>)> = attrs.entries().iter().map(member).collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                Shape::Attrs(Members {
                    attrs: members,
                    open: attrs.open.map(|unknown| ev.unknown_of(unknown)),
                    rest: attrs.open.map(|unknown| Node { value: Value::Unknown(unknown, Pos::NONE), key: Pos::NONE }),
                    update: match attrs.open.and_then(|_| self.split(node)) {
                        Some(Split::Update(left, right)) => Some((left, right)),
                        _ => None,
                    },
                    identity: ev.identity(attrs),
                })
            }
            Value::List(list, _) => Shape::List(list.iter().map(|value| Node { value, key: Pos::NONE }).collect()),
            Value::String(text, _) => Shape::String(text.lossy().into_owned()),
            Value::Path(path, _) => Shape::Path(path.path.to_owned()),
            Value::Int(value, _) => Shape::Int(value),
            Value::Bool(Truth(value), _) => Shape::Bool(value),
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) => Shape::Function,
            Value::Unknown(unknown, _) => Shape::Unknown(ev.unknown_of(unknown), self.split(node)),
            Value::Null(_) => Shape::Null,
            Value::Float(..) | Value::Thunk(_) => Shape::Other,
        }
    }

    /// The expression of a value that is not all known, and what it sees; calls are followed into the function.
    fn behind(&self, mut value: Value<'a>) -> Option<Seen<'a>> {
        let ev = self.evaluator;
        for _ in 0..MAX_STEPS {
            let Value::Thunk(thunk) = value else { return None };
            let state = match thunk.state.get() {
                State::Done(_) | State::DonePast(_) => ev.origin(thunk)?,
                state => state,
            };
            value = match state {
                State::Delayed { file, expr, env } => return Some((ev.files.get(file), env, expr)),
                State::Apply([function, argument], pos) => return self.enter(*function, &[*argument], pos),
                State::Apply2([function, arguments @ ..], pos) => return self.enter(*function, arguments, pos),
                State::Mapped(mapped, index) => {
                    let enter = |arguments: &[Value<'a>]| self.enter(mapped.function, arguments, mapped.pos);
                    return ev.with_part(mapped, index, enter);
                }
                State::Select { set, name, .. } => self.attribute(Value::Thunk(set), name)?,
                State::Forward(value) => *value,
                State::Done(_) | State::DonePast(_) | State::Running => return None,
            };
        }
        None
    }

    /// An attribute that surely exists, as it is in the set.
    fn attribute(&self, set: Value<'a>, name: Symbol) -> Option<Value<'a>> {
        match self.evaluator.force(set).ok()? {
            Value::Attrs(attrs, _) => Some(attrs.get(name)?.value),
            _ => None,
        }
    }

    /// What the expression of a value that is not all known is put together of.
    fn split(&self, Node { value, key }: Node<'a>) -> Option<Split<'a>> {
        let ev = self.evaluator;
        let (mut code, mut env, mut id) = self.behind(value)?;
        for _ in 0..MAX_STEPS {
            let node = |id: ExprId| Node { value: ev.delay(code, env, id), key };
            match code.expr(id) {
                Expr::If { condition, consequence, alternative } => {
                    return Some(Split::If {
                        condition: node(*condition),
                        consequence: node(*consequence),
                        alternative: node(*alternative),
                    });
                }
                Expr::Binary { operator: BinaryOperator::Concat, left, right } => {
                    return Some(Split::Concat(node(*left), node(*right)));
                }
                Expr::Binary { operator: BinaryOperator::Update, left, right } => {
                    return Some(Split::Update(node(*left), node(*right)));
                }
                Expr::Let { bindings, body } => {
                    env = Some(ev.let_frame(code, env, bindings));
                    id = *body;
                }
                Expr::With { scope, body, outer } => {
                    let scope = ev.delay(code, env, *scope);
                    env = Some(ev.arena.alloc(Frame::with(scope, *outer, env)));
                    id = *body;
                }
                Expr::Assert { body, .. } => id = *body,
                Expr::Apply { function, arguments } => {
                    let function = ev.eval(code, env, *function).ok()?;
                    let given: Vec<Value<'a>> = arguments.iter().map(|id| ev.delay(code, env, *id)).collect();
                    (code, env, id) = self.enter(function, &given, code.pos(id))?;
                }
                Expr::Variable { binding: Binding::Local { up, slot }, .. } => {
                    let mut frame = env?;
                    for _ in 0..*up {
                        frame = frame.parent()?;
                    }
                    (code, env, id) = match frame.slot(*slot)? {
                        Slot::Value(value) => self.behind(value)?,
                        Slot::Deferred(expr) => (code, Some(frame), expr),
                        Slot::Inherited { .. } => self.behind(ev.keep_slot(code, frame, *slot)?)?,
                        Slot::Running => return None,
                    };
                }
                Expr::Select { base, path, .. } => {
                    let mut value = ev.eval(code, env, *base).ok()?;
                    for name in path {
                        let AttrName::Static(name, _) = name else { return None };
                        value = self.attribute(value, *name)?;
                    }
                    (code, env, id) = self.behind(value)?;
                }
                _ => return None,
            }
        }
        None
    }

    /// The body of a function and what it sees, for these arguments.
    fn enter(&self, function: Value<'a>, arguments: &[Value<'a>], pos: Pos) -> Option<Seen<'a>> {
        let ev = self.evaluator;
        let Ok(Value::Closure(closure, _)) = ev.force(function) else { return None };
        let (code, mut lambda, mut env) = (closure.code, closure.lambda, closure.env());
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                let Expr::Lambda(inner) = code.expr(lambda.body) else { return None };
                lambda = inner;
            }
            env = Some(ev.bind(code, lambda, env, *argument, pos).ok()?);
        }
        Some((code, env, lambda.body))
    }

    fn result(&self, result: Result<Value<'a>, Box<Error<'a>>>) -> Result<Node<'a>, Failure> {
        match result {
            Ok(value) => Ok(Node { value, key: Pos::NONE }),
            Err(error) => Err(self.evaluator.failure_of(*error)),
        }
    }
}
