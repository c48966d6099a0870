//! `gen-secrets` and `gen-docs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bulkhead_diagnostics::{Diagnostic, Place, Report, Severity, Summary, mask_private_keys};
use bulkhead_fleet::{Fleet, LoadOptions, RulesFile};
use bulkhead_generate::adopt::adopt;
use bulkhead_generate::diff::diff;
use bulkhead_generate::docs::DocsInput;
use bulkhead_generate::secrets::{SecretsNix, is_generated, secrets_nix};
use bulkhead_generate::{docs, secrets as generated_secrets};
use bulkhead_source::{ReadError, TextError, TreePath, WorkTree, read_text};

use super::args::{GenDocsArgs, GenSecretsArgs, Global};
use super::query::{code, load, tell_undecided, tell_unknown_properties};
use super::{FINDINGS, OK, Program, output};
use crate::Project;
use crate::overlay::Overlay;

/// Generated files and those they replace are texts of a sane size.
const TEXT_LIMIT: u64 = 64 << 20;

/// The rule under which `check` reports that the rules file can't be what `gen-secrets` would write.
const OUTDATED: &str = "secrets-nix-outdated";

/// What is done with a generated text.
#[derive(Clone, Copy)]
enum Intent {
    Write,
    Check,
    Print,
}

impl Intent {
    fn new(check: bool, stdout: bool) -> Intent {
        match (check, stdout) {
            (true, _) => Intent::Check,
            (_, true) => Intent::Print,
            _ => Intent::Write,
        }
    }

    fn participle(self) -> &'static str {
        match self {
            Intent::Write => "written",
            Intent::Check => "compared",
            Intent::Print => "shown",
        }
    }
}

pub fn secrets(program: Program, global: &Global, args: &GenSecretsArgs) -> Result<u8> {
    let (project, fleet) = load(program, global)?;
    let path = fleet.config.rules.clone();
    let intent = Intent::new(args.check, args.stdout);
    if args.adopt {
        return adopt_rules(&project, global, &fleet);
    }
    let current = match read_text(project.tree(), &path, TEXT_LIMIT) {
        Ok(text) => Some(text),
        Err(TextError::Read(ReadError::NotFound { .. })) => None,
        // What lies there may be anything: it is neither right nor to be overwritten.
        Err(error) => {
            let message = format!("there are no rules that agenix could use: {error}");
            let finding = Diagnostic::new(OUTDATED, Severity::Error, Place::file(path.to_arc()), message)
                .with_help("put a file there that can be read, or take away what is there");
            return refuse(&project, global, vec![finding], &path, intent);
        }
    };
    let generated = match secrets_nix(&fleet) {
        Ok(generated) => generated,
        Err(mut findings) => {
            // `check` says the same sentence, with the first of these reasons.
            let is_wrong = findings.iter().any(|finding| finding.severity == Severity::Error);
            let severity = if is_wrong { Severity::Error } else { Severity::Undecided };
            let message = format!("can't tell whether `{path}` is up to date: gen-secrets refuses to write it");
            if args.check {
                findings.push(Diagnostic::new(OUTDATED, severity, Place::file(path.to_arc()), message));
            }
            // The errors of the fleet itself have been shown when it was loaded.
            findings.retain(|finding| !fleet.findings.contains(finding));
            return refuse(&project, global, findings, &path, intent);
        }
    };
    show(&project, global, generated.warnings.iter().chain(&generated.undecided))?;
    if args.stdout {
        output::print(&generated.text)?;
        return Ok(OK);
    }
    if let Some(current) = &current
        && !is_generated(current)
    {
        let message =
            format!("can't tell whether `{path}` fits the fleet: its first line does not say that it is generated");
        let finding = Diagnostic::new(OUTDATED, Severity::Undecided, Place::file(path.to_arc()), message)
            .with_note("a file that a person wrote is never overwritten")
            .with_help(format!(
                "to let bulkhead write it from now on: {0} gen-secrets --adopt\n\
                 to see what it would write:           {0} gen-secrets --stdout",
                program.name
            ));
        return refuse(&project, global, vec![finding], &path, intent);
    }
    if args.check {
        return compare(&path, current.as_deref(), &generated.text, &format!("{} gen-secrets", program.name));
    }
    if current.as_deref() == Some(&*generated.text) {
        output::print(&format!("{path} is up to date\n"))?;
    } else {
        write(&project, global, &path, &generated.text)?;
        output::print(&format!("wrote {path}\n"))?;
    }
    tell_rekey(&generated)?;
    Ok(OK)
}

