//! Secrets that are granted by convention: by `secrets/properties.nix`, by the role's folder, by the machine's folder.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::Data;
use bulkhead_source::{FileTree, TreePath};
use foldhash::{HashMap, HashSet, HashSetExt};

use crate::config::Config;
use crate::fact::{Fact, Gap, Many, Spanned};
use crate::fleet::Fleet;
use crate::machine::{Machine, PROPERTIES_FILE};
use crate::read::{Located, Reader};

/// Where a secret lies, and so to whom its folder grants it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `secrets/<name>.age`: to nobody; its entry in `secrets/properties.nix` grants it.
    Shared,
    /// `secrets/<role>/<name>.age`: to all machines of the role.
    Role(Arc<str>),
    /// `machines/**/<machine>/secrets/<name>.age`: to the machine alone. The index is that of the machine in
    /// [`crate::Fleet::machines`].
    Machine(usize),
}

/// A secret and to whom it is granted. The keys behind it are listed by [`crate::Fleet::grants`].
#[derive(Clone, Debug)]
pub struct Secret {
    /// What people call it: `pia-login`, `pia/token` for a role's, `s0/wifi` for a machine's.
    pub name: Arc<str>,
    /// Its file.
    pub file: TreePath,
    /// Whether the file is there (an entry may come first).
    pub exists: bool,
    /// Its name in the generated rules file: the file relative to that file's folder.
    pub rule_name: String,
    /// Where it lies.
    pub scope: Scope,
    /// Where it is declared in `secrets/properties.nix`: the place of its name there.
    pub declared: Option<Place>,
    /// Why nothing is known about its entry, if so.
    pub gap: Option<Gap>,
    /// `roles` of its entry.
    pub roles: Many<Spanned<Arc<str>>>,
    /// `machines` of its entry.
    pub machines: Many<Spanned<Arc<str>>>,
    /// `everyone` of its entry.
    pub everyone: Fact<Spanned<bool>>,
    /// `admins` of its entry.
    pub admins: Fact<Spanned<bool>>,
    /// `armor` of its entry.
    pub armor: Fact<Spanned<bool>>,
    /// `description` of its entry.
    pub description: Fact<Spanned<Arc<str>>>,
    /// `mode` of its entry: octal digits.
    pub mode: Fact<Spanned<Arc<str>>>,
    /// `owner` of its entry.
    pub owner: Fact<Spanned<Arc<str>>>,
    /// `group` of its entry.
    pub group: Fact<Spanned<Arc<str>>>,
}

/// What a file with secrets is called without its `.age`; `None` for other names.
///
/// Only small letters: agenix and age take names as they are, and Nix modules put `.age` behind the name of a secret. A
/// file `wifi.AGE` is an age file like any other (see [`is_age_name`]), and its name is `wifi.AGE`.
pub fn secret_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".age")
}

/// Whether a file is meant to be encrypted by age, going by its name: however `.age` is written.
pub fn is_age_name(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && extension.eq_ignore_ascii_case("age"))
}

impl Secret {
    /// A secret that nothing is said about yet: every field of its entry is absent. `rules_folder` is the folder of the
    /// rules file, from which agenix names the file.
    ///
    /// ```
    /// use bulkhead_fleet::{Scope, Secret};
    /// use bulkhead_source::TreePath;
    ///
    /// let (file, rules) = (TreePath::new("secrets/web/tls.age")?, TreePath::new("secrets")?);
    /// let secret = Secret::new("web/tls".into(), file, true, Scope::Role("web".into()), &rules);
    /// assert_eq!(secret.rule_name, "web/tls.age");
    /// assert!(secret.admins.is_absent());
    /// # Ok::<(), bulkhead_source::TreePathError>(())
    /// ```
    pub fn new(name: Arc<str>, file: TreePath, exists: bool, scope: Scope, rules_folder: &TreePath) -> Secret {
        Secret {
            name,
            rule_name: file.relative_to(rules_folder),
            file,
            exists,
            scope,
            declared: None,
            gap: None,
            roles: Many::default(),
            machines: Many::default(),
            everyone: Fact::Absent,
            admins: Fact::Absent,
            armor: Fact::Absent,
            description: Fact::Absent,
            mode: Fact::Absent,
            owner: Fact::Absent,
            group: Fact::Absent,
        }
    }

