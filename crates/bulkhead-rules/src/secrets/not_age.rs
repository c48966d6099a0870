//! `not-age`: a file called `.age` that is none.

use std::collections::BTreeMap;

use bulkhead_age::{Foreign, HeaderErrorKind};
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{AgeFile, AgeFileError};
use bulkhead_source::ReadError;

use crate::comparison::Comparison;
use crate::context::Context;
use crate::reported::UNREADABLE_FILE;
use crate::rule::{Area, Rule};
use crate::words::edit;

pub(crate) const RULE: Rule = Rule {
    name: "not-age",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret's file is no age file, or its header is broken.",
    docs: "\
A file that is named `.age`, or that a rule names, does not begin with the header of an age file. The finding says what
it is instead, where that can be told: text (the secret in clear?), a private key, a file of sops or PGP, a merge
conflict, nothing at all.

What git-crypt has encrypted, and a pointer of git LFS, may stand for an age file. In an index or a revision there is
nothing else, so the finding is *undecided*.

**Why it matters.** No machine can decrypt it, and if it is the secret in clear, everybody can read it.

**Fix.** Depends on what it is; the finding says so. A secret that lay in the repository in clear is leaked: change it.

```console
$ head -c 22 secrets/wifi.age      # bad
hunter2
$ head -c 22 secrets/wifi.age      # good
age-encryption.org/v1
```

**Limits.** A file with nothing but public keys that no rule names is none of a secret. Headers of more than 8 MiB or
32768 recipients are not read. The contents are never shown.

**Data.** `secret`: its name in the rules file, or its path if no rule names it. `path`: its file. `paths`: all that
are undecided for the same reason.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let comparisons = &context.comparisons().all;
    let mut broken: BTreeMap<&str, &AgeFile> = BTreeMap::new();
    let named = comparisons.iter().filter_map(|comparison| comparison.file.as_deref());
    for file in context.fleet.age_files.iter().chain(named).filter(|file| file.header.is_err()) {
        broken.insert(file.path.as_str(), file);
    }
    let mut elsewhere: Vec<(Elsewhere, Vec<&AgeFile>)> = Vec::new();
    for (path, file) in broken {
        let Err(error) = &file.header else { continue };
        // A repository that is locked is one cause, however many files it has.
        if let Some(cause) = elsewhere_for(error) {
            match elsewhere.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, files)) => files.push(file),
                None => elsewhere.push((cause, vec![file])),
            }
            continue;
        }
        let named = comparisons.iter().find(|comparison| comparison.path.as_ref() == Some(&file.path));
        // People keep the public keys of cards and machines in files of such names.
        if named.is_none() && is_public(file) {
            continue;
        }
        let finding = describe(file, error, named)
            .with_data("secret", named.map_or(path, |comparison| &comparison.name))
            .with_data("path", path);
        found.push(match named {
            Some(comparison) => finding.with_related(comparison.place(), "its rule"),
            None => finding,
        });
    }
    for ((why, command), files) in elsewhere {
        found.extend(is_elsewhere(why, command, &files, context.tree.is_working_tree()).map(|finding| {
            let first = files.first().map_or("", |file| file.path.as_str());
            let named = comparisons
                .iter()
                .find(|comparison| comparison.path.as_ref().is_some_and(|path| path.as_str() == first));
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            let finding = finding
                .with_data("secret", named.map_or(first, |comparison| &comparison.name))
                .with_data("path", first)
                .with_data("paths", paths);
            match named {
                Some(comparison) => finding.with_related(comparison.place(), "its rule"),
                None => finding,
            }
        }));
    }
}

/// Whether there are public keys in a file, and nothing else.
pub(super) fn is_public(file: &AgeFile) -> bool {
    matches!(&file.header, Err(AgeFileError::Header(error)) if error.kind == HeaderErrorKind::Foreign(Foreign::PublicKeys))
}

fn describe(file: &AgeFile, error: &AgeFileError, named: Option<&Comparison<'_>>) -> Diagnostic {
    let place = Place::file(file.path.to_arc());
    match error {
        AgeFileError::Read(error @ ReadError::IsDirectory { .. }) => UNREADABLE_FILE
            .finding(place, format!("{error}; its name is that of a secret"))
            .with_help("put the encrypted file here, or call the folder otherwise"),
        AgeFileError::Read(error) => UNREADABLE_FILE
            .finding(place, error.to_string())
            .with_help("make it a file that can be read, or take it out of the repository")
            .with_help("if it does not matter, put it in `ignore` in bulkhead.toml"),
        AgeFileError::Header(error) => {
            let finding = RULE
                .finding(place, format!("`{}`: {}", file.path, error.message))
                .with_note(format!("noticed at byte {}", error.offset));
            match &error.help {
                // agenix knows the file by its name in the rules.
                Some(help) => finding
                    .with_help(help.replace("agenix -e FILE", &make(file, named)).replace("FILE", file.path.as_str())),
                None => finding.with_help(format!("restore it from git, or make it anew: {}", make(file, named))),
            }
        }
    }
}

/// Why the content of a file is elsewhere, of one and of several, and what puts it here.
type Elsewhere = ([&'static str; 2], &'static str);

/// Whether a file's content is elsewhere: a filter of git puts it into the working tree.
fn elsewhere_for(error: &AgeFileError) -> Option<Elsewhere> {
    let AgeFileError::Header(error) = error else { return None };
    match error.kind {
        HeaderErrorKind::Foreign(Foreign::GitCrypt) => {
            let why = ["git-crypt has encrypted the file as a whole", "git-crypt has encrypted them as a whole"];
            Some((why, "git-crypt unlock"))
        }
        HeaderErrorKind::Foreign(Foreign::LfsPointer) => Some((
            ["it is a pointer of git LFS, and no more", "they are pointers of git LFS, and no more"],
            "git lfs pull",
        )),
        _ => None,
    }
}

fn is_elsewhere(
    [one, several]: [&str; 2],
    command: &str,
    files: &[&AgeFile],
    is_working_tree: bool,
) -> Option<Diagnostic> {
    let first = files.first()?;
    // Some of several may be allowed, and what is told then is about the others.
    let message = match files {
        [file] => format!("can't tell who can read `{}`: {one}", file.path),
        _ => format!("can't tell who can read these files: {several}"),
    };
    let mut finding = RULE.finding(Place::file(first.path.to_arc()), message);
    finding.severity = Severity::Undecided;
    for file in files.iter().skip(1) {
        finding = finding.with_same(Place::file(file.path.to_arc()), "for the same reason");
    }
    Some(if is_working_tree {
        finding.with_help(format!("have git put the file itself here\n{command}"))
    } else {
        finding.with_help(format!("check the working tree instead, where the file itself is after\n{command}"))
    })
}

/// What to type to encrypt the secret anew.
fn make(file: &AgeFile, named: Option<&Comparison<'_>>) -> String {
    named.and_then(edit).unwrap_or_else(|| format!("agenix -e {}", file.path))
}
