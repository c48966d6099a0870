//! Running programs, and measuring them from outside.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a process is asked how much memory it has used, where GNU time is not installed.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// A program with its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    program: PathBuf,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
}

impl Program {
    /// A program without arguments yet.
    pub fn new(program: &Path) -> Program {
        Program { program: program.to_owned(), arguments: Vec::new(), folder: None }
    }

    /// Add an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Program {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Add several.
    #[must_use]
    pub fn args<const N: usize>(mut self, arguments: [&str; N]) -> Program {
        self.arguments.extend(arguments.map(OsString::from));
        self
    }

    /// Run in this folder.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Program {
        self.folder = Some(folder.to_owned());
        self
    }

    /// What the program says about its version; none if it is not installed.
    pub fn version(program: &str) -> Option<String> {
        let output = Program::new(Path::new(program)).args(["--version"]).output().ok()?;
        output.lines().next().map(str::to_owned)
    }

    /// Run it, and give what it prints. Its failure is an error with its own words.
    pub fn output(&self) -> Result<String> {
        self.text_of(self.command().stderr(Stdio::piped()).output().with_context(|| self.cannot_run())?)
    }

    /// The same, but what it says on standard error is shown at once.
    pub fn output_showing_errors(&self) -> Result<String> {
        self.text_of(self.command().stderr(Stdio::inherit()).output().with_context(|| self.cannot_run())?)
    }

    fn text_of(&self, output: Output) -> Result<String> {
        if !output.status.success() {
            let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            bail!("{} failed ({})\n{}{}", self.program.display(), output.status, out.trim_end(), errors.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    fn cannot_run(&self) -> String {
        format!("can't run {}", self.program.display())
    }

    /// From its start to its end.
    fn time(&self) -> Result<Duration> {
        let start = Instant::now();
        let status = self.command().stdout(Stdio::null()).status().with_context(|| self.cannot_run())?;
        let elapsed = start.elapsed();
        if !status.success() {
            bail!("{} failed ({status})", self.program.display());
        }
        Ok(elapsed)
    }

    /// How many instructions it executes, as valgrind counts them.
    pub fn instructions(&self) -> Result<u64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&self.program).args(&self.arguments);
        let output = command.stdin(Stdio::null()).output().context("can't run valgrind")?;
        let told = String::from_utf8_lossy(&output.stderr);
        let count = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
        count.with_context(|| format!("valgrind counted nothing:\n{}", told.trim_end()))
    }

    /// The most memory that it has used at one time, in KiB: from GNU time, which asks the system at the end; else from
    /// asking again and again, which may miss the last moments.
    fn peak_memory(&self) -> Result<Option<u64>> {
        let timed = Command::new("/usr/bin/time")
            .args(["-f", "%M"])
            .arg(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        if let Ok(Output { status, stderr, .. }) = timed {
            let text = String::from_utf8_lossy(&stderr);
            let kib = text.lines().last().and_then(|line| line.trim().parse().ok());
            if let (true, Some(kib)) = (status.success(), kib) {
                return Ok(Some(kib));
            }
        }
        let mut child = self.command().stdout(Stdio::null()).spawn().with_context(|| self.cannot_run())?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut most = None;
        while child.try_wait()?.is_none() {
            // A process that is just ending has no such line any more.
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            most = most.max(peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok()));
            std::thread::sleep(ASK_EVERY);
        }
        Ok(most)
    }
}

/// Times of one program, and its memory.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Sorted; at least one.
    times: Vec<Duration>,
    memory: Option<u64>,
}

impl Measured {
    /// The time in the middle.
    pub fn median(&self) -> Duration {
        let middle = self.times.len() / 2;
        match (self.times.len() % 2, self.times.get(middle.wrapping_sub(1)), self.times.get(middle)) {
            (0, Some(below), Some(above)) => (*below + *above) / 2,
            (_, _, Some(time)) => *time,
            _ => Duration::ZERO,
        }
    }

    /// The shortest time.
    pub fn fastest(&self) -> Duration {
        self.times.first().copied().unwrap_or_default()
    }

    /// The most memory at one time, for people.
    pub fn memory(&self) -> String {
        self.memory.map_or("?".to_owned(), |kib| format!("{:.1} MB", kib as f64 * 1024.0 / 1e6))
    }
}

/// Run each program once for warm caches and its memory, then all of them in turn, `runs` times: what else happens on
/// the machine happens to all.
pub fn measure(programs: &[&Program], runs: u32) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for program in programs {
        measured.push(Measured { times: Vec::new(), memory: program.peak_memory()? });
    }
    for _ in 0..runs {
        for (program, measured) in programs.iter().zip(&mut measured) {
            measured.times.push(program.time()?);
        }
    }
    for measured in &mut measured {
        measured.times.sort();
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let measured = |times: &[u64]| Measured {
            times: times.iter().map(|millis| Duration::from_millis(*millis)).collect(),
            memory: None,
        };
        assert_eq!(measured(&[1, 2, 9]).median(), Duration::from_millis(2));
        assert_eq!(measured(&[1, 2, 4, 9]).median(), Duration::from_millis(3));
        assert_eq!(measured(&[7]).median(), Duration::from_millis(7));
    }
}