    /// Whether the admin keys read it: yes unless its entry says otherwise; `None` if that is not known.
    pub fn for_admins(&self) -> Option<bool> {
        flag(&self.admins, true)
    }

    /// Whether every machine reads it: no unless its entry says so; `None` if that is not known.
    pub fn for_everyone(&self) -> Option<bool> {
        flag(&self.everyone, false)
    }

    /// Whether it is ASCII-armored: no unless its entry says so; `None` if that is not known.
    pub fn armored(&self) -> Option<bool> {
        flag(&self.armor, false)
    }

    /// Whether its folder or an entry says to whom it is granted.
    pub fn is_granted(&self) -> bool {
        self.scope != Scope::Shared || self.declared.is_some()
    }

    /// What is not known about to whom it is granted, if anything.
    pub fn grant_gap(&self) -> Option<&Gap> {
        self.machine_gap().or_else(|| self.admins.gap())
    }

    /// What is not known about the machines that it is granted to, if anything.
    pub(crate) fn machine_gap(&self) -> Option<&Gap> {
        self.gap
            .as_ref()
            .or_else(|| self.roles.gaps.first())
            .or_else(|| self.machines.gaps.first())
            .or_else(|| self.everyone.gap())
    }
}

fn flag(fact: &Fact<Spanned<bool>>, default: bool) -> Option<bool> {
    match fact {
        Fact::Known(flag) => Some(flag.value),
        Fact::Absent => Some(default),
        Fact::Gap(_) => None,
    }
}

/// The path of `secrets/properties.nix`.
pub(crate) fn properties_path(config: &Config) -> Option<TreePath> {
    config.secrets.join(PROPERTIES_FILE).ok()
}

/// All secrets of the convention, sorted by file. `entries` is the value of `secrets/properties.nix`, if it is there.
pub(crate) fn secrets(
    tree: &dyn FileTree,
    config: &Config,
    machines: &[Machine],
    age_files: &[TreePath],
    entries: Option<&Data>,
    findings: &mut Vec<Diagnostic>,
) -> (Vec<Secret>, Option<Gap>) {
    let rules_folder = config.rules.parent().unwrap_or_else(TreePath::root);
    let mut secrets: Vec<Secret> = Vec::with_capacity(age_files.len());
    for file in age_files {
        match scope_of(file, config, machines) {
            Some((name, scope)) => {
                secrets.push(Secret::new(name, file.clone(), true, scope, &rules_folder));
            }
            None => findings.extend(miswritten(file, config, machines)),
        }
    }
    let gap = entries.and_then(|data| declare(tree, config, data, &rules_folder, &mut secrets, findings));
    secrets.sort_by(|a, b| a.file.cmp(&b.file));
    (secrets, gap)
}

impl Fleet {
    /// The secret that the convention makes of a file at `file`, whether it is there or not, without what an entry says;
    /// `None` if the convention has no place for it.
    pub fn secret_at(&self, file: &TreePath, exists: bool) -> Option<Secret> {
        let (name, scope) = scope_of(file, &self.config, &self.machines)?;
        let rules_folder = self.config.rules.parent().unwrap_or_else(TreePath::root);
        Some(Secret::new(name, file.clone(), exists, scope, &rules_folder))
    }
}

/// What kind of secret a file is, and its name; `None` if the convention knows nothing of it. `machines` are sorted by
/// folder.
fn scope_of(file: &TreePath, config: &Config, machines: &[Machine]) -> Option<(Arc<str>, Scope)> {
    let stem = secret_stem(file.name()).filter(|stem| !stem.is_empty())?;
    let folder = file.parent()?;
    if folder.name() == "secrets"
        && let Some(dir) = folder.parent()
        && let Ok(index) = machines.binary_search_by(|machine| machine.dir.cmp(&dir))
    {
        return Some((Arc::from(format!("{}/{stem}", dir.name())), Scope::Machine(index)));
    }
    let below = file.strip_prefix(&config.secrets)?;
    let mut parts = below.split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), None, _) => Some((Arc::from(stem), Scope::Shared)),
        (Some(role), Some(_), None) => Some((Arc::from(format!("{role}/{stem}")), Scope::Role(Arc::from(role)))),
        _ => None,
    }
}

