//! What has the name of something that is needed, and can't be read: never silently passed over, never waited for.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use common::{Folder, Run};
use pretty_assertions::assert_eq;

const KIF: &str = "machines/servers/kif";

fn check(fleet: &Folder) -> Run {
    fleet.bulkhead(&["check", "--format", "json"])
}

/// `(rule, severity, file, message)` of the findings in `file`.
fn findings(run: &Run, file: &str) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let json = run.json();
    let all = json["findings"].as_array().unwrap().iter();
    all.filter(|finding| finding["file"] == file)
        .map(|finding| (text(&finding["rule"]), text(&finding["severity"]), text(&finding["message"])))
        .collect()
}

/// There is exactly one finding in `file`, with these words.
fn one(run: &Run, file: &str, rule: &str, severity: &str, words: &str) {
    let found = findings(run, file);
    assert_eq!(found.len(), 1, "{file}: {}{}", run.stdout, run.stderr);
    assert_eq!((&*found[0].0, &*found[0].1), (rule, severity), "{found:?}");
    assert!(found[0].2.contains(words), "{found:?}");
}

fn fifo(fleet: &Folder, path: &str) {
    let _ = std::fs::remove_file(fleet.path().join(path));
    assert_eq!(fleet.run("mkfifo", &[path]).code, 0);
}

#[test]
fn fifos_sockets_and_devices_in_place_of_files() {
    for path in ["secrets/wifi.age", "secrets/new.age", "secrets/role/new.age", "rules/secrets.nix"] {
        let fleet = Folder::fleet();
        std::fs::create_dir_all(fleet.path().join(path).parent().unwrap()).unwrap();
        fifo(&fleet, path);
        let run = check(&fleet);
        assert_eq!(run.code, 1, "{path}: {}", run.stdout);
        assert!(
            findings(&run, path).iter().any(|(rule, severity, message)| rule == "unreadable-file"
                && severity == "error"
                && message.contains("not a regular file")),
            "{path}: {}",
            run.stdout
        );
    }

    // Its rule has its file, and nothing else is wrong.
    let fleet = Folder::fleet();
    fifo(&fleet, "secrets/wifi.age");
    assert_eq!(check(&fleet).rules(), ["unreadable-file"]);

    let fleet = Folder::fleet();
    let _socket = UnixListener::bind(fleet.path().join("secrets/x.age")).unwrap();
    one(&check(&fleet), "secrets/x.age", "unreadable-file", "error", "not a regular file");

    // The sockets of agents are nobody's secrets.
    let fleet = Folder::fleet();
    let _socket = UnixListener::bind(fleet.path().join("agent.sock")).unwrap();
    let run = check(&fleet);
    assert_eq!((run.code, run.rules()), (0, vec![]), "{}", run.stdout);

    // A link to a FIFO is no better.
    let fleet = Folder::fleet();
    fifo(&fleet, "secrets/pipe");
    symlink("pipe", fleet.path().join("secrets/x.age")).unwrap();
    let run = check(&fleet);
    assert!(findings(&run, "secrets/x.age").iter().any(|(rule, ..)| rule == "unreadable-file"), "{}", run.stdout);
}

#[test]
fn fifos_in_place_of_properties_and_configuration() {
    for path in ["machines/servers/kif/properties.nix", "secrets/properties.nix", "bulkhead.toml"] {
        let fleet = Folder::fleet();
        fifo(&fleet, path);
        let run = check(&fleet);
        assert_eq!(run.code, 1, "{path}: {}", run.stdout);
        assert!(
            findings(&run, path).iter().any(|(rule, ..)| rule == "unreadable-file"),
            "{path}: {}{}",
            run.stdout,
            run.stderr
        );
        assert_eq!(findings(&run, path).len(), 1, "{path}: {}", run.stdout);
    }

    // The machine is there, but nothing is known about it: `kif` is no unknown name.
    let fleet = Folder::fleet();
    fifo(&fleet, "machines/servers/kif/properties.nix");
    let run = check(&fleet);
    assert!(!run.rules().contains(&"unknown-machine".to_owned()), "{}", run.stdout);
    assert_eq!(run.json()["summary"]["machines"], check(&Folder::fleet()).json()["summary"]["machines"]);
}

