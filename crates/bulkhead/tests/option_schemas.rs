//! What the options of nix/modules and types of the programs on machines both describe is described in the same way: of
//! each type every field is either an option with the same values, or known to be none.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bulkhead::eval::data::DataKind;
use bulkhead::eval::{Limits, World};
use bulkhead::fleet::ValueSchema;
use bulkhead::modules::{OptionPath, load};
use bulkhead::source::{MemoryTree, TreePath};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema(name: &str) -> Value {
    let path = root().join(format!("schemas/{name}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The schema at a path of properties; `*` is any attribute or item. Where something may be null, the other schema.
fn at<'s>(whole: &'s Value, path: &str) -> &'s Value {
    let mut current = resolved(whole, whole);
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let next = match name {
            "*" => current.get("additionalProperties").or_else(|| current.get("items")),
            name => current.get("properties").and_then(|properties| properties.get(name)),
        };
        current = resolved(whole, next.unwrap_or_else(|| panic!("there is no {path}: {name}")));
    }
    current
}

fn resolved<'s>(whole: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return resolved(whole, whole.pointer(reference.trim_start_matches('#')).unwrap());
    }
    match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([inner, null] | [null, inner]) if null.get("type") == Some(&Value::from("null")) => resolved(whole, inner),
        _ => schema,
    }
}

