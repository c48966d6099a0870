//! `rule-refused-by-agenix`: rules that agenix, ragenix or age would not take.

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::{Key, RuleEntry};
use serde_json::json;

use crate::comparison::{Origin, RuleKey};
use crate::context::Context;
use crate::machines::malformed_ssh_key::at_key;
use crate::names;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "rule-refused-by-agenix",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "agenix, ragenix or age would refuse a rule: its name or one of its keys.",
    docs: "\
An entry of a rules file has a name that agenix can't put into its own Nix expression (blanks, quotes, backslashes,
`${`), or one of its keys is none that age encrypts to: malformed, of a type such as `ecdsa-…` or `sk-ssh-…`, RSA of
less than 2048 bits, an `age1…` key with a comment.

**Why it matters.** One such key, and `agenix -e` and `agenix --rekey` fail for every secret that lists it; so nothing
is rekeyed at all.

**Fix.** Rename the file, or replace the key: `ssh-keygen -t ed25519`, `ssh-keyscan -t ed25519 HOST`.

```nix
# bad
\"my secret.age\".publicKeys = [ \"ecdsa-sha2-nistp256 AAAA…\" ];
# good
\"my-secret.age\".publicKeys = [ \"ssh-ed25519 AAAA…\" ];
```

**Limits.** Empty lists and repeated keys have rules of their own: `no-recipients`, `duplicate-recipient`. Values of
wrong types are `schema` findings.

**Data.** `secret`: the name in the rules file, of the first entry that has the key. `recipients`: the key, with `tag`
and `name`. `entries`: how many entries have it.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let comparisons = context.comparisons();
    for comparison in &comparisons.all {
        if let Origin::Rules(_, entry) = comparison.origin {
            found.extend(name_problem(entry));
        }
    }
    for known in &comparisons.rule_keys {
        if let Some(problem) = key_problem(context, known.key) {
            let secret = comparisons.all.get(known.first).map_or("", |comparison| &*comparison.name);
            found.push(finding(context, known, secret, problem));
        }
    }
}

fn name_problem(entry: &RuleEntry) -> Option<Diagnostic> {
    let name = &*entry.name;
    let what = if name.is_empty() {
        "is empty"
    } else if name.contains("${") {
        "has `${`, which Nix would expand"
    } else if name.contains(['"', '\'', '\\', '`']) {
        "has a quote or a backslash"
    } else if name.contains(char::is_whitespace) {
        "has a blank"
    } else if name.contains(char::is_control) || name.contains('$') {
        "has a character that the shell or Nix would not leave alone"
    } else {
        return None;
    };
    Some(
        RULE.finding(entry.key.clone(), format!("agenix can't use the name `{name}`: it {what}"))
            .with_note("agenix and ragenix put the name into a Nix expression as it is")
            .with_help("rename the file to letters, digits, `-`, `_`, `.` and `/`, and the rule with it")
            .with_data("secret", name)
            .with_data("recipients", serde_json::Value::Array(Vec::new())),
    )
}

/// What age has against a key, and what to do.
fn key_problem(context: &Context<'_>, key: &Key) -> Option<(String, Option<String>)> {
    let recipient = match key.recipient() {
        Ok(recipient) => recipient,
        Err(error) => return Some((error.message.clone(), error.help.clone())),
    };
    if let Some(ssh) = recipient.ssh()
        && !ssh.kind().age_can_encrypt()
    {
        let help = "use a key of type ssh-ed25519, or an age plugin's recipient: age1yubikey1…";
        return Some((format!("age can't encrypt to `{}` keys", ssh.algorithm()), Some(help.to_owned())));
    }
    if let Some(weakness) = context.weaknesses(key.identity()).iter().find(|weakness| weakness.age_refuses()) {
        return Some((weakness.to_string(), Some("make a new one: ssh-keygen -t ed25519".to_owned())));
    }
    let problem = recipient.spelling_problem()?;
    Some((problem.to_string(), Some(format!("write just the key: \"{}\"", short(recipient)))))
}

fn short(recipient: &Recipient) -> String {
    recipient.public_key_id()
}

fn finding(
    context: &Context<'_>,
    known: &RuleKey<'_>,
    secret: &str,
    (problem, help): (String, Option<String>),
) -> Diagnostic {
    let somebody = names::of_key(context.fleet, known.key);
    let who = somebody.name.as_ref().map_or_else(|| "a key".to_owned(), |name| format!("the key of `{name}`"));
    let concerned = match known.count {
        1 => format!("`{secret}`"),
        count => format!("`{secret}` and {} more", count - 1),
    };
    let message = format!("agenix can't encrypt {concerned} to {who}: {problem}");
    let finding = RULE
        .finding(at_key(known.key), message)
        .with_label("this key")
        .with_data("secret", secret)
        .with_data("recipients", names::json(std::slice::from_ref(&somebody)))
        .with_data("entries", json!(known.count));
    match help {
        Some(help) => finding.with_help(help),
        None => finding,
    }
}
