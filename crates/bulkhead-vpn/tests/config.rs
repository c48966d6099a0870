//! The configuration: what is wrong is told with its place, and the schema says the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;

use bulkhead_vpn::config::{self, Problem};
use bulkhead_vpn::network::rules::{self, Open};
use bulkhead_vpn::network::{ForwardedPort, Rules};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

const TEXT: &str = r#"{
  "interface": "wg-vpn",
  "bridge": {
    "interface": "host0",
    "subnet": "10.73.0.0/24",
    "hostAddress": "10.73.0.1",
    "vpnAddress": "10.73.0.2"
  },
  "services": {
    "torrent": { "address": "10.73.0.10" },
    "search": { "address": "10.73.0.11" }
  },
  "portForwarding": {
    "service": "torrent",
    "port": 6881,
    "protocol": "tcp",
    "onForwarded": { "command": ["/bin/hook", "x"] }
  },
  "provider": {
    "pia": {
      "location": { "regions": ["swiss"] },
      "credentialsFile": "/run/agenix/pia-login",
      "caFile": "/etc/pia/ca.pem",
      "listKeyFile": "/etc/pia/list-key.pem",
      "proxy": "10.73.0.1:8888"
    }
  },
  "stateDirectory": "/var/lib/bulkhead-vpn",
  "controlSocket": "/run/bulkhead-vpn/control.sock",
  "nft": "/usr/sbin/nft"
}
"#;

fn problems(from: &str, to: &str) -> Vec<Problem> {
    assert!(TEXT.contains(from), "{from}");
    config::parse(&TEXT.replacen(from, to, 1)).expect_err(to)
}

/// What is replaced, by what; line and column of the problem; its path, and what it says.
type Case = (&'static str, &'static str, (usize, usize), &'static str, &'static str);

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let cases: &[Case] = &[
        // What can't be read.
        ("\"wg-vpn\"", "\"wg-vpn-that-is-too-long\"", (2, 16), "interface", "15 characters"),
        ("\"wg-vpn\"", "\"wg vpn\"", (2, 16), "interface", "is no name of an interface"),
        ("10.73.0.0/24", "10.73.0.0/33", (5, 15), "bridge.subnet", "is no IPv4 network"),
        ("10.73.0.10", "10.73.0.300", (10, 29), "services.torrent.address", "invalid IPv4 address"),
        ("\"port\": 6881", "\"port\": 66881", (15, 13), "portForwarding.port", "expected u16"),
        ("\"tcp\"", "\"sctp\"", (16, 17), "portForwarding.protocol", "unknown variant `sctp`"),
        ("\"nft\"", "\"ntf\"", (30, 10), "ntf", "unknown field `ntf`"),
        ("\"search\"", "\"se arch\"", (11, 16), "services.se arch", "is no name of a service"),
        ("  \"nft\": \"/usr/sbin/nft\"\n", "", (30, 1), "", "trailing comma"),
        ("/nft\"\n}\n", "/nft\"\n", (30, 0), "", "EOF"),
        // What does not fit together.
        ("10.73.0.10\"", "10.73.1.10\"", (10, 29), "services.torrent.address", "10.73.1.10 is not in 10.73.0.0/24"),
        ("10.73.0.10\"", "10.73.0.2\"", (10, 29), "services.torrent.address", "10.73.0.2 is also bridge.vpnAddress"),
        (
            "10.73.0.10\"",
            "10.73.0.11\"",
            (10, 29),
            "services.torrent.address",
            "10.73.0.11 is also services.search.address",
        ),
        ("10.73.0.10\"", "10.73.0.255\"", (10, 29), "services.torrent.address", "no address of a machine"),
        ("10.73.0.0/24", "10.73.0.1/24", (5, 15), "bridge.subnet", "write 10.73.0.0/24"),
        ("\"host0\"", "\"wg-vpn\"", (2, 16), "interface", "also the interface to the bridge"),
        (
            "\"service\": \"torrent\"",
            "\"service\": \"torent\"",
            (14, 16),
            "portForwarding.service",
            "there is no service `torent`",
        ),
        ("\"/bin/hook\"", "\"hook\"", (17, 34), "portForwarding.onForwarded.command[0]", "no absolute path"),
        ("[\"swiss\"]", "[]", (21, 32), "provider.pia.location.regions", "no region is named"),
        ("\"/etc/pia/ca.pem\"", "\"ca.pem\"", (23, 17), "provider.pia.caFile", "no absolute path"),
    ];
    for (from, to, position, path, message) in cases {
        let problems = problems(from, to);
        let found = problems.iter().find(|problem| problem.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{to}: {problems:#?}"));
        assert_eq!(found.path, *path, "{to}");
        if position.1 > 0 {
            assert_eq!(found.position, Some(*position), "{to}: {found:?}");
        }
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let problems = problems("10.73.0.0/24", "10.74.0.0/24");
    assert_eq!(problems.len(), 4, "{problems:#?}");
}

#[test]
fn a_port_needs_a_provider_that_forwards() {
    let mut value: Value = serde_json::from_str(TEXT).unwrap();
    value["provider"] = json!({"wireguard": {"file": "/run/agenix/wg.conf"}});
    let problems = config::parse(&value.to_string()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("leave portForwarding out"));
}

#[test]
fn the_schema_agrees() {
    let schema = config::schema();
    let valid = jsonschema::validator_for(&schema).unwrap();
    let value: Value = serde_json::from_str(TEXT).unwrap();
    assert!(valid.is_valid(&value));
    for (pointer, wrong) in [
        ("/interface", json!("wg-vpn-that-is-too-long")),
        ("/bridge/subnet", json!("10.73.0.0")),
        ("/services", json!({"a b": {"address": "10.73.0.3"}})),
        ("/provider", json!({"openvpn": {}})),
        ("/provider/pia/location", json!("swiss")),
        ("/portForwarding/port", json!(0)),
        ("/bridge", json!({"interface": "host0", "subnet": "10.73.0.0/24", "hostAddress": "10.73.0.1"})),
    ] {
        let mut changed = value.clone();
        *changed.pointer_mut(pointer).unwrap() = wrong;
        assert!(!valid.is_valid(&changed), "{pointer}");
        assert!(config::parse(&changed.to_string()).is_err(), "{pointer}");
    }
}

#[test]
fn schemas_in_the_repository_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    for (of, file) in [
        ("config", "vpn-config.schema.json"),
        ("status", "vpn-status.schema.json"),
        ("host", "vpn-host.schema.json"),
        ("leak-test", "vpn-leak-test.schema.json"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead-vpn")).args(["schema", of]).output().unwrap();
        let stored = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert!(stored.as_bytes() == output.stdout, "schemas/{file} is out of date: bulkhead-vpn schema {of}");
    }
}

#[test]
fn check_config_tells_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vpn.json");
    std::fs::write(&file, TEXT).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead-vpn"));
        let output = command.args(["check-config", "--config"]).arg(&file).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["--no-files"]), (Some(0), String::new()));
    let (code, message) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(message.contains("provider.pia.caFile: can't read /etc/pia/ca.pem"), "{message}");
    assert!(message.contains("provider.pia.credentialsFile: can't read /run/agenix/pia-login"), "{message}");
}

