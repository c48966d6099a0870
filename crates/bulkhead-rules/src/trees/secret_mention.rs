//! Which secret an expression is about, by way of the variables of its file.

use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_diagnostics::Place;
use bulkhead_source::Span;
use bulkhead_syntax::{
    Ast, AttrName, AttrSet, AttrValue, BinaryOperator, Binding, Expr, ExprId, Parameter, PathAnchor, StringPart, Symbol,
};
use foldhash::HashMap;

use super::given::{self, Arguments};
use crate::context::Context;

/// Expressions in expressions, and variables that lead to variables, are followed this far.
const DEEPEST: u8 = 64;

/// What stands for the name of a secret where it is each of them.
pub(crate) const ALL: &str = "*";

/// Functions that call another one with each of a list or set, and whether that takes the name first.
const MAPPING: [(&str, bool); 9] = [
    ("concatMap", false),
    ("concatMapAttrs", true),
    ("concatMapStrings", false),
    ("concatMapStringsSep", false),
    ("forEach", false),
    ("map", false),
    ("mapAttrs", true),
    ("mapAttrs'", true),
    ("mapAttrsToList", true),
];

/// What an expression has to do with secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    /// It is, or may be, the path of this decrypted secret.
    Decrypted(String),
    /// It is, or may be, this encrypted file.
    Encrypted(String),
}

/// What the expression at a place is.
pub(crate) fn mention_at(context: &Context<'_>, place: &Place) -> Option<Mention> {
    let names = context.names_in(&place.file)?;
    names.at(place).into_iter().find_map(|id| names.mention(id))
}

/// A path in a string at a place, as it is written: Nix copies such a file into its store. Where trees are not on the
/// disk (an index, a revision) the value itself is unknown. What else is in the string may be anything.
pub(crate) fn copied_at(context: &Context<'_>, place: &Place) -> Option<String> {
    let names = context.names_in(&place.file)?;
    names.at(place).into_iter().find_map(|id| {
        let Expr::Interpolated(parts) = names.ast.expr(id) else { return None };
        let path = put_into(parts).find_map(|id| relative_path(&names, id))?;
        Some(written(&names.ast, path).to_owned())
    })
}

/// Whether the string at a place has paths that Nix copies into its store, and nothing else that is computed.
pub(crate) fn is_only_copied(context: &Context<'_>, place: &Place) -> bool {
    let Some(names) = context.names_in(&place.file) else { return false };
    let is_written = |path: ExprId| match names.ast.expr(path) {
        Expr::Binary { right, .. } => matches!(names.ast.expr(*right), Expr::Text(..)),
        _ => true,
    };
    names.at(place).into_iter().any(|id| {
        let Expr::Interpolated(parts) = names.ast.expr(id) else { return false };
        put_into(parts).all(|id| relative_path(&names, id).is_some_and(is_written))
    })
}

/// What is put into a string.
fn put_into(parts: &[StringPart]) -> impl Iterator<Item = ExprId> + '_ {
    parts.iter().filter_map(|part| match part {
        StringPart::Interpolation(id) => Some(*id),
        StringPart::Text(..) => None,
    })
}

/// A path of the repository, also by way of a variable.
fn relative_path(names: &Names, id: ExprId) -> Option<ExprId> {
    let id = names.stands_for(id).unwrap_or(id);
    let begin = match names.ast.expr(id) {
        Expr::Binary { operator: BinaryOperator::Add, left, .. } => *left,
        _ => id,
    };
    matches!(names.ast.expr(begin), Expr::Path(path) if path.anchor == PathAnchor::Relative).then_some(id)
}

/// What the variables of a file stand for. Made once for a file: each look would go through all of it.
pub(crate) struct Names {
    pub(crate) ast: Arc<Ast>,
    /// What the variables of a name stand for, if it is one thing in the whole file.
    bound: HashMap<Symbol, Bound>,
    /// Every expression, in the order of their beginnings.
    by_start: Vec<ExprId>,
    /// The `with` of the file: the span of the body, and the scope.
    withs: Vec<(Span, ExprId)>,
    /// The arguments of functions that are called with each of all secrets: the span of the body, the name, and what it is, as a
    /// path of options.
    mapped: HashMap<Symbol, Vec<(Span, Vec<String>)>>,
    /// What is known of expressions: variables may lead to the same one in very many ways. It is nothing while it is
    /// looked for, as in a variable that leads to itself.
    judged: Mutex<Judged>,
}

