//! One option, attribute or item: which definitions count, whether they are of its type, and what they come to.

use bulkhead_eval::{Form, Node, Session, Shape, Split};

use super::types::{Kind, Type};
use super::{Def, MAX_DEPTH, MAX_VALUES, Merger, Region};
use crate::tree::{Inner, Role};
use crate::{Condition, DEFAULT_ORDER, DEFAULT_PRIORITY, FaultKind, OptionPath};

/// Strings put together are not longer.
const MAX_TEXT: usize = 16 << 20;

/// Whether there is a value.
#[derive(Clone, Copy)]
pub enum Presence<'a> {
    /// This one.
    Yes(Node<'a>),
    /// Nothing defines it.
    No,
    /// That depends on something unknown: this.
    Maybe(Node<'a>),
}

/// What definitions come to.
pub struct Outcome<'a> {
    pub presence: Presence<'a>,
    /// The priority of the definitions that count.
    pub priority: i64,
    /// The definitions that count, or may, in their order.
    pub counting: Vec<Def<'a>>,
}

impl<'a> Merger<'_, '_, 'a> {
    /// What `defs` come to as a value of this type.
    pub(super) fn value(&mut self, path: &OptionPath, kind: Type<'a>, defs: Vec<Def<'a>>, depth: usize) -> Outcome<'a> {
        self.values += 1;
        let mut all = Vec::with_capacity(defs.len());
        for def in defs {
            self.discharge(def, &mut all, true, 0);
        }
        let priority_of = |def: &Def<'a>| def.priority.unwrap_or(DEFAULT_PRIORITY);
        let sure = all.iter().filter(|def| def.condition.is_always()).map(priority_of).min();
        let mut counting = all;
        counting.retain(|def| sure.is_none_or(|best| priority_of(def) <= best));
        counting.sort_by_key(|def| def.order.unwrap_or(DEFAULT_ORDER));
        let Some(lowest) = counting.iter().map(priority_of).min() else {
            return Outcome { presence: Presence::No, priority: DEFAULT_PRIORITY, counting };
        };
        let priority = sure.unwrap_or(lowest);
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            let node = self.loader.session.unknown("it is nested too deeply, or there is too much", None);
            return Outcome { presence: Presence::Maybe(node), priority, counting };
        }
        // A submodule takes them, as any module does.
        let takes_all = matches!(kind.kind, Kind::Submodule | Kind::Module | Kind::NullOr(_) | Kind::Either(..));
        if !takes_all && let Some((def, what)) = counting.iter().find_map(|def| Some((def, self.left_on(def)?))) {
            let message = format!(
                "a definition of `{path}` has {what} inside of a priority or an order, where NixOS takes it for the value"
            );
            if def.condition.is_always() && self.is_of(&kind, def.node) == Some(false) {
                let place = self.loader.session.place(def.node).or_else(|| self.place(def));
                self.fault(FaultKind::WrongType, path, message.clone(), place.into_iter().collect());
            }
            let help = "write `mkIf` and `mkMerge` around `mkForce`, `mkDefault` and the like, and `mkOrder` inside";
            let node = self.loader.session.unknown(&message, Some(help));
            return Outcome { presence: Presence::Yes(node), priority, counting };
        }
        if !self.check(path, &kind, &counting) {
            let node = self.loader.session.unknown("a definition of it is not of its type", None);
            return Outcome { presence: Presence::Yes(node), priority, counting };
        }
        let doubt = counting.iter().find_map(|def| def.condition.guards().first().cloned());
        let Some(guard) = doubt else {
            let node = self.merge(path, &kind, &counting, depth);
            return Outcome { presence: Presence::Yes(node), priority, counting };
        };
        let doubt = self.doubt(&guard);
        // One that may hold at a lower priority takes the place of all others.
        let value = match lowest == priority {
            true => self.merge_doubtful(path, &kind, &counting, doubt, depth),
            false if matches!(kind.kind, Kind::Equal) => self.all_same(&counting).unwrap_or(doubt),
            false => doubt,
        };
        let presence = if sure.is_some() { Presence::Yes(value) } else { Presence::Maybe(doubt) };
        Outcome { presence, priority, counting }
    }

    /// Down through `mkIf`, `mkMerge`, the families of `mkOverride` and `mkOrder`. If `is_strict`, in the order in which NixOS
    /// takes them off: what is left of others is the value.
    pub(super) fn discharge(&mut self, def: Def<'a>, into: &mut Vec<Def<'a>>, is_strict: bool, depth: usize) {
        if depth > MAX_DEPTH || def.opaque.is_some() {
            return into.push(def);
        }
        let session = self.loader.session;
        if matches!(session.form(def.node), Form::Attrs(_)) && session.member(def.node, "_type").is_none() {
            return into.push(def);
        }
        match self.loader.look(def.node) {
            Shape::Attrs(members) => {
                if let Some(node) = self.loader.unknown_tag(&members) {
                    return into.push(Def { node, ..def });
                }
                let Some(tag) = self.loader.tag(&members) else { return into.push(def) };
                let is_left = match tag.as_str() {
                    "if" | "merge" | "override" => def.priority.is_some() || def.order.is_some(),
                    "order" => def.order.is_some(),
                    _ => false,
                };
                if is_strict && is_left {
                    return into.push(def);
                }
                match self.unwrapped(def.clone(), &members, &tag) {
                    Some(inner) => inner.into_iter().for_each(|def| self.discharge(def, into, is_strict, depth + 1)),
                    None => into.push(def),
                }
            }
            Shape::Unknown(_, Some(Split::If { condition, consequence, alternative })) => {
                for (expected, node) in [(true, consequence), (false, alternative)] {
                    if let Some(condition) = self.loader.guarded(&def.condition, condition, expected) {
                        self.discharge(Def { node, condition, ..def.clone() }, into, is_strict, depth + 1);
                    }
                }
            }
            _ => into.push(def),
        }
    }

    /// What was not taken off a definition, because it is inside of what comes after it: `mkIf` in `mkForce`.
    fn left_on(&self, def: &Def<'a>) -> Option<&'static str> {
        match self.loader.tag_of(def.node)?.as_str() {
            "if" => Some("`mkIf`"),
            "merge" => Some("`mkMerge`"),
            "override" => Some("another priority"),
            "order" => Some("another order"),
            _ => None,
        }
    }

    /// Whether no definition that surely counts is surely of another type.
    fn check(&mut self, path: &OptionPath, kind: &Type<'a>, defs: &[Def<'a>]) -> bool {
        let mut fits = true;
        for def in defs.iter().filter(|def| def.condition.is_always()) {
            if self.is_of(kind, def.node) == Some(false) {
                let (what, kind_of_fault) = match def.is_default {
                    true => ("the default", FaultKind::WrongDefault),
                    false => ("a definition", FaultKind::WrongType),
                };
                let wanted = self.described(kind);
                let message = format!("{what} of `{path}` is not of its type, which is: {wanted}");
                let place = self.loader.session.place(def.node).or_else(|| self.place(def));
                self.fault(kind_of_fault, path, message, place.into_iter().collect());
                fits = false;
            }
        }
        fits
    }

    /// What definitions come to that all hold.
    pub(super) fn merge(&mut self, path: &OptionPath, kind: &Type<'a>, defs: &[Def<'a>], depth: usize) -> Node<'a> {
        if let [only] = defs
            && self.loader.is_whole(only.node)
        {
            return only.node;
        }
        match kind.kind {
            Kind::Equal => self.equal(path, defs),
            Kind::One => self.one(path, defs),
            Kind::Or => self.any(defs),
            Kind::Separated(separator) => self.text(separator, defs),
            Kind::List(element) => self.list(path, element, defs, depth),
            Kind::Attrs(element) => self.attrs(path, element, defs, false, depth),
            Kind::LazyAttrs(element) => self.attrs(path, element, defs, true, depth),
            Kind::NullOr(inner) => self.null_or(path, inner, defs, depth),
            Kind::Either(left, right) => self.either(path, kind, [left, right], defs, depth),
            Kind::Coerced(from, to, function) => {
                let from = self.type_of(from);
                let to = self.type_of(to);
                let mut coerced = Vec::new();
                for def in defs {
                    let node = match self.is_of(&from, def.node) {
                        Some(false) => def.node,
                        Some(true) => match self.loader.session.call(function, def.node) {
                            Ok(node) => self.loader.session.named_as(node, def.node),
                            Err(failure) => self.failed(&failure.message),
                        },
                        None => self.unknown_of(def.node, "it is not known whether it is coerced"),
                    };
                    coerced.push(Def { node, ..def.clone() });
                }
                self.merge(path, &to, &coerced, depth)
            }
            Kind::Submodule => self.submodule(path, kind, defs, depth),
            Kind::Anything => self.anything(path, kind, defs, depth),
            Kind::AnySet => match defs {
                [only] => only.node,
                _ => self.later_wins(defs),
            },
            Kind::Unique(inner) => {
                if defs.len() > 1 {
                    return self.conflict(path, defs, "it may be defined once");
                }
                let inner = self.type_of(inner);
                self.merge(path, &inner, defs, depth)
            }
            Kind::Same(inner) => {
                let inner = self.type_of(inner);
                self.merge(path, &inner, defs, depth)
            }
            Kind::Module => {
                let modules: Vec<Node<'a>> = defs.iter().map(|def| def.node).collect();
                self.loader.session.attrs(vec![("imports", self.loader.session.list(&modules))], None)
            }
            Kind::Unspecified | Kind::Other => self.by_type(path, kind, defs),
            Kind::Unknown => self.untyped_value(path, defs, Region::Fleet),
        }
    }

    /// The same where it is not known of some definitions, of the same priority, whether they hold.
    fn merge_doubtful(
        &mut self,
        path: &OptionPath,
        kind: &Type<'a>,
        defs: &[Def<'a>],
        doubt: Node<'a>,
        depth: usize,
    ) -> Node<'a> {
        let sure: Vec<Def<'a>> = defs.iter().filter(|def| def.condition.is_always()).cloned().collect();
        match kind.kind {
            // What may hold besides must be the same.
            Kind::Equal if !sure.is_empty() => self.equal(path, &sure),
            Kind::One | Kind::Unique(_) if !sure.is_empty() => self.merge(path, kind, &sure, depth),
            Kind::Equal | Kind::One => self.all_same(defs).unwrap_or(doubt),
            Kind::Attrs(element) => self.attrs(path, element, defs, false, depth),
            Kind::LazyAttrs(element) => self.attrs(path, element, defs, true, depth),
            Kind::Submodule => self.submodule(path, kind, defs, depth),
            Kind::NullOr(inner) => {
                let is_null = |def: &Def<'a>| self.loader.session.form(def.node) == Form::Null;
                match sure.first() {
                    Some(first) if is_null(first) => first.node,
                    Some(first) if self.loader.session.form(first.node) != Form::Unknown => {
                        let inner = self.type_of(inner);
                        self.merge_doubtful(path, &inner, defs, doubt, depth)
                    }
                    _ if matches!(self.type_of(inner).kind, Kind::Equal) => self.all_same(defs).unwrap_or(doubt),
                    _ => doubt,
                }
            }
            Kind::Same(inner) => {
                let inner = self.type_of(inner);
                self.merge_doubtful(path, &inner, defs, doubt, depth)
            }
            Kind::Anything if !sure.is_empty() => match self.loader.session.form(sure[0].node) {
                Form::Attrs(_) => self.anything(path, kind, defs, depth),
                Form::Bool(_) | Form::Int | Form::Null | Form::String => self.equal(path, &sure),
                _ => doubt,
            },
            _ => doubt,
        }
    }

    /// The value of all, if it is known to be one.
    fn all_same(&self, defs: &[Def<'a>]) -> Option<Node<'a>> {
        let (first, rest) = defs.split_first()?;
        rest.iter().all(|def| self.same(first.node, def.node) == Some(true)).then_some(first.node)
    }

    fn equal(&mut self, path: &OptionPath, defs: &[Def<'a>]) -> Node<'a> {
        let [first, rest @ ..] = defs else { return self.failed("it has no definition") };
        if rest.is_empty() {
            return first.node;
        }
        let is_known = |def: &&Def<'a>| crate::is_known(&self.loader.session.data(def.node));
        // All have to be the same, so that one which is known tells.
        let Some(known) = defs.iter().find(is_known) else { return first.node };
        if defs.iter().any(|def| self.same(known.node, def.node) == Some(false)) {
            return self.conflict(path, defs, "its definitions must be the same");
        }
        known.node
    }

    fn one(&mut self, path: &OptionPath, defs: &[Def<'a>]) -> Node<'a> {
        match defs {
            [only] => only.node,
            _ => self.conflict(path, defs, "it takes one definition"),
        }
    }

    pub(super) fn conflict(&mut self, path: &OptionPath, defs: &[Def<'a>], why: &str) -> Node<'a> {
        let value = |def: &Def<'a>| self.loader.session.place(def.node).or_else(|| self.place(def));
        let places: Vec<_> = defs.iter().filter_map(value).collect();
        self.fault(FaultKind::Conflict, path, format!("the definitions of `{path}` conflict: {why}"), places);
        self.loader.session.unknown("its definitions conflict", None)
    }

    fn any(&self, defs: &[Def<'a>]) -> Node<'a> {
        let is = |def: &Def<'a>, wanted: bool| self.loader.session.form(def.node) == Form::Bool(wanted);
        let decisive = defs.iter().find(|def| is(def, true)).or_else(|| defs.iter().find(|def| !is(def, false)));
        decisive.or(defs.first()).map_or_else(|| self.loader.session.bool(false), |def| def.node)
    }

    fn text(&self, separator: Node<'a>, defs: &[Def<'a>]) -> Node<'a> {
        if let [only] = defs {
            return only.node;
        }
        let Shape::String(separator) = self.loader.session.look(separator) else { return separator };
        let mut all = String::new();
        for (index, def) in defs.iter().enumerate() {
            let Shape::String(text) = self.loader.session.look(def.node) else {
                return self.unknown_of(def.node, "a part of it is no string");
            };
            if all.len() + text.len() > MAX_TEXT {
                return self.loader.session.unknown("the strings are too long together", None);
            }
            if index > 0 {
                all.push_str(&separator);
            }
            all.push_str(&text);
        }
        self.loader.session.string(&all)
    }

    fn list(&mut self, path: &OptionPath, element: Node<'a>, defs: &[Def<'a>], depth: usize) -> Node<'a> {
        let element = self.type_of(element);
        let mut items = Vec::new();
        for (number, def) in defs.iter().enumerate() {
            let Shape::List(nodes) = self.loader.session.look(def.node) else {
                return self.unknown_of(def.node, "a part of it is no list");
            };
            for (entry, node) in nodes.into_iter().enumerate() {
                let name = format!("[definition {}-entry {}]", number + 1, entry + 1);
                let outcome = self.value(&path.join(&name), element, vec![def.inner(node, None)], depth + 1);
                match outcome.presence {
                    Presence::Yes(node) => items.push(node),
                    Presence::No => {}
                    Presence::Maybe(doubt) => return doubt,
                }
            }
        }
        self.loader.session.list(&items)
    }

    fn attrs(
        &mut self,
        path: &OptionPath,
        element: Node<'a>,
        defs: &[Def<'a>],
        is_lazy: bool,
        depth: usize,
    ) -> Node<'a> {
        let element = self.type_of(element);
        let inner = defs.iter().map(|def| Def { priority: None, order: None, ..def.clone() }).collect();
        let mut children = self.children(inner, path);
        let mut open = children.rest();
        let mut entries = Vec::new();
        let names: Vec<&'static str> = children.named.keys().copied().collect();
        for name in names {
            let defs = children.take(name);
            let key = defs.first().map(|def| def.node);
            let is_there = is_lazy && defs.iter().any(|def| def.condition.is_always());
            let outcome = self.value(&path.join(name), element, defs, depth + 1);
            let node = match outcome.presence {
                Presence::Yes(node) => node,
                Presence::No if is_there => self.empty_value(&element),
                Presence::No => continue,
                Presence::Maybe(doubt) if is_there => doubt,
                Presence::Maybe(doubt) => {
                    open = open.or(Some(doubt));
                    continue;
                }
            };
            entries.push((name, key.map_or(node, |key| self.loader.session.named_as(node, key))));
        }
        self.loader.session.attrs(entries, open)
    }

    /// What an attribute of `lazyAttrsOf` is whose definition does not hold.
    fn empty_value(&self, element: &Type<'a>) -> Node<'a> {
        let session = self.loader.session;
        match element.kind {
            Kind::List(_) => session.list(&[]),
            Kind::Attrs(_) | Kind::LazyAttrs(_) | Kind::Submodule | Kind::AnySet => session.attrs(Vec::new(), None),
            _ => session.unknown("its definition does not hold", None),
        }
    }

    fn null_or(&mut self, path: &OptionPath, inner: Node<'a>, defs: &[Def<'a>], depth: usize) -> Node<'a> {
        let is_null = |def: &&Def<'a>| self.loader.session.form(def.node) == Form::Null;
        let is_other = |def: &&Def<'a>| !matches!(self.loader.session.form(def.node), Form::Null | Form::Unknown);
        let nulls = defs.iter().filter(is_null).count();
        if nulls == 0 {
            if let Some(first) = defs.first()
                && !defs.iter().any(|def| is_other(&def))
            {
                // Null is possible, too.
                return first.node;
            }
            let inner = self.type_of(inner);
            return self.merge(path, &inner, defs, depth);
        }
        if defs.iter().any(|def| is_other(&def)) {
            return self.conflict(path, defs, "it is null and something else");
        }
        defs.iter().find(is_null).map_or_else(|| self.failed("no definition"), |def| def.node)
    }

    fn either(
        &mut self,
        path: &OptionPath,
        kind: &Type<'a>,
        types: [Node<'a>; 2],
        defs: &[Def<'a>],
        depth: usize,
    ) -> Node<'a> {
        for inner in types {
            let inner = self.type_of(inner);
            let mut answers = defs.iter().map(|def| self.is_of(&inner, def.node)).collect::<Vec<_>>().into_iter();
            if answers.clone().all(|answer| answer == Some(true)) {
                let before = std::mem::replace(&mut self.in_either, true);
                let merged = self.merge(path, &inner, defs, depth);
                self.in_either = before;
                return merged;
            }
            if answers.clone().any(|answer| answer.is_none()) && answers.all(|answer| answer != Some(false)) {
                return match defs {
                    [only] => self.unknown_of(only.node, "it is not known of which type it is"),
                    _ => self.loader.session.unknown("it is not known of which type its definitions are", None),
                };
            }
        }
        match defs {
            [only] => self.unknown_of(only.node, "it is not known of which type it is"),
            _ => {
                let why = format!("they are of different ones of its types ({})", self.described(kind));
                self.conflict(path, defs, &why)
            }
        }
    }

    fn anything(&mut self, path: &OptionPath, kind: &Type<'a>, defs: &[Def<'a>], depth: usize) -> Node<'a> {
        let session = self.loader.session;
        let mut known = defs.iter().filter(|def| session.form(def.node) != Form::Unknown).peekable();
        let is_set = |def: &Def<'a>| matches!(session.form(def.node), Form::Attrs(_)) && !is_package(session, def.node);
        let are_sets = known.peek().is_some() && known.all(is_set);
        if are_sets {
            return self.attrs(path, kind.node, defs, false, depth);
        }
        match (defs, defs.first().map(|def| session.form(def.node))) {
            ([_], Some(Form::List)) => self.list(path, kind.node, defs, depth),
            ([only], _) => only.node,
            (_, Some(Form::Function | Form::Attrs(_))) => {
                session.unknown("it is put together of several functions or packages", None)
            }
            (_, Some(Form::List)) => self.conflict(path, defs, "lists are not joined here"),
            _ => self.equal(path, defs),
        }
    }

    fn later_wins(&mut self, defs: &[Def<'a>]) -> Node<'a> {
        let mut entries: Vec<(&'static str, Node<'a>)> = Vec::new();
        let mut open = None;
        for def in defs {
            let Shape::Attrs(members) = self.loader.session.look(def.node) else {
                return self.unknown_of(def.node, "a part of it is no set");
            };
            if members.rest.is_some() {
                entries.iter_mut().for_each(|(_, node)| *node = members.rest.unwrap_or(*node));
                open = members.rest;
            }
            entries.retain(|(name, _)| members.get(name).is_none());
            entries.extend(members.attrs);
        }
        self.loader.session.attrs(entries, open)
    }

    /// By the `merge` of the type, or as an option without type.
    fn by_type(&mut self, path: &OptionPath, kind: &Type<'a>, defs: &[Def<'a>]) -> Node<'a> {
        let session = self.loader.session;
        let Some(merge) = self.member(kind.node, "merge") else {
            return match defs {
                [only] => only.node,
                _ => session.unknown("it is put together of several definitions, in a way that is not known", None),
            };
        };
        let names: Vec<Node<'a>> = path.names().iter().map(|name| session.string(name)).collect();
        let entries: Vec<Node<'a>> = defs.iter().map(|def| self.with_location(def)).collect();
        let merged =
            session.call(merge, session.list(&names)).and_then(|merge| session.call(merge, session.list(&entries)));
        merged.unwrap_or_else(|failure| self.failed(&failure.message))
    }

    pub(super) fn with_location(&self, def: &Def<'a>) -> Node<'a> {
        let session = self.loader.session;
        session.attrs(vec![("file", session.string(&def.file)), ("value", def.node)], None)
    }

    fn submodule(&mut self, path: &OptionPath, kind: &Type<'a>, defs: &[Def<'a>], depth: usize) -> Node<'a> {
        if !matches!(self.loader.session.form(kind.node), Form::Attrs(_)) {
            return kind.node;
        }
        let Some(modules) = self.member(kind.node, "getSubModules") else {
            return self.loader.session.unknown("the modules of this type are not known", None);
        };
        let payload = self.member(kind.node, "functor").and_then(|functor| self.member(functor, "payload"));
        let is_config = payload
            .and_then(|payload| self.member(payload, "shorthandOnlyDefinesConfig"))
            .is_some_and(|node| self.loader.session.form(node) == Form::Bool(true));
        let special = payload.and_then(|payload| self.member(payload, "specialArgs"));
        let special: Vec<(std::sync::Arc<str>, Node<'a>)> = match special.map(|node| self.loader.session.look(node)) {
            Some(Shape::Attrs(members)) => members.attrs.into_iter().map(|(name, node)| (name.into(), node)).collect(),
            _ => Vec::new(),
        };
        let seen = self.loader.undecided.len();
        let failed = self.loader.problems.len();
        let file = defs.first().map_or_else(|| "".into(), |def| def.file.clone());
        let role = if self.in_either { Role::Module } else { Role::Imported };
        let base = self.loader.items(modules, &Condition::Always, 0, true);
        let mut inner: Vec<Inner<'a>> =
            base.into_iter().map(|(node, condition)| Inner { node, file: file.clone(), condition, role }).collect();
        for def in defs {
            let is_set = matches!(self.loader.session.form(def.node), Form::Attrs(_) | Form::Unknown);
            inner.push(Inner {
                node: def.node,
                file: def.file.clone(),
                condition: def.condition.clone(),
                role: if is_config && is_set { Role::Config } else { Role::Module },
            });
        }
        let count = self.loader.count();
        let modules = self.loader.nested(path, &inner, &special);
        let unseen = if self.loader.problems.len() > failed || self.loader.undecided.len() > seen {
            self.unseen_since(seen)
        } else {
            None
        };
        let level = super::Level {
            path: path.clone(),
            depth: depth + 1,
            is_top: true,
            freeform: super::Freeform::None,
            region: Region::Submodule,
            unseen,
        };
        let scope = self.modules(&modules, level);
        self.loader.forget_after(count);
        scope.config
    }

    /// The value if it is unknown, else something unknown for this reason.
    fn unknown_of(&self, node: Node<'a>, reason: &str) -> Node<'a> {
        match self.loader.session.form(node) {
            Form::Unknown | Form::Failed => node,
            _ => self.loader.session.unknown(reason, None),
        }
    }

    pub(super) fn failed(&self, message: &str) -> Node<'a> {
        self.loader.session.unknown(&format!("its evaluation failed: {message}"), None)
    }
}

pub fn is_package<'a>(session: &Session<'a>, node: Node<'a>) -> bool {
    session.member(node, "outPath").is_some() || session.member(node, "drvPath").is_some()
}
