//! `bench check`: `bulkhead check`, which does everything, against a Nix that only finds machines and roles.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bulkhead::cli::OK;
use serde_json::Value;

use super::fleet;
use super::measure::{Measured, Program, measure};
use super::table::{Align, Table};
use crate::repository;

/// Finds the machines of a fleet and their roles with builtins alone.
const MACHINES_NIX: &str = include_str!("machines.nix");

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Makes fleets, with valid keys and age headers that fit, in which `bulkhead check` finds nothing. Then it runs, in turn
and in the same run, `bulkhead check` and `nix-instantiate --eval --strict --json` on an expression that computes just
the machines and the roles of the same fleet. Times are those of whole processes.")]
pub struct CheckArgs {
    /// How many machines the fleets have; as many secrets
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "5,100,1000,10000")]
    sizes: Vec<usize>,
    /// How often each program is run
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Make the fleets in this folder, and keep them
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
}

/// What was measured of one fleet.
struct Row {
    machines: usize,
    files: u64,
    bulkhead: Measured,
    nix: Option<Measured>,
}

pub fn run(args: &CheckArgs) -> Result<u8> {
    let bulkhead = build()?;
    let nix = Program::version("nix-instantiate");
    if nix.is_none() {
        eprintln!("nix-instantiate is not installed (`cargo xtask test` installs it on Debian): measuring without it");
    }
    let temporary = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir().context("can't make a folder")?;
    let folder = args.keep.as_deref().unwrap_or(temporary.path());
    let expression = temporary.path().join("machines.nix");
    std::fs::write(&expression, MACHINES_NIX).context("can't write the Nix expression")?;

    let mut rows = Vec::new();
    for &machines in &args.sizes {
        ensure!((1..=1_000_000).contains(&machines), "--sizes: a fleet has 1 to 1000000 machines, not {machines}");
        eprintln!("{machines} machines: making the fleet …");
        let root = folder.join(format!("fleet-{machines}"));
        fleet::make(&root, machines)?;
        let files = finish(&bulkhead, &root)?;
        let check = Program::new(&bulkhead).args(["check", "--format", "json"]).arg(&root);
        let nix = nix.is_some().then(|| {
            let eval = Program::new(Path::new("nix-instantiate")).args(["--eval", "--strict", "--json"]);
            eval.arg(&expression).args(["--arg", "root"]).arg(&root)
        });
        if let Some(nix) = &nix {
            compare_roles(&bulkhead, nix, &root)?;
        }
        eprintln!("{machines} machines: {} runs of each …", args.runs);
        let programs: Vec<&Program> = std::iter::once(&check).chain(&nix).collect();
        let mut measured = measure(&programs, args.runs)?.into_iter();
        let bulkhead = measured.next().context("nothing was measured")?;
        rows.push(Row { machines, files, bulkhead, nix: measured.next() });
    }

    let table = table(&rows);
    println!("{}", if args.markdown { table.markdown() } else { table.aligned() });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let nix = nix.map_or("without Nix".to_owned(), |version| format!("against {version}"));
    println!(
        "\n{cores} cores, {} runs in turn of each, {nix}. Time is from the start of the process to its end;",
        args.runs
    );
    println!("ratio: how much longer Nix takes; growth: of the time, from the row above; memory: the most at once.");
    Ok(OK)
}

/// Build the program that is measured, and give its path.
pub fn build() -> Result<PathBuf> {
    eprintln!("building bulkhead in release mode …");
    let output = Program::new(&repository::cargo())
        .args(["build", "--release", "-p", "bulkhead", "--message-format", "json-render-diagnostics"])
        .folder(repository::root())
        .output_showing_errors()?;
    // Where it is built is cargo's business (target folders, profiles), so cargo is asked.
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable = messages
        .filter(|message| message["reason"] == "compiler-artifact" && message["target"]["name"] == "bulkhead")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.context("cargo built no program `bulkhead`")
}

/// Generate `secrets.nix`, and be sure that nothing is wrong with the fleet: what is measured is to be a whole check, not
/// one that ends early. Gives the number of files.
fn finish(bulkhead: &Path, root: &Path) -> Result<u64> {
    Program::new(bulkhead).args(["gen-secrets", "--root"]).arg(root).output()?;
    let output = Program::new(bulkhead).args(["check", "--format", "json"]).arg(root).output()?;
    let report: Value = serde_json::from_str(&output).context("`bulkhead check` printed no JSON")?;
    let findings = report["findings"].as_array().context("`bulkhead check` printed no list of findings")?;
    if let Some(first) = findings.first() {
        bail!("{} findings in a fleet that should have none, the first: {first:#}", findings.len());
    }
    report["summary"]["files"].as_u64().context("`bulkhead check` counted no files")
}

/// Both programs must have understood the fleet in the same way.
fn compare_roles(bulkhead: &Path, nix: &Program, root: &Path) -> Result<()> {
    let ours: Value =
        serde_json::from_str(&Program::new(bulkhead).args(["roles", "--json", "--root"]).arg(root).output()?)?;
    let theirs: Value = serde_json::from_str(&nix.output()?).context("nix-instantiate printed no JSON")?;
    ensure!(ours["roles"] == theirs["roles"], "Nix and Bulkhead disagree about the roles of {}", root.display());
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("machines", Align::Right),
        ("files", Align::Right),
        ("bulkhead check", Align::Right),
        ("fastest", Align::Right),
        ("per machine", Align::Right),
        ("growth", Align::Left),
        ("memory", Align::Right),
        ("Nix", Align::Right),
        ("fastest", Align::Right),
        ("memory", Align::Right),
        ("ratio", Align::Right),
    ]);
    let mut before: Option<&Row> = None;
    for row in rows {
        let time = row.bulkhead.median();
        let growth = before.map_or(String::new(), |before| {
            let machines = format!("{:.1}", row.machines as f64 / before.machines as f64);
            let machines = machines.trim_end_matches(".0");
            format!("×{:.1} for ×{machines}", time.as_secs_f64() / before.bulkhead.median().as_secs_f64())
        });
        let nix = |text: fn(&Measured) -> String| row.nix.as_ref().map_or("–".to_owned(), text);
        let ratio = |nix: &Measured| format!("{:.1}", nix.median().as_secs_f64() / time.as_secs_f64());
        table.row(vec![
            row.machines.to_string(),
            row.files.to_string(),
            duration(time),
            duration(row.bulkhead.fastest()),
            duration(time / u32::try_from(row.machines).unwrap_or(u32::MAX)),
            growth,
            row.bulkhead.memory(),
            nix(|nix| duration(nix.median())),
            nix(|nix| duration(nix.fastest())),
            nix(Measured::memory),
            row.nix.as_ref().map_or("–".to_owned(), ratio),
        ]);
        before = Some(row);
    }
    table
}

/// Three digits, with a unit.
pub fn duration(time: Duration) -> String {
    let (value, unit) = match time.as_secs_f64() {
        seconds if seconds >= 1.0 => (seconds, "s"),
        seconds if seconds >= 1e-3 => (seconds * 1e3, "ms"),
        seconds => (seconds * 1e6, "µs"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let shown = [1_234_567, 123_456, 12_345, 1_234, 56].map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(shown, ["1.23 s", "123 ms", "12.3 ms", "1.23 ms", "56.0 µs"]);
    }
}
