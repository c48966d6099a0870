//! From evaluated values to typed facts: one reader per file, with the file's findings.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{AttrsData, Data, DataKind, Failure, FailureKind, Unknown};
use bulkhead_source::{FileTree, TreePath};

use crate::fact::{Fact, Gap, GapKind, Many, Spanned};
use crate::key::{Key, KeyCache, KeySource};
use crate::schema::{clip, kind_name};

/// A file of public keys larger than this is not read.
pub(crate) const KEY_FILE_LIMIT: u64 = 64 << 10;

/// Reads typed facts from the value of one file.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a dyn FileTree,
    pub(crate) keys: KeyCache,
    pub(crate) findings: Vec<Diagnostic>,
}

/// A set whose attributes are read one after the other.
pub(crate) struct Fields<'a> {
    pub(crate) set: &'a AttrsData,
    pub(crate) place: Place,
}

/// A value with its places, never without one.
#[derive(Clone)]
pub(crate) struct Located<'a> {
    pub(crate) data: &'a Data,
    pub(crate) place: Place,
    pub(crate) key: Place,
}

impl<'a> Located<'a> {
    pub(crate) fn new(data: &'a Data, around: &Place) -> Located<'a> {
        let place = data.place.clone().unwrap_or_else(|| around.clone());
        Located { data, key: place.clone(), place }
    }

    pub(crate) fn gap(&self, kind: GapKind, reason: impl Into<Arc<str>>) -> Gap {
        Gap { kind, reason: reason.into(), help: None, place: self.place.clone() }
    }

    /// The gap that this value stands for, if it is no value.
    pub(crate) fn as_gap(&self) -> Option<Gap> {
        match &self.data.kind {
            DataKind::Unknown(unknown) => Some(unknown_gap(unknown, &self.place)),
            DataKind::Failed(failure) => Some(failure_gap(failure, &self.place)),
            _ => None,
        }
    }

    /// This value is not what was expected; the schema says so.
    pub(crate) fn invalid(&self) -> Gap {
        self.as_gap().unwrap_or_else(|| self.gap(GapKind::Invalid, format!("it is {}", kind_name(&self.data.kind))))
    }

    fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned { value, place: self.place.clone(), key: self.key.clone() }
    }
}

pub(crate) fn unknown_gap(unknown: &Unknown, around: &Place) -> Gap {
    Gap {
        kind: GapKind::Unknown,
        reason: unknown.reason.clone(),
        help: Some(unknown_help(unknown)),
        place: unknown.place.clone().unwrap_or_else(|| around.clone()),
    }
}

/// What to do to make an unknown value known.
pub(crate) fn unknown_help(unknown: &Unknown) -> Arc<str> {
    let otherwise = || Arc::from("write the value itself here, or let the installed Nix evaluate it: --evaluator nix");
    unknown.help.clone().unwrap_or_else(otherwise)
}

pub(crate) fn failure_gap(failure: &Failure, around: &Place) -> Gap {
    let reason = match failure.kind {
        FailureKind::Syntax => "the file is no Nix expression",
        FailureKind::Read => "a file can't be read",
        _ => "its evaluation fails",
    };
    Gap {
        kind: GapKind::Failed,
        reason: Arc::from(reason),
        help: None,
        place: failure.place.clone().unwrap_or_else(|| around.clone()),
    }
}

