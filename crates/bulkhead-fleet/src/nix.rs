//! Values from the installed Nix, for `--evaluator nix`.
//!
//! One `nix-instantiate` evaluates many files; where one of them fails, the lot is halved until the culprit is found.
//! Nix tells where attribute names are written, but not where values are: values have no place of their own then.
//!
//! Unlike everything else in Bulkhead this runs a program on the files of the fleet: evaluated code can read the
//! environment and, through fetchers, the network, as Nix allows it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{AttrsData, Data, DataKind, Failure, FailureKind, Field};
use bulkhead_eval::{ParseFailure, World};
use bulkhead_source::{FileTree, LineIndex, Position, Span, TreePath, WorkTree};
use bulkhead_syntax::Ast;
use foldhash::HashMap;
use rayon::prelude::*;
use serde_json::Value;

use crate::evaluate::Evaluate;
use crate::read::inside;

/// How many files one process evaluates.
const BATCH: usize = 200;

/// More output of one process than this is not read, in bytes.
const OUTPUT_LIMIT: u64 = 256 << 20;

/// Places in larger files are not told, in bytes.
const TEXT_LIMIT: u64 = 16 << 20;

/// Makes a value printable as JSON without losing what it is, and adds where attribute names are written. Paths are
/// turned into texts so that nothing is copied to the store.
const TAG: &str = r#"
  tag = v:
    let type = builtins.typeOf v; in
    if type == "set" then
      if (v.type or null) == "derivation" then { f = 0; }
      else {
        a = builtins.mapAttrs
          (name: value:
            let at = builtins.unsafeGetAttrPos name v; in {
              k = if at == null then null else [ (toString at.file) at.line at.column ];
              v = tag value;
            })
          v;
      }
    else if type == "list" then { l = map tag v; }
    else if type == "path" then { p = toString v; }
    else if type == "lambda" then { f = 0; }
    else { v = v; };
"#;

/// How to run Nix.
#[derive(Clone, Debug)]
pub struct NixOptions {
    /// The program: `nix-instantiate`, found through `PATH`, or a path.
    pub program: PathBuf,
    /// How long one process may take.
    pub timeout: Duration,
    /// Further entries of the search path, as for `-I`: `nixpkgs=/path`.
    pub include: Vec<String>,
}

impl Default for NixOptions {
    fn default() -> NixOptions {
        NixOptions { program: PathBuf::from("nix-instantiate"), timeout: Duration::from_secs(60), include: Vec::new() }
    }
}

/// Why Nix can't be used.
#[derive(Debug, thiserror::Error)]
pub enum NixError {
    /// The program can't be run.
    #[error("can't run `{program}`: {reason}; install Nix, or leave out `--evaluator nix`")]
    Missing {
        /// The program.
        program: String,
        /// The system's words.
        reason: std::io::Error,
    },
    /// Nix reads files from the disk alone.
    #[error("`--evaluator nix` evaluates the files on disk; it can't see {0}")]
    NotOnDisk(String),
}

/// The text of a file and where its lines begin.
type Text = Arc<(String, LineIndex)>;

/// Evaluates files with the installed Nix; parses them with Bulkhead's own parser, for names and places.
pub struct NixEvaluator<'a> {
    world: &'a World,
    root: String,
    options: NixOptions,
    texts: Mutex<HashMap<TreePath, Option<Text>>>,
}

