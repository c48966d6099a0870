//! A machine: what its `properties.nix` says, each field with its place.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_source::{FileTree, TreePath};
use serde_json::Value;

use crate::fact::{Fact, Gap, Many, Spanned};
use crate::key::Key;
use crate::properties::Arch;
use crate::read::{Fields, Located, Reader, failure_gap, unknown_gap};
use crate::schema::{SchemaKind, to_json, validate_json};

/// The name of the file that makes a folder a machine.
pub const PROPERTIES_FILE: &str = "properties.nix";

/// A machine. One field that is wrong leaves the others as they are.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its name: that of its folder.
    pub name: Arc<str>,
    /// Its folder.
    pub dir: TreePath,
    /// Its `properties.nix`.
    pub file: TreePath,
    /// The set that its properties are written in; the file as a whole where that is not known.
    pub place: Place,
    /// Why nothing is known about it, if its file has no set to read.
    pub gap: Option<Gap>,
    /// `hostNames`: where it is reached over SSH.
    pub host_names: Many<Spanned<Arc<str>>>,
    /// `arch`.
    pub arch: Fact<Spanned<Arch>>,
    /// `systemRoles`.
    pub system_roles: Many<Spanned<Arc<str>>>,
    /// `hostKey`: what its secrets are encrypted to.
    pub host_key: Fact<Key>,
    /// `userKeys`: they decrypt everything.
    pub user_keys: Many<Key>,
    /// `deployKeys`: they never decrypt.
    pub deploy_keys: Many<Key>,
    /// `remoteUnlock`.
    pub remote_unlock: Fact<RemoteUnlock>,
    /// `publicIP`.
    pub public_ip: Fact<Spanned<IpAddr>>,
    /// `meta`, with null for what is unknown in it.
    pub meta: Fact<Spanned<Value>>,
    /// What is unknown in `meta`: the name of the attribute of `meta` that it lies in, empty where there may be further
    /// ones.
    pub meta_gaps: Vec<(Arc<str>, Gap)>,
}

/// How to reach the boot environment of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUnlock {
    /// The set that it is written in.
    pub place: Place,
    /// The name `remoteUnlock`.
    pub key: Place,
    /// `hostKey`: the SSH host key of the boot environment, in the clear in `/boot`.
    pub host_key: Fact<Key>,
    /// `clearnetHost`.
    pub clearnet_host: Fact<Spanned<Arc<str>>>,
    /// `onionHost`.
    pub onion_host: Fact<Spanned<Arc<str>>>,
}

impl Machine {
    /// Read the machine in the folder `dir` from the value of its properties file; what violates the schema goes to
    /// `findings`. Key files that the value names by path are read from `tree`.
    ///
    /// ```
    /// use bulkhead_eval::data::{Data, DataKind, AttrsData};
    /// use bulkhead_fleet::Machine;
    /// use bulkhead_source::{MemoryTree, TreePath};
    ///
    /// let tree = MemoryTree::default();
    /// let data = Data { kind: DataKind::Attrs(AttrsData::default()), place: None };
    /// let mut findings = Vec::new();
    /// let machine = Machine::read(&tree, TreePath::new("machines/storage/s0")?, &data, &mut findings);
    /// assert_eq!(&*machine.name, "s0");
    /// assert!(machine.host_key.is_absent());
    /// # Ok::<(), bulkhead_source::TreePathError>(())
    /// ```
    pub fn read(tree: &dyn FileTree, dir: TreePath, data: &Data, findings: &mut Vec<Diagnostic>) -> Machine {
        let file = dir.join(PROPERTIES_FILE).unwrap_or_else(|_| dir.clone());
        let around = Place::file(file.to_arc());
        let located = Located::new(data, &around);
        let mut machine = Machine::empty(dir, file, located.place.clone());
        let mut reader = Reader::new(tree);
        match reader.fields(&located) {
            Ok(fields) => machine.fill(&mut reader, &fields),
            Err(gap) => machine.blank(gap),
        }
        if located.as_gap().is_none() {
            let json = to_json(data);
            findings.extend(validate_json(SchemaKind::Machine, &json, data, &around));
        }
        findings.append(&mut reader.findings);
        machine
    }

    /// A machine that is there, but of which nothing can be known.
    pub(crate) fn unread(dir: TreePath, gap: Gap) -> Machine {
        let file = dir.join(PROPERTIES_FILE).unwrap_or_else(|_| dir.clone());
        let mut machine = Machine::empty(dir, file, gap.place.clone());
        machine.blank(gap);
        machine
    }

    /// A machine without `properties.nix`, of which nothing is known but that a file names it. The root of the fleet stands
    /// for its folder.
    pub fn without_properties(name: Arc<str>, file: TreePath, place: Option<Place>) -> Machine {
        let place = place.unwrap_or_else(|| Place::file(file.to_arc()));
        Machine { name, ..Machine::empty(TreePath::root(), file, place) }
    }

