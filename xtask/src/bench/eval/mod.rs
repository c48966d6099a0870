//! `bench eval`: the embedded evaluator against `nix-instantiate` on the same files.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bulkhead::cli::OK;

use super::check::{build, duration};
use super::measure::{Measured, Program, measure};
use super::table::{Align, Table};

const MODULES_NIX: &str = include_str!("modules.nix");
const LISTS_NIX: &str = include_str!("lists.nix");
const STRINGS_NIX: &str = include_str!("strings.nix");

/// How many attributes the file of attributes has.
const ATTRIBUTES: usize = 100_000;

/// What older versions of Nix lack of what nixpkgs' `lib` uses, and what does as well for its tests.
const STAND_INS: &[(&str, &str)] = &[(
    "builtins.readFileType",
    "(builtins.readFileType or (path: if builtins.pathExists (path + \"/.\") then \"directory\" else \"regular\"))",
)];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Evaluates the same files with `bulkhead eval --strict` and `nix-instantiate --eval --strict`, in turn and in the same
run, after comparing what both print. Times are those of whole processes. A nixpkgs `lib` is copied, and what the
installed Nix is too old for is replaced in the copy, which both evaluate.

Examples:
  cargo xtask bench eval
  cargo xtask bench eval --nixpkgs-lib nixpkgs/lib --runs 20 --instructions")]
pub struct EvalArgs {
    /// The folder lib of nixpkgs, for its tests and for the module system
    #[arg(long, value_name = "DIR")]
    nixpkgs_lib: Option<PathBuf>,
    /// How often each program is run
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Count instructions too, with valgrind: exact where times are noisy, and slow
    #[arg(long)]
    instructions: bool,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// One file to evaluate.
struct Case {
    name: &'static str,
    file: PathBuf,
}

pub fn run(args: &EvalArgs) -> Result<u8> {
    let bulkhead = build()?;
    let nix = Program::version("nix-instantiate");
    if nix.is_none() {
        eprintln!("nix-instantiate is not installed (`cargo xtask test` installs it on Debian): measuring without it");
    }
    let folder = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir().context("can't make a folder")?;
    let folder = folder.path().canonicalize()?;
    let mut table = Table::new(&[
        ("", Align::Left),
        ("bulkhead eval", Align::Right),
        ("memory", Align::Right),
        ("instructions", Align::Right),
        ("Nix", Align::Right),
        ("memory", Align::Right),
        ("instructions", Align::Right),
        ("time", Align::Right),
    ]);
    for case in cases(&folder, args.nixpkgs_lib.as_deref())? {
        let ours = Program::new(&bulkhead).args(["eval", "--strict", "--root", "/"]).arg(&case.file);
        let theirs = Program::new(Path::new("nix-instantiate")).args(["--eval", "--strict"]).arg(&case.file);
        let theirs = nix.is_some().then_some(theirs);
        if let Some(theirs) = &theirs {
            eprintln!("{}: comparing values …", case.name);
            ensure!(ours.output()? == theirs.output()?, "Nix and Bulkhead disagree about {}", case.file.display());
        }
        eprintln!("{}: {} runs …", case.name, args.runs);
        let programs: Vec<&Program> = std::iter::once(&ours).chain(&theirs).collect();
        let measured = measure(&programs, args.runs)?;
        let mut row = vec![case.name.to_owned()];
        for (program, measured) in programs.iter().zip(&measured) {
            let instructions = if args.instructions { Some(program.instructions()?) } else { None };
            row.extend([duration(measured.median()), measured.memory(), millions(instructions)]);
        }
        if measured.len() == 1 {
            row.extend(["–", "–", "–"].map(str::to_owned));
        }
        row.push(ratio(&measured));
        table.row(row);
    }
    println!("{}", if args.markdown { table.markdown() } else { table.aligned() });
    let nix = nix.map_or("without Nix".to_owned(), |version| format!("against {version}"));
    println!(
        "\n{} runs in turn of each, {nix}. Times are medians, from the start of the process to its end;",
        args.runs
    );
    println!("time: ours as a part of Nix's; memory: the most at once.");
    Ok(OK)
}

fn ratio(measured: &[Measured]) -> String {
    match measured {
        [ours, nix] => format!("{:.2}", ours.median().as_secs_f64() / nix.median().as_secs_f64()),
        _ => "–".to_owned(),
    }
}

fn millions(instructions: Option<u64>) -> String {
    instructions.map_or("–".to_owned(), |count| format!("{} M", count / 1_000_000))
}

/// Write the files into `folder`.
fn cases(folder: &Path, lib: Option<&Path>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut add = |name, file: &str, text: &str| -> Result<()> {
        let file = folder.join(file);
        fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
        cases.push(Case { name, file });
        Ok(())
    };
    match lib {
        Some(lib) => {
            ensure!(lib.join("tests/misc.nix").exists(), "{} has no tests/misc.nix: name nixpkgs' lib", lib.display());
            copy(lib, &folder.join("lib"))?;
            add("lib/tests/misc.nix", "misc.nix", "import ./lib/tests/misc.nix\n")?;
            fs::write(folder.join("system.nix"), MODULES_NIX)?;
            add("1,000 submodules", "modules.nix", "import ./system.nix { lib = import ./lib; }\n")?;
        }
        None => eprintln!("without --nixpkgs-lib DIR its tests and the module system are left out"),
    }
    add("100,000 attributes", "attributes.nix", &attributes()?)?;
    add("lists of 1,000,000", "lists.nix", LISTS_NIX)?;
    add("10 MB of text", "strings.nix", STRINGS_NIX)?;
    Ok(cases)
}

fn attributes() -> Result<String> {
    let mut text = String::from("{\n");
    for index in 0..ATTRIBUTES {
        match index % 10 {
            0 => writeln!(text, "  attribute-{index} = {{ id = {index}; name = \"n{index}\"; }};")?,
            _ => writeln!(text, "  attribute-{index} = \"{index}\";")?,
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// Copy a folder of Nix code, with [`STAND_INS`].
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("can't read {}", from.display()))? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            self::copy(&path, &copy)?;
        } else if path.extension().is_some_and(|extension| extension == "nix") {
            let mut text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
            for (name, stand_in) in STAND_INS {
                text = text.replace(name, stand_in);
            }
            fs::write(&copy, text)?;
        } else if entry.file_type()?.is_file() {
            fs::write(&copy, fs::read(&path)?)?;
        }
    }
    Ok(())
}
