//! What an option is, after all definitions.

use bulkhead_eval::data::{AttrsData, Data, DataKind};

use crate::{Configuration, Definition, OptionPath, is_known};

/// What the definitions of one option come to.
#[derive(Clone, Debug)]
pub enum Effective<'c> {
    /// Nothing defines it.
    Undefined,
    /// It has this value, or it is put together of these in this order (lists, sets, lines).
    Known(Vec<&'c Definition>),
    /// These hold at the same time, and can't.
    Conflict(Vec<&'c Definition>),
    /// It is not known which of these hold or what they are, or there may be others: [`Configuration::undecided_at`].
    Undecided(Vec<&'c Definition>),
}

impl Configuration {
    /// What the definitions of exactly this option come to: of those that hold the ones with the lowest priority count.
    ///
    /// Different values of a type that takes only one (Booleans, numbers, null, and strings if the option is declared as
    /// `str`, `enum` or the like) conflict. Where what is unknown could change the outcome, it is undecided.
    pub fn effective(&self, path: &OptionPath) -> Effective<'_> {
        let all = self.definitions(path);
        let sure: Vec<&Definition> =
            all.iter().copied().filter(|definition| definition.condition.is_always()).collect();
        let best = sure.iter().map(|definition| definition.priority).min();
        let mut counting: Vec<&Definition> =
            all.iter().copied().filter(|definition| best.is_none_or(|best| definition.priority <= best)).collect();
        counting.sort_by_key(|definition| definition.order);
        let is_open = !self.problems.is_empty() || !self.undecided_at(path).is_empty();
        let certain: Vec<&Definition> =
            counting.iter().copied().filter(|definition| definition.condition.is_always()).collect();
        if certain.len() == counting.len() {
            if self.contradict(path, &certain) {
                return Effective::Conflict(certain);
            }
            if counting.is_empty() && !is_open {
                return Effective::Undefined;
            }
            if !is_open && counting.iter().all(|definition| is_known(&definition.value)) {
                return Effective::Known(counting);
            }
        }
        Effective::Undecided(counting)
    }

    /// Options with definitions that conflict, and these.
    pub fn conflicts(&self) -> Vec<(&OptionPath, Vec<&Definition>)> {
        let mut paths: Vec<&OptionPath> = self.definitions.iter().map(|definition| &definition.path).collect();
        paths.sort();
        let repeated: Vec<&OptionPath> =
            paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        let mut found: Vec<(&OptionPath, Vec<&Definition>)> = Vec::new();
        for path in repeated {
            if found.last().is_some_and(|(last, _)| *last == path) {
                continue;
            }
            if let Effective::Conflict(definitions) = self.effective(path) {
                found.push((path, definitions));
            }
        }
        found
    }

    /// Whether two definitions that both hold can't.
    fn contradict(&self, path: &OptionPath, definitions: &[&Definition]) -> bool {
        let takes_one = match self.declared(path).map(|declared| declared.kind.name.as_str()) {
            Some("str" | "enum" | "path" | "singleLineStr" | "nonEmptyStr" | "bool" | "float") => true,
            // `int`, `positiveInt`, `unsignedInt16`, `intBetween` …
            Some(name) => name.starts_with("int") || name.contains("Int"),
            None => false,
        };
        let scalar = |definition: &&Definition| match &definition.value.kind {
            DataKind::Bool(_) | DataKind::Int(_) | DataKind::Float(_) | DataKind::Null => true,
            DataKind::String(_) | DataKind::Path(_) => takes_one,
            _ => false,
        };
        let mut scalars = definitions.iter().copied().filter(|definition| scalar(definition));
        let Some(first) = scalars.next() else { return false };
        scalars.any(|other| !same(&first.value, &other.value))
    }
}

/// Whether two values are the same, wherever they come from.
pub fn same(a: &Data, b: &Data) -> bool {
    match (&a.kind, &b.kind) {
        (DataKind::List(a), DataKind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (DataKind::Attrs(AttrsData { attrs: a, .. }), DataKind::Attrs(AttrsData { attrs: b, .. })) => {
            a.len() == b.len() && a.iter().zip(b).all(|((m, a), (n, b))| m == n && same(&a.value, &b.value))
        }
        (DataKind::Unknown(_) | DataKind::Failed(_), _) | (_, DataKind::Unknown(_) | DataKind::Failed(_)) => false,
        (a, b) => a == b,
    }
}
