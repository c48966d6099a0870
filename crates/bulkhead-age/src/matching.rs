//! Which stanzas of a header belong to which recipients, as far as that shows without a private key.
//!
//! # What is proof and what is evidence
//! - **Missing is certain.** An identity looks for its own tag. A file without that tag doesn't open for that key.
//! - **Stale is certain for the rules, not for the owner.** No listed recipient has the tag; whose it is, the tag alone
//!   doesn't prove.
//! - **Matched is evidence.** A tag has 32 bits, so that another key may share it by chance (once in 4 billion) or by
//!   intent (minutes of computation), and the header's MAC can't be checked without the file key.
//! - **Counted** types (`X25519`, `mlkem768x25519`) hide their recipient. Fewer stanzas than keys prove that one is
//!   missing, more prove that one is stale; the right number proves nothing about which.
//! - **Unidentified** is undecided: a plugin that isn't known here may write any type of stanza, and any number.
//!
//! Grease is ignored. A malformed stanza of a known type opens for nobody and so matches nobody.

use std::collections::HashMap;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::encoding::{decode_unpadded, short_hash};
use crate::header::Header;
use crate::recipient::{P256Family, Recipient, RecipientKind};
use crate::ssh::SshKeyKind;
use crate::stanza::{Stanza, types};

/// The most tags that are computed for one header. Tags over a stanza's contents cost one HMAC for each pair of stanza
/// and hardware key; a hostile header could ask for a billion. What lies beyond is unidentified.
pub const MAX_TAG_COMPUTATIONS: usize = 100_000;

/// HMAC keys of the tagged recipient types (age specification, "The tagged recipient types").
const P256_TAG_LABEL: &[u8] = b"age-encryption.org/p256tag";
const MLKEM768_P256_TAG_LABEL: &[u8] = b"age-encryption.org/mlkem768p256tag";
/// The P-256 point follows the ML-KEM-768 key in an `age1tagpq1…` recipient.
const ML_KEM_768_KEY_LEN: usize = 1184;

/// What a file encrypted to a recipient has in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StanzaExpectation {
    /// A stanza of this type with this tag as its first argument.
    Tagged {
        /// The stanza's type.
        stanza_type: &'static str,
        /// The tag, in base64.
        tag: String,
    },
    /// A stanza of this type whose tag depends on its second argument; see [`content_tag`].
    HmacTagged {
        /// The stanza's type.
        stanza_type: &'static str,
        /// The hash of the public key that goes into the tag.
        key_hash: [u8; 4],
    },
    /// A stanza of this type, which does not show for whom it is.
    Countable {
        /// The stanza's type.
        stanza_type: &'static str,
    },
    /// Whatever the plugin writes.
    Unknown {
        /// The plugin's name.
        plugin: String,
    },
    /// None: age can't encrypt to this type of SSH key.
    Impossible,
}

/// What a file encrypted to `recipient` has in its header: one of these, the usual one first.
///
/// Keys of hardware have a second form, because their plugins read the standard `p256tag` stanzas as well.
pub fn expected_stanzas(recipient: &Recipient) -> Vec<StanzaExpectation> {
    let tagged = |stanza_type| match recipient.tag() {
        Some(tag) => StanzaExpectation::Tagged { stanza_type, tag },
        None => StanzaExpectation::Impossible,
    };
    let p256_tag =
        |point: &[u8]| StanzaExpectation::HmacTagged { stanza_type: types::P256_TAG, key_hash: short_hash(point) };
    match recipient.kind() {
        RecipientKind::Ssh(key) => vec![match key.kind() {
            SshKeyKind::Ed25519 => tagged(types::SSH_ED25519),
            SshKeyKind::Rsa => tagged(types::SSH_RSA),
            _ => StanzaExpectation::Impossible,
        }],
        RecipientKind::X25519(_) => vec![StanzaExpectation::Countable { stanza_type: types::X25519 }],
        RecipientKind::MlKem768X25519(_) => vec![StanzaExpectation::Countable { stanza_type: types::MLKEM768_X25519 }],
        RecipientKind::P256 { family, compressed, .. } => match family {
            P256Family::Tag => vec![p256_tag(compressed)],
            P256Family::YubiKey | P256Family::SecureEnclave => vec![tagged(types::PIV_P256), p256_tag(compressed)],
            P256Family::Tpm => vec![tagged(types::TPM_ECC), p256_tag(compressed)],
        },
        RecipientKind::TagPq(key) => vec![StanzaExpectation::HmacTagged {
            stanza_type: types::MLKEM768_P256_TAG,
            key_hash: short_hash(key.get(ML_KEM_768_KEY_LEN..).unwrap_or_default()),
        }],
        RecipientKind::Plugin { name } => vec![StanzaExpectation::Unknown { plugin: name.clone() }],
    }
}

