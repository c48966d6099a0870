//! Which secret an expression is about, by way of the variables of its file.

use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_source::TreePath;
use bulkhead_syntax::{
    Ast, AttrName, AttrSet, AttrValue, BinaryOperator, Binding, Expr, ExprId, Parameter, PathAnchor, StringPart, Symbol,
};

/// Variables that lead to variables are followed this far.
const DEEPEST: u8 = 16;

/// What an expression has to do with secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    /// It is, or may be, the path of this decrypted secret.
    Decrypted(String),
    /// It is, or may be, this encrypted file.
    Encrypted(String),
}

/// What the expression at a place is.
pub(crate) fn mention_at(world: &World, place: &Place) -> Option<Mention> {
    let (span, path) = (place.span?, TreePath::new(&place.file).ok()?);
    let ast = world.parse(&path).ok()?;
    let at = ast.expr_spans.iter().enumerate().filter(|(_, other)| **other == span);
    let mut ids = at.filter_map(|(index, _)| u32::try_from(index).ok()).map(ExprId);
    ids.find_map(|id| mention(&ast, id))
}

/// The path in a string at a place, as it is written: Nix copies such a file into its store. Where trees are not on the
/// disk (an index, a revision) the value itself is unknown.
pub(crate) fn copied_at(world: &World, place: &Place) -> Option<String> {
    let (span, path) = (place.span?, TreePath::new(&place.file).ok()?);
    let ast = world.parse(&path).ok()?;
    let at = ast.expr_spans.iter().enumerate().filter(|(_, other)| **other == span);
    let mut ids = at.filter_map(|(index, _)| u32::try_from(index).ok()).map(ExprId);
    ids.find_map(|id| {
        let Expr::Interpolated(parts) = ast.expr(id) else { return None };
        let [StringPart::Interpolation(id)] = &**parts else { return None };
        let id = stands_for(&ast, *id).unwrap_or(*id);
        let begin = match ast.expr(id) {
            Expr::Binary { operator: BinaryOperator::Add, left, .. } => *left,
            _ => id,
        };
        let is_relative = matches!(ast.expr(begin), Expr::Path(path) if path.anchor == PathAnchor::Relative);
        is_relative.then(|| written(&ast, id).to_owned())
    })
}

/// What an expression is: a secret's path as such, chosen from several, or as a string.
pub(crate) fn mention(ast: &Ast, id: ExprId) -> Option<Mention> {
    judge(ast, id, DEEPEST)
}

/// What any part of an expression is.
pub(crate) fn mention_within(ast: &Ast, id: ExprId) -> Option<Mention> {
    let around = ast.span(id);
    let inside =
        ast.expr_spans.iter().enumerate().filter(|(_, span)| around.start <= span.start && span.end <= around.end);
    let mut ids = inside.filter_map(|(index, _)| u32::try_from(index).ok()).map(ExprId);
    ids.find_map(|id| mention(ast, id))
}

