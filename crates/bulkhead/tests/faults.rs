//! A fleet with one fault for every rule, and what `check` says about it: `faults/`.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead::rules::registry;
use common::{Run, finish};
use pretty_assertions::assert_eq;
use serde_json::Value;

/// Rules that no tree can show to `check`, and why.
const ELSEWHERE: [(&str, &str); 3] = [
    ("adopt-rules", "reported by `gen-secrets --adopt` alone"),
    ("gen-docs", "reported by `gen-docs` alone"),
    ("gen-secrets", "reported by `gen-secrets`; check says `secrets-nix-outdated` with the same causes"),
];

fn faults() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults")
}

/// The names of keys that left would come from this repository's own history, and change with it: git finds none.
fn check(format: &str) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.args(["check", "--format", format]).current_dir(faults().join("fleet")).env_remove("NIX_PATH");
    command.env("GIT_DIR", "/nonexistent").env("COLUMNS", "120").env("NO_COLOR", "1");
    finish(command.output().unwrap())
}

#[test]
fn every_rule_finds_its_fault() {
    let run = check("json");
    assert_eq!(run.code, 1, "{}", run.stderr);
    let found: BTreeSet<String> = run.rules().into_iter().collect();
    let mut expected: BTreeSet<&str> = registry().iter().map(|rule| rule.name).collect();
    for (rule, _) in ELSEWHERE {
        assert!(expected.remove(rule), "{rule} is no rule");
    }
    assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn what_check_says_is_what_is_written_down() {
    let run = check("full");
    assert_eq!(run.code, 1, "{}", run.stderr);
    // How long it took is another number each time.
    let said = match run.stdout.trim_end().rsplit_once(" · ") {
        Some((said, time)) if time.ends_with("ms") || time.ends_with('s') => format!("{said}\n"),
        _ => panic!("no time in {}", run.stdout),
    };
    let path = faults().join("check.txt");
    if std::env::var_os("BULKHEAD_UPDATE").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn no_format_shows_a_secret() {
    let fleet = common::Folder::fleet();
    let identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    let password = "correct horse battery staple";
    let wireguard = "UFVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVU=";
    fleet
        .write("identity", identity)
        .write("machines/servers/kif/luks.key", password)
        .write("secrets/wifi.age", password);
    fleet.write("wg0.conf", format!("PrivateKey = {wireguard}")).change(
        "machines/servers/kif/properties.nix",
        "  hostKey =",
        &format!("  userKeys = [ \"{identity}\" ];\n  hostKey ="),
    );
    for format in ["full", "concise", "json", "sarif", "github"] {
        let run = fleet.bulkhead(&["check", "--format", format]);
        assert!(
            run.stdout.contains("private-key-in-clear") && run.stdout.contains("not-age"),
            "{format}: {}",
            run.stdout
        );
        for secret in [&identity[15..], "battery", &wireguard[..10]] {
            assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{format}: {}", run.stdout);
        }
    }
}

#[test]
fn code_scanning_takes_all_of_it() {
    let run = check("sarif");
    let log = run.json();
    let tool = &log["runs"][0]["tool"]["driver"];
    let rules = tool["rules"].as_array().unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fingerprints = BTreeSet::new();
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        *levels.entry(result["level"].as_str().unwrap()).or_default() += 1;
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let fingerprint = result["partialFingerprints"]["bulkheadFinding/v1"].as_str().unwrap();
        assert!(fingerprints.insert(fingerprint), "{fingerprint} twice");
        assert_eq!(result["locations"].as_array().unwrap().len(), 1);
        let related = result["relatedLocations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: BTreeSet<u64> = related.iter().map(|location| location["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), related.len());
        for location in result["locations"].as_array().unwrap().iter().chain(related) {
            is_sound(&location["physicalLocation"]);
        }
    }
    let json = check("json").json();
    let of = |level: &str| Value::from(levels.get(level).copied().unwrap_or_default());
    assert_eq!(json["summary"]["errors"], of("error"));
    assert_eq!(json["summary"]["warnings"], of("warning"));
    assert_eq!(json["summary"]["undecided"], of("note"));
}

/// A relative URI of a file, and a region that ends behind its start.
fn is_sound(place: &Value) {
    let uri = place["artifactLocation"]["uri"].as_str().unwrap();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    assert!(!uri.is_empty() && !uri.starts_with('/') && uri.bytes().all(is_plain), "{uri}");
    let region = &place["region"];
    let at = |line: &str, column: &str| (region[line].as_u64(), region[column].as_u64());
    let (start, end) = (at("startLine", "startColumn"), at("endLine", "endColumn"));
    assert!(start.0 >= Some(1) && (end == (None, None) || (start.1 >= Some(1) && end >= start)), "{place}");
}
