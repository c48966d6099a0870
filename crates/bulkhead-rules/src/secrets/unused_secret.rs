//! `unused-secret`: a secret that no machine uses.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::UNKNOWN_DEFINITION;
use bulkhead_source::{FileKind, TreePath, read_text};
use foldhash::{HashSet, HashSetExt};
use serde_json::Value;

use super::declared::declared;
use crate::comparison::{Comparison, Origin};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::repository_file::repository_file;
use crate::trees::{Tree, option};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "unused-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A secret is encrypted to machines, and no machine declares it.",
    docs: "\
A rules file names an `.age` file that is there, no machine's `age.secrets` has it, and no other Nix file and no
script names it. A comment is no use, nor is a declaration that no machine turns on.

**Why it matters.** A secret that nobody needs is still one that can leak, and is rekeyed at each change. Often the
service is gone, and the login still works.

**Fix.** Delete file and rule, and take back what the secret opens; or declare it where it is needed.

```nix
# bad: no machine has age.secrets.old-api
\"old-api.age\".publicKeys = [ s0 ];
# good
age.secrets.old-api.file = ../secrets/old-api.age;
```

**Limits.** Only in a fleet whose machines declare secrets by their files. A secret for nobody but those who can read
all of its rules file is for people. Secrets of the convention are declared by
the module `secrets`. If some declaration is not known, it is one *undecided* finding for all.

**Data.** `secrets`: the names. `secret`: the name, if it is one.
",
    check: Some(check),
};

/// Files longer than this are not searched, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let root = option("age.secrets");
    let mut used: HashSet<String> = HashSet::new();
    for tree in context.all_trees().with_others() {
        used.extend(declared(context, tree).into_iter().map(|secret| secret.file.value.as_str().to_owned()));
    }
    if used.is_empty() || fleet.rules_are_chosen {
        return;
    }
    let candidates: Vec<&Comparison<'_>> = context
        .comparisons()
        .all
        .iter()
        .filter(|rule| matches!(rule.origin, Origin::Rules(rules, _) if !rules.generated) && rule.file.is_some())
        .filter(|rule| rule.path.as_ref().is_some_and(|path| !used.contains(path.as_str())))
        .filter(|rule| !is_for_people(&context.comparisons().all, rule, &used))
        .collect();
    if candidates.is_empty() {
        return;
    }
    let texts = texts(context);
    let trees = context.all_trees();
    // A system that is not known may have any file, and make something else of it.
    let read = if trees.unread.is_empty() { trees.files() } else { HashSet::default() };
    let unknown = context.all_trees().with_others().find_map(|tree| {
        let undecided = tree.configuration.undecided_at(&root).into_iter();
        let named = undecided.filter(|undecided| {
            !undecided.path.names().is_empty()
                && (undecided.what != UNKNOWN_DEFINITION
                    || undecided.path.names().last().is_some_and(|name| &**name == "file"))
        });
        named
            .map(|undecided| undecided.reason.reason.to_string())
            .next()
            .or_else(|| tree.configuration.problems.first().map(|problem| problem.message.clone()))
    });
    // Of machines that are read from their own folders, what makes them may name anything.
    let unknown = unknown.or_else(|| {
        let unread = trees.unread.first().filter(|_| !trees.beginnings.is_empty())?;
        Some(unread.reason.to_string())
    });
    // What is declared in a file that machines have is known, unless something of it is not.
    let is_known = |path: &TreePath| unknown.is_none() && read.contains(path.as_str());
    let is_named = |rule: &&Comparison<'_>| {
        let name = rule.path.as_ref().map_or("", |path| path.name());
        // Also without its ending, where a name is put together or a secret is asked for.
        let stem = rule.name.strip_suffix(".age").unwrap_or(&rule.name);
        let asked = [format!("\"{stem}\""), format!("/{stem}\"")];
        let reference = format!("secrets.{stem}");
        texts.iter().any(|(path, text)| match is_known(path) {
            true => {
                let quoted = &asked[0];
                // As an attribute's name it is declared, or read where it is.
                let is_name = |at: usize| {
                    text[..at].ends_with("secrets.") || text[at + quoted.len()..].trim_start().starts_with(['=', '.'])
                };
                occurrences(text, name).any(|at| !is_declaration(text, at))
                    || (stem.contains(['-', '_', '.'])
                        && text.match_indices(quoted.as_str()).any(|(at, _)| !is_name(at)))
            }
            false => {
                occurrences(text, name).next().is_some()
                    || asked.iter().any(|word| text.contains(word.as_str()))
                    || has_word(text, &reference)
            }
        })
    };
    let mut unused: Vec<&Comparison<'_>> = candidates.into_iter().filter(|rule| !is_named(rule)).collect();
    without_named_elsewhere(context, &mut unused);
    if unused.is_empty() {
        return;
    }
    let putting = |(path, text): &(&TreePath, Arc<str>)| Putting {
        is_read: read.contains(path.as_str()),
        patterns: patterns(text),
        is_any: puts_names_together(context, text),
    };
    let putting: Vec<Putting> = texts.iter().map(putting).collect();
    let has_word = |word: &str| texts.iter().any(|(_, text)| has_word(text, word));
    let handed = handed_folders(context);
    let is_handed = |rule: &&Comparison<'_>| {
        rule.path.as_ref().is_some_and(|path| handed.iter().any(|(folder, _)| path.starts_with(folder)))
    };
    let may_be_used = |rule: &&Comparison<'_>| {
        let name = rule.path.as_ref().map_or("", |path| path.name());
        unknown.is_some() || is_handed(rule) || putting.iter().any(|file| file.may_name(name, &has_word))
    };
    let (open, unused): (Vec<&Comparison<'_>>, Vec<_>) = unused.into_iter().partition(may_be_used);
    if let Some(first) = open.first() {
        let is_of =
            |(folder, _): &&(TreePath, String)| first.path.as_ref().is_some_and(|path| path.starts_with(folder));
        let reason = match handed.iter().find(is_of) {
            Some((folder, option)) if unknown.is_none() => format!("`{option}` is the folder `{folder}`"),
            _ => unknown.unwrap_or_else(|| "a file puts the names of secrets together".to_owned()),
        };
        let names: Vec<&str> = open.iter().map(|rule| &*rule.name).collect();
        let message = format!("can't tell whether any machine uses {}: {reason}", quoted(names.iter().copied()));
        let mut finding = RULE.finding(first.place(), message);
        finding.severity = Severity::Undecided;
        found.push(finding.with_data("secrets", Value::Array(names.into_iter().map(Value::from).collect())));
    }
    for rule in unused {
        found.push(
            RULE.finding(rule.place(), format!("no machine uses `{}`", rule.name))
                .with_label("encrypted to machines, and declared by none")
                .with_help("delete it with its rule, and take back what it opens; or declare it in `age.secrets`")
                .with_data("secret", &*rule.name)
                .with_data("secrets", vec![Value::from(&*rule.name)]),
        );
    }
}

