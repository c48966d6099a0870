//! A real container of systemd-nspawn on the guarded bridge, in a user namespace of its own: root inside attacks as
//! workspace a.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::{Background, Need, Tables, skip_without};

use crate::attacks::{Attack, Evidence};
use crate::battery::Battery;
use crate::topology::*;
use crate::{NEEDS, unguarded};

/// What root does inside. It takes the address of a, waits until all is ready, sends the frames of attacks, and then tries
/// what needs no frames: the programs of a workspace, with its own address and with those of others.
fn script(address: &Workspace, peer: &Workspace) -> String {
    let (mac, own, own6, other) = (mac_text(address.mac), address.address, address.address6, peer.address);
    format!(
        "
export PATH=/bin
ip link set host0 address {mac}
ip link set host0 up
ip address add {own}/24 dev host0
ip address add {own6}/64 dev host0 nodad
ip route add default via {GATEWAY}
cat /proc/self/uid_map > /results/uid_map
touch /results/ready
until [ -e /go ]; do sleep 0.02; done
/bin/bulkhead-lab-send host0 < /frames > /results/captured
try() {{ name=$1; shift; if timeout 4 \"$@\" < /dev/null > /dev/null 2>&1; then echo \"$name\" >> /results/worked; fi; }}
try 'ping the gateway' ping -c 3 -W 3 {GATEWAY}
try 'the internet' nc -w 3 {INTERNET} 80 &
try 'the hole' nc -w 3 {NAS} {NAS_HOLE} &
try 'SSH of the NAS' nc -w 3 {NAS} {SSH} &
try 'SSH of the host' nc -w 3 {GATEWAY} {SSH} &
try 'SSH of the host on the LAN' nc -w 3 {HOST_LAN} {SSH} &
try 'SSH of c' nc -w 3 {other} {SSH} &
try 'ping the tailnet' ping -c 3 -W 3 {TAILNET} &
wait
ip address add {forged}/24 dev host0
try 'ping the gateway from another address' ping -c 3 -W 3 -I {forged} {GATEWAY}
ip link set host0 down
ip link set host0 address 02:66:00:00:00:77
ip link set host0 up
ip route add default via {GATEWAY}
try 'ping the gateway from another MAC address' ping -c 3 -W 3 {GATEWAY}
",
        forged = std::net::Ipv4Addr::new(10, 20, 0, 77),
    )
}

/// What works from inside with the guard, and what only without.
const ALLOWED: [&str; 3] = ["ping the gateway", "the hole", "the internet"];
const FORBIDDEN: [&str; 7] = [
    "SSH of c",
    "SSH of the NAS",
    "SSH of the host",
    "SSH of the host on the LAN",
    "ping the gateway from another address",
    "ping the gateway from another MAC address",
    "ping the tailnet",
];

#[test]
fn root_in_a_container_gets_no_further() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend([
        Need::Program("systemd-nspawn"),
        Need::Program("busybox"),
        Need::Program("unshare"),
        Need::Program("ldd"),
    ]);
    if skip_without(&needs, "the attacks from inside of a container") {
        return Ok(());
    }
    let (mut topology, services) = unguarded(Setting { ipv6: true, br_netfilter: true })?;
    // The container takes the place of a.
    topology.host.ip(&["link del vb-a"])?;
    set_isolation(&topology.host, false)?;
    let rules = rules(true)?;
    for is_guarded in [false, true] {
        let root = tempfile::tempdir()?;
        prepare(root.path(), &script(topology.workspace("a"), topology.workspace("c")))?;
        let mut container = start(&topology, root.path())?;
        ready(&mut container, root.path())?;
        topology.host_mac_on_a = mac_of(&topology.host, "vb-a")?;
        let battery = Battery::new(&topology, &services);
        let _tables = if is_guarded { Some(Tables::load(&topology.host, &rules)?) } else { None };

        let mut attacks = battery.attacks();
        // The container tells its true MAC address as soon as it is asked, so a lie about its own does not last until we
        // look.
        let a = topology.workspace("a");
        let own = [a.address.into(), a.address6.into(), a.link_local().into()];
        attacks.retain(|attack| attack.from == "a" && !attack.needs_the_host());
        attacks.retain(|attack| own.iter().all(|own| attack.evidence != Evidence::Moved(*own)));
        battery.prepare()?;
        std::fs::write(root.path().join("frames"), in_hex(&attacks)?)?;
        std::fs::write(root.path().join("go"), "")?;
        ensure!(
            container.wait_for(Duration::from_secs(60))?.is_some_and(|status| status.success()),
            "the container fails"
        );
        let mut observed = battery.observe()?;
        observed.captured.extend(captured(root.path())?);

        let (won, lost): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| battery.has_succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect::<Vec<_>>();
        let worked = std::fs::read_to_string(root.path().join("results/worked")).unwrap_or_default();
        let worked: BTreeSet<&str> = worked.lines().collect();
        if is_guarded {
            assert_eq!(names(won), [] as [&str; 0], "these get through");
            assert_eq!(worked, BTreeSet::from(ALLOWED));
        } else {
            println!("{} attacks from inside of a container", won.len());
            assert_eq!(names(lost), [] as [&str; 0], "these prove nothing, they fail without a guard");
            assert_eq!(worked, ALLOWED.into_iter().chain(FORBIDDEN).collect());
        }
        let map = std::fs::read_to_string(root.path().join("results/uid_map"))?;
        assert_ne!(map.split_whitespace().nth(1), Some("0"), "root inside is root outside");
    }
    Ok(())
}

/// A root file system with busybox, and the program that sends frames with the libraries that it needs.
fn prepare(root: &Path, script: &str) -> Result<()> {
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp", "run", "var", "root", "usr", "results"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::write(root.join("etc/os-release"), "ID=lab\n")?;
    std::fs::write(root.join("script"), script)?;
    std::fs::copy(busybox()?, root.join("bin/busybox"))?;
    for applet in ["sh", "ip", "cat", "touch", "sleep", "timeout", "ping", "nc"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    let sender = Path::new(env!("CARGO_BIN_EXE_bulkhead-lab-send"));
    std::fs::copy(sender, root.join("bin/bulkhead-lab-send"))?;
    let listing = Command::new("ldd").arg(sender).stdin(Stdio::null()).output().context("can't run ldd")?;
    for word in String::from_utf8_lossy(&listing.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = root.join(word.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().unwrap_or(root))?;
        std::fs::copy(word, copy)?;
    }
    Ok(())
}

fn busybox() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("busybox"));
    found.find(|file| file.is_file()).context("busybox is not in PATH")
}

