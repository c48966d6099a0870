//! The installed Nix gives the same fleet. Skipped, and said so, where there is no Nix.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bulkhead_diagnostics::Severity;
use bulkhead_eval::{Limits, World};
use bulkhead_fleet::{Fleet, GapKind, LoadOptions, NixError, NixEvaluator, NixOptions, RulesState};
use bulkhead_source::WorkTree;
use common::{HOWL, PONYO, S0, write};

/// The fleet in `files` as Nix sees it; nothing where there is no Nix.
fn load(files: &[(&str, &str)]) -> Option<Fleet> {
    let folder = write(files);
    let tree = WorkTree::open(folder.path()).unwrap();
    let world = World::new(Arc::new(WorkTree::open(folder.path()).unwrap()), Limits::default());
    let nix = match NixEvaluator::new(&world, &tree, NixOptions::default()) {
        Ok(nix) => nix,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    Some(Fleet::load(&tree, &nix, &LoadOptions::default()).unwrap())
}

#[test]
fn machines_have_their_keys_from_paths_and_their_names_places() {
    let properties = format!(
        "let base = {{ arch = \"x86_64-linux\"; }};\nin base // {{\n  hostNames = [ \"s0\" ];\n  systemRoles = [ \"pia\" ];\n  hostKey = ./host.pub;\n  userKeys = [ (builtins.readFile ./user.pub) \"{HOWL}\" ];\n  hostnames = 1;\n}}\n"
    );
    let files =
        [("machines/s0/properties.nix", &*properties), ("machines/s0/host.pub", S0), ("machines/s0/user.pub", PONYO)];
    let Some(fleet) = load(&files) else { return };
    let machine = &fleet.machines[0];
    assert_eq!(machine.host_key.known().unwrap().line(), S0);
    assert_eq!(machine.user_keys.iter().map(|key| key.line()).collect::<Vec<_>>(), [PONYO, HOWL]);
    assert_eq!(fleet.findings.len(), 1, "{:#?}", fleet.findings);
    let span = fleet.findings[0].place.span.unwrap();
    assert_eq!(&properties[span.start as usize..span.end as usize], "hostnames");
}

#[test]
fn one_file_that_fails_leaves_the_others() {
    let good = "{ hostNames = [ \"a\" ]; arch = \"aarch64-linux\"; systemRoles = [ \"x\" ]; }";
    let files = [
        ("machines/a/properties.nix", good),
        ("machines/b/properties.nix", "{\n  hostNames = [ (throw \"no name\") ];\n}"),
        ("machines/c/properties.nix", good),
    ];
    let Some(fleet) = load(&files) else { return };
    assert_eq!(fleet.machines.len(), 3);
    assert_eq!(fleet.roles["x"].machines, [0, 2]);
    assert_eq!(fleet.machines[1].gap.as_ref().map(|gap| gap.kind), Some(GapKind::Failed));
    assert_eq!(fleet.findings.len(), 1, "{:#?}", fleet.findings);
    assert_eq!(fleet.findings[0].message, "no name");
    assert_eq!(fleet.findings[0].severity, Severity::Error);
    assert_eq!(&*fleet.findings[0].place.file, "machines/b/properties.nix");
}

#[test]
fn a_broken_import_is_told_where_it_is() {
    let files = [("lib.nix", "{ a = 1"), ("machines/a/properties.nix", "import ../../lib.nix")];
    let Some(fleet) = load(&files) else { return };
    assert_eq!(fleet.findings.len(), 1, "{:#?}", fleet.findings);
    assert_eq!(&*fleet.findings[0].place.file, "lib.nix");
    assert_eq!(fleet.findings[0].rule, "nix-syntax");
}

#[test]
fn an_evaluation_without_end_is_stopped() {
    let folder = write(&[("secrets.nix", "{ \"a.age\".publicKeys = let f = n: f (n + 1); in f 0; }")]);
    let tree = WorkTree::open(folder.path()).unwrap();
    let world = World::new(Arc::new(WorkTree::open(folder.path()).unwrap()), Limits::default());
    let options = NixOptions { timeout: Duration::from_millis(300), ..NixOptions::default() };
    let Ok(nix) = NixEvaluator::new(&world, &tree, options) else {
        eprintln!("skipped: no Nix");
        return;
    };
    let fleet = Fleet::load(&tree, &nix, &LoadOptions::default()).unwrap();
    assert!(matches!(fleet.rules_files[0].state, RulesState::Failed(_)));
    assert_eq!(fleet.findings.len(), 1);
}

#[test]
fn a_missing_nix_is_said() {
    let folder = write(&[]);
    let tree = WorkTree::open(folder.path()).unwrap();
    let world = World::new(Arc::new(WorkTree::open(folder.path()).unwrap()), Limits::default());
    let options = NixOptions { program: PathBuf::from("/nowhere/nix-instantiate"), ..NixOptions::default() };
    assert!(matches!(NixEvaluator::new(&world, &tree, options), Err(NixError::Missing { .. })));
}

#[test]
fn both_evaluators_give_the_same_answers() {
    let files = common::example();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (*path, content.as_str())).collect();
    let Some(nix) = load(&files) else { return };
    let folder = write(&files);
    let tree: Arc<dyn bulkhead_source::FileTree> = Arc::new(WorkTree::open(folder.path()).unwrap());
    let world = World::new(tree.clone(), Limits::default());
    let own = Fleet::load(&*tree, &world, &LoadOptions::default()).unwrap();
    assert_eq!(nix.findings, own.findings);
    assert_eq!(
        serde_json::to_value(nix.machines_answer(None)).unwrap(),
        serde_json::to_value(own.machines_answer(None)).unwrap()
    );
    assert_eq!(nix.roles_answer(), own.roles_answer());
    let lines = |fleet: &Fleet| -> Vec<Vec<String>> {
        let secrets = fleet.secrets.iter();
        secrets.map(|s| fleet.recipients(s).into_iter().map(|key| key.line().to_owned()).collect()).collect()
    };
    assert_eq!(lines(&nix), lines(&own));
}
