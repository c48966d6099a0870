//! The generated `secrets.nix`: what it looks like, that it means what the fleet says, what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_fleet::Fleet;
use bulkhead_generate::secrets::{Rekey, RekeyReason, check, is_generated, secrets_nix};
use common::{Files, Random, age_file, has_nix, key, lines, nix};
use pretty_assertions::assert_eq;

/// A small fleet in good order.
fn fleet() -> Files {
    let mut files = Files::default();
    files
        .machine("machines/fry", &["personal"], &format!("userKeys = [ \"{} fry@planet\" ];", key("fry-user")))
        .machine("machines/storage/s0", &["server", "pia"], "")
        .machine("machines/storage/s1", &["server"], "")
        .machine("machines/kif", &["router"], "")
        .add(
            "secrets/properties.nix",
            r#"{
              "pia-login" = { roles = [ "pia" ]; description = "the VPN account"; };
              restic = { everyone = true; };
              wifi = { machines = [ "kif" "fry" ]; admins = false; armor = true; };
              mail = { roles = [ "server" "personal" ]; };
              backup = { roles = [ "pia" ]; machines = [ "s1" "s0" ]; };
              recovery = { };
            }"#,
        )
        .add("secrets/pia-login.age", age_file(&[&key("fry-user"), &key("s1")]))
        .add("secrets/server/token.age", age_file(&[&key("s0"), &key("s1"), &key("fry-user")]))
        .add("machines/kif/secrets/dsl.age", age_file(&[&key("kif"), &key("ponyo")]));
    files
}

#[test]
fn is_readable() {
    let generated = secrets_nix(&fleet().fleet()).unwrap();
    assert_eq!(lines(&generated.warnings), "");
    insta::assert_snapshot!(generated.text);
    assert!(is_generated(&generated.text));
}

#[test]
fn says_what_to_rekey_and_why() {
    let generated = secrets_nix(&fleet().fleet()).unwrap();
    let lines: Vec<String> = generated.rekey.iter().map(Rekey::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
machines/kif/secrets/dsl.age: fry-user joins, an unknown key (tag EG/jGw) leaves
secrets/backup.age: is not there yet
secrets/mail.age: is not there yet
secrets/pia-login.age: s0 joins, s1 leaves
secrets/recovery.age: is not there yet
secrets/restic.age: is not there yet
secrets/wifi.age: is not there yet
"##);
}

#[test]
fn a_name_stands_for_a_key_that_left() {
    let mut files = fleet();
    files.machine("machines/ponyo", &["retired"], "");
    let generated = secrets_nix(&files.fleet()).unwrap();
    let dsl = generated.rekey.iter().find(|rekey| &*rekey.secret == "kif/dsl").unwrap();
    assert!(dsl.somebody_leaves() && !dsl.is_new());
    assert!(
        dsl.reasons
            .iter()
            .any(|reason| matches!(reason, RekeyReason::Leaves { name: Some(name), .. } if name == "ponyo"))
    );
}

#[test]
fn a_change_is_a_line() {
    let before = secrets_nix(&fleet().fleet()).unwrap().text;
    assert!(check(&fleet().fleet(), Some(&before)).unwrap().is_none());

    let mut files = fleet();
    files.machine("machines/storage/s1", &["server", "pia"], "");
    let diff = check(&files.fleet(), Some(&before)).unwrap().unwrap();
    // The role's list, and the entry that named the machine beside the role.
    assert_eq!((diff.added, diff.removed), (2, 2), "{diff}");

    let mut files = fleet();
    files.add("machines/kif/secrets/vpn.age", age_file(&[&key("kif")]));
    let diff = check(&files.fleet(), Some(&before)).unwrap().unwrap();
    assert_eq!((diff.added, diff.removed), (1, 0), "{diff}");
    let missing = check(&fleet().fleet(), None).unwrap().unwrap();
    assert!(missing.text.starts_with("--- /dev/null\n"), "{missing}");
}

#[test]
fn keys_stay_unique() {
    let mut files = Files::default();
    files
        .machine("machines/a", &["web", "db", "solo"], "")
        .machine("machines/b", &["web"], &format!("hostKey = \"{} the same\";", key("a")))
        .machine("machines/c", &["db", "web"], &format!("hostKey = \"{}\"; userKeys = [ \"{0}\" ];", key("c")))
        .add("bulkhead.toml", format!("admins = [ \"{} boss\", \"{}\" ]\n", key("boss"), key("c")))
        .add(
            "secrets/properties.nix",
            r#"{
              all.everyone = true;
              all-but.everyone = true;
              all-but.admins = false;
              one.roles = [ "web" ];
              two.roles = [ "web" "db" "web" ];
              both = { roles = [ "solo" ]; machines = [ "a" "b" "c" ]; };
              twins = { machines = [ "a" "b" ]; };
              self = { machines = [ "c" ]; };
            }"#,
        );
    let fleet = files.fleet();
    let generated = secrets_nix(&fleet).unwrap();
    insta::assert_snapshot!(generated.text);
    same_as_granted(&fleet, &generated.text);
}

