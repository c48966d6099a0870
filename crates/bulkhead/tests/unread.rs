//! Output that nobody reads: what was found stays found, and what is written is written.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use pretty_assertions::assert_eq;

/// The exit code of a run whose standard output and standard error are closed on the other side.
fn unread(fleet: &Folder, arguments: &[&str]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = fleet.command(env!("CARGO_BIN_EXE_bulkhead"));
    command.args(arguments).stdout(writer.try_clone().unwrap()).stderr(writer);
    command.status().unwrap().code()
}

#[test]
fn exit_codes_are_the_same_when_nobody_reads() {
    let whole = Folder::fleet();
    let broken = Folder::fleet();
    broken.change("machines/storage/s0/properties.nix", "\"pia\"", "\"pai\"");
    let commands: [&[&str]; 14] = [
        &["check"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["audit"],
        &["gen-secrets", "--check"],
        &["gen-secrets", "--stdout"],
        &["gen-docs", "--check"],
        &["gen-docs", "--stdout"],
        &["machines", "--json"],
        &["roles"],
        &["secrets"],
        &["who-can-read", "pia-login"],
        &["eval", "-E", "1 + true"],
        &["explain", "no-such-rule"],
    ];
    for fleet in [whole, broken] {
        for arguments in commands {
            assert_eq!(unread(&fleet, arguments), Some(fleet.bulkhead(arguments).code), "{arguments:?}");
        }
    }
}

#[test]
fn files_are_written_all_the_same() {
    let fleet = Folder::fleet();
    fleet.change("machines/storage/s0/properties.nix", "\"storage\"", "\"store\"");
    let before = fleet.read("CLAUDE.md");
    assert_eq!(unread(&fleet, &["gen-docs"]), Some(0));
    assert_ne!(fleet.read("CLAUDE.md"), before);
}

#[test]
fn a_link_out_of_the_tree_is_one_finding_that_names_it() {
    let outside = Folder::empty();
    outside.write("file", "{ }\n");
    let target = outside.path().join("file");
    for link in [
        "secrets/secrets.nix",
        "secrets/properties.nix",
        "secrets/web/session-key.age",
        "machines/laptops/howl/default.nix",
        "modules/base.nix",
    ] {
        let fleet = Folder::fleet();
        std::fs::remove_file(fleet.path().join(link)).unwrap();
        std::os::unix::fs::symlink(&target, fleet.path().join(link)).unwrap();
        let fleet = fleet.with_git();
        for source in [&[][..], &["--staged"]] {
            let run = fleet.bulkhead(&[&["check", "--format", "json"], source].concat());
            // That gen-secrets refuses is an error of its own.
            let rules: Vec<String> = run.rules().into_iter().filter(|rule| rule != "secrets-nix-outdated").collect();
            assert_eq!(rules.len(), 1, "{link}: {}", run.stdout);
            assert_eq!(
                run.json()["summary"]["undecided"].as_u64().unwrap()
                    + run.json()["summary"]["errors"].as_u64().unwrap(),
                run.rules().len() as u64
            );
            assert!(run.stdout.contains(link), "{link}: {}", run.stdout);
            assert!(run.stdout.contains(target.to_str().unwrap()), "{link}: {}", run.stdout);
        }
    }
    let machines = Folder::fleet();
    std::fs::rename(machines.path().join("machines/storage"), outside.path().join("storage")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("storage"), machines.path().join("machines/storage")).unwrap();
    let machines = machines.with_git();
    let run = machines.bulkhead(&["check", "--format", "json"]);
    assert_eq!(run.rules(), ["unreadable-file"], "{}", run.stdout);
    assert!(run.stdout.contains("because of it, unknown-role: can't tell whether any machine has the role `pia`"));
}