/// What expressions were found to be.
type Judged = HashMap<ExprId, Option<Mention>>;

/// What a variable stands for.
#[derive(Clone, Copy)]
enum Bound {
    /// This expression.
    To(ExprId),
    /// The attribute of its name in this expression.
    In(ExprId),
    /// An argument, or one of several things.
    Otherwise,
}

impl Names {
    pub(crate) fn of(ast: Arc<Ast>) -> Names {
        let mut names = Names {
            ast: ast.clone(),
            bound: HashMap::default(),
            by_start: Vec::new(),
            withs: Vec::new(),
            mapped: HashMap::default(),
            judged: Mutex::default(),
        };
        for (index, expr) in ast.exprs.iter().enumerate() {
            names.by_start.extend(u32::try_from(index).map(ExprId));
            match expr {
                Expr::Let { bindings, .. } => names.bind_all(bindings),
                Expr::Attrs(set) if set.recursive => names.bind_all(set),
                Expr::Lambda(lambda) => match &lambda.parameter {
                    Parameter::Name(argument, _) => names.bind(*argument, Bound::Otherwise),
                    Parameter::Pattern { formals, whole, .. } => {
                        let whole = whole.iter().map(|(whole, _)| *whole);
                        whole.chain(formals.iter().map(|formal| formal.name)).for_each(|name| {
                            names.bind(name, Bound::Otherwise);
                        });
                    }
                },
                Expr::With { scope, body, .. } => names.withs.push((ast.span(*body), *scope)),
                _ => {}
            }
        }
        names.by_start.sort_by_key(|id| ast.span(*id).start);
        for expr in &ast.exprs {
            if let Expr::Apply { function, arguments } = expr {
                names.map(*function, arguments);
            }
        }
        names
    }

    /// Note what a file is called with, as paths of options.
    pub(crate) fn with_given(mut self, given: &Arguments) -> Names {
        let ast = self.ast.clone();
        let Some((parameter, body)) = given::parameters(&self) else { return self };
        let body = ast.span(body);
        let Parameter::Pattern { formals, .. } = parameter else { return self };
        let given: Vec<(Symbol, Vec<String>)> =
            formals.iter().filter_map(|formal| Some((formal.name, given.get(formal.name.as_str())?.clone()))).collect();
        for (name, path) in given {
            self.mapped.entry(name).or_default().push((body, path));
        }
        self
    }

    /// Whether a secret is somewhere in an expression.
    pub(super) fn gives_secret(&self, id: ExprId) -> bool {
        let id = self.stands_for(id).unwrap_or(id);
        let is_inherited = |set: &AttrSet| {
            set.inherit_from.iter().any(|source| {
                self.spelled(*source, DEEPEST).is_some_and(|names| names.iter().any(|name| name == "age"))
            })
        };
        self.within(self.ast.span(id)).any(|id| match self.ast.expr(id) {
            Expr::Attrs(set) => is_inherited(set),
            _ => self.secret(id).is_some(),
        })
    }

    /// The option that an expression is, if it is about secrets: all of them, one, or its decrypted file.
    pub(super) fn secret(&self, id: ExprId) -> Option<Vec<String>> {
        let id = self.stands_for(id).unwrap_or(id);
        self.spelled(id, DEEPEST).filter(|names| is_secret(names)).or_else(|| match self.mention(id)? {
            Mention::Decrypted(name) => Some(["config", "age", "secrets", &name, "path"].map(str::to_owned).to_vec()),
            Mention::Encrypted(_) => None,
        })
    }

    /// The same of an attribute of it.
    pub(super) fn secret_in(&self, id: ExprId, name: &str) -> Option<Vec<String>> {
        let mut names = self.spelled(id, DEEPEST)?;
        names.push(name.to_owned());
        is_secret(&names).then_some(names)
    }

