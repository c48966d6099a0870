//! What stands in `secrets.nix`: which names there are, and of which of them each entry's keys are put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_fleet::{Fact, Fleet, Gap, GapKind, Key, Machine, PROPERTIES_FILE, Scope, Secret};
use bulkhead_source::TreePath;
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use super::keys::{KeyState, judge_key, usable_host_key, wrong_type};
use super::{RULE, refusals};

/// A list of machines that entries use, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// All machines.
    Everyone,
    /// The machines of one role.
    Role(Arc<str>),
    /// The machines that have at least one of several roles; sorted.
    AnyRole(Vec<Arc<str>>),
}

/// A part of an entry's list of keys. The parts of an entry have no key in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// The machines of a group.
    Group(Group),
    /// The machines of a group whose host key is not an admin key too.
    WithoutAdmins(Group),
    /// Single machines, by name, sorted.
    Machines(Vec<Arc<str>>),
    /// The admin keys.
    Admins,
}

/// Who reads an entry, for the grouping of entries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readers {
    /// All machines.
    Everyone,
    /// The machines of roles, sorted.
    Roles(Vec<Arc<str>>),
    /// Single machines, sorted.
    Machines(Vec<Arc<str>>),
    /// Admins alone.
    Admins,
}

/// An entry.
pub(super) struct Entry {
    /// Its name.
    pub name: String,
    /// Which of [`Fleet::secrets`] it is about.
    pub secret: usize,
    pub readers: Readers,
    /// At least one.
    pub terms: Vec<Term>,
    pub armor: bool,
}

/// A machine in the set of machines.
pub(super) struct MachineLine<'f> {
    pub name: Arc<str>,
    /// Its host key, or why it has none to encrypt to.
    pub key: Result<&'f Key, String>,
    /// The machine of an earlier name that has the same key.
    pub same_as: Option<Arc<str>>,
}

/// An admin key.
pub(super) struct AdminLine<'f> {
    /// Whose it is; several for a key that is listed several times.
    pub names: Vec<String>,
    /// The key, or why age can't encrypt to it.
    pub key: Result<&'f Key, String>,
}

/// Everything that stands in the file.
pub(super) struct Plan<'f> {
    /// Sorted by name.
    pub machines: Vec<MachineLine<'f>>,
    /// The host keys, by the name under which they are written.
    pub host_keys: HashMap<Arc<str>, &'f Key>,
    pub admins: Vec<AdminLine<'f>>,
    /// The machines of each group that is used: names, sorted, without repetition of a key.
    pub groups: BTreeMap<Group, Vec<Arc<str>>>,
    /// The same without machines whose key is an admin key.
    pub without_admins: BTreeMap<Group, Vec<Arc<str>>>,
    /// Sorted by readers, then by name.
    pub entries: Vec<Entry>,
    pub warnings: Vec<Diagnostic>,
}

impl<'f> Plan<'f> {
    /// # Errors
    /// What must be put right first.
    pub fn new(fleet: &'f Fleet) -> Result<Plan<'f>, Vec<Diagnostic>> {
        if !fleet.by_convention {
            return Err(vec![refusals::handwritten(fleet)]);
        }
        if let Some(cause) = refusals::unread_machines(fleet) {
            return Err(vec![cause]);
        }
        let mut planner = Planner::new(fleet);
        planner.check_machine_names();
        planner.read_admins();
        let mut entries: Vec<Entry> =
            (0..fleet.secrets.len()).filter_map(|secret| planner.entry(secret, &fleet.secrets[secret])).collect();
        entries.sort_by(|a, b| (&a.readers, &a.name).cmp(&(&b.readers, &b.name)));
        planner.judge_machines();
        planner.report_gaps();
        planner.errors.extend(refusals::unread_secrets(fleet, &planner.errors));
        let Planner { machines, host_keys, admins, groups, without_admins, warnings, errors, .. } = planner;
        // The causes first: what else is refused may follow from them. One place is named once.
        let mut refusals = refusals::load_errors(fleet);
        refusals.retain(|cause| !errors.iter().any(|error| error.place == cause.place));
        refusals.extend(errors);
        if !refusals.is_empty() {
            return Err(refusals.into_iter().chain(warnings).collect());
        }
        Ok(Plan { machines, host_keys, admins, groups, without_admins, entries, warnings })
    }

    /// The keys of an entry in the order of its list, each with whose it is.
    pub fn recipients<'p>(&'p self, entry: &'p Entry) -> Vec<(&'f Key, &'p str)> {
        let mut keys = Vec::new();
        for term in &entry.terms {
            let names = match term {
                Term::Group(group) => self.groups.get(group),
                Term::WithoutAdmins(group) => self.without_admins.get(group),
                Term::Machines(names) => Some(names),
                Term::Admins => {
                    let known = self.admins.iter().filter_map(|line| Some((*line.key.as_ref().ok()?, line)));
                    keys.extend(known.map(|(key, line)| (key, line.names.first().map_or("", String::as_str))));
                    continue;
                }
            };
            for name in names.into_iter().flatten() {
                keys.extend(self.host_keys.get(name).map(|key| (*key, &**name)));
            }
        }
        keys
    }
}

