//! A real Incus daemon in namespaces of its own, which go with everything in them when this is dropped.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::run::Run;

/// Programs that a lab is made of.
const PROGRAMS: [&str; 9] = ["incus", "busybox", "bash", "ip", "nsenter", "unshare", "tar", "mkfs.ext4", "mksquashfs"];
/// Where packages put the daemon, beside PATH.
const DAEMONS: [&str; 3] = ["/usr/libexec/incus/incusd", "/usr/lib/incus/incusd", "/opt/incus/bin/incusd"];

/// A lab.
pub struct Lab {
    /// Its folder, the same inside and outside.
    pub dir: PathBuf,
    prefix: String,
    child: Child,
    /// None once it was closed.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pid: String,
}

impl Lab {
    /// A lab with a running daemon, its storage pool `default` and an image; nothing, and word of it, where that can't
    /// be had.
    pub fn new() -> Option<Lab> {
        let mut lab = Lab::without_daemon()?;
        lab.first_start();
        Some(lab)
    }

    /// The same, before the daemon was ever started.
    pub fn without_daemon() -> Option<Lab> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let incusd = requirements()?;
        let prefix = format!("t{}n{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let dir = std::env::temp_dir().join(format!("bulkhead-incus-{prefix}"));
        fs::create_dir(&dir).expect("make the lab's folder");
        for folder in ["specs", "homes", "images"] {
            fs::create_dir(dir.join(folder)).expect("make a folder");
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/incus/lab.sh");
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "bash", script])
            .args([dir.as_os_str(), incusd.as_os_str(), OsStr::new(&prefix)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run unshare");
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().expect("the output is a pipe"));
        let mut pid = String::new();
        output.read_line(&mut pid).expect("read from the lab");
        let lab = Lab { dir, prefix, child, input, output, pid: pid.trim().to_owned() };
        assert!(!lab.pid.is_empty(), "the lab's namespaces could not be made");
        lab.build_images();
        Some(lab)
    }

    /// Start the daemon for the first time.
    pub fn first_start(&mut self) {
        self.sh("start_daemon");
        let preseed = "storage_pools: [{ name: default, driver: dir }]";
        self.sh(&format!("echo '{preseed}' | incus admin init --preseed"));
    }

    /// Start the daemon again.
    pub fn start_daemon(&mut self) {
        self.sh("start_daemon");
    }

    /// Send the daemon a signal and wait until it is gone. Containers go on.
    pub fn signal_daemon(&mut self, signal: &str) {
        self.sh(&format!("signal_daemon {signal}"));
    }

    /// Evaluate a line of bash inside of the lab.
    pub fn sh(&mut self, line: &str) {
        assert_eq!(self.try_sh(line), "0", "`{line}` fails: {}", self.read("commands.out"));
    }

    /// The same; gives its exit code.
    pub fn try_sh(&mut self, line: &str) -> String {
        let input = self.input.as_mut().expect("the lab is there");
        writeln!(input, "{line}").expect("write to the lab");
        let mut code = String::new();
        self.output.read_line(&mut code).expect("read from the lab");
        code.trim().to_owned()
    }

    /// What the lab's file `name` says.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    /// The name of the instance of the workspace `name`.
    pub fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// The home of the workspace `name`, which is made if it is missing.
    pub fn home(&self, name: &str) -> PathBuf {
        let home = self.dir.join("homes").join(name);
        fs::create_dir_all(&home).expect("make a home");
        home
    }

    /// Make the workspace `name` behave as `tests/incus/init.sh` knows it.
    pub fn behave(&self, name: &str, how: &str) {
        fs::write(self.home(name).join(how), "").expect("write to the home");
    }

    /// Make the workspace `name` slow if `step` is that of waiting for it, which else may be over too soon to be seen.
    pub fn slow_at(&self, name: &str, step: &str) {
        if step.starts_with("waiting for the") {
            self.behave(name, "is-slow");
        } else {
            let _ = fs::remove_file(self.home(name).join("is-slow"));
        }
    }

    /// A spec of the workspace `name` with the address 10.9.0.`last`.
    pub fn spec(&self, name: &str, last: u8) -> Value {
        json!({
            "version": 1,
            "name": self.name(name),
            "image": { "metadata": self.dir.join("images/metadata.tar"), "rootfs": self.dir.join("images/rootfs.tar.gz") },
            "network": {
                "bridge": "br0",
                "hostInterface": format!("ws-{name}"),
                "mac": format!("02:00:0a:09:00:{last:02x}"),
                "addresses": [format!("10.9.0.{last}/24")],
            },
            "resources": { "cpu": 1, "memory": "256MiB", "disk": "1GiB", "processes": 200 },
            "mounts": [{ "source": self.home(name), "path": "/home/dev" }],
            "ready": { "deadlineSeconds": 600 },
            "incus": { "socket": self.socket() },
            "stateFolder": self.dir.join("state"),
            "stopSeconds": 5,
        })
    }