    /// Note the argument of a function that is called with each of all secrets:
    /// `lib.mapAttrsToList (name: secret: …) config.age.secrets`.
    fn map(&mut self, function: ExprId, arguments: &[ExprId]) {
        let called = written(&self.ast, function);
        let called = called.rsplit('.').next().unwrap_or(called);
        let Some((_, takes_name)) = MAPPING.iter().find(|(known, _)| *known == called) else { return };
        let ast = self.ast.clone();
        let lambda = |id: ExprId| match ast.expr(self.stands_for(id).unwrap_or(id)) {
            Expr::Lambda(lambda) => Some(lambda),
            _ => None,
        };
        let Some(own) = arguments.iter().find_map(|argument| lambda(*argument)) else { return };
        let Some(own) = (if *takes_name { lambda(own.body) } else { Some(own) }) else { return };
        let is_all =
            arguments.iter().filter(|argument| lambda(**argument).is_none()).any(|argument| self.is_all(*argument));
        if !is_all {
            return;
        }
        let body = ast.span(own.body);
        let path =
            |end: &[&str]| ["config", "age", "secrets", ALL].iter().chain(end).map(|name| (*name).to_owned()).collect();
        match &own.parameter {
            Parameter::Name(secret, _) => self.mapped.entry(*secret).or_default().push((body, path(&[]))),
            Parameter::Pattern { formals, whole, .. } => {
                if let Some((whole, _)) = whole {
                    self.mapped.entry(*whole).or_default().push((body, path(&[])));
                }
                for formal in formals {
                    self.mapped.entry(formal.name).or_default().push((body, path(&[formal.name.as_str()])));
                }
            }
        }
    }

    /// Whether an expression is all of `age.secrets`, or a choice of them, and not their names.
    fn is_all(&self, id: ExprId) -> bool {
        let id = self.stands_for(id).unwrap_or(id);
        let names_all = |id: ExprId| {
            let is_named = matches!(self.ast.expr(id), Expr::Variable { .. } | Expr::Select { .. });
            is_named
                && self.spelled(id, DEEPEST).is_some_and(|names| {
                    matches!(names.as_slice(), [.., age, secrets] if (age.as_str(), secrets.as_str()) == ("age", "secrets"))
                })
        };
        !written(&self.ast, id).contains("attrNames") && self.within(self.ast.span(id)).any(names_all)
    }

    /// What an argument is of a function that is called with each of all secrets.
    fn mapped(&self, id: ExprId, name: Symbol) -> Option<&[String]> {
        let inner = self.ast.span(id);
        let around =
            self.mapped.get(&name)?.iter().filter(|(body, _)| body.start <= inner.start && inner.end <= body.end);
        around.min_by_key(|(body, _)| body.end - body.start).map(|(_, path)| &**path)
    }

    fn bind(&mut self, name: Symbol, to: Bound) {
        self.bound.entry(name).and_modify(|bound| *bound = Bound::Otherwise).or_insert(to);
    }

    fn bind_all(&mut self, set: &AttrSet) {
        for attr in &set.attrs {
            match attr.value {
                AttrValue::Expr(value) => self.bind(attr.name, Bound::To(value)),
                AttrValue::InheritFrom { source } => {
                    let source = set.inherit_from.get(source as usize);
                    self.bind(attr.name, source.map_or(Bound::Otherwise, |source| Bound::In(*source)));
                }
                // It is bound further out.
                AttrValue::Inherit(_) => {}
            }
        }
    }

