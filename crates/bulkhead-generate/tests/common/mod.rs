//! Fleets for tests: written as files in memory, with keys that are made up from a name.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bulkhead_diagnostics::Diagnostic;
use bulkhead_eval::World;
use bulkhead_fleet::{Fleet, LoadOptions};
use bulkhead_source::MemoryTree;

/// Files of a fleet, by path.
#[derive(Clone, Default)]
pub struct Files(pub BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn new(files: &[(&str, &str)]) -> Files {
        let mut all = Files::default();
        for (path, text) in files {
            all.add(path, text);
        }
        all
    }

    pub fn add(&mut self, path: &str, text: impl AsRef<[u8]>) -> &mut Files {
        self.0.insert(path.to_owned(), text.as_ref().to_vec());
        self
    }

    /// A machine with a host key made from its name.
    pub fn machine(&mut self, dir: &str, roles: &[&str], more: &str) -> &mut Files {
        let name = dir.rsplit('/').next().unwrap();
        let host = if more.contains("hostKey") { String::new() } else { format!("hostKey = \"{}\";", key(name)) };
        let text = format!(
            "{{ hostNames = [ \"{}\" ]; arch = \"x86_64-linux\"; systemRoles = [ {} ]; {host} {more} }}",
            name.replace("${", "\\${"),
            list(roles)
        );
        self.add(&format!("{dir}/properties.nix"), text)
    }

    pub fn world(&self) -> (MemoryTree, World) {
        let tree = MemoryTree::new(self.0.iter().map(|(path, text)| (path.as_str(), text.as_slice()))).unwrap();
        let world = World::new(Arc::new(tree.clone()), Default::default());
        (tree, world)
    }

    pub fn fleet(&self) -> Fleet {
        let (tree, world) = self.world();
        Fleet::load(&tree, &world, &LoadOptions::default()).unwrap()
    }

    pub fn write_to(&self, folder: &Path) {
        for (path, text) in &self.0 {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

pub fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
}

/// A small generator of numbers, the same everywhere (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn some<'a>(&mut self, of: &'a [String], n: usize) -> Vec<&'a str> {
        of.iter().filter(|_| self.one_in(n)).map(String::as_str).collect()
    }
}

/// An ed25519 public key made from a name: the first point of the curve that its numbers give.
pub fn key(name: &str) -> String {
    let mut seed = Random(name.bytes().fold(7, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())));
    loop {
        let mut blob = vec![0, 0, 0, 11];
        blob.extend(b"ssh-ed25519");
        blob.extend([0, 0, 0, 32]);
        for _ in 0..4 {
            blob.extend(seed.next().to_be_bytes());
        }
        let line = format!("ssh-ed25519 {}", base64(&blob));
        if bulkhead_age::Recipient::parse(&line).unwrap().age_can_encrypt() {
            return line;
        }
    }
}

/// The tag of a key in headers.
pub fn tag(key: &str) -> String {
    bulkhead_age::Recipient::parse(key).unwrap().tag().unwrap()
}

/// An age file whose header has a stanza for each of these keys.
pub fn age_file(keys: &[&str]) -> String {
    let mut text = "age-encryption.org/v1\n".to_owned();
    let body = base64(&[7; 32]).trim_end_matches('=').to_owned();
    for key in keys {
        text.push_str(&format!("-> ssh-ed25519 {} {body}\n{body}\n", tag(key)));
    }
    format!("{text}--- {body}\n{}", "x".repeat(40))
}

pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = (0..3).fold(0u32, |n, i| n << 8 | u32::from(*chunk.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let c = ALPHABET[(n >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i > chunk.len() { '=' } else { c });
        }
    }
    out
}

/// Findings as lines, for snapshots.
pub fn lines(findings: &[Diagnostic]) -> String {
    let mut out = String::new();
    for finding in findings {
        out.push_str(&format!("{:?} {}: {}\n", finding.severity, finding.place.file, finding.message).to_lowercase());
        finding.help.iter().for_each(|help| out.push_str(&format!("  help: {help}\n")));
    }
    out
}

/// Whether Nix is installed; says so where it is not.
pub fn has_nix() -> bool {
    let found = Command::new("nix-instantiate").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: nix-instantiate is not installed");
    }
    found
}

/// What Nix makes of an expression, in `folder`, as JSON.
pub fn nix(folder: &Path, expression: &str) -> serde_json::Value {
    let output = Command::new("nix-instantiate")
        .current_dir(folder)
        .args(["--json", "--eval", "--strict", "-E", expression])
        .output()
        .unwrap();
    assert!(output.status.success(), "{expression}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
