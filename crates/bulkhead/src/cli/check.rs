//! `check` and `audit`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bulkhead_diagnostics::Format;
use bulkhead_source::TreePath;

use super::args::{AuditArgs, CheckArgs, Global, ReportArgs};
use super::progress::Meter;
use super::{Program, output};
use crate::check::check_keeping_fleet;
use crate::{CheckOptions, Scope};

pub fn check(program: Program, global: &Global, args: &CheckArgs) -> Result<u8> {
    let root = output::root(program, global, args.path.as_deref())?;
    judge(root, global, &args.report, CheckOptions::default())
}

pub fn audit(program: Program, global: &Global, args: &AuditArgs) -> Result<u8> {
    let root = output::root(program, global, args.path.as_deref())?;
    let rules_files = args.rules.iter().map(|path| in_tree(&root, path)).collect::<Result<_>>()?;
    let options = CheckOptions { scope: Scope::Secrets, rules_files, ..CheckOptions::default() };
    judge(root, global, &args.report, options)
}

fn judge(root: PathBuf, global: &Global, args: &ReportArgs, options: CheckOptions<'_>) -> Result<u8> {
    let project = output::open(root.clone(), global)?;
    let meter = Meter::start();
    let tell = |progress| meter.tell(progress);
    // The names of keys that left are for people; machine output is the same however slow the disk is.
    let history = matches!(args.format, Format::Full | Format::Concise);
    let (report, fleet) = check_keeping_fleet(&project, &CheckOptions { progress: Some(&tell), history, ..options })?;
    drop(meter);
    let nothing = report.summary.machines == 0 && report.summary.secrets == 0 && report.findings.is_empty();
    if nothing {
        return Err(output::no_fleet(&root, project.tree(), "bulkhead check PATH"));
    }
    let code = output::show(&project, global, args, &report);
    // The process ends here, and the system takes memory back faster than a million objects can be dropped.
    std::mem::forget((fleet, project));
    code
}

/// A path given on the command line, relative to the root. It may be relative to the current folder or to the root.
pub fn in_tree(root: &Path, path: &Path) -> Result<TreePath> {
    let real_root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let here = std::path::absolute(path).with_context(|| format!("can't find {}", path.display()))?;
    let real = here.canonicalize().unwrap_or(here.clone());
    let inside = real.strip_prefix(&real_root).or_else(|_| here.strip_prefix(root));
    let relative = match inside {
        Ok(inside) if path.is_absolute() || real.exists() => inside,
        _ if path.is_absolute() => anyhow::bail!("{} does not lie in {}", path.display(), root.display()),
        _ => path,
    };
    let text = relative.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(TreePath::new(text)?)
}