/// Something that is not known, and the secrets that need it.
struct Needed<'f> {
    gap: &'f Gap,
    secrets: Vec<&'f str>,
}

/// Names, sorted.
type Names = Vec<Arc<str>>;

/// What a group's machines cover.
struct Covered<'f> {
    identities: HashSet<&'f str>,
    /// Whether an admin key is among them.
    meets_admins: bool,
}

struct Planner<'f> {
    fleet: &'f Fleet,
    machines: Vec<MachineLine<'f>>,
    /// For each machine of the fleet, the name under which its key is written: its own or that of the first machine
    /// with the same key. Nothing where there is no key to encrypt to.
    written_as: Vec<Option<Arc<str>>>,
    host_keys: HashMap<Arc<str>, &'f Key>,
    by_name: HashMap<&'f str, Vec<usize>>,
    admin_gaps: Vec<&'f Gap>,
    admins: Vec<AdminLine<'f>>,
    admin_keys: HashSet<&'f str>,
    groups: BTreeMap<Group, Vec<Arc<str>>>,
    without_admins: BTreeMap<Group, Vec<Arc<str>>>,
    covered: HashMap<Group, Covered<'f>>,
    /// Machines that something is granted to.
    granted: BTreeSet<usize>,
    /// By place and reason.
    gaps: BTreeMap<(Place, Arc<str>), Needed<'f>>,
    /// Roles of folders that no machine has.
    reported_roles: HashSet<Arc<str>>,
    warnings: Vec<Diagnostic>,
    errors: Vec<Diagnostic>,
}