fn names(schema: &Value) -> BTreeSet<String> {
    schema.get("properties").and_then(Value::as_object).map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// What a value may be: type, bounds, pattern, choices; null aside.
fn allowed(schema: &Value) -> Map<String, Value> {
    let mut allowed = Map::new();
    for key in ["minimum", "maximum"] {
        allowed.extend(schema.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let bare = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')).unwrap_or(pattern);
        let bare = bare.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(bare);
        allowed.insert("pattern".to_owned(), bare.into());
    }
    let choices: Option<BTreeSet<String>> = match (schema.get("enum"), schema.get("oneOf")) {
        (Some(values), _) => {
            values.as_array().map(|all| all.iter().map(|value| value.as_str().unwrap().to_owned()).collect())
        }
        // An enumeration: names, or objects with one name.
        (_, Some(Value::Array(all))) => Some(
            all.iter()
                .map(|one| match one.get("const") {
                    Some(name) => name.as_str().unwrap().to_owned(),
                    None => names(one).into_iter().next().unwrap(),
                })
                .collect(),
        ),
        _ => None,
    };
    if let Some(choices) = choices {
        allowed.insert("choices".to_owned(), choices.into_iter().collect());
        return allowed;
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    allowed.insert("type".to_owned(), types.join(" ").into());
    allowed
}

/// How a field of a type is an option.
enum Field {
    /// The option at this path allows the same.
    Same(&'static str),
    /// The option at this path is written in another way.
    Otherwise(&'static str),
    /// The modules decide.
    Decided,
}

use Field::{Decided, Otherwise, Same};

/// A type: the schema, where in it, the schema of the options, and its fields.
struct Described {
    schema: &'static str,
    path: &'static str,
    options: &'static str,
    fields: &'static [(&'static str, Field)],
}

const DESCRIBED: &[Described] = &[
    Described {
        schema: "vpn-config",
        path: "",
        options: "vpn-options",
        fields: &[
            ("interface", Otherwise("vpn.interfaceName")),
            ("mtu", Same("vpn.mtu")),
            ("bridge", Otherwise("vpn.subnet")),
            ("services", Otherwise("vpn.containers")),
            ("portForwarding", Otherwise("vpn.containers.*.receiveForwardedPort")),
            ("provider", Same("vpn.provider")),
            ("stateDirectory", Decided),
            ("controlSocket", Decided),
            ("nft", Decided),
            ("metricsFile", Decided),
            ("renewAfterDays", Same("vpn.renewAfterDays")),
            ("requestTimeoutSeconds", Decided),
            ("handshakeTimeoutSeconds", Decided),
        ],
    },
    Described {
        schema: "vpn-config",
        path: "portForwarding",
        options: "vpn-options",
        fields: &[
            ("service", Decided),
            ("port", Same("vpn.containers.*.receiveForwardedPort.port")),
            ("protocol", Same("vpn.containers.*.receiveForwardedPort.protocol")),
            ("onForwarded", Otherwise("vpn.onPortForwarded")),
        ],
    },
    Described {
        schema: "vpn-config",
        path: "bridge",
        options: "vpn-options",
        fields: &[
            ("interface", Decided),
            ("subnet", Otherwise("vpn.subnet")),
            ("hostAddress", Same("vpn.hostAddress")),
            ("vpnAddress", Same("vpn.vpnAddress")),
        ],
    },
    Described {
        schema: "incus-spec",
        path: "resources",
        options: "workspaces-options",
        fields: &[
            ("cpu", Otherwise("workspaces.*.resources.cpu")),
            ("memory", Otherwise("workspaces.*.resources.memory")),
            ("disk", Otherwise("workspaces.*.resources.disk")),
            ("processes", Decided),
        ],
    },
    Described {
        schema: "incus-spec",
        path: "mounts.*",
        options: "workspaces-options",
        fields: &[
            ("source", Otherwise("workspaces.*.extraMounts.*.hostPath")),
            ("path", Otherwise("workspaces.*.extraMounts.*.mountPoint")),
            ("readOnly", Same("workspaces.*.extraMounts.*.readOnly")),
        ],
    },
    Described {
        schema: "incus-spec",
        path: "incus",
        options: "incus-options",
        fields: &[
            ("socket", Decided),
            ("project", Decided),
            ("storagePool", Same("workspaceDefaults.incus.pool.name")),
        ],
    },
    Described {
        schema: "incus-spec",
        path: "ready",
        options: "incus-options",
        fields: &[("port", Decided), ("deadlineSeconds", Same("workspaceDefaults.incus.startSeconds"))],
    },
    Described {
        schema: "incus-spec",
        path: "",
        options: "incus-options",
        fields: &[
            ("$schema", Decided),
            ("version", Decided),
            ("name", Decided),
            ("image", Decided),
            ("network", Decided),
            ("resources", Decided),
            ("mounts", Decided),
            ("gpu", Decided),
            ("ready", Decided),
            ("incus", Decided),
            ("stateFolder", Decided),
            ("specFolder", Decided),
            ("stopSeconds", Same("workspaceDefaults.incus.stopSeconds")),
        ],
    },
];

#[test]
fn options_and_types_allow_the_same() {
    for Described { schema: name, path, options, fields } in DESCRIBED {
        let (whole, options) = (schema(name), schema(options));
        let described = at(&whole, path);
        let known: BTreeSet<String> = fields.iter().map(|(field, _)| (*field).to_owned()).collect();
        assert_eq!(names(described), known, "the fields of {name} {path}, and those that are compared");
        for (field, relation) in *fields {
            match relation {
                Decided => {}
                Otherwise(option) => drop(at(&options, option)),
                Same(option) => {
                    let field_schema = resolved(&whole, &described["properties"][field]);
                    assert_eq!(
                        allowed(at(&options, option)),
                        allowed(field_schema),
                        "{option} and {name} {path} {field}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_options_of_workspaces_and_ports_forwarded_have_no_others() {
    let workspaces = schema("workspaces-options");
    let resources = at(&workspaces, "workspaces.*.resources");
    assert_eq!(names(resources), ["cpu", "disk", "memory"].map(str::to_owned).into());
    let mounts = at(&workspaces, "workspaces.*.extraMounts.*");
    assert_eq!(names(mounts), ["hostPath", "mountPoint", "readOnly"].map(str::to_owned).into());
    let vpn = schema("vpn-options");
    let forwarded = at(&vpn, "vpn.containers.*.receiveForwardedPort");
    assert_eq!(names(forwarded), ["port", "protocol"].map(str::to_owned).into());
    let incus = schema("incus-options");
    let pool = at(&incus, "workspaceDefaults.incus");
    assert_eq!(names(pool), ["enable", "package", "pool", "startSeconds", "stopSeconds"].map(str::to_owned).into());
}

/// What can't be compiled would judge nothing.
#[test]
fn each_part_of_each_schema_can_be_validated_with() {
    for name in ["workspaces", "incus", "sandbox", "vpn", "fleet", "secrets"] {
        let count = compiled(&schema(&format!("{name}-options")), name);
        assert!(count > 3, "{name}: {count}");
    }
}

fn compiled(schema: &Value, path: &str) -> usize {
    assert!(ValueSchema::new(schema).is_some(), "{path}: {schema}");
    let mut count = 1;
    for (name, part) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        count += compiled(part, &format!("{path}.{name}"));
    }
    for name in ["additionalProperties", "items"] {
        if let Some(part) = schema.get(name).filter(|part| part.is_object()) {
            count += compiled(part, &format!("{path}.{name}"));
        }
    }
    for part in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        count += compiled(part, path);
    }
    count
}

#[test]
fn what_modules_tell_of_machines_are_the_properties_that_machines_have() {
    let mut files = Vec::new();
    collect(&root().join("nix"), "nix", &mut files);
    let entry = "{ imports = [ ./nix/modules/fleet ]; machines.root = ./nix/fleet; }".to_owned();
    files.push(("default.nix".to_owned(), entry));
    let tree = MemoryTree::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str()))).unwrap();
    let found = load(&World::new(Arc::new(tree), Limits::default()), &TreePath::new("default.nix").unwrap());
    let hosts = found.value(&OptionPath::of(["machines", "hosts"])).unwrap();
    let DataKind::Attrs(hosts) = &hosts.kind else { panic!("{hosts:?}") };
    assert!(hosts.attrs.len() > 3);
    let properties = names(&schema("machine-properties"));
    for (machine, host) in &hosts.attrs {
        let DataKind::Attrs(host) = &host.value.kind else { panic!("{machine}: {:?}", host.value) };
        let told: BTreeSet<String> = host.attrs.keys().map(ToString::to_string).collect();
        // Where the machine is, is no property.
        let added: Vec<&String> =
            told.difference(&properties).filter(|name| !["name", "path"].contains(&name.as_str())).collect();
        let missing: Vec<&String> = properties.difference(&told).collect();
        assert_eq!((added, missing), (vec![], vec![]), "{machine}");
    }
}

/// The text files below a folder, by their paths.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &path, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push((path, text));
        }
    }
}
