//! Adopting handwritten rules: what is inferred, that no recipient changes, what stands in the way.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_fleet::Fleet;
use bulkhead_generate::adopt::{Adoption, adopt};
use bulkhead_generate::secrets::secrets_nix;
use common::{Files, Random, key, lines};
use pretty_assertions::assert_eq;

fn machines() -> Files {
    let mut files = Files::default();
    files
        .machine("machines/fry", &["personal"], &format!("userKeys = [ \"{} fry@planet\" ];", key("fry-user")))
        .machine("machines/s0", &["server", "pia"], "")
        .machine("machines/s1", &["server"], "")
        .machine("machines/kif", &["router"], "");
    files
}

/// A rules file of lists of names.
fn rules(entries: &[(&str, &[&str])]) -> String {
    let mut text = "{\n".to_owned();
    for (name, readers) in entries {
        let keys: Vec<String> = readers.iter().map(|reader| key(reader)).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        text.push_str(&format!("  \"{name}\".publicKeys = [ {} ];\n", common::list(&keys)));
    }
    text.push_str("}\n");
    text
}

fn adopted(files: &Files) -> Result<Adoption, String> {
    let fleet = files.fleet();
    let rules = fleet.rules_files.first().unwrap();
    adopt(&fleet, rules).map_err(|findings| lines(&findings))
}

