//! `tests/functional/lang` of NixOS/nix: what must parse, what must not, what evaluates to what, and what must fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bulkhead::eval::data::FailureKind;
use bulkhead::eval::{Argument, Input, Limits, Mount, Output, Request, World};
use bulkhead::source::WorkTree;

use super::tally::{Outcome, Tally};

/// Begins options that make newer versions of Nix refuse or warn of code that it accepts.
const LINT: &str = "--lint-";

/// Options of tests that change what Nix accepts or knows, and what we have instead.
const OPTIONS: [(&str, &str); 4] = [
    (LINT, "an option of newer versions of Nix refuses code that Nix accepts"),
    ("--extra-experimental-features", "an experimental feature"),
    ("--impure", "an impure evaluation"),
    ("--max-call-depth", "a limit given by an option"),
];

/// Tests that can't be compared for another reason than an unknown value.
const EXCLUDED: [(&str, &str); 1] =
    [("eval-okay-redefine-builtin", "the search path is never complete in an analysis, so a missing name is unknown")];

/// Run the suite in `folder`.
pub fn run(folder: &Path) -> Result<Vec<Tally>> {
    let folder = folder.canonicalize().with_context(|| format!("can't find {}", folder.display()))?;
    let mut names: Vec<String> = fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".nix").map(str::to_owned))
        .collect();
    names.sort();
    if !names.iter().any(|name| name.starts_with("eval-okay-")) {
        bail!("{} has no eval-okay-*.nix: name the folder tests/functional/lang of NixOS/nix", folder.display());
    }
    let suite = Suite { folder };
    let mut tallies = Vec::new();
    type Test = fn(&Suite, &str) -> Result<Outcome>;
    let kinds: [(&str, Test); 4] = [
        ("parse-okay", |suite, name| suite.parses(name, true)),
        ("parse-fail", |suite, name| suite.parses(name, false)),
        ("eval-okay", Suite::evaluates),
        ("eval-fail", Suite::fails),
    ];
    for (kind, test) in kinds {
        let mut tally = Tally::new(kind);
        for name in names.iter().filter(|name| name.starts_with(kind)) {
            let fixed = EXCLUDED.iter().find(|(excluded, _)| excluded == name).map(|(_, why)| (*why).to_owned());
            let outcome = match fixed.or(suite.changes(name)) {
                Some(why) => Outcome::Excluded(why),
                None => test(&suite, name)?,
            };
            tally.add(name, outcome);
        }
        tallies.push(tally);
    }
    Ok(tallies)
}

struct Suite {
    folder: PathBuf,
}

