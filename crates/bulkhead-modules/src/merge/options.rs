//! Declared options.

use bulkhead_eval::{Form, Members, Node, Shape};

use super::types::{Kind, Type};
use super::untyped::is_certain;
use super::values::{Outcome, Presence};
use super::{Decl, Def, Level, Merger};
use crate::tree::Scope;
use crate::{FaultKind, OptionPath};

/// The priority of a default: `mkOptionDefault` in the NixOS manual.
const OPTION_DEFAULT: i64 = 1500;

impl<'a> Merger<'_, '_, 'a> {
    /// An option, or a set of them.
    pub(super) fn declaration(&mut self, decls: Vec<Decl<'a>>, defs: Vec<Def<'a>>, level: Level<'a>) -> Scope<'a> {
        let (mut options, mut within) = (Vec::new(), Vec::new());
        for decl in &decls {
            let members = match self.loader.look(decl.node) {
                Shape::Attrs(members) => members,
                // Perhaps an option, perhaps a set of them.
                Shape::Unknown(..) => return Scope { config: decl.node, options: decl.node },
                _ => continue,
            };
            if let Some(unknown) = self.loader.unknown_tag(&members) {
                return Scope { config: unknown, options: unknown };
            }
            if self.loader.tag(&members).as_deref() == Some("option") {
                options.push((decl.clone(), members));
            } else {
                within.push(decl.clone());
            }
        }
        if options.is_empty() {
            return self.level(decls, defs, level);
        }
        self.option(options, &within, defs, level)
    }

    /// `within` are options that are declared below this one: of a submodule.
    fn option(
        &mut self,
        decls: Vec<(Decl<'a>, Members<'a>)>,
        within: &[Decl<'a>],
        mut defs: Vec<Def<'a>>,
        level: Level<'a>,
    ) -> Scope<'a> {
        let path = level.path.clone();
        let kind = self.declared_type(&decls);
        let kind = self.with_options(kind, within);
        let default = |(decl, members): &(Decl<'a>, Members<'a>)| {
            let def = Def::of(members.get("default")?, decl.file.clone(), decl.condition.clone());
            Some(Def { priority: Some(OPTION_DEFAULT), is_default: true, ..def })
        };
        // Before definitions of the same priority.
        defs.splice(0..0, decls.iter().filter_map(default));
        let is_set_twice = self.is_set_twice(&path, &decls, &defs);
        let outer = std::mem::replace(&mut self.in_either, false);
        let outcome = self.value(&path, kind, defs, level.depth + 1);
        self.in_either = outer;
        let session = self.loader.session;
        let mut value = match outcome.presence {
            Presence::Yes(node) | Presence::Maybe(node) => node,
            Presence::No => session.unknown("nothing defines it, and it has no default", None),
        };
        if is_set_twice {
            value = session.unknown("it is read-only, and set more than once", None);
        }
        if let Some(unseen) = &level.unseen
            && !(matches!(outcome.presence, Presence::Yes(_)) && self.is_decided(&kind, &outcome))
        {
            value = session.unknown(&unseen.reason, unseen.help.as_deref());
        }
        let applied = decls.iter().find_map(|(_, members)| members.get("apply"));
        if let Some(apply) = applied {
            value = match session.call(apply, value) {
                Ok(node) => node,
                Err(failure) => self.failed(&failure.message),
            };
        }
        if let Some(key) = outcome.counting.iter().find(|def| !def.is_default) {
            value = session.named_as(value, key.node);
        }
        let options = match self.loader.wants_options {
            true => self.option_value(&path, &decls, &outcome, value, &level),
            false => session.unknown("no module asks for it", None),
        };
        Scope { config: value, options }
    }

    /// Whether modules that are not seen can't make it anything else without `mkForce`.
    fn is_decided(&self, kind: &Type<'a>, outcome: &Outcome<'a>) -> bool {
        let is_scalar = match kind.kind {
            Kind::Equal | Kind::One => true,
            Kind::NullOr(_) | Kind::Either(..) | Kind::Anything | Kind::Unspecified => {
                let scalar = |def: &Def<'a>| {
                    matches!(self.loader.session.form(def.node), Form::Bool(_) | Form::Int | Form::Null)
                };
                outcome.counting.iter().all(scalar)
            }
            _ => false,
        };
        is_scalar && is_certain(outcome.priority)
    }

