//! `secrets-nix-outdated`: a generated rules file that no longer says what the fleet says.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::GENERATED_MARKER;
use bulkhead_source::{Span, read_text};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "secrets-nix-outdated",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "The generated rules file is not what would be generated now.",
    docs: "\
`secrets/secrets.nix` is generated from the machines' properties and `secrets/properties.nix`. One of those has changed
since, or the file was edited by hand.

**Why it matters.** agenix encrypts to what the file says, not to what the fleet says: a machine that was removed keeps
its access with every rekeying.

**Fix.** `bulkhead gen-secrets`, then rekey what it names.

```console
$ bulkhead gen-secrets --check   # bad: says what differs
$ bulkhead gen-secrets           # good
```

**Limits.** A rules file that is written by hand is never compared.

**Data.** `line`: the number of the first line that differs.
",
    check: Some(check),
};

/// A larger file is none that was generated here, in bytes.
const FILE_LIMIT: u64 = 256 << 20;
/// How much of a line is shown, in characters.
const SHOWN: usize = 80;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(expected) = context.expected_rules else { return };
    let path = &context.fleet.config.rules;
    if !context.tree.exists(path) {
        if !context.fleet.secrets.is_empty() && context.fleet.rules_files.is_empty() {
            let message = format!("`{path}` is not there: agenix does not know who may read the fleet's secrets");
            found.push(RULE.finding(Place::file(path.to_arc()), message).with_help("bulkhead gen-secrets"));
        }
        return;
    }
    let text = match read_text(context.tree, path, FILE_LIMIT) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("can't compare `{path}`: {error}");
            found.push(RULE.finding(Place::file(path.to_arc()), message));
            return;
        }
    };
    if !text.starts_with(GENERATED_MARKER) || *text == *expected {
        return;
    }
    found.push(difference(path.to_arc(), &text, expected));
}

fn difference(file: std::sync::Arc<str>, text: &str, expected: &str) -> Diagnostic {
    let mut start = 0;
    let mut wanted = expected.split_inclusive('\n');
    let mut number = 1;
    let (line, wanted) = loop {
        let line = text[start..].split_inclusive('\n').next();
        let wanted = wanted.next();
        match line {
            Some(same) if wanted == line => start += same.len(),
            _ => break (line, wanted),
        }
        number += 1;
    };
    let end = start + line.map_or(0, |line| line.trim_end().len());
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let place = Place::new(file.clone(), Span::new(offset(start), offset(end)));
    let would = match wanted {
        Some(wanted) if wanted.trim().is_empty() => "now there would be an empty line".to_owned(),
        Some(wanted) => format!("now it would be: {}", shorten(wanted.trim())),
        None => "now the file would end here".to_owned(),
    };
    RULE.finding(place, format!("`{file}` is out of date, from line {number} on"))
        .with_label("first difference")
        .with_note(would)
        .with_help("generate it anew, and rekey what the command names\nbulkhead gen-secrets")
        .with_data("line", number)
}

/// The beginning and the end: keys differ there, and in between nobody reads them.
fn shorten(line: &str) -> String {
    let length = line.chars().count();
    if length <= SHOWN {
        return line.to_owned();
    }
    let head: String = line.chars().take(SHOWN / 2).collect();
    let tail: String = line.chars().skip(length - SHOWN / 2).collect();
    format!("{head}…{tail}")
}