#[test]
fn finds_the_meaning() {
    let mut files = machines();
    let text = rules(&[
        ("pia-login.age", &["s0", "fry-user"]),
        ("s0-disk.age", &["s0", "fry-user"]),
        ("mail.age", &["s0", "s1", "fry-user"]),
        ("wifi.age", &["fry", "kif"]),
        ("everywhere.age", &["fry", "kif", "s0", "s1", "fry-user"]),
        ("recovery.age", &["fry-user"]),
        ("server/token.age", &["s0", "s1", "fry-user"]),
        ("server/more.age", &["s0", "s1", "kif", "fry-user"]),
        ("../machines/kif/secrets/dsl.age", &["kif", "fry-user"]),
    ]);
    files.add("machines/kif/secrets/dsl.age", common::age_file(&[&key("kif"), &key("fry-user")]));
    files.add("secrets/secrets.nix", text.replace("\"wifi.age\".", "\"wifi.age\".armor = true; \"wifi.age\"."));
    let adoption = adopted(&files).unwrap();
    insta::assert_snapshot!(adoption.properties_nix, @r##"
# Who may read which secret. Adopted from secrets.nix; from now on yours to edit.
# Then run: bulkhead gen-secrets
{
  "everywhere".everyone = true;
  "mail".roles = [ "server" ];
  "pia-login".roles = [ "pia" ];
  "recovery" = { };
  "s0-disk".machines = [ "s0" ];
  "server/more".machines = [ "kif" ];
  "server/token" = { };
  "wifi" = {
    machines = [ "fry" "kif" ];
    admins = false;
    armor = true;
  };
}
"##);
    let words: Vec<String> =
        adoption.entries.iter().map(|entry| format!("{}: {}", entry.secret, entry.readers)).collect();
    insta::assert_snapshot!(words.join("\n"), @r##"
kif/dsl: machine kif (its folder)
everywhere: everyone
mail: role server
pia-login: role pia
recovery: admins alone
s0-disk: machine s0
server/more: role server (its folder), machine kif
server/token: role server (its folder)
wifi: machines fry, kif, without admins
"##);
    recipients_stay(files, &adoption);
}

/// Write what adoption says, generate, load again: each list of keys must be what it was.
fn recipients_stay(mut files: Files, adoption: &Adoption) {
    let before = recipients(&files.fleet());
    files.add("secrets/properties.nix", &adoption.properties_nix);
    files.0.remove("secrets/secrets.nix");
    let generated = secrets_nix(&files.fleet()).unwrap_or_else(|findings| panic!("{}", lines(&findings)));
    files.add("secrets/secrets.nix", generated.text);
    let fleet = files.fleet();
    assert!(fleet.rules_files[0].generated);
    assert_eq!(before, recipients(&fleet));
}

fn recipients(fleet: &Fleet) -> BTreeMap<String, (BTreeSet<String>, bool)> {
    let entries = fleet.rules_files[0].entries.iter();
    entries
        .map(|entry| {
            let keys = entry.public_keys.iter().map(|key| key.identity().to_owned()).collect();
            (entry.name.to_string(), (keys, entry.armor.known().is_some_and(|armor| armor.value)))
        })
        .collect()
}

#[test]
fn says_what_stands_in_the_way() {
    let refused = |entries: &[(&str, &[&str])]| {
        let mut files = machines();
        files.add("bulkhead.toml", format!("admins = [ \"{} boss\" ]\n", key("boss")));
        files.add("secrets/secrets.nix", rules(entries));
        adopted(&files).unwrap_err()
    };
    insta::assert_snapshot!(refused(&[("a.age", &["s0", "ponyo"]), ("b.age", &["ponyo"])]), @r##"
error secrets/secrets.nix: the key eg/jgw reads 2 secrets, but belongs to no machine and no admin
  help: if it is a person's: add it to `admins` in bulkhead.toml, or to `userKeys` of a machine
  help: if it is a machine's: make the folder machines/<name> with a properties.nix that has it as `hostKey`
  help: if its owner is gone: take it out of the rules, rekey, and change the secrets
"##);
    insta::assert_snapshot!(refused(&[("a.age", &["s0", "boss"])]), @r##"
error secrets/secrets.nix: some admin keys read `a.age` and some don't: not fry-user
  help: add the missing keys to the entry and rekey, or take the others out
"##);
    insta::assert_snapshot!(refused(&[("server/a.age", &["s0"])]), @r##"
error secrets/secrets.nix: the folder of `secrets/server/a.age` grants it to s1 too, which can't read it now
  help: move it to secrets/<name>.age, where an entry alone says who reads it
"##);
    insta::assert_snapshot!(refused(&[("../machines/kif/secrets/a.age", &["kif", "s0", "boss", "fry-user"])]), @r##"
error secrets/secrets.nix: `machines/kif/secrets` is for one machine, but s0 read `../machines/kif/secrets/a.age` too
  help: move it to secrets/<name>.age, where an entry alone says who reads it
"##);
    insta::assert_snapshot!(refused(&[("../machines/kif/secrets/a.age", &["kif"])]), @r##"
error secrets/secrets.nix: `../machines/kif/secrets/a.age` is not for the admin keys, but what lies in `machines/kif/secrets` is
  help: move it to secrets/<name>.age, where an entry alone says who reads it
"##);
    insta::assert_snapshot!(refused(&[("../other/a.age", &["kif"])]), @r##"
error secrets/secrets.nix: `other/a.age` lies where no secret is looked for
  help: move it to secrets/<name>.age, secrets/<role>/<name>.age or the folder `secrets` of a machine, or say in bulkhead.toml where the secrets lie: [layout] secrets = "…"
"##);
    insta::assert_snapshot!(refused(&[("a.age", &["kif"]), ("./a.age", &["kif"])]), @r##"
error secrets/secrets.nix: `./a.age` and `a.age` are the same file
  help: take one of the two out
"##);
}

#[test]
fn rules_elsewhere_are_refused() {
    let mut files = machines();
    files.add("secrets.nix", rules(&[("secrets/a.age", &["s0"])]));
    insta::assert_snapshot!(adopted(&files).unwrap_err(), @r##"
error secrets.nix: the rules are `secrets.nix`, but `secrets/secrets.nix` would be generated
  help: say in bulkhead.toml where it lies: [layout] rules = "secrets.nix"
"##);
    files.add("bulkhead.toml", "[layout]\nrules = \"secrets.nix\"\n");
    assert_eq!(adopted(&files).unwrap().entries.len(), 1);
}

#[test]
fn random_rules_keep_their_recipients() {
    let (mut done, mut refused) = (0, 0);
    for seed in 0..80 {
        let mut random = Random(seed);
        let roles: Vec<String> = (0..4).map(|i| format!("r{i}")).collect();
        let hosts: Vec<String> = (0..2 + random.below(5)).map(|i| format!("m{i}")).collect();
        let mut files = Files::default();
        let mut admins: Vec<String> = Vec::new();
        for host in &hosts {
            let own = random.some(&roles, 2);
            let own = if own.is_empty() { vec!["r0"] } else { own };
            let mut more = String::new();
            if random.one_in(3) {
                // Now and then a host key that is an admin key, too.
                let admin = if random.one_in(5) { host.clone() } else { format!("{host}-user") };
                more = format!("userKeys = [ \"{}\" ];", key(&admin));
                admins.push(admin);
            }
            files.machine(&format!("machines/{host}"), &own, &more);
        }
        let mut entries: Vec<(String, Vec<&str>)> = Vec::new();
        for i in 0..6 {
            let mut readers: Vec<&str> = random.some(&hosts, 2);
            if !random.one_in(4) {
                readers.extend(admins.iter().map(String::as_str));
            }
            let name = if random.one_in(5) { format!("r1/s{i}.age") } else { format!("s{i}-r2.age") };
            if !readers.is_empty() {
                entries.push((name, readers));
            }
        }
        if entries.is_empty() {
            continue;
        }
        let entries: Vec<(&str, &[&str])> =
            entries.iter().map(|(name, readers)| (name.as_str(), readers.as_slice())).collect();
        files.add("secrets/secrets.nix", rules(&entries));
        match adopted(&files) {
            Ok(adoption) => {
                recipients_stay(files, &adoption);
                done += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(done > 25, "{done} adopted, {refused} refused");
}