    fn empty(dir: TreePath, file: TreePath, place: Place) -> Machine {
        Machine {
            name: Arc::from(dir.name()),
            dir,
            file,
            place,
            gap: None,
            host_names: Many::default(),
            arch: Fact::Absent,
            system_roles: Many::default(),
            host_key: Fact::Absent,
            user_keys: Many::default(),
            deploy_keys: Many::default(),
            remote_unlock: Fact::Absent,
            public_ip: Fact::Absent,
            meta: Fact::Absent,
            meta_gaps: Vec::new(),
        }
    }

    fn fill(&mut self, reader: &mut Reader<'_>, fields: &Fields<'_>) {
        self.host_names = fields.texts("hostNames");
        self.arch = fields.read("arch", |located| match &located.data.kind {
            DataKind::String(written) => match Arch::ALL.into_iter().find(|arch| arch.as_str() == &**written) {
                Some(value) => Ok(Spanned { value, place: located.place.clone(), key: located.key.clone() }),
                None => Err(located.invalid()),
            },
            _ => Err(located.invalid()),
        });
        self.system_roles = fields.texts("systemRoles");
        self.host_key = fields.read("hostKey", |located| reader.key(located));
        self.user_keys = fields.many("userKeys", |item, into| reader.keys_of(item, into));
        self.deploy_keys = fields.many("deployKeys", |item, into| reader.keys_of(item, into));
        self.remote_unlock = fields.read("remoteUnlock", |located| {
            let fields = reader.fields(located)?;
            Ok(RemoteUnlock {
                place: located.place.clone(),
                key: located.key.clone(),
                host_key: fields.read("hostKey", |located| reader.key(located)),
                clearnet_host: fields.text("clearnetHost"),
                onion_host: fields.text("onionHost"),
            })
        });
        self.public_ip = fields.read("publicIP", |located| reader.address(located));
        self.meta = fields.read("meta", |located| match &located.data.kind {
            DataKind::Attrs(set) => {
                if let Some(unknown) = &set.open {
                    self.meta_gaps.push((Arc::from(""), unknown_gap(unknown, &located.place)));
                }
                for (name, field) in &set.attrs {
                    let gaps = gaps_within(&field.value, &located.place);
                    self.meta_gaps.extend(gaps.into_iter().map(|gap| (name.clone(), gap)));
                }
                let value = to_json(located.data).value;
                Ok(Spanned { value, place: located.place.clone(), key: located.key.clone() })
            }
            _ => Err(located.invalid()),
        });
    }

    /// Nothing is known: every field has the same gap.
    fn blank(&mut self, gap: Gap) {
        let none = || Many { gaps: vec![gap.clone()], ..Many::default() };
        self.host_names = none();
        self.arch = Fact::Gap(gap.clone());
        self.system_roles = none();
        self.host_key = Fact::Gap(gap.clone());
        self.user_keys = Many { gaps: vec![gap.clone()], ..Many::default() };
        self.deploy_keys = Many { gaps: vec![gap.clone()], ..Many::default() };
        self.remote_unlock = Fact::Gap(gap.clone());
        self.public_ip = Fact::Gap(gap.clone());
        self.meta = Fact::Gap(gap.clone());
        self.gap = Some(gap);
    }

    /// Why the attribute `name` of `meta`, or part of it, is not known.
    pub fn meta_gap(&self, name: &str) -> Option<&Gap> {
        let is_there = self.meta.known().is_some_and(|meta| meta.value.get(name).is_some());
        let within = self.meta_gaps.iter().find(|(part, _)| &**part == name || (part.is_empty() && !is_there));
        self.meta.gap().or(within.map(|(_, gap)| gap))
    }

    /// Whether the machine has `role`; `None` if it may have it, but that is not known.
    pub fn has_role(&self, role: &str) -> Option<bool> {
        if self.system_roles.iter().any(|own| &*own.value == role) {
            return Some(true);
        }
        self.system_roles.is_complete().then_some(false)
    }

    /// Where `role` is given to the machine.
    pub fn role_place(&self, role: &str) -> Option<&Place> {
        self.system_roles.iter().find(|own| &*own.value == role).map(|own| &own.place)
    }

    /// What the user key `index` of this machine is called: `howl-user`, and `howl-user-2` for the second.
    pub fn user_key_name(&self, index: usize) -> String {
        match index {
            0 => format!("{}-user", self.name),
            index => format!("{}-user-{}", self.name, index + 1),
        }
    }
}

/// Everything that is not known in a value.
fn gaps_within(data: &Data, around: &Place) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut parts = vec![data];
    while let Some(part) = parts.pop() {
        let place = part.place.as_ref().unwrap_or(around);
        match &part.kind {
            DataKind::Unknown(unknown) => gaps.push(unknown_gap(unknown, place)),
            DataKind::Failed(failure) => gaps.push(failure_gap(failure, place)),
            DataKind::List(items) => parts.extend(items),
            DataKind::Attrs(set) => {
                gaps.extend(set.open.iter().map(|unknown| unknown_gap(unknown, place)));
                parts.extend(set.attrs.values().map(|field| &field.value));
            }
            _ => {}
        }
    }
    gaps
}