#[test]
fn a_secret_that_everybody_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let login = folder.path().join("login");
    std::fs::write(&login, "p0000001\nsecret\n").unwrap();
    let text = TEXT.replace("/run/agenix/pia-login", &login.display().to_string());
    let config = config::parse(&text).unwrap();
    let problems = config::check_files(&config);
    assert!(problems.iter().any(|problem| problem.message.contains("chmod o= it")), "{problems:#?}");
    assert!(!format!("{problems:?}").contains("p0000001"));
}

/// What nf_tables makes of the rules, in a namespace that is never entered by anything else.
#[test]
fn nft_takes_the_rules() {
    let text = open_rules();
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let mut command = Command::new("unshare");
    command.args(["--net", "nft", "--check", "-f", "-"]);
    let child = command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let (true, Ok(mut child)) = (root, child) else {
        eprintln!("SKIPPED nft_takes_the_rules: not root, or unshare is not installed");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    if message.contains("failed to execute") {
        eprintln!("SKIPPED nft_takes_the_rules: nft is not installed");
        return;
    }
    assert!(output.status.success(), "{message}\n{text}");
}

#[test]
fn closed_rules_let_nothing_through_but_the_proxy() {
    let config = config::parse(TEXT).unwrap();
    let text = rules::create(&config);
    let accepted: Vec<&str> = text.lines().map(str::trim).filter(|line| line.ends_with(" accept")).collect();
    assert_eq!(
        accepted,
        [
            "iifname \"lo\" accept",
            "ct state established,related accept",
            "iifname \"host0\" icmp type echo-request accept",
            "oifname \"lo\" accept",
            "oifname \"host0\" ct state established,related accept",
            "oifname \"host0\" ip daddr 10.73.0.1 tcp dport 8888 accept",
        ]
    );
    assert!(!text.contains("dnat") && !text.contains("masquerade"));
}

#[test]
fn open_rules_name_both_interfaces_wherever_something_is_forwarded() {
    let text = open_rules();
    let (_, forward) = text.split_once("chain forward {").unwrap();
    let (forward, _) = forward.split_once("chain input").unwrap();
    let accepting: Vec<&str> = forward.lines().filter(|line| line.ends_with("accept")).collect();
    assert_eq!(accepting.len(), 6, "two services in two directions, and a port on two protocols");
    assert!(accepting.iter().all(|line| line.contains("iifname") && line.contains("oifname") && line.contains(" ip ")));
    assert!(forward.contains("policy drop"));
    assert_eq!(text.matches("dnat ip to 10.73.0.10:6881").count(), 2);
    assert_eq!(text.matches("dnat ip to numgen inc mod 2").count(), 4);
}

fn open_rules() -> String {
    let config = config::parse(TEXT).unwrap();
    let forwarded =
        ForwardedPort { port: 51_820, target: [10, 73, 0, 10].into(), target_port: 6881, protocols: &["tcp", "udp"] };
    let dns = vec![[10, 0, 0, 242].into(), [10, 0, 0, 244].into()];
    rules::replace(&config, &Rules { open: Some(Open { dns, mtu: 1420, forwarded: Some(forwarded) }) })
}
