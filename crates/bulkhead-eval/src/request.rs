//! One evaluation as the command line asks for it.

use std::sync::Arc;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{Ast, Parameter, Symbol, SyntaxError};

use crate::arena::{Arena, Memory};
use crate::builtins::value_to_json_text;
use crate::code::Source;
use crate::data::{Failure, FailureKind};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::outcome::{check_globals, parse_failure};
use crate::print::print;
use crate::value::{Attr, Attrs, Pos, Value};
use crate::world::{ParseFailure, World};

/// What to evaluate, and how to show it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The expression.
    pub input: Input,
    /// Attributes (or indices of lists) to go down, as after `-A`; names in quotes may have dots.
    pub attr_path: String,
    /// Arguments for functions on the way, by name.
    pub arguments: Vec<(String, Argument)>,
    /// How to show the value.
    pub output: Output,
}

/// Where an expression comes from.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file, or a folder with a `default.nix`, by its absolute path.
    File(String),
    /// A text.
    Text {
        /// The expression.
        text: String,
        /// How messages name it, e.g. `«string»`.
        name: String,
        /// The absolute path of the folder that its relative paths start from.
        folder: String,
    },
}

/// A value for a function's argument.
#[derive(Clone, Debug)]
pub enum Argument {
    /// An expression.
    Expression(String),
    /// A string.
    String(String),
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As Nix prints values; what has not been needed is `<CODE>`, unless `strict`.
    Nix {
        /// Evaluate all the way down first.
        strict: bool,
    },
    /// As JSON, always strict.
    Json,
    /// A string (or what becomes one) as it is.
    Raw,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The value; without a line end.
    pub text: Vec<u8>,
    /// What `trace` and `warn` said, in order.
    pub messages: Vec<String>,
}

pub fn answer(world: &World, request: &Request) -> std::result::Result<Answer, Failure> {
    let memory = Memory::new();
    let arena = Arena::new(&memory);
    let evaluator = Evaluator::new(world, &arena);
    let shown = show(&evaluator, request);
    let messages = evaluator.messages.take();
    match shown {
        Ok(text) => Ok(Answer { text, messages }),
        Err(error) => Err(evaluator.failure_of(*error)),
    }
}

/// The value of a request's expression at its attribute path, and the arguments for functions further down.
pub fn start<'a>(ev: &Evaluator<'a>, request: &Request) -> Result<'a, (Value<'a>, Value<'a>)> {
    let mut arguments = Vec::new();
    for (name, argument) in &request.arguments {
        let value = match argument {
            Argument::String(text) => ev.string(text, Pos::NONE),
            Argument::Expression(text) => ev.text_value(text, &format!("«argument {name}»"), "/", None)?,
        };
        arguments.push(Attr { name: Symbol::new(name), key: Pos::NONE, value });
    }
    let arguments = ev.attrs(arguments, Pos::NONE);
    let value = match &request.input {
        Input::File(path) => ev.import_path(path, None, Pos::NONE)?,
        Input::Text { text, name, folder } => ev.text_value(text, name, folder, None)?,
    };
    Ok((ev.follow(value, &request.attr_path, arguments)?, arguments))
}

fn show<'a>(ev: &Evaluator<'a>, request: &Request) -> Result<'a, Vec<u8>> {
    let (value, _) = start(ev, request)?;
    match request.output {
        Output::Nix { strict } => {
            let value = if strict { ev.force_deep(value, Pos::NONE)? } else { ev.force(value)? };
            Ok(print(value).into_bytes())
        }
        Output::Json => value_to_json_text(ev, value, Pos::NONE),
        Output::Raw => {
            let value = ev.force(value)?;
            let text = ev.coerce_to_string(value, crate::operators::CoerceMode::Interpolate, value.pos())?;
            Ok(text.bytes().to_vec())
        }
    }
}

impl<'a> Evaluator<'a> {
    /// The value of a text. `scope` is what `scopedImport` puts over the globals.
    pub fn text_value(
        &self,
        text: &str,
        name: &str,
        folder: &str,
        scope: Option<&'a Attrs<'a>>,
    ) -> Result<'a, Value<'a>> {
        self.parsed_text_value(self.world.parse_text(text), name, folder, scope)
    }

