//! A private key that somebody pasted somewhere is shown by no command, in no format, and copied into no file.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use bulkhead_age::looks_like_private_key;
use bulkhead_diagnostics::mask_private_keys;
use common::{Folder, Run};

const KIF: &str = "machines/servers/kif/properties.nix";
const BODY: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDj0wVnP1nZt8Qy4uUuM2m7Y3o5hXk4kqkJbqXo2vQm7gAAAJgq0pXHKtKV
xwAAAAtzc2gtZWQyNTUxOQAAACDj0wVnP1nZt8Qy4uUuM2m7Y3o5hXk4kqkJbqXo2vQm7g
AAAEBq9yVb1Y0rX8s";
const AGE: &str = "GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const SIGNING: &str = "mKcp4dVVbcrxyV4q1bG2l3eXKmLUsYnVJbUXK3SN6lIwHkEOnF1uKOxTOPHxYXY8C9TDrDUWzZKeSUvuBLHZxA==";
const JWK: &str = "nWGxne9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2AB";
const WIREGUARD: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

/// A kind of key: what it is called, the Nix expression of a string with it, and what must not be seen of it.
fn keys() -> Vec<(&'static str, String, Vec<String>)> {
    let lines = || BODY.lines().map(str::to_owned).collect::<Vec<_>>();
    let armor = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
    let open_ssh = armor("OPENSSH PRIVATE KEY", BODY);
    let indented = |text: &str| format!("''\n      {}\n    ''", text.replace('\n', "\n      "));
    let quoted = |text: &str| format!("\"{}\"", text.replace('\n', "\\n"));
    let putty = format!(
        "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\n{BODY}\nPrivate-Lines: 2\n{BODY}"
    );
    vec![
        ("age identity", format!("\"AGE-SECRET-KEY-1{AGE}\""), vec![AGE.to_owned()]),
        ("age identity, mistyped", format!("\"AGE-SECRET-KEY-1{}\"", &AGE[..40]), vec![AGE[..40].to_owned()]),
        ("age identity, after a public key", format!("\"age1x\\nage-secret-key-1{AGE}\""), vec![AGE.to_owned()]),
        ("OpenSSH, indented", indented(&open_ssh), lines()),
        ("OpenSSH, on one line", quoted(&open_ssh), lines()),
        ("OpenSSH, cut off", indented(open_ssh.split("\n-----END").next().unwrap()), lines()),
        ("OpenSSH, windows", quoted(&open_ssh.replace('\n', "\r\n")).replace('\r', "\\r"), lines()),
        ("RSA", indented(&armor("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{BODY}"))), lines()),
        ("PuTTY", indented(&putty), lines()),
        ("WireGuard", format!("\"{WIREGUARD}\""), vec![WIREGUARD.to_owned()]),
        ("of a cache", format!("\"cache.example.org-1:{SIGNING}\""), vec![SIGNING.to_owned()]),
        ("JSON Web Key", format!("''{{ \"kty\": \"OKP\", \"d\": \"{JWK}\" }}''"), vec![JWK.to_owned()]),
        (
            "JSON Web Key, shared",
            format!("\"{{ \\\"k\\\": \\\"{JWK}\\\", \\\"kty\\\": \\\"oct\\\" }}\""),
            vec![JWK.to_owned()],
        ),
        ("WireGuard, as in a file", format!("\"PrivateKey = {WIREGUARD}\""), vec![WIREGUARD.to_owned()]),
    ]
}

/// A fleet with `key`, an expression, at one place.
fn at(place: &str, key: &str) -> Folder {
    let fleet = Folder::fleet();
    let machine = |host_names: &str, rest: &str| {
        fleet.write(
            KIF,
            format!("{{\n  hostNames = [ {host_names} ]; arch = \"x86_64-linux\"; systemRoles = [ \"web\" ];\n  {rest}\n}}\n"),
        );
    };
    match place {
        "hostKey" => machine("\"kif\"", &format!("hostKey = {key};")),
        "userKeys" => machine("\"kif\"", &format!("userKeys = [ {key} ];")),
        "unlock" => machine("\"kif\"", &format!("remoteUnlock = {{ hostKey = {key}; onionHost = {key}; }};")),
        "schema" => machine(key, &format!("publicIP = {key}; unknownName = {key};")),
        "meta" => machine("\"kif\"", &format!("meta = {{ description = {key}; ${{{key}}} = {key}; }};")),
        "syntax" => machine("\"kif\"", &format!("hostKey = {key} hostKey = {key};")),
        "failure" => machine("\"kif\"", &format!("hostKey = builtins.throw {key};")),
        "type" => machine("\"kif\"", &format!("hostKey = 1 + {key};")),
        "secrets" => {
            let entry =
                format!("wifi = {{ description = {key}; owner = {key}; roles = [ {key} ]; machines = [ {key} ]; }};");
            fleet.write("secrets/properties.nix", format!("{{ {entry} }}"));
        }
        "rules" => {
            std::fs::remove_file(fleet.path().join("secrets/properties.nix")).unwrap();
            fleet.write("secrets/secrets.nix", format!("{{ \"wifi.age\".publicKeys = [ {key} ]; }}"));
        }
        _ => unreachable!(),
    }
    fleet
}

const COMMON: [&str; 3] = ["age identity", "OpenSSH, indented", "WireGuard"];

const PLACES: [&str; 10] =
    ["hostKey", "userKeys", "unlock", "schema", "meta", "syntax", "failure", "type", "secrets", "rules"];