/// The tag of a `p256tag` or `mlkem768p256tag` stanza for a key: the first 4 bytes of HMAC-SHA-256 over the encapsulated
/// key (the stanza's second argument, decoded) and the hash of the public key. Nothing for other stanza types.
pub fn content_tag(stanza_type: &str, encapsulated: &[u8], key_hash: [u8; 4]) -> Option<[u8; 4]> {
    Some(finish(content_hmac(stanza_type, encapsulated)?, key_hash))
}

/// What [`match_recipients`] found. Recipients and stanzas are indices into its arguments, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Recipients (first) whose tag a stanza (second) has.
    pub matched: Vec<(usize, usize)>,
    /// Recipients whose tag no stanza has: they can't open the file.
    pub missing: Vec<usize>,
    /// Tagged stanzas that no recipient explains: somebody else can open the file.
    pub stale: Vec<usize>,
    /// Stanzas beyond the first for a recipient that is listed once: harmless, and a sign of odd tooling.
    pub duplicate_stanzas: Vec<usize>,
    /// Recipients (second) that repeat the key of an earlier one (first).
    pub duplicate_recipients: Vec<(usize, usize)>,
    /// Recipients that share a tag, with fewer stanzas than recipients: which one is missing can't be told.
    pub ambiguous: Vec<Ambiguity>,
    /// Types that don't show their recipient.
    pub counted: Vec<Counted>,
    /// Recipients of unknown plugins.
    pub unidentified_recipients: Vec<usize>,
    /// Stanzas of unknown types, and those that a listed plugin may have written.
    pub unidentified_stanzas: Vec<usize>,
    /// Recipients that age can't encrypt to, such as `ecdsa-…` and `sk-…` keys: they can't open the file.
    pub impossible: Vec<usize>,
    /// Stanzas of a known type that opens for nobody; [`Stanza::problem`] says why.
    pub malformed: Vec<usize>,
    /// Stanzas of a passphrase.
    pub passphrase: Vec<usize>,
}

/// Recipients and stanzas that share one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguity {
    /// The recipients.
    pub recipients: Vec<usize>,
    /// The stanzas.
    pub stanzas: Vec<usize>,
}

/// The recipients and stanzas of a type that doesn't show its recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The stanza type.
    pub stanza_type: &'static str,
    /// The recipients that need one such stanza each.
    pub recipients: Vec<usize>,
    /// The stanzas that are there.
    pub stanzas: Vec<usize>,
    /// How the two compare.
    pub verdict: CountVerdict,
}

/// How a number of anonymous stanzas compares to the recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountVerdict {
    /// As many as keys. Whether they are these keys is not known.
    Fits,
    /// At least one key is missing.
    Fewer,
    /// At least one stanza is stale.
    More,
    /// More, but a plugin among the recipients may have written them.
    Undecided,
}

/// Does a header fit its recipients?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// As far as can be told, yes.
    Fits,
    /// Certainly not.
    Differs,
    /// Nothing contradicts, and something can't be told.
    Undecided,
}

