//! The programs themselves as judges: files that `age` writes, keys that `ssh-keygen` makes.
//!
//! Where a program is missing, its tests say so and pass.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};

use bulkhead_age::matching::{CountVerdict, Fit};
use bulkhead_age::{
    PrivateKeyKind, Recipient, SshPublicKey, looks_like_private_key, match_recipients, parse_header, whole_private_key,
};

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !found {
        eprintln!("skipped: `{program}` is not installed");
    }
    found
}

fn run(program: &str, args: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn ssh_key(folder: &Path, name: &str, options: &[&str]) -> String {
    let args = [&["-q", "-N", "", "-C", "a comment", "-f", name], options].concat();
    run("ssh-keygen", &args, folder).unwrap();
    std::fs::read_to_string(folder.join(format!("{name}.pub"))).unwrap()
}

#[test]
fn ssh_keygen_agrees_on_fingerprints_and_sizes() {
    if !is_installed("ssh-keygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("ed25519", ["-t", "ed25519", "-a", "1"]),
        ("rsa1024", ["-t", "rsa", "-b", "1024"]),
        ("rsa2048", ["-t", "rsa", "-b", "2048"]),
        ("ecdsa256", ["-t", "ecdsa", "-b", "256"]),
        ("ecdsa384", ["-t", "ecdsa", "-b", "384"]),
        ("ecdsa521", ["-t", "ecdsa", "-b", "521"]),
    ] {
        let line = ssh_key(folder.path(), name, &options);
        let key = SshPublicKey::parse(&line).unwrap();
        let told = run("ssh-keygen", &["-l", "-f", &format!("{name}.pub")], folder.path()).unwrap();
        assert!(told.starts_with(&format!("{} {} a comment", key.bits(), key.fingerprint())), "{told} {key:?}");
        assert_eq!(line, format!("{} a comment\n", key.canonical()));
        assert_eq!(key.weaknesses().is_empty(), name != "rsa1024");
    }
}

#[test]
fn private_keys_of_every_format() {
    if !is_installed("ssh-keygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    use PrivateKeyKind::{Ec, OpenSsh, Pkcs8, Rsa};
    for (i, (options, kind)) in [
        (["-t", "ed25519", "-a", "1"], OpenSsh),
        (["-t", "rsa", "-m", "PEM"], Rsa),
        (["-t", "ecdsa", "-m", "PEM"], Ec),
        (["-t", "ecdsa", "-m", "PKCS8"], Pkcs8),
    ]
    .into_iter()
    .enumerate()
    {
        for (passphrase, is_encrypted) in [("", false), ("five characters", true)] {
            let name = format!("{i}{is_encrypted}");
            let args = [&["-q", "-N", passphrase, "-f", &name], options.as_slice()].concat();
            run("ssh-keygen", &args, folder.path()).unwrap();
            let bytes = std::fs::read(folder.path().join(&name)).unwrap();
            let found = looks_like_private_key(&bytes).unwrap();
            assert_eq!((found.kind, found.encrypted, found.offset), (kind, Some(is_encrypted), 0), "{options:?}");
            assert_eq!(whole_private_key(&bytes), Some(found), "{options:?}");
            let public = std::fs::read(folder.path().join(format!("{name}.pub"))).unwrap();
            assert_eq!(looks_like_private_key(&public), None);
            // Indented in a Nix string.
            let nix = format!("{{ key = ''\n    {}'';\n}}", String::from_utf8(bytes).unwrap().replace('\n', "\n    "));
            assert_eq!(looks_like_private_key(nix.as_bytes()).unwrap().encrypted, Some(is_encrypted));
            assert_eq!(whole_private_key(nix.as_bytes()).unwrap().encrypted, Some(is_encrypted));
        }
    }
}

#[test]
fn age_agrees_on_stanzas() {
    if !is_installed("age") || !is_installed("age-keygen") || !is_installed("ssh-keygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let identity = run("age-keygen", &[], folder).unwrap();
    assert_eq!(looks_like_private_key(identity.as_bytes()).unwrap().kind, PrivateKeyKind::AgeIdentity);
    let age = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_string();
    let texts = [
        ssh_key(folder, "one", &["-t", "ed25519"]),
        ssh_key(folder, "rsa", &["-t", "rsa", "-b", "2048"]),
        age,
        ssh_key(folder, "two", &["-t", "ed25519"]),
    ];
    std::fs::write(folder.join("plain"), vec![0x5a; 100_000]).unwrap();
    let recipients: Vec<_> = texts.iter().map(|text| Recipient::parse(text).unwrap()).collect();

    for armor in [false, true] {
        let mut args = vec!["-o", "secret.age"];
        args.extend(armor.then_some("-a"));
        texts[..3].iter().for_each(|text| args.extend(["-r", text]));
        run("age", &[&args, ["plain"].as_slice()].concat(), folder).unwrap();
        let bytes = std::fs::read(folder.join("secret.age")).unwrap();
        let header = parse_header(&bytes, true).unwrap();
        assert_eq!(header.armored, armor);
        assert!(header.stanzas.iter().all(|stanza| stanza.problem().is_none()), "{header:?}");
        assert_eq!(header.payload_problem(&bytes, bytes.len() as u64), None);
        assert!(header.payload_problem(&bytes[..400], bytes.len() as u64).is_none());

        let all = match_recipients(&header, &recipients[..3]);
        assert_eq!(all.matched, [(0, 0), (1, 1)]);
        assert_eq!(all.counted[0].verdict, CountVerdict::Fits);
        assert_eq!(all.fit(), Fit::Fits);
        let changed = match_recipients(&header, &[recipients[3].clone(), recipients[1].clone()]);
        assert_eq!((changed.missing.as_slice(), changed.stale.as_slice()), ([0].as_slice(), [0].as_slice()));
        assert_eq!(changed.counted[0].verdict, CountVerdict::More);
    }
}

/// age takes exactly the keys and spellings that are said to be fit.
#[test]
fn age_agrees_on_what_it_takes() {
    if !is_installed("age") || !is_installed("ssh-keygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("plain"), "x").unwrap();
    let ed25519 = ssh_key(folder, "ed25519", &["-t", "ed25519"]);
    let age = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    let raw = |point: [u8; 32]| {
        use base64::Engine as _;
        let blob = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &point].concat();
        format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(blob))
    };
    let mut texts = vec![
        ssh_key(folder, "rsa1024", &["-t", "rsa", "-b", "1024"]),
        ssh_key(folder, "rsa2048", &["-t", "rsa", "-b", "2048"]),
        ssh_key(folder, "ecdsa", &["-t", "ecdsa"]),
        format!(" {ed25519}"),
        format!("{}\r\n", ed25519.trim_end()),
        format!("from=\"*\" {ed25519}"),
        format!("host {ed25519}"),
        ed25519,
        age.to_string(),
        format!("{age} comment"),
        format!("{age}\r"),
        format!(" {age}"),
        age.to_uppercase(),
        age.replace("zvk", "zvq"),
        "github:fry".to_string(),
    ];
    // Strings of 32 bytes: about half of them are points, a few have a small order.
    texts.extend((0..32).map(|lowest| raw(std::array::from_fn(|i| if i == 0 { lowest } else { 0 }))));
    texts.extend((0..16).map(|highest| raw([highest * 17; 32])));
    for text in texts {
        let ours = Recipient::parse(&text)
            .is_ok_and(|recipient| recipient.age_can_encrypt() && recipient.spelling_problem().is_none());
        let theirs = run("age", &["-o", "out.age", "-r", &text, "plain"], folder).is_some();
        assert_eq!(ours, theirs, "{text:?}");
    }
}
