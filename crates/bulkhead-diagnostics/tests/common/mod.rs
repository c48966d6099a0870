//! A report made by hand, with a finding of each kind, and the files that it is about.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_diagnostics::{
    Diagnostic, Format, Place, RenderOptions, Report, RuleDescription, Severity, Sources, Summary, render,
};
use bulkhead_source::Span;

/// Texts by path.
#[derive(Default)]
pub struct Files(pub BTreeMap<&'static str, String>);

impl Sources for Files {
    fn text(&self, file: &str) -> Option<Arc<str>> {
        self.0.get(file).map(|text| Arc::from(text.as_str()))
    }
}

impl Files {
    pub fn new(files: &[(&'static str, &str)]) -> Files {
        Files(files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect())
    }

    /// The place of the first `text` in `file`.
    pub fn place(&self, file: &'static str, text: &str) -> Place {
        let start = self.0[file].find(text).unwrap();
        Place::new(file, Span::new(start as u32, (start + text.len()) as u32))
    }
}

pub const SECRETS: &str = "\
let
  fry = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzKmyV5k1MdNTIDE8bHkh0dcWoyRYkY3H9vqrbYq3Vu\";
  lib = (import <nixpkgs> { }).lib;
  everyone = [
    fry
    leela
  ];
in
{
  \"restic-password.age\".publicKeys = everyone;
  \"wifi.age\".publicKeys = lib.attrValues everyone;
}
";

pub const KIF: &str = "{\n  hostNames = [ \"kif\" ];\n  remoteUnlock = {\n    hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNwzcL5JXEiv5Xn6d4Pj8JzEDMbtbXQCTsRx2QdYjx2\";\n  };\n}\n";
pub const S0: &str =
    "{\n  hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNwzcL5JXEiv5Xn6d4Pj8JzEDMbtbXQCTsRx2QdYjx2\";\n}\n";

pub fn files() -> Files {
    Files::new(&[
        ("secrets/secrets.nix", SECRETS),
        ("machines/kif/properties.nix", KIF),
        ("machines/storage/s0/properties.nix", S0),
    ])
}

pub fn findings() -> Vec<Diagnostic> {
    let files = files();
    let kif = "machines/kif/properties.nix";
    let s0 = "machines/storage/s0/properties.nix";
    let key = "\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNwzcL5JXEiv5Xn6d4Pj8JzEDMbtbXQCTsRx2QdYjx2\"";
    vec![
        Diagnostic::new(
            "rule-not-evaluated",
            Severity::Undecided,
            files.place("secrets/secrets.nix", "<nixpkgs>"),
            "can't tell who may read `wifi.age`",
        )
        .with_label("no nixpkgs is known here")
        .with_related(files.place("secrets/secrets.nix", "lib.attrValues"), "needed for this")
        .with_help("name one with --nixpkgs PATH or NIX_PATH, or run with --evaluator nix"),
        Diagnostic::new(
            "stale-recipient",
            Severity::Error,
            files.place("secrets/secrets.nix", "\"restic-password.age\""),
            "`restic-password` can still be read by a machine that has left",
        )
        .with_label("these 2 keys are meant to read it")
        .with_related(files.place("secrets/secrets.nix", "[\n    fry\n    leela\n  ]"), "from here")
        .with_related(Place::file("secrets/restic-password.age"), "encrypted to 3 keys")
        .with_note(
            "secrets/restic-password.age is also encrypted to `ponyo` (ssh-ed25519 tag V3XmEA), which was a machine \
             until 855e2b0 \"decommission ponyo\"",
        )
        .with_help(
            "rekey it, and change the secret itself: whoever has ponyo's disk could read the old value\n  \
             agenix --rekey            (or only this one: bulkhead rekey restic-password)",
        )
        .with_data("secret", "restic-password.age")
        .with_data("recipients", serde_json::json!([{ "tag": "V3XmEA", "name": "ponyo" }])),
        Diagnostic::new(
            "unlock-key-reused",
            Severity::Error,
            files.place(kif, key),
            "the boot key of `kif` is also the host key of `s0`",
        )
        .with_label("stored in clear in kif's /boot")
        .with_related(files.place(s0, key), "and it opens 11 secrets as s0")
        .with_help("make a key for the boot environment alone:\n  ssh-keygen -t ed25519 -N '' -f initrd_host_key"),
        Diagnostic::new(
            "secret-without-rule",
            Severity::Warning,
            Place::file("secrets/50% off: new, shiny.age"),
            "no rule says who may read `50% off: new, shiny.age`",
        ),
    ]
}

pub fn summary() -> Summary {
    Summary {
        machines: 5,
        roles: Some(22),
        secrets: 26,
        files: 41,
        elapsed: Some(Duration::from_micros(6_400)),
        ..Summary::default()
    }
}

pub fn report() -> Report {
    Report::new(findings(), summary())
}

pub const RULES: &[RuleDescription<'static>] = &[
    RuleDescription {
        name: "stale-recipient",
        summary: "A secret can be read by a key that its rule does not name.",
        help: "## Why\nWho left can still read it.",
        url: Some("https://example.org/rules/stale-recipient"),
        severity: Severity::Error,
    },
    RuleDescription {
        name: "unlock-key-reused",
        summary: "A boot key serves another purpose too.",
        help: "The boot key lies in clear on the disk.",
        url: None,
        severity: Severity::Error,
    },
];

pub fn show(report: &Report, format: Format, sources: &dyn Sources, options: &RenderOptions<'_>) -> String {
    let mut out = Vec::new();
    render(report, format, sources, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
