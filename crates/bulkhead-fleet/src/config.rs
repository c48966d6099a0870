//! `bulkhead.toml`: where things lie and how strict the rules are. Without the file the defaults hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severities, Severity};
use bulkhead_eval::Limits;
use bulkhead_eval::data::{AttrsData, Data, DataKind, Field};
use bulkhead_source::{FileTree, ReadError, Span, TreePath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use crate::schema::{SchemaKind, to_json, validate_json};

/// The name of the file, at the root of the fleet.
pub const CONFIG_FILE: &str = "bulkhead.toml";

/// A configuration file larger than this is not read.
const CONFIG_LIMIT: u64 = 1 << 20;

/// `bulkhead.toml`: where things lie and how strict the rules are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BulkheadToml {
    /// Public keys that can read every secret, besides the `userKeys` of the machines: SSH keys or age recipients.
    pub admins: Vec<String>,
    /// Paths that are not looked at, relative to the root: `*` and `?` stand for any characters but `/`, `**` for any
    /// folders. What lies below an ignored folder is ignored too. In a working tree, caches with a signed `CACHEDIR.TAG`,
    /// `.direnv`, `node_modules` and the like are passed over anyway, unless git tracks files in them.
    pub ignore: Vec<String>,
    /// Where things lie, relative to the root.
    pub layout: Layout,
    /// What is expected of machines with certain roles.
    pub policy: Policy,
    /// The severity of rules, by the rule's name.
    pub rules: Severities,
    /// How much evaluating a file may use.
    pub limits: EvaluationLimits,
    /// Networks that exist around the fleet and whose addresses are taken.
    pub networks: Vec<Network>,
    /// Options of the fleet's own modules that mean what Bulkhead's mean, so that the same rules read them: on the left
    /// an option of Bulkhead's or a path above some (`workspaces`, `vpn.subnet`, `workspaces.<name>.ip`), on the right
    /// the fleet's. `<name>` stands for a name that both sides have in the same place. The options
    /// `sandboxed-workspace.workspaces` (as `workspaces`) and `pia-vpn` (as `vpn`) are known without being named.
    pub mappings: BTreeMap<String, String>,
}

/// Where things lie, relative to the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Layout {
    /// The folder with the machines: each folder in it, however deep, that has a `properties.nix` is one.
    pub machines: String,
    /// The folder with the shared secrets and their `properties.nix`.
    pub secrets: String,
    /// The agenix rules file that `bulkhead gen-secrets` writes.
    pub rules: String,
    /// The file whose marked regions `bulkhead gen-docs` keeps.
    pub claude_md: String,
    /// The folder with the Nix functions that `bulkhead gen-docs` documents.
    pub lib: String,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout {
            machines: "machines".to_owned(),
            secrets: "secrets".to_owned(),
            rules: "secrets/secrets.nix".to_owned(),
            claude_md: "CLAUDE.md".to_owned(),
            lib: "nix/lib".to_owned(),
        }
    }
}

/// What is expected of machines with certain roles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// The role of machines that people sit at.
    pub personal_role: String,
    /// The role of machines that deploy to others.
    pub deploy_role: String,
    /// Which machines may have `userKeys`: `personal`, those with the personal role, or `any`.
    pub user_keys: UserKeyPolicy,
    /// Whether a machine with the personal role must have a user key.
    pub personal_needs_user_key: bool,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            personal_role: "personal".to_owned(),
            deploy_role: "deploy".to_owned(),
            user_keys: UserKeyPolicy::Personal,
            personal_needs_user_key: true,
        }
    }
}

/// Which machines may have `userKeys`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserKeyPolicy {
    /// Only machines with the personal role.
    #[default]
    Personal,
    /// Every machine.
    Any,
}

