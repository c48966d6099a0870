//! A WireGuard server: `wireguard-go`, configured with `wg` and `ip`; NAT and forwarded ports with `nft`. It must run in a
//! network namespace of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{Backend, Options};

/// A server that runs until it is dropped.
pub struct Server {
    interface: String,
    uplink: String,
    child: Child,
    public_key: String,
    peers: BTreeMap<Ipv4Addr, String>,
}

/// The table with NAT.
const TABLE: &str = "ip fake_pia";

impl Server {
    /// Start one. `uplink` is the interface to the internet; `folder` is where its private key is kept.
    pub fn start(options: &Options, interface: &str, uplink: &str, folder: &Path) -> Result<Self> {
        let child = Command::new("wireguard-go")
            .args(["-f", interface])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("can't run wireguard-go")?;
        let (interface, uplink) = (interface.to_owned(), uplink.to_owned());
        let mut server = Self { interface, uplink, child, public_key: String::new(), peers: BTreeMap::new() };
        server.configure(options, folder)?;
        Ok(server)
    }

    fn configure(&mut self, options: &Options, folder: &Path) -> Result<()> {
        let socket = socket_of(&self.interface);
        let start = Instant::now();
        while !socket.exists() {
            if start.elapsed() > Duration::from_secs(60) {
                bail!("wireguard-go made no socket at {}", socket.display());
            }
            sleep(Duration::from_millis(10));
        }
        let private = run("wg", &["genkey"], "")?;
        self.public_key = run("wg", &["pubkey"], &private)?.trim().to_owned();
        let file = folder.join("server.key");
        let mut opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
        opened.write_all(private.as_bytes())?;
        let interface = self.interface.as_str();
        let port = options.wireguard_port.to_string();
        run("wg", &["set", interface, "listen-port", &port, "private-key", &file.to_string_lossy()], "")?;
        run("ip", &["address", "add", &format!("{}/32", options.gateway), "dev", interface], "")?;
        for dns in &options.dns {
            run("ip", &["address", "add", &format!("{dns}/32"), "dev", interface], "")?;
        }
        run("ip", &["link", "set", interface, "up"], "")?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("can't switch forwarding on")?;
        self.forward(&BTreeMap::new())
    }
}

impl Backend for Server {
    fn server_key(&self) -> String {
        self.public_key.clone()
    }

    fn add_peer(&mut self, key: &str, address: Ipv4Addr) -> Result<()> {
        let net = format!("{address}/32");
        run("wg", &["set", &self.interface, "peer", key, "allowed-ips", &net], "")?;
        run("ip", &["route", "replace", &net, "dev", &self.interface], "")?;
        self.peers.insert(address, key.to_owned());
        Ok(())
    }

    fn drop_peers(&mut self) -> Result<()> {
        for (address, key) in std::mem::take(&mut self.peers) {
            run("wg", &["set", &self.interface, "peer", &key, "remove"], "")?;
            run("ip", &["route", "del", &format!("{address}/32"), "dev", &self.interface], "")?;
        }
        Ok(())
    }

    fn forward(&mut self, ports: &BTreeMap<u16, Ipv4Addr>) -> Result<()> {
        let (wg, uplink) = (&self.interface, &self.uplink);
        let mut rules = format!("table {TABLE} {{}}\ndelete table {TABLE}\ntable {TABLE} {{\n");
        rules.push_str("chain prerouting { type nat hook prerouting priority dstnat;\n");
        for (port, address) in ports {
            for protocol in ["tcp", "udp"] {
                rules.push_str(&format!("iifname \"{uplink}\" {protocol} dport {port} dnat to {address}\n"));
            }
        }
        rules.push_str("}\nchain postrouting { type nat hook postrouting priority srcnat;\n");
        rules.push_str(&format!("iifname \"{wg}\" oifname \"{uplink}\" masquerade\n}}\n}}\n"));
        run("nft", &["-f", "-"], &rules).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its interface goes with it; the namespace takes the rest along.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(socket_of(&self.interface));
    }
}

fn socket_of(interface: &str) -> PathBuf {
    PathBuf::from(format!("/var/run/wireguard/{interface}.sock"))
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