    /// Write a spec to the folder of specs. Gives its path.
    pub fn write(&self, file: &str, spec: &Value) -> PathBuf {
        let path = self.dir.join("specs").join(format!("{file}.json"));
        fs::write(&path, spec.to_string()).expect("write a spec");
        path
    }

    /// Write the usual spec of the workspace `name`.
    pub fn workspace(&self, name: &str, last: u8) -> PathBuf {
        self.write(name, &self.spec(name, last))
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("incus/unix.socket")
    }

    /// A command that runs inside of the lab. Its process number is that of the command itself.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid, "--mount", "--net", "--"]).arg(program);
        command.env("INCUS_DIR", self.dir.join("incus")).env("HOME", &self.dir).env_remove("NOTIFY_SOCKET");
        command.stdin(Stdio::null());
        command
    }

    /// Begin `bulkhead-incus COMMAND SPEC`, listening to what it tells systemd.
    pub fn begin(&self, command: &str, spec: &Path) -> Run {
        Run::begin(self, command, spec)
    }

    /// `bulkhead-incus start SPEC`, to its end.
    pub fn start(&self, spec: &Path) -> Output {
        self.begin("start", spec).finish().output
    }

    /// `bulkhead-incus stop SPEC`, to its end.
    pub fn stop(&self, spec: &Path) -> Output {
        self.begin("stop", spec).finish().output
    }

    /// `bulkhead-incus gc`, about the lab's specs.
    pub fn gc(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(env!("CARGO_BIN_EXE_bulkhead-incus"));
        command.arg("gc").arg("--specs").arg(self.dir.join("specs")).arg("--socket").arg(self.socket());
        command.arg("--state-folder").arg(self.dir.join("state")).args(arguments);
        command.output().expect("run bulkhead-incus")
    }

    /// `bulkhead-incus status --json` with further arguments: its exit code and its workspaces.
    pub fn status(&self, arguments: &[&Path]) -> (Option<i32>, Value) {
        let mut command = self.command(env!("CARGO_BIN_EXE_bulkhead-incus"));
        command.args(["status", "--json", "--socket"]).arg(self.socket());
        command.arg("--specs").arg(self.dir.join("specs")).args(arguments);
        let output = command.output().expect("run bulkhead-incus");
        let json = serde_json::from_slice(&output.stdout);
        let json = json.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), json)
    }

    /// The state of one workspace, as `status` tells it.
    pub fn state(&self, spec: &Path) -> String {
        self.status(&[spec]).1["workspaces"][0]["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Ask the daemon directly.
    pub fn query(&self, path: &str) -> Value {
        let mut stream = UnixStream::connect(self.socket()).expect("reach the daemon");
        // In HTTP/1.0 the answer ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: incus\r\n\r\n").expect("ask the daemon");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("hear the daemon");
        let (_, body) = answer.split_once("\r\n\r\n").expect("the daemon speaks HTTP");
        let mut body: Value = serde_json::from_str(body).expect("the daemon answers with JSON");
        assert_eq!(body["type"], "sync", "{path}: {body}");
        body["metadata"].take()
    }

    /// What a shell inside of the workspace `name` prints.
    pub fn inside(&self, name: &str, script: &str) -> String {
        let instance = self.name(name);
        let output = self.command("incus").args(["exec", &instance, "--", "/bin/busybox", "sh", "-c", script]).output();
        let output = output.expect("run incus");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    }

    /// Everything of a daemon that a workspace could leave something in. The image cache is apart.
    pub fn listing(&self) -> Value {
        let folder = |path: &str| {
            let names = fs::read_dir(self.dir.join("incus").join(path)).into_iter().flatten().flatten();
            let mut names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        };
        let links = self.command("ip").args(["-json", "link"]).output().expect("run ip").stdout;
        let links: Value = serde_json::from_slice(&links).expect("ip prints JSON");
        let links: Vec<&Value> = links.as_array().into_iter().flatten().map(|link| &link["ifname"]).collect();
        json!({
            "instances": self.query("/1.0/instances?all-projects=true"),
            "profiles": self.query("/1.0/profiles?recursion=1&all-projects=true"),
            "pools": self.query("/1.0/storage-pools?recursion=1"),
            "volumes": self.query("/1.0/storage-pools/default/volumes?all-projects=true"),
            "networks": self.query("/1.0/networks?all-projects=true"),
            "projects": self.query("/1.0/projects"),
            "interfaces": links,
            "containers on disk": folder("storage-pools/default/containers"),
            "devices on disk": folder("devices"),
        })
    }

    /// The fingerprints of the images, those that the daemon knows and those on its disk.
    pub fn images(&self) -> (Vec<String>, Vec<String>) {
        let known = self.query("/1.0/images?all-projects=true");
        let known = known.as_array().into_iter().flatten().filter_map(|path| path.as_str());
        let known = known.filter_map(|path| path.rsplit('/').next()).filter_map(|path| path.split('?').next());
        let files = fs::read_dir(self.dir.join("incus/images")).into_iter().flatten().flatten();
        let mut files: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        files.sort();
        let mut known: Vec<String> = known.map(str::to_owned).collect();
        known.sort();
        (known, files)
    }

    /// Wait until `condition` holds.
    pub fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(120);
        while !condition() {
            assert!(Instant::now() < end, "still not: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn build_images(&self) {
        let images = self.dir.join("images");
        let rootfs = images.join("rootfs");
        for folder in ["bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "home/dev", "run", "var"] {
            fs::create_dir_all(rootfs.join(folder)).expect("make a folder of the image");
        }
        fs::copy(find("busybox").expect("busybox is there"), rootfs.join("bin/busybox")).expect("copy busybox");
        fs::write(rootfs.join("sbin/init"), include_str!("init.sh")).expect("write the image's init");
        fs::write(images.join("metadata.yaml"), METADATA).expect("write the image's metadata");
        let script = "cd \"$1\" && chmod 0755 rootfs/sbin/init && tar -cf metadata.tar metadata.yaml && \
                      tar -C rootfs -czf rootfs.tar.gz .";
        shell(script, &images);
    }
}

const METADATA: &str = "\
architecture: x86_64
creation_date: 1700000000
properties:
  description: a busybox for tests
";

/// Run a script of the shell, outside of the lab, with `argument` as `$1`.
pub fn shell(script: &str, argument: &Path) {
    let output = Command::new("sh").args(["-euc", script, "sh"]).arg(argument).output().expect("run sh");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.read("incusd.log");
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
            eprintln!("the daemon's log ends with:\n{}", last.join("\n"));
        }
        // The script cleans up when its input ends.
        drop(self.input.take());
        let end = Instant::now() + Duration::from_secs(20);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Unless it hangs; then its namespaces go, and its folder.
        let _ = Command::new("kill").args(["-KILL", &self.pid]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The daemon, if all that a lab needs is there; else word of what is not.
fn requirements() -> Option<PathBuf> {
    let skip = |why: &str| println!("SKIPPED the tests with a real Incus: {why}");
    if fs::metadata("/proc/self").map_or(u32::MAX, |process| process.uid()) != 0 {
        skip("only root can make its namespaces; run them as root");
        return None;
    }
    let daemon = DAEMONS.iter().map(PathBuf::from).find(|path| path.exists()).or_else(|| find("incusd"));
    let Some(daemon) = daemon else {
        skip("incusd is not installed");
        return None;
    };
    if let Some(missing) = PROGRAMS.iter().find(|program| find(program).is_none()) {
        skip(&format!("`{missing}` is not installed"));
        return None;
    }
    let namespaces = Command::new("unshare").args(["--mount", "--net", "--pid", "--fork", "true"]).output();
    let namespaces = namespaces.expect("run unshare");
    if !namespaces.status.success() {
        skip(&format!("no namespaces can be made here: {}", String::from_utf8_lossy(&namespaces.stderr).trim()));
        return None;
    }
    if !find("busybox").is_some_and(|busybox| is_static(&busybox)) {
        skip("`busybox` is not linked statically; on Debian, install busybox-static");
        return None;
    }
    Some(daemon)
}

/// Whether a program asks for no interpreter, which would have to be in the image too: whether its ELF header names no
/// segment of the kind PT_INTERP (elf(5), for 64 bits and little-endian).
fn is_static(program: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let bytes = fs::read(program).expect("read busybox");
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..at + length).unwrap_or_default();
        bytes.iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (start, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    (0..count).all(|index| number(start + index * size, 4) != PT_INTERP as usize)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // mkfs.ext4 may not be in everybody's.
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).map(|folder| folder.join(program)).find(|path| path.is_file())
}