impl<'a> NixEvaluator<'a> {
    /// An evaluator for the working tree `tree`, which is also that of `world`. Fails when Nix can't be run.
    pub fn new(world: &'a World, tree: &WorkTree, options: NixOptions) -> Result<NixEvaluator<'a>, NixError> {
        let root = tree.root().and_then(|root| root.to_str());
        let root = root.ok_or_else(|| NixError::NotOnDisk(tree.describe()))?.trim_end_matches('/').to_owned();
        let version = Command::new(&options.program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match version {
            Ok(_) => Ok(NixEvaluator { world, root, options, texts: Mutex::default() }),
            Err(reason) => Err(NixError::Missing { program: options.program.to_string_lossy().into_owned(), reason }),
        }
    }

    /// The values of several files, in order.
    fn batch(&self, paths: &[TreePath]) -> Vec<Data> {
        let failure = match self.run(paths) {
            Ok(values) if values.len() == paths.len() => {
                return values.into_iter().map(|value| self.data(value)).collect();
            }
            Ok(_) => "Nix gave fewer values than were asked for".to_owned(),
            Err(failure) => failure,
        };
        match paths {
            [] => Vec::new(),
            [path] => vec![self.failed(path, &failure)],
            paths => {
                let (left, right) = paths.split_at(paths.len() / 2);
                let mut values = self.batch(left);
                values.extend(self.batch(right));
                values
            }
        }
    }

    fn run(&self, paths: &[TreePath]) -> Result<Vec<Value>, String> {
        let mut expression = format!("let {TAG} in [\n");
        for path in paths {
            expression.push_str(&format!("(tag (import (/. + {})))\n", quoted(&format!("{}/{path}", self.root))));
        }
        expression.push(']');
        let mut command = Command::new(&self.options.program);
        command.args(["--eval", "--strict", "--json", "--readonly-mode"]);
        for include in &self.options.include {
            command.arg("-I").arg(include);
        }
        command.arg("-E").arg(expression);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("Nix can't be started: {error}"))?;
        let output = finish(child, self.options.timeout)?;
        serde_json::from_slice(&output).map_err(|error| format!("the output of Nix is no JSON: {error}"))
    }

    fn data(&self, value: Value) -> Data {
        let kind = match value {
            Value::Object(mut tagged) => {
                if let Some(Value::Object(attrs)) = tagged.remove("a") {
                    let attrs = attrs.into_iter().map(|(name, field)| (Arc::from(name), self.field(field)));
                    DataKind::Attrs(AttrsData { attrs: attrs.collect::<BTreeMap<_, _>>(), open: None })
                } else if let Some(Value::Array(items)) = tagged.remove("l") {
                    DataKind::List(items.into_iter().map(|item| self.data(item)).collect())
                } else if let Some(Value::String(path)) = tagged.remove("p") {
                    DataKind::Path(Arc::from(path))
                } else if let Some(plain) = tagged.remove("v") {
                    plain_kind(plain)
                } else {
                    DataKind::Function
                }
            }
            _ => DataKind::Null,
        };
        Data { kind, place: None }
    }

    fn field(&self, field: Value) -> Field {
        let Value::Object(mut field) = field else { return Field { key: None, value: self.data(Value::Null) } };
        let key = field.remove("k").and_then(|at| self.key_place(&at));
        Field { key, value: self.data(field.remove("v").unwrap_or(Value::Null)) }
    }

    /// Where an attribute's name is written, from Nix' file, line and column.
    fn key_place(&self, at: &Value) -> Option<Place> {
        let file = at.get(0)?.as_str()?;
        let line = u32::try_from(at.get(1)?.as_u64()?).ok()?;
        let column = u32::try_from(at.get(2)?.as_u64()?).ok()?;
        self.place(file, Position { line, column })
    }

    /// The word at a position of a file in the tree.
    fn place(&self, file: &str, position: Position) -> Option<Place> {
        let path = inside(&**self.world.tree(), file)?;
        let (text, lines) = &*self.text(&path)?;
        let start = lines.line_start(position.line)? as usize;
        let line = text.get(start..)?.lines().next().unwrap_or("");
        let skipped: usize = line.chars().take(position.column.saturating_sub(1) as usize).map(char::len_utf8).sum();
        let rest = line.get(skipped..)?;
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(rest.len(), |end| end + 2),
            None => {
                let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'');
                rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(1).min(rest.len())
            }
        };
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let begin = start + skipped;
        Some(Place::new(path.to_arc(), Span::new(offset(begin), offset(begin + length))))
    }

    /// The text of a file, read once.
    fn text(&self, path: &TreePath) -> Option<Text> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let text = texts.entry(path.clone()).or_insert_with(|| {
            let bytes = self.world.tree().read(path, TEXT_LIMIT).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let lines = LineIndex::new(&text);
            Some(Arc::new((text, lines)))
        });
        text.clone()
    }

    fn failed(&self, path: &TreePath, output: &str) -> Data {
        let text = output.find("error:").map_or(output, |at| output[at + "error:".len()..].trim_start());
        let message = text.lines().next().unwrap_or("").trim();
        let message = if message.is_empty() { "the evaluation failed" } else { message };
        let place = text.lines().find_map(|line| {
            let mut parts = line.trim().strip_prefix("at ")?.trim_end_matches(':').rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            let line = parts.next()?.parse().ok()?;
            self.place(parts.next()?, Position { line, column })
        });
        let kind = if message.starts_with("syntax error") { FailureKind::Syntax } else { FailureKind::Evaluation };
        let failure = Failure {
            message: message.to_owned(),
            kind,
            place: Some(place.unwrap_or_else(|| Place::file(path.to_arc()))),
            help: None,
            trace: Vec::new(),
        };
        Data { kind: DataKind::Failed(Arc::new(failure)), place: None }
    }
}

impl Evaluate for NixEvaluator<'_> {
    fn evaluate(&self, path: &TreePath) -> Data {
        let mut values = self.batch(std::slice::from_ref(path));
        values.pop().unwrap_or(Data { kind: DataKind::Null, place: None })
    }

    fn parse(&self, path: &TreePath) -> Result<Arc<Ast>, ParseFailure> {
        self.world.parse(path)
    }

    fn evaluate_all(&self, paths: &[TreePath], each: &(dyn Fn(usize, Data) + Sync)) {
        paths.par_chunks(BATCH).enumerate().for_each(|(chunk, paths)| {
            for (index, data) in self.batch(paths).into_iter().enumerate() {
                each(chunk * BATCH + index, data);
            }
        });
    }
}

fn plain_kind(value: Value) -> DataKind {
    match value {
        Value::Bool(value) => DataKind::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => DataKind::Int(value),
            None => DataKind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => DataKind::String(Arc::from(text)),
        _ => DataKind::Null,
    }
}

/// A Nix string literal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
}

/// The standard output of a process that succeeds in time; else what it said on standard error.
fn finish(mut child: Child, timeout: Duration) -> Result<Vec<u8>, String> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let output = scope.spawn(|| drain(stdout));
        let errors = scope.spawn(|| drain(stderr));
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if started.elapsed() >= timeout => {
                    break Err(format!("Nix took over {} s", timeout.as_secs()));
                }
                Ok(None) => std::thread::sleep(pause),
                Err(error) => break Err(format!("can't wait for Nix: {error}")),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        if status.is_err() {
            // It may just have ended by itself; there is nothing more to do then.
            let _ = child.kill();
            let _ = child.wait();
        }
        let output = output.join().unwrap_or_default();
        let errors = errors.join().unwrap_or_default();
        match status? {
            status if status.success() => Ok(output),
            _ => Err(String::from_utf8_lossy(&errors).into_owned()),
        }
    })
}

fn drain(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What came before an error is all there is; the exit status tells whether it is enough.
        let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
    }
    bytes
}