    /// The expressions that begin where a span does or within it: what is inside of it.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = ExprId> + '_ {
        let from = self.by_start.partition_point(|id| self.ast.span(*id).start < span.start);
        let begin = self.by_start.get(from..).unwrap_or_default().iter().copied();
        begin
            .take_while(move |id| self.ast.span(*id).start < span.end)
            .filter(move |id| self.ast.span(*id).end <= span.end)
    }

    /// The expressions that are all of what lies at a place.
    pub(crate) fn at(&self, place: &Place) -> Vec<ExprId> {
        let Some(span) = place.span else { return Vec::new() };
        self.within(span).filter(|id| self.ast.span(*id) == span).collect()
    }

    /// The expressions that are all of what lies at a place; at the name of an attribute, the one that it is bound to.
    pub(crate) fn at_or_behind(&self, place: &Place) -> Vec<ExprId> {
        let mut found = self.at(place);
        if found.is_empty() {
            found.extend(place.span.and_then(|key| self.behind(key)));
        }
        found
    }

    /// The expression that an attribute is bound to, whose name is at `key`.
    fn behind(&self, key: Span) -> Option<ExprId> {
        let rest = Span { start: key.end, end: u32::try_from(self.ast.text.len()).ok()? };
        let first = self.within(rest).next()?;
        let start = self.ast.span(first).start;
        let between = self.ast.text.get(key.end as usize..start as usize)?;
        let is_bound = between.contains('=') && between.chars().all(|c| c.is_whitespace() || c == '=' || c == '(');
        let all = self.within(rest).take_while(|id| self.ast.span(*id).start == start);
        all.max_by_key(|id| self.ast.span(*id).end).filter(|_| is_bound)
    }

    /// What an expression is: a secret's path as such, chosen from several, or as a string.
    pub(crate) fn mention(&self, id: ExprId) -> Option<Mention> {
        // Held for the whole of it, so that no other thread sees what is only being looked for.
        let mut known = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        self.judge(id, DEEPEST, &mut known)
    }

    /// What any part of an expression is.
    pub(crate) fn mention_within(&self, id: ExprId) -> Option<Mention> {
        self.within(self.ast.span(id)).find_map(|id| self.mention(id))
    }

    /// The expression that a variable is bound to, if its name is bound once in the file.
    pub(crate) fn stands_for(&self, id: ExprId) -> Option<ExprId> {
        let Expr::Variable { name, binding: Binding::Local { .. } } = self.ast.expr(id) else { return None };
        match self.bound.get(name) {
            Some(Bound::To(value)) => Some(*value),
            _ => None,
        }
    }

    /// The innermost `with` around an expression.
    fn scope_of(&self, id: ExprId) -> Option<ExprId> {
        let inner = self.ast.span(id);
        let around = self.withs.iter().filter(|(body, _)| body.start <= inner.start && inner.end <= body.end);
        around.min_by_key(|(body, _)| body.end - body.start).map(|(_, scope)| *scope)
    }

    fn judge(&self, id: ExprId, depth: u8, known: &mut Judged) -> Option<Mention> {
        if let Some(known) = known.get(&id) {
            return known.clone();
        }
        let depth = depth.checked_sub(1)?;
        known.insert(id, None);
        let found = self.judge_anew(id, depth, known);
        known.insert(id, found.clone());
        found
    }

    fn judge_anew(&self, id: ExprId, depth: u8, known: &mut Judged) -> Option<Mention> {
        match self.ast.expr(id) {
            Expr::Variable { .. } => match self.stands_for(id) {
                Some(value) => self.judge(value, depth, known),
                None => of_names(&self.spelled(id, depth)?),
            },
            Expr::Select { default, .. } => self
                .spelled(id, depth)
                .and_then(|names| of_names(&names))
                .or_else(|| default.and_then(|default| self.judge(default, depth, known))),
            Expr::Text(text, _) => of_text(text),
            Expr::Interpolated(parts) => parts.iter().find_map(|part| match part {
                StringPart::Text(text, _) => of_text(text),
                StringPart::Interpolation(id) => self.judge(*id, depth, known),
            }),
            Expr::Path(_) => {
                let text = written(&self.ast, id);
                of_text(text).or_else(|| text.ends_with(".age").then(|| Mention::Encrypted(text.to_owned())))
            }
            Expr::Binary { operator: BinaryOperator::Add, left, right } => {
                let file = || {
                    let end = written(&self.ast, *right).trim_end_matches(['"', ')']);
                    end.ends_with(".age").then(|| Mention::Encrypted(written(&self.ast, id).to_owned()))
                };
                self.judge(*left, depth, known).or_else(|| self.judge(*right, depth, known)).or_else(file)
            }
            Expr::If { consequence, alternative, .. } => {
                self.judge(*consequence, depth, known).or_else(|| self.judge(*alternative, depth, known))
            }
            Expr::With { body, .. } | Expr::Let { body, .. } | Expr::Assert { body, .. } => {
                self.judge(*body, depth, known)
            }
            Expr::Apply { function, arguments } if written(&self.ast, *function).ends_with("toString") => {
                self.judge(*arguments.first()?, depth, known)
            }
            _ => None,
        }
    }

    /// A text, also by way of a variable, or as the only part of another one.
    fn text(&self, id: ExprId) -> Option<&str> {
        let id = match self.ast.expr(id) {
            Expr::Interpolated(parts) => match &**parts {
                [StringPart::Interpolation(id)] => *id,
                _ => return None,
            },
            _ => id,
        };
        match self.ast.expr(self.stands_for(id).unwrap_or(id)) {
            Expr::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The names of a variable or selection, as if no variable stood for a part of them.
    pub(crate) fn names_of(&self, id: ExprId) -> Option<Vec<String>> {
        self.spelled(id, DEEPEST)
    }

    /// The names of a variable or selection, as if no variable stood for a part of them.
    fn spelled(&self, id: ExprId, depth: u8) -> Option<Vec<String>> {
        let depth = depth.checked_sub(1)?;
        match self.ast.expr(id) {
            Expr::Variable { name, binding } => {
                if let Some(path) = self.mapped(id, *name) {
                    return Some(path.to_vec());
                }
                let around = match (binding, self.bound.get(name)) {
                    (Binding::Local { .. }, Some(Bound::To(value))) => return self.spelled(*value, depth),
                    (Binding::Local { .. }, Some(Bound::In(source))) => Some(*source),
                    (Binding::With { .. }, _) => self.scope_of(id),
                    _ => None,
                };
                let mut names = around.and_then(|around| self.spelled(around, depth)).unwrap_or_default();
                names.push(name.as_str().to_owned());
                Some(names)
            }
            Expr::Select { base, path, .. } => {
                let mut names = self.spelled(*base, depth)?;
                names.extend(path.iter().map(|part| match part {
                    AttrName::Static(name, _) => name.as_str().to_owned(),
                    // What can't be told is no name.
                    AttrName::Dynamic(id) => {
                        self.text(*id).map_or_else(|| format!("${{{}}}", written(&self.ast, *id)), str::to_owned)
                    }
                }));
                Some(names)
            }
            _ => None,
        }
    }
}

/// Whether an option is all secrets, one, or its decrypted file.
fn is_secret(names: &[String]) -> bool {
    let at = names.windows(2).position(|pair| (pair[0].as_str(), pair[1].as_str()) == ("age", "secrets"));
    at.is_some_and(|at| match names.get(at + 2..).unwrap_or_default() {
        [] | [_] => true,
        [_, end] => end == "path",
        _ => false,
    })
}

/// A path on a machine that agenix makes.
fn of_text(text: &str) -> Option<Mention> {
    let name = text.strip_prefix("/run/agenix/").filter(|name| !name.is_empty())?;
    Some(Mention::Decrypted(name.to_owned()))
}

/// `config.age.secrets.<name>.path`, of whatever is called `config`; `.file` is what is encrypted.
fn of_names(names: &[String]) -> Option<Mention> {
    let [.., age, secrets, name, end] = names else { return None };
    match (age.as_str(), secrets.as_str(), end.as_str()) {
        ("age", "secrets", "path") => Some(Mention::Decrypted(name.clone())),
        ("age", "secrets", "file") => Some(Mention::Encrypted(names.join("."))),
        _ => None,
    }
}

/// How an expression is written.
pub(crate) fn written(ast: &Ast, id: ExprId) -> &str {
    let span = ast.span(id);
    ast.text.get(span.start as usize..span.end as usize).unwrap_or_default()
}
