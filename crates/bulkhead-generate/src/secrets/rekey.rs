//! Which `.age` files don't fit the generated rules, and why.

use std::fmt;
use std::sync::Arc;

use bulkhead_age::matching::CountVerdict;
use bulkhead_age::{Match, Recipient, match_recipients};
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Fleet, Secret};
use bulkhead_source::TreePath;
use foldhash::{HashMap, HashMapExt};

use super::RULE;
use super::plan::{Entry, Plan};

/// A file that does not fit the rules. Shown as one line: `secrets/pia-login.age: s1 joins, ponyo leaves`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// The secret's name.
    pub secret: Arc<str>,
    /// The file, relative to the fleet's root.
    pub file: TreePath,
    /// Its name in the rules file.
    pub rule_name: String,
    /// Why, at least one reason.
    pub reasons: Vec<RekeyReason>,
}

impl Rekey {
    /// Whether the file is not there yet: it is to be created with `agenix -e`, not rekeyed.
    pub fn is_new(&self) -> bool {
        self.reasons.contains(&RekeyReason::Missing)
    }

    /// Whether somebody can read the file who no longer should: the secret itself is to be changed.
    pub fn somebody_leaves(&self) -> bool {
        let leaves = |reason: &RekeyReason| {
            matches!(reason, RekeyReason::Leaves { .. } | RekeyReason::AnonymousLeave { .. } | RekeyReason::Passphrase)
        };
        self.reasons.iter().any(leaves)
    }
}

impl fmt::Display for Rekey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.reasons.iter().map(RekeyReason::to_string).collect();
        write!(f, "{}: {}", self.file, reasons.join(", "))
    }
}

/// Why a file does not fit the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RekeyReason {
    /// It is not there yet.
    Missing,
    /// It is no age file.
    NotAge(String),
    /// Somebody may read it and can't.
    Joins {
        /// Who.
        name: String,
    },
    /// Somebody can read it and may not.
    Leaves {
        /// Whose key it is, if it belongs to somebody in the fleet.
        name: Option<String>,
        /// The tag of the key, in base64; nothing where the header has none.
        tag: Option<String>,
    },
    /// Keys that a header does not name (`age1…`) can't read it and may.
    AnonymousJoin {
        /// Whose keys there are; which of them is missing can't be told.
        names: Vec<String>,
    },
    /// More keys that a header does not name can read it than may.
    AnonymousLeave {
        /// How many more.
        count: usize,
    },
    /// It opens with a passphrase.
    Passphrase,
    /// Recipients in its header are damaged: they open it for nobody.
    Damaged {
        /// How many.
        count: usize,
    },
    /// It is ASCII-armored and should not be, or the other way round.
    Armor {
        /// Whether it should be.
        wanted: bool,
    },
}

impl fmt::Display for RekeyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RekeyReason::Missing => f.write_str("is not there yet"),
            RekeyReason::NotAge(reason) => write!(f, "is no age file: {reason}"),
            RekeyReason::Joins { name } => write!(f, "{name} joins"),
            RekeyReason::Leaves { name: Some(name), .. } => write!(f, "{name} leaves"),
            RekeyReason::Leaves { tag: Some(tag), .. } => write!(f, "an unknown key (tag {tag}) leaves"),
            RekeyReason::Leaves { .. } => f.write_str("an unknown key leaves"),
            RekeyReason::AnonymousJoin { names } => write!(f, "one of {} joins", names.join(", ")),
            RekeyReason::AnonymousLeave { count: 1 } => f.write_str("a key without a name leaves"),
            RekeyReason::AnonymousLeave { count } => write!(f, "{count} keys without names leave"),
            RekeyReason::Passphrase => f.write_str("a passphrase leaves"),
            RekeyReason::Damaged { .. } => f.write_str("its header is damaged"),
            RekeyReason::Armor { wanted: true } => f.write_str("becomes ASCII-armored"),
            RekeyReason::Armor { wanted: false } => f.write_str("becomes binary"),
        }
    }
}

/// The files that don't fit, and findings for those of which it can't be told.
pub(super) fn rekey(fleet: &Fleet, plan: &Plan<'_>) -> (Vec<Rekey>, Vec<Diagnostic>) {
    let mut owners: Option<HashMap<String, String>> = None;
    let (mut rekey, mut undecided) = (Vec::new(), Vec::new());
    for entry in &plan.entries {
        let Some(secret) = fleet.secrets.get(entry.secret) else { continue };
        let mut judged = Judged::default();
        judge(fleet, plan, entry, secret, &mut judged, &mut owners);
        if !judged.reasons.is_empty() {
            rekey.push(Rekey {
                secret: secret.name.clone(),
                file: secret.file.clone(),
                rule_name: secret.rule_name.clone(),
                reasons: judged.reasons,
            });
        } else if let Some(reason) = judged.undecided {
            let message = format!("can't tell whether `{}` must be rekeyed: {reason}", secret.file);
            let place = Place::file(secret.file.to_arc());
            undecided.push(
                Diagnostic::new(RULE, Severity::Undecided, place, message)
                    .with_help("to be sure, rekey everything: agenix --rekey"),
            );
        }
    }
    rekey.sort_by(|a, b| a.file.cmp(&b.file));
    undecided.sort_by(|a, b| a.place.cmp(&b.place));
    (rekey, undecided)
}

