//! From the definitions of a set to those of its attributes.

use std::collections::BTreeMap;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Unknown;
use bulkhead_eval::{Form, Members, Node, Shape, Split};

use super::{Decl, Def, MAX_DEPTH, Merger, Opaque};
use crate::condition::Guard;
use crate::library::NOT_YET;
use crate::parts::Part;
use crate::{DEFAULT_ORDER, FaultKind, OptionPath};

/// The definitions of a set's attributes.
#[derive(Default)]
pub struct Children<'a> {
    pub named: BTreeMap<&'static str, Vec<Def<'a>>>,
    /// Definitions that may define any attribute but these.
    unknown: Vec<(Def<'a>, Vec<&'static str>)>,
}

impl<'a> Children<'a> {
    /// The definitions of an attribute, those included that may be of it.
    pub fn take(&mut self, name: &str) -> Vec<Def<'a>> {
        let mut defs = self.named.remove(name).unwrap_or_default();
        let may_define = |except: &&(Def<'a>, Vec<&'static str>)| !except.1.contains(&name);
        defs.extend(self.unknown.iter().filter(may_define).map(|(def, _)| def.clone()));
        defs
    }

    /// Why there may be further attributes, if there may.
    pub fn rest(&self) -> Option<Node<'a>> {
        self.unknown.first().map(|(def, _)| def.node)
    }

    /// Note a definition that may define any attribute. One for each reason is enough to make all others doubtful.
    fn add_unknown(&mut self, def: Def<'a>, except: Vec<&'static str>) {
        let is_same = |(other, names): &(Def<'a>, Vec<&'static str>)| {
            names.is_empty()
                && other.opaque == def.opaque
                && (other.priority, other.order, other.is_default) == (def.priority, def.order, def.is_default)
        };
        if def.opaque.is_none() || !self.unknown.iter().any(is_same) {
            self.unknown.push((def, except));
        }
    }

    fn add(&mut self, name: &'static str, def: Def<'a>) {
        self.named.entry(name).or_default().push(def);
    }
}

