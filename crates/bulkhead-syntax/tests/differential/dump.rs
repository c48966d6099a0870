//! Trees in a normal form: what Nix's parser desugars is desugared, and what has no order is sorted.
//!
//! Some things look alike here that are not the same, because Nix writes them alike: `"${a}"` and `a`, `"a${b}c"` and
//! `"a" + b + "c"`.

use std::path::Path;

use bulkhead_syntax::*;

use crate::nix::MARK;

/// The whole tree.
pub fn whole(ast: &Ast, folder: &Path) -> String {
    Dump { ast, folder, names: Names::Strict }.expr(ast.root)
}

/// How computed names are shown.
#[derive(Clone, Copy)]
pub enum Names {
    /// As what they are.
    Strict,
    /// Computed ones that are a plain string as names that are known. Before it dropped empty pieces of indented strings,
    /// Nix did not know some of them.
    Known,
    /// Not in sets. Nix 2.8 forgets some when it merges sets.
    Forgotten,
}

/// The whole tree, with computed names as `names` says.
pub fn lenient(ast: &Ast, folder: &Path, names: Names) -> String {
    Dump { ast, folder, names }.expr(ast.root)
}

/// Names that can't be written without quotes, but are by Nix (save for `if`).
const KEYWORDS: [&str; 8] = ["then", "else", "assert", "with", "let", "in", "rec", "inherit"];

/// Whether Nix writes this tree so that reading it gives another one: it leaves out the parentheses around `assert`, those
/// around a selection whose value is applied to a variable `or`, the quotes of keywords, and digits of floats.
pub fn is_ambiguous(ast: &Ast) -> bool {
    let is_assert = |id: &ExprId| matches!(ast.expr(*id), Expr::Assert { .. });
    let in_parts =
        |parts: &[StringPart]| parts.iter().any(|part| matches!(part, StringPart::Interpolation(id) if is_assert(id)));
    let is_keyword = |name: &Symbol| KEYWORDS.contains(&name.as_str());
    ast.exprs.iter().any(|expr| match expr {
        Expr::Apply { function, arguments } => {
            let applied_to_or = matches!(ast.expr(*function), Expr::Select { .. })
                && matches!(ast.expr(arguments[0]), Expr::Variable { name, .. } if name.as_str() == "or");
            applied_to_or || is_assert(function) || arguments.iter().any(is_assert)
        }
        Expr::Float(number) => !(1e-4..1e6).contains(number) || number.to_string().len() > 7,
        Expr::Select { path, .. } | Expr::HasAttr { path, .. } => {
            path.iter().any(|name| matches!(name, AttrName::Static(name, _) if is_keyword(name)))
        }
        Expr::Attrs(set) | Expr::Let { bindings: set, .. } => set.attrs.iter().any(|attr| is_keyword(&attr.name)),
        Expr::Not(operand) | Expr::Negate(operand) => is_assert(operand),
        Expr::Binary { left, right, .. } => is_assert(left) || is_assert(right),
        Expr::Interpolated(parts) => in_parts(parts),
        Expr::Path(path) => in_parts(&path.parts),
        _ => false,
    })
}

/// The elements of the list in `with …; [ … ]`.
pub fn elements(ast: &Ast, folder: &Path, names: Names) -> Vec<String> {
    let Expr::With { body, .. } = ast.expr(ast.root) else { return Vec::new() };
    let Expr::List(items) = ast.expr(*body) else { return Vec::new() };
    items.iter().map(|item| Dump { ast, folder, names }.expr(*item)).collect()
}

struct Dump<'a> {
    ast: &'a Ast,
    folder: &'a Path,
    names: Names,
}

/// A part of a concatenation.
enum Item {
    Text(String),
    Path(String),
    Expr(ExprId),
}