#[test]
fn folders_named_like_secrets() {
    let fleet = Folder::fleet();
    std::fs::create_dir_all(fleet.path().join("secrets/new.age")).unwrap();
    let run = check(&fleet);
    assert_eq!(run.code, 1);
    one(&run, "secrets/new.age", "unreadable-file", "error", "is a directory");
    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join("secrets/wifi.age")).unwrap();
    std::fs::create_dir(fleet.path().join("secrets/wifi.age")).unwrap();
    assert_eq!(check(&fleet).rules(), ["unreadable-file"]);

    // Elsewhere it is only a name.
    let fleet = Folder::fleet();
    fleet.write("notes/stone.age/readme.md", "#");
    let run = check(&fleet);
    assert_eq!((run.code, run.rules()), (0, vec![]), "{}", run.stdout);

    let fleet = Folder::fleet();
    std::fs::remove_dir_all(fleet.path().join("secrets")).unwrap();
    fleet.write("secrets", "not a folder");
    one(&check(&fleet), "secrets", "unreadable-file", "undecided", "not a directory");
}

#[test]
fn rules_files_that_cannot_be_read() {
    let folder = Folder::fleet();
    symlink("/etc/rules.nix", folder.path().join("more-secrets.nix")).unwrap();
    symlink("/etc/other.nix", folder.path().join("other.nix")).unwrap();
    let run = check(&folder);
    assert_eq!(run.code, 1);
    one(&run, "more-secrets.nix", "unreadable-file", "error", "leads out of the tree");
    one(&run, "other.nix", "unreadable-file", "undecided", "can't tell whether this file holds rules");
}

/// A fleet with the submodule `machines/sub`, which has the machine `amy`, and `vendor/sub`.
fn with_submodules() -> (Folder, Folder) {
    let module = Folder::empty();
    module.write(
        "amy/properties.nix",
        "{ hostNames = [ \"amy\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"web\" ]; }",
    );
    let module = module.with_git();
    let fleet = Folder::fleet().with_git();
    let source = module.path().to_str().unwrap().to_owned();
    for path in ["machines/sub", "vendor/sub"] {
        fleet.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, path]);
    }
    fleet.git(&["commit", "--quiet", "--message=submodules"]);
    (fleet, module)
}

/// One finding says that the submodule is not there, and no other says what follows from it.
fn unreadable_submodule(run: &Run, path: &str, words: &str) {
    let found = findings(run, path);
    assert_eq!(found.len(), 1, "{}", run.stdout);
    assert_eq!((&*found[0].0, &*found[0].1), ("unreadable-file", "undecided"), "{found:?}");
    assert!(found[0].2.contains(words), "{found:?}");
}

#[test]
fn submodules_are_undecided_where_their_files_are_not() {
    let (fleet, _module) = with_submodules();
    for source in [&["--staged"][..], &["--rev", "HEAD"]] {
        let run = fleet.bulkhead(&[&["check", "--format", "json"], source].concat());
        for path in ["machines/sub", "vendor/sub"] {
            unreadable_submodule(&run, path, "git submodule");
        }
        assert_eq!(run.code, 0, "{}", run.stdout);
        let run = fleet.bulkhead(&[&["check", "--deny", "undecided", "--format", "json"], source].concat());
        assert_eq!(run.code, 1);
    }

    // Checked out, they are folders like any other, and what lies in them is judged.
    let run = fleet.bulkhead(&["machines", "--json"]);
    assert!(run.json()["machines"]["amy"].is_object(), "{}", run.stdout);
    assert_eq!(findings(&check(&fleet), "vendor/sub"), vec![]);

    // Not checked out, they are empty folders.
    fleet.git(&["submodule", "--quiet", "deinit", "--force", "--all"]);
    let run = check(&fleet);
    for path in ["machines/sub", "vendor/sub"] {
        unreadable_submodule(&run, path, "not checked out");
    }
    assert!(run.stdout.contains("git submodule update --init"), "{}", run.stdout);
    // An empty folder that is none says nothing.
    std::fs::create_dir(fleet.path().join("empty")).unwrap();
    assert_eq!(findings(&check(&fleet), "empty"), vec![]);

    fleet.change("bulkhead.toml", "", "ignore = [\"machines/sub\", \"vendor\"]\n");
    assert_eq!(check(&fleet).rules(), Vec::<String>::new());
}

