//! `initrd-trusts-unknown-key`: a boot environment that lets in somebody whom the fleet does not know.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::{KeyOwner, PublicKey};
use foldhash::HashSet;
use serde_json::Value;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Tree, option, text, written};

pub(crate) const RULE: Rule = Rule {
    name: "initrd-trusts-unknown-key",
    area: Area::Unlock,
    severity: Severity::Warning,
    summary: "A boot environment lets in a key that the fleet does not know.",
    docs: "\
`boot.initrd.network.ssh.authorizedKeys` has a key that is nobody's: no `userKeys` or `deployKeys` of a machine, no
admin of `bulkhead.toml`, and no key with which somebody logs in to the running machine.

**Why it matters.** Who gets into the boot environment can replace what asks for the passphrase. A key that was taken
away everywhere else is easily forgotten there.

**Fix.** Take it out, or say whose it is.

```nix
# bad
boot.initrd.network.ssh.authorizedKeys = [ \"ssh-ed25519 AAAA… somebody who has left\" ];
# good
boot.initrd.network.ssh.authorizedKeys = config.users.users.root.openssh.authorizedKeys.keys;
```

**Limits.** Only in a fleet that knows some key of a person. Keys in files are not looked at. Those of a user of the
machine (`config.users.users.….openssh.authorizedKeys.keys`) are taken for known.

**Data.** `machine`: the machine. `key`: the key, `null` where it is not known.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let of_people =
        |owner: &KeyOwner| matches!(owner, KeyOwner::User { .. } | KeyOwner::Admin { .. } | KeyOwner::Deploy { .. });
    let knows_people = context.fleet.keys.iter().any(|(_, owners)| owners.iter().any(of_people));
    if !knows_people {
        return;
    }
    for tree in context.trees() {
        let items = tree.items(&option("boot.initrd.network.ssh.authorizedKeys"));
        if items.is_empty() {
            continue;
        }
        let users = keys_of_users(tree);
        for (why, at) in tree.unknown(&option("boot.initrd.network.ssh.authorizedKeys")) {
            // Those of a user, whatever they are, log in to the running machine, too.
            if written(context.tree, &at).is_some_and(|text| is_of_user(&text)) {
                continue;
            }
            let machine = &tree.name;
            let message =
                format!("can't tell whether the fleet knows all whom the boot environment of `{machine}` lets in");
            let mut undecided = RULE.finding(at, format!("{message}: {why}"));
            undecided.severity = Severity::Undecided;
            found.push(undecided.with_data("machine", &**machine).with_data("key", Value::Null));
        }
        for item in items {
            let (Some(line), Some(at)) = (text(item.value), item.place.clone()) else { continue };
            let key = PublicKey::new(&line);
            let is_known = context.fleet.keys.owners(key.identity()).iter().any(of_people);
            if key.recipient().is_err() || is_known || users.contains(key.identity()) {
                continue;
            }
            let whose = key.comment().map_or_else(String::new, |comment| format!(", `{comment}`"));
            let message =
                format!("the boot environment of `{}` lets in a key that the fleet does not know{whose}", tree.name);
            found.push(
                RULE.judged(context.tree, &item.when, at, message)
                    .with_help("take it out, or say whose it is: `userKeys` of a machine, or `admins` in bulkhead.toml")
                    .with_data("machine", &*tree.name)
                    .with_data("key", key.identity()),
            );
        }
    }
}

/// Whether an expression is the list of keys of one user of this machine.
fn is_of_user(text: &str) -> bool {
    let name =
        text.strip_prefix("config.users.users.").and_then(|rest| rest.strip_suffix(".openssh.authorizedKeys.keys"));
    let Some(name) = name else { return false };
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let computed = name.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    quoted.or(computed).unwrap_or(name).chars().all(|c| c.is_alphanumeric() || "_-'".contains(c))
}

/// The keys with which users of the running machine log in.
fn keys_of_users(tree: &Tree<'_>) -> HashSet<String> {
    let users = option("users.users");
    let keys = tree.children(&users).into_iter().flat_map(|(user, _)| {
        let path = users.join(&user).join("openssh").join("authorizedKeys").join("keys");
        tree.items(&path).into_iter().filter_map(|item| text(item.value)).collect::<Vec<_>>()
    });
    keys.map(|line| PublicKey::new(&line).identity().to_owned()).collect()
}