/// How much evaluating a file may use before it ends with a finding that names the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct EvaluationLimits {
    /// Evaluation steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Nested evaluations; more than the default has no effect, because the stack would not suffice.
    #[schemars(range(min = 1))]
    pub depth: u32,
    /// Megabytes that values may occupy, roughly.
    #[schemars(range(min = 1))]
    pub memory: u64,
    /// Megabytes of one file that is read.
    #[schemars(range(min = 1))]
    pub file_size: u64,
}

impl Default for EvaluationLimits {
    fn default() -> EvaluationLimits {
        let limits = Limits::default();
        EvaluationLimits {
            steps: limits.steps,
            depth: limits.depth,
            memory: limits.memory >> 20,
            file_size: limits.file_size >> 20,
        }
    }
}

impl EvaluationLimits {
    /// The limits as the evaluator takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            steps: self.steps,
            depth: self.depth.min(Limits::default().depth),
            memory: self.memory.saturating_mul(1 << 20),
            file_size: self.file_size.saturating_mul(1 << 20),
        }
    }
}

/// A network that exists around the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// What people call it.
    pub name: String,
    /// Its addresses: `192.168.1.0/24`.
    pub prefix: String,
}

/// A configuration and where its parts are written.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it says; the defaults where it says nothing, or something wrong.
    pub toml: BulkheadToml,
    /// The file as a value with places; an empty set where there is no file.
    pub data: Data,
    /// The folder with the machines.
    pub machines: TreePath,
    /// The folder with the shared secrets.
    pub secrets: TreePath,
    /// The rules file that is generated.
    pub rules: TreePath,
    /// The file with generated regions.
    pub claude_md: TreePath,
    /// The folder with the Nix library.
    pub lib: TreePath,
}

impl Default for Config {
    fn default() -> Config {
        Config::resolve(BulkheadToml::default(), empty(), &mut Vec::new())
    }
}

fn empty() -> Data {
    Data { kind: DataKind::Attrs(AttrsData::default()), place: None }
}

impl Config {
    /// Read `bulkhead.toml` of `tree`. What is wrong with it goes to `findings` (rules `config` and `unreadable-file`),
    /// and the defaults stand in for it.
    ///
    /// ```
    /// use bulkhead_fleet::Config;
    /// use bulkhead_source::MemoryTree;
    ///
    /// let tree = MemoryTree::new([("bulkhead.toml", "[layout]\nmachines = \"hosts\"\n")])?;
    /// let mut findings = Vec::new();
    /// let config = Config::load(&tree, &mut findings);
    /// assert_eq!(config.machines.as_str(), "hosts");
    /// assert!(findings.is_empty());
    /// # Ok::<(), bulkhead_source::TreePathError>(())
    /// ```
    pub fn load(tree: &dyn FileTree, findings: &mut Vec<Diagnostic>) -> Config {
        let Ok(path) = TreePath::new(CONFIG_FILE) else { return Config::default() };
        let bytes = match tree.read(&path, CONFIG_LIMIT) {
            Ok(bytes) => bytes,
            Err(ReadError::NotFound { .. }) => return Config::default(),
            Err(error) => {
                findings.push(
                    Diagnostic::new("unreadable-file", Severity::Error, Place::file(CONFIG_FILE), error.to_string())
                        .with_note("the default configuration is used instead"),
                );
                return Config::default();
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Config::parse(&text, findings),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let message = format!("`{CONFIG_FILE}` is not UTF-8: byte {at} is wrong");
                findings.push(Diagnostic::new("unreadable-file", Severity::Error, Place::file(CONFIG_FILE), message));
                Config::default()
            }
        }
    }

