//! The host's program: the status, and the leak test with a guard that holds, without one, and with a broken one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};

use fake_pia::dns;
use lab::{Lab, find, missing, skip};
use nix::sys::socket::{self as nix_socket, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn lab(test: &str) -> Option<Lab> {
    match missing() {
        Some(why) => {
            skip(test, &why);
            None
        }
        None => Some(Lab::new()),
    }
}

/// A guard as a host may have it: each port has one address, siblings are isolated, the host forwards nothing for the
/// bridge (both interfaces are named, for br_netfilter shows bridged frames to these rules too), and answers the VPN container's requests to the proxy alone.
const GUARD: &str = "\
table bridge guard {
  chain ports {
    type filter hook prerouting priority -200; policy accept;
    ether type { ip6, 8021q } drop
    iifname \"vb1\" arp saddr ip != 10.73.0.10 drop
    iifname \"vb2\" arp saddr ip != 10.73.0.11 drop
    iifname \"vb1\" ip saddr != 10.73.0.10 drop
    iifname \"vb2\" ip saddr != 10.73.0.11 drop
  }
}
table inet guard {
  chain in {
    type filter hook input priority -200; policy accept;
    iifname != \"br0\" accept
    ct state established,related accept
    ip saddr 10.73.0.2 ip daddr 10.73.0.1 tcp dport 8888 accept
    drop
  }
  chain forward {
    type filter hook forward priority -200; policy accept;
    iifname \"br0\" oifname != \"br0\" drop
    iifname != \"br0\" oifname \"br0\" drop
  }
}
";

/// The host as it is on real machines: it has a router, listens, serves DNS, and would forward if nothing kept it from it.
fn prepare(lab: &Lab) {
    lab.run("host", "ip route add default via 198.51.100.2");
    lab.run("host", "ip -6 address add fe80::1/64 dev uplink nodad");
    lab.run("host", "ip -6 route add default via fe80::99 dev uplink");
    lab.run("host", "ip -6 neigh add fe80::99 lladdr 02:00:00:00:00:99 dev uplink nud permanent");
    lab.run("host", "sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    lab.spawn("host", || {
        let listener = TcpListener::bind("0.0.0.0:2222").unwrap();
        listener.incoming().for_each(drop);
    });
    lab.within("host", || dns::serve("10.73.0.1:53".parse().unwrap(), [192, 0, 2, 9].into()).unwrap());
    std::fs::write(lab.folder.path().join("guard.nft"), GUARD).unwrap();
}

fn guard(lab: &Lab, on: bool) {
    let state = if on { "on" } else { "off" };
    for port in ["vb1", "vb2"] {
        lab.run("host", &format!("ip link set {port} type bridge_slave isolated {state}"));
    }
    lab.run("host", "nft flush ruleset");
    if on {
        lab.run("host", &format!("nft -f {}/guard.nft", lab.folder.path().display()));
    }
}

fn configure(lab: &Lab) {
    let folder = lab.folder.path();
    let namespace = |name: &str| json!({"path": format!("/run/netns/{}", lab.name(name))});
    let config = json!({
        "vpn": {"namespace": namespace("vpn"), "interface": "host0", "controlSocket": folder.join("vpn.sock")},
        "bridge": {
            "interface": "br0", "subnet": "10.73.0.0/24", "hostAddress": "10.73.0.1", "vpnAddress": "10.73.0.2",
        },
        "proxy": "10.73.0.1:8888",
        "services": {
            "torrent": {"address": "10.73.0.10", "interface": "host0", "namespace": namespace("torrent")},
            "search": {"address": "10.73.0.11", "interface": "host0", "namespace": namespace("search")},
        },
        "guard": {
            "rules": folder.join("guard.nft"),
            "tables": [{"family": "inet", "name": "guard"}, {"family": "bridge", "name": "guard"}],
        },
        "publicAddress": {"url": "https://198.51.100.2/api/client/status", "caFile": folder.join("public-ca.pem")},
        "nft": find("nft"),
    });
    std::fs::write(folder.join("host.json"), config.to_string()).unwrap();
    let schema = bulkhead_vpn::host::schema();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&config));
}

fn vpn(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.name("host"), env!("CARGO_BIN_EXE_vpn"), "--config"]);
    command.arg(lab.folder.path().join("host.json")).args(arguments).output().unwrap()
}

/// The report of a leak test, and its exit code.
fn leak_test(lab: &Lab, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = vpn(lab, &[&["leak-test", "--json"], arguments].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let schema = bulkhead_vpn::host::leak_test::schema();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&report));
    (report, output.status.code())
}