fn judge(ast: &Ast, id: ExprId, depth: u8) -> Option<Mention> {
    let depth = depth.checked_sub(1)?;
    match ast.expr(id) {
        Expr::Variable { .. } => match stands_for(ast, id) {
            Some(value) => judge(ast, value, depth),
            None => of_names(&spelled(ast, id, depth)?),
        },
        Expr::Select { default, .. } => spelled(ast, id, depth)
            .and_then(|names| of_names(&names))
            .or_else(|| default.and_then(|default| judge(ast, default, depth))),
        Expr::Text(text, _) => of_text(text),
        Expr::Interpolated(parts) => parts.iter().find_map(|part| match part {
            StringPart::Text(text, _) => of_text(text),
            StringPart::Interpolation(id) => judge(ast, *id, depth),
        }),
        Expr::Path(_) => {
            let text = written(ast, id);
            of_text(text).or_else(|| text.ends_with(".age").then(|| Mention::Encrypted(text.to_owned())))
        }
        Expr::Binary { operator: BinaryOperator::Add, left, right } => {
            let file = || {
                let end = written(ast, *right).trim_end_matches(['"', ')']);
                end.ends_with(".age").then(|| Mention::Encrypted(written(ast, id).to_owned()))
            };
            judge(ast, *left, depth).or_else(|| judge(ast, *right, depth)).or_else(file)
        }
        Expr::If { consequence, alternative, .. } => {
            judge(ast, *consequence, depth).or_else(|| judge(ast, *alternative, depth))
        }
        Expr::With { body, .. } | Expr::Let { body, .. } | Expr::Assert { body, .. } => judge(ast, *body, depth),
        Expr::Apply { function, arguments } if written(ast, *function).ends_with("toString") => {
            judge(ast, *arguments.first()?, depth)
        }
        _ => None,
    }
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

/// The names of a variable or selection, as if no variable stood for a part of them.
fn spelled(ast: &Ast, id: ExprId, depth: u8) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    match ast.expr(id) {
        Expr::Variable { name, binding } => {
            let around = match (binding, bound(ast, *name)) {
                (Binding::Local { .. }, Some(Bound::To(value))) => return spelled(ast, value, depth),
                (Binding::Local { .. }, Some(Bound::In(source))) => Some(source),
                (Binding::With { .. }, _) => scope_of(ast, id),
                _ => None,
            };
            let mut names = around.and_then(|around| spelled(ast, around, depth)).unwrap_or_default();
            names.push(name.as_str().to_owned());
            Some(names)
        }
        Expr::Select { base, path, .. } => {
            let mut names = spelled(ast, *base, depth)?;
            names.extend(path.iter().map(|part| match part {
                AttrName::Static(name, _) => name.as_str().to_owned(),
                AttrName::Dynamic(id) => written(ast, *id).trim_matches('"').to_owned(),
            }));
            Some(names)
        }
        _ => None,
    }
}

/// The expression that a variable is bound to, if its name is bound once in the file.
pub(crate) fn stands_for(ast: &Ast, id: ExprId) -> Option<ExprId> {
    let Expr::Variable { name, binding: Binding::Local { .. } } = ast.expr(id) else { return None };
    match bound(ast, *name) {
        Some(Bound::To(value)) => Some(value),
        _ => None,
    }
}

/// What a variable stands for.
enum Bound {
    /// This expression.
    To(ExprId),
    /// The attribute of its name in this expression.
    In(ExprId),
    /// An argument, or one of several things.
    Otherwise,
}

/// What the variables of a name stand for, if it is one thing in the whole file; nothing if no scope binds the name.
fn bound(ast: &Ast, name: Symbol) -> Option<Bound> {
    let mut found = None;
    let mut add = |bound: Bound| found = Some(if found.is_some() { Bound::Otherwise } else { bound });
    let of_set = |set: &AttrSet, add: &mut dyn FnMut(Bound)| {
        for attr in set.attrs.iter().filter(|attr| attr.name == name) {
            match attr.value {
                AttrValue::Expr(value) => add(Bound::To(value)),
                AttrValue::InheritFrom { source } => {
                    let source = set.inherit_from.get(source as usize);
                    add(source.map_or(Bound::Otherwise, |source| Bound::In(*source)));
                }
                // It is bound further out.
                AttrValue::Inherit(_) => {}
            }
        }
    };
    for expr in &ast.exprs {
        match expr {
            Expr::Let { bindings, .. } => of_set(bindings, &mut add),
            Expr::Attrs(set) if set.recursive => of_set(set, &mut add),
            Expr::Lambda(lambda) => match &lambda.parameter {
                Parameter::Name(argument, _) if *argument == name => add(Bound::Otherwise),
                Parameter::Pattern { formals, whole, .. } => {
                    let is_whole = whole.is_some_and(|(whole, _)| whole == name);
                    if is_whole || formals.iter().any(|formal| formal.name == name) {
                        add(Bound::Otherwise);
                    }
                }
                Parameter::Name(..) => {}
            },
            _ => {}
        }
    }
    found
}

/// The innermost `with` around an expression.
fn scope_of(ast: &Ast, id: ExprId) -> Option<ExprId> {
    let inner = ast.span(id);
    let around = ast.exprs.iter().filter_map(|expr| match expr {
        Expr::With { scope, body, .. } => {
            let body = ast.span(*body);
            (body.start <= inner.start && inner.end <= body.end).then_some((body.end - body.start, *scope))
        }
        _ => None,
    });
    around.min_by_key(|(length, _)| *length).map(|(_, scope)| scope)
}

/// How an expression is written.
pub(crate) fn written(ast: &Ast, id: ExprId) -> &str {
    let span = ast.span(id);
    ast.text.get(span.start as usize..span.end as usize).unwrap_or_default()
}