pub fn docs(program: Program, global: &Global, args: &GenDocsArgs) -> Result<u8> {
    let (project, fleet) = load(program, global)?;
    let path = fleet.config.claude_md.clone();
    let intent = Intent::new(args.check, args.stdout);
    if code(&fleet) != OK {
        output::tell(&format!("{path} is not {}: put the above right first", intent.participle()));
        return Ok(FINDINGS);
    }
    // The tables of the document have no room for reasons.
    tell_unknown_properties(&fleet.machines_answer(None));
    tell_undecided(&fleet.secrets_undecided());
    let current = current(&project, &path)?;
    let library = docs::read_library(project.tree(), project.world(), &fleet.config);
    let layout = docs::layout(&fleet, project.tree());
    let is_nothing = fleet.machines.is_empty()
        && fleet.secrets.is_empty()
        && fleet.rules_files.is_empty()
        && fleet.age_files.is_empty()
        && !project.tree().exists(&fleet.config.lib);
    if is_nothing && current.is_none() {
        let root = project.tree().root().unwrap_or(Path::new("."));
        return Err(output::no_fleet(root, project.tree(), "bulkhead -C DIR gen-docs"));
    }
    // A document must not depend on which of the programs wrote it.
    let commands = docs::default_commands("bulkhead");
    let input = DocsInput { fleet: &fleet, library: &library, layout: &layout, commands: &commands };
    let text = match docs::update(current.as_deref(), &input) {
        Ok(text) => text,
        Err(error) => return refuse(&project, global, vec![error.diagnostic(path.as_str())], &path, intent),
    };
    if args.stdout {
        output::print(&text)?;
        return Ok(OK);
    }
    if args.check {
        return compare(&path, current.as_deref(), &text, &format!("{} gen-docs", program.name));
    }
    if current.as_deref() == Some(&*text) {
        output::print(&format!("{path} is up to date\n"))?;
    } else {
        write(&project, global, &path, &text)?;
        output::print(&format!("wrote {path}\n"))?;
    }
    Ok(OK)
}

