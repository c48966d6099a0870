//! `initrd-trusts-unknown-key`: a boot environment that lets in somebody whom the fleet does not know.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::Data;
use bulkhead_fleet::{KeyOwner, PublicKey};
use bulkhead_source::read_text;
use foldhash::{HashSet, HashSetExt};
use serde_json::Value;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::repository_file::repository_file;
use crate::trees::{Stated, Tree, option, text, written};

pub(crate) const RULE: Rule = Rule {
    name: "initrd-trusts-unknown-key",
    area: Area::Unlock,
    severity: Severity::Warning,
    summary: "A boot environment lets in a key that the fleet does not know.",
    docs: "\
`boot.initrd.network.ssh.authorizedKeys` or a file of `authorizedKeyFiles` has a key that is nobody's: no `userKeys`
or `deployKeys` of a machine, no admin of `bulkhead.toml`, and no key with which somebody logs in to the running
machine.

**Why it matters.** Who gets into the boot environment can replace what asks for the passphrase. A key that was taken
away everywhere else is easily forgotten there.

**Fix.** Take it out, or say whose it is.

```nix
# bad
boot.initrd.network.ssh.authorizedKeys = [ \"ssh-ed25519 AAAA… somebody who has left\" ];
# good
boot.initrd.network.ssh.authorizedKeys = config.users.users.root.openssh.authorizedKeys.keys;
```

In a fleet without `userKeys`, `deployKeys` and admins, the keys of rules files and those with which somebody logs in
to any of its machines are known ones.

**Limits.** Only in a fleet that knows some key of a person. Those of a user of the
machine (`config.users.users.….openssh.authorizedKeys.keys`) are taken for known.

**Data.** `machine`: the machine. `key`: the key, `null` where it is not known.
",
    check: Some(check),
};

/// Files longer than this are not read for keys, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let of_people =
        |owner: &KeyOwner| matches!(owner, KeyOwner::User { .. } | KeyOwner::Admin { .. } | KeyOwner::Deploy { .. });
    let has_people = context.fleet.keys.iter().any(|(_, owners)| owners.iter().any(of_people));
    for tree in context.trees() {
        let lists =
            [option("boot.initrd.network.ssh.authorizedKeys"), option("boot.initrd.network.ssh.authorizedKeyFiles")];
        if lists.iter().all(|list| tree.items(list).is_empty()) {
            continue;
        }
        // Whom a fleet without properties knows is whoever logs in.
        let mut users = keys_of_users(context, tree);
        if !has_people {
            let others = context.trees().iter().filter(|other| !std::ptr::eq(*other, tree));
            users.keys.extend(others.flat_map(|other| keys_of_users(context, other).keys));
        }
        if !has_people && users.keys.is_empty() {
            continue;
        }
        let machine = &tree.name;
        let undecided = |why: &str, at: Place| {
            let message = format!(
                "can't tell whether the fleet knows all whom the boot environment of `{machine}` lets in: {why}"
            );
            let mut undecided = RULE.finding(at, message);
            undecided.severity = Severity::Undecided;
            undecided.with_data("machine", &**machine).with_data("key", Value::Null)
        };
        for (why, at) in tree.unknown(&lists[0]) {
            // Those of a user, whatever they are, log in to the running machine, too.
            if !written(context.tree, &at).is_some_and(|text| is_of_user(&text)) {
                found.push(undecided(&why, at));
            }
        }
        let mut lines: Vec<Stated<Arc<str>>> = Vec::new();
        for item in tree.items(&lists[0]) {
            lines.extend(text(item.value).map(|line| item.with(line)));
        }
        for item in tree.items(&lists[1]) {
            let Some(at) = item.place.clone() else { continue };
            match text_of_file(context, item.value) {
                Some(text) => lines.extend(keys_in(&text).map(|line| item.with(Arc::from(line)))),
                None if written(context.tree, &at).is_some_and(|text| is_of_user(&text)) => {}
                None => found.push(undecided("a file of keys can't be read here", at)),
            }
        }
        for line in lines {
            let Some(at) = line.place.clone() else { continue };
            let key = PublicKey::new(without_options(&line.value));
            let owners = context.fleet.keys.owners(key.identity());
            let is_bound = |owner: &KeyOwner| matches!(owner, KeyOwner::Binding { .. });
            let is_known = owners.iter().any(of_people) || (!has_people && owners.iter().any(is_bound));
            if key.recipient().is_err() || is_known || users.keys.contains(key.identity()) {
                continue;
            }
            let whose = key.comment().map_or_else(String::new, |comment| format!(", `{comment}`"));
            let message =
                format!("the boot environment of `{machine}` lets in a key that the fleet does not know{whose}");
            let mut finding = RULE.judged(context.tree, &line.when, at, message);
            if let Some((why, place)) = &users.unknown {
                finding.severity = Severity::Undecided;
                finding = finding
                    .with_note(format!("unless it is one of those with which users log in, which are unknown: {why}"))
                    .with_related(place.clone(), "not known");
            }
            found.push(
                finding
                    .with_help("take it out, or say whose it is: `userKeys` of a machine, or `admins` in bulkhead.toml")
                    .with_data("machine", &**machine)
                    .with_data("key", key.identity()),
            );
        }
    }
}

