//! The generated regions of `CLAUDE.md`.
#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_fleet::Fleet;
use bulkhead_generate::docs::{
    DocsError, DocsInput, Library, Region, default_commands, layout, read_library, regions, update,
};
use common::{Files, Random, age_file, key};
use pretty_assertions::assert_eq;

fn files() -> Files {
    let mut files = Files::new(&[
        ("flake.nix", "{ outputs = _: { }; }"),
        (
            "nix/lib/net.nix",
            "# Addresses, without dependencies.\n{\n  # The prefix of a network.\n  #\n  # # Type\n  # prefix :: String -> Int\n  prefix = network: builtins.length network;\n\n  /**\n    Whether an address lies in a network.\n\n    ```nix\n    contains { network = \"10.0.0.0/8\"; } \"10.1.2.3\"\n    ```\n  */\n  contains = { network, strict ? false, ... }: address: true;\n  mac.of = name: name;\n}\n",
        ),
        (
            "nix/lib/roles.nix",
            "{ lib }:\nlet\n  # Machines with a role.\n  withRole = role: machines: machines;\nin\n{\n  inherit withRole;\n  limit = 3;\n}\n",
        ),
        ("nix/lib/one.nix", "# Doubles a number.\nx: x * 2\n"),
    ]);
    files
        .machine("machines/fry", &["personal"], &format!("userKeys = [ \"{} fry@planet\" ]; meta.description = \"Fry's | laptop\";", key("fry-user")))
        .machine("machines/storage/s0", &["server", "pia"], "")
        .add("machines/storage/s0/secrets/dsl.age", age_file(&[&key("s0")]))
        .add("machines/fry/default.nix", "{ }")
        .add("secrets/pia/token.age", age_file(&[&key("s0")]))
        .add(
            "secrets/properties.nix",
            r#"{ pia-login = { roles = [ "pia" ]; description = "the <b>VPN</b> account\n<!-- bulkhead:end secrets -->"; };
                 wifi = { everyone = true; admins = false; }; recovery = { }; }"#,
        );
    files
}

/// Everything that regions are made of.
struct Input {
    fleet: Fleet,
    library: Library,
    layout: Vec<bulkhead_generate::docs::LayoutItem>,
    commands: Vec<bulkhead_generate::docs::Command>,
}

impl Input {
    fn new(files: &Files) -> Input {
        let (tree, world) = files.world();
        let fleet = files.fleet();
        let library = read_library(&tree, &world, &fleet.config);
        let layout = layout(&fleet, &tree);
        Input { fleet, library, layout, commands: default_commands("bulkhead") }
    }

    fn update(&self, current: Option<&str>) -> Result<String, DocsError> {
        update(
            current,
            &DocsInput { fleet: &self.fleet, library: &self.library, layout: &self.layout, commands: &self.commands },
        )
    }
}

#[test]
fn a_new_document_has_everything() {
    let input = Input::new(&files());
    let text = input.update(None).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(regions(&text).unwrap(), Region::ALL);
    assert_eq!(input.update(Some(&text)).unwrap(), text, "a second run changes nothing");
    assert!(!text.contains("AAAA"), "no keys in documents");

    let mut files = files();
    let rules = bulkhead_generate::secrets::secrets_nix(&input.fleet).unwrap().text;
    files.add("CLAUDE.md", &text).add("secrets/secrets.nix", rules);
    assert_eq!(Input::new(&files).update(Some(&text)).unwrap(), text, "nor does it once the files are there");
}

#[test]
fn what_is_not_known_is_no_empty_cell() {
    let env = "builtins.getEnv \"X\"";
    let text = |change: &dyn Fn(&mut Files)| {
        let mut files = files();
        change(&mut files);
        Input::new(&files).update(None).unwrap()
    };
    let note = "`?`: some facts could not be read";
    assert!(!text(&|_| ()).contains(note));
    let machine = |properties: String| {
        text(&|files: &mut Files| {
            files.add("machines/bender/properties.nix", &properties);
        })
    };
    // Absent is empty; one unknown fact after the other is a question mark, also behind what is known of a list.
    let roles = "systemRoles = [ \"server\" ];";
    let names = "hostNames = [ \"bender\" ];";
    for (properties, row) in [
        (format!("{{ {names} {roles} }}"), "|  | `server` | `bender` |  |"),
        (format!("{{ {names} {roles} arch = {env}; }}"), "| ? | `server` | `bender` |  |"),
        (format!("{{ {names} systemRoles = [ \"server\" ({env}) ]; }}"), "|  | `server`, ? | `bender` |  |"),
        (format!("{{ {roles} hostNames = {env}; }}"), "|  | `server` | ? |  |"),
        (format!("{{ {names} {roles} meta = {env}; }}"), "|  | `server` | `bender` | ? |"),
        (format!("{{ {names} {roles} meta.description = {env}; }}"), "|  | `server` | `bender` | ? |"),
        (format!("{{ {names} {roles} meta.rack = {env}; }}"), "|  | `server` | `bender` |  |"),
    ] {
        let text = machine(properties);
        assert!(text.contains(&format!("| `bender` | `machines/bender` {row}")), "{row}\n{text}");
        assert_eq!(text.contains(note), row.contains('?'), "{row}\n{text}");
    }
    let text = text(&|files| {
        files.add("secrets/properties.nix", format!("{{ recovery.description = {env}; }}"));
    });
    assert!(text.contains("| ? |") && text.contains(note), "{text}");
}

