//! Every secret with the keys that it is meant for and the header of its file, compared once for all rules.
//!
//! A secret is an entry of a rules file; where there is no rules file, a secret of the convention. The usual case, that
//! a header has just the stanzas that its keys ask for, is decided by comparing tags that are computed once a key; only
//! the rest goes through [`bulkhead_age::match_recipients`].

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_age::matching::{StanzaExpectation, expected_stanzas};
use bulkhead_age::stanza::types;
use bulkhead_age::{Header, KeyErrorKind, Match, Recipient, Stanza, match_recipients};
use bulkhead_diagnostics::Place;
use bulkhead_fleet::{AgeFile, Fleet, Gap, GapKind, Key, PublicKey, RuleEntry, RulesFile, Secret};
use bulkhead_source::{FileTree, TreePath};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use rayon::prelude::*;

/// Where it is written for whom a secret is.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// In a rules file.
    Rules(&'a RulesFile, &'a RuleEntry),
    /// In the convention: its folder and its entry in `secrets/properties.nix`.
    Convention(&'a Secret),
}

/// A secret, for whom it is, and what its file says.
pub(crate) struct Comparison<'a> {
    /// Where it is written for whom the secret is.
    pub(crate) origin: Origin<'a>,
    /// What the secret is called there.
    pub(crate) name: Cow<'a, str>,
    /// Its file; none where the name leads out of the tree.
    pub(crate) path: Option<TreePath>,
    /// The file's header; none if there is no such file.
    pub(crate) file: Option<Cow<'a, AgeFile>>,
    /// The keys that it is meant for, as listed.
    pub(crate) keys: Vec<&'a Key>,
    /// Why there may be further keys, or keys other than these.
    pub(crate) gaps: Vec<&'a Gap>,
    /// What does not fit; none if all fits, or if there is nothing to compare.
    pub(crate) mismatch: Option<Mismatch>,
    /// Whether keys and header could be compared.
    pub(crate) is_compared: bool,
}

/// How a header differs from the keys that it should be for.
pub(crate) struct Mismatch {
    /// The keys that age can read, as indices into [`Comparison::keys`]; recipients in `found` are indices into this.
    pub(crate) readable: Vec<usize>,
    /// What belongs together.
    pub(crate) found: Match,
}

/// Every secret that some rule is about.
pub(crate) struct Comparisons<'a> {
    /// In the order of the rules files and of their entries, each entry once however many files import it.
    pub(crate) all: Vec<Comparison<'a>>,
    /// The different keys of the rules files, with the first place of each and the entries that list it.
    pub(crate) rule_keys: Vec<RuleKey<'a>>,
}

/// A key that rules files name.
pub(crate) struct RuleKey<'a> {
    /// The key at its first place.
    pub(crate) key: &'a Key,
    /// The first entry that lists it, as an index into [`Comparisons::all`].
    pub(crate) first: usize,
    /// How many entries list it.
    pub(crate) count: usize,
}

impl<'a> Comparison<'a> {
    /// The header of its file.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.file.as_ref()?.header.as_ref().ok()
    }

    /// Where a person changes for whom it is.
    pub(crate) fn place(&self) -> Place {
        match self.origin {
            Origin::Rules(_, entry) => entry.key.clone(),
            Origin::Convention(secret) => secret.declared.clone().unwrap_or_else(|| Place::file(secret.file.to_arc())),
        }
    }

    /// The key at `index` of the recipients in [`Mismatch::found`].
    pub(crate) fn recipient(&self, index: usize) -> Option<&'a Key> {
        let readable = self.mismatch.as_ref()?.readable.get(index)?;
        self.keys.get(*readable).copied()
    }

    /// The stanza at `index`.
    pub(crate) fn stanza(&self, index: usize) -> Option<&Stanza> {
        self.header()?.stanzas.get(index)
    }

    /// How many keys can't be read and may be stanzas that nothing else explains: something like a key, damaged. What
    /// resembles no key, such as `TODO`, explains nothing.
    pub(crate) fn damaged_keys(&self) -> usize {
        let is_like_a_key = |key: &&&Key| match key.recipient() {
            Ok(_) => false,
            Err(error) => !matches!(
                error.kind,
                KeyErrorKind::Empty
                    | KeyErrorKind::MissingKey
                    | KeyErrorKind::NotAKey
                    | KeyErrorKind::Path
                    | KeyErrorKind::PrivateKey(_)
            ),
        };
        self.keys.iter().filter(is_like_a_key).count()
    }
}

/// A key with what a file encrypted to it has in its header, computed once.
struct Known<'a> {
    recipient: Option<&'a Recipient>,
    expected: Expected,
}

