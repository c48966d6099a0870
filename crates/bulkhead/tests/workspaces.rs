//! What nix/lib makes for workspaces, as the programs take it that read it: specs for bulkhead-incus, the script that
//! prepares a workspace's state, the way to a virtual machine by vsock. Skipped, and said so, where a program is missing.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Whether all of them are installed; says so where one is not.
fn has(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| {
        let argument = if **program == "socat" { "-V" } else { "--version" };
        // ssh-keygen has no such argument: that it starts is enough.
        Command::new(program).arg(argument).stdin(Stdio::null()).output().is_err()
    });
    if let Some(program) = missing {
        eprintln!("SKIPPED: {program} is not installed");
    }
    missing.is_none()
}

/// What a function of nix/lib gives for an argument.
fn library(function: &str, argument: &Value) -> Value {
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr"])
        .arg("{ lib, function, argument }: (import (/. + lib)).${function} (builtins.fromJSON argument)")
        .args(["--argstr", "function", function, "--argstr", "argument", &argument.to_string(), "--argstr", "lib"])
        .arg(repository("nix/lib").canonicalize().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{function}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn workspace(more: Value) -> Value {
    let mut workspace = json!({
        "name": "dev",
        "interface": "vi-dev",
        "mac": "ee:26:0e:9a:a3:c6",
        "ip": "10.20.0.10",
        "ip6": null,
        "resources": { "cpu": null, "memory": null, "disk": null },
        "mounts": [],
        "gpu": false,
    });
    workspace.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    workspace
}

fn spec(workspace: &Value) -> Value {
    let argument = json!({
        "workspace": workspace,
        "sandbox": { "bridge": "sandbox0", "subnet": "10.20.0.0/24", "subnet6": "fd20::/64", "allowBetween": [["dev", "db"]] },
        "image": { "metadata": "/nix/store/m/tarball/metadata.tar.zst", "rootfs": "/nix/store/r/tarball/rootfs.tar.zst" },
        "incus": { "pool": "workspaces", "specFolder": "/etc/bulkhead/incus", "startSeconds": 300, "stopSeconds": 30, "gpuGroup": 303 },
    });
    library("incusSpec", &argument)
}

#[test]
fn specs_are_what_bulkhead_incus_reads() {
    if !has(&["nix-instantiate"]) {
        return;
    }
    let schema = fs::read_to_string(repository("schemas/incus-spec.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let least = spec(&workspace(json!({})));
    let most = spec(&workspace(json!({
        "name": "db",
        "ip6": "fd20::10",
        "resources": { "cpu": 2, "memory": 4096, "disk": 20480 },
        "mounts": [{ "hostPath": "/srv/data", "mountPoint": "/data", "readOnly": true }],
        "gpu": true,
    })));
    let other = spec(&workspace(json!({ "name": "other" })));
    for spec in [&least, &most, &other] {
        let errors: Vec<String> = schema.iter_errors(spec).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{spec:#}");
    }
    assert_eq!(most["network"]["addresses"], json!(["10.20.0.10/24", "fd20::10/64"]));
    assert_eq!(most["resources"], json!({ "cpu": 2, "memory": "4096MiB", "disk": "20480MiB" }));
    // Only those that may reach nobody are kept apart by the bridge itself.
    assert_eq!((&least["network"]["isolated"], &other["network"]["isolated"]), (&json!(false), &json!(true)));
    // The schema is no rubber stamp.
    let mut wrong = least;
    wrong["network"]["mac"] = json!("dev");
    assert!(!schema.is_valid(&wrong));
}

/// Run the script that prepares a workspace's state in `folder`.
fn prepare(folder: &Path, host_key: Option<&str>) -> Output {
    let owner = fs::metadata(folder).unwrap();
    let state = folder.join("state of/dev");
    let argument =
        json!({ "name": "dev", "folder": state, "uid": owner.uid(), "gid": owner.gid(), "hostKey": host_key });
    let script = library("workspaceStateScript", &argument);
    Command::new("bash").arg("-c").arg(script.as_str().unwrap()).stdin(Stdio::null()).output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn state_is_made_once_and_kept() {
    if !has(&["nix-instantiate", "bash", "ssh-keygen"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state of/dev");
    let read = |name: &str| fs::read_to_string(state.join(name)).unwrap();
    let run = prepare(folder.path(), None);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    assert_eq!([mode(&state), mode(&state.join("private")), mode(&state.join("private/home"))], [0o755, 0o700, 0o700]);
    assert_eq!(mode(&state.join("private/ssh/ssh_host_ed25519_key")), 0o600);
    assert_eq!(mode(&state.join("ssh_host_ed25519_key.pub")), 0o644);
    let public = read("ssh_host_ed25519_key.pub");
    let key = public.trim_end().strip_suffix(" dev").unwrap();
    assert!(key.starts_with("ssh-ed25519 AAAA"), "{public}");
    assert_eq!(read("known_hosts"), format!("dev {key}\n"));

    // What a person has put there, and the key, stay; a leftover of an interrupted start does no harm.
    fs::write(state.join("private/home/notes"), "mine").unwrap();
    fs::write(state.join("private/ssh/ssh_host_ed25519_key.new"), "half").unwrap();
    assert!(prepare(folder.path(), None).status.success());
    assert_eq!((read("ssh_host_ed25519_key.pub"), read("private/home/notes")), (public.clone(), "mine".to_owned()));

    // The key that is declared is compared without its comment.
    assert!(prepare(folder.path(), Some(&format!("{key} whatever it's called"))).status.success());
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsm3UYiDp8ceatKtANk7ia0AtMWUb3QQIxHLLa8SmA9";
    let run = prepare(folder.path(), Some(other));
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("workspaces.dev.hostKey"));
    assert_eq!(read("known_hosts"), format!("dev {key}\n"));

    // A key that is declared and lost is not made anew.
    fs::remove_file(state.join("private/ssh/ssh_host_ed25519_key")).unwrap();
    let run = prepare(folder.path(), Some(key));
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("Bring it back"), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(!state.join("private/ssh/ssh_host_ed25519_key").exists());

    // Folders that somebody else has made first get their owners, where the test may give them away.
    let home = state.join("private/home");
    if std::os::unix::fs::chown(&home, Some(12345), Some(12345)).is_ok() {
        fs::set_permissions(&home, fs::Permissions::from_mode(0o775)).unwrap();
        fs::set_permissions(state.join("private/ssh"), fs::Permissions::from_mode(0o775)).unwrap();
        assert!(prepare(folder.path(), None).status.success());
        assert_eq!(
            (fs::metadata(&home).unwrap().uid(), mode(&home)),
            (fs::metadata(folder.path()).unwrap().uid(), 0o700)
        );
        assert_eq!(mode(&state.join("private/ssh")), 0o700);
        fs::write(state.join("ssh_host_ed25519_key.pub"), &public).unwrap();
    }

    // A damaged one stops the start, and is not taken for another.
    fs::write(state.join("private/ssh/ssh_host_ed25519_key"), "damaged").unwrap();
    assert!(!prepare(folder.path(), None).status.success());
    assert_eq!(read("ssh_host_ed25519_key.pub"), public);
}

/// Answer one connection as cloud-hypervisor does, with `answer` to the request for a port, then echo in upper case.
fn serve(listener: UnixListener, answer: &'static str) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        let mut writer = connection.try_clone().unwrap();
        let mut reader = BufReader::new(connection);
        let mut request = String::new();
        reader.read_line(&mut request).unwrap();
        writer.write_all(answer.as_bytes()).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let _ = writer.write_all(text.to_uppercase().as_bytes());
        request
    })
}

#[test]
fn a_virtual_machine_is_reached_by_vsock() {
    if !has(&["nix-instantiate", "bash", "socat"]) {
        return;
    }
    let script = library("vsockProxyScript", &json!({ "port": 22, "socat": "socat", "cat": "cat" }));
    for (answer, code, output) in [("OK 1073741824\nSSH-2.0\n", 0, "SSH-2.0\nHELLO\n"), ("", 1, "")] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("notify.vsock");
        let server = serve(UnixListener::bind(&socket).unwrap(), answer);
        let mut run = Command::new("bash")
            .args(["-c", script.as_str().unwrap(), "workspace-vsock"])
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        run.stdin.take().unwrap().write_all(b"hello\n").unwrap();
        let done = run.wait_with_output().unwrap();
        assert_eq!(server.join().unwrap(), "CONNECT 22\n");
        let stdout = String::from_utf8_lossy(&done.stdout);
        assert_eq!((done.status.code(), &*stdout), (Some(code), output), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(code == 1, String::from_utf8_lossy(&done.stderr).contains("does not answer on port 22"));
    }
}