    /// What `options.<path>` is.
    fn option_value(
        &self,
        path: &OptionPath,
        decls: &[(Decl<'a>, Members<'a>)],
        outcome: &Outcome<'a>,
        value: Node<'a>,
        level: &Level<'a>,
    ) -> Node<'a> {
        let session = self.loader.session;
        let doubt = outcome.counting.iter().find_map(|def| def.condition.guards().first());
        let unseen = level.unseen.as_ref().map(|unseen| session.unknown(&unseen.reason, None));
        let unknown = doubt.map(|guard| self.doubt(guard)).or(unseen);
        let told = |node: Node<'a>| unknown.unwrap_or(node);
        let definitions: Vec<Node<'a>> = outcome.counting.iter().map(|def| def.node).collect();
        let located: Vec<Node<'a>> = outcome.counting.iter().map(|def| self.with_location(def)).collect();
        let files: Vec<Node<'a>> = outcome.counting.iter().map(|def| session.string(&def.file)).collect();
        let names: Vec<Node<'a>> = path.names().iter().map(|name| session.string(name)).collect();
        let is_defined = match outcome.presence {
            Presence::Yes(_) => session.bool(true),
            Presence::No => told(session.bool(false)),
            Presence::Maybe(doubt) => doubt,
        };
        let mut entries = vec![
            ("definitions", told(session.list(&definitions))),
            ("definitionsWithLocations", told(session.list(&located))),
            ("files", told(session.list(&files))),
            ("highestPrio", told(session.int(outcome.priority))),
            ("isDefined", is_defined),
            ("loc", session.list(&names)),
            ("value", value),
        ];
        if let Some((_, members)) = decls.first() {
            entries.extend(members.attrs.iter().copied());
        }
        session.attrs(entries, None)
    }

    /// The type that all declarations come to.
    fn declared_type(&mut self, decls: &[(Decl<'a>, Members<'a>)]) -> Type<'a> {
        let mut found: Option<Type<'a>> = None;
        let mut several = Vec::new();
        for (decl, members) in decls {
            let Some(node) = members.get("type") else { continue };
            let kind = self.type_of(node);
            several.push(kind);
            if found.is_none() || (decl.condition.is_always() && matches!(kind.kind, Kind::Equal | Kind::Submodule)) {
                found = found.or(Some(kind));
            }
        }
        match (found, several.as_slice()) {
            (None, _) => Type { node: decls[0].0.node, kind: Kind::Unspecified },
            (Some(only), [_]) => only,
            (Some(first), all) => self.joined(first, all),
        }
    }

    /// The type of a submodule with further options in it.
    fn with_options(&mut self, kind: Type<'a>, within: &[Decl<'a>]) -> Type<'a> {
        let session = self.loader.session;
        let (Kind::Submodule, Shape::Attrs(members)) = (kind.kind, session.look(kind.node)) else { return kind };
        let Some(Shape::List(own)) = members.get("getSubModules").map(|node| session.look(node)) else { return kind };
        if within.is_empty() {
            return kind;
        }
        let module = |decl: &Decl<'a>| {
            let entries = vec![("_file", session.string(&decl.file)), ("options", decl.node)];
            session.attrs(entries, None)
        };
        let modules: Vec<Node<'a>> = own.into_iter().chain(within.iter().map(module)).collect();
        let mut entries = members.attrs;
        entries.retain(|(name, _)| *name != "getSubModules");
        entries.push(("getSubModules", session.list(&modules)));
        Type { node: session.attrs(entries, None), kind: Kind::Submodule }
    }

    /// The type of an option that is declared several times.
    fn joined(&mut self, first: Type<'a>, all: &[Type<'a>]) -> Type<'a> {
        let session = self.loader.session;
        if all.iter().all(|kind| matches!(kind.kind, Kind::Submodule)) {
            let mut modules = Vec::new();
            for kind in all {
                match self.member(kind.node, "getSubModules").map(|node| session.look(node)) {
                    Some(Shape::List(nodes)) => modules.extend(nodes),
                    _ => return Type { node: first.node, kind: Kind::Unknown },
                }
            }
            let Shape::Attrs(members) = session.look(first.node) else { return first };
            let mut entries = members.attrs;
            entries.retain(|(name, _)| *name != "getSubModules");
            entries.push(("getSubModules", session.list(&modules)));
            return Type { node: session.attrs(entries, None), kind: Kind::Submodule };
        }
        let inner = |kind: &Type<'a>| match (first.kind, kind.kind) {
            (Kind::Attrs(_), Kind::Attrs(inner))
            | (Kind::LazyAttrs(_), Kind::LazyAttrs(inner))
            | (Kind::List(_), Kind::List(inner))
            | (Kind::NullOr(_), Kind::NullOr(inner)) => Some(inner),
            _ => None,
        };
        if let Some(inner) = all.iter().map(inner).collect::<Option<Vec<_>>>() {
            let inner: Vec<Type<'a>> = inner.into_iter().map(|node| self.type_of(node)).collect();
            let element = self.joined(inner[0], &inner).node;
            let described = self.described(&inner[0]);
            let is_same = inner.iter().all(|kind| self.described(kind) == described);
            let kind = match first.kind {
                Kind::Attrs(_) => Kind::Attrs(element),
                Kind::LazyAttrs(_) => Kind::LazyAttrs(element),
                Kind::List(_) => Kind::List(element),
                _ => Kind::NullOr(element),
            };
            // The check of the one would refuse what the other takes.
            let node = if is_same { first.node } else { session.attrs(Vec::new(), None) };
            return Type { node, kind };
        }
        let described = self.described(&first);
        match all.iter().all(|kind| self.described(kind) == described) {
            true => first,
            // `enum` and the like: what the one does not take the other may.
            false => Type {
                node: session.attrs(Vec::new(), None),
                kind: if all.iter().all(|kind| matches!(kind.kind, Kind::Equal)) { Kind::Equal } else { Kind::Unknown },
            },
        }
    }

    /// Whether a read-only option is set more than once; its default counts.
    fn is_set_twice(&mut self, path: &OptionPath, decls: &[(Decl<'a>, Members<'a>)], defs: &[Def<'a>]) -> bool {
        let is_read_only = decls.iter().any(|(_, members)| {
            members.get("readOnly").is_some_and(|node| self.loader.session.form(node) == Form::Bool(true))
        });
        if !is_read_only {
            return false;
        }
        let mut all = Vec::new();
        for def in defs {
            self.discharge(def.clone(), &mut all, true, 0);
        }
        all.retain(|def| def.condition.is_always());
        if all.len() > 1 {
            let places = all.iter().filter_map(|def| self.place(def)).collect();
            self.fault(FaultKind::ReadOnly, path, format!("`{path}` is read-only, and set more than once"), places);
        }
        all.len() > 1
    }
}