impl<'a> Merger<'_, '_, 'a> {
    pub(super) fn children(&mut self, defs: Vec<Def<'a>>, path: &OptionPath) -> Children<'a> {
        let mut children = Children::default();
        for def in defs {
            self.push(def, path, &mut children, 0);
        }
        children
    }

    fn push(&mut self, def: Def<'a>, path: &OptionPath, into: &mut Children<'a>, depth: usize) {
        if depth > MAX_DEPTH || def.opaque.is_some() {
            return into.add_unknown(def, Vec::new());
        }
        match self.loader.look(def.node) {
            Shape::Attrs(members) => self.push_attrs(def, members, path, into, depth),
            Shape::Unknown(_, Some(Split::If { condition, consequence, alternative })) => {
                for (expected, node) in [(true, consequence), (false, alternative)] {
                    if let Some(condition) = self.loader.guarded(&def.condition, condition, expected) {
                        self.push(Def { node, condition, ..def.clone() }, path, into, depth + 1);
                    }
                }
            }
            Shape::Unknown(reason, _) => self.push_unknown(def, reason, Vec::new(), into),
            Shape::Failed(failure) => {
                let reason = Unknown {
                    reason: format!("its evaluation failed: {}", failure.message).into(),
                    help: None,
                    place: failure.place.clone(),
                };
                self.push_unknown(def, reason, Vec::new(), into);
            }
            _ if path.names().is_empty() => {}
            _ => {
                let place = self.key(&def).or_else(|| self.loader.session.place(def.node));
                let message = format!("`{path}` is a set of options, and this is no set");
                if def.condition.is_always() {
                    self.fault(FaultKind::WrongType, path, message, place.into_iter().collect());
                }
            }
        }
    }

    fn push_attrs(
        &mut self,
        def: Def<'a>,
        members: Members<'a>,
        path: &OptionPath,
        into: &mut Children<'a>,
        depth: usize,
    ) {
        if let Some(tag) = self.loader.tag(&members) {
            match self.unwrapped(def.clone(), &members, &tag) {
                Some(inner) => inner.into_iter().for_each(|def| self.push(def, path, into, depth + 1)),
                None => {
                    let reason = format!("it is not known what a value of the type `{tag}` defines");
                    let reason = Unknown { reason: reason.into(), help: None, place: self.place(&def) };
                    self.push_unknown(def, reason, Vec::new(), into);
                }
            }
            return;
        }
        if let Some(node) = self.loader.unknown_tag(&members)
            && let Shape::Unknown(reason, _) = self.loader.session.look(node)
        {
            return self.push_unknown(Def { node, ..def }, reason, Vec::new(), into);
        }
        if let Some((left, right)) = members.update
            && let Some(parts) = self.loader.update(left, right, &def.condition, 0)
        {
            for Part { name, node, condition } in parts {
                into.add(name, Def { node, key: Some(node), condition, ..def.clone() });
            }
            return;
        }
        if let (Some(reason), Some(node)) = (members.open, members.rest) {
            let names = members.attrs.iter().map(|(name, _)| *name).collect();
            self.push_unknown(Def { node, ..def.clone() }, reason, names, into);
        }
        for (name, node) in members.attrs {
            into.add(name, Def { node, key: Some(node), ..def.clone() });
        }
    }

    /// Whether it defines a given attribute is not known, and what it would be neither.
    fn push_unknown(&mut self, def: Def<'a>, reason: Unknown, except: Vec<&'static str>, into: &mut Children<'a>) {
        let node = self.loader.session.unknown(&reason.reason, reason.help.as_deref());
        let opaque = Some(if *reason.reason == *NOT_YET { Opaque::NotYet } else { Opaque::Unknown });
        let guard = Guard { place: reason.place.clone(), expected: true, reason };
        let condition = def.condition.and(guard);
        // Reasons that are values keep their origin.
        let node =
            if except.is_empty() && self.loader.session.form(def.node) == Form::Unknown { def.node } else { node };
        into.add_unknown(Def { node, condition, opaque, ..def }, except);
    }

    /// What `mkIf`, `mkMerge`, `mkOverride`, `mkOrder` and the like hold; `None` if it is none of them.
    pub(super) fn unwrapped(&mut self, def: Def<'a>, members: &Members<'a>, tag: &str) -> Option<Vec<Def<'a>>> {
        let content = members.get("content");
        Some(match (tag, content) {
            ("if", Some(node)) => {
                let condition = self.loader.guarded(&def.condition, members.get("condition")?, true);
                condition.map(|condition| Def { node, condition, ..def }).into_iter().collect()
            }
            ("merge", _) => {
                let contents = members.get("contents")?;
                let known = self.loader.undecided.len();
                let items = self.loader.items(contents, &def.condition, 0, true);
                let noted: Vec<Unknown> =
                    self.loader.undecided.drain(known..).map(|undecided| undecided.reason).collect();
                let mut defs: Vec<Def<'a>> =
                    items.into_iter().map(|(node, condition)| Def { node, condition, ..def.clone() }).collect();
                for reason in noted {
                    let node = self.loader.session.unknown(&reason.reason, reason.help.as_deref());
                    let guard = Guard { place: reason.place.clone(), expected: true, reason };
                    defs.push(Def { node, condition: def.condition.and(guard), ..def.clone() });
                }
                defs
            }
            ("override", Some(node)) => match self.loader.number(members) {
                Ok(priority) => vec![Def { node, priority: def.priority.or(Some(priority)), ..def }],
                // It may take the place of all others, or not count.
                Err(reason) => {
                    let node = self.loader.session.unknown(&reason.reason, reason.help.as_deref());
                    let guard = Guard { place: reason.place.clone(), expected: true, reason };
                    let condition = def.condition.and(guard);
                    vec![Def { node, condition, priority: Some(i64::MIN), ..def }]
                }
            },
            ("order", Some(node)) => match self.loader.number(members) {
                Ok(order) => vec![Def { node, order: def.order.or(Some(order)), ..def }],
                Err(reason) => {
                    let node = self.loader.session.unknown(&reason.reason, reason.help.as_deref());
                    vec![Def { node, order: def.order.or(Some(DEFAULT_ORDER)), ..def }]
                }
            },
            ("definition", _) => {
                let node = members.get("value")?;
                vec![Def { node, ..def }]
            }
            _ => return None,
        })
    }

    /// The declarations of a set's attributes; what is unknown about them, if there may be more.
    pub(super) fn declared(
        &mut self,
        decls: Vec<Decl<'a>>,
        into: &mut BTreeMap<&'static str, Vec<Decl<'a>>>,
    ) -> Option<Node<'a>> {
        let mut more = None;
        let mut queue = decls;
        let mut steps = 0;
        while let Some(decl) = queue.pop() {
            steps += 1;
            match self.loader.look(decl.node) {
                Shape::Attrs(members) => {
                    more = more.or(members.rest);
                    for (name, node) in members.attrs {
                        let inner = Decl { node, ..decl.clone() };
                        into.entry(name).or_default().insert(0, inner);
                    }
                }
                Shape::Unknown(_, Some(Split::If { condition, consequence, alternative })) if steps < 10_000 => {
                    for (expected, node) in [(true, consequence), (false, alternative)] {
                        if let Some(condition) = self.loader.guarded(&decl.condition, condition, expected) {
                            queue.push(Decl { node, condition, ..decl.clone() });
                        }
                    }
                }
                Shape::Unknown(..) => more = more.or(Some(decl.node)),
                _ => {}
            }
        }
        more
    }

    /// Where a definition is written.
    pub(super) fn place(&self, def: &Def<'a>) -> Option<Place> {
        let key = self.key(def).filter(|key| !key.file.starts_with('<'));
        key.or_else(|| self.loader.session.place(def.node))
    }
}