enum Expected {
    Tagged { stanza_type: &'static str, tag: String },
    Counted(&'static str),
    Other,
}

impl<'a> Known<'a> {
    fn new(key: &'a PublicKey) -> Known<'a> {
        let recipient = key.recipient().ok();
        let expected = match recipient.map(expected_stanzas).unwrap_or_default().into_iter().next() {
            Some(StanzaExpectation::Tagged { stanza_type, tag }) => Expected::Tagged { stanza_type, tag },
            Some(StanzaExpectation::Countable { stanza_type }) => Expected::Counted(stanza_type),
            _ => Expected::Other,
        };
        Known { recipient, expected }
    }
}

/// Compare everything there is to compare.
pub(crate) fn compare<'a>(fleet: &'a Fleet, tree: &dyn FileTree) -> Comparisons<'a> {
    let mut all = subjects(fleet, tree);
    let rule_keys = rule_keys(&all);
    let distinct: HashMap<usize, Known<'a>> = {
        let mut seen = HashSet::new();
        let keys: Vec<&'a PublicKey> = all
            .iter()
            .flat_map(|comparison| comparison.keys.iter())
            .filter(|key| seen.insert(address(key)))
            .map(|key| &*key.public)
            .collect();
        keys.into_par_iter().map(|key| (std::ptr::from_ref(key).addr(), Known::new(key))).collect()
    };
    all.par_iter_mut().for_each(|comparison| {
        comparison.is_compared = comparison.header().is_some() && !is_not_stated(comparison);
        comparison.mismatch = mismatch(comparison, &distinct);
    });
    Comparisons { all, rule_keys }
}

fn address(key: &Key) -> usize {
    Arc::as_ptr(&key.public).addr()
}

fn subjects<'a>(fleet: &'a Fleet, tree: &dyn FileTree) -> Vec<Comparison<'a>> {
    if fleet.rules_files.is_empty() {
        return conventional(fleet);
    }
    let entries: Vec<(&RulesFile, &RuleEntry)> =
        fleet.rules_files.iter().flat_map(|rules| rules.entries.iter().map(move |entry| (rules, entry))).collect();
    let repeated = repeated(&entries);
    entries
        .iter()
        .zip(repeated)
        .filter(|(_, repeated)| !repeated)
        .map(|((rules, entry), _)| {
            let target = entry.file.as_ref();
            Comparison {
                origin: Origin::Rules(rules, entry),
                name: Cow::Borrowed(&entry.name),
                path: target.map(|target| target.path.clone()),
                file: target.filter(|target| target.exists).map(|target| {
                    // A rule may name a file without `.age`, which loading the fleet has passed over.
                    let known = fleet.age_file(&target.path).map(Cow::Borrowed);
                    known.unwrap_or_else(|| Cow::Owned(AgeFile::read(tree, target.path.clone())))
                }),
                keys: entry.public_keys.iter().collect(),
                gaps: entry.public_keys.gaps.iter().collect(),
                mismatch: None,
                is_compared: false,
            }
        })
        .collect()
}

/// Which entries only say again what another says. A rules file that imports another repeats its entries: the same text
/// with the same keys, for the same file or, seen from another folder, for none. (The same text may also say something
/// else each time: the body of a function that several rules files call.)
fn repeated(entries: &[(&RulesFile, &RuleEntry)]) -> Vec<bool> {
    let mut repeated = vec![false; entries.len()];
    let file = |entry: &RuleEntry| entry.file.as_ref().filter(|target| target.exists).map(|target| target.path.clone());
    let says_the_same = |a: &RuleEntry, b: &RuleEntry| {
        a.public_keys.gaps == b.public_keys.gaps
            && a.public_keys.items.iter().map(Key::identity).eq(b.public_keys.items.iter().map(Key::identity))
    };
    let mut kept: HashMap<(&Place, &str), Vec<&RuleEntry>> = HashMap::new();
    // Those with a file come first, so that of an entry that leads to a file and nowhere the former stays. Then that of
    // the file which agenix takes by itself: what to type is shorter.
    let is_default = |rules: &RulesFile| rules.path.name() == "secrets.nix";
    for (with_file, by_default) in [(true, true), (true, false), (false, true), (false, false)] {
        for ((rules, entry), repeated) in entries.iter().zip(&mut repeated) {
            let file_here = file(entry);
            if entry.key.span.is_none() || file_here.is_some() != with_file || is_default(rules) != by_default {
                continue;
            }
            let others = kept.entry((&entry.key, &entry.name)).or_default();
            let same =
                |other: &&RuleEntry| (file_here.is_none() || file(other) == file_here) && says_the_same(other, entry);
            if others.iter().any(same) {
                *repeated = true;
            } else {
                others.push(entry);
            }
        }
    }
    repeated
}

