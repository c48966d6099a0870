//! Shells complete names of the fleet.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Folder, finish};
use pretty_assertions::assert_eq;

/// What `bash` is offered for the last of `words`.
fn offered(fleet: &Folder, words: &[&str]) -> Vec<String> {
    let mut command = fleet.command(env!("CARGO_BIN_EXE_bulkhead"));
    let index = (words.len() - 1).to_string();
    command.args(["--"]).args(words).env("BULKHEAD_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index);
    command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    let run = finish(command.output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    run.stdout.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn names_of_the_fleet_are_offered() {
    let fleet = Folder::fleet();
    assert_eq!(offered(&fleet, &["bulkhead", "who-can-read", "pia"]), ["pia-login"]);
    assert_eq!(offered(&fleet, &["bulkhead", "machines", "--role", "p"]), ["personal", "pia"]);
    assert_eq!(offered(&fleet, &["bulkhead", "secrets", "--machine", "h"]), ["hermes", "howl"]);
    assert_eq!(offered(&fleet, &["bulkhead", "explain", "stale"]), ["stale-recipient"]);
    assert!(offered(&fleet, &["bulkhead", "gen"]).contains(&"gen-secrets".to_owned()));
    // What a shell would take for more than a word is not offered.
    fleet.write("secrets/pia$(touch x).age", "").write("secrets/-pia.age", "");
    assert_eq!(offered(&fleet, &["bulkhead", "who-can-read", "pia"]), ["pia-login"]);
    // `show` knows what a flake makes, too.
    let flake =
        "{ outputs = { nixpkgs, ... }: { nixosConfigurations.hornet = nixpkgs.lib.nixosSystem { modules = [ ]; }; }; }";
    let made = Folder::empty();
    made.write("flake.nix", flake);
    assert_eq!(offered(&made, &["bulkhead", "show", "ho"]), ["hornet"]);
    // By the names that home-manager takes, in which there are no quotation marks.
    let home = "home-manager.lib.homeManagerConfiguration { modules = [ ]; }";
    made.write(
        "flake.nix",
        format!("{{ outputs = {{ home-manager, ... }}: {{ homeConfigurations = {{ \"me@host\" = {home}; me = {home}; }}; }}; }}"),
    );
    assert_eq!(offered(&made, &["bulkhead", "show", "me"]), ["me", "me@host"]);
    // Where there is no fleet there is nothing to offer, and nothing to say.
    assert_eq!(offered(&Folder::empty(), &["bulkhead", "who-can-read", "p"]), [""; 0]);
}

#[test]
fn the_script_for_bash_works_in_bash() {
    let fleet = Folder::fleet();
    let script = fleet.bulkhead(&["completions", "bash"]);
    assert_eq!(script.code, 0);
    fleet.write("complete.sh", &script.stdout);
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_bulkhead")).parent().unwrap();
    let typed = "source ./complete.sh; COMP_WORDS=(bulkhead who-can-read wi); COMP_CWORD=2; COMP_TYPE=9; \
                 $(complete -p bulkhead | sed 's/.*-F \\([^ ]*\\).*/\\1/') bulkhead wi who-can-read; echo \"${COMPREPLY[@]}\"";
    let mut command = fleet.command("bash");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    command.args(["-c", typed]).env("PATH", path);
    let run = finish(command.output().unwrap());
    assert_eq!((run.stdout.trim(), run.stderr.trim()), ("wifi", ""));
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(fleet.bulkhead(&["completions", shell]).stdout.contains("BULKHEAD_COMPLETE"), "{shell}");
    }
}