fn start(topology: &Topology, root: &Path) -> Result<Background> {
    // What nspawn leaves in /run goes with the mount namespace.
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs tmpfs /run && exec systemd-nspawn \"$@\"",
        "sh",
        "-q",
        "-M",
        "a",
    ]);
    command.args([
        "--register=no",
        "--keep-unit",
        "--as-pid2",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
    ]);
    command.args(["--private-users=1048576:65536", "--private-users-ownership=chown"]);
    command.arg(format!("--network-bridge={BRIDGE}")).arg("-D").arg(root).args(["/bin/sh", "/script"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Background::start(&topology.host, &mut command)
}

fn ready(container: &mut Background, root: &Path) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !root.join("results/ready").exists() {
        ensure!(container.child().try_wait()?.is_none(), "the container has ended early");
        ensure!(Instant::now() < end, "the container does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn in_hex(attacks: &[Attack]) -> Result<String> {
    let mut lines = String::new();
    for frame in attacks.iter().flat_map(|attack| &attack.frames) {
        for byte in frame {
            write!(lines, "{byte:02x}")?;
        }
        lines.push('\n');
    }
    Ok(lines)
}

/// What the container has captured.
fn captured(root: &Path) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let text = std::fs::read_to_string(root.join("results/captured"))?;
    let bytes = |line: &str| -> Result<Vec<u8>> {
        (0..line.len())
            .step_by(2)
            .map(|at| Ok(u8::from_str_radix(line.get(at..at + 2).context("half a byte")?, 16)?))
            .collect()
    };
    text.lines().map(|line| Ok(("a", bytes(line)?))).collect()
}
