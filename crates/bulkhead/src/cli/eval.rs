//! `eval`.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use bulkhead_diagnostics::{Diagnostic, Place, Report, Sources, Summary};
use bulkhead_eval::data::Failure;
use bulkhead_eval::{Argument, Input, Mount, Output, Request, World};
use bulkhead_fleet::{Evaluate, diagnostics_of_failure};
use bulkhead_source::{FileTree, GitTree, WorkTree, find_git_root};

use super::args::{EvalArgs, Global};
use super::explained::{json, lines};
use super::{FINDINGS, OK, output};

pub fn eval(global: &Global, args: &EvalArgs) -> Result<u8> {
    let here = std::env::current_dir().context("can't tell the current folder")?;
    let file = match (&args.file, &args.expr) {
        (Some(file), None) if file.as_os_str() == "-" => None,
        // As elsewhere, a file may be named from the root as well as from the current folder.
        (Some(file), None) if !file.exists() && global.root.as_ref().is_some_and(|root| root.join(file).exists()) => {
            global.root.as_ref().map(|root| root.join(file))
        }
        (Some(file), None) => Some(file.clone()),
        (None, None) => Some("default.nix".into()),
        _ => None,
    };
    let folder = match &file {
        Some(file) => {
            let file = std::path::absolute(file)?;
            let folder = if file.is_dir() { Some(&*file) } else { file.parent() };
            folder.unwrap_or(&here).to_owned()
        }
        None => here.clone(),
    };
    let root = global.root.clone().unwrap_or_else(|| find_git_root(&folder).unwrap_or_else(|| folder.clone()));
    let tree: Arc<dyn FileTree> = match (&global.rev, global.staged) {
        (Some(revision), _) => Arc::new(GitTree::revision(&root, revision)?),
        (None, true) => Arc::new(GitTree::index(&root)?),
        (None, false) => Arc::new(WorkTree::open(&root)?),
    };
    let world = world(tree, global, args)?;
    let (input, text) = match &file {
        Some(file) => (Input::File(path_text(&real_path(file)?)?), None),
        None => {
            let (name, text) = match &args.expr {
                Some(text) => ("«command line»", text.clone()),
                None => {
                    let mut text = String::new();
                    io::stdin().read_to_string(&mut text).context("can't read standard input")?;
                    ("«standard input»", text)
                }
            };
            let folder = path_text(&real_path(&here)?)?;
            (Input::Text { text: text.clone(), name: name.to_owned(), folder }, Some((name, text)))
        }
    };
    let request = Request {
        input,
        attr_path: args.attr.clone(),
        arguments: arguments(args),
        output: match (args.json, args.raw) {
            (true, _) => Output::Json,
            (_, true) => Output::Raw,
            _ => Output::Nix { strict: args.strict },
        },
    };
    if let Some(path) = &args.explain {
        return match world.explain(&request, path) {
            Ok(explanation) => {
                let texts = Texts { world: &world, given: text };
                let shown = if args.json { json(&explanation, &texts)? } else { lines(path, &explanation, &texts) };
                io::stdout().lock().write_all(shown.as_bytes())?;
                Ok(OK)
            }
            Err(failure) => {
                show(global, &world, text, &failure)?;
                Ok(FINDINGS)
            }
        };
    }
    match world.request(&request) {
        Ok(answer) => {
            tell(&answer.messages);
            let mut out = io::stdout().lock();
            out.write_all(&answer.text)?;
            if !args.raw {
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(OK)
        }
        Err(failure) => {
            show(global, &world, text, &failure)?;
            Ok(FINDINGS)
        }
    }
}

fn world(tree: Arc<dyn FileTree>, global: &Global, args: &EvalArgs) -> Result<World> {
    let mut limits = bulkhead_eval::Limits::default();
    limits.steps = args.max_steps.unwrap_or(limits.steps);
    limits.depth = args.max_depth.unwrap_or(limits.depth);
    limits.memory = args.max_memory.map_or(limits.memory, |mib| mib.saturating_mul(1 << 20));
    limits.file_size = args.max_file_size.map_or(limits.file_size, |mib| mib.saturating_mul(1 << 20));
    let mut world = World::new(tree, limits);
    if args.abort_on_warn {
        world.abort_on_warnings();
    }
    if args.extra_experimental_features.iter().any(|feature| feature == "pipe-operators") {
        world.allow_pipe_operators();
    }
    for (name, folder) in output::search_path(global)? {
        let tree = WorkTree::open(&folder)?;
        let at = path_text(tree.root().unwrap_or(&folder))?;
        world.add_search_path(&name, &at);
        world.mount(Mount { name: Arc::from(at.clone()), at: Arc::from(at), tree: Arc::new(tree) });
    }
    Ok(world)
}

fn arguments(args: &EvalArgs) -> Vec<(String, Argument)> {
    let pairs =
        |list: &[String]| list.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect::<Vec<_>>();
    let expressions = pairs(&args.arg).into_iter().map(|(name, text)| (name, Argument::Expression(text)));
    expressions.chain(pairs(&args.argstr).into_iter().map(|(name, text)| (name, Argument::String(text)))).collect()
}

/// The path without links in its folders; the file itself may be missing (in a revision it need not be on disk).
fn real_path(path: &Path) -> Result<std::path::PathBuf> {
    let path = std::path::absolute(path)?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    match (path.parent().and_then(|folder| folder.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => Ok(folder.join(name)),
        _ => Ok(path),
    }
}

fn path_text(path: &Path) -> Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}

fn tell(messages: &[String]) {
    for message in messages {
        let _ = writeln!(std::io::stderr(), "{message}");
    }
}

/// The texts of files, and of what was given in place of one.
pub struct Texts<'a> {
    world: &'a World,
    given: Option<(&'static str, String)>,
}

impl Sources for Texts<'_> {
    fn text(&self, file: &str) -> Option<Arc<str>> {
        if let Some((name, text)) = &self.given
            && *name == file
        {
            return Some(Arc::from(text.as_str()));
        }
        self.world.text(file)
    }
}

fn show(global: &Global, world: &World, given: Option<(&'static str, String)>, failure: &Failure) -> Result<()> {
    use std::io::IsTerminal;
    let around = failure.place.clone().unwrap_or_else(|| Place::file("«result»"));
    // A text from the command line is in no file that could be parsed again for its other errors.
    let evaluator = if given.is_some() { None } else { Some(world as &dyn Evaluate) };
    let findings: Vec<Diagnostic> = diagnostics_of_failure(failure, &around, evaluator);
    let report = Report::new(findings, Summary::default());
    let options = bulkhead_diagnostics::RenderOptions {
        color: output::colored(global, io::stderr().is_terminal()),
        width: output::width().clamp(40, 140),
        rules: &[],
        folder: "",
    };
    let texts = Texts { world, given };
    let mut out = io::BufWriter::new(io::stderr().lock());
    for finding in &report.findings {
        output::unless_unread(bulkhead_diagnostics::render_finding(finding, &texts, &options, &mut out))?;
    }
    output::unless_unread(out.flush())
}