fn conventional(fleet: &Fleet) -> Vec<Comparison<'_>> {
    let admin_gaps: Vec<&Gap> = fleet.machines.iter().flat_map(|machine| &machine.user_keys.gaps).collect();
    let compared = fleet.secrets.iter().map(|secret| {
        let mut gaps: Vec<&Gap> = secret.grant_gap().into_iter().chain(&fleet.secrets_gap).collect();
        if !secret.roles.items.is_empty() || matches!(secret.scope, bulkhead_fleet::Scope::Role(_)) {
            gaps.extend(&fleet.role_gaps);
        }
        if secret.for_admins() != Some(false) {
            gaps.extend(&admin_gaps);
        }
        let grants = fleet.grants(secret);
        gaps.extend(grants.iter().filter_map(|grant| grant.gap));
        let mut seen = HashSet::new();
        let keys = grants.into_iter().filter_map(|grant| grant.key).filter(|key| seen.insert(key.identity()));
        Comparison {
            origin: Origin::Convention(secret),
            name: Cow::Borrowed(&*secret.rule_name),
            path: Some(secret.file.clone()),
            file: fleet.age_file(&secret.file).map(Cow::Borrowed),
            keys: keys.collect(),
            gaps,
            mismatch: None,
            is_compared: false,
        }
    });
    compared.collect()
}

fn rule_keys<'a>(all: &[Comparison<'a>]) -> Vec<RuleKey<'a>> {
    let mut found: Vec<RuleKey<'a>> = Vec::new();
    let mut by_text: HashMap<(usize, &Place), usize> = HashMap::new();
    for (index, comparison) in all.iter().enumerate() {
        if matches!(comparison.origin, Origin::Convention(_)) {
            continue;
        }
        for key in &comparison.keys {
            let at = *by_text.entry((address(key), &key.place)).or_insert(found.len());
            match found.get_mut(at) {
                Some(known) => known.count += 1,
                None => found.push(RuleKey { key, first: index, count: 1 }),
            }
        }
    }
    found
}

fn mismatch(comparison: &Comparison<'_>, distinct: &HashMap<usize, Known<'_>>) -> Option<Mismatch> {
    let header = comparison.header().filter(|_| comparison.is_compared)?;
    let known: Vec<Option<&Known<'_>>> = comparison.keys.iter().map(|key| distinct.get(&address(key))).collect();
    if fits(&known, &header.stanzas) {
        return None;
    }
    let mut readable = Vec::new();
    let mut recipients = Vec::new();
    for (index, known) in known.iter().enumerate() {
        if let Some(recipient) = known.and_then(|known| known.recipient) {
            readable.push(index);
            recipients.push(recipient.clone());
        }
    }
    Some(Mismatch { readable, found: match_recipients(header, &recipients) })
}

/// Whether it is not said at all for whom a secret is: no `publicKeys`, none of them known, no grant.
fn is_not_stated(comparison: &Comparison<'_>) -> bool {
    match comparison.origin {
        Origin::Rules(_, entry) => {
            entry.public_keys.is_absent() || (entry.public_keys.items.is_empty() && !entry.public_keys.is_complete())
        }
        Origin::Convention(secret) => !secret.is_granted(),
    }
}

/// Whether the stanzas are just those that the keys ask for, each once. No is not the last word.
fn fits(keys: &[Option<&Known<'_>>], stanzas: &[Stanza]) -> bool {
    let mut wanted: HashSet<(&str, &str)> = HashSet::with_capacity(keys.len());
    let mut counts = [(types::X25519, 0usize), (types::MLKEM768_X25519, 0)];
    for key in keys {
        match key.map(|known| &known.expected) {
            Some(Expected::Tagged { stanza_type, tag }) => {
                if !wanted.insert((stanza_type, tag)) {
                    return false;
                }
            }
            Some(Expected::Counted(stanza_type)) => {
                let Some((_, count)) = counts.iter_mut().find(|(name, _)| name == stanza_type) else { return false };
                *count += 1;
            }
            Some(Expected::Other) | None => return false,
        }
    }
    if counts.iter().any(|(_, count)| *count > 1) {
        // The same anonymous key may be listed twice.
        return false;
    }
    for stanza in stanzas.iter().filter(|stanza| !stanza.is_grease()) {
        if stanza.problem().is_some() {
            return false;
        }
        let name = stanza.type_name();
        let explained = match (stanza.tag(), counts.iter_mut().find(|(known, _)| *known == name)) {
            (Some(tag), _) => wanted.remove(&(name, tag)),
            (None, Some((_, count))) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        };
        if !explained {
            return false;
        }
    }
    wanted.is_empty() && counts.iter().all(|(_, count)| *count == 0)
}

/// The gaps that can't be known here; the others have been reported when the fleet was loaded.
pub(crate) fn unknown<'g>(gaps: &[&'g Gap]) -> Vec<&'g Gap> {
    gaps.iter().copied().filter(|gap| gap.kind == GapKind::Unknown).collect()
}