#[test]
fn a_sparse_checkout_is_refused_where_it_lacks_files() {
    let fleet = Folder::fleet().with_git();
    fleet.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/machines/"]);
    for command in [&["check"][..], &["gen-secrets", "--check"], &["machines"]] {
        let run = fleet.bulkhead(command);
        assert_eq!(run.code, 2, "{command:?}: {}", run.stdout);
        assert!(run.stderr.contains("is sparse and lacks `machines/"), "{}", run.stderr);
        assert!(run.stderr.contains("`git sparse-checkout disable`"), "{}", run.stderr);
        assert_eq!(fleet.bulkhead(&[command, &["--staged"]].concat()).code, 0, "{command:?}");
    }

    // Another worktree has patterns of its own.
    let other = fleet.path().join("other");
    fleet.git(&["worktree", "add", "--quiet", "--detach", other.to_str().unwrap()]);
    fleet.git(&["-C", other.to_str().unwrap(), "sparse-checkout", "disable"]);
    assert_eq!(fleet.bulkhead(&["check", other.to_str().unwrap()]).code, 0);
    fleet.git(&["-C", other.to_str().unwrap(), "sparse-checkout", "set", "--no-cone", "/*", "!/secrets/"]);
    let run = fleet.bulkhead(&["check", other.to_str().unwrap()]);
    assert_eq!(run.code, 2, "{}", run.stdout);

    // Patterns that keep nothing out are no matter.
    fleet.git(&["sparse-checkout", "set", "--no-cone", "/*"]);
    std::fs::remove_dir_all(&other).unwrap();
    assert_eq!(check(&fleet).rules(), Vec::<String>::new());
}

#[test]
fn secrets_in_a_submodule_are_neither_missing_nor_left_out() {
    let secret = std::fs::read(common::example().join("secrets/web/session-key.age")).unwrap();
    let module = Folder::empty();
    module.write("session-key.age", secret);
    let module = module.with_git();
    let fleet = Folder::fleet().with_git();
    fleet.git(&["rm", "-r", "--quiet", "secrets/web"]);
    let source = module.path().to_str().unwrap();
    fleet.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "secrets/web"]);
    assert_eq!(check(&fleet).rules(), Vec::<String>::new());

    // Its rule stands in secrets.nix. Whoever generated that now would take it out.
    let run = fleet.bulkhead(&["check", "--staged", "--format", "json"]);
    unreadable_submodule(&run, "secrets/web", "git submodule");
    assert_eq!(run.rules(), ["secrets-nix-outdated", "unreadable-file"]);
    let run = fleet.bulkhead(&["gen-secrets", "--check", "--staged"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stderr.contains("can't tell which secrets there are"), "{}", run.stderr);
}

