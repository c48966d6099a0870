//! Declared options.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind, Unknown};
use bulkhead_eval::{Members, Node, Shape, Split};

use crate::OptionPath;
use crate::condition::Condition;
use crate::tree::{Inner, Loader, Role, Scope};

/// Submodules and sets of options nested deeper are not looked at.
const MAX_DEPTH: usize = 40;

/// An option that a module declares.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The file of the module.
    pub file: Arc<str>,
    /// Where its name is written.
    pub place: Option<Place>,
    /// Its type.
    pub kind: OptionType,
    /// Its default, if it has one.
    pub default: Option<Data>,
    /// How its default is to be shown, if it says so: a text, or an expression as text.
    pub default_text: Option<String>,
    /// An example: a value, or an expression as text.
    pub example: Option<Data>,
    /// What it is for; Markdown.
    pub description: Option<String>,
    /// Whether it is for other modules only.
    pub internal: bool,
    /// Whether it is shown in manuals.
    pub visible: bool,
    /// Whether it may be defined at most once.
    pub read_only: bool,
    /// Whether it is declared.
    pub condition: Condition,
}

/// The type of an option.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionType {
    /// Its name in `lib.types`, as `attrsOf`; `unspecified` where the option has none, `unknown` where it is not known.
    pub name: String,
    /// What the NixOS manual calls it: `list of string`.
    pub description: String,
    /// The types that it is made of: `elemType` of lists and sets, `left` and `right` of `either`.
    pub nested: Vec<(String, OptionType)>,
    /// The values of an `enum`.
    pub values: Vec<Data>,
    /// The least and the greatest value of an integer type.
    pub bounds: Option<(Option<i64>, Option<i64>)>,
    /// The regular expression (POSIX extended) that the whole of a string matches.
    pub pattern: Option<String>,
    /// Of a submodule: the type of options that it does not declare, if it takes such.
    pub freeform: Option<Box<OptionType>>,
    /// Of a submodule: whether it may have options that are not seen.
    pub is_open: bool,
}

impl OptionType {
    fn named(name: &str, description: &str) -> OptionType {
        OptionType {
            name: name.to_owned(),
            description: description.to_owned(),
            nested: Vec::new(),
            values: Vec::new(),
            bounds: None,
            pattern: None,
            freeform: None,
            is_open: false,
        }
    }
}

/// The options of modules at `prefix`, as far as they are `below` a path or above it.
pub fn collect(
    loader: &mut Loader<'_, '_>,
    modules: &[(usize, Condition)],
    prefix: &OptionPath,
    below: &OptionPath,
    found: &mut BTreeMap<OptionPath, Declared>,
) {
    for (index, condition) in modules {
        let module = loader.module(*index);
        let (file, Some(options)) = (module.file.clone(), module.options) else { continue };
        Walk { loader, file, below, found }.value(options, prefix.clone(), condition, 0);
    }
}

struct Walk<'w, 's, 'a> {
    loader: &'w mut Loader<'s, 'a>,
    file: Arc<str>,
    below: &'w OptionPath,
    found: &'w mut BTreeMap<OptionPath, Declared>,
}