#[derive(Default)]
struct Judged {
    reasons: Vec<RekeyReason>,
    undecided: Option<String>,
}

fn judge(
    fleet: &Fleet,
    plan: &Plan<'_>,
    entry: &Entry,
    secret: &Secret,
    judged: &mut Judged,
    owners: &mut Option<HashMap<String, String>>,
) {
    let Some(file) = fleet.age_file(&secret.file) else {
        judged.reasons.push(RekeyReason::Missing);
        return;
    };
    let header = match &file.header {
        Ok(header) => header,
        Err(bulkhead_fleet::AgeFileError::Read(error)) => {
            judged.undecided = Some(error.to_string());
            return;
        }
        Err(bulkhead_fleet::AgeFileError::Header(error)) => {
            judged.reasons.push(RekeyReason::NotAge(error.to_string()));
            return;
        }
    };
    let (recipients, names): (Vec<Recipient>, Vec<&str>) = plan
        .recipients(entry)
        .into_iter()
        .filter_map(|(key, name)| Some((key.recipient().ok()?.clone(), name)))
        .unzip();
    let result = match_recipients(header, &recipients);
    let name = |index: &usize| names.get(*index).map_or_else(|| "?".to_owned(), |name| (*name).to_owned());
    judged.reasons.extend(result.missing.iter().map(|index| RekeyReason::Joins { name: name(index) }));
    for index in &result.stale {
        let tag = header.stanzas.get(*index).and_then(|stanza| stanza.tag()).map(str::to_owned);
        let owners = owners.get_or_insert_with(|| names_by_tag(fleet));
        let name = tag.as_ref().and_then(|tag| owners.get(tag)).cloned();
        judged.reasons.push(RekeyReason::Leaves { name, tag });
    }
    count(&result, &name, judged);
    if !result.passphrase.is_empty() {
        judged.reasons.push(RekeyReason::Passphrase);
    }
    if !result.malformed.is_empty() {
        judged.reasons.push(RekeyReason::Damaged { count: result.malformed.len() });
    }
    // Machines read both forms, so the form matters only where a person asks for one.
    if header.armored != entry.armor && secret.armor.known().is_some() {
        judged.reasons.push(RekeyReason::Armor { wanted: entry.armor });
    }
    if !result.ambiguous.is_empty() {
        judged.undecided = Some("two of its recipients have the same tag".to_owned());
    } else if !result.unidentified_recipients.is_empty() || !result.unidentified_stanzas.is_empty() {
        judged.undecided = Some("recipients of a plugin can't be recognised".to_owned());
    }
}

/// What follows from the number of keys that the header does not name.
fn count(result: &Match, name: &dyn Fn(&usize) -> String, judged: &mut Judged) {
    for counted in &result.counted {
        match counted.verdict {
            CountVerdict::Fits => {}
            CountVerdict::Fewer if counted.stanzas.is_empty() => {
                let joins = counted.recipients.iter().map(|index| RekeyReason::Joins { name: name(index) });
                judged.reasons.extend(joins);
            }
            CountVerdict::Fewer => {
                let names = counted.recipients.iter().map(name).collect();
                judged.reasons.push(RekeyReason::AnonymousJoin { names });
            }
            CountVerdict::More => {
                let count = counted.stanzas.len().saturating_sub(counted.recipients.len());
                judged.reasons.push(RekeyReason::AnonymousLeave { count });
            }
            CountVerdict::Undecided => {
                judged.undecided = Some("a plugin may have written some of its recipients".to_owned());
            }
        }
    }
}

/// Whose key has which tag.
fn names_by_tag(fleet: &Fleet) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for (key, owners) in fleet.keys.iter() {
        let (Ok(recipient), Some(owner)) = (key.recipient(), owners.first()) else { continue };
        if let Some(tag) = recipient.tag() {
            let name = fleet.owner_name(owner);
            // Two keys with one tag: which of them it is can't be told, so the first by name stands for both.
            let kept = names.entry(tag).or_insert_with(|| name.clone());
            if name < *kept {
                *kept = name;
            }
        }
    }
    names
}