    /// Read the text of a `bulkhead.toml`; see [`Config::load`].
    pub fn parse(text: &str, findings: &mut Vec<Diagnostic>) -> Config {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in &errors {
                let place = match error.span() {
                    Some(range) => place(range),
                    None => Place::file(CONFIG_FILE),
                };
                findings.push(Diagnostic::new(
                    "config",
                    Severity::Error,
                    place,
                    format!("no TOML: {}", error.message()),
                ));
            }
            return Config::default();
        }
        let mut data = table_data(table.get_ref());
        data.place = Some(Place::file(CONFIG_FILE));
        let json = to_json(&data);
        let violations = validate_json(SchemaKind::Config, &json, &data, &Place::file(CONFIG_FILE));
        if violations.is_empty() {
            return match serde_json::from_value(json.value) {
                Ok(toml) => Config::resolve(toml, data, findings),
                Err(error) => {
                    let message = format!("can't use `{CONFIG_FILE}`: {error}");
                    findings.push(Diagnostic::new("config", Severity::Error, Place::file(CONFIG_FILE), message));
                    Config::default()
                }
            };
        }
        findings.extend(violations.into_iter().map(|mut violation| {
            violation.rule = "config".into();
            violation
        }));
        // The parts that are right still hold: dropping the layout for a typo elsewhere would bury the typo under
        // findings about a fleet that seems empty.
        let mut kept = serde_json::Map::new();
        if let serde_json::Value::Object(parts) = json.value {
            for (name, part) in parts {
                let alone = serde_json::json!({ name.as_str(): part });
                if serde_json::from_value::<BulkheadToml>(alone).is_ok() {
                    kept.insert(name, part);
                }
            }
        }
        let toml = serde_json::from_value(serde_json::Value::Object(kept)).unwrap_or_default();
        Config::resolve(toml, data, findings)
    }

    fn resolve(toml: BulkheadToml, data: Data, findings: &mut Vec<Diagnostic>) -> Config {
        let defaults = Layout::default();
        let mut path = |name: &str, written: &str, default: &str| {
            TreePath::new(written).unwrap_or_else(|error| {
                let place = place_of(&data, &["layout", name]);
                findings.push(Diagnostic::new("config", Severity::Error, place, error.to_string()));
                // The defaults are paths inside the tree.
                TreePath::new(default).unwrap_or_else(|_| TreePath::root())
            })
        };
        let machines = path("machines", &toml.layout.machines, &defaults.machines);
        let secrets = path("secrets", &toml.layout.secrets, &defaults.secrets);
        let rules = path("rules", &toml.layout.rules, &defaults.rules);
        let claude_md = path("claude-md", &toml.layout.claude_md, &defaults.claude_md);
        let lib = path("lib", &toml.layout.lib, &defaults.lib);
        Config { toml, data, machines, secrets, rules, claude_md, lib }
    }

    /// Where the value under `path` is written; the file as a whole where it is not.
    ///
    /// ```
    /// let config = bulkhead_fleet::Config::parse("[rules]\nstale-recipient = \"off\"\n", &mut Vec::new());
    /// let place = config.place_of(&["rules", "stale-recipient"]);
    /// assert_eq!(place.span.map(|span| span.start), Some(26));
    /// ```
    pub fn place_of(&self, path: &[&str]) -> Place {
        place_of(&self.data, path)
    }

    /// Where the key `path` is written; the file as a whole where it is not.
    pub fn key_of(&self, path: &[&str]) -> Place {
        field(&self.data, path).and_then(|field| field.key.clone()).unwrap_or_else(|| Place::file(CONFIG_FILE))
    }

    /// Where the item `index` of `admins` is written.
    pub fn admin_place(&self, index: usize) -> Place {
        field(&self.data, &["admins"])
            .and_then(|field| match &field.value.kind {
                DataKind::List(items) => items.get(index)?.place.clone(),
                _ => None,
            })
            .unwrap_or_else(|| Place::file(CONFIG_FILE))
    }

    /// Names that the options on the right of `mappings` end with, or begin with in another place than ours, by which files
    /// that define them are recognised.
    pub(crate) fn mapped_words(&self) -> Vec<String> {
        fn names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
            path.split('.').filter(|name| !name.starts_with('<')).map(|name| name.trim_matches('"'))
        }
        let words = self.toml.mappings.iter().flat_map(|(ours, theirs)| {
            let first = names(theirs).next().filter(|first| names(ours).next() != Some(first));
            names(theirs).next_back().into_iter().chain(first)
        });
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Whether `path`, or a folder that it lies in, is to be ignored.
    pub fn is_ignored(&self, path: &TreePath) -> bool {
        !self.toml.ignore.is_empty() && self.toml.ignore.iter().any(|pattern| ignores(pattern, path))
    }
}