impl<'a> Walk<'_, '_, 'a> {
    fn value(&mut self, node: Node<'a>, path: OptionPath, condition: &Condition, depth: usize) {
        if !(path.starts_with(self.below) || self.below.starts_with(&path)) {
            return;
        }
        let place = self.loader.session.key(node);
        if depth > MAX_DEPTH {
            let reason = format!("options nested deeper than {MAX_DEPTH} are not looked at");
            let reason = Unknown { reason: reason.into(), help: None, place: place.clone() };
            return self.undecided(&path, reason, place);
        }
        match self.loader.look(node) {
            Shape::Attrs(members) if self.loader.tag(&members).as_deref() == Some("option") => {
                self.option(members, path, place, condition, depth);
            }
            Shape::Attrs(members) => {
                if let Some(unknown) = members.open {
                    self.undecided(&path, unknown, place);
                }
                for (name, value) in members.attrs {
                    self.value(value, path.join(name), condition, depth + 1);
                }
            }
            Shape::Unknown(_, Some(Split::If { condition: test, consequence, alternative })) => {
                for (expected, branch) in [(true, consequence), (false, alternative)] {
                    if let Some(condition) = self.loader.guarded(condition, test, expected) {
                        self.value(branch, path.clone(), &condition, depth + 1);
                    }
                }
            }
            Shape::Unknown(unknown, _) => self.undecided(&path, unknown, place),
            Shape::Failed(failure) => self.loader.failed((*failure).clone()),
            _ => {
                let message = format!("`options.{path}` must be an option (`mkOption`) or a set of them");
                self.loader.failed(crate::tree::problem(message, place));
            }
        }
    }

    fn undecided(&mut self, path: &OptionPath, reason: Unknown, place: Option<Place>) {
        self.loader.undecided.push(crate::Undecided {
            path: path.clone(),
            what: crate::UNKNOWN_OPTIONS,
            reason,
            place,
        });
    }

    fn option(
        &mut self,
        members: Members<'a>,
        path: OptionPath,
        place: Option<Place>,
        condition: &Condition,
        depth: usize,
    ) {
        let kind = match members.get("type") {
            Some(node) => self.kind(node, &path, condition, depth + 1),
            None => OptionType::named("unspecified", "unspecified value"),
        };
        let data = |name: &str| members.get(name).map(|node| self.loader.session.data(node));
        let flag = |name: &str, default: bool| match data(name).map(|data| data.kind) {
            Some(DataKind::Bool(value)) => value,
            // `visible = "shallow"` is shown, without what is below it.
            _ => default,
        };
        let declared = Declared {
            file: self.file.clone(),
            place,
            default: data("default"),
            default_text: data("defaultText").and_then(text),
            example: data("example"),
            description: data("description").and_then(text),
            internal: flag("internal", false),
            visible: flag("visible", true),
            read_only: flag("readOnly", false),
            condition: condition.clone(),
            kind,
        };
        // An option may be declared by several modules, which add to it; the one that says more is shown.
        let says_more = |old: &Declared| old.description.is_none() && declared.description.is_some();
        if self.found.get(&path).is_none_or(says_more) {
            self.found.insert(path, declared);
        }
    }

    fn kind(&mut self, node: Node<'a>, path: &OptionPath, condition: &Condition, depth: usize) -> OptionType {
        let Shape::Attrs(members) = self.loader.session.look(node) else {
            return OptionType::named("unknown", "unknown type");
        };
        let string = |name: &str| match members.get(name).map(|node| self.loader.session.look(node)) {
            Some(Shape::String(text)) => Some(text),
            _ => None,
        };
        let name = string("name").unwrap_or_else(|| "unknown".to_owned());
        let mut kind = OptionType::named(&name, &string("description").unwrap_or_else(|| name.clone()));
        if depth > MAX_DEPTH {
            return kind;
        }
        if name == "enum" {
            let payload = members.get("functor").and_then(|node| self.member(node, "payload"));
            let values = payload.and_then(|node| self.member(node, "values").or(Some(node)));
            if let Some(DataKind::List(values)) = values.map(|node| self.loader.session.data(node).kind) {
                kind.values = values;
            }
        }
        kind.bounds = self.bounds(&name, &members);
        kind.pattern = self.pattern(&name, &members);
        if name == "submodule" {
            self.submodule(&members, path, condition, &mut kind, depth);
        }
        let Some(Shape::Attrs(nested)) = members.get("nestedTypes").map(|node| self.loader.session.look(node)) else {
            return kind;
        };
        for (role, node) in nested.attrs {
            let below = match (name.as_str(), role) {
                ("attrsOf" | "lazyAttrsOf", "elemType") => path.join("<name>"),
                ("listOf", "elemType") => path.join("*"),
                _ => path.clone(),
            };
            let inner = self.kind(node, &below, condition, depth + 1);
            kind.nested.push((role.to_owned(), inner));
        }
        kind
    }