/// A file that would be a secret if its `.age` were in small letters.
fn miswritten(file: &TreePath, config: &Config, machines: &[Machine]) -> Option<Diagnostic> {
    let (stem, extension) = file.name().rsplit_once('.')?;
    let meant = file.parent()?.join(&format!("{stem}.age")).ok()?;
    if !is_age_name(file.name()) || secret_stem(file.name()).is_some() {
        return None;
    }
    scope_of(&meant, config, machines)?;
    let message = format!("`{file}` is no secret of the fleet: its name ends in `.{extension}`, not in `.age`");
    let finding = Diagnostic::new("schema", Severity::Warning, Place::file(file.to_arc()), message)
        .with_note("agenix takes names as they are, and so do the modules that look for the file")
        .with_help(format!("rename it: git mv {file} {meant}"));
    Some(finding)
}

/// Fill in what `secrets/properties.nix` says. The gap says why there may be further entries.
fn declare(
    tree: &dyn FileTree,
    config: &Config,
    data: &Data,
    rules_folder: &TreePath,
    secrets: &mut Vec<Secret>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Gap> {
    let file = properties_path(config)?;
    let around = Place::file(file.to_arc());
    let located = Located::new(data, &around);
    if let Some(gap) = located.as_gap() {
        return Some(gap);
    }
    let reader = Reader::new(tree);
    let fields = match reader.fields(&located) {
        Ok(fields) => fields,
        Err(gap) => return Some(gap),
    };
    let mut by_file: HashMap<TreePath, usize> =
        secrets.iter().enumerate().map(|(index, secret)| (secret.file.clone(), index)).collect();
    let mut named: HashSet<TreePath> = HashSet::new();
    for name in fields.set.attrs.keys() {
        let Fact::Known(entry) = fields.get(name) else { continue };
        let key = fields.set.attrs.get(name).and_then(|field| field.key.clone()).unwrap_or_else(|| entry.place.clone());
        let extension = if is_age_name(name) { name.rfind('.') } else { None };
        let plain = match extension.map(|dot| name.split_at(dot)) {
            Some((plain, extension)) => {
                let message = format!("`{name}` is named with `{extension}`");
                let finding = Diagnostic::new("schema", Severity::Error, key.clone(), message)
                    .with_help(format!("secrets are named without it here: `{plain}`"));
                findings.push(finding);
                plain
            }
            None => name,
        };
        let is_simple = !plain.is_empty()
            && plain.split('/').count() <= 2
            && plain.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        let path = config.secrets.join(&format!("{plain}.age"));
        let (true, Ok(path)) = (is_simple, path) else {
            let message = format!("`{name}` is no name of a secret");
            let finding = Diagnostic::new("schema", Severity::Error, key, message).with_help(
                "a secret is named by its file below the folder of the secrets, without `.age`: `wifi`, or `role/wifi`",
            );
            findings.push(finding);
            continue;
        };
        if !named.insert(path.clone()) {
            continue;
        }
        let scope = match plain.split_once('/') {
            Some((role, _)) => Scope::Role(Arc::from(role)),
            None => Scope::Shared,
        };
        let index = *by_file.entry(path).or_insert_with_key(|path| {
            secrets.push(Secret::new(Arc::from(plain), path.clone(), false, scope, rules_folder));
            secrets.len() - 1
        });
        let Some(secret) = secrets.get_mut(index) else { continue };
        secret.declared = Some(key);
        match reader.fields(&entry) {
            Ok(fields) => {
                secret.roles = fields.texts("roles");
                secret.machines = fields.texts("machines");
                secret.everyone = fields.flag("everyone");
                secret.admins = fields.flag("admins");
                secret.armor = fields.flag("armor");
                secret.description = fields.text("description");
                secret.mode = fields.text("mode");
                secret.owner = fields.text("owner");
                secret.group = fields.text("group");
            }
            Err(gap) => secret.gap = Some(gap),
        }
    }
    fields.set.open.as_ref().map(|unknown| crate::read::unknown_gap(unknown, &located.place))
}