#[test]
fn folders_of_machines_that_are_not_there_are_one_finding() {
    // One that bulkhead.toml names.
    let fleet = Folder::fleet();
    let config = fleet.read("bulkhead.toml");
    fleet.write("bulkhead.toml", format!("{config}\n[layout]\nmachines = \"hosts\"\n"));
    let run = check(&fleet);
    one(&run, "bulkhead.toml", "config", "error", "no folder `hosts`");
    assert_eq!(run.rules(), ["config", "secrets-nix-outdated"], "{}", run.stdout);
    assert_eq!(fleet.bulkhead(&["audit", "--format", "json"]).rules(), ["config"]);
    assert!(run.stdout.contains("machines = \\\"machines\\\""), "{}", run.stdout);
    let run = fleet.bulkhead(&["gen-secrets", "--check"]);
    assert!(run.stderr.contains("can't tell which machines there are"), "{}", run.stderr);

    // A link that leads out of the tree.
    let fleet = Folder::fleet();
    symlink("/etc", fleet.path().join("machines/more")).unwrap();
    let run = check(&fleet);
    one(&run, "machines/more", "unreadable-file", "error", "leads out of the tree");
    assert_eq!(run.rules(), ["unreadable-file"], "{}", run.stdout);
    assert!(run.stdout.contains("because of it, secrets-nix-outdated: can't tell"), "{}", run.stdout);
}

#[test]
fn links_into_the_fleet_bring_nothing_that_is_not_there() {
    // To the folder that holds everything.
    let fleet = Folder::fleet();
    symlink("../..", fleet.path().join("machines/servers/all")).unwrap();
    let run = check(&fleet);
    one(&run, "machines/servers/all", "linked-machine", "warning", "which holds the machines");
    assert_eq!(run.rules(), ["linked-machine"], "{}", run.stdout);

    // To the shared secrets: their `properties.nix` describes no machine, and nobody is granted them by a link.
    let fleet = Folder::fleet();
    symlink("../../../secrets", fleet.path().join("machines/laptops/fry/secrets")).unwrap();
    let run = check(&fleet);
    one(&run, "machines/laptops/fry/secrets", "unreadable-file", "error", "nobody is granted the secrets there by it");
    assert_eq!(run.json()["summary"]["machines"], 5);
}

#[test]
fn names_in_capitals_are_not_the_names_that_are_read() {
    let fleet = Folder::fleet();
    for (from, to) in [(KIF, "properties.nix"), ("secrets", "properties.nix"), (".", "bulkhead.toml")] {
        let folder = fleet.path().join(from);
        let capital = format!("{}{}", to[..1].to_uppercase(), &to[1..]);
        std::fs::rename(folder.join(to), folder.join(capital)).unwrap();
    }
    let run = check(&fleet);
    assert_eq!(run.code, 1);
    one(&run, &format!("{KIF}/Properties.nix"), "schema", "error", "is not read");
    one(&run, "secrets/Properties.nix", "schema", "error", "is not read");
    one(&run, "Bulkhead.toml", "config", "error", "is not read");
    assert_eq!(run.json()["summary"]["machines"], 5);
}

