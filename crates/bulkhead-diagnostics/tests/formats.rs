//! Every format on the same report.
#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::json::{ReportJson, json_schema};
use bulkhead_diagnostics::{Diagnostic, Format, Place, RenderOptions, Report, Severity, Summary};
use bulkhead_source::Span;
use common::{Files, RULES, files, report, show, summary};
use pretty_assertions::assert_eq;

fn plain() -> RenderOptions<'static> {
    RenderOptions { rules: RULES, ..RenderOptions::default() }
}

/// How one finding in `text`, about `span`, looks in full.
fn view(text: &str, span: Span) -> String {
    let files = Files::new(&[("a.nix", text)]);
    let finding = Diagnostic::new("a-rule", Severity::Error, Place::new("a.nix", span), "wrong").with_label("here");
    let shown = show(&Report::new(vec![finding], Summary::default()), Format::Full, &files, &plain());
    shown.lines().skip(1).take_while(|line| !line.contains("= why:")).collect::<Vec<_>>().join("\n")
}

#[test]
fn full() {
    insta::assert_snapshot!(show(&report(), Format::Full, &files(), &plain()), @r#"
error[unlock-key-reused]: the boot key of `kif` is also the host key of `s0`
 --> machines/kif/properties.nix:4:15
  |
4 |     hostKey = "ssh-ed25519 AAAAC3Nza…QdYjx2";
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ stored in clear in kif's /boot
  |
 ::: machines/storage/s0/properties.nix:2:13
  |
2 |   hostKey = "ssh-ed25519 AAAAC3Nza…QdYjx2";
  |             ------------------------------ and it opens 11 secrets as s0
  |
  = help: make a key for the boot environment alone:
            ssh-keygen -t ed25519 -N '' -f initrd_host_key
  = why:  bulkhead explain unlock-key-reused

warning[secret-without-rule]: no rule says who may read `50% off: new, shiny.age`
 --> secrets/50% off: new, shiny.age
  = why:  bulkhead explain secret-without-rule

undecided[rule-not-evaluated]: can't tell who may read `wifi.age`
  --> secrets/secrets.nix:3:17
   |
 3 |   lib = (import <nixpkgs> { }).lib;
   |                 ^^^^^^^^^ no nixpkgs is known here
...
11 |   "wifi.age".publicKeys = lib.attrValues everyone;
   |                           -------------- needed for this
   |
   = help: name one with --nixpkgs PATH or NIX_PATH, or run with --evaluator nix
   = why:  bulkhead explain rule-not-evaluated

error[stale-recipient]: `restic-password` can still be read by a machine that has left
  --> secrets/secrets.nix:10:3
   |
 4 |     everyone = [
   |  ______________-
 5 | |     fry
 6 | |     leela
 7 | |   ];
   | |___- from here
...
10 |     "restic-password.age".publicKeys = everyone;
   |     ^^^^^^^^^^^^^^^^^^^^^ these 2 keys are meant to read it
   |
  ::: secrets/restic-password.age: encrypted to 3 keys
   = secrets/restic-password.age is also encrypted to `ponyo` (ssh-ed25519 tag V3XmEA), which was a
     machine until 855e2b0 "decommission ponyo"
   = help: rekey it, and change the secret itself: whoever has ponyo's disk could read the old value
             agenix --rekey            (or only this one: bulkhead rekey restic-password)
   = why:  bulkhead explain stale-recipient

2 errors, 1 warning, 1 undecided · 5 machines, 22 roles, 26 secrets · 6 ms
"#);
}

#[test]
fn full_in_a_narrow_terminal() {
    let options = RenderOptions { width: 60, ..plain() };
    insta::assert_snapshot!(show(&report(), Format::Full, &files(), &options), @r#"
error[unlock-key-reused]: the boot key of `kif` is also the host key of `s0`
 --> machines/kif/properties.nix:4:15
  |
4 |     hostKey = "ssh-ed25519 AAAAC3Nza…QdYjx2";
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ stored in clear in kif's /boot
  |
 ::: machines/storage/s0/properties.nix:2:13
  |
2 |   hostKey = "ssh-ed25519 AAAAC3Nza…QdYjx2";
  |             ------------------------------ and it opens 11 secrets as s0
  |
  = help: make a key for the boot environment alone:
            ssh-keygen -t ed25519 -N '' -f initrd_host_key
  = why:  bulkhead explain unlock-key-reused

warning[secret-without-rule]: no rule says who may read `50% off: new, shiny.age`
 --> secrets/50% off: new, shiny.age
  = why:  bulkhead explain secret-without-rule

undecided[rule-not-evaluated]: can't tell who may read `wifi.age`
  --> secrets/secrets.nix:3:17
   |
 3 |   lib = (import <nixpkgs> { }).lib;
   |                 ^^^^^^^^^ no nixpkgs is known here
...
11 |   "wifi.age".publicKeys = lib.attrValues everyone;
   |                           -------------- needed for this
   |
   = help: name one with --nixpkgs PATH or NIX_PATH, or run
           with --evaluator nix
   = why:  bulkhead explain rule-not-evaluated

error[stale-recipient]: `restic-password` can still be read by a machine that has left
  --> secrets/secrets.nix:10:3
   |
 4 |     everyone = [
   |  ______________-
 5 | |     fry
 6 | |     leela
 7 | |   ];
   | |___- from here
...
10 |     "restic-password.age".publicKeys = everyone;
   |     ^^^^^^^^^^^^^^^^^^^^^ these 2 keys are meant to read it
   |
  ::: secrets/restic-password.age: encrypted to 3 keys
   = secrets/restic-password.age is also encrypted to
     `ponyo` (ssh-ed25519 tag V3XmEA), which was a machine
     until 855e2b0 "decommission ponyo"
   = help: rekey it, and change the secret itself: whoever
           has ponyo's disk could read the old value
             agenix --rekey            (or only this one: bulkhead rekey restic-password)
   = why:  bulkhead explain stale-recipient

2 errors, 1 warning, 1 undecided · 5 machines, 22 roles, 26 secrets · 6 ms
"#);
}

#[test]
fn color_changes_nothing_but_the_color() {
    for format in [Format::Full, Format::Concise] {
        let colored = show(&report(), format, &files(), &RenderOptions { color: true, ..plain() });
        let mut text = String::new();
        for (index, part) in colored.split('\u{1b}').enumerate() {
            if index == 0 {
                text.push_str(part);
                continue;
            }
            let (code, rest) = part.split_once('m').unwrap();
            assert!(code.starts_with('[') && code[1..].chars().all(|c| c.is_ascii_digit() || c == ';'), "{code:?}");
            text.push_str(rest);
        }
        assert!(colored.contains("\u{1b}["));
        assert_eq!(text, show(&report(), format, &files(), &plain()));
    }
}

#[test]
fn clean_says_what_was_looked_at() {
    let clean = Report::new(Vec::new(), summary());
    assert_eq!(
        show(&clean, Format::Full, &files(), &plain()),
        "no findings · 5 machines, 22 roles, 26 secrets, 41 files · 6 ms\n"
    );
    let audit = Summary { secrets: 1, files: 1, ..Summary::default() };
    assert_eq!(
        show(&Report::new(Vec::new(), audit), Format::Concise, &files(), &plain()),
        "no findings · 0 machines, 1 secret, 1 file\n"
    );
}

#[test]
fn concise() {
    insta::assert_snapshot!(show(&report(), Format::Concise, &files(), &plain()), @r"
machines/kif/properties.nix:4:15: error[unlock-key-reused]: the boot key of `kif` is also the host key of `s0`
secrets/50% off: new, shiny.age:1:1: warning[secret-without-rule]: no rule says who may read `50% off: new, shiny.age`
secrets/secrets.nix:3:17: undecided[rule-not-evaluated]: can't tell who may read `wifi.age`
secrets/secrets.nix:10:3: error[stale-recipient]: `restic-password` can still be read by a machine that has left
2 errors, 1 warning, 1 undecided · 5 machines, 22 roles, 26 secrets · 6 ms
");
}

#[test]
fn github() {
    insta::assert_snapshot!(show(&report(), Format::Github, &files(), &plain()), @r#"
::error file=machines/kif/properties.nix,line=4,col=15,endLine=4,endColumn=97,title=bulkhead%3A unlock-key-reused::the boot key of `kif` is also the host key of `s0`%0AHere: stored in clear in kif's /boot%0AHelp: make a key for the boot environment alone:%0A  ssh-keygen -t ed25519 -N '' -f initrd_host_key%0AWhy: bulkhead explain unlock-key-reused
::warning file=secrets/50%25 off%3A new%2C shiny.age,title=bulkhead%3A secret-without-rule::no rule says who may read `50%25 off: new, shiny.age`%0AWhy: bulkhead explain secret-without-rule
::notice file=secrets/secrets.nix,line=3,col=17,endLine=3,endColumn=26,title=bulkhead%3A rule-not-evaluated::can't tell who may read `wifi.age`%0AHere: no nixpkgs is known here%0AHelp: name one with --nixpkgs PATH or NIX_PATH, or run with --evaluator nix%0AWhy: bulkhead explain rule-not-evaluated
::error file=secrets/secrets.nix,line=10,col=3,endLine=10,endColumn=24,title=bulkhead%3A stale-recipient::`restic-password` can still be read by a machine that has left%0AHere: these 2 keys are meant to read it%0Asecrets/restic-password.age is also encrypted to `ponyo` (ssh-ed25519 tag V3XmEA), which was a machine until 855e2b0 "decommission ponyo"%0AHelp: rekey it, and change the secret itself: whoever has ponyo's disk could read the old value%0A  agenix --rekey            (or only this one: bulkhead rekey restic-password)%0AWhy: bulkhead explain stale-recipient
2 errors, 1 warning, 1 undecided · 5 machines, 22 roles, 26 secrets · 6 ms
"#);
}

#[test]
fn json() {
    let mut report = report();
    report.findings.retain(|finding| finding.rule == "stale-recipient");
    let report = Report::new(report.findings, report.summary);
    insta::assert_snapshot!(show(&report, Format::Json, &files(), &plain()), @r#"
{
  "version": 1,
  "findings": [
    {
      "rule": "stale-recipient",
      "severity": "error",
      "file": "secrets/secrets.nix",
      "range": {
        "start": {
          "line": 10,
          "column": 3
        },
        "end": {
          "line": 10,
          "column": 24
        }
      },
      "message": "`restic-password` can still be read by a machine that has left",
      "label": "these 2 keys are meant to read it",
      "notes": [
        "secrets/restic-password.age is also encrypted to `ponyo` (ssh-ed25519 tag V3XmEA), which was a machine until 855e2b0 \"decommission ponyo\""
      ],
      "help": "rekey it, and change the secret itself: whoever has ponyo's disk could read the old value\n  agenix --rekey            (or only this one: bulkhead rekey restic-password)",
      "related": [
        {
          "file": "secrets/secrets.nix",
          "range": {
            "start": {
              "line": 4,
              "column": 14
            },
            "end": {
              "line": 7,
              "column": 4
            }
          },
          "message": "from here"
        },
        {
          "file": "secrets/restic-password.age",
          "range": {
            "start": {
              "line": 1,
              "column": 1
            },
            "end": {
              "line": 1,
              "column": 1
            }
          },
          "message": "encrypted to 3 keys"
        }
      ],
      "data": {
        "secret": "restic-password.age",
        "recipients": [
          {
            "tag": "V3XmEA",
            "name": "ponyo"
          }
        ]
      }
    }
  ],
  "summary": {
    "errors": 1,
    "warnings": 0,
    "undecided": 0,
    "machines": 5,
    "secrets": 26,
    "files": 41
  }
}
"#);
}

#[test]
fn json_can_be_read_back() {
    let text = show(&report(), Format::Json, &files(), &plain());
    assert!(text.ends_with("}\n"));
    let read: ReportJson = serde_json::from_str(&text).unwrap();
    assert_eq!(read.findings.len(), 4);
    assert_eq!(serde_json::to_string_pretty(&read).unwrap() + "\n", text);
}

#[test]
fn json_schema_describes_the_format() {
    let schema = json_schema();
    assert_eq!(schema["properties"]["version"]["const"], 1);
    assert_eq!(schema["required"], serde_json::json!(["version", "findings", "summary"]));
    let finding = &schema["$defs"]["FindingJson"]["properties"];
    let value: serde_json::Value = serde_json::from_str(&show(&report(), Format::Json, &files(), &plain())).unwrap();
    let named = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(named(finding), named(&value["findings"][0]));
}

#[test]
fn marks_over_several_lines() {
    insta::assert_snapshot!(view("{\r\n\ta = [\r\n\t\t1\r\n\t];\r\n}\r\n", Span::new(8, 21)), @r"
 --> a.nix:2:6
  |
2 |       a = [
  |  _________^
3 | |         1
4 | |     ];
  | |______^ here
  |
");
}

#[test]
fn end_of_file() {
    insta::assert_snapshot!(view("{ a = 1;\n", Span::new(9, 9)), @r"
 --> a.nix:2:1
  |
2 |
  | ^ here
  |
");
    insta::assert_snapshot!(view("{ a = 1;", Span::new(8, 8)), @r"
 --> a.nix:1:9
  |
1 | { a = 1;
  |         ^ here
  |
");
    insta::assert_snapshot!(view("", Span::new(0, 0)), @r"
 --> a.nix:1:1
  |
1 |
  | ^ here
  |
");
}

#[test]
fn wide_characters_and_tabs_keep_marks_in_place() {
    insta::assert_snapshot!(view("\"日本語\" = x;\n", Span::new(14, 15)), @r#"
 --> a.nix:1:9
  |
1 | "日本語" = x;
  |            ^ here
  |
"#);
    insta::assert_snapshot!(view("\t\tx\t= y;\n", Span::new(5, 6)), @r"
 --> a.nix:1:6
  |
1 |         x    = y;
  |               ^ here
  |
");
}

#[test]
fn a_very_long_line_is_cut_around_the_mark() {
    let mut text = "words and ".repeat(5_000);
    let at = text.len() as u32;
    text.push_str("HERE");
    text.push_str(&" more words".repeat(5_000));
    insta::assert_snapshot!(view(&text, Span::new(at, at + 4)), @r"
 --> a.nix:1:50001
  |
1 | …d words and words and words and words and HERE more words more words more words more wor…
  |                                            ^^^^ here
  |
");
    insta::assert_snapshot!(view(&text, Span::new(0, at + 4)), @r"
 --> a.nix:1:1
  |
1 | words and words and words and… and words and words and HERE more words more words more w…
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ here
  |
");
}

#[test]
fn a_line_that_fits_is_not_folded() {
    let key = "AAAAC3NzaC1lZDI1NTE5AAAAIGNwzcL5JXEiv5Xn6d4Pj8Jz";
    assert!(view(&format!("key = \"{key}\";"), Span::new(0, 3)).contains(key));
}

#[test]
fn a_far_place_in_the_same_file_is_shown_too() {
    let text = (1..=1_000).map(|line| format!("line{line} = true;\n")).collect::<String>();
    let files = Files::new(&[("a.nix", &text)]);
    let finding = Diagnostic::new("a-rule", Severity::Warning, files.place("a.nix", "line990"), "twice")
        .with_related(files.place("a.nix", "line7 "), "first");
    let shown = show(&Report::new(vec![finding], Summary::default()), Format::Full, &files, &plain());
    insta::assert_snapshot!(shown, @r"
warning[a-rule]: twice
   --> a.nix:990:1
    |
  7 | line7 = true;
    | ------ first
...
990 | line990 = true;
    | ^^^^^^^
    |
    = why:  bulkhead explain a-rule

0 errors, 1 warning, 0 undecided · 0 machines, 0 secrets
");
}
