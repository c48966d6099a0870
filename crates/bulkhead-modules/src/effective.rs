//! What an option is, after all definitions.

use bulkhead_eval::data::{AttrsData, Data, DataKind};

use crate::{Configuration, Definition, OptionPath, UNKNOWN_DEFINITION, Undecided, is_known};

/// What the definitions of one option come to.
#[derive(Clone, Debug)]
pub enum Effective<'c> {
    /// Nothing defines it.
    Undefined,
    /// It has this value, or it is put together of these in this order (lists, sets, lines).
    Known(Vec<&'c Definition>),
    /// These hold at the same time, and can't; unless something that is not seen has a lower priority.
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
        self.outcome(path, &self.definitions(path))
    }

    fn outcome<'c>(&'c self, path: &OptionPath, all: &[&'c Definition]) -> Effective<'c> {
        let sure = all.iter().filter(|definition| definition.condition.is_always());
        let best = sure.map(|definition| definition.priority).min();
        let counts = |definition: &&Definition| best.is_none_or(|best| definition.priority <= best);
        let mut counting: Vec<&Definition> = all.iter().copied().filter(counts).collect();
        counting.sort_by_key(|definition| definition.order);
        if counting.iter().any(|definition| !definition.condition.is_always()) {
            return Effective::Undecided(counting);
        }
        if self.contradict(path, &counting) {
            return Effective::Conflict(counting);
        }
        // What is unknown of these definitions themselves is seen below.
        let matters = |undecided: &&Undecided| undecided.what != UNKNOWN_DEFINITION || undecided.path != *path;
        if !self.problems.is_empty() || self.undecided_at(path).iter().any(matters) {
            return Effective::Undecided(counting);
        }
        match counting.iter().all(|definition| is_known(&definition.value)) {
            true if counting.is_empty() => Effective::Undefined,
            true => Effective::Known(counting),
            false => Effective::Undecided(counting),
        }
    }

    /// Options with definitions that conflict, and these.
    pub fn conflicts(&self) -> Vec<(&OptionPath, Vec<&Definition>)> {
        let mut sorted: Vec<&Definition> = self.definitions.iter().collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        let repeated = sorted.chunk_by(|a, b| a.path == b.path).filter(|group| group.len() > 1);
        let conflicts = repeated.filter_map(|group| match self.outcome(&group[0].path, group) {
            Effective::Conflict(definitions) => Some((&group[0].path, definitions)),
            _ => None,
        });
        conflicts.collect()
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
