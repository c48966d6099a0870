//! The tests of nixpkgs' `lib`: `misc.nix`, and `modules.sh` for the module system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::tally::{Outcome, Tally};
use crate::bench;

/// Takes the place of `nix-instantiate` in the scripts of the suite: the options that only Nix has are dropped.
const STAND_IN: &str = r#"#!/usr/bin/env bash
arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --timeout) shift ;;
        --option)
            if [ "$2" = abort-on-warn ]; then arguments+=(--abort-on-warn); fi
            shift 2
            ;;
        --eval-only | --eval | --show-trace | --read-write-mode) ;;
        *) arguments+=("$1") ;;
    esac
    shift
done
exec "$BULKHEAD" eval --root / "${arguments[@]}"
"#;

/// Run the tests in `folder`, the `lib` of a nixpkgs.
pub fn run(folder: &Path) -> Result<Vec<Tally>> {
    let tests = folder.join("tests");
    let tests = tests.canonicalize().with_context(|| format!("can't find {}", tests.display()))?;
    if !tests.join("misc.nix").exists() || !tests.join("modules.sh").exists() {
        bail!("{} has no misc.nix and modules.sh: name the folder lib of nixpkgs", tests.display());
    }
    let program = bench::build()?;
    Ok(vec![misc(&tests, &program)?, modules(&tests, &program)?])
}

/// `misc.nix` gives the list of its failures.
fn misc(tests: &Path, program: &Path) -> Result<Tally> {
    let mut command = Command::new(program);
    command.args(["eval", "--root", "/", "--strict"]).arg(tests.join("misc.nix"));
    let output = command.output().with_context(|| format!("can't run {}", program.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let outcome = match printed.trim_end() {
        "[ ]" => Outcome::Passed,
        "" => Outcome::Failed(String::from_utf8_lossy(&output.stderr).into_owned()),
        failures => Outcome::Failed(failures.to_owned()),
    };
    let mut tally = Tally::new("lib/tests/misc.nix");
    tally.add("misc.nix", outcome);
    Ok(tally)
}

/// `modules.sh` runs `nix-instantiate` for each case, and says at which of its lines a case failed.
fn modules(tests: &Path, program: &Path) -> Result<Tally> {
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    let stand_in = folder.path().join("nix-instantiate");
    fs::write(&stand_in, STAND_IN)?;
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    eprintln!("running modules.sh …");
    let output = Command::new("bash")
        .arg(tests.join("modules.sh"))
        .env("PATH", path)
        .env("BULKHEAD", program)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("can't run bash")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let number = |word: &str| {
        let line = printed.lines().rev().find_map(|line| line.strip_suffix(word))?;
        line.trim().parse::<usize>().ok()
    };
    let (Some(passed), Some(failed)) = (number("Pass"), number("Fail")) else {
        bail!("modules.sh stopped early:\n{printed}");
    };
    let mut tally = Tally::new("lib/tests/modules.sh");
    (0..passed).for_each(|_| tally.add("", Outcome::Passed));
    let mut named = 0;
    for block in printed.split("TEST FAILED").collect::<Vec<_>>().windows(2) {
        let place = block[1].lines().next().unwrap_or("").rsplit('/').next().unwrap_or("").to_owned();
        let from = block[0].rfind("ACTUAL").unwrap_or(0);
        let told: String = block[0][from..].chars().take(1500).collect();
        tally.add(place, Outcome::Failed(told));
        named += 1;
    }
    (named..failed).for_each(|_| tally.add("(no place given)", Outcome::Failed(String::new())));
    Ok(tally)
}