/// Folders of the fleet that options have as their value, with the options: whoever reads them may use all that lies there.
fn handed_folders(context: &Context<'_>) -> Vec<(TreePath, String)> {
    let mut folders: Vec<(TreePath, String)> = Vec::new();
    for named in context.all_trees().with_others().flat_map(Tree::definitions) {
        let definition = &named.definition;
        if !matches!(&definition.value.kind, DataKind::Path(text) | DataKind::String(text) if text.starts_with('/')) {
            continue;
        }
        let folder = repository_file(context, &definition.value)
            .filter(|folder| !folder.is_root() && matches!(context.tree.kind(folder), Ok(Some(FileKind::Directory))));
        folders.extend(folder.map(|folder| (folder, definition.path.to_string())));
    }
    folders.sort();
    folders.dedup_by(|a, b| a.0 == b.0);
    folders
}

/// Whether a secret is for those alone who can read all secrets of its rules file, and some that machines use are for
/// others as well: those are people, who use it themselves.
fn is_for_people(all: &[Comparison<'_>], rule: &Comparison<'_>, used: &HashSet<String>) -> bool {
    let Origin::Rules(file, _) = rule.origin else { return false };
    let mut is_told_apart = false;
    let mut has = |other: &Comparison<'_>| {
        is_told_apart |=
            other.keys.len() > rule.keys.len() && other.path.as_ref().is_some_and(|path| used.contains(path.as_str()));
        let others: HashSet<&str> = other.keys.iter().map(|key| key.identity()).collect();
        other.gaps.is_empty() && rule.keys.iter().all(|key| others.contains(key.identity()))
    };
    let mut same = all.iter().filter(|other| matches!(other.origin, Origin::Rules(of, _) if of.path == file.path));
    rule.gaps.is_empty() && same.all(&mut has) && is_told_apart
}

