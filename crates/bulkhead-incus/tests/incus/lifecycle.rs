//! Start, what is inside, stop, and start again.

use std::fs;
use std::os::unix::fs::MetadataExt;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::{assert_code, said};

#[test]
fn a_workspace_is_what_its_spec_says() {
    let Some(lab) = Lab::new() else { return };
    let before = (lab.listing(), lab.images());
    let state = lab.dir.join("host-key");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("key.pub"), "ssh-ed25519 AAAA").unwrap();
    let mut spec = lab.spec("a", 10);
    let read_only = json!({ "source": state, "path": "/etc/host-key", "readOnly": true });
    spec["mounts"].as_array_mut().unwrap().push(read_only);
    // It is to be shut down, not killed, however busy the machine is.
    spec["stopSeconds"] = json!(120);
    let spec = lab.write("a", &spec);

    let run = lab.begin("start", &spec).finish();
    assert_code(&run.output, 0);
    assert!(run.told.iter().any(|line| line == "READY=1"), "{:#?}", run.told);
    assert!(run.told.iter().any(|line| line.starts_with("EXTEND_TIMEOUT_USEC=")), "{:#?}", run.told);

    let (code, status) = lab.status(&[&spec]);
    assert_eq!(code, Some(0));
    let workspace = &status["workspaces"][0];
    assert_eq!(workspace["state"], "ready");
    assert_eq!(workspace["spec"], spec.to_str().unwrap());
    assert!(workspace["addresses"].as_array().unwrap().contains(&json!("10.9.0.10/24")), "{workspace}");

    let address = lab.inside("a", "ip -o addr show eth0; ip link show eth0");
    assert!(address.contains("inet 10.9.0.10/24") && address.contains("02:00:0a:09:00:0a"), "{address}");
    let link = lab.command("ip").args(["-json", "-details", "link", "show", "ws-a"]).output().unwrap();
    let link: Value = serde_json::from_slice(&link.stdout).unwrap();
    assert_eq!(link[0]["master"], "br0");
    assert_eq!(link[0]["linkinfo"]["info_slave_data"]["isolated"], true);
    let ping = lab.command("busybox").args(["ping", "-c", "1", "-W", "2", "10.9.0.10"]).output().unwrap();
    assert!(ping.status.success(), "{}", String::from_utf8_lossy(&ping.stdout));

    let map = lab.inside("a", "cat /proc/self/uid_map");
    let map: Vec<u64> = map.split_whitespace().map(|number| number.parse().unwrap()).collect();
    assert!(map.len() == 3 && map[0] == 0 && map[1] >= 100_000, "root inside is nobody outside: {map:?}");
    let config = &lab.query(&format!("/1.0/instances/{}", lab.name("a")))["expanded_config"];
    for (key, value) in [
        ("security.privileged", "false"),
        ("security.idmap.isolated", "true"),
        ("security.nesting", "false"),
        ("security.guestapi", "false"),
        ("security.syscalls.deny_compat", "true"),
        ("boot.autostart", "false"),
        ("limits.cpu", "1"),
        ("limits.memory", "256MiB"),
        ("limits.processes", "200"),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    assert_eq!(lab.inside("a", "ls -d /dev/incus 2>/dev/null"), "");

    assert_eq!(lab.inside("a", "cat /etc/host-key/key.pub"), "ssh-ed25519 AAAA");
    assert!(lab.inside("a", "touch /etc/host-key/mine").contains("Read-only"));
    assert_eq!(lab.inside("a", "touch /home/dev/file && chown 1000:100 /home/dev/file && echo done"), "done");
    let file = fs::metadata(lab.home("a").join("file")).unwrap();
    assert_eq!((file.uid(), file.gid()), (1000, 100), "owners are the same numbers on both sides");

    assert_code(&lab.stop(&spec), 0);
    assert_eq!(fs::read_to_string(lab.home("a").join("log")).unwrap(), "started\nstopped\n", "it was shut down");
    assert_eq!(lab.status(&[&spec]).0, Some(1));
    assert_eq!(lab.state(&spec), "absent");
    assert_eq!(lab.listing(), before.0);
    assert_eq!(lab.images().0.len(), 1, "the image stays for the next start");
    fs::remove_file(&spec).unwrap();
    assert_code(&lab.gc(&[]), 0);
    assert_eq!((lab.listing(), lab.images()), before);
}

#[test]
fn each_start_begins_anew_but_the_home_stays() {
    let Some(lab) = Lab::new() else { return };
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    let first = lab.query(&format!("/1.0/instances/{}", lab.name("a")));
    lab.inside("a", "touch /in-the-image /home/dev/in-the-home");

    // Without a stop in between, and with one.
    for starts in [2, 3] {
        let run = lab.begin("start", &spec).finish();
        assert_code(&run.output, 0);
        assert!(!run.steps().iter().any(|step| step.starts_with("importing")), "{:#?}", run.steps());
        assert_eq!(lab.inside("a", "ls /in-the-image /home/dev/in-the-home 2>/dev/null"), "/home/dev/in-the-home");
        let log = fs::read_to_string(lab.home("a").join("log")).unwrap();
        assert_eq!(log.matches("started").count(), starts);
        let now = lab.query(&format!("/1.0/instances/{}", lab.name("a")));
        assert_ne!(now["config"]["volatile.uuid"], first["config"]["volatile.uuid"]);
        if starts == 2 {
            assert_code(&lab.stop(&spec), 0);
        }
    }
}

#[test]
fn a_workspace_that_ends_by_itself_is_gone_and_starts_again() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    lab.inside("a", "kill -PWR 1");
    lab.wait_until("the instance is gone", || lab.state(&spec) == "absent");
    assert_eq!(lab.listing(), before);
    assert_code(&lab.start(&spec), 0);
}

#[test]
fn a_workspace_that_does_not_shut_down_is_killed_and_stopping_twice_is_fine() {
    let Some(lab) = Lab::new() else { return };
    let before = lab.listing();
    lab.behave("a", "ignores-shutdown");
    let mut spec = lab.spec("a", 10);
    spec["stopSeconds"] = json!(1);
    let spec = lab.write("a", &spec);
    assert_code(&lab.start(&spec), 0);
    assert_code(&lab.stop(&spec), 0);
    assert_eq!(lab.listing(), before);
    let again = lab.stop(&spec);
    assert_code(&again, 0);
    assert!(said(&again).contains("it was not running"), "{}", said(&again));
}

#[test]
fn a_port_is_waited_for() {
    let Some(lab) = Lab::new() else { return };
    lab.behave("a", "serves");
    let mut spec = lab.spec("a", 10);
    spec["ready"]["port"] = json!(8080);
    let run = lab.begin("start", &lab.write("a", &spec)).finish();
    assert_code(&run.output, 0);
    assert!(run.steps().contains(&"waiting for port 8080".to_owned()), "{:#?}", run.steps());
    let get = lab.command("busybox").args(["wget", "-q", "-O", "-", "http://10.9.0.10:8080/"]).output().unwrap();
    assert!(said(&get).contains("404"), "the port answers: {}", said(&get));
}