    fn submodule(
        &mut self,
        members: &Members<'a>,
        path: &OptionPath,
        condition: &Condition,
        kind: &mut OptionType,
        depth: usize,
    ) {
        // Submodules inside of themselves have no end: each adds to the path.
        if path.names().len() > MAX_DEPTH {
            kind.is_open = true;
            return;
        }
        let Some(modules) = members.get("getSubModules") else { return };
        let inner =
            |(node, _)| Inner { node, file: self.file.clone(), condition: Condition::Always, role: Role::Module };
        let inner: Vec<Inner<'a>> = self.loader.items(modules, condition, 0, false).into_iter().map(inner).collect();
        // Which one of the submodules this is nobody knows.
        let session = self.loader.session;
        let unknown = session.unknown("it depends on what defines the submodule", None);
        let scope = Scope { config: unknown, options: unknown };
        self.loader.known.entry(path.clone()).or_insert(scope);
        let seen = self.loader.undecided.len();
        let modules = self.loader.nested(path, &inner, &[]);
        let modules: Vec<(usize, Condition)> =
            modules.into_iter().map(|(index, holds)| (index, condition.and_all(&holds))).collect();
        let freeform = modules.iter().find_map(|(index, _)| self.loader.module(*index).freeform);
        collect(self.loader, &modules, path, self.below, self.found);
        kind.is_open = self.loader.undecided.len() > seen;
        kind.freeform = freeform.map(|node| Box::new(self.kind(node, path, condition, depth + 1)));
    }

    /// The bounds of an integer type: of the built-in one as it says, of nixpkgs' as its name does.
    fn bounds(&self, name: &str, members: &Members<'a>) -> Option<(Option<i64>, Option<i64>)> {
        if let Some(bounds) = members.get("bounds") {
            let number = |end: &str| match self.loader.session.look(self.member(bounds, end)?) {
                Shape::Int(number) => Some(number),
                _ => None,
            };
            return Some((number("low"), number("high")));
        }
        let bits = |prefix: &str| name.strip_prefix(prefix)?.parse::<u32>().ok().filter(|bits| (1..63).contains(bits));
        if let Some(bits) = bits("unsignedInt") {
            return Some((Some(0), Some((1 << bits) - 1)));
        }
        if let Some(bits) = bits("signedInt") {
            return Some((Some(-(1 << (bits - 1))), Some((1 << (bits - 1)) - 1)));
        }
        match name {
            "positiveInt" => Some((Some(1), None)),
            "unsignedInt" => Some((Some(0), None)),
            _ => None,
        }
    }

    fn pattern(&self, name: &str, members: &Members<'a>) -> Option<String> {
        if let Some(Shape::String(pattern)) = members.get("pattern").map(|node| self.loader.session.look(node)) {
            return Some(pattern);
        }
        match name {
            "singleLineStr" => Some("[^\n\r]*\n?".to_owned()),
            _ => name.strip_prefix("strMatching \"")?.strip_suffix('"').map(|quoted| quoted.replace("\\\\", "\\")),
        }
    }

    fn member(&self, node: Node<'a>, name: &str) -> Option<Node<'a>> {
        match self.loader.session.look(node) {
            Shape::Attrs(members) => members.get(name),
            _ => None,
        }
    }
}

/// The text of a string, `literalExpression` or `literalMD`.
fn text(data: Data) -> Option<String> {
    match data.kind {
        DataKind::String(text) => Some(text.trim().to_owned()),
        DataKind::Attrs(attrs) => match &attrs.attrs.get("text")?.value.kind {
            DataKind::String(text) => Some(text.trim().to_owned()),
            _ => None,
        },
        _ => None,
    }
}