fn current(project: &Project, path: &TreePath) -> Result<Option<Arc<str>>> {
    match read_text(project.tree(), path, TEXT_LIMIT) {
        Ok(text) => Ok(Some(text)),
        Err(TextError::Read(ReadError::NotFound { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn compare(path: &TreePath, current: Option<&str>, wanted: &str, command: &str) -> Result<u8> {
    match diff(path.as_str(), current, wanted) {
        None => {
            output::print(&format!("{path} is up to date\n"))?;
            Ok(OK)
        }
        Some(_) => {
            // In the texts: a difference shows lines of a key without the first, which tells that it is one.
            let current = current.map(mask_private_keys);
            if let Some(diff) = diff(path.as_str(), current.as_deref(), &mask_private_keys(wanted)) {
                output::print(&diff.text)?;
            }
            output::tell(&format!("{path} is out of date; run: {command}"));
            Ok(FINDINGS)
        }
    }
}

fn refuse(
    project: &Project,
    global: &Global,
    findings: Vec<Diagnostic>,
    path: &TreePath,
    intent: Intent,
) -> Result<u8> {
    show(project, global, &findings)?;
    output::tell(&format!("{path} is not {}: put the above right first", intent.participle()));
    Ok(FINDINGS)
}

/// Findings on standard error, without a summary.
fn show<'d>(project: &Project, global: &Global, findings: impl IntoIterator<Item = &'d Diagnostic>) -> Result<()> {
    let options = bulkhead_diagnostics::RenderOptions {
        color: output::colored(global, std::io::stderr().is_terminal()),
        width: output::width().clamp(40, 140),
        rules: &[],
        folder: "",
    };
    let report = Report::new(findings.into_iter().cloned().collect(), Summary::default());
    let sources = project.sources();
    for finding in &report.findings {
        let stderr = &mut std::io::stderr().lock();
        output::unless_unread(bulkhead_diagnostics::render_finding(finding, &sources, &options, stderr))?;
    }
    Ok(())
}

fn work_tree(project: &Project, global: &Global) -> Result<WorkTree> {
    if global.staged || global.rev.is_some() {
        bail!("files are written to the working tree only; leave out --staged and --rev, or use --check or --stdout");
    }
    Ok(WorkTree::open(project.tree().root().unwrap_or(Path::new(".")))?)
}

fn write(project: &Project, global: &Global, path: &TreePath, text: &str) -> Result<()> {
    let tree = work_tree(project, global)?;
    if let (Some(root), Some(folder)) = (project.tree().root(), path.parent())
        && !project.tree().exists(&folder)
    {
        let folder = root.join(folder.as_str());
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make the folder {}", folder.display()))?;
    }
    Ok(tree.write(path, text.as_bytes())?)
}

fn tell_rekey(generated: &SecretsNix) -> Result<()> {
    let (new, changed): (Vec<_>, Vec<_>) = generated.rekey.iter().partition(|rekey| rekey.is_new());
    if !changed.is_empty() {
        let mut text = String::from("\nto be rekeyed, because who can read them has changed:\n");
        for rekey in &changed {
            text.push_str(&format!("  {rekey}\n"));
        }
        text.push_str("run `agenix --rekey` in the folder of the rules\n");
        if changed.iter().any(|rekey| rekey.somebody_leaves()) {
            text.push_str("where somebody leaves, change the secret itself too: the old value may have been kept\n");
        }
        output::print(&text)?;
    }
    if !new.is_empty() {
        let mut text = String::from("\nnot there yet; run in the folder of the rules:\n");
        for rekey in &new {
            text.push_str(&format!("  agenix -e {}\n", rekey.rule_name));
        }
        output::print(&text)?;
    }
    Ok(())
}

/// The handwritten rules file that `--adopt` means: the configured one, else the only one there is.
fn handwritten(fleet: &Fleet) -> Result<&RulesFile> {
    let by_hand: Vec<&RulesFile> = fleet.rules_files.iter().filter(|rules| !rules.generated).collect();
    let configured = by_hand.iter().find(|rules| rules.path == fleet.config.rules);
    match (configured, &by_hand[..]) {
        (Some(rules), _) => Ok(rules),
        (None, [rules]) => Ok(rules),
        (None, []) => bail!("there is no handwritten rules file to adopt"),
        (None, several) => {
            let paths: Vec<&str> = several.iter().map(|rules| rules.path.as_str()).collect();
            bail!(
                "there are several handwritten rules files ({}); name one as `layout.rules` in bulkhead.toml",
                paths.join(", ")
            )
        }
    }
}

fn adopt_rules(project: &Project, global: &Global, fleet: &Fleet) -> Result<u8> {
    let rules = handwritten(fleet)?;
    let properties = fleet.config.secrets.join("properties.nix")?;
    if project.tree().exists(&properties) {
        bail!("{properties} is there already; adopting would overwrite it");
    }
    let tree = work_tree(project, global)?;
    let adoption = match adopt(fleet, rules) {
        Ok(adoption) => adoption,
        Err(findings) => return refuse(project, global, findings, &properties, Intent::Write),
    };
    show(project, global, &adoption.warnings)?;
    let generated = match prove(project, rules, &properties, &adoption.properties_nix)? {
        Ok(generated) => generated,
        Err(mut findings) => {
            // The errors of the fleet itself have been shown when it was loaded.
            findings.retain(|finding| !fleet.findings.contains(finding));
            return refuse(project, global, findings, &properties, Intent::Write);
        }
    };

    // The new files first: if anything fails on the way, the rules that agenix uses are still the old ones.
    write(project, global, &properties, &adoption.properties_nix)?;
    output::print(&format!("wrote {properties}\n"))?;
    let kept = kept_path(project, &rules.path)?;
    let old = read_text(project.tree(), &rules.path, TEXT_LIMIT)?;
    tree.write(&kept, old.as_bytes())?;
    write(project, global, &fleet.config.rules, &generated.text)?;
    if rules.path != fleet.config.rules
        && let Some(root) = project.tree().root()
    {
        std::fs::remove_file(root.join(rules.path.as_str()))?;
    }
    output::print(&format!(
        "wrote {}\nkept {} as {kept}\nthe recipients of all {} secrets stay the same\n",
        fleet.config.rules,
        rules.path,
        adoption.entries.len()
    ))?;
    tell_rekey(&generated)?;
    Ok(OK)
}

/// Where the handwritten file is kept: a name that is free, and that no tool takes for Nix.
fn kept_path(project: &Project, rules: &TreePath) -> Result<TreePath> {
    let folder = rules.parent().unwrap_or_else(TreePath::root);
    for number in 0..100 {
        let suffix = if number == 0 { String::new() } else { format!(".{number}") };
        let path = folder.join(&format!("{}.handwritten{suffix}", rules.name()))?;
        if !project.tree().exists(&path) {
            return Ok(path);
        }
    }
    bail!("there are a hundred files {rules}.handwritten.* already; remove some")
}

/// Load the fleet as it would be after the change and compare, file by file, who may read it: before, by the handwritten
/// rules, and after, by the generated ones. The findings say why no rules would be generated then.
fn prove(
    project: &Project,
    rules: &RulesFile,
    properties: &TreePath,
    text: &str,
) -> Result<Result<SecretsNix, Vec<Diagnostic>>> {
    let changes = [(properties.clone(), Some(Arc::from(text.as_bytes()))), (rules.path.clone(), None)];
    let after = project.with_tree(Arc::new(Overlay::new(project.shared_tree(), changes)))?;
    let fleet = after.fleet(&LoadOptions::default())?;
    let generated = match generated_secrets::secrets_nix(&fleet) {
        Ok(generated) => generated,
        Err(findings) => return Ok(Err(findings)),
    };
    let changes = [
        (properties.clone(), Some(Arc::from(text.as_bytes()))),
        (rules.path.clone(), None),
        (fleet.config.rules.clone(), Some(Arc::from(generated.text.as_bytes()))),
    ];
    let after = project.with_tree(Arc::new(Overlay::new(project.shared_tree(), changes)))?;
    let options = LoadOptions { rules: vec![fleet.config.rules.clone()], ..LoadOptions::default() };
    let fleet = after.fleet(&options)?;
    let (old, new) = (recipients(rules), fleet.rules_files.first().map(recipients).unwrap_or_default());
    for (file, keys) in &old {
        if new.get(file) != Some(keys) {
            bail!(
                "the recipients of {file} would change; nothing is written (this is a fault of bulkhead: please report it)"
            );
        }
    }
    Ok(Ok(generated))
}

fn recipients(rules: &RulesFile) -> BTreeMap<TreePath, BTreeSet<String>> {
    let entries = rules.entries.iter().filter_map(|entry| {
        let keys = entry.public_keys.iter().map(|key| key.identity().to_owned()).collect();
        Some((entry.file.as_ref()?.path.clone(), keys))
    });
    entries.collect()
}
