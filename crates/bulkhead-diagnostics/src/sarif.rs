//! SARIF 2.1.0 (OASIS standard), within what GitHub's code scanning accepts: every result has a location, paths are
//! relative URIs, rules are found by index, fingerprints survive moved lines.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::github::prose;
use crate::text::{Texts, repository_path};
use crate::{Diagnostic, Place, RenderOptions, Report, RuleDescription, Severity};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// GitHub takes at most 1,000 locations of a result.
const MAX_RELATED: usize = 1_000;

pub(crate) fn render(
    report: &Report,
    texts: &Texts<'_>,
    options: &RenderOptions<'_>,
    mut out: &mut dyn io::Write,
) -> io::Result<()> {
    let (rules, index) = rule_list(report, options.rules);
    let place = |place: &Place| location(place, options.folder, texts);
    let mut seen = HashMap::new();
    let results: Vec<Value> =
        report.findings.iter().map(|finding| result(finding, &index, texts, &place, &mut seen)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "bulkhead",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": rules,
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut out, &log)?;
    writeln!(out)
}

/// The described rules, then those that only occur in findings, each with its index.
fn rule_list<'a>(report: &'a Report, rules: &[RuleDescription<'a>]) -> (Vec<Value>, BTreeMap<&'a str, usize>) {
    let mut index = BTreeMap::new();
    let mut list = Vec::with_capacity(rules.len());
    for rule in rules {
        if index.contains_key(rule.name) {
            continue;
        }
        index.insert(rule.name, list.len());
        let mut described = json!({
            "id": rule.name,
            "shortDescription": { "text": rule.summary },
            "fullDescription": { "text": rule.summary },
            "help": { "text": rule.help, "markdown": rule.help },
            "defaultConfiguration": { "level": level(rule.severity) },
        });
        if let Some(url) = rule.url {
            described["helpUri"] = url.into();
        }
        list.push(described);
    }
    for finding in &report.findings {
        let name: &str = &finding.rule;
        if !index.contains_key(name) {
            index.insert(name, list.len());
            let help = format!("bulkhead explain {name}");
            list.push(json!({
                "id": name,
                "shortDescription": { "text": name },
                "fullDescription": { "text": name },
                "help": { "text": help },
            }));
        }
    }
    (list, index)
}

fn result(
    finding: &Diagnostic,
    index: &BTreeMap<&str, usize>,
    texts: &Texts<'_>,
    location: &dyn Fn(&Place) -> Value,
    seen: &mut HashMap<String, usize>,
) -> Value {
    let fingerprint = fingerprint(finding, texts);
    let occurrence = seen.entry(fingerprint.clone()).or_insert(0);
    *occurrence += 1;
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), (&*finding.rule).into());
    if let Some(index) = index.get(&*finding.rule) {
        result.insert("ruleIndex".to_owned(), (*index).into());
    }
    result.insert("level".to_owned(), level(finding.severity).into());
    result.insert("message".to_owned(), json!({ "text": message(&prose(finding)) }));
    result.insert("locations".to_owned(), json!([location(&finding.place)]));
    let related: Vec<Value> = finding
        .related
        .iter()
        .take(MAX_RELATED)
        .enumerate()
        .map(|(id, related)| {
            let mut location = location(&related.place);
            location["id"] = (id + 1).into();
            location["message"] = json!({ "text": message(&related.message) });
            location
        })
        .collect();
    if !related.is_empty() {
        result.insert("relatedLocations".to_owned(), related.into());
    }
    result.insert(
        "partialFingerprints".to_owned(),
        json!({ "bulkheadFinding/v1": format!("{fingerprint}:{occurrence}") }),
    );
    if !finding.data.is_empty() {
        result.insert("properties".to_owned(), finding.data.clone().into());
    }
    Value::Object(result)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Undecided => "note",
    }
}

/// A message without embedded links (§3.11.6 of the standard): what a repository says must not become one.
fn message(text: &str) -> String {
    text.replace("](", "] (")
}

fn location(place: &Place, folder: &str, texts: &Texts<'_>) -> Value {
    let region = match texts.positions(place) {
        Some((start, end)) => json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        }),
        None => json!({ "startLine": 1 }),
    };
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&repository_path(place, folder)), "uriBaseId": "%SRCROOT%" },
            "region": region,
        },
    })
}

/// A path as a relative URI (RFC 3986): all but unreserved characters and `/` percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// The same for the same finding in the same file, wherever its lines have moved.
fn fingerprint(finding: &Diagnostic, texts: &Texts<'_>) -> String {
    let marked = texts.marked(&finding.place);
    let marked = marked.as_ref().map_or("", |(text, range)| &text.text[range.clone()]);
    let mut hash = Sha256::new();
    for part in [&*finding.rule, &finding.place.file, &finding.message, marked] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
