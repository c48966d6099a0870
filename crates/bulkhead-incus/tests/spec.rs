//! What a `SPEC.json` may say: the program and the schema agree, and errors name the place.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulkhead-incus")).args(arguments).output().unwrap()
}

fn check(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("SPEC.json");
    std::fs::write(&path, text).unwrap();
    let output = run(&["check", path.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(2) => Err(said.replace(&format!("{}/", folder.path().display()), "")),
        other => panic!("{other:?}: {said}"),
    }
}

fn minimal() -> Value {
    json!({
        "version": 1,
        "name": "dev",
        "image": { "metadata": "/images/metadata.tar.xz" },
        "network": {
            "bridge": "br-work",
            "hostInterface": "ws-dev",
            "mac": "02:00:0a:09:00:0a",
            "addresses": ["10.9.0.10/24"],
        },
    })
}

/// The minimal spec with `value` at `pointer`, whose parents are made.
fn with(pointer: &str, value: Value) -> Value {
    let mut spec = minimal();
    let mut at = &mut spec;
    for token in pointer.split('/').skip(1) {
        at = &mut at[token];
    }
    *at = value;
    spec
}

fn good() -> Vec<Value> {
    vec![
        minimal(),
        with("/$schema", json!("incus-spec.schema.json")),
        with("/name", json!("A-b-9")),
        with("/name", json!("a".repeat(63))),
        with("/image/rootfs", json!("/images/root fs.squashfs")),
        with("/image/rootfs", Value::Null),
        with("/image/fingerprint", json!("0123456789abcdef".repeat(4))),
        with("/network/hostInterface", json!("fifteen-bytes_.")),
        with("/network/mac", json!("0E:ff:FF:00:00:00")),
        with("/network/addresses", json!(["10.9.0.10/24", "fd00::10/64"])),
        with("/network/isolated", json!(false)),
        with("/network/interface", json!("host0")),
        with("/resources", json!({ "cpu": 4, "memory": "4GiB", "disk": "999999999TB", "processes": 1 })),
        with(
            "/mounts",
            json!([{ "source": "/var/lib/dev", "path": "/home/dev" }, { "source": "/a/", "path": "/b", "readOnly": true }]),
        ),
        with("/gpu", json!({})),
        with("/gpu", json!({ "pci": "0000:01:00.0", "gid": 303 })),
        with("/gpu", Value::Null),
        with("/ready", json!({ "port": 22, "deadlineSeconds": 86400 })),
        with("/incus", json!({ "socket": "/run/incus/unix.socket", "project": "work.1", "storagePool": "fast_pool" })),
        with("/stateFolder", json!("/run/x")),
        with("/specFolder", json!("/etc/bulkhead/incus")),
        with("/stopSeconds", json!(1)),
    ]
}

/// Specs that neither the program nor the schema takes, with what the program says of them.
fn bad() -> Vec<(Value, &'static str)> {
    let mut list = Vec::new();
    let mut add = |pointer: &str, value: Value, says: &'static str| list.push((with(pointer, value), says));
    add("/version", json!(2), "version: version 2 is not known");
    add("/version", json!("1"), "version: invalid type: string \"1\"");
    add("/nmae", json!("x"), "nmae: unknown field `nmae`");
    add("/network/vlan", json!(1), "network.vlan: unknown field `vlan`");
    for name in ["", "a_b", "a.b", "-a", "a-", "9a", "a/b", "ä", &"a".repeat(64)] {
        add("/name", json!(name), "is no name of a workspace");
    }
    for interface in ["", "a", "sixteen-bytes-xx", "a b", "a/b", "..", "-a"] {
        add("/network/hostInterface", json!(interface), "network.hostInterface: ");
        add("/network/bridge", json!(interface), "is no name of an interface");
    }
    for mac in ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "02-00-00-00-00-00", "+2:00:00:00:00:00", "2:0:0:0:0:0"] {
        add("/network/mac", json!(mac), "is no MAC address");
    }
    add("/network/mac", json!("03:00:00:00:00:00"), "is the MAC address of a group");
    for address in ["10.9.0.10", "10.9.0.10/", "host/24", "10.9.0.10/+24", "/24"] {
        add("/network/addresses", json!([address]), "network.addresses");
    }
    add("/network/addresses", json!([]), "there must be an address");
    for size in ["", "4", "4 GiB", "0GiB", "04GiB", "4gib", "1.5GiB", "-1GiB", "50%", "9999999999GiB"] {
        add("/resources/memory", json!(size), "is no size");
        add("/resources/disk", json!(size), "resources.disk: ");
    }
    add("/resources/cpu", json!(0), "resources.cpu: ");
    add("/resources/processes", json!(-1), "resources.processes: ");
    for path in ["", "relative", "/a/../b", "/..", "/a/./b", "/a//b", "/a\nb", "/a\u{7f}"] {
        add("/image/metadata", json!(path), "image.metadata: ");
        add("/stateFolder", json!(path), "is no absolute path");
        add("/mounts", json!([{ "source": path, "path": "/x" }]), "mounts[0].source: ");
    }
    for fingerprint in ["", "abc", &"A".repeat(64), &"a".repeat(65)] {
        add("/image/fingerprint", json!(fingerprint), "is no fingerprint");
    }
    for pci in ["01:00.0", "0000:01:00.8", "0000:01:00:0", "0000.01.00.0", "0000:1:0.0", "ABCD:01:00.0"] {
        add("/gpu", json!({ "pci": pci }), "gpu.pci: ");
    }
    for name in ["", ".", "a/b", "a?b", "a&project=b", " "] {
        add("/incus/project", json!(name), "is no name that Incus takes");
    }
    add("/ready", json!({ "port": 0 }), "ready.port: ");
    add("/ready", json!({ "port": 65536 }), "ready.port: ");
    for seconds in [json!(0), json!(86401), json!(-1), json!(1.5)] {
        add("/stopSeconds", seconds.clone(), "stopSeconds: ");
        add("/ready", json!({ "deadlineSeconds": seconds }), "ready.deadlineSeconds: ");
    }
    list
}

