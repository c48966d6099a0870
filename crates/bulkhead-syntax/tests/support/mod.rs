//! Writing an [`Ast`] as one line of text.
#![allow(clippy::unwrap_used, dead_code)]

use bulkhead_syntax::*;

/// The tree of a text, variables by name alone.
pub fn show(text: &str) -> String {
    printed(text, false)
}

/// The tree of a text; each variable says where its value is: `x^0.1` is slot 1 of the innermost frame, `x^with0` is
/// looked up in the innermost frame, which is a `with`, and `x^global` among the globals.
pub fn show_bindings(text: &str) -> String {
    printed(text, true)
}

fn printed(text: &str, bindings: bool) -> String {
    let ast = parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"));
    Printer { ast: &ast, bindings }.expr(ast.root)
}

struct Printer<'a> {
    ast: &'a Ast,
    bindings: bool,
}

impl Printer<'_> {
    fn expr(&self, id: ExprId) -> String {
        match self.ast.expr(id) {
            Expr::Int(number) => number.to_string(),
            Expr::Float(number) => format!("{number:?}"),
            Expr::Text(text, _) => format!("{text:?}"),
            Expr::Interpolated(parts) => format!("(string {})", self.parts(parts)),
            Expr::Path(path) => format!("({:?}-path {})", path.anchor, self.parts(&path.parts)),
            Expr::SearchPath { path, find_file, nix_path } => {
                format!("({} {} {path:?})", self.expr(*find_file), self.expr(*nix_path))
            }
            Expr::Variable { name, .. } if !self.bindings => name.to_string(),
            Expr::Variable { name, binding } => match binding {
                Binding::Local { up, slot } => format!("{name}^{up}.{slot}"),
                Binding::With { up } => format!("{name}^with{up}"),
                Binding::Global => format!("{name}^global"),
            },
            Expr::CurrentPosition => "position".to_owned(),
            Expr::List(items) => format!("[{}]", self.all(items)),
            Expr::Attrs(set) => self.set(set),
            Expr::Let { bindings, body } => format!("(let {} {})", self.set(bindings), self.expr(*body)),
            Expr::With { scope, body, outer } => {
                let outer = outer.filter(|_| self.bindings).map_or(String::new(), |outer| format!("^{outer}"));
                format!("(with{outer} {} {})", self.expr(*scope), self.expr(*body))
            }
            Expr::Lambda(lambda) => self.lambda(lambda),
            Expr::Apply { function, arguments } => format!("({} {})", self.expr(*function), self.all(arguments)),
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
            Expr::Negate(operand) => format!("(- {})", self.expr(*operand)),
            Expr::Binary { operator, left, right } => {
                format!("({operator:?} {} {})", self.expr(*left), self.expr(*right))
            }
        }
    }

    fn all(&self, ids: &[ExprId]) -> String {
        ids.iter().map(|id| self.expr(*id)).collect::<Vec<_>>().join(" ")
    }

    fn parts(&self, parts: &[StringPart]) -> String {
        let part = |part: &StringPart| match part {
            StringPart::Text(text, _) => format!("{text:?}"),
            StringPart::Interpolation(id) => self.expr(*id),
        };
        parts.iter().map(part).collect::<Vec<_>>().join(" ")
    }

    fn path(&self, path: &[AttrName]) -> String {
        let name = |name: &AttrName| match name {
            AttrName::Static(name, _) => name.to_string(),
            AttrName::Dynamic(id) => format!("${}", self.expr(*id)),
        };
        path.iter().map(name).collect::<Vec<_>>().join(".")
    }

    fn set(&self, set: &AttrSet) -> String {
        let mut entries = Vec::new();
        for attr in &set.attrs {
            entries.push(match attr.value {
                AttrValue::Expr(id) => format!("{}={}", attr.name, self.expr(id)),
                AttrValue::Inherit(id) => format!("inherit {}", self.expr(id)),
                AttrValue::InheritFrom { source } => {
                    format!("inherit ({}) {}", self.expr(set.inherit_from[source as usize]), attr.name)
                }
            });
        }
        for attr in &set.dynamic {
            entries.push(format!("${}={}", self.expr(attr.name), self.expr(attr.value)));
        }
        format!("{}{{{}}}", if set.recursive { "rec" } else { "" }, entries.join(", "))
    }

    fn lambda(&self, lambda: &Lambda) -> String {
        let parameter = match &lambda.parameter {
            Parameter::Name(name, _) => name.to_string(),
            Parameter::Pattern { formals, ellipsis, whole } => {
                let mut parts: Vec<String> = formals
                    .iter()
                    .map(|formal| match formal.default {
                        Some(default) => format!("{} ? {}", formal.name, self.expr(default)),
                        None => formal.name.to_string(),
                    })
                    .collect();
                parts.extend(ellipsis.then(|| "...".to_owned()));
                let whole = whole.map_or(String::new(), |(name, _)| format!("@{name}"));
                format!("{{{}}}{whole}", parts.join(", "))
            }
        };
        let name = lambda.name.map_or(String::new(), |name| format!("{name} = "));
        format!("(λ {name}{parameter}: {})", self.expr(lambda.body))
    }
}
