//! Network namespaces without a name.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: Arc<str>,
    file: Arc<File>,
}

impl Namespace {
    /// Make a namespace with nothing in it but `lo`, which is up. The name is for messages alone.
    ///
    /// # Errors
    /// The process may not make one (that takes CAP_SYS_ADMIN).
    pub fn new(name: &str) -> Result<Self> {
        let file = std::thread::scope(|scope| {
            let made = scope.spawn(|| -> Result<File> {
                unshare(CloneFlags::CLONE_NEWNET).context("can't make a network namespace")?;
                File::open("/proc/thread-self/ns/net").context("can't open a network namespace")
            });
            made.join().map_err(|_| anyhow!("making a namespace panicked"))?
        })?;
        let namespace = Self { name: name.into(), file: Arc::new(file) };
        namespace.ip(&["link set lo up"])?;
        Ok(namespace)
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Call a function on a thread in the namespace. Processes that it starts are in the namespace, sockets that it makes
    /// stay there, and what it reads below `/proc/sys/net` is the namespace's.
    ///
    /// # Errors
    /// The namespace can't be entered, or the function gives an error or panics.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("can't enter the namespace {}", self.name))?;
                f()
            });
            inside.join().map_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                anyhow!("panic in {}: {}", self.name, text.or(panic.downcast_ref().copied()).unwrap_or("unknown"))
            })?
        })
    }

    /// Run a program to its end and give what it wrote to standard output.
    ///
    /// # Errors
    /// It can't be run, or ends with a failure.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.feed(program, arguments, "")
    }

    /// As [`Namespace::run`], with a text on standard input.
    ///
    /// # Errors
    /// It can't be run, or ends with a failure.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let Output { status, stdout, stderr } = self.output(program, arguments, input)?;
        let told = String::from_utf8_lossy(&stderr);
        ensure!(status.success(), "{program} {} in {}: {}", arguments.join(" "), self.name, told.trim());
        Ok(String::from_utf8(stdout)?)
    }

    /// Run a program to its end, whatever that is.
    ///
    /// # Errors
    /// It can't be run.
    pub fn output(&self, program: &str, arguments: &[&str], input: &str) -> Result<Output> {
        self.enter(|| {
            let mut child = Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("can't run {program}"))?;
            if let Some(mut stdin) = child.stdin.take() {
                // One that ends early does not want the rest.
                let _ = stdin.write_all(input.as_bytes());
            }
            Ok(child.wait_with_output()?)
        })
    }

    /// Give commands to ip(8), all in one process.
    ///
    /// # Errors
    /// One of them fails; those after it are not run.
    pub fn ip(&self, commands: &[&str]) -> Result<()> {
        self.feed("ip", &["-batch", "-"], &format!("{}\n", commands.join("\n"))).map(drop)
    }

    /// Set a value below `/proc/sys/net`, such as `ipv4/ip_forward`.
    ///
    /// # Errors
    /// There is none of that name, or it takes no such value.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{name}");
        self.enter(|| std::fs::write(&path, value).with_context(|| format!("can't write {value} to {path}")))
    }

    /// Connect two namespaces with a pair of interfaces that are up.
    ///
    /// # Errors
    /// A name is taken, or is none for an interface.
    pub fn connect(&self, interface: &str, other: &Namespace, its_interface: &str) -> Result<()> {
        self.ip(&[
            &format!("link add {interface} type veth peer name {its_interface} netns {}", other.path()),
            &format!("link set {interface} up"),
        ])
        .with_context(|| format!("can't connect {} and {}", self.name, other.name))?;
        other.ip(&[&format!("link set {its_interface} up")])
    }

    /// Move an interface into another namespace.
    ///
    /// # Errors
    /// There is no such interface, or the other namespace has one of its name.
    pub fn give(&self, interface: &str, other: &Namespace) -> Result<()> {
        self.ip(&[&format!("link set {interface} netns {}", other.path())])
    }

    /// A path that names the namespace while this process is. (That of a thread would be good only while the thread is.)
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