fn field<'a>(data: &'a Data, path: &[&str]) -> Option<&'a Field> {
    let (first, rest) = path.split_first()?;
    let DataKind::Attrs(set) = &data.kind else { return None };
    let found = set.attrs.get(*first)?;
    if rest.is_empty() { Some(found) } else { field(&found.value, rest) }
}

fn place_of(data: &Data, path: &[&str]) -> Place {
    field(data, path).and_then(|field| field.value.place.clone()).unwrap_or_else(|| Place::file(CONFIG_FILE))
}

/// Whether `pattern` matches `path` or a folder above it.
fn ignores(pattern: &str, path: &TreePath) -> bool {
    let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let parts: Vec<&str> = path.parts().collect();
    !pattern.is_empty() && (1..=parts.len()).any(|length| matches_parts(&pattern, &parts[..length]))
}

fn matches_parts(pattern: &[&str], parts: &[&str]) -> bool {
    // `reached[i]`: the pattern so far matches the first `i` parts.
    let mut reached = vec![false; parts.len() + 1];
    reached[0] = true;
    for piece in pattern {
        let mut next = vec![false; parts.len() + 1];
        if *piece == "**" {
            let mut any = false;
            for (index, here) in reached.iter().enumerate() {
                any |= here;
                next[index] = any;
            }
        } else {
            for (index, part) in parts.iter().enumerate() {
                next[index + 1] = reached[index] && matches_name(piece.as_bytes(), part.as_bytes());
            }
        }
        reached = next;
    }
    reached[parts.len()]
}

/// `*` and `?` within one part; linear in time but for the product of the lengths.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    p = after;
                    n = from + 1;
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

fn place(range: std::ops::Range<usize>) -> Place {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Place::new(CONFIG_FILE, Span::new(offset(range.start), offset(range.end)))
}

fn table_data(table: &DeTable<'_>) -> Data {
    let mut set = AttrsData::default();
    for (key, value) in table {
        let mut data = value_data(value.get_ref());
        data.place = Some(place(value.span()));
        let name: Arc<str> = Arc::from(key.get_ref().as_ref());
        set.attrs.insert(name, Field { key: Some(place(key.span())), value: data });
    }
    Data { kind: DataKind::Attrs(set), place: None }
}

fn value_data(value: &DeValue<'_>) -> Data {
    let kind = match value {
        DeValue::String(text) => DataKind::String(Arc::from(text.as_ref())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            match i64::from_str_radix(&digits, number.radix()) {
                Ok(value) => DataKind::Int(value),
                Err(_) => DataKind::String(Arc::from(number.to_string())),
            }
        }
        DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
            Ok(value) => DataKind::Float(value),
            Err(_) => DataKind::String(Arc::from(number.as_str())),
        },
        DeValue::Boolean(value) => DataKind::Bool(*value),
        DeValue::Datetime(time) => DataKind::String(Arc::from(time.to_string())),
        DeValue::Array(items) => DataKind::List(
            items
                .iter()
                .map(|item| {
                    let mut data = value_data(item.get_ref());
                    data.place = Some(place(item.span()));
                    data
                })
                .collect(),
        ),
        DeValue::Table(table) => return table_data(table),
        // `DeValue` may grow kinds; none is a value of this schema.
        #[allow(unreachable_patterns)]
        _ => DataKind::Null,
    };
    Data { kind, place: None }
}
