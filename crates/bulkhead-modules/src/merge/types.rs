//! What the values of a type are merged like.

use bulkhead_eval::data::DataKind;
use bulkhead_eval::{Form, Members, Node, Shape};

use super::Merger;

/// A type of `lib.types`.
#[derive(Clone, Copy)]
pub struct Type<'a> {
    pub node: Node<'a>,
    pub kind: Kind<'a>,
}

/// How definitions are put together.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// All must be the same: `str`, `int`, `enum` …
    Equal,
    /// There may be one: `package`, `raw` …
    One,
    /// True if one is.
    Or,
    /// Strings with this in between.
    Separated(Node<'a>),
    List(Node<'a>),
    Attrs(Node<'a>),
    LazyAttrs(Node<'a>),
    NullOr(Node<'a>),
    Either(Node<'a>, Node<'a>),
    /// From, to, and the function.
    Coerced(Node<'a>, Node<'a>, Node<'a>),
    Submodule,
    Anything,
    /// Sets, of which the last counts.
    AnySet,
    /// There may be one, of the type.
    Unique(Node<'a>),
    /// Another type that says the same: of values that are shown and not gone into.
    Same(Node<'a>),
    Module,
    /// Merged by the type's own `merge`.
    Other,
    /// No type is given.
    Unspecified,
    /// The type itself is not known.
    Unknown,
}

/// Types of which all definitions must be the same.
const EQUAL: &[&str] =
    &["bool", "str", "enum", "int", "float", "path", "pathInStore", "singleLineStr", "nonEmptyStr", "optionType"];

/// Types of which there may be one definition.
const ONE: &[&str] = &["package", "shellPackage", "raw", "pkgs", "luaInline", "functionTo"];

impl<'a> Merger<'_, '_, 'a> {
    pub(super) fn type_of(&mut self, node: Node<'a>) -> Type<'a> {
        let session = self.loader.session;
        let Form::Attrs(identity) = session.form(node) else { return Type { node, kind: Kind::Unknown } };
        if let Some(known) = self.types.get(&identity) {
            return *known;
        }
        let Shape::Attrs(members) = session.look(node) else { return Type { node, kind: Kind::Unknown } };
        let kind = self.kind(&members).unwrap_or(Kind::Unknown);
        let found = Type { node, kind };
        self.types.insert(identity, found);
        found
    }

    fn kind(&self, members: &Members<'a>) -> Option<Kind<'a>> {
        let Some(Shape::String(name)) = members.get("name").map(|node| self.loader.session.look(node)) else {
            return None;
        };
        let nested = |role: &str| self.member(members.get("nestedTypes")?, role);
        if EQUAL.contains(&&*name) || is_number(&name) || name.starts_with("strMatching") {
            return Some(Kind::Equal);
        }
        if ONE.contains(&&*name) {
            return Some(Kind::One);
        }
        if name.starts_with("passwdEntry") {
            return Some(nested("inner").map_or(Kind::Equal, Kind::Same));
        }
        let kind = match &*name {
            "boolByOr" => Kind::Or,
            "separatedString" | "lines" | "string" | "commas" | "envVar" => match self.separator(members) {
                Some(separator) => Kind::Separated(separator),
                None => Kind::Other,
            },
            "listOf" | "nonEmptyListOf" => Kind::List(nested("elemType")?),
            "attrsOf" => Kind::Attrs(nested("elemType")?),
            "lazyAttrsOf" => Kind::LazyAttrs(nested("elemType")?),
            "nullOr" => Kind::NullOr(nested("elemType")?),
            "either" => Kind::Either(nested("left")?, nested("right")?),
            "coercedTo" => match members.get("coerce") {
                Some(function) => Kind::Coerced(nested("coercedType")?, nested("finalType")?, function),
                None => Kind::Other,
            },
            "submodule" => Kind::Submodule,
            "anything" => Kind::Anything,
            "attrs" => Kind::AnySet,
            "unique" | "uniq" => nested("elemType").map_or(Kind::One, Kind::Unique),
            "data" => Kind::Same(members.get("actual")?),
            "deferredModule" => Kind::Module,
            "unspecified" => Kind::Unspecified,
            _ => Kind::Other,
        };
        Some(kind)
    }

    /// What is between the strings: of the built-in type, and of nixpkgs' of both kinds.
    fn separator(&self, members: &Members<'a>) -> Option<Node<'a>> {
        if let Some(separator) = members.get("sep") {
            return Some(separator);
        }
        let payload = self.member(members.get("functor")?, "payload")?;
        match self.loader.session.look(payload) {
            Shape::String(_) => Some(payload),
            Shape::Attrs(members) => members.get("sep"),
            _ => None,
        }
    }

    /// The type of the values in a set of this type.
    pub(super) fn element_of(&mut self, of: &Type<'a>) -> Option<Type<'a>> {
        match of.kind {
            Kind::Attrs(element) | Kind::LazyAttrs(element) => Some(self.type_of(element)),
            Kind::NullOr(inner) | Kind::Same(inner) | Kind::Unique(inner) | Kind::Coerced(_, inner, _) => {
                let inner = self.type_of(inner);
                self.element_of(&inner)
            }
            Kind::Either(left, right) => {
                let (left, right) = (self.type_of(left), self.type_of(right));
                match self.element_of(&left) {
                    Some(found) => Some(found),
                    None => self.element_of(&right),
                }
            }
            Kind::Anything | Kind::AnySet => Some(*of),
            _ => None,
        }
    }

    pub(super) fn member(&self, node: Node<'a>, name: &str) -> Option<Node<'a>> {
        self.loader.session.member(node, name)
    }

    /// Whether a value is of a type; `None` if that is not known.
    pub(super) fn is_of(&mut self, kind: &Type<'a>, value: Node<'a>) -> Option<bool> {
        if let Form::Unknown | Form::Failed = self.loader.session.form(value) {
            return None;
        }
        let Some(check) = self.member(kind.node, "check") else { return Some(true) };
        let answer = self.loader.session.call(check, value).ok()?;
        match self.loader.session.form(answer) {
            Form::Bool(answer) => Some(answer),
            _ => None,
        }
    }

    /// What the manual calls a type.
    pub(super) fn described(&self, kind: &Type<'a>) -> String {
        for name in ["description", "name"] {
            if let Some(Shape::String(text)) = self.member(kind.node, name).map(|node| self.loader.session.look(node)) {
                return text;
            }
        }
        "another type".to_owned()
    }

    /// Whether two values are surely the same, or surely not.
    pub(super) fn same(&self, a: Node<'a>, b: Node<'a>) -> Option<bool> {
        let (a, b) = (self.loader.session.data(a), self.loader.session.data(b));
        match crate::is_known(&a) && crate::is_known(&b) {
            true if matches!((&a.kind, &b.kind), (DataKind::Function, _) | (_, DataKind::Function)) => None,
            true => Some(crate::effective::same(&a, &b)),
            false => None,
        }
    }
}

fn is_number(name: &str) -> bool {
    let ints = ["positiveInt", "unsignedInt", "signedInt", "intBetween", "number"];
    ints.iter().any(|prefix| name.starts_with(prefix))
}
