//! `gen-secrets`, `gen-docs`, `install-hooks` on disk.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use common::{Folder, finish};
use pretty_assertions::assert_eq;

#[test]
fn what_is_generated_is_up_to_date_in_the_example() {
    let fleet = Folder::fleet();
    assert_eq!(fleet.bulkhead(&["gen-secrets", "--check"]).code, 0);
    assert_eq!(fleet.bulkhead(&["gen-docs", "--check"]).code, 0);
}

#[test]
fn check_compares_and_writes_nothing() {
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "\"fry\"", "");
    let before = fleet.read("secrets/secrets.nix");
    let run = fleet.bulkhead(&["gen-secrets", "--check"]);
    assert_eq!((run.code, fleet.read("secrets/secrets.nix")), (1, before));
    assert!(run.stdout.contains("-  \"wifi.age\"") && run.stdout.contains("+  \"wifi.age\""), "{}", run.stdout);

    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("secrets/wifi.age: fry leaves"), "{}", run.stdout);
    assert_eq!(fleet.bulkhead(&["gen-secrets", "--check"]).code, 0);
}

#[test]
fn a_handwritten_file_is_not_overwritten_but_adopted() {
    let fleet = Folder::fleet();
    let generated = fleet.read("secrets/secrets.nix");
    let by_hand = generated.lines().skip(2).collect::<Vec<_>>().join("\n");
    fleet.write("secrets/secrets.nix", &by_hand);
    std::fs::remove_file(fleet.path().join("secrets/properties.nix")).unwrap();

    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_ne!(run.code, 0);
    assert_eq!(fleet.read("secrets/secrets.nix"), by_hand);
    assert!(run.stderr.contains("--adopt"), "{}", run.stderr);

    let run = fleet.bulkhead(&["gen-secrets", "--adopt"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(fleet.read("secrets/secrets.nix.handwritten"), by_hand);
    let check = fleet.bulkhead(&["check", "--format", "json"]);
    assert_eq!((check.code, check.rules()), (0, vec![]), "{}", check.stdout);
    assert!(fleet.read("secrets/properties.nix").contains("pia-login"));
}

#[test]
fn documents_keep_what_is_not_between_markers() {
    let fleet = Folder::fleet();
    let text =
        "# Mine\r\n\r\n<!-- bulkhead:begin roles -->\r\nold\r\n<!-- bulkhead:end roles -->\r\nend, without a line end";
    fleet.write("CLAUDE.md", text);
    assert_eq!(fleet.bulkhead(&["gen-docs", "--check"]).code, 1);
    assert_eq!(fleet.read("CLAUDE.md"), text);
    assert_eq!(fleet.bulkhead(&["gen-docs"]).code, 0);
    let after = fleet.read("CLAUDE.md");
    assert!(after.starts_with("# Mine\r\n\r\n<!-- bulkhead:begin roles -->\r\n"), "{after}");
    assert!(after.ends_with("<!-- bulkhead:end roles -->\r\nend, without a line end"), "{after}");
    assert!(after.contains("| `pia` | `s0` |") && !after.contains("old"), "{after}");

    fleet.write("CLAUDE.md", "<!-- bulkhead:begin roles -->\nno end\n");
    let run = fleet.bulkhead(&["gen-docs"]);
    assert_eq!((run.code, fleet.read("CLAUDE.md")), (1, "<!-- bulkhead:begin roles -->\nno end\n".to_owned()));
}

#[test]
fn the_hook_judges_what_is_staged() {
    let fleet = Folder::fleet().with_git();
    let program = env!("CARGO_BIN_EXE_bulkhead");
    let run = fleet.bulkhead(&["install-hooks", "--command", program]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let good = fleet.read("secrets/properties.nix");

    // Wrong and staged, right in the working tree: refused.
    fleet.write("secrets/properties.nix", good.replace("\"pia\"", "\"pai\""));
    fleet.git(&["add", "--all"]);
    fleet.write("secrets/properties.nix", &good);
    let run = fleet.run("git", &["commit", "--message=wrong"]);
    assert_eq!(run.code, 1);
    assert!(format!("{}{}", run.stdout, run.stderr).contains("unknown-role"), "{}{}", run.stdout, run.stderr);

    // Right and staged, wrong in the working tree: goes through.
    fleet.change("machines/laptops/fry/default.nix", "{", "{\n  # staged");
    fleet.git(&["add", "--all"]);
    fleet.write("secrets/properties.nix", good.replace("\"pia\"", "\"pai\""));
    fleet.git(&["commit", "--quiet", "--message=right"]);

    // `git commit FILE` commits that file, whatever is staged.
    fleet.write("secrets/properties.nix", good.replace("\"pia\"", "\"pai\""));
    assert_eq!(fleet.run("git", &["commit", "--message=file", "secrets/properties.nix"]).code, 1);

    assert!(fleet.bulkhead(&["install-hooks", "--command", program]).stdout.contains("there already"));
    fleet.write(".git/hooks/pre-commit", "#!/bin/sh\nmake check\n");
    let run = fleet.bulkhead(&["install-hooks", "--command", program]);
    assert_eq!((run.code, fleet.read(".git/hooks/pre-commit")), (2, "#!/bin/sh\nmake check\n".to_owned()));
    assert!(run.stderr.contains("check --staged"), "{}", run.stderr);
}

#[test]
fn a_hook_whose_program_is_not_there_refuses_and_says_what_to_do() {
    for command in ["bulkhead-that-is-not-there", "/nonexistent/bulkhead", "bulkhead-that-is-not-there --root ."] {
        let fleet = Folder::fleet().with_git();
        let run = fleet.bulkhead(&["install-hooks", "--command", command]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(fleet.bulkhead(&["install-hooks", "--command", command]).stdout.contains("there already"));
        fleet.change("machines/laptops/fry/default.nix", "{", "{\n  # staged");
        fleet.git(&["add", "--all"]);
        let run = fleet.run("git", &["commit", "--message=right"]);
        assert_eq!(run.code, 1, "{}", run.stderr);
        let program = command.split(' ').next().unwrap();
        assert!(run.stderr.contains(&format!("{program} can't be run")), "{}", run.stderr);
        assert!(run.stderr.contains("bulkhead install-hooks --command"), "{}", run.stderr);
        fleet.git(&["commit", "--quiet", "--no-verify", "--message=right"]);
    }
}

#[test]
fn a_fleet_in_a_subfolder_has_its_hook_too() {
    let folder = Folder::empty();
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path(), folder.path().join("my fleet")).unwrap();
    let folder = folder.with_git();
    let program = env!("CARGO_BIN_EXE_bulkhead");
    let run = folder.bulkhead(&["install-hooks", "--root", "my fleet", "--command", program]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    folder.change("my fleet/secrets/properties.nix", "\"pia\"", "\"pai\"");
    folder.git(&["add", "--all"]);
    assert_eq!(folder.run("git", &["commit", "--message=wrong"]).code, 1);
    // `rename` took the folder that `fleet` would remove.
    std::mem::forget(fleet);
}

#[test]
fn several_fleets_of_one_repository_share_the_hook() {
    let folder = Folder::empty();
    for name in ["one", "two", "three"] {
        let fleet = Folder::fleet();
        fleet.run("cp", &["-r", ".", folder.path().join(name).to_str().unwrap()]);
    }
    let folder = folder.with_git();
    let program = env!("CARGO_BIN_EXE_bulkhead");
    for name in ["one", "two", "three", "two"] {
        let run = folder.bulkhead(&["install-hooks", "--root", name, "--command", program]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    folder.git(&["add", "--all"]);
    assert_eq!(folder.run("git", &["commit", "--allow-empty", "--message=right"]).code, 0);
    for name in ["one", "two", "three"] {
        let file = format!("{name}/secrets/properties.nix");
        let right = folder.read(&file);
        folder.change(&file, "\"pia\"", "\"pai\"");
        folder.git(&["add", "--all"]);
        assert_eq!(folder.run("git", &["commit", "--message=wrong"]).code, 1, "{name}");
        folder.write(&file, &right);
        folder.git(&["add", "--all"]);
    }
    let hook = folder.read(".git/hooks/pre-commit");
    assert_eq!(hook.matches("check --staged").count(), 3, "{hook}");
}

#[test]
fn installing_a_hook_where_nothing_is_committed_tells_what_it_will_refuse() {
    let folder = Folder::empty();
    folder.git(&["init", "--quiet"]);
    let run = folder.bulkhead(&["install-hooks"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("the hook refuses commits until there is a fleet"), "{}", run.stderr);
    let fleet = Folder::fleet().with_git();
    assert_eq!(fleet.bulkhead(&["install-hooks"]).stderr, "");
}

#[test]
fn only_hooks_that_begin_as_ours_are_replaced() {
    let hook = ".git/hooks/pre-commit";
    let fleet = Folder::fleet().with_git();
    assert_eq!(fleet.bulkhead(&["install-hooks"]).code, 0);
    let ours = fleet.read(hook);
    let mode = |fleet: &Folder| std::fs::metadata(fleet.path().join(hook)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fleet) & 0o100, 0o100);

    // An older one of ours, and one that lost its mode.
    fleet.write(hook, ours.replace("exec ", "exec old-"));
    assert!(fleet.bulkhead(&["install-hooks"]).stdout.starts_with("replaced"));
    assert_eq!(fleet.read(hook), ours);
    std::fs::set_permissions(fleet.path().join(hook), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(fleet.bulkhead(&["install-hooks"]).stdout.starts_with("replaced"));
    assert_eq!(mode(&fleet), 0o755);

    // A person's, that only mentions ours.
    let theirs = format!("#!/bin/sh\nmake check\n{}", ours.split_once('\n').unwrap().1);
    fleet.write(hook, &theirs);
    let run = fleet.bulkhead(&["install-hooks"]);
    assert_eq!((run.code, fleet.read(hook)), (2, theirs), "{}", run.stderr);

    // No file at all: never waited for, never followed.
    std::fs::remove_file(fleet.path().join(hook)).unwrap();
    assert_eq!(fleet.run("mkfifo", &[hook]).code, 0);
    assert_eq!(fleet.bulkhead(&["install-hooks"]).code, 2);
    std::fs::remove_file(fleet.path().join(hook)).unwrap();
    fleet.write("elsewhere", &ours);
    std::os::unix::fs::symlink("../../elsewhere", fleet.path().join(hook)).unwrap();
    assert_eq!((fleet.bulkhead(&["install-hooks"]).code, fleet.read("elsewhere")), (2, ours));

    let run = Folder::fleet().bulkhead(&["install-hooks", "--root", "."]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("run this in a git repository"), "{}", run.stderr);
}

#[test]
fn a_configured_folder_of_hooks_is_meant_from_the_top() {
    let fleet = Folder::fleet();
    let folder = Folder::empty();
    fleet.run("cp", &["-r", ".", folder.path().join("fleet").to_str().unwrap()]);
    let folder = folder.with_git();
    folder.git(&["config", "core.hooksPath", ".githooks"]);
    let run = folder.bulkhead(&["install-hooks", "--root", "fleet"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(folder.read(".githooks/pre-commit").ends_with("check --staged fleet\n"));
    // Nothing that the configuration names is run.
    folder.git(&["config", "core.fsmonitor", "touch ran; false"]);
    assert_eq!(folder.bulkhead(&["install-hooks", "--root", "fleet"]).code, 0);
    assert!(!folder.path().join("ran").exists() && !folder.path().join("fleet/ran").exists());
}

#[test]
fn a_fleet_in_a_folder_with_a_strange_name_has_its_hook() {
    let program = env!("CARGO_BIN_EXE_bulkhead");
    for name in [&b"caf\xe9"[..], b"-x", b"it's"] {
        let fleet = Folder::fleet();
        let folder = Folder::empty();
        let at = folder.path().join(OsStr::from_bytes(name));
        assert!(fleet.command("cp").arg("-r").arg(".").arg(&at).status().unwrap().success());
        let folder = folder.with_git();
        let run = finish(
            folder
                .command(program)
                .arg("install-hooks")
                .arg("--command")
                .arg(program)
                .current_dir(&at)
                .output()
                .unwrap(),
        );
        assert_eq!(run.code, 0, "{}", run.stderr);
        // It judges the fleet in that folder: right as it is, refused when it is wrong.
        folder.write("other", "");
        folder.git(&["add", "--all"]);
        let run = folder.run("git", &["commit", "--quiet", "--message=right"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        std::fs::write(at.join("secrets/properties.nix"), "{ wifi.roles = [ \"none\" ]; }").unwrap();
        folder.git(&["add", "--all"]);
        let run = folder.run("git", &["commit", "--message=wrong"]);
        assert_eq!(run.code, 1);
        assert!(format!("{}{}", run.stdout, run.stderr).contains("unknown-role"), "{}{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_fleet_below_is_told_of() {
    let folder = Folder::empty();
    let fleet = Folder::fleet();
    fleet.run("cp", &["-r", ".", folder.path().join("two").to_str().unwrap()]);
    let run = folder.bulkhead(&["check", "--deny", "undecided"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("bulkhead check two"), "{}", run.stdout);
    folder.write("bulkhead.toml", "ignore = [\"two\"]\n").write("README.md", "");
    assert!(!folder.bulkhead(&["check", "--deny", "undecided"]).stdout.contains("bulkhead check two"));
}