impl Suite {
    fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{name}.{extension}"))
    }

    fn flags(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name, "flags")).unwrap_or_default();
        let words = text.lines().flat_map(|line| line.split('#').next().unwrap_or("").split_whitespace());
        words.map(str::to_owned).collect()
    }

    /// Why a test's options make it another language, if they do.
    fn changes(&self, name: &str) -> Option<String> {
        let flags = self.flags(name);
        // What evaluates although a lint is on evaluates without it too.
        let matters = |option: &str| option != LINT || name.starts_with("eval-fail");
        let mut options = OPTIONS.iter().filter(|(option, _)| matters(option));
        let written = |option: &str| flags.iter().any(|flag| flag.starts_with(option));
        options.find(|(option, _)| written(option)).map(|(_, why)| (*why).to_owned())
    }

    fn parses(&self, name: &str, expected: bool) -> Result<Outcome> {
        let bytes = fs::read(self.path(name, "nix"))?;
        let error = match String::from_utf8(bytes) {
            Err(_) => Some("not UTF-8".to_owned()),
            Ok(text) => match bulkhead::syntax::parse(&text) {
                Err(errors) => errors.into_iter().next().map(|error| error.message),
                // Nix's parser refuses unknown variables too; here the evaluator does, before it begins.
                Ok(_) => {
                    let folder = self.folder.display().to_string();
                    let input = Input::Text { text: format!("_:\n{text}"), name: name.to_owned(), folder };
                    self.request(name, input, Output::Nix { strict: true })?.err().map(|failure| failure.message)
                }
            },
        };
        Ok(match (expected, error) {
            (true, Some(error)) => Outcome::Failed(error),
            (false, None) => Outcome::Failed("accepted".to_owned()),
            _ => Outcome::Passed,
        })
    }

    fn evaluates(&self, name: &str) -> Result<Outcome> {
        let expected = match (fs::read(self.path(name, "exp")), self.path(name, "exp.xml").exists()) {
            (Ok(expected), _) => expected,
            // Nix prints XML there; `toXML` is the same printer.
            (_, true) => return self.evaluates_to_xml(name),
            _ => return Ok(Outcome::Excluded("the suite itself has switched it off".to_owned())),
        };
        let file = self.path(name, "nix").display().to_string();
        Ok(match self.request(name, Input::File(file), Output::Nix { strict: true })? {
            Err(failure) => Outcome::Failed(failure.message),
            Ok(answer) => {
                let text = self.without_folder(&answer.text);
                compare(&text, String::from_utf8_lossy(&expected).trim_end())
            }
        })
    }

    fn evaluates_to_xml(&self, name: &str) -> Result<Outcome> {
        let expected = fs::read_to_string(self.path(name, "exp.xml"))?;
        let folder = self.folder.display().to_string();
        let text = format!("builtins.toXML (import ./{name}.nix)");
        let input = Input::Text { text, name: "«conformance»".to_owned(), folder };
        Ok(match self.request(name, input, Output::Raw)? {
            Err(failure) => Outcome::Failed(failure.message),
            Ok(answer) => compare(String::from_utf8_lossy(&answer.text).trim_end(), expected.trim_end()),
        })
    }

    fn fails(&self, name: &str) -> Result<Outcome> {
        let file = self.path(name, "nix").display().to_string();
        // Some of the tests overflow the stack on purpose; then Nix, too, stops at a limit.
        let overflows =
            fs::read_to_string(self.path(name, "err.exp")).is_ok_and(|text| text.contains("stack overflow"));
        Ok(match self.request(name, Input::File(file), Output::Nix { strict: true })? {
            Err(failure) if failure.kind == FailureKind::Limit && !overflows => {
                Outcome::Failed(format!("a limit was reached: {}", failure.message))
            }
            Err(failure) if failure.kind == FailureKind::Unknown => Outcome::Excluded(failure.message),
            Err(_) => Outcome::Passed,
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.text);
                match unknown_reason(&text) {
                    Some(why) => Outcome::Excluded(why),
                    None => Outcome::Failed(format!("evaluated to {text}")),
                }
            }
        })
    }

    /// Messages with the folder as the suite writes it.
    fn without_folder(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text).replace(&self.folder.display().to_string(), "/pwd/lang");
        let beside = self.folder.parent().filter(|beside| beside.parent().is_some());
        beside.map_or_else(|| text.clone(), |beside| text.replace(&beside.display().to_string(), "/pwd"))
    }

    fn request(
        &self,
        name: &str,
        input: Input,
        output: Output,
    ) -> Result<Result<bulkhead::eval::Answer, bulkhead::eval::data::Failure>> {
        let mut world = World::new(Arc::new(WorkTree::open(Path::new("/"))?), Limits::default());
        let mut request = Request { input, attr_path: String::new(), arguments: Vec::new(), output };
        let mut flags = self.flags(name).into_iter();
        while let Some(flag) = flags.next() {
            let mut value = || flags.next().unwrap_or_default();
            match flag.as_str() {
                "--arg" => {
                    let argument = value();
                    let text = value().replace("(lang/", &format!("({}/", self.folder.display()));
                    request.arguments.push((argument, Argument::Expression(text)));
                }
                "--argstr" => request.arguments.push((value(), Argument::String(value()))),
                "-A" => request.attr_path = value(),
                "-I" => self.search(&mut world, &value())?,
                _ => {}
            }
        }
        for folder in ["lang/dir3", "lang/dir4"] {
            self.search(&mut world, folder)?;
        }
        Ok(world.request(&request))
    }

    /// Add `name=folder` or `folder` to the search path, if it is there. The suite calls its own folder `lang`, whatever
    /// it is called here.
    fn search(&self, world: &mut World, entry: &str) -> Result<()> {
        let (name, folder) = entry.split_once('=').unwrap_or(("", entry));
        let at = match folder.strip_prefix("lang/") {
            Some(inside) => self.folder.join(inside),
            None => self.folder.parent().unwrap_or(&self.folder).join(folder),
        };
        if at.is_dir() {
            let tree = WorkTree::open(&at).with_context(|| format!("can't open {}", at.display()))?;
            let at: Arc<str> = Arc::from(at.display().to_string());
            world.add_search_path(name, &at);
            world.mount(Mount { name: at.clone(), at, tree: Arc::new(tree) });
        }
        Ok(())
    }
}

fn compare(found: &str, expected: &str) -> Outcome {
    match unknown_reason(found) {
        _ if found == expected => Outcome::Passed,
        Some(why) => Outcome::Excluded(why),
        None => Outcome::Failed(format!("expected {expected}\nfound    {found}")),
    }
}

/// Why a printed value, or the first unknown part of it, is not known.
fn unknown_reason(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("«unknown: ")?;
    let reason = rest.split('»').next().unwrap_or(rest);
    // Paths and names differ from test to test, the reason does not.
    Some(reason.split('`').step_by(2).collect::<Vec<_>>().join("…"))
}
