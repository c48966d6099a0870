//! Public keys as people write them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bulkhead_age::{KeyError, Recipient, Weakness};
use bulkhead_diagnostics::Place;
use bulkhead_source::TreePath;
use foldhash::HashMap;

/// A public key: a line as in a `.pub` file, or an age recipient. Shared by all places that write the same line.
#[derive(Clone, Debug)]
pub struct PublicKey {
    line: Arc<str>,
    recipient: Result<Recipient, KeyError>,
    /// Computed when first asked for: it takes microseconds, and every rule asks.
    weaknesses: OnceLock<Vec<Weakness>>,
}

impl PublicKey {
    /// Read a line; spaces and line ends around it don't count.
    pub fn new(line: &str) -> PublicKey {
        PublicKey::from_arc(&Arc::from(line))
    }

    fn from_arc(written: &Arc<str>) -> PublicKey {
        let trimmed = written.trim();
        let line = if trimmed.len() == written.len() { written.clone() } else { Arc::from(trimmed) };
        // A carriage return stays: age takes it for a part of some keys, and the recipient knows which.
        PublicKey { recipient: Recipient::parse(written.trim_matches('\n')), line, weaknesses: OnceLock::new() }
    }

    /// The line as written, trimmed.
    pub fn line(&self) -> &Arc<str> {
        &self.line
    }

    /// What age makes of it: a recipient, or why it is none.
    pub fn recipient(&self) -> Result<&Recipient, &KeyError> {
        self.recipient.as_ref()
    }

    /// Reasons not to use the key; none for what is no key.
    pub fn weaknesses(&self) -> &[Weakness] {
        self.weaknesses.get_or_init(|| self.recipient.as_ref().map_or_else(|_| Vec::new(), Recipient::weaknesses))
    }

    /// Will age encrypt to this key? See [`Recipient::age_can_encrypt`].
    pub fn age_can_encrypt(&self) -> bool {
        let Ok(recipient) = &self.recipient else { return false };
        recipient.ssh().is_none_or(|ssh| ssh.kind().age_can_encrypt())
            && !self.weaknesses().iter().any(|weakness| weakness.age_refuses())
    }

    /// The key without its comment: two lines with the same identity are the same key.
    ///
    /// ```
    /// use bulkhead_fleet::PublicKey;
    ///
    /// let key = PublicKey::new("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH me@home\n");
    /// assert!(key.identity().ends_with("dNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH"));
    /// assert_eq!(key.comment(), Some("me@home"));
    /// ```
    pub fn identity(&self) -> &str {
        self.recipient.as_ref().map_or(&*self.line, Recipient::canonical)
    }

    /// What follows the key on its line.
    pub fn comment(&self) -> Option<&str> {
        self.recipient.as_ref().ok().and_then(Recipient::comment)
    }

    /// A short name of the key itself, for when nobody knows whose it is: the tag of an SSH key, the beginning and end
    /// of another.
    pub fn short_name(&self) -> String {
        match &self.recipient {
            Ok(recipient) => recipient.public_key_id(),
            Err(_) => "a malformed key".to_owned(),
        }
    }
}

/// Where a key's line comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// It is a string in a Nix or TOML file.
    Literal,
    /// It is read from this file, which the Nix file names by path.
    File(TreePath),
}

/// A public key at a place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub public: Arc<PublicKey>,
    /// The expression that wrote it.
    pub place: Place,
    /// Where its line comes from.
    pub source: KeySource,
}

impl Key {
    /// The line as written, trimmed.
    pub fn line(&self) -> &str {
        &self.public.line
    }

    /// What age makes of it: a recipient, or why it is none.
    pub fn recipient(&self) -> Result<&Recipient, &KeyError> {
        self.public.recipient()
    }

    /// The key without its comment; see [`PublicKey::identity`].
    pub fn identity(&self) -> &str {
        self.public.identity()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.public.line == other.public.line && self.place == other.place && self.source == other.source
    }
}

impl Eq for Key {}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.line())
    }
}

/// Keys read so far, so that a key that is written in ten thousand rules is decoded once.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    keys: HashMap<Arc<str>, Arc<PublicKey>>,
}

impl KeyCache {
    pub(crate) fn get(&mut self, line: &Arc<str>) -> Arc<PublicKey> {
        if let Some(key) = self.keys.get(line) {
            return key.clone();
        }
        let key = Arc::new(PublicKey::from_arc(line));
        self.keys.insert(line.clone(), key.clone());
        key
    }
}