/// Take out what other Nix files name, of which nothing else says that they are about secrets, and scripts.
fn without_named_elsewhere(context: &Context<'_>, unused: &mut Vec<&Comparison<'_>>) {
    let fleet = context.fleet;
    let seen: HashSet<&TreePath> = fleet.module_files.iter().collect();
    let rules = rules_of(context);
    let others = fleet.nix_files.iter().filter(|path| !seen.contains(path) && !rules.contains(path.as_str()));
    for path in others.chain(&fleet.scripts) {
        if unused.is_empty() {
            return;
        }
        let Some(text) = read_without_comments(context, path) else { continue };
        unused.retain(|rule| {
            let name = rule.path.as_ref().map_or("", |path| path.name());
            let stem = name.strip_suffix(".age").unwrap_or(name);
            // A single word is one of many things.
            let is_told = stem.contains(['-', '_', '.']) && text.contains(&format!("\"{stem}\""));
            occurrences(&text, name).next().is_none() && !is_told
        });
    }
}

/// How a file puts names of secrets together.
struct Putting {
    /// Whether some machine has it. What that makes of it is known then; what somebody outside of the fleet makes of it
    /// is not, but has to be written somewhere.
    is_read: bool,
    patterns: Vec<Pattern>,
    /// Whether it may put any name together.
    is_any: bool,
}

/// A name of a file with an interpolation: `"${name}-env.age"`.
struct Pattern {
    /// `None` if there is another interpolation before.
    prefix: Option<String>,
    suffix: String,
}

impl Putting {
    fn may_name(&self, name: &str, has_word: &impl Fn(&str) -> bool) -> bool {
        let stem = name.strip_suffix(".age").unwrap_or(name);
        (self.is_any && (!self.is_read || has_word(stem)))
            || self.patterns.iter().any(|pattern| {
                let Some(rest) = name.strip_suffix(pattern.suffix.as_str()) else { return false };
                let Some(prefix) = &pattern.prefix else { return true };
                rest.strip_prefix(prefix.as_str()).is_some_and(|word| !self.is_read || has_word(word))
            })
    }
}

/// The names of `.age` files that are put together by interpolation.
fn patterns(text: &str) -> Vec<Pattern> {
    let is_name = |c: char| goes_on(c) && c != '\'';
    let name_before = |end: usize| text[..end].len() - text[..end].trim_end_matches(is_name).len();
    let mut found = Vec::new();
    for (at, word) in text.match_indices(".age") {
        let end = at + word.len();
        let start = at - name_before(at);
        if text[end..].starts_with(goes_on) || !text[..start].ends_with('}') {
            continue;
        }
        let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let prefix = text[line..start].rfind("${").map(|at| line + at).and_then(|begin| {
            let first = begin - name_before(begin);
            (!text[..first].ends_with('}')).then(|| text[first..begin].to_owned())
        });
        found.push(Pattern { prefix, suffix: text[start..end].to_owned() });
    }
    found
}

/// Whether a file may declare secrets whose names are written nowhere: from the rules, from a folder, from a list.
fn puts_names_together(context: &Context<'_>, text: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let rules = context.fleet.rules_files.iter().map(|rules| rules.path.name());
    has(&["+ \".age\""])
        || (has(&["age.secrets", "age = {"])
            && (has(&["readDir", "mapAttrs", "genAttrs", "listToAttrs", "foldl"])
                || rules.into_iter().any(|name| text.contains(&format!("import ./{name}")))))
}

/// Whether a name goes on with this.
fn goes_on(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '\'' | '.')
}

/// Whether `word` stands in the text, as no part of another one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let goes_on = |c: char| c != '.' && goes_on(c);
        !text[..at].ends_with(goes_on) && !text[at + word.len()..].starts_with(goes_on)
    })
}

/// Where the name of a file stands in the text, as no part of another one.
fn occurrences<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(name).map(|(at, _)| at).filter(move |at| {
        // A dot at its end is one of a sentence.
        let after = text[at + name.len()..].trim_start_matches('.');
        !text[..*at].ends_with(goes_on) && !after.starts_with(goes_on)
    })
}