impl Match {
    /// Sums it up. Repeated recipients and stanzas alone don't make a difference.
    pub fn fit(&self) -> Fit {
        let contradicts = |counted: &Counted| matches!(counted.verdict, CountVerdict::Fewer | CountVerdict::More);
        let lists = [&self.missing, &self.stale, &self.impossible, &self.malformed, &self.passphrase];
        if lists.iter().any(|list| !list.is_empty()) || self.counted.iter().any(contradicts) {
            return Fit::Differs;
        }
        let is_undecided = !self.ambiguous.is_empty()
            || !self.unidentified_recipients.is_empty()
            || !self.unidentified_stanzas.is_empty()
            || self.counted.iter().any(|counted| counted.verdict == CountVerdict::Undecided);
        if is_undecided { Fit::Undecided } else { Fit::Fits }
    }

    fn sort(&mut self) {
        self.matched.sort_unstable();
        self.duplicate_recipients.sort_unstable();
        let lists = [
            &mut self.missing,
            &mut self.stale,
            &mut self.duplicate_stanzas,
            &mut self.unidentified_recipients,
            &mut self.unidentified_stanzas,
            &mut self.impossible,
            &mut self.malformed,
            &mut self.passphrase,
        ];
        lists.into_iter().for_each(|list| list.sort_unstable());
        self.ambiguous.sort_by(|left, right| left.stanzas.cmp(&right.stanzas));
    }
}

/// Compares the stanzas of `header` with the `recipients` that a file is meant for. See the module for what the answer
/// means. Linear in both, except for hardware keys with tags over the contents; those are bounded by
/// [`MAX_TAG_COMPUTATIONS`].
pub fn match_recipients(header: &Header, recipients: &[Recipient]) -> Match {
    let mut matcher = Matcher::new(recipients);
    let sorted = Sorted::new(&header.stanzas, &mut matcher.result);
    let mut unexplained = matcher.assign_tagged(&sorted);
    unexplained.extend(matcher.assign_content_tagged(&header.stanzas, &sorted));
    matcher.conclude(&header.stanzas, &sorted, unexplained)
}

/// One distinct public key.
struct Key {
    /// Where it is listed.
    recipients: Vec<usize>,
    expectations: Vec<StanzaExpectation>,
    /// The stanzas that it explains.
    stanzas: Vec<usize>,
    /// Among the keys of an [`Ambiguity`].
    is_ambiguous: bool,
    /// Not all of its tags were computed, because of [`MAX_TAG_COMPUTATIONS`].
    is_over_limit: bool,
}

/// The stanzas by what can be said about them.
struct Sorted<'a> {
    tagged: HashMap<(&'a str, &'a str), Vec<usize>>,
    content_tagged: Vec<usize>,
    countable: Vec<(&'static str, Vec<usize>)>,
    unknown: Vec<usize>,
}

impl<'a> Sorted<'a> {
    fn new(stanzas: &'a [Stanza], result: &mut Match) -> Self {
        let mut sorted = Self {
            tagged: HashMap::new(),
            content_tagged: Vec::new(),
            countable: vec![(types::X25519, Vec::new()), (types::MLKEM768_X25519, Vec::new())],
            unknown: Vec::new(),
        };
        for (i, stanza) in stanzas.iter().enumerate() {
            if stanza.is_grease() {
                continue;
            }
            if stanza.problem().is_some() {
                result.malformed.push(i);
                continue;
            }
            let name = stanza.type_name();
            if name == types::SCRYPT {
                result.passphrase.push(i);
            } else if is_content_tagged(name) {
                sorted.content_tagged.push(i);
            } else if let Some(tag) = stanza.tag() {
                sorted.tagged.entry((name, tag)).or_default().push(i);
            } else if let Some((_, list)) = sorted.countable.iter_mut().find(|(known, _)| *known == name) {
                list.push(i);
            } else {
                sorted.unknown.push(i);
            }
        }
        sorted
    }
}

struct Matcher {
    keys: Vec<Key>,
    result: Match,
}