#[test]
fn a_machine_behind_a_link_is_missing_and_nothing_else_is_wrong() {
    let fleet = Folder::fleet();
    std::fs::create_dir(fleet.path().join("hosts")).unwrap();
    std::fs::rename(fleet.path().join(KIF), fleet.path().join("hosts/kif")).unwrap();
    symlink("../../hosts/kif", fleet.path().join(KIF)).unwrap();
    let run = check(&fleet);
    assert_eq!(run.code, 1);
    one(
        &run,
        KIF,
        "linked-machine",
        "error",
        "the machine `kif` is not read: `machines/servers/kif` is a symbolic link",
    );
    let json = run.json();
    let findings = json["findings"].as_array().unwrap();
    let errors: Vec<&serde_json::Value> = findings.iter().filter(|finding| finding["severity"] == "error").collect();
    // That nobody can tell whether the rules are up to date is true, and says itself that it follows.
    let others = errors.iter().filter(|finding| finding["rule"] != "secrets-nix-outdated").count();
    assert_eq!(others, 1, "{errors:#?}");
    // It is there, and nothing is known about it.
    let run = fleet.bulkhead(&["machines", "--json"]);
    assert_eq!(run.code, 1);
    let kif = &run.json()["machines"]["kif"];
    assert!(kif["incomplete"].as_array().unwrap().contains(&"hostKey".into()), "{kif}");

    // Whoever switches that off would get a clean run without the machine.
    let config = fleet.read("bulkhead.toml");
    fleet.write("bulkhead.toml", format!("{config}\n[rules]\nlinked-machine = \"off\"\n"));
    let run = check(&fleet);
    assert_eq!(run.code, 1);
    one(&run, KIF, "linked-machine", "error", "is not read");
    one(&run, "bulkhead.toml", "config", "error", "can't be switched off");

    // A link to a folder of machines.
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("machines/servers"), fleet.path().join("hosts")).unwrap();
    symlink("../hosts", fleet.path().join("machines/servers")).unwrap();
    let run = check(&fleet);
    one(&run, "machines/servers", "linked-machine", "error", "`kif`");

    // A second name for a machine that is there.
    let fleet = Folder::fleet();
    symlink("servers/kif", fleet.path().join("machines/alias")).unwrap();
    let run = check(&fleet);
    assert_eq!(run.rules(), ["linked-machine"]);
    one(&run, "machines/alias", "linked-machine", "warning", "among the machines already");
}

#[test]
fn secrets_behind_a_link_to_a_folder() {
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("secrets/web"), fleet.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", fleet.path().join("secrets/web")).unwrap();
    one(&check(&fleet), "secrets/web", "unreadable-file", "error", "secrets behind it are not read");
}

#[test]
fn names_that_are_not_utf_8_can_be_ignored() {
    let fleet = Folder::fleet();
    std::fs::write(fleet.path().join(OsStr::from_bytes(b"secrets/caf\xe9.age")), "x").unwrap();
    let shown = "secrets/caf\u{fffd}.age";
    let run = check(&fleet);
    assert_eq!(run.code, 1);
    one(&run, shown, "unreadable-file", "error", "not UTF-8");
    for pattern in [shown, "secrets/caf*.age"] {
        fleet.write("bulkhead.toml", format!("ignore = [\"{pattern}\"]\n"));
        assert_eq!(findings(&check(&fleet), shown), vec![], "{pattern}");
    }
    let fleet = fleet.with_git();
    let run = fleet.bulkhead(&["check", "--staged", "--format", "json"]);
    assert_eq!(findings(&run, shown), vec![], "{}", run.stdout);
}

#[test]
fn rules_may_name_a_file_through_a_link_to_its_folder() {
    let folder = Folder::empty();
    folder.write("shared/x.age", std::fs::read(common::example().join("secrets/wifi.age")).unwrap());
    symlink("../shared", {
        std::fs::create_dir(folder.path().join("hosts")).unwrap();
        folder.path().join("hosts/link")
    })
    .unwrap();
    folder.write(
        "hosts/secrets.nix",
        "{ \"link/x.age\".publicKeys = [ \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFLGOASoWTzmy02r0+WFV8h3+S927pQdbQbzkC7VkjQE howl\" ]; }",
    );
    let run = folder.bulkhead(&["audit", "--format", "json"]);
    let rules = run.rules();
    assert!(!rules.contains(&"rule-without-secret".to_owned()), "{}", run.stdout);
    assert!(!rules.contains(&"secret-without-rule".to_owned()), "{}", run.stdout);
    // It is compared with what it is encrypted to.
    assert!(run.stdout.contains("recipient"), "{}", run.stdout);
}