impl<'f> Planner<'f> {
    fn new(fleet: &'f Fleet) -> Planner<'f> {
        let mut order: Vec<usize> = (0..fleet.machines.len()).collect();
        order.sort_by(|a, b| fleet.machines[*a].name.cmp(&fleet.machines[*b].name));
        let mut first: HashMap<&str, Arc<str>> = HashMap::new();
        let mut machines = Vec::with_capacity(order.len());
        let mut written_as = vec![None; fleet.machines.len()];
        let mut host_keys = HashMap::new();
        for index in order {
            let machine = &fleet.machines[index];
            let key = usable_host_key(machine);
            let mut same_as = None;
            if let Ok(key) = key {
                match first.get(key.identity()) {
                    Some(earlier) => {
                        same_as = Some(earlier.clone());
                        written_as[index] = Some(earlier.clone());
                    }
                    None => {
                        first.insert(key.identity(), machine.name.clone());
                        written_as[index] = Some(machine.name.clone());
                        host_keys.insert(machine.name.clone(), key);
                    }
                }
            }
            machines.push(MachineLine { name: machine.name.clone(), key, same_as });
        }
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, machine) in fleet.machines.iter().enumerate() {
            by_name.entry(&machine.name).or_default().push(index);
        }
        let admin_gaps = fleet.machines.iter().flat_map(|machine| &machine.user_keys.gaps).collect();
        Planner {
            fleet,
            machines,
            written_as,
            host_keys,
            by_name,
            admin_gaps,
            admins: Vec::new(),
            admin_keys: HashSet::new(),
            groups: BTreeMap::new(),
            without_admins: BTreeMap::new(),
            covered: HashMap::new(),
            granted: BTreeSet::new(),
            gaps: BTreeMap::new(),
            reported_roles: HashSet::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn check_machine_names(&mut self) {
        let mut by_name: BTreeMap<&str, &Machine> = BTreeMap::new();
        for machine in &self.fleet.machines {
            let Some(first) = by_name.insert(&machine.name, machine) else { continue };
            let message =
                format!("two machines are called `{}`: what is granted to one would go to both", machine.name);
            self.errors.push(
                Diagnostic::new(RULE, Severity::Error, Place::file(machine.dir.to_arc()), message)
                    .with_related(Place::file(first.dir.to_arc()), "the other one")
                    .with_help("rename one of the folders"),
            );
        }
    }

    /// Admin keys, ordered by the name of whose they are.
    fn read_admins(&mut self) {
        if !self.fleet.secrets.iter().any(|secret| secret.is_granted() && secret.for_admins() != Some(false)) {
            return;
        }
        let mut keys: Vec<(String, &'f Key)> =
            self.fleet.admin_keys().map(|(owner, key)| (self.fleet.owner_name(&owner), key)).collect();
        // Stable: keys of one name stay in the order in which they are written.
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        let mut lines: HashMap<&str, usize> = HashMap::new();
        for (name, key) in keys {
            let identity = key.identity();
            if let Some(line) = lines.get(identity).and_then(|line| self.admins.get_mut(*line)) {
                if !line.names.contains(&name) {
                    line.names.push(name);
                }
                continue;
            }
            let shown = match judge_key(key) {
                KeyState::Usable => {
                    self.admin_keys.insert(identity);
                    Ok(key)
                }
                KeyState::WrongType(kind) => {
                    let reason = wrong_type(&kind);
                    let message = format!("the admin key `{name}` is left out: {reason}");
                    self.warnings.push(
                        Diagnostic::new(RULE, Severity::Warning, key.place.clone(), message)
                            .with_note("its owner can't read any secret with it")
                            .with_help("add a key of the type ssh-ed25519: ssh-keygen -t ed25519"),
                    );
                    Err(reason)
                }
                KeyState::Broken(reason) => {
                    let message = format!("the admin key `{name}` can't be used: {reason}");
                    self.errors.push(
                        Diagnostic::new(RULE, Severity::Error, key.place.clone(), message)
                            .with_note("without it, its owner could not read any secret"),
                    );
                    continue;
                }
            };
            lines.insert(identity, self.admins.len());
            self.admins.push(AdminLine { names: vec![name], key: shown });
        }
    }

    /// Note what is not known about an entry; false if something is not. The same as [`Fleet::grant_gaps`], without
    /// asking every machine for every secret.
    fn note_gaps(&mut self, secret: &'f Secret) -> bool {
        let fleet = self.fleet;
        let mut gaps: Vec<&'f Gap> = Vec::new();
        gaps.extend(secret.grant_gap());
        gaps.extend(&fleet.secrets_gap);
        gaps.extend(secret.armor.gap());
        if !secret.roles.items.is_empty() || matches!(secret.scope, Scope::Role(_)) {
            gaps.extend(&fleet.role_gaps);
        }
        if secret.for_admins() != Some(false) {
            gaps.extend(&self.admin_gaps);
        }
        gaps.iter().for_each(|gap| self.need(gap, secret));
        gaps.is_empty()
    }

    fn need(&mut self, gap: &'f Gap, secret: &'f Secret) {
        let key = (gap.place.clone(), gap.reason.clone());
        let needed = self.gaps.entry(key).or_insert_with(|| Needed { gap, secrets: Vec::new() });
        // One cause may stand behind several facts about the same secret.
        if needed.secrets.last() != Some(&&*secret.name) {
            needed.secrets.push(&secret.name);
        }
    }

    fn entry(&mut self, index: usize, secret: &'f Secret) -> Option<Entry> {
        if !secret.is_granted() {
            let message = format!("`{}` is granted to nobody, and so has no entry", secret.file);
            let folder = &self.fleet.config.secrets;
            let file = folder.join(PROPERTIES_FILE).unwrap_or_else(|_| folder.clone());
            self.warnings.push(
                Diagnostic::new(RULE, Severity::Warning, Place::file(secret.file.to_arc()), message).with_help(
                    format!(
                        "say in {file} who may read it: {}.roles = [ \"…\" ];",
                        crate::nix_text::string(&secret.name)
                    ),
                ),
            );
            return None;
        }
        let is_known = self.note_gaps(secret);
        let bad_name = refusals::bad_name(secret);
        let is_named_well = bad_name.is_none();
        self.errors.extend(bad_name);
        let (roles, names) = self.granted_to(secret)?;
        if !is_known || !is_named_well {
            return None;
        }

        let everyone = secret.for_everyone() == Some(true);
        let readers = match (everyone, roles.is_empty(), names.is_empty()) {
            (true, ..) => Readers::Everyone,
            (_, false, _) => Readers::Roles(roles.clone()),
            (_, _, false) => Readers::Machines(names.clone()),
            _ => Readers::Admins,
        };
        let group = match (everyone, roles.as_slice()) {
            (true, _) => Some(Group::Everyone),
            (_, []) => None,
            (_, [role]) => Some(Group::Role(role.clone())),
            _ => Some(Group::AnyRole(roles)),
        };
        let terms = self.terms(secret, group, &names);
        if terms.iter().all(|term| self.is_empty(term)) {
            self.errors.push(refusals::no_recipient(self.fleet, secret));
            return None;
        }
        let armor = secret.armored() == Some(true);
        Some(Entry { name: secret.rule_name.clone(), secret: index, readers, terms, armor })
    }

    /// The roles that exist and the machines that an entry and its folder name, sorted; nothing after an error.
    fn granted_to(&mut self, secret: &'f Secret) -> Option<(Names, Names)> {
        let errors = self.errors.len();
        let mut roles: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        match &secret.scope {
            Scope::Shared => {}
            Scope::Role(role) => {
                if self.fleet.roles.contains_key(role) {
                    roles.insert(role.clone());
                } else if let Some(gap) = self.fleet.role_gaps.first() {
                    if secret.exists && self.reported_roles.insert(role.clone()) {
                        let folder = secret.file.parent().unwrap_or_else(TreePath::root);
                        self.errors.push(refusals::open_role(self.fleet, role, Place::file(folder.to_arc()), gap));
                    }
                } else if secret.declared.is_none() && self.reported_roles.insert(role.clone()) {
                    self.warnings.push(self.unknown_folder(secret, role));
                }
            }
            Scope::Machine(index) => {
                self.granted.insert(*index);
                names.extend(self.fleet.machines.get(*index).map(|machine| machine.name.clone()));
            }
        }
        for role in &secret.roles {
            if self.fleet.roles.contains_key(&role.value) {
                roles.insert(role.value.clone());
            } else if let Some(gap) = self.fleet.role_gaps.first() {
                self.errors.push(refusals::open_role(self.fleet, &role.value, role.place.clone(), gap));
            } else {
                let known = self.fleet.roles.keys().map(|role| &**role);
                self.errors.push(refusals::unknown_name(
                    "role",
                    "no machine has it",
                    &role.value,
                    &role.place,
                    secret,
                    known,
                ));
            }
        }
        for name in &secret.machines {
            if let Some(indices) = self.by_name.get(&*name.value) {
                self.granted.extend(indices);
                names.insert(name.value.clone());
            } else {
                let known = self.fleet.machines.iter().map(|machine| &*machine.name);
                self.errors.push(refusals::unknown_name(
                    "machine",
                    "there is none",
                    &name.value,
                    &name.place,
                    secret,
                    known,
                ));
            }
        }
        (self.errors.len() == errors).then(|| (roles.into_iter().collect(), names.into_iter().collect()))
    }

    fn unknown_folder(&self, secret: &Secret, role: &str) -> Diagnostic {
        let message = format!("no machine has the role `{role}`, which the folder of `{}` grants to", secret.file);
        let mut finding = Diagnostic::new(RULE, Severity::Warning, Place::file(secret.file.to_arc()), message)
            .with_note("so admins alone can read it");
        if let Some(near) = nearest(role, self.fleet.roles.keys().map(|role| &**role)) {
            finding = finding.with_help(format!("did you mean the role `{near}`?"));
        }
        finding
    }

    /// The parts of an entry's list: a group, the machines beyond it, the admin keys.
    fn terms(&mut self, secret: &Secret, group: Option<Group>, names: &[Arc<str>]) -> Vec<Term> {
        if let Some(group) = &group {
            self.gather(group);
        }
        let for_admins = secret.for_admins() == Some(true) && !self.admin_keys.is_empty();
        let has_admins = |name: &Arc<str>| {
            for_admins && self.host_keys.get(name).is_some_and(|key| self.admin_keys.contains(key.identity()))
        };
        let mut single: BTreeSet<Arc<str>> = BTreeSet::new();
        if group != Some(Group::Everyone) {
            for name in names {
                for index in self.by_name.get(&**name).into_iter().flatten() {
                    single.extend(self.written_as.get(*index).cloned().flatten());
                }
            }
        }
        let covered = group.as_ref().and_then(|group| self.covered.get(group));
        single.retain(|name| {
            let is_covered = covered.is_some_and(|covered| {
                self.host_keys.get(name).is_some_and(|key| covered.identities.contains(key.identity()))
            });
            !is_covered && !has_admins(name)
        });

        let mut terms = Vec::with_capacity(3);
        if let Some(group) = group {
            if for_admins && covered.is_some_and(|covered| covered.meets_admins) {
                if !self.without_admins.contains_key(&group) {
                    let members = self.groups.get(&group).into_iter().flatten();
                    let kept = members.filter(|name| !has_admins(name)).cloned().collect();
                    self.without_admins.insert(group.clone(), kept);
                }
                terms.push(Term::WithoutAdmins(group));
            } else {
                terms.push(Term::Group(group));
            }
        }
        if !single.is_empty() {
            terms.push(Term::Machines(single.into_iter().collect()));
        }
        if for_admins {
            terms.push(Term::Admins);
        }
        terms
    }

    /// Find the machines of a group, once.
    fn gather(&mut self, group: &Group) {
        if self.groups.contains_key(group) {
            return;
        }
        let indices: BTreeSet<usize> = match group {
            Group::Everyone => (0..self.fleet.machines.len()).collect(),
            Group::Role(role) => self.of_role(role).collect(),
            Group::AnyRole(roles) => roles.iter().flat_map(|role| self.of_role(role)).collect(),
        };
        let names: BTreeSet<Arc<str>> =
            indices.iter().filter_map(|index| self.written_as.get(*index)?.clone()).collect();
        let keys = names.iter().filter_map(|name| self.host_keys.get(name));
        let identities: HashSet<&'f str> = keys.map(|key| key.identity()).collect();
        let meets_admins = identities.iter().any(|identity| self.admin_keys.contains(identity));
        self.covered.insert(group.clone(), Covered { identities, meets_admins });
        self.granted.extend(&indices);
        self.groups.insert(group.clone(), names.into_iter().collect());
    }

    fn of_role(&self, role: &str) -> impl Iterator<Item = usize> + use<'f> {
        self.fleet.roles.get(role).into_iter().flat_map(|role| role.machines.iter().copied())
    }

    fn is_empty(&self, term: &Term) -> bool {
        match term {
            Term::Group(group) => self.groups.get(group).is_none_or(Vec::is_empty),
            Term::WithoutAdmins(group) => self.without_admins.get(group).is_none_or(Vec::is_empty),
            Term::Machines(names) => names.is_empty(),
            Term::Admins => self.admin_keys.is_empty(),
        }
    }

    /// Findings for granted machines without a key to encrypt to.
    fn judge_machines(&mut self) {
        for index in std::mem::take(&mut self.granted) {
            let Some(machine) = self.fleet.machines.get(index) else { continue };
            let name = &machine.name;
            let finding = match &machine.host_key {
                Fact::Absent => {
                    let message = format!("`{name}` has no `hostKey`, so it can't read the secrets granted to it");
                    Diagnostic::new(RULE, Severity::Warning, machine.place.clone(), message)
                        .with_note("it is left out of the recipients until it has one")
                        .with_help(
                            "add the line of its /etc/ssh/ssh_host_ed25519_key.pub as `hostKey`, then run \
                             `bulkhead gen-secrets` again and rekey",
                        )
                }
                Fact::Gap(gap) if matches!(gap.kind, GapKind::Unknown | GapKind::Unread) => {
                    gap.undecided(RULE, &format!("the host key of `{name}`"))
                }
                Fact::Gap(gap) => {
                    let message = format!("the host key of `{name}` is not known: {}", gap.reason);
                    Diagnostic::new(RULE, Severity::Error, gap.place.clone(), message)
                        .with_note("without it, the machine would lose the secrets granted to it")
                }
                Fact::Known(key) => match judge_key(key) {
                    KeyState::Usable => continue,
                    KeyState::Broken(reason) => {
                        let message = format!("the host key of `{name}` can't be used: {reason}");
                        Diagnostic::new(RULE, Severity::Error, key.place.clone(), message)
                            .with_note("without it, the machine would lose the secrets granted to it")
                    }
                    KeyState::WrongType(kind) => {
                        let message = format!("`{name}` can't read the secrets granted to it: {}", wrong_type(&kind));
                        Diagnostic::new(RULE, Severity::Warning, key.place.clone(), message)
                            .with_note("it is left out of the recipients")
                            .with_help("use its ed25519 host key: /etc/ssh/ssh_host_ed25519_key.pub")
                    }
                },
            };
            match finding.severity {
                Severity::Warning => self.warnings.push(finding),
                _ => self.errors.push(finding),
            }
        }
    }

    fn report_gaps(&mut self) {
        for needed in std::mem::take(&mut self.gaps).into_values() {
            let what = match needed.secrets.as_slice() {
                [one] => format!("who may read `{one}`"),
                [first, rest @ ..] => format!("who may read `{first}` and {} more", rest.len()),
                [] => continue,
            };
            self.errors.push(refusals::refusal(needed.gap, &what));
        }
    }
}