impl Matcher {
    fn new(recipients: &[Recipient]) -> Self {
        let mut keys: Vec<Key> = Vec::new();
        let mut known: HashMap<&Recipient, usize> = HashMap::new();
        let mut result = Match::default();
        for (i, recipient) in recipients.iter().enumerate() {
            if let Some(key) = known.get(recipient).and_then(|key| keys.get_mut(*key)) {
                result.duplicate_recipients.extend(key.recipients.first().map(|first| (*first, i)));
                key.recipients.push(i);
                continue;
            }
            known.insert(recipient, keys.len());
            let expectations = expected_stanzas(recipient);
            keys.push(Key {
                recipients: vec![i],
                expectations,
                stanzas: Vec::new(),
                is_ambiguous: false,
                is_over_limit: false,
            });
        }
        Self { keys, result }
    }

    /// Gives stanzas with fixed tags to their keys; returns the stanzas that nobody explains.
    fn assign_tagged(&mut self, sorted: &Sorted<'_>) -> Vec<usize> {
        let mut wanted: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for (i, key) in self.keys.iter().enumerate() {
            for expectation in &key.expectations {
                if let StanzaExpectation::Tagged { stanza_type, tag } = expectation {
                    wanted.entry((stanza_type, tag)).or_default().push(i);
                }
            }
        }
        let mut unexplained = Vec::new();
        let mut shares = Vec::new();
        for (name, stanzas) in &sorted.tagged {
            match wanted.remove(name) {
                Some(candidates) => shares.push((candidates, stanzas.clone())),
                None => unexplained.extend(stanzas),
            }
        }
        drop(wanted);
        for (candidates, stanzas) in shares {
            self.share(&candidates, &stanzas);
        }
        unexplained
    }

    /// The same for tags that depend on the stanza.
    fn assign_content_tagged(&mut self, stanzas: &[Stanza], sorted: &Sorted<'_>) -> Vec<usize> {
        let mut candidates_of: HashMap<&str, Vec<(usize, [u8; 4])>> = HashMap::new();
        for (i, key) in self.keys.iter().enumerate() {
            for expectation in &key.expectations {
                if let StanzaExpectation::HmacTagged { stanza_type, key_hash } = expectation {
                    candidates_of.entry(stanza_type).or_default().push((i, *key_hash));
                }
            }
        }
        let mut unexplained = Vec::new();
        let mut computed = 0usize;
        let mut shared: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
        for &i in &sorted.content_tagged {
            let Some(stanza) = stanzas.get(i) else { continue };
            let candidates = candidates_of.get(stanza.type_name()).map(Vec::as_slice).unwrap_or_default();
            computed = computed.saturating_add(candidates.len());
            if computed > MAX_TAG_COMPUTATIONS {
                self.result.unidentified_stanzas.push(i);
                for (key, _) in candidates {
                    self.keys[*key].is_over_limit = true;
                }
                continue;
            }
            let explaining = explaining_keys(stanza, candidates);
            match explaining.as_slice() {
                [] => unexplained.push(i),
                [key] => self.keys[*key].stanzas.push(i),
                _ => shared.entry(explaining).or_default().push(i),
            }
        }
        for (candidates, stanzas) in shared {
            // A key that another stanza already explains needs none of these, unless all are.
            let open: Vec<usize> =
                candidates.iter().copied().filter(|key| self.keys[*key].stanzas.is_empty()).collect();
            self.share(if open.is_empty() { &candidates } else { &open }, &stanzas);
        }
        unexplained
    }

    /// Gives stanzas to keys with the same tag: one to each and the rest to the first, or, where they don't suffice, to
    /// none.
    fn share(&mut self, keys: &[usize], stanzas: &[usize]) {
        let listed: Vec<usize> = keys.iter().flat_map(|key| self.keys[*key].recipients.clone()).collect();
        if stanzas.len() < keys.len() {
            keys.iter().for_each(|key| self.keys[*key].is_ambiguous = true);
            self.result.ambiguous.push(Ambiguity { recipients: listed, stanzas: stanzas.to_vec() });
            return;
        }
        for (i, stanza) in stanzas.iter().enumerate() {
            if let Some(key) = keys.get(i).or(keys.first()) {
                self.keys[*key].stanzas.push(*stanza);
            }
        }
    }

