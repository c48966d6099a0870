//! Whatever a repository holds: no panic, and nothing that a terminal or a CI runner obeys.
#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::{Diagnostic, Format, Place, RenderOptions, Report, Severity, Summary};
use bulkhead_source::Span;
use common::{Files, show};

/// Numbers that look random and are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn text(&mut self) -> String {
        const PARTS: &[&str] = &[
            "a",
            "x = 1;",
            " ",
            "    ",
            "\t",
            "\n",
            "\n",
            "\r\n",
            "\r",
            "\n\n\n\n\n\n\n\n\n\n\n\n",
            "é",
            "日本",
            "👩‍👩‍👧",
            "e\u{301}",
            "\u{301}",
            "\u{202e}",
            "\u{200b}",
            "\u{feff}",
            "\u{0}",
            "\u{1b}[31m",
            "\u{7f}",
            "\u{a0}",
            "\u{3000}",
            "…",
            "##[",
            "::",
            "AAAAC3NzaC1lZDI1NTE5AAAAIGNwzcL5JXEiv5Xn6d4Pj8JzEDMbtbXQCTsRx2QdYjx2",
            "{",
            "}",
            "//",
            "words ",
            "                                                          ",
        ];
        let count = self.below(60);
        (0..count).map(|_| self.pick(PARTS)).collect()
    }

    fn span(&mut self, length: usize) -> Span {
        let at = |random: &mut Random| match random.below(20) {
            0 => u32::MAX,
            1 => length as u32,
            _ => random.below(length + 4) as u32,
        };
        let start = at(self);
        // Not through `Span::new`: its end may lie before its start.
        let end = if self.below(3) == 0 { start } else { at(self) };
        Span { start, end }
    }
}

fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn random_spans_over_random_texts() {
    let mut random = Random(1);
    for _ in 0..800 {
        let (text, other) = (random.text(), random.text());
        let files = Files::new(&[("a.nix", &text), ("b.nix", &other)]);
        let place = |random: &mut Random| match random.below(8) {
            0 => Place::file("a.nix"),
            1 => Place::new("missing.nix", random.span(9)),
            2 | 3 => Place::new("b.nix", random.span(other.len())),
            _ => Place::new("a.nix", random.span(text.len())),
        };
        let severity = [Severity::Error, Severity::Warning, Severity::Undecided][random.below(3)];
        let mut finding = Diagnostic::new("a-rule", severity, place(&mut random), random.text())
            .with_label(random.text())
            .with_note(random.text())
            .with_help(random.text());
        for _ in 0..random.below(6) {
            finding = finding.with_related(place(&mut random), random.text());
        }
        let report = Report::new(vec![finding], Summary::default());
        let width = random.below(120);
        for format in Format::ALL {
            let plain = RenderOptions { width, ..RenderOptions::default() };
            let shown = show(&report, format, &files, &plain);
            assert!(!shown.is_empty());
            if matches!(format, Format::Full | Format::Concise | Format::Github) {
                assert!(!shown.contains(is_obeyed), "{shown:?}");
            }
            show(&report, format, &files, &RenderOptions { color: true, ..plain });
        }
    }
}

#[test]
fn control_characters_are_shown_not_sent() {
    let text = "x = \"\u{1b}[2J\u{202e}gnp.exe\u{2066}\"; # \u{9b}31m\n";
    let files = Files::new(&[("evil\u{1b}]0;title\u{7}.nix", text)]);
    let file = "evil\u{1b}]0;title\u{7}.nix";
    let finding =
        Diagnostic::new("a-rule", Severity::Error, files.place(file, "x"), "says \u{1b}[8m hidden\r\nand more")
            .with_label("\u{202e}label")
            .with_note("a\u{7}note\nin two\u{200b}lines")
            .with_help("\u{1b}c");
    let report = Report::new(vec![finding], Summary::default());
    insta::assert_snapshot!(show(&report, Format::Full, &files, &RenderOptions::default()), @r#"
error[a-rule]: says \u{1b}[8m hidden
  and more
 --> evil\u{1b}]0;title\u{7}.nix:1:1
  |
1 | x = "\u{1b}[2J\u{202e}gnp.exe\u{2066}"; # \u{9b}31m
  | ^ \u{202e}label
  |
  = a\u{7}note
    in two\u{200b}lines
  = help: \u{1b}c
  = why:  bulkhead explain a-rule

1 error, 0 warnings, 0 undecided · 0 machines, 0 secrets
"#);
    insta::assert_snapshot!(show(&report, Format::Concise, &files, &RenderOptions::default()), @r#"
evil\u{1b}]0;title\u{7}.nix:1:1: error[a-rule]: says \u{1b}[8m hidden\r\nand more
1 error, 0 warnings, 0 undecided · 0 machines, 0 secrets
"#);
}

#[test]
fn nothing_is_a_command_to_a_ci_runner() {
    let files = Files::new(&[("::set-output name=x::.nix", "##[set-output name=x]y\n")]);
    let place = files.place("::set-output name=x::.nix", "##");
    let finding = Diagnostic::new("a-rule", Severity::Error, place, "m\n::error::n")
        .with_label("##[add-mask]a")
        .with_note("first\n::add-mask::a\n   ::stop-commands::b\n##[command]")
        .with_help(format!("{} ::add-mask::wrapped", "word ".repeat(17)));
    let report = Report::new(vec![finding], Summary::default());
    for format in [Format::Full, Format::Concise] {
        let shown = show(&report, format, &files, &RenderOptions::default());
        assert!(!shown.contains("##["), "{shown}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
    }
    let shown = show(&report, Format::Github, &files, &RenderOptions::default());
    assert_eq!(shown.lines().filter(|line| line.contains("::")).count(), 1, "{shown}");
    assert!(shown.starts_with("::error file=%3A%3Aset-output name=x%3A%3A.nix,line=1,"), "{shown}");
}

#[test]
fn a_wall_of_places_is_cut() {
    let text = "x;\n".repeat(500);
    let files = Files::new(&[("a.nix", &text)]);
    let mut finding = Diagnostic::new("a-rule", Severity::Error, Place::new("a.nix", Span::new(0, 1)), "many");
    for line in 1..500 {
        finding = finding.with_related(Place::new("a.nix", Span::new(line * 3, line * 3 + 1)), "again");
    }
    let report = Report::new(vec![finding], Summary::default());
    let full = show(&report, Format::Full, &files, &RenderOptions::default());
    assert!(full.contains("and 483 more places"), "{full}");
    let json = show(&report, Format::Json, &files, &RenderOptions::default());
    assert_eq!(json.matches("\"again\"").count(), 499);
}