impl<'a> Fields<'a> {
    /// The attribute `name`; a gap if the set is open and it may be there.
    pub(crate) fn get(&self, name: &str) -> Fact<Located<'a>> {
        match self.set.attrs.get(name) {
            Some(field) => {
                let key = field.key.clone();
                let place = field.value.place.clone().or_else(|| key.clone()).unwrap_or_else(|| self.place.clone());
                Fact::Known(Located { data: &field.value, key: key.unwrap_or_else(|| place.clone()), place })
            }
            None => match &self.set.open {
                Some(unknown) => Fact::Gap(unknown_gap(unknown, &self.place)),
                None => Fact::Absent,
            },
        }
    }

    /// The attribute `name`, made into something by `read`.
    pub(crate) fn read<T>(&self, name: &str, read: impl FnOnce(&Located<'a>) -> Result<T, Gap>) -> Fact<T> {
        match self.get(name) {
            Fact::Known(located) => match read(&located) {
                Ok(value) => Fact::Known(value),
                Err(gap) => Fact::Gap(gap),
            },
            Fact::Absent => Fact::Absent,
            Fact::Gap(gap) => Fact::Gap(gap),
        }
    }

    /// The list `name`, each item made into any number of things by `read`.
    pub(crate) fn many<T>(
        &self,
        name: &str,
        mut read: impl FnMut(&Located<'a>, &mut Vec<T>) -> Result<(), Gap>,
    ) -> Many<T> {
        let located = match self.get(name) {
            Fact::Known(located) => located,
            Fact::Absent => return Many::default(),
            Fact::Gap(gap) => return Many { gaps: vec![gap], ..Many::default() },
        };
        let mut many = Many { place: Some(located.place.clone()), key: Some(located.key.clone()), ..Many::default() };
        let DataKind::List(items) = &located.data.kind else {
            many.gaps.push(located.invalid());
            return many;
        };
        many.items.reserve_exact(items.len());
        for item in items {
            if let Err(gap) = read(&Located::new(item, &located.place), &mut many.items) {
                many.gaps.push(gap);
            }
        }
        many
    }

    /// The string `name`.
    pub(crate) fn text(&self, name: &str) -> Fact<Spanned<Arc<str>>> {
        self.read(name, text)
    }

    /// The list of strings `name`.
    pub(crate) fn texts(&self, name: &str) -> Many<Spanned<Arc<str>>> {
        self.many(name, |item, into| {
            into.push(text(item)?);
            Ok(())
        })
    }

    /// The boolean `name`.
    pub(crate) fn flag(&self, name: &str) -> Fact<Spanned<bool>> {
        self.read(name, |located| match &located.data.kind {
            DataKind::Bool(value) => Ok(located.spanned(*value)),
            _ => Err(located.invalid()),
        })
    }
}

pub(crate) fn text(located: &Located<'_>) -> Result<Spanned<Arc<str>>, Gap> {
    match &located.data.kind {
        DataKind::String(text) => Ok(located.spanned(text.clone())),
        _ => Err(located.invalid()),
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(tree: &'a dyn FileTree) -> Reader<'a> {
        Reader { tree, keys: KeyCache::default(), findings: Vec::new() }
    }

    /// The fields of a set.
    pub(crate) fn fields<'d>(&self, located: &Located<'d>) -> Result<Fields<'d>, Gap> {
        match &located.data.kind {
            DataKind::Attrs(set) => Ok(Fields { set, place: located.place.clone() }),
            _ => Err(located.invalid()),
        }
    }

    /// A value outside its domain, in a way that the JSON Schema can't say.
    pub(crate) fn violation(&mut self, place: &Place, message: impl Into<String>, help: &str) -> Gap {
        let message = message.into();
        let reason: Arc<str> = Arc::from(message.as_str());
        self.findings.push(Diagnostic::new("schema", Severity::Error, place.clone(), message).with_help(help));
        Gap { kind: GapKind::Invalid, reason, help: None, place: place.clone() }
    }

    /// An IPv4 or IPv6 address.
    pub(crate) fn address(&mut self, located: &Located<'_>) -> Result<Spanned<IpAddr>, Gap> {
        let written = text(located)?;
        match written.value.parse() {
            Ok(value) => Ok(Spanned { value, place: written.place, key: written.key }),
            Err(_) => Err(self.violation(
                &written.place,
                format!("`{}` is no IP address", clip(&written.value)),
                "write an IPv4 or IPv6 address without a prefix length: 203.0.113.7 or 2001:db8::7",
            )),
        }
    }

    /// The one key that a string or path stands for.
    pub(crate) fn key(&mut self, located: &Located<'_>) -> Result<Key, Gap> {
        let mut keys = Vec::new();
        self.keys_of(located, &mut keys)?;
        match (keys.len(), keys.pop()) {
            (1, Some(key)) => Ok(key),
            (0, _) => Err(self.violation(
                &located.place,
                "there is no key here",
                "write the line of a .pub file, such as the host's /etc/ssh/ssh_host_ed25519_key.pub",
            )),
            (count, _) => Err(self.violation(
                &located.place,
                format!("there are {count} keys here, where one is wanted"),
                "keep one line; a host has one key in the fleet, even if sshd offers several",
            )),
        }
    }

    /// All keys that a string (of one or more lines) or the path of a file of them stands for. Empty lines and lines
    /// that begin with `#` don't count.
    pub(crate) fn keys_of(&mut self, located: &Located<'_>, into: &mut Vec<Key>) -> Result<(), Gap> {
        match &located.data.kind {
            DataKind::String(written) => {
                if !written.contains('\n') {
                    // The whole value is the line, empty or not: whoever wrote `""` should hear of a malformed key.
                    let public = self.keys.get(written);
                    into.push(Key { public, place: located.place.clone(), source: KeySource::Literal });
                    return Ok(());
                }
                for line in key_lines(written) {
                    let public = self.keys.get(&Arc::from(line));
                    into.push(Key { public, place: located.place.clone(), source: KeySource::Literal });
                }
                Ok(())
            }
            DataKind::Path(absolute) => {
                let (path, content) = self.key_file(located, absolute)?;
                for line in key_lines(&content) {
                    let public = self.keys.get(&Arc::from(line));
                    let source = KeySource::File(path.clone());
                    into.push(Key { public, place: located.place.clone(), source });
                }
                Ok(())
            }
            _ => Err(located.invalid()),
        }
    }

    fn key_file(&mut self, located: &Located<'_>, absolute: &str) -> Result<(TreePath, String), Gap> {
        let Some(path) = inside(self.tree, absolute) else {
            return Err(self.violation(
                &located.place,
                format!("the key file `{}` lies outside the fleet", clip(absolute)),
                "copy the .pub file next to the machine's properties.nix and name it there: ./host.pub",
            ));
        };
        let failed = |reader: &mut Reader<'_>, message: String| {
            let finding = Diagnostic::new("unreadable-file", Severity::Error, located.place.clone(), message)
                .with_label("this key file is needed")
                .with_help("name the .pub file by its path, with its content committed: ./host.pub");
            reader.findings.push(finding);
            located.gap(GapKind::Failed, "its key file can't be read")
        };
        let bytes = match self.tree.read(&path, KEY_FILE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return Err(failed(self, error.to_string())),
        };
        match String::from_utf8(bytes) {
            Ok(content) => Ok((path, content)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(failed(self, format!("`{path}` is not UTF-8: byte {at} is wrong")))
            }
        }
    }
}

/// The lines of a text that are keys, with their carriage returns. Of an armored private key that is only the first line,
/// which says that it is one: the others are no keys of their own, and belong in no message.
pub(crate) fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut in_armor = false;
    text.split('\n').filter(move |line| {
        let line = line.trim();
        if line.starts_with("-----END ") {
            in_armor = false;
            return false;
        }
        let is_key = !in_armor && !line.is_empty() && !line.starts_with('#');
        in_armor |= line.starts_with("-----BEGIN ") || line.starts_with("PuTTY-User-Key-File-");
        is_key
    })
}

/// The path in the tree of an absolute path as evaluated code sees it: below the tree's root on disk, or below `/`
/// where it has none, or one that is not UTF-8 (see [`bulkhead_eval::World::new`]).
pub(crate) fn inside(tree: &dyn FileTree, absolute: &str) -> Option<TreePath> {
    let root = tree.root().and_then(std::path::Path::to_str).unwrap_or("/");
    let rest = absolute.strip_prefix(root.trim_end_matches('/'))?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    TreePath::new(rest.trim_start_matches('/')).ok()
}