/// Whether a part of a secret that is long enough to be one is in `text`.
fn leak<'s>(text: &str, secrets: &'s [String]) -> Option<&'s str> {
    let parts = secrets.iter().flat_map(|secret| {
        let length = secret.len().min(12);
        (0..=secret.len() - length).step_by(4).map(move |at| &secret[at..at + length])
    });
    parts.into_iter().find(|part| text.contains(*part) || text.contains(&part.to_ascii_lowercase()))
}

fn commands() -> Vec<Vec<&'static str>> {
    let mut commands = Vec::new();
    for format in ["full", "concise", "json", "sarif", "github"] {
        commands.push(vec!["check", "--format", format]);
        commands.push(vec!["audit", "--format", format]);
    }
    for command in [
        "check --color always",
        "gen-secrets --check",
        "gen-secrets --stdout",
        "gen-secrets --adopt",
        "gen-secrets",
        "gen-docs --check",
        "gen-docs --stdout",
        "gen-docs",
        "machines",
        "machines --json",
        "roles",
        "roles --json",
        "secrets",
        "secrets --json",
        "secrets --machine kif",
        "who-can-read wifi",
        "who-can-read wifi --json",
    ] {
        commands.push(command.split(' ').collect());
    }
    commands.push(vec!["eval", "-A", "hostKey.missing", KIF]);
    commands.push(vec!["eval", "-E", "1 + (import ./machines/servers/kif/properties.nix).hostKey"]);
    commands.push(vec!["eval", "-E", "throw (import ./machines/servers/kif/properties.nix).hostKey"]);
    commands
}

#[test]
fn are_shown_by_no_command() {
    let commands = commands();
    let keys = keys();
    for place in PLACES {
        // Where a key may well be pasted it is one of each kind; elsewhere the ways through the program are few.
        let is_likely = matches!(place, "hostKey" | "schema" | "secrets");
        std::thread::scope(|scope| {
            for (kind, key, secrets) in keys.iter().filter(|(kind, ..)| is_likely || COMMON.contains(kind)) {
                let commands = &commands;
                scope.spawn(move || {
                    let fleet = at(place, key);
                    for command in commands {
                        let Run { stdout, stderr, code } = fleet.bulkhead(command);
                        for text in [&stdout, &stderr] {
                            let leak = leak(text, secrets);
                            assert_eq!(leak, None, "{kind} as {place} in {command:?} ({code}):\n{text}");
                            assert!(!text.contains("panicked"), "{text}");
                        }
                        if command.ends_with(&["json"]) || command.contains(&"--json") && !stdout.is_empty() {
                            serde_json::from_str::<serde_json::Value>(&stdout).unwrap();
                        }
                    }
                    for file in ["CLAUDE.md", "secrets/secrets.nix", "secrets/properties.nix"] {
                        let is_source = file.starts_with("secrets") && matches!(place, "secrets" | "rules");
                        if !is_source {
                            let text = std::fs::read_to_string(fleet.path().join(file)).unwrap_or_default();
                            assert_eq!(leak(&text, secrets), None, "{kind} as {place} in {file}");
                        }
                    }
                });
            }
        });
    }
}

/// A region that has one already is compared with what it should be.
#[test]
fn are_shown_by_no_difference() {
    for (kind, _, secrets) in keys() {
        let fleet = Folder::fleet();
        let armored = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", secrets.join("\n"));
        let text = if secrets.len() > 1 {
            armored
        } else {
            format!("AGE-SECRET-KEY-1{}\nPrivateKey = {WIREGUARD}", &secrets[0])
        };
        fleet.change("secrets/secrets.nix", "let\n", &format!("let\n/*\n{text}\n*/\n"));
        let run = fleet.bulkhead(&["gen-secrets", "--check"]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("-*/"), "{}", run.stdout);
        if secrets[0] != WIREGUARD {
            assert_eq!(leak(&run.stdout, &secrets), None, "{kind}: {}", run.stdout);
        }
        assert_eq!(leak(&run.stdout, &[WIREGUARD[..40].to_owned()]), None, "{kind}: {}", run.stdout);
    }
}

/// What the analyzer takes for a private key is one to the renderers.
#[test]
fn masks_leave_nothing_to_find() {
    for (kind, key, secrets) in keys() {
        let text = key.replace("\\n", "\n").replace("\\r", "\r");
        let masked = mask_private_keys(&text);
        assert_eq!(masked.len(), text.len());
        assert_eq!(masked.lines().count(), text.lines().count());
        assert_eq!(leak(&masked, &secrets), None, "{kind}: {masked}");
        assert_eq!(looks_like_private_key(masked.as_bytes()), None, "{kind}: {masked}");
    }
}

/// Texts about keys, and public keys, stay as they are.
#[test]
fn other_texts_stay() {
    for text in [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH fry@planet",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudlggycs0jqshm",
        "it begins with -----BEGIN OPENSSH PRIVATE KEY-----, not with a type of public keys",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n<your key>\n-----END OPENSSH PRIVATE KEY-----\nhostNames = [ ];",
        "-----BEGIN RSA PRIVATE KEY-----\n'';\n  systemRoles = [ \"averyveryverylongname\" ];",
        "an `AGE-SECRET-KEY-` or PuTTY-User-Key-File- is no public key",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
        "sha256-yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
    ] {
        assert_eq!(mask_private_keys(text), text);
    }
}