/// What a schema can't say, or says no better than by a huge pattern.
fn bad_for_the_program_alone() -> Vec<(Value, &'static str)> {
    let mut list = Vec::new();
    let mut add = |pointer: &str, value: Value, says: &'static str| list.push((with(pointer, value), says));
    add("/network/mac", json!("00:00:00:00:00:00"), "is no card's MAC address");
    add("/network/addresses", json!(["10.9.0.10/33"]), "from 1 to 32");
    add("/network/addresses", json!(["fd00::1/129"]), "from 1 to 128");
    add("/network/addresses", json!(["10.9.0/24"]), "does not start with an IP address");
    add("/network/addresses", json!(["10.9.0.300/24"]), "does not start with an IP address");
    for address in ["0.0.0.0/24", "127.0.0.1/8", "224.0.0.1/4", "::1/128", "ff02::1/64"] {
        add("/network/addresses", json!([address]), "is not the address of one machine");
    }
    add("/network/addresses", json!(["10.9.0.1/24", "10.9.0.1/16"]), "10.9.0.1 is there twice");
    add("/mounts", json!([{ "source": "/a", "path": "/" }]), "nothing can be mounted on /");
    let twice = json!([{ "source": "/a", "path": "/x" }, { "source": "/b", "path": "/x/" }]);
    add("/mounts", twice, "both `/a` and `/b` are mounted on `/x/`");
    list
}

fn schema() -> jsonschema::Validator {
    let output = run(&["schema", "spec"]);
    jsonschema::validator_for(&serde_json::from_slice(&output.stdout).unwrap()).unwrap()
}

#[test]
fn good_specs_are_good_for_the_program_and_the_schema() {
    let schema = schema();
    for spec in good() {
        assert_eq!(check(&spec.to_string()), Ok(()), "{spec:#}");
        assert!(schema.is_valid(&spec), "{:?}: {spec:#}", schema.validate(&spec));
    }
}

#[test]
fn bad_specs_are_bad_for_both() {
    let schema = schema();
    for (spec, says) in bad() {
        let error = check(&spec.to_string()).expect_err(&format!("this must not pass: {spec:#}"));
        assert!(error.contains(says), "no word of {says:?} in: {error}");
        assert!(error.starts_with("error: SPEC.json:1:"), "{error}");
        assert!(!schema.is_valid(&spec), "the schema takes {spec:#}");
    }
    for (spec, says) in bad_for_the_program_alone() {
        let error = check(&spec.to_string()).expect_err(&format!("this must not pass: {spec:#}"));
        assert!(error.contains(says), "no word of {says:?} in: {error}");
    }
}

#[test]
fn the_place_of_an_error_is_told() {
    let text = "{\n  \"version\": 1,\n  \"name\": \"dev\",\n  \"image\": { \"metadata\": \"images/meta.tar\" }\n}\n";
    let error = check(text).unwrap_err();
    let first = error.lines().next().unwrap();
    assert_eq!(
        first,
        "error: SPEC.json:4:44: image.metadata: \"images/meta.tar\" is no absolute path without . and .."
    );
    assert!(error.contains("help: `bulkhead-incus schema spec`"), "{error}");

    for (text, says) in [
        ("", "EOF while parsing"),
        ("[1, \"dev\"]", "invalid type: integer `1`"),
        ("{", "EOF while parsing an object"),
        ("{ \"version\": 1, \"version\": 1 }", "duplicate field `version`"),
        ("{ \"version\": 1 }", "missing field `name`"),
        (&format!("{} x", minimal()), "trailing characters"),
        ("\u{feff}{}", "expected value"),
    ] {
        let error = check(text).unwrap_err();
        assert!(error.starts_with("error: SPEC.json:1:") && error.contains(says), "{error}");
    }
    // What serde would take for the fields in their order.
    let listed = with("/ready", json!([22, 300]));
    assert!(check(&listed.to_string()).unwrap_err().contains("SPEC.json: ready: a list, where an object is expected"));
    assert!(check(&format!("{}{}", minimal(), " ".repeat(1 << 20))).unwrap_err().contains("larger than 1 MiB"));
}

#[test]
fn a_file_that_can_not_be_read_is_told() {
    for command in ["check", "start", "stop", "status"] {
        let output = run(&[command, "/nowhere/SPEC.json"]);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: /nowhere/SPEC.json: can't read it: No such file"), "{said}");
    }
}

#[test]
fn the_published_schemas_are_those_of_the_program() {
    for of in ["spec", "status"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/incus-{of}.schema.json"));
        let published = std::fs::read_to_string(path).unwrap();
        assert_eq!(published, String::from_utf8(run(&["schema", of]).stdout).unwrap(), "cargo xtask codegen");
    }
}

#[test]
fn help_teaches() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("Exit codes:") && help.contains("ExecStopPost="));
    for command in ["start", "stop", "gc", "status", "check", "schema"] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Examples:\n  bulkhead-incus"), "{help}");
    }
    let help = String::from_utf8(run(&["start", "--help"]).stdout).unwrap();
    let example = help.split_once("may say:\n").unwrap().1;
    assert_eq!(check(example), Ok(()), "the spec in the help is one");
    assert_eq!(run(&["start"]).status.code(), Some(2));
}