impl Dump<'_> {
    fn expr(&self, id: ExprId) -> String {
        match self.ast.expr(id) {
            Expr::Int(number) => number.to_string(),
            Expr::Float(number) => number.to_string(),
            Expr::Variable { name, .. } => name.to_string(),
            Expr::CurrentPosition => "__curPos".to_owned(),
            Expr::List(items) => format!("[{}]", self.all(items)),
            Expr::Attrs(set) => self.set(set),
            Expr::Let { bindings, body } => format!("(let {} {})", self.set(bindings), self.expr(*body)),
            Expr::With { scope, body, .. } => format!("(with {} {})", self.expr(*scope), self.expr(*body)),
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::Select { base, path, default } => {
                let default = default.map_or(String::new(), |default| format!(" or {}", self.expr(default)));
                format!("(. {} {}{default})", self.expr(*base), self.path(path))
            }
            Expr::HasAttr { base, path } => format!("(? {} {})", self.expr(*base), self.path(path)),
            Expr::If { condition, consequence, alternative } => {
                format!("(if {} {} {})", self.expr(*condition), self.expr(*consequence), self.expr(*alternative))
            }
            Expr::Assert { condition, body } => format!("(assert {} {})", self.expr(*condition), self.expr(*body)),
            Expr::Not(operand) => format!("(! {})", self.expr(*operand)),
            Expr::Text(..)
            | Expr::Interpolated(_)
            | Expr::Path(_)
            | Expr::Binary { operator: BinaryOperator::Add, .. } => {
                let items = self.items(id);
                let shown = items.iter().map(|item| match item {
                    Item::Text(text) => format!("{text:?}"),
                    Item::Path(path) => path.clone(),
                    Item::Expr(inner) => self.expr(*inner),
                });
                match items.len() {
                    1 => shown.collect(),
                    _ => format!("(+ {})", shown.collect::<Vec<_>>().join(" ")),
                }
            }
            Expr::Binary { operator, left, right } => {
                let (left, right) = (*left, *right);
                match operator {
                    BinaryOperator::LessOrEqual => {
                        format!("(! (__lessThan {} {}))", self.expr(right), self.expr(left))
                    }
                    BinaryOperator::GreaterOrEqual => {
                        format!("(! (__lessThan {} {}))", self.expr(left), self.expr(right))
                    }
                    BinaryOperator::Less
                    | BinaryOperator::Greater
                    | BinaryOperator::Subtract
                    | BinaryOperator::Multiply
                    | BinaryOperator::Divide => self.call(id),
                    _ => format!("({operator:?} {} {})", self.expr(left), self.expr(right)),
                }
            }
            Expr::Apply { .. } | Expr::Negate(_) | Expr::SearchPath { .. } => self.call(id),
        }
    }

    fn all(&self, ids: &[ExprId]) -> String {
        ids.iter().map(|id| self.expr(*id)).collect::<Vec<_>>().join(" ")
    }

    fn call(&self, id: ExprId) -> String {
        format!("({})", self.spine(id).join(" "))
    }

    /// A function and its arguments; for all else the expression alone.
    fn spine(&self, id: ExprId) -> Vec<String> {
        let call = |name: &str, left: ExprId, right: ExprId| vec![name.to_owned(), self.expr(left), self.expr(right)];
        match self.ast.expr(id) {
            Expr::Apply { function, arguments } => {
                let mut spine = self.spine(*function);
                spine.extend(arguments.iter().map(|argument| self.expr(*argument)));
                spine
            }
            Expr::Negate(operand) => vec!["__sub".to_owned(), "0".to_owned(), self.expr(*operand)],
            Expr::SearchPath { path, find_file, nix_path } => {
                vec![self.expr(*find_file), self.expr(*nix_path), format!("{path:?}")]
            }
            Expr::Binary { operator, left, right } => match operator {
                BinaryOperator::Less => call("__lessThan", *left, *right),
                BinaryOperator::Greater => call("__lessThan", *right, *left),
                BinaryOperator::Subtract => call("__sub", *left, *right),
                BinaryOperator::Multiply => call("__mul", *left, *right),
                BinaryOperator::Divide => call("__div", *left, *right),
                _ => self.spine_of_concatenation(id),
            },
            _ => self.spine_of_concatenation(id),
        }
    }

    /// What is concatenated with nothing is a call if it is one.
    fn spine_of_concatenation(&self, id: ExprId) -> Vec<String> {
        match self.items(id)[..] {
            [Item::Expr(inner)] if inner != id => self.spine(inner),
            _ => vec![self.expr(id)],
        }
    }

    /// What is concatenated, from left to right; neighbouring texts are one, and empty ones are left out.
    fn items(&self, id: ExprId) -> Vec<Item> {
        let mut items = Vec::new();
        match self.ast.expr(id) {
            Expr::Text(text, _) => items.push(Item::Text(text.to_string())),
            Expr::Binary { operator: BinaryOperator::Add, left, right } => {
                items = self.items(*left);
                items.push(self.item(*right));
            }
            Expr::Interpolated(parts) => {
                if let Some(StringPart::Interpolation(first)) = parts.first() {
                    items = self.items(*first);
                } else {
                    items.extend(parts.first().map(|part| self.part(part)));
                }
                items.extend(parts.iter().skip(1).map(|part| self.part(part)));
            }
            Expr::Path(path) => {
                if let Some(StringPart::Text(text, _)) = path.parts.first() {
                    // For Nix a second slash at the end is text that follows.
                    let beginning = text.trim_end_matches('/').len() + 1;
                    let (beginning, slashes) = text.split_at(beginning.min(text.len()));
                    items.push(Item::Path(self.resolve(path.anchor, beginning)));
                    items.push(Item::Text(slashes.to_owned()));
                }
                items.extend(path.parts.iter().skip(1).map(|part| self.part(part)));
            }
            _ => items.push(Item::Expr(id)),
        }
        items.retain(|item| !matches!(item, Item::Text(text) if text.is_empty()));
        if let Some(Item::Expr(first)) = items.first()
            && *first != id
            && self.is_concatenation(*first)
        {
            let first = self.items(*first);
            items.splice(..1, first);
        }
        items.dedup_by(|next, item| match (item, next) {
            (Item::Text(text), Item::Text(next)) => {
                text.push_str(next);
                true
            }
            _ => false,
        });
        if items.is_empty() {
            items.push(Item::Text(String::new()));
        }
        items
    }

    fn is_concatenation(&self, id: ExprId) -> bool {
        matches!(
            self.ast.expr(id),
            Expr::Text(..) | Expr::Interpolated(_) | Expr::Path(_) | Expr::Binary { operator: BinaryOperator::Add, .. }
        )
    }

    fn part(&self, part: &StringPart) -> Item {
        match part {
            StringPart::Text(text, _) => Item::Text(text.to_string()),
            StringPart::Interpolation(id) => self.item(*id),
        }
    }

    fn item(&self, id: ExprId) -> Item {
        let mut items = self.items(id);
        match items.pop() {
            Some(item) if items.is_empty() => item,
            _ => Item::Expr(id),
        }
    }

    /// An absolute path without `.`, `..` and doubled slashes; a slash at the end is marked as Nix's are.
    fn resolve(&self, anchor: PathAnchor, text: &str) -> String {
        let folder = self.folder.display();
        let absolute = match anchor {
            PathAnchor::Absolute => text.to_owned(),
            PathAnchor::Relative => format!("{folder}/{text}"),
            PathAnchor::Home => format!("{folder}{}", &text[1..]),
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in absolute.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        if parts.is_empty() || text.ends_with('/') {
            parts.push(MARK);
        }
        format!("/{}", parts.join("/"))
    }

    fn path(&self, path: &[AttrName]) -> String {
        let name = |name: &AttrName| match name {
            AttrName::Static(name, _) => format!("{:?}", name.as_str()),
            AttrName::Dynamic(id) => self.computed(*id),
        };
        path.iter().map(name).collect::<Vec<_>>().join(".")
    }

    fn set(&self, set: &AttrSet) -> String {
        let mut attrs = Vec::new();
        for attr in &set.attrs {
            let name = format!("{:?}", attr.name.as_str());
            let entry = match attr.value {
                AttrValue::Expr(id) => format!("{name}={}", self.expr(id)),
                AttrValue::Inherit(id) => format!("inherit {name}={}", self.expr(id)),
                AttrValue::InheritFrom { source } => {
                    format!("{name}=(. {} {name})", self.expr(set.inherit_from[source as usize]))
                }
            };
            attrs.push((name, entry));
        }
        let mut computed = Vec::new();
        for attr in &set.dynamic {
            let name = self.computed(attr.name);
            let entry = format!("{name}={}", self.expr(attr.value));
            match self.names {
                Names::Forgotten => {}
                _ if name.starts_with('"') => attrs.push((name, entry)),
                _ => computed.push(entry),
            }
        }
        attrs.sort();
        let entries: Vec<String> = attrs.into_iter().map(|(_, entry)| entry).chain(computed).collect();
        format!("{}{{{}}}", if set.recursive { "rec" } else { "" }, entries.join(", "))
    }

    /// A computed name.
    fn computed(&self, id: ExprId) -> String {
        match (self.names, &self.items(id)[..]) {
            (Names::Known | Names::Forgotten, [Item::Text(text)]) => format!("{text:?}"),
            _ => format!("${}", self.expr(id)),
        }
    }

    fn lambda(&self, lambda: &Lambda) -> String {
        let parameter = match &lambda.parameter {
            Parameter::Name(name, _) => name.to_string(),
            Parameter::Pattern { formals, ellipsis, whole } => {
                let mut formals: Vec<&Formal> = formals.iter().collect();
                formals.sort_by_key(|formal| formal.name.as_str());
                let formal = |formal: &&Formal| match formal.default {
                    Some(default) => format!("{} ? {}", formal.name, self.expr(default)),
                    None => formal.name.to_string(),
                };
                let mut parts: Vec<String> = formals.iter().map(formal).collect();
                parts.extend(ellipsis.then(|| "...".to_owned()));
                let whole = whole.map_or(String::new(), |(name, _)| format!("@{name}"));
                format!("{{{}}}{whole}", parts.join(", "))
            }
        };
        format!("(λ {parameter}: {})", self.expr(lambda.body))
    }
}