    fn conclude(mut self, stanzas: &[Stanza], sorted: &Sorted<'_>, unexplained: Vec<usize>) -> Match {
        let result = &mut self.result;
        let mut has_plugin = false;
        let mut wanted: HashMap<&str, (Vec<usize>, usize)> = HashMap::new();
        for key in &self.keys {
            match key.expectations.first() {
                Some(StanzaExpectation::Countable { stanza_type }) => {
                    let (recipients, distinct) = wanted.entry(stanza_type).or_default();
                    recipients.extend(&key.recipients);
                    *distinct += 1;
                }
                Some(StanzaExpectation::Unknown { .. }) => {
                    has_plugin = true;
                    result.unidentified_recipients.extend(&key.recipients);
                }
                Some(StanzaExpectation::Impossible) | None => result.impossible.extend(&key.recipients),
                Some(_) => conclude_tagged(key, result),
            }
        }
        for (stanza_type, found) in &sorted.countable {
            let (mut recipients, distinct) = wanted.remove(stanza_type).unwrap_or_default();
            if recipients.is_empty() && found.is_empty() {
                continue;
            }
            recipients.sort_unstable();
            // age writes a stanza for each time that a key is listed.
            let verdict = if found.len() < distinct {
                CountVerdict::Fewer
            } else if found.len() <= recipients.len() {
                CountVerdict::Fits
            } else if has_plugin {
                CountVerdict::Undecided
            } else {
                CountVerdict::More
            };
            result.counted.push(Counted { stanza_type, recipients, stanzas: found.clone(), verdict });
        }
        for i in unexplained {
            let is_ssh = stanzas.get(i).is_some_and(|stanza| stanza.type_name().starts_with("ssh-"));
            if has_plugin && !is_ssh {
                result.unidentified_stanzas.push(i);
            } else {
                result.stale.push(i);
            }
        }
        result.unidentified_stanzas.extend(&sorted.unknown);
        self.result.sort();
        self.result
    }
}

fn conclude_tagged(key: &Key, result: &mut Match) {
    let Some(last) = key.stanzas.len().checked_sub(1) else {
        match (key.is_ambiguous, key.is_over_limit) {
            (true, _) => {}
            (false, true) => result.unidentified_recipients.extend(&key.recipients),
            (false, false) => result.missing.extend(&key.recipients),
        }
        return;
    };
    for (i, recipient) in key.recipients.iter().enumerate() {
        result.matched.push((*recipient, key.stanzas[i.min(last)]));
    }
    result.duplicate_stanzas.extend(key.stanzas.iter().skip(key.recipients.len()));
}

fn is_content_tagged(stanza_type: &str) -> bool {
    matches!(stanza_type, types::P256_TAG | types::MLKEM768_P256_TAG)
}

/// Which of `candidates` (a key and its hash) has the tag of `stanza`.
fn explaining_keys(stanza: &Stanza, candidates: &[(usize, [u8; 4])]) -> Vec<usize> {
    let argument = |index| stanza.arg(index).and_then(|text| decode_unpadded(text.as_bytes()));
    let (Some(tag), Some(encapsulated)) = (argument(0), argument(1)) else {
        return Vec::new();
    };
    let Some(hmac) = content_hmac(stanza.type_name(), &encapsulated) else {
        return Vec::new();
    };
    let explains = |hash: [u8; 4]| finish(hmac.clone(), hash) == tag.as_slice();
    candidates.iter().filter(|(_, hash)| explains(*hash)).map(|(key, _)| *key).collect()
}

fn content_hmac(stanza_type: &str, encapsulated: &[u8]) -> Option<Hmac<Sha256>> {
    let label = match stanza_type {
        types::P256_TAG => P256_TAG_LABEL,
        types::MLKEM768_P256_TAG => MLKEM768_P256_TAG_LABEL,
        _ => return None,
    };
    Some(Hmac::<Sha256>::new_from_slice(label).ok()?.chain_update(encapsulated))
}

fn finish(hmac: Hmac<Sha256>, key_hash: [u8; 4]) -> [u8; 4] {
    let digest = hmac.chain_update(key_hash).finalize().into_bytes();
    [digest[0], digest[1], digest[2], digest[3]]
}
