//! Nothing secret is where another user, or a log, could see it: arguments, environments, journal, status, files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use lab::{Lab, missing, skip};

/// What all processes of this machine have in arguments and environment, as long as `stop` is not set.
fn watch(stop: Arc<AtomicBool>, texts: Arc<Mutex<BTreeSet<Vec<u8>>>>) -> usize {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        rounds += 1;
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            if !process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                // It may have ended meanwhile.
                if let Ok(text) = std::fs::read(process.path().join(file)) {
                    texts.lock().unwrap().insert(text);
                }
            }
        }
    }
    rounds
}

fn has(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// All files in a folder and below, with their modes, that have a secret in them.
fn files_with(folder: &Path, secrets: &[(&str, String)], found: &mut Vec<(String, u32, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_with(&entry.path(), secrets, found);
        } else if kind.is_file() {
            let text = std::fs::read(entry.path()).unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            for (name, _) in secrets.iter().filter(|(_, secret)| has(&text, secret)) {
                found.push((entry.path().display().to_string(), mode, (*name).to_owned()));
            }
        }
    }
}

fn hex(base64: &str) -> String {
    base64::engine::general_purpose::STANDARD.decode(base64).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn secrets_stay_where_they_belong() {
    if let Some(why) = missing() {
        return skip("secrets_stay_where_they_belong", &why);
    }
    let lab = Lab::new();
    let (stop, texts) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
    let watcher = {
        let (stop, texts) = (stop.clone(), texts.clone());
        std::thread::spawn(move || watch(stop, texts))
    };
    let mut daemon = lab.daemon();
    daemon.ready();
    let private_key = || lab.run("vpn", &format!("wg show {} private-key", lab.interface)).trim().to_owned();
    let first_key = private_key();
    assert_eq!(daemon.command(&["renew"]).status.code(), Some(0));
    lab.eventually("it is renewed", || daemon.status()["renewals"] == 1);
    lab.eventually("the hook ran", || lab.folder.path().join("hook.ran").exists());
    // Each of these has nft list its counters.
    for _ in 0..30 {
        daemon.status();
    }
    let shown = ["status", "status --json", "status --metrics"]
        .map(|line| daemon.command(&line.split(' ').collect::<Vec<_>>()).stdout)
        .concat();
    let state = std::fs::read_to_string(lab.folder.path().join("state/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let second_key = private_key();
    assert_ne!(first_key, second_key);
    let text = |pointer: &str| state.pointer(pointer).and_then(|value| value.as_str()).unwrap().to_owned();
    let secrets = [
        ("password", "correct horse".to_owned()),
        ("encoded password", "correct%20horse".to_owned()),
        ("token", text("/token/token")),
        ("payload", text("/port/payload")),
        ("signature", text("/port/signature")),
        ("first key", first_key.clone()),
        ("second key", second_key.clone()),
        ("first key in hex", hex(&first_key)),
        ("second key in hex", hex(&second_key)),
    ];
    assert!(secrets.iter().all(|(name, secret)| secret.len() > 12 && !name.is_empty()), "{secrets:?}");

    assert_eq!(daemon.terminate().0, Some(0));
    stop.store(true, Ordering::Relaxed);
    let rounds = watcher.join().unwrap();
    assert!(rounds > 10, "{rounds}");
    let texts = texts.lock().unwrap();
    // The control: what is there is seen, that of short-lived programs too.
    assert!(texts.iter().any(|text| has(text, "bulkhead-vpn\0run\0--config")));
    assert!(texts.iter().any(|text| has(text, "/nft\0-")), "nft was never caught in {rounds} rounds");
    let log = daemon.log();
    for (name, secret) in &secrets {
        // `wg genkey` of the lab itself writes to a pipe; nothing may name a key.
        assert!(!texts.iter().any(|text| has(text, secret)), "{name} is in an argument or environment");
        assert!(!has(log.as_bytes(), secret), "{name} is in the log:\n{log}");
        assert!(!has(&shown, secret), "{name} is shown");
    }

    let mut found = Vec::new();
    files_with(lab.folder.path(), &secrets, &mut found);
    for (file, mode, name) in &found {
        let is_login = file.ends_with("/login") && name == "password";
        assert!(is_login || file.ends_with("/state/state.json"), "{name} is in {file}");
        assert_eq!(mode & 0o077, 0, "{name} is in {file}, mode {mode:o}");
        assert!(!name.contains("key"), "keys live in the kernel alone, and {name} is in {file}");
    }
    assert!(found.iter().any(|(_, _, name)| name == "token"), "the control: what is stored is found");
}