/// The text of a file of the repository.
fn text_of_file(context: &Context<'_>, data: &Data) -> Option<Arc<str>> {
    let file = repository_file(context, data)?;
    read_text(context.tree, &file, FILE_LIMIT).ok()
}

/// The lines of an `authorized_keys` file that have keys.
fn keys_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A line of `authorized_keys` without the options before its key.
fn without_options(line: &str) -> &str {
    let types = ["ssh-", "sk-ssh-", "ecdsa-sha2-", "sk-ecdsa-"];
    if types.iter().any(|kind| line.starts_with(kind)) {
        return line;
    }
    let starts = types.iter().filter_map(|kind| line.find(&format!(" {kind}")));
    starts.min().and_then(|at| line.get(at + 1..)).unwrap_or(line)
}

/// Whether an expression is the list of keys of one user of this machine.
fn is_of_user(text: &str) -> bool {
    let ends = [".openssh.authorizedKeys.keys", ".openssh.authorizedKeys.keyFiles"];
    let of_user = text.strip_prefix("config.users.users.");
    let Some(name) = of_user.and_then(|rest| ends.iter().find_map(|end| rest.strip_suffix(end))) else {
        return false;
    };
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let computed = name.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    quoted.or(computed).unwrap_or(name).chars().all(|c| c.is_alphanumeric() || "_-'".contains(c))
}

/// The keys with which users log in.
struct UserKeys {
    keys: HashSet<String>,
    /// Why there may be more.
    unknown: Option<(Arc<str>, Place)>,
}

/// The keys with which users of the running machine log in.
fn keys_of_users(context: &Context<'_>, tree: &Tree<'_>) -> UserKeys {
    let users = option("users.users");
    let mut found = UserKeys { keys: HashSet::new(), unknown: None };
    for (user, _) in tree.children(&users) {
        let path = users.join(&user).join("openssh").join("authorizedKeys");
        let lines = tree.items(&path.join("keys")).into_iter().filter_map(|item| text(item.value));
        let files = tree.items(&path.join("keyFiles")).into_iter();
        let texts: Vec<Arc<str>> = files.filter_map(|item| text_of_file(context, item.value)).collect();
        let all = lines.collect::<Vec<_>>();
        let lines = all.iter().map(|line| &**line).chain(texts.iter().flat_map(|text| keys_in(text)));
        found.keys.extend(lines.map(|line| PublicKey::new(without_options(line)).identity().to_owned()));
        let unknown = ["keys", "keyFiles"].iter().flat_map(|list| tree.unknown(&path.join(list)));
        // Those of another user are looked at there.
        let mut unknown = unknown.filter(|(_, at)| !written(context.tree, at).is_some_and(|text| is_of_user(&text)));
        found.unknown = found.unknown.take().or_else(|| unknown.next());
    }
    found
}