/// Whether what stands there is the file of a secret, as in `age.secrets.wifi.file = ../wifi.age;`, also where parts of the
/// path are sets, under a condition or not.
fn is_declaration(text: &str, at: usize) -> bool {
    let mut path = String::new();
    let mut at = at;
    for _ in 0..MOST_SETS {
        let Some(statement) = statement(text, at) else { return false };
        if !path.is_empty() && !is_plain_set(statement.between) {
            return false;
        }
        path = if path.is_empty() { statement.name.to_owned() } else { format!("{}.{path}", statement.name) };
        if path.ends_with(".file") && path.contains("secrets.") {
            return true;
        }
        let Some(set) = set_around(text, statement.start) else { return false };
        at = set;
    }
    false
}

/// How many sets are gone out of, to find what a name in them belongs to.
const MOST_SETS: usize = 5;

/// An attribute of a set.
struct Statement<'t> {
    /// Its path.
    name: &'t str,
    /// What stands between the `=` and where it was asked for.
    between: &'t str,
    /// Where it begins.
    start: usize,
}

/// The attribute in whose value something stands. Strings with brackets in them are not known as such: it is another attribute
/// then, or none.
fn statement(text: &str, at: usize) -> Option<Statement<'_>> {
    let start = before(text, at, &[';', '{'])?;
    let (name, between) = text.get(start..at)?.split_once('=')?;
    Some(Statement { name: name.trim(), between: between.trim(), start })
}

/// Where the set begins that has an attribute: at its `{`.
fn set_around(text: &str, start: usize) -> Option<usize> {
    before(text, start, &['{']).map(|inside| inside - 1)
}

/// So far is looked back for the beginning of a set, in bytes.
const FARTHEST: usize = 64 << 10;

/// The end of the last of these before `at` that stands in no other brackets.
fn before(text: &str, at: usize, wanted: &[char]) -> Option<usize> {
    let mut depth = 0_usize;
    let chars = text.get(..at)?.char_indices().rev().take_while(|(place, _)| at - place <= FARTHEST);
    for (place, c) in chars {
        match c {
            c if depth == 0 && wanted.contains(&c) => return Some(place + 1),
            '}' | ')' | ']' => depth += 1,
            '{' | '(' | '[' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether what stands between an attribute's `=` and a set leaves the set what it is, if it is there at all.
fn is_plain_set(between: &str) -> bool {
    const WRAPPERS: [&str; 5] = ["mkDefault", "mkForce", "mkIf", "mkMerge", "optionalAttrs"];
    let between = between.strip_prefix("lib.").unwrap_or(between);
    let word = between.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    // What is put together may be anything.
    between.is_empty() || (WRAPPERS.contains(&word) && !between.contains([':', ';']) && !between.contains("//"))
}

/// The text of a file; of a Nix file without its comments.
fn read_without_comments(context: &Context<'_>, path: &TreePath) -> Option<Arc<str>> {
    let text = read_text(context.tree, path, FILE_LIMIT).ok()?;
    let names = path.name().ends_with(".nix").then(|| context.names_in(&path.to_arc())).flatten();
    let Some(names) = names.filter(|names| !names.ast.comments.is_empty()) else { return Some(text) };
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for comment in &names.ast.comments {
        kept.push_str(text.get(from..comment.span.start as usize)?);
        from = comment.span.end as usize;
    }
    kept.push_str(text.get(from..)?);
    Some(Arc::from(kept))
}

/// The files that speak of secrets, with their texts, but for the rules.
fn texts<'f>(context: &Context<'f>) -> Vec<(&'f TreePath, Arc<str>)> {
    let fleet = context.fleet;
    let rules = rules_of(context);
    let others = fleet.module_files.iter().filter(|path| !rules.contains(path.as_str()));
    others.filter_map(|path| Some((path, read_without_comments(context, path)?))).collect()
}

/// The files that rules are written in.
fn rules_of<'f>(context: &Context<'f>) -> HashSet<&'f str> {
    let fleet = context.fleet;
    let entries = fleet.rules_files.iter().flat_map(|rules| &rules.entries);
    let mut rules: HashSet<&str> = entries.map(|entry| &*entry.key.file).collect();
    rules.extend(fleet.rules_files.iter().map(|rules| rules.path.as_str()));
    rules
}