/// The keys of rules lie in a submodule: without it they are not known, whatever way leads to them.
#[test]
fn keys_in_a_submodule_that_is_not_there_are_not_known() {
    let ways = [
        "(import ./keys/keys.nix).a",
        "(import ./keys).a",
        "(import ./link.nix).a",
        "builtins.readFile ./keys/a.pub",
        "if builtins.pathExists ./keys/keys.nix then (import ./keys/keys.nix).a else \"none\"",
        "if builtins.readDir ./keys ? \"a.pub\" then builtins.readFile ./keys/a.pub else \"none\"",
    ];
    let key = common::example().join("machines/laptops/howl/howl.pub");
    let key = std::fs::read_to_string(key).unwrap();
    let keys = Folder::empty();
    keys.write("a.pub", &key).write("keys.nix", "{ a = builtins.readFile ./a.pub; }");
    keys.write("default.nix", "import ./keys.nix");
    let keys = keys.with_git();
    for way in ways {
        let fleet = Folder::empty();
        // It is encrypted to another key.
        fleet.write("a.age", std::fs::read(common::example().join("secrets/wifi.age")).unwrap());
        fleet.write("secrets.nix", format!("{{ \"a.age\".publicKeys = [ ({way}) ]; }}"));
        let fleet = fleet.with_git();
        symlink("keys/keys.nix", fleet.path().join("link.nix")).unwrap();
        let source = keys.path().to_str().unwrap();
        fleet.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "keys"]);
        fleet.git(&["add", "--all"]);
        fleet.git(&["commit", "--quiet", "--message=submodule"]);
        let audit = |arguments: &[&str]| fleet.bulkhead(&[&["audit", "--format", "json"], arguments].concat());
        let control = audit(&[]);
        assert_eq!(control.code, 1, "{way}: {}", control.stdout);
        assert!(control.rules().iter().any(|rule| rule == "stale-recipient"), "{way}: {}", control.stdout);
        fleet.git(&["submodule", "--quiet", "deinit", "--force", "--all"]);
        for arguments in [&["--rev", "HEAD"] as &[&str], &["--staged"], &[]] {
            let run = audit(arguments);
            assert_eq!(run.code, 0, "{way} {arguments:?}: {}", run.stdout);
            let json = run.json();
            assert_eq!(json["summary"]["errors"], 0, "{way} {arguments:?}");
            assert_eq!(json["summary"]["warnings"], 0, "{way} {arguments:?}");
            assert!(run.stdout.contains("belongs to the git submodule `keys`"), "{way} {arguments:?}: {}", run.stdout);
            assert!(!findings(&run, "secrets.nix").is_empty(), "{way} {arguments:?}: {}", run.stdout);
        }
    }
}

#[test]
fn a_rules_file_that_is_a_link_into_a_submodule_is_not_known_to_be_broken() {
    let rules = Folder::empty();
    rules.write("secrets.nix", "{ }");
    let rules = rules.with_git();
    let fleet = Folder::fleet().with_git();
    let source = rules.path().to_str().unwrap();
    fleet.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", source, "private"]);
    symlink("private/secrets.nix", fleet.path().join("secrets.nix")).unwrap();
    fleet.git(&["add", "--all"]);
    one(
        &fleet.bulkhead(&["check", "--staged", "--format", "json"]),
        "secrets.nix",
        "unreadable-file",
        "undecided",
        "private",
    );
}

#[test]
fn machines_in_a_folder_with_a_capital_are_seen() {
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("machines"), fleet.path().join("Machines")).unwrap();
    let run = check(&fleet);
    one(&run, "Machines", "config", "error", "the folder of machines is called `machines`");
    assert!(!run.rules().iter().any(|rule| rule == "unknown-role"), "{}", run.stdout);
}

#[test]
fn where_there_is_no_fleet_nothing_is_written_and_a_bare_repository_is_recognised() {
    let empty = Folder::empty();
    let run = empty.bulkhead(&["gen-docs"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("there is no fleet in"), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);

    let fleet = Folder::fleet().with_git();
    fleet.git(&["clone", "--quiet", "--bare", ".", "bare"]);
    let run = fleet.bulkhead(&["check", "bare"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--rev HEAD"), "{}", run.stderr);
    assert_eq!(fleet.bulkhead(&["check", "bare", "--rev", "HEAD"]).code, 0);
}
