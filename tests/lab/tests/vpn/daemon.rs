//! The daemon, as systemd would run it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bulkhead_lab::{Background, Clock};
use serde_json::Value;

use crate::world::World;

pub struct Daemon {
    process: Background,
    config: PathBuf,
    notified: UnixDatagram,
    started: Instant,
    log: PathBuf,
}

impl Daemon {
    pub fn start(world: &World) -> Result<Self> {
        Self::start_with(world, &world.configuration()?)
    }

    pub fn start_with(world: &World, settings: &Value) -> Result<Self> {
        Self::start_program(world, settings, Command::new(bulkhead_vpn()?))
    }

    /// One that goes by the clock of the world.
    pub fn start_by_the_clock(world: &World) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead-lab-vpn"));
        command.env(Clock::VARIABLE, world.clock.file());
        Self::start_program(world, &world.configuration()?, command)
    }

    fn start_program(world: &World, settings: &Value, mut command: Command) -> Result<Self> {
        let folder = world.folder.path();
        let (config, socket, log) = (folder.join("vpn.json"), folder.join("notify.sock"), folder.join("vpn.log"));
        fs::write(&config, settings.to_string())?;
        let _ = fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket)?;
        let out = fs::File::options().create(true).append(true).open(&log)?;
        command.arg("run").arg("--config").arg(&config);
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "60000000");
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let started = Instant::now();
        let process = Background::start(world.vpn(), &mut command)?;
        Ok(Self { process, config, notified, started, log })
    }

    /// Wait for readiness; how long it took since the start.
    pub fn ready(&self) -> Result<Duration> {
        self.notified.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut message = [0; 4096];
        loop {
            let length = match self.notified.recv(&mut message) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                received => received.with_context(|| format!("not ready:\n{}", self.log()))?,
            };
            if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
                return Ok(self.started.elapsed());
            }
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(bulkhead_vpn()?);
        command.arg(arguments[0]).arg("--config").arg(&self.config).args(&arguments[1..]).stdin(Stdio::null());
        Ok(command.output()?)
    }

    /// What the daemon says of itself, or null while it can't.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.command(&["status", "--json"])?.stdout).unwrap_or_default())
    }

    /// Have it renew its connection, and wait until it has. A busy machine may miss the time for a handshake; the daemon
    /// would wait for a minute before it tries again, unless it is asked to.
    pub fn renew(&self) -> Result<()> {
        let before = self.status()?["renewals"].as_u64().context("no status")?;
        for _ in 0..4 {
            let output = self.command(&["renew"])?;
            ensure!(output.status.success(), "it is not renewed: {}", String::from_utf8_lossy(&output.stderr));
            let end = Instant::now() + Duration::from_secs(15);
            while Instant::now() < end {
                if self.status()?["renewals"].as_u64() > Some(before) {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        bail!("it is not renewed:\n{}", self.log())
    }

    pub fn pid(&mut self) -> u32 {
        self.process.child().id()
    }

    /// A field of `/proc/PID/status`, in kilobytes.
    pub fn memory(&mut self, field: &str) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = text.lines().find(|line| line.starts_with(field)).context("no such field")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
    }

    pub fn kill(mut self) -> Result<()> {
        self.process.child().kill()?;
        self.process.child().wait()?;
        Ok(())
    }

    /// Have it end as systemd does.
    pub fn terminate(mut self) -> Result<()> {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(status.success(), "can't end {pid}");
        ensure!(self.process.wait_for(Duration::from_secs(30))?.is_some(), "it does not end:\n{}", self.log());
        Ok(())
    }
}

/// The program, built if it is not there or older than what it is made of.
pub fn bulkhead_vpn() -> Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("no folder of programs")?;
    let program = folder.join("bulkhead-vpn");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/bulkhead-vpn");
    let made = program.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if newest(&root.join("src"))?.max(root.join("Cargo.toml").metadata()?.modified()?) <= made {
        return Ok(program);
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "-q", "-p", "bulkhead-vpn", "--target-dir"])
        .arg(folder.parent().context("no target folder")?);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    ensure!(command.current_dir(&root).stdin(Stdio::null()).status()?.success(), "can't build bulkhead-vpn");
    if !program.exists() {
        bail!("there is no {}", program.display());
    }
    Ok(program)
}

fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() { self::newest(&path)? } else { path.metadata()?.modified()? };
        newest = newest.max(found);
    }
    Ok(newest)
}