/// The tests with an outcome, by name, with their details.
fn with_outcome(report: &Value, outcome: &str) -> BTreeMap<String, String> {
    let tests = report["tests"].as_array().unwrap().iter().filter(|test| test["outcome"] == outcome);
    tests.map(|test| (test["name"].as_str().unwrap().to_owned(), test.to_string())).collect()
}

/// What says nothing about the guard: it tells that something can be tested, or is allowed.
const CONTROLS: [&str; 6] = ["observer", "tunnel", "proxy-answers", "ordinary", "dns", "public-address"];

#[test]
fn leaks_are_found_and_a_guard_that_holds_is_told() {
    let Some(mut lab) = lab("leaks_are_found_and_a_guard_that_holds_is_told") else { return };
    prepare(&lab);
    configure(&lab);
    guard(&lab, true);
    let mut daemon = lab.daemon();
    daemon.ready();

    let (held, code) = leak_test(&lab, &[]);
    assert_eq!(with_outcome(&held, "leaked"), BTreeMap::new());
    assert_eq!(with_outcome(&held, "undecided"), BTreeMap::new());
    assert_eq!((code, held["outcome"].as_str()), (Some(0), Some("held")));
    println!("{} tests", held["held"]);
    // The services are as they were.
    lab.reaches_the_internet("torrent");
    lab.reaches_the_internet("search");

    // Without the guard, every attack succeeds at least once.
    guard(&lab, false);
    let (open, code) = leak_test(&lab, &[]);
    assert_eq!(code, Some(1));
    let names = |tests: BTreeMap<String, String>| tests.into_keys().collect::<BTreeSet<_>>();
    let mut expected = names(with_outcome(&held, "held"));
    CONTROLS.iter().for_each(|control| assert!(expected.remove(*control), "{control}"));
    // What the machine that runs this has as DNS servers may be anything.
    expected.remove("resolver");
    let mut found = names(with_outcome(&open, "leaked"));
    found.remove("resolver");
    assert_eq!(found, expected);
    let details = with_outcome(&open, "leaked");
    for (name, detail) in [
        ("past-vpn-udp", "it leaves by uplink"),
        ("sibling-ping", "it leaves by vb"),
        ("proxy", "the connection is accepted"),
        ("host-ping", "it is answered"),
        ("forged-arp", "the host takes it"),
        ("guard", "inet guard is not there; bridge guard is not there"),
    ] {
        assert!(details[name].contains(detail), "{}", details[name]);
    }

    // One rule is missing.
    guard(&lab, true);
    let handle = lab.run("host", "nft -a list chain inet guard forward");
    let handle = handle.lines().find(|line| line.contains("iifname")).unwrap().rsplit(' ').next().unwrap().to_owned();
    lab.run("host", &format!("nft delete rule inet guard forward handle {handle}"));
    let (report, code) = leak_test(&lab, &["--only", "search"]);
    assert_eq!(code, Some(1));
    let leaked = with_outcome(&report, "leaked");
    assert!(leaked.contains_key("past-vpn-udp") && !leaked.contains_key("proxy"), "{leaked:?}");
    assert!(leaked["guard"].contains("has `iifname != "), "{}", leaked["guard"]);

    // What can't be tested is no success.
    guard(&lab, true);
    daemon.terminate();
    let (report, code) = leak_test(&lab, &["--only", "torrent"]);
    assert_eq!((code, with_outcome(&report, "leaked")), (Some(2), BTreeMap::new()));
    assert!(with_outcome(&report, "undecided").contains_key("tunnel"));
    let text = String::from_utf8(vpn(&lab, &["leak-test", "--only", "torrent"]).stdout).unwrap();
    assert!(text.contains("undecided  host") && !text.contains('\u{1b}') && text.contains("0 leaked"), "{text}");
    lab.kill("tinyproxy");
    let (report, _) = leak_test(&lab, &["--only", "torrent"]);
    let undecided = with_outcome(&report, "undecided");
    assert!(["proxy", "forged-proxy"].iter().all(|name| undecided.contains_key(*name)), "{undecided:?}");
    let unknown = vpn(&lab, &["leak-test", "--only", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("services: search, torrent"));
}

#[test]
fn the_status_is_shown_on_the_host() {
    let Some(lab) = lab("the_status_is_shown_on_the_host") else { return };
    configure(&lab);
    let output = vpn(&lab, &["status"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("can't ask the service at"));
    let daemon = lab.daemon();
    daemon.ready();
    lab.reaches_the_internet("torrent");
    let output = vpn(&lab, &["status"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let address = daemon.status()["connection"]["publicAddress"].as_str().map(|it| format!("public address  {it}"));
    for part in [
        "region          alpha",
        "alpha401",
        &address.unwrap(),
        "handshake ",
        "renewal due     in ",
        "port ends ",
        "torrent ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let status: Value = serde_json::from_slice(&vpn(&lab, &["status", "--json"]).stdout).unwrap();
    assert!(jsonschema::validator_for(&bulkhead_vpn::status::schema()).unwrap().is_valid(&status));
    assert_eq!(status["connection"]["region"], "alpha");
    assert_eq!(vpn(&lab, &["renew"]).status.code(), Some(0));
    lab.eventually("it is renewed", || daemon.status()["renewals"] == 1);
}

#[test]
fn machines_are_found_by_their_name() {
    let Some(lab) = lab("machines_are_found_by_their_name") else { return };
    prepare(&lab);
    configure(&lab);
    guard(&lab, true);
    lab.daemon().ready();
    let mut child = Command::new("ip").args(["netns", "exec", &lab.name("torrent"), "sleep", "600"]).spawn().unwrap();
    let machinectl = lab.folder.path().join("machinectl");
    let script =
        format!("#!/bin/sh\ntest \"$*\" = 'show --property=Leader --value -- torrent' && echo {}\n", child.id());
    std::fs::write(&machinectl, script).unwrap();
    std::fs::set_permissions(&machinectl, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let file = lab.folder.path().join("host.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["machinectl"] = machinectl.to_str().unwrap().into();
    for name in ["torrent", "search"] {
        config["services"][name]["namespace"] = json!({"machine": name});
    }
    std::fs::write(&file, config.to_string()).unwrap();
    let (report, code) = leak_test(&lab, &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, Some(2));
    let undecided = with_outcome(&report, "undecided");
    assert!(undecided["enter"].contains("search is not running"), "{undecided:?}");
    assert!(report["tests"].as_array().unwrap().iter().any(|test| test["at"] == "torrent"));
}

#[test]
fn what_a_container_may_put_in_place_of_its_socket_does_not_hang_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let (file, socket) = (folder.path().join("host.json"), folder.path().join("control.sock"));
    let config = json!({
        "vpn": {"namespace": {"path": "/run/netns/x"}, "interface": "eth0", "controlSocket": socket},
        "bridge": {
            "interface": "br0", "subnet": "10.73.0.0/24", "hostAddress": "10.73.0.1", "vpnAddress": "10.73.0.2",
        },
        "nft": "/usr/sbin/nft",
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let status = || {
        let output = Command::new(env!("CARGO_BIN_EXE_vpn")).arg("--config").arg(&file).arg("status").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // A link to somebody else's socket, and a pipe that nobody writes to.
    let other = folder.path().join("other.sock");
    let _listener = UnixListener::bind(&other).unwrap();
    std::os::unix::fs::symlink(&other, &socket).unwrap();
    assert!(status().1.contains("it is no socket"));
    std::fs::remove_file(&socket).unwrap();
    Command::new("mkfifo").arg(&socket).status().unwrap();
    assert!(status().1.contains("it is no socket"));
    std::fs::remove_file(&socket).unwrap();
    // An answer without an end, and one that is none.
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.write_all(&[b' '; 4096]).is_ok() {}
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"{\"status\":{\"step\":\"\x1b[2J\"}}");
        // One that is, with a name that no service has: it would clear the screen, and no table is that wide.
        let (mut stream, _) = listener.accept().unwrap();
        let name = format!("\u{1b}[2J{}", "x".repeat(70_000));
        let service = bulkhead_vpn::status::ServiceStatus {
            name,
            address: [10, 73, 0, 10].into(),
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 0,
            received_bytes: 0,
        };
        let status = bulkhead_vpn::status::Status { services: vec![service], ..Default::default() };
        // Who hangs up on a question that was not read resets the connection.
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(json!({ "status": status }).to_string().as_bytes());
    });
    let (code, message) = status();
    assert!(code == Some(2) && message.contains("it is too long"), "{message}");
    let (code, message) = status();
    assert!(code == Some(2) && !message.contains('\u{1b}'), "{message}");
    let output = Command::new(env!("CARGO_BIN_EXE_vpn")).arg("--config").arg(&file).arg("status").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains('\u{1b}') && text.contains(" [2Jxxx") && text.len() < 1000, "{text}");
    // One who lets nobody in.
    std::fs::remove_file(&socket).unwrap();
    let deaf = nix_socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    nix_socket::bind(deaf.as_raw_fd(), &UnixAddr::new(&socket).unwrap()).unwrap();
    nix_socket::listen(&deaf, Backlog::new(0).unwrap()).unwrap();
    let _waiting = UnixStream::connect(&socket).unwrap();
    let (code, message) = status();
    assert!(code == Some(2) && message.contains("timed out"), "{message}");
}

#[test]
fn no_link_of_a_container_leads_the_host_to_another_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Of the host: its own link to where the container's files are.
    std::fs::create_dir_all(path("disk/var/lib/vpn")).unwrap();
    std::os::unix::fs::symlink(path("disk"), path("root")).unwrap();
    let config = json!({
        "vpn": {
            "namespace": {"path": "/run/netns/x"}, "interface": "eth0",
            "root": path("root"), "controlSocket": path("root/var/lib/vpn/control.sock"),
        },
        "bridge": {
            "interface": "br0", "subnet": "10.73.0.0/24", "hostAddress": "10.73.0.1", "vpnAddress": "10.73.0.2",
        },
        "nft": "/usr/sbin/nft",
    });
    std::fs::write(path("host.json"), config.to_string()).unwrap();
    let serve = |socket: std::path::PathBuf| {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(b"\"accepted\"");
            }
        });
    };
    let renew = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpn"));
        let output = command.arg("--config").arg(path("host.json")).arg("renew").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    serve(path("disk/var/lib/vpn/control.sock"));
    assert_eq!(renew(), (Some(0), String::new()));
    // Of the container: links to a socket of the host, in place of each folder, and one that leaves by its name.
    std::fs::create_dir_all(path("host/lib/vpn")).unwrap();
    serve(path("host/lib/vpn/control.sock"));
    std::fs::remove_dir_all(path("disk/var")).unwrap();
    std::fs::create_dir_all(path("disk/var/lib")).unwrap();
    for (link, target) in [("disk/var", "host"), ("disk/var/lib", "host/lib"), ("disk/var/lib/vpn", "host/lib/vpn")] {
        let _ = std::fs::remove_dir_all(path("disk/var"));
        std::fs::create_dir_all(path(link).parent().unwrap()).unwrap();
        for target in [
            path(target),
            std::path::Path::new("../../../../../../../..").join(path(target).strip_prefix("/").unwrap()),
        ] {
            std::os::unix::fs::symlink(&target, path(link)).unwrap();
            let (code, message) = renew();
            assert!(code == Some(2) && message.contains("a folder of the container is a link"), "{link}: {message}");
            std::fs::remove_file(path(link)).unwrap();
        }
    }
    // Where nobody says what is the container's, the folders are the host's.
    let mut config = config;
    config["vpn"].as_object_mut().unwrap().remove("root");
    std::fs::remove_dir_all(path("disk/var")).unwrap();
    std::os::unix::fs::symlink(path("host"), path("disk/var")).unwrap();
    std::fs::write(path("host.json"), config.to_string()).unwrap();
    assert_eq!(renew(), (Some(0), String::new()), "the control: this link leads there");
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.json");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vpn"));
        let output = command.arg("--config").arg(&file).arg("status").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = r#"{
  "vpn": {"namespace": {"machine": "vpn"}, "interface": "eth0", "controlSocket": "/run/bulkhead-vpn/control.sock", "root": "/run/b"},
  "bridge": {"interface": "br0", "subnet": "10.73.0.0/24", "hostAddress": "10.74.0.1", "vpnAddress": "10.73.0.2"},
  "services": {"torrent": {"address": "10.73.0.10", "interface": "eth0", "namespace": {"machine": "--all"}}},
  "guard": {"rules": "/etc/guard.nft", "tables": [{"family": "inet", "name": "x; flush ruleset"}]},
  "nft": "/usr/sbin/nft"
}"#;
    let told = run(text);
    for part in [
        "host.json:3:75: bridge.hostAddress: 10.74.0.1 is not in 10.73.0.0/24",
        "vpn.controlSocket: /run/bulkhead-vpn/control.sock is not in /run/b",
        "vpn.namespace: a machine is looked up with machinectl",
        "services.torrent.namespace: \"--all\" is no name of a machine",
        "guard.tables: \"x; flush ruleset\" is no family or name of a table",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(run("{}").contains("missing field `vpn`"));
}
