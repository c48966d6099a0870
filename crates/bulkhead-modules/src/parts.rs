//! Sets that are put together of others: `{ … } // lib.optionalAttrs condition { … }`.

use bulkhead_eval::{Members, Node, Shape, Split};

use crate::condition::{Condition, Guard};
use crate::tree::Loader;

/// Deeper ones are not taken apart.
const MAX_DEPTH: usize = 100;

/// An attribute of a set that is put together.
pub struct Part<'a> {
    pub name: &'static str,
    pub node: Node<'a>,
    pub condition: Condition,
}

impl<'a> Loader<'_, 'a> {
    /// The attributes of `left // right`, if the names of both are known or depend on conditions alone.
    pub fn update(
        &mut self,
        left: Node<'a>,
        right: Node<'a>,
        condition: &Condition,
        depth: usize,
    ) -> Option<Vec<Part<'a>>> {
        let (left, mut all) = (self.parts(left, condition, depth + 1)?, self.parts(right, condition, depth + 1)?);
        let known = condition.guards().len();
        let mut kept = Vec::new();
        'parts: for mut part in left {
            let mut without: Vec<Guard> = Vec::new();
            for over in all.iter().filter(|over| over.name == part.name) {
                // It is there unless the other one is.
                match over.condition.guards().get(known..) {
                    Some([guard]) => without.push(Guard { expected: !guard.expected, ..guard.clone() }),
                    Some([_, ..]) => return None,
                    _ => continue 'parts,
                }
            }
            let opposite = |a: &Guard, b: &Guard| a.place == b.place && a.expected != b.expected;
            if without.iter().any(|a| without.iter().any(|b| opposite(a, b))) {
                continue;
            }
            part.condition = without.into_iter().fold(part.condition, |all, guard| all.and(guard));
            kept.push(part);
        }
        all.extend(kept);
        Some(all)
    }

    pub fn parts(&mut self, node: Node<'a>, condition: &Condition, depth: usize) -> Option<Vec<Part<'a>>> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.look(node) {
            Shape::Attrs(members) if self.tag(&members).is_some() => None,
            Shape::Attrs(Members { attrs, open: None, .. }) => {
                let part = |(name, node)| Part { name, node, condition: condition.clone() };
                Some(attrs.into_iter().map(part).collect())
            }
            Shape::Attrs(Members { update: Some((left, right)), .. }) => self.update(left, right, condition, depth),
            Shape::Unknown(_, Some(Split::If { condition: test, consequence, alternative })) => {
                let mut parts = Vec::new();
                for (expected, branch) in [(true, consequence), (false, alternative)] {
                    if let Some(condition) = self.guarded(condition, test, expected) {
                        parts.extend(self.parts(branch, &condition, depth + 1)?);
                    }
                }
                Some(parts)
            }
            _ => None,
        }
    }
}
