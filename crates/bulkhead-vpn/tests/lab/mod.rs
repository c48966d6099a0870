//! A lab of network namespaces: host with bridge and real tinyproxy, VPN container, two services, the provider with a real
//! WireGuard server, and the internet. Nothing leaves them, and all of them are gone when the lab is dropped.
//!
//! ```text
//!  search 10.73.0.11 ─┐
//!  torrent 10.73.0.10 ┤            uplink
//!  vpn 10.73.0.2 ─────┴ br0  host ───────── pia ───────── internet
//!                   10.73.0.1  198.51.100.1   .2 …  203.0.113.5  203.0.113.80
//! ```

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fake_pia::{FakePia, Options, Server, dns, wireguard};

pub const TORRENT: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 10);
pub const SEARCH: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 11);
pub const VPN: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 2);
pub const EXIT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

/// Why the lab can't be built here, if it can't.
pub fn missing() -> Option<String> {
    let root =
        std::fs::metadata("/proc/self").map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap_or(1) == 0;
    if !root {
        return Some("not root, so no network namespaces can be made".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |tool: &&str| !std::env::split_paths(&path).any(|folder| folder.join(tool).exists());
    let absent: Vec<&str> = ["ip", "nft", "wg", "wireguard-go", "tinyproxy", "unshare", "mount"]
        .iter()
        .filter(|t| is_there(t))
        .copied()
        .collect();
    if !absent.is_empty() {
        return Some(format!("{} not installed", absent.join(", ")));
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".to_owned());
    }
    None
}

/// Past libtest, which keeps captured output of passing tests to itself.
pub fn skip(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}

type Job = Box<dyn FnOnce(&FakePia) + Send>;

pub struct Lab {
    prefix: String,
    pub folder: tempfile::TempDir,
    children: Vec<(&'static str, Child)>,
    pia: Option<mpsc::Sender<Job>>,
    pia_thread: Option<thread::JoinHandle<()>>,
    pub seen: Arc<Mutex<Vec<IpAddr>>>,
    pub interface: String,
}

const NAMESPACES: [&str; 6] = ["host", "vpn", "torrent", "search", "pia", "net"];

impl Lab {
    pub fn new() -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() % 100_000 * 10 + LABS.fetch_add(1, Ordering::Relaxed) % 10;
        let mut lab = Self {
            prefix: format!("bhvpn{number}"),
            folder: tempfile::tempdir().unwrap(),
            children: Vec::new(),
            pia: None,
            pia_thread: None,
            seen: Arc::default(),
            interface: format!("wgv{number}"),
        };
        lab.links();
        lab.start_internet();
        lab.start_pia(format!("wgp{number}"));
        lab.start_proxy();
        lab.start_wireguard();
        lab
    }

    pub fn name(&self, namespace: &str) -> String {
        format!("{}-{namespace}", self.prefix)
    }

    /// Run a command in a namespace; it must succeed.
    pub fn run(&self, namespace: &str, line: &str) -> String {
        let output = self.output(namespace, &line.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn output(&self, namespace: &str, command: &[&str]) -> Output {
        Command::new("ip").args(["netns", "exec", &self.name(namespace)]).args(command).output().unwrap()
    }

    /// Do something in a namespace, in a thread of its own.
    pub fn within<T: Send + 'static>(&self, namespace: &str, action: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(namespace, action).join().unwrap()
    }

    pub fn spawn<T: Send + 'static>(
        &self,
        namespace: &str,
        action: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let file = File::open(Path::new("/run/netns").join(self.name(namespace))).unwrap();
        thread::spawn(move || {
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(file.as_fd(), kind).unwrap();
            action()
        })
    }

    fn links(&self) {
        for namespace in NAMESPACES {
            ip(&format!("netns add {}", self.name(namespace)));
            self.run(namespace, "ip link set lo up");
        }
        self.run("host", "ip link add br0 type bridge");
        self.run("host", "ip address add 10.73.0.1/24 dev br0");
        self.run("host", "ip link set br0 up");
        for (index, (namespace, address)) in
            [("vpn", VPN), ("torrent", TORRENT), ("search", SEARCH)].into_iter().enumerate()
        {
            let inner = self.name(namespace);
            self.run("host", &format!("ip link add vb{index} type veth peer name host0 netns {inner}"));
            self.run("host", &format!("ip link set vb{index} master br0 up"));
            self.run(namespace, &format!("ip address add {address}/24 dev host0"));
            self.run(namespace, "ip link set host0 up");
            if namespace != "vpn" {
                self.run(namespace, &format!("ip route add default via {VPN}"));
            }
        }
        self.run("host", &format!("ip link add uplink type veth peer name uplink netns {}", self.name("pia")));
        self.run("host", "ip address add 198.51.100.1/24 dev uplink");
        self.run("host", "ip link set uplink up");
        for last in [2, 11, 12, 13] {
            self.run("pia", &format!("ip address add 198.51.100.{last}/24 dev uplink"));
        }
        self.run("pia", "ip link set uplink up");
        self.run("pia", &format!("ip link add exit type veth peer name eth0 netns {}", self.name("net")));
        self.run("pia", &format!("ip address add {EXIT}/24 dev exit"));
        self.run("pia", "ip link set exit up");
        self.run("net", &format!("ip address add {INTERNET}/24 dev eth0"));
        self.run("net", "ip link set eth0 up");
    }

    /// A TCP server that says whom it sees, and a UDP server that echoes.
    fn start_internet(&self) {
        let seen = self.seen.clone();
        let (ready, wait) = mpsc::channel();
        self.spawn("net", move || {
            let listener = TcpListener::bind((INTERNET, 80)).unwrap();
            let socket = UdpSocket::bind((INTERNET, 7)).unwrap();
            ready.send(()).unwrap();
            thread::spawn(move || {
                let mut packet = [0; 2000];
                while let Ok((length, from)) = socket.recv_from(&mut packet) {
                    let _ = socket.send_to(&packet[..length], from);
                }
            });
            for mut stream in listener.incoming().flatten() {
                let from = stream.peer_addr().unwrap().ip();
                seen.lock().unwrap().push(from);
                let _ = stream.write_all(from.to_string().as_bytes());
            }
        });
        wait.recv().unwrap();
    }

    fn start_pia(&mut self, interface: String) {
        let server = |cn: &str, last: u8| Server {
            region: "alpha".to_owned(),
            cn: cn.to_owned(),
            ip: format!("198.51.100.{last}"),
            ..Server::default()
        };
        let options = Options {
            public: ([198, 51, 100, 2], 443).into(),
            servers: vec![server("alpha401", 11), server("alpha402", 12)],
            ..Options::default()
        };
        let folder = self.folder.path().to_owned();
        let (sender, jobs) = mpsc::channel::<Job>();
        let (ready, wait) = mpsc::channel();
        self.pia_thread = Some(self.spawn("pia", move || {
            let server = wireguard::Server::start(&options, &interface, "exit", &folder).unwrap();
            for address in &options.dns {
                dns::serve((*address, 53).into(), INTERNET).unwrap();
            }
            let fake = FakePia::start(options, server, Arc::new(SystemTime::now)).unwrap();
            fake.write_files(&folder).unwrap();
            ready.send(()).unwrap();
            for job in jobs {
                job(&fake);
            }
        }));
        self.pia = Some(sender);
        wait.recv_timeout(Duration::from_secs(60)).expect("the fake provider starts");
    }

    /// Do something with the fake provider.
    pub fn pia<T: Send + 'static>(&self, action: impl FnOnce(&FakePia) -> T + Send + 'static) -> T {
        let (sender, answer) = mpsc::channel();
        let job: Job = Box::new(move |fake| drop(sender.send(action(fake))));
        self.pia.as_ref().unwrap().send(job).unwrap();
        answer.recv().unwrap()
    }

    fn start_proxy(&mut self) {
        let folder = self.folder.path();
        let hosts = "127.0.0.1 localhost\n198.51.100.2 www.privateinternetaccess.com serverlist.piaservers.net\n";
        std::fs::write(folder.join("hosts"), hosts).unwrap();
        let settings = "Port 8888\nListen 10.73.0.1\nTimeout 60\nAllow 10.73.0.2\nConnectPort 443\nConnectPort 1337\n\
                        LogLevel Critical\nMaxClients 50\n";
        std::fs::write(folder.join("tinyproxy.conf"), settings).unwrap();
        let script =
            format!("mount --bind {0}/hosts /etc/hosts && exec tinyproxy -d -c {0}/tinyproxy.conf", folder.display());
        let name = self.name("host");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name, "unshare", "--mount", "sh", "-c", &script]);
        self.start("tinyproxy", command);
        self.eventually("tinyproxy listens", || {
            self.within("vpn", || {
                TcpStream::connect_timeout(&([10, 73, 0, 1], 8888).into(), Duration::from_secs(1)).is_ok()
            })
        });
    }

    /// What the host's unit does: make the interface in the host's namespace and move it into the container's.
    pub fn start_wireguard(&mut self) {
        let (interface, host) = (self.interface.clone(), self.name("host"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &host, "wireguard-go", "-f", &interface]);
        self.start("wireguard-go", command);
        let socket = self.uapi_socket();
        self.eventually("wireguard-go listens", || socket.exists());
        self.run("host", &format!("ip link set {interface} netns {}", self.name("vpn")));
    }

    fn start(&mut self, name: &'static str, mut command: Command) {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.children.push((name, child));
    }

    pub fn kill(&mut self, name: &str) {
        let index = self.children.iter().position(|(known, _)| *known == name).unwrap();
        let (_, mut child) = self.children.remove(index);
        child.kill().unwrap();
        child.wait().unwrap();
        if name == "wireguard-go" {
            std::fs::remove_file(self.uapi_socket()).unwrap();
        }
    }

    fn uapi_socket(&self) -> PathBuf {
        PathBuf::from(format!("/var/run/wireguard/{}.sock", self.interface))
    }

    pub fn eventually(&self, what: &str, mut check: impl FnMut() -> bool) {
        let start = Instant::now();
        while !check() {
            assert!(start.elapsed() < Duration::from_secs(120), "never: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Write the configuration of the daemon.
    pub fn configure(&self) -> PathBuf {
        let folder = self.folder.path().display();
        let login = self.folder.path().join("login");
        std::fs::write(&login, "p0000001\ncorrect horse\n").unwrap();
        std::fs::set_permissions(&login, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let hook = self.folder.path().join("hook");
        // It also opens a connection to its service, if somebody listens there.
        let program = format!(
            "#!/bin/bash\nenv | sort > {folder}/hook.new && mv {folder}/hook.new {folder}/hook.ran\n\
             for target in $TARGET_IP {SEARCH}; do\n\
               timeout 2 bash -c \"exec 3<>/dev/tcp/$target/2000\" 2> /dev/null && echo $target >> {folder}/hook.reached\n\
             done\nexit 0\n"
        );
        std::fs::write(&hook, program).unwrap();
        std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let text = format!(
            r#"{{
  "interface": "{interface}",
  "bridge": {{ "interface": "host0", "subnet": "10.73.0.0/24", "hostAddress": "10.73.0.1", "vpnAddress": "{VPN}" }},
  "services": {{ "torrent": {{ "address": "{TORRENT}" }}, "search": {{ "address": "{SEARCH}" }} }},
  "portForwarding": {{ "service": "torrent", "onForwarded": {{ "command": ["{folder}/hook"] }} }},
  "provider": {{ "pia": {{
    "location": {{ "regions": ["alpha"] }},
    "credentialsFile": "{folder}/login",
    "caFile": "{folder}/ca.pem", "publicCaFile": "{folder}/public-ca.pem", "listKeyFile": "{folder}/list-key.pem",
    "proxy": "10.73.0.1:8888"
  }} }},
  "stateDirectory": "{folder}/state", "controlSocket": "{folder}/vpn.sock", "metricsFile": "{folder}/vpn.prom",
  "nft": "{nft}",
  "handshakeTimeoutSeconds": 5, "requestTimeoutSeconds": 10
}}"#,
            interface = self.interface,
            nft = find("nft"),
        );
        let file = self.folder.path().join("vpn.json");
        std::fs::write(&file, text).unwrap();
        file
    }

    pub fn daemon(&self) -> Daemon {
        Daemon::start(self, &self.configure())
    }

    pub fn daemon_with(&self, config: &serde_json::Value) -> Daemon {
        let file = self.folder.path().join("vpn.json");
        std::fs::write(&file, config.to_string()).unwrap();
        Daemon::start(self, &file)
    }

    /// What a service sees of the internet: the address that the internet sees of it.
    pub fn ask_internet(&self, namespace: &str) -> Option<String> {
        self.within(namespace, || {
            let mut stream = TcpStream::connect_timeout(&(INTERNET, 80).into(), Duration::from_secs(2)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    }

    /// A service is seen with the address of the provider's exit, at the latest when a busy machine has got round to it.
    pub fn reaches_the_internet(&self, namespace: &str) {
        let wanted = Some(EXIT.to_string());
        self.eventually("the internet is reached through the tunnel", || self.ask_internet(namespace) == wanted);
    }

    /// An address of a name, asked for at the VPN container.
    pub fn resolve(&self, namespace: &str) -> Option<Ipv4Addr> {
        self.within(namespace, || {
            let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
            socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
            let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";
            socket.send_to(question, (VPN, 53)).ok()?;
            let mut answer = [0; 512];
            let (length, _) = socket.recv_from(&mut answer).ok()?;
            let address: [u8; 4] = answer[length - 4..length].try_into().ok()?;
            Some(address.into())
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The provider's thread ends with its channel, and takes its WireGuard along.
        self.pia = None;
        if let Some(thread) = self.pia_thread.take() {
            let _ = thread.join();
        }
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // One that is killed leaves its socket.
        let _ = std::fs::remove_file(self.uapi_socket());
        for namespace in NAMESPACES {
            let _ = Command::new("ip").args(["netns", "del", &self.name(namespace)]).stderr(Stdio::null()).status();
        }
    }
}

/// The daemon, as systemd would run it.
pub struct Daemon {
    child: Child,
    config: PathBuf,
    notified: UnixDatagram,
    started: Instant,
    log: PathBuf,
}

impl Daemon {
    fn start(lab: &Lab, config: &Path) -> Self {
        let socket = lab.folder.path().join("notify.sock");
        let _ = std::fs::remove_file(&socket);
        let notified = UnixDatagram::bind(&socket).unwrap();
        let log = lab.folder.path().join("vpn.log");
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let started = Instant::now();
        let child = Command::new("ip")
            .args(["netns", "exec", &lab.name("vpn"), env!("CARGO_BIN_EXE_bulkhead-vpn"), "run", "--config"])
            .arg(config)
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "60000000")
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, config: config.to_owned(), notified, started, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Wait for readiness; how long it took since the start.
    pub fn ready(&self) -> Duration {
        self.notified.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut message = [0; 4096];
        loop {
            let length = match self.notified.recv(&mut message) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.unwrap_or_else(|error| panic!("{error}:\n{}", self.log())),
            };
            if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == "READY=1") {
                return self.started.elapsed();
            }
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead-vpn"));
        command.arg(arguments[0]).arg("--config").arg(&self.config).args(&arguments[1..]).output().unwrap()
    }

    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.command(&["status", "--json"]).stdout).unwrap_or_default()
    }

    pub fn memory(&self, field: &str) -> String {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        text.lines().find(|line| line.starts_with(field)).unwrap_or_default().to_owned()
    }

    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        while start.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), start.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end:\n{}", self.log());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn find(program: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists());
    found.unwrap().display().to_string()
}

pub fn address(ip: Ipv4Addr, port: u16) -> SocketAddr {
    (ip, port).into()
}
