//! Standard output and standard error: colours, width, failures.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_diagnostics::{Format, RenderOptions, Report, Severity, mask_json, mask_private_keys, render};
use bulkhead_source::{FileTree, find_git_root};

use super::args::{ColorChoice, Deny, EvaluatorChoice, Global, ReportArgs};
use super::{FINDINGS, OK, Program};
use crate::check::rule_descriptions;
use crate::{Evaluator, OpenOptions, Project, Source, find_root};

/// Whether to colour what goes to a stream.
pub fn colored(global: &Global, is_terminal: bool) -> bool {
    match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            is_terminal
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Columns of the terminal; without one, wide enough for any table.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| width.0.into())).unwrap_or(100)
}

/// Say what went wrong with the tool itself.
pub fn report_failure(global: &Global, error: &anyhow::Error) {
    let colored = colored(global, io::stderr().is_terminal());
    let (start, end) = if colored { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    let _ = writeln!(io::stderr(), "{start}error{end}: {}", mask_private_keys(&format!("{error:#}")));
}

/// Whether the failure is that nobody reads our output any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// The root that the arguments mean.
pub fn root(program: Program, global: &Global, path: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = path.or(global.root.as_deref()) {
        return std::path::absolute(path).with_context(|| format!("can't find {}", path.display()));
    }
    let here = std::env::current_dir().context("can't tell the current folder")?;
    match program.default_root {
        Some(default) => Ok(here.join(default)),
        None => Ok(find_root(&here)),
    }
}

/// The failure that there is nothing to work on; `named` is the command with a folder.
pub fn no_fleet(root: &Path, tree: &dyn FileTree, named: &str) -> anyhow::Error {
    let is_bare = tree.is_working_tree() && ["HEAD", "objects", "refs"].iter().all(|name| root.join(name).exists());
    let help = if is_bare {
        "this is a bare git repository: name a revision, such as --rev HEAD".to_owned()
    } else {
        format!("go to the folder of your fleet, or name it: {named}")
    };
    anyhow::anyhow!(
        "there is no fleet in {} ({}): no machines/**/properties.nix, no .age file and no agenix rules\n{help}",
        root.display(),
        tree.describe()
    )
}

/// Open the repository that the arguments mean.
pub fn open(root: PathBuf, global: &Global) -> Result<Project> {
    let options = OpenOptions {
        root,
        source: match (&global.rev, global.staged) {
            (Some(revision), _) => Source::Revision(revision.clone()),
            (None, true) => Source::Index,
            (None, false) => Source::WorkingTree,
        },
        evaluator: match global.evaluator {
            EvaluatorChoice::Embedded => Evaluator::Embedded,
            EvaluatorChoice::Nix => Evaluator::Nix,
        },
        search_path: search_path(global)?,
    };
    Ok(Project::open(&options)?)
}

/// What `<name>` looks through: `-I`, `--nixpkgs`, then what NIX_PATH names on disk.
pub fn search_path(global: &Global) -> Result<Vec<(String, PathBuf)>> {
    let mut entries = Vec::new();
    for entry in &global.search_path {
        let (name, folder) = entry.split_once('=').unwrap_or(("", entry));
        let folder = Path::new(folder);
        anyhow::ensure!(folder.is_dir(), "-I {entry}: {} is not a folder", folder.display());
        entries.push((name.to_owned(), folder.to_owned()));
    }
    if let Some(folder) = &global.nixpkgs {
        let lib = folder.join("lib");
        anyhow::ensure!(lib.is_dir(), "--nixpkgs {0}: there is no {0}/lib", folder.display());
        entries.push(("nixpkgs".to_owned(), folder.clone()));
    }
    // What is no folder here (channels, flake references) would have to be fetched.
    let nix_path = std::env::var("NIX_PATH").unwrap_or_default();
    for entry in nix_path.split(':') {
        let (name, folder) = entry.split_once('=').unwrap_or(("", entry));
        if folder.starts_with('/') && Path::new(folder).is_dir() {
            entries.push((name.to_owned(), PathBuf::from(folder)));
        }
    }
    Ok(entries)
}

/// Print findings as the arguments ask, and give the exit code.
pub fn show(project: &Project, global: &Global, args: &ReportArgs, report: &Report) -> Result<u8> {
    let stdout = io::stdout();
    let rules = rule_descriptions();
    let folder = folder_in_repository(project);
    let options = RenderOptions {
        color: colored(global, stdout.is_terminal()),
        width: width().clamp(40, 140),
        rules: &rules,
        folder: &folder,
    };
    let mut out = io::BufWriter::new(stdout.lock());
    unless_unread(render(report, args.format, &project.sources(), &options, &mut out).and_then(|()| out.flush()))?;
    Ok(exit_code(report, &args.deny))
}

/// Where the root lies in its git repository: empty, or a folder with a slash at its end.
fn folder_in_repository(project: &Project) -> String {
    let below = project.tree().root().and_then(|root| {
        let root = root.canonicalize().ok()?;
        let top = find_git_root(&root)?.canonicalize().ok()?;
        Some(root.strip_prefix(top).ok()?.to_str()?.to_owned())
    });
    match below {
        Some(below) if !below.is_empty() => format!("{below}/"),
        _ => String::new(),
    }
}

fn exit_code(report: &Report, deny: &[Deny]) -> u8 {
    let fails = report.findings.iter().any(|finding| match finding.severity {
        Severity::Error => true,
        Severity::Warning => deny.contains(&Deny::Warnings),
        Severity::Undecided => deny.contains(&Deny::Undecided),
    });
    if fails { FINDINGS } else { OK }
}

/// Print JSON, indented, without private keys.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    if let Cow::Owned(_) = mask_private_keys(&text) {
        // In the values, not in the text: a key may stretch over what JSON puts between two of them.
        let mut value = serde_json::to_value(value)?;
        mask_json(&mut value);
        text = serde_json::to_string_pretty(&value)?;
    }
    text.push('\n');
    print(&text)
}

/// One line for a person on standard error, without private keys.
pub fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{}", mask_private_keys(line));
}

/// Whoever reads our output has seen enough, as `head` does. That is no failure, and what was found stays found.
pub fn unless_unread(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Print text.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    unless_unread(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Findings that a command meets on its way, on standard error.
pub fn show_problems(project: &Project, global: &Global, report: &Report) -> Result<()> {
    let stderr = io::stderr();
    let rules = rule_descriptions();
    let options = RenderOptions {
        color: colored(global, stderr.is_terminal()),
        width: width().clamp(40, 140),
        rules: &rules,
        folder: "",
    };
    let mut out = io::BufWriter::new(stderr.lock());
    unless_unread(render(report, Format::Full, &project.sources(), &options, &mut out).and_then(|()| out.flush()))
}
