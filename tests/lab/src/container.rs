//! A real container of systemd-nspawn on a bridge, in a user namespace of its own, in which root attacks.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{Background, Namespace, Need};

/// A running container.
#[derive(Debug)]
pub struct Container {
    process: Background,
    root: PathBuf,
}

/// What the scripts of containers begin with: `attack` says that all is ready, waits, sends the frames, and waits again; `try
/// NAME COMMAND…` notes what works.
const PRELUDE: &str = "
export PATH=/bin
attack() {
  cat /proc/self/uid_map > /results/uid_map
  touch /results/ready
  until [ -e /go ]; do sleep 0.02; done
  /bin/bulkhead-lab-send host0 < /frames > /results/captured
  touch /results/sent
  until [ -e /go-on ]; do sleep 0.02; done
}
try() {
  name=$1
  shift
  if timeout 4 \"$@\" < /dev/null > /dev/null 2>&1; then echo \"$name\" >> /results/worked; fi
}
";

/// Make a root file system with busybox, the program that sends frames with the libraries that it needs, and a script for
/// the shell, in which `attack` and `try NAME COMMAND…` are there.
///
/// # Errors
/// A program is not there, or a file can't be written.
pub fn prepare(root: &Path, script: &str, sender: &Path) -> Result<()> {
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp", "run", "var", "root", "usr", "results"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::write(root.join("etc/os-release"), "ID=lab\n")?;
    std::fs::write(root.join("script"), format!("{PRELUDE}{script}"))?;
    std::fs::copy(busybox()?, root.join("bin/busybox"))?;
    for applet in ["sh", "ip", "cat", "touch", "sleep", "timeout", "ping", "nc"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    std::fs::copy(sender, root.join("bin/bulkhead-lab-send"))?;
    // That of a distribution's package `busybox` needs libraries, too.
    for program in [busybox()?.as_path(), sender] {
        let listing = Command::new("ldd").arg(program).stdin(Stdio::null()).output().context("can't run ldd")?;
        for word in String::from_utf8_lossy(&listing.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
            let copy = root.join(word.trim_start_matches('/'));
            std::fs::create_dir_all(copy.parent().unwrap_or(root))?;
            std::fs::copy(word, copy)?;
        }
    }
    Ok(())
}

impl Container {
    /// What it takes.
    pub const NEEDS: [Need; 4] =
        [Need::Program("systemd-nspawn"), Need::Program("busybox"), Need::Program("unshare"), Need::Program("ldd")];

    /// Start one whose script `prepare` has written, and wait until it is ready to attack. Its port is `vb-NAME`.
    ///
    /// # Errors
    /// It does not get that far.
    pub fn start(host: &Namespace, root: &Path, name: &str, bridge: &str) -> Result<Self> {
        // What nspawn leaves in /run goes with the mount namespace.
        let mut command = Command::new("unshare");
        let mount = "mount -t tmpfs tmpfs /run && exec systemd-nspawn \"$@\"";
        command.args(["--mount", "sh", "-c", mount, "sh", "-q", "-M", name]);
        command.args(["--register=no", "--keep-unit", "--as-pid2", "--resolv-conf=off", "--timezone=off"]);
        command.args(["--link-journal=no", "--private-users=1048576:65536", "--private-users-ownership=chown"]);
        command.arg(format!("--network-bridge={bridge}")).arg("-D").arg(root).args(["/bin/sh", "/script"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut container = Self { process: Background::start(host, &mut command)?, root: root.to_owned() };
        container.wait_until("ready")?;
        Ok(container)
    }

    fn wait_until(&mut self, what: &str) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.root.join("results").join(what).exists() {
            ensure!(self.process.child().try_wait()?.is_none(), "the container has ended early");
            ensure!(Instant::now() < end, "the container is never {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Have it send frames.
    ///
    /// # Errors
    /// It does not get that far.
    pub fn attack<'a>(&mut self, frames: impl Iterator<Item = &'a Vec<u8>>) -> Result<()> {
        let mut lines = String::new();
        for frame in frames {
            for byte in frame {
                write!(lines, "{byte:02x}")?;
            }
            lines.push('\n');
        }
        std::fs::write(self.root.join("frames"), lines)?;
        std::fs::write(self.root.join("go"), "")?;
        self.wait_until("sent")
    }

    /// Have it do the rest of its script, and wait for its end.
    ///
    /// # Errors
    /// The script fails, or does not end.
    pub fn finish(&mut self) -> Result<()> {
        std::fs::write(self.root.join("go-on"), "")?;
        let status = self.process.wait_for(Duration::from_secs(120))?;
        ensure!(status.is_some_and(|status| status.success()), "the container fails");
        Ok(())
    }

    /// The frames that it has captured.
    ///
    /// # Errors
    /// It has not got that far.
    pub fn captured(&self) -> Result<Vec<Vec<u8>>> {
        let text = std::fs::read_to_string(self.root.join("results/captured"))?;
        let bytes = |line: &str| -> Result<Vec<u8>> {
            let pairs = (0..line.len()).step_by(2);
            pairs.map(|at| Ok(u8::from_str_radix(line.get(at..at + 2).context("half a byte")?, 16)?)).collect()
        };
        text.lines().map(bytes).collect()
    }

    /// The names of what has worked.
    pub fn worked(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.root.join("results/worked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether root inside is root outside.
    ///
    /// # Errors
    /// It has not got that far.
    pub fn is_root_outside(&self) -> Result<bool> {
        let map = std::fs::read_to_string(self.root.join("results/uid_map"))?;
        Ok(map.split_whitespace().nth(1) == Some("0"))
    }
}

fn busybox() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("busybox"));
    found.find(|file| file.is_file()).context("busybox is not in PATH")
}