#[test]
fn only_the_regions_that_are_there_change() {
    let input = Input::new(&files());
    let text =
        "\u{feff}<!-- bulkhead:begin roles -->\r\nold\r\n<!-- bulkhead:end roles -->\r\nmine, without end of line  ";
    let updated = input.update(Some(text)).unwrap();
    assert!(updated.starts_with("\u{feff}<!-- bulkhead:begin roles -->\r\n\r\n## Roles\r\n"), "{updated}");
    assert!(updated.ends_with("\r\n<!-- bulkhead:end roles -->\r\nmine, without end of line  "), "{updated}");
    assert_eq!(updated.matches('\n').count(), updated.matches("\r\n").count());
    assert!(!updated.contains("old"));
}

#[test]
fn a_document_without_regions_gets_them_at_its_end() {
    let input = Input::new(&files());
    for text in ["# Mine\n\ntext, `<!-- bulkhead:begin roles -->` in a line", "# Mine\r\n", "x"] {
        let updated = input.update(Some(text)).unwrap();
        assert!(updated.starts_with(text), "{updated}");
        assert_eq!(regions(&updated).unwrap(), Region::ALL);
        assert_eq!(input.update(Some(&updated)).unwrap(), updated);
    }
}

#[test]
fn broken_markers_are_named() {
    let input = Input::new(&Files::default());
    let refused = |text: &str| {
        let error = input.update(Some(text)).unwrap_err();
        let finding = error.diagnostic("CLAUDE.md");
        format!("{error}; {}", finding.help.join("; "))
    };
    insta::assert_snapshot!(refused("a\n<!-- bulkhead:begin roles -->\nx"), @r##"line 2: the region `roles` has no end; put <!-- bulkhead:end roles --> on a line of its own after it"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:end roles -->"), @r##"line 1: the region `roles` ends, but did not begin; put <!-- bulkhead:begin roles --> before it, or take this line out"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:begin roles -->\n<!-- bulkhead:begin lib -->\n"), @r##"line 2: the region `lib` begins inside of `roles`; end that one first: <!-- bulkhead:end roles -->"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:begin roles -->\n<!-- bulkhead:end lib -->\n"), @r##"line 2: the region `lib` ends inside of `roles`; end that one first: <!-- bulkhead:end roles -->"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:begin lib -->\n<!-- bulkhead:end lib -->\n\n<!-- bulkhead:begin lib -->\n<!-- bulkhead:end lib -->"), @r##"line 4: the region `lib` is there twice; take one of the two out"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:begin role -->\n"), @r##"line 1: there is no region `role`; did you mean `roles`?"##);
    insta::assert_snapshot!(refused("<!-- bulkhead:begin roles --> here\n"), @r##"line 1: this is no marker of a region; a marker stands alone on its line: <!-- bulkhead:begin machines -->"##);
    insta::assert_snapshot!(refused("<!-- bulkhead: roles -->\n"), @r##"line 1: this is no marker of a region; a marker stands alone on its line: <!-- bulkhead:begin machines -->"##);
}

/// Random documents: text outside of regions stays, byte for byte, and updating twice is updating once.
#[test]
fn text_outside_of_regions_stays() {
    let input = Input::new(&files());
    let pieces = ["# a\n", "\r\n", "text", "  \n", "```\n", "<!-- other -->\n", "ü\u{2028}\n", "\n\n", "| t |\r", "\t"];
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut text = String::new();
        let mut kept: Vec<String> = Vec::new();
        for region in Region::ALL.into_iter().filter(|_| random.one_in(2)).collect::<Vec<_>>() {
            let mut own: String = (0..random.below(6)).map(|_| pieces[random.below(pieces.len())]).collect();
            if !own.is_empty() && !own.ends_with('\n') {
                own.push('\n');
            }
            let end = if random.one_in(3) { "\r\n" } else { "\n" };
            let marked =
                format!("{own}  <!--bulkhead:begin {0} -->{end}old{end}<!-- bulkhead:end {0} -->", region.name());
            text.push_str(&marked.replace("<!--bulkhead", "<!-- bulkhead"));
            text.push_str(end);
            kept.push(own);
        }
        let tail: String = (0..random.below(4)).map(|_| pieces[random.below(pieces.len())]).collect();
        text.push_str(&tail);
        let updated = input.update(Some(&text)).unwrap();
        assert_eq!(input.update(Some(&updated)).unwrap(), updated, "seed {seed}");
        if kept.is_empty() {
            assert!(text.is_empty() || updated.starts_with(&text));
            continue;
        }
        let outside = |text: &str| -> String {
            let mut inside = false;
            let mut out = String::new();
            for line in text.split_inclusive('\n') {
                inside |= line.trim().starts_with("<!-- bulkhead:begin");
                if !inside || line.trim().starts_with("<!-- bulkhead:") {
                    out.push_str(line);
                }
                inside &= !line.trim().starts_with("<!-- bulkhead:end");
            }
            out
        };
        assert_eq!(outside(&updated), outside(&text), "seed {seed}");
    }
}

#[test]
fn hostile_documentation_stays_in_its_region() {
    let mut files = files();
    files.add(
        "nix/lib/evil.nix",
        "{\n  /** <!-- bulkhead:end lib -->\n  ```\n  <!-- bulkhead:begin roles -->\n  <script> </details> */\n  f = { a ? \"`|\\n\" }: a;\n}\n",
    );
    files.add("nix/lib/broken.nix", "{ a = ; }");
    let input = Input::new(&files);
    assert_eq!(input.library.findings.len(), 1);
    let text = input.update(None).unwrap();
    assert_eq!(regions(&text).unwrap(), Region::ALL);
    assert_eq!(input.update(Some(&text)).unwrap(), text);
    assert_eq!(text.matches("```").count() % 2, 0, "{text}");
}