#[test]
fn nobody_is_left_out_silently() {
    let mut files = fleet();
    files
        .add(
            "machines/new/properties.nix",
            "{ hostNames = [ \"new\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"server\" ]; }",
        )
        .add("secrets/stray.age", age_file(&[&key("fry")]))
        .add("secrets/mars/rover.age", age_file(&[&key("fry-user")]));
    let generated = secrets_nix(&files.fleet()).unwrap();
    insta::assert_snapshot!(lines(&generated.warnings), @r##"
warning secrets/mars/rover.age: no machine has the role `mars`, which the folder of `secrets/mars/rover.age` grants to
warning secrets/stray.age: `secrets/stray.age` is granted to nobody, and so has no entry
  help: say in secrets/properties.nix who may read it: "stray".roles = [ "…" ];
warning machines/new/properties.nix: `new` has no `hostkey`, so it can't read the secrets granted to it
  help: add the line of its /etc/ssh/ssh_host_ed25519_key.pub as `hostKey`, then run `bulkhead gen-secrets` again and rekey
"##);
    assert!(generated.text.contains("    # new: has no hostKey yet\n"), "{}", generated.text);
    assert!(!generated.text.contains("stray"));
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |change: &dyn Fn(&mut Files)| {
        let mut files = fleet();
        change(&mut files);
        lines(&secrets_nix(&files.fleet()).unwrap_err())
    };
    let properties = |text: &'static str| {
        move |files: &mut Files| {
            files.add("secrets/properties.nix", text);
        }
    };

    insta::assert_snapshot!(refused(&properties("{ x.roles = [ \"pai\" ]; y.machines = [ \"ponyo\" ]; }")), @r##"
error secrets/properties.nix: `x` is granted to the role `pai`, but no machine has it
  help: did you mean `pia`?
error secrets/properties.nix: `y` is granted to the machine `ponyo`, but there is none
  help: take it out of the entry if it is gone
warning secrets/pia-login.age: `secrets/pia-login.age` is granted to nobody, and so has no entry
  help: say in secrets/properties.nix who may read it: "pia-login".roles = [ "…" ];
"##);
    insta::assert_snapshot!(refused(&properties("{ x.roles = [ (builtins.getEnv \"ROLE\") ]; }")), @r##"
undecided secrets/properties.nix: can't tell who may read `x`: the environment (here the variable `role`) is not read
  help: write the value itself here, or let the installed Nix evaluate it: --evaluator nix
warning secrets/pia-login.age: `secrets/pia-login.age` is granted to nobody, and so has no entry
  help: say in secrets/properties.nix who may read it: "pia-login".roles = [ "…" ];
"##);
    insta::assert_snapshot!(refused(&properties("{ \"a b\".roles = [ \"pia\" ]; \"a\\${b}\".roles = [ \"pia\" ]; }")), @r##"
error secrets/properties.nix: agenix can't take the name `a b.age`: it contains a blank
  help: rename the file: letters, digits, `-`, `_` and `.` are safe
error secrets/properties.nix: agenix can't take the name `a${b}.age`: it contains `$`
  help: rename the file: letters, digits, `-`, `_` and `.` are safe
warning secrets/pia-login.age: `secrets/pia-login.age` is granted to nobody, and so has no entry
  help: say in secrets/properties.nix who may read it: "pia-login".roles = [ "…" ];
"##);
    insta::assert_snapshot!(refused(&properties("{ x.admins = false; }")), @r##"
error secrets/properties.nix: nobody could read `x`: no machine and no admin that may read it has a key
  help: grant it to a machine that has a `hostKey`, by its role or its name
warning secrets/pia-login.age: `secrets/pia-login.age` is granted to nobody, and so has no entry
  help: say in secrets/properties.nix who may read it: "pia-login".roles = [ "…" ];
"##);
    insta::assert_snapshot!(refused(&|files| { files.machine("machines/storage/s0", &["server", "pia"], "hostKey = \"ssh-ed25519 AAAA\";"); }), @r##"error machines/storage/s0/properties.nix: the host key of `s0` can't be used: the `ssh-ed25519` key is damaged: it ends too early"##);
    insta::assert_snapshot!(refused(&|files| { files.machine("machines/old/s0", &["server"], ""); }), @r##"
error machines/storage/s0: two machines are called `s0`: what is granted to one would go to both
  help: rename one of the folders
"##);
    insta::assert_snapshot!(refused(&|files| { files.machine("machines/fry", &["personal"], "userKeys = [ 1 ];"); }), @r##"error machines/fry/properties.nix: can't tell who may read `kif/dsl` and 6 more: it is an integer"##);
    insta::assert_snapshot!(refused(&|files| { files.machine("machines/fry", &["personal"], "userKeys = [ \"nonsense\" ];"); }), @r##"
error machines/fry/properties.nix: the admin key `fry-user` can't be used: it is not a recipient; one begins with `ssh-ed25519`, `ssh-rsa` or `age1`
error secrets/properties.nix: nobody could read `recovery`: no machine and no admin that may read it has a key
  help: grant it to a machine that has a `hostKey`, by its role or its name
"##);
}

#[test]
fn a_role_that_a_machine_may_have_is_undecided() {
    let mut files = fleet();
    let open = "{ hostNames = [ \"open\" ]; arch = \"x86_64-linux\"; systemRoles = [ (builtins.getEnv \"ROLE\") ]; }";
    files
        .add("machines/open/properties.nix", open)
        .add("secrets/properties.nix", "{ x.roles = [ \"pai\" ]; pia-login.admins = true; }")
        .add("secrets/mars/rover.age", age_file(&[&key("fry-user")]));
    let findings = secrets_nix(&files.fleet()).unwrap_err();
    insta::assert_snapshot!(lines(&findings), @r##"
undecided secrets/mars: can't tell whether any machine has the role `mars`: the environment (here the variable `role`) is not read
undecided secrets/properties.nix: can't tell whether any machine has the role `pai`: the environment (here the variable `role`) is not read
  help: did you mean `pia`?
undecided machines/open/properties.nix: can't tell who may read `mars/rover` and 2 more: the environment (here the variable `role`) is not read
  help: write the value itself here, or let the installed Nix evaluate it: --evaluator nix
"##);
    assert!(findings.iter().all(|finding| finding.severity == bulkhead_diagnostics::Severity::Undecided));
}

#[test]
fn handwritten_rules_are_not_overwritten() {
    let files = Files::new(&[("secrets.nix", "{ \"a.age\".publicKeys = [ \"age1x\" ]; }")]);
    insta::assert_snapshot!(lines(&secrets_nix(&files.fleet()).unwrap_err()), @r##"
error secrets.nix: `secrets.nix` is written by hand and says who may read which secret
  help: let Bulkhead infer the grants from it: bulkhead gen-secrets --adopt
"##);
    assert!(!is_generated("{ }"));
}

#[test]
fn nothing_is_generated_from_nothing() {
    let findings = lines(&secrets_nix(&Files::default().fleet()).unwrap_err());
    assert!(findings.contains("there is nothing to generate rules from"), "{findings}");
}

#[test]
fn hostile_names_stay_text() {
    let mut files = Files::default();
    files
        .machine("machines/a${b}", &["x\\${1}", "with"], "")
        .machine("machines/or", &["x\\\" y", "x # \\n in"], "")
        .add(
            "secrets/properties.nix",
            r#"{ s.roles = [ "x\${1}" "x\" y" ]; t.roles = [ "x # \n in" ]; u.everyone = true; v.roles = [ "with" ]; w.machines = [ "a\${b}" "or" ]; }"#,
        );
    let mut fleet = files.fleet();
    // The schema refuses such roles, and so does the generator; what it writes must not rest on that alone.
    assert!(lines(&secrets_nix(&fleet).unwrap_err()).contains("is not allowed for `systemroles[0]`"));
    fleet.findings.clear();
    let text = secrets_nix(&fleet).unwrap().text;
    same_as_granted(&fleet, &text);
}

/// Fleets with overlapping roles, shared keys, machines without keys, in any combination.
#[test]
fn random_fleets_mean_what_they_say() {
    let nix_is_here = has_nix();
    let mut refused = 0;
    for seed in 0..80 {
        let files = random_fleet(seed);
        let fleet = files.fleet();
        let Ok(generated) = secrets_nix(&fleet) else {
            refused += 1;
            continue;
        };
        let ours = same_as_granted(&fleet, &generated.text);
        assert_eq!(generated.text, secrets_nix(&files.fleet()).unwrap().text);
        if nix_is_here && seed % 10 == 0 {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("secrets.nix"), &generated.text).unwrap();
            let theirs = nix(folder.path(), "builtins.mapAttrs (_: rule: rule.publicKeys) (import ./secrets.nix)");
            assert_eq!(serde_json::to_value(&ours).unwrap(), theirs, "seed {seed}");
        }
    }
    assert!(refused < 55, "{refused} of 80 refused");
}

fn random_fleet(seed: u64) -> Files {
    let mut random = Random(seed);
    let roles: Vec<String> = (0..1 + random.below(5)).map(|i| format!("role{i}")).collect();
    let machines: Vec<String> = (0..1 + random.below(7)).map(|i| format!("m{i}")).collect();
    let mut files = Files::default();
    for name in &machines {
        let mut own = random.some(&roles, 2);
        if own.is_empty() {
            own.push(&roles[0]);
        }
        let mut more = match random.below(12) {
            0 => format!("hostKey = \"{}\";", key("m0")),
            1 => "meta.hostKey = null;".to_owned(),
            _ => String::new(),
        };
        if random.one_in(3) {
            let of = if random.one_in(4) { name.clone() } else { format!("{name}-user") };
            more.push_str(&format!("userKeys = [ \"{} {name}\" ];", key(&of)));
        }
        files.machine(&format!("machines/{name}"), &own, &more);
    }
    let mut entries = String::new();
    for i in 0..random.below(9) {
        let flag = |name: &str, value: bool| if value { format!("{name} = true;") } else { String::new() };
        let (in_roles, in_machines) = (random.some(&roles, 3), random.some(&machines, 4));
        let admins = if random.one_in(4) { "admins = false;" } else { "" };
        entries.push_str(&format!(
            "s{i} = {{ roles = [ {} ]; machines = [ {} ]; {} {} {admins} }};\n",
            common::list(&in_roles),
            common::list(&in_machines),
            flag("everyone", random.one_in(6)),
            flag("armor", random.one_in(6)),
        ));
    }
    files.add("secrets/properties.nix", format!("{{ {entries} }}"));
    if random.one_in(2) {
        files.add("secrets/role0/r.age", age_file(&[&key("m0")]));
        files.add("machines/m0/secrets/own.age", age_file(&[&key("m0")]));
    }
    files
}

/// Evaluate the text with Bulkhead, and compare with what the fleet grants. Returns the lists.
fn same_as_granted(fleet: &Fleet, text: &str) -> BTreeMap<String, Vec<String>> {
    let lists = evaluate(text);
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for secret in fleet.secrets.iter().filter(|secret| secret.is_granted()) {
        let usable = fleet.recipients(secret).into_iter().filter(|key| key.recipient().unwrap().age_can_encrypt());
        let keys = usable.map(|key| key.identity().to_owned()).collect();
        expected.insert(secret.rule_name.clone(), keys);
    }
    let found: BTreeMap<String, BTreeSet<String>> =
        lists.iter().map(|(name, keys)| (name.clone(), keys.iter().cloned().collect())).collect();
    assert_eq!(found, expected, "{text}");
    for (name, keys) in &lists {
        assert!(!keys.is_empty(), "{name} is empty:\n{text}");
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{name} repeats a key:\n{text}");
    }
    lists
}

fn evaluate(text: &str) -> BTreeMap<String, Vec<String>> {
    let (_, world) = Files::new(&[("secrets.nix", text)]).world();
    let data = world.evaluate(&bulkhead_source::TreePath::new("secrets.nix").unwrap());
    let attrs = |data: &Data| match &data.kind {
        DataKind::Attrs(set) => set.attrs.clone(),
        other => panic!("{other:?} in\n{text}"),
    };
    let mut lists = BTreeMap::new();
    for (name, field) in attrs(&data) {
        let DataKind::List(items) = &attrs(&field.value)["publicKeys"].value.kind else { panic!("{text}") };
        let keys = items.iter().map(|item| match &item.kind {
            DataKind::String(key) => key.to_string(),
            other => panic!("{other:?}"),
        });
        lists.insert(name.to_string(), keys.collect());
    }
    lists
}

/// agenix's own three queries, as in its script, with the names and lists that they give.
#[test]
fn agenix_can_ask_its_three_questions() {
    if !has_nix() {
        return;
    }
    let fleet = fleet().fleet();
    let text = secrets_nix(&fleet).unwrap().text;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secrets.nix"), &text).unwrap();

    let names = nix(folder.path(), "(let rules = import ./secrets.nix; in builtins.attrNames rules)");
    let mut expected: Vec<String> = fleet.secrets.iter().map(|secret| secret.rule_name.clone()).collect();
    expected.sort();
    assert_eq!(names, serde_json::json!(expected));
    let ours = evaluate(&text);
    for (name, keys) in ours {
        let query = format!("(let rules = import ./secrets.nix; in rules.\"{name}\".publicKeys)");
        assert_eq!(nix(folder.path(), &query), serde_json::json!(keys));
        let query = format!(
            "(let rules = import ./secrets.nix; in (builtins.hasAttr \"armor\" rules.\"{name}\" && rules.\"{name}\".armor))"
        );
        assert_eq!(nix(folder.path(), &query), serde_json::json!(name == "wifi.age"));
    }
}