    /// The same of a text that has been parsed.
    pub fn parsed_text_value(
        &self,
        parsed: std::result::Result<Arc<Ast>, Vec<SyntaxError>>,
        name: &str,
        folder: &str,
        scope: Option<&'a Attrs<'a>>,
    ) -> Result<'a, Value<'a>> {
        let file: Arc<str> = Arc::from(name);
        let ast = match parsed {
            Ok(ast) => ast,
            Err(errors) => {
                let failure = parse_failure(&file, ParseFailure::Syntax(errors));
                return Err(Error::parsing(failure, Pos::NONE));
            }
        };
        let source = Source { ast, file, folder: self.arena.text(folder), path: None, scope };
        let Some(code) = self.files.add(self.arena, source) else {
            return Err(Error::new(FailureKind::Limit, "too many files", Pos::NONE));
        };
        check_globals(self, code)?;
        self.eval(code, None, code.ast.root)
    }

    /// Go down an attribute path as `nix-instantiate -A` does, calling functions on the way.
    fn follow(&self, mut value: Value<'a>, path: &str, arguments: Value<'a>) -> Result<'a, Value<'a>> {
        for name in attr_path(path)? {
            value = self.follow_name(value, &name, path, arguments)?.1;
        }
        let wanted = matches!(arguments, Value::Attrs(attrs, _) if !attrs.entries().is_empty());
        if wanted || !path.is_empty() { self.auto_call(value, arguments) } else { Ok(value) }
    }

    /// One step of [`Evaluator::follow`]: what is gone into, and what is there.
    pub fn follow_name(
        &self,
        value: Value<'a>,
        name: &str,
        path: &str,
        arguments: Value<'a>,
    ) -> Result<'a, (Value<'a>, Value<'a>)> {
        let value = self.auto_call(value, arguments)?;
        let pos = value.pos();
        let should_be = |what: &str| {
            let message = format!(
                "the expression selected by the selection path '{path}' should be {what} but is {}",
                value.described_type()
            );
            Error::evaluation(message, pos)
        };
        let found = match (value, name.parse::<usize>()) {
            (Value::Unknown(unknown, _), _) => return Err(Error::unknown(unknown, pos)),
            (Value::List(list, _), Ok(index)) => match list.get(index) {
                Some(item) => self.force(item)?,
                None => {
                    let message = format!("list index {index} in selection path '{path}' is out of range");
                    return Err(Error::evaluation(message, pos));
                }
            },
            (_, Ok(_)) => return Err(should_be("a list")),
            (Value::Attrs(attrs, _), _) => {
                let symbol = Symbol::new(name);
                if attrs.get(symbol).is_none() && attrs.open.is_none() {
                    let message = format!("attribute '{name}' in selection path '{path}' not found");
                    let error = Error::evaluation(message, pos);
                    let names = attrs.entries().iter().map(|attr| attr.name.as_str());
                    return Err(match nearest(name, names) {
                        Some(near) => error.with_help(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
                self.select_name(value, symbol, pos)?
            }
            _ => return Err(should_be("a set")),
        };
        Ok((value, found))
    }

    fn auto_call(&self, value: Value<'a>, arguments: Value<'a>) -> Result<'a, Value<'a>> {
        let value = self.force(value)?;
        let pos = value.pos();
        if let Value::Attrs(attrs, _) = value
            && let Some(functor) = attrs.get(self.symbols.functor)
        {
            let called = self.apply(functor.value, &[value], pos)?;
            return self.nested(pos, || self.auto_call(called, arguments));
        }
        let Value::Closure(closure, _) = value else { return Ok(value) };
        let Parameter::Pattern { formals, ellipsis, .. } = &closure.lambda.parameter else { return Ok(value) };
        let Value::Attrs(given, _) = arguments else { return Ok(value) };
        let mut chosen = if *ellipsis { given.entries().to_vec() } else { Vec::new() };
        for formal in formals {
            match (given.get(formal.name), formal.default) {
                (Some(attr), _) if !ellipsis => chosen.push(*attr),
                (None, None) => {
                    let message =
                        format!("cannot evaluate a function that has an argument without a value ('{}')", formal.name);
                    return Err(Error::evaluation(message, closure.code.name_pos(formal.key))
                        .with_help(format!("give it with `--arg {0} EXPR` or `--argstr {0} TEXT`", formal.name)));
                }
                _ => {}
            }
        }
        self.apply(value, &[self.attrs(chosen, pos)], pos)
    }
}

/// The names of a path: separated by dots, perhaps in double quotes.
pub fn attr_path<'a>(path: &str) -> Result<'a, Vec<String>> {
    let mut names = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| {
                Error::evaluation(format!("missing closing quote in selection path '{path}'"), Pos::NONE)
            })?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if name.is_empty() && !rest.starts_with('"') {
            return Err(Error::evaluation(format!("empty attribute name in selection path '{path}'"), Pos::NONE));
        }
        names.push(name.to_owned());
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    Ok(names)
}
