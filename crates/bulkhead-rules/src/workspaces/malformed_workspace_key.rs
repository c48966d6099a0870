//! `malformed-workspace-key`: a host key of a workspace that is none.

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::Shape;

pub(crate) const RULE: Rule = Rule {
    name: "malformed-workspace-key",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "`hostKey` of a workspace is no SSH public key.",
    docs: "\
`hostKey` of a workspace is not the line of an SSH public key, is damaged, or is of a type that Bulkhead's module does
not take: it makes and knows Ed25519 keys.

**Why it matters.** With a key that is not the workspace's, it does not start, or nobody can tell that it is the right
one. A private key in a configuration is in the Nix store, which everybody on the host can read.

**Fix.** The line of `<name>/ssh_host_ed25519_key.pub` in `workspaceDefaults.stateFolder`, or nothing: the host knows
the key anyway.

```nix
# bad
workspaces.dev.hostKey = \"AAAAC3NzaC1lZDI1NTE5AAAAI…\";
# good
workspaces.dev.hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…\";
```

**Data.** `machine`: the machine. `workspace`: the workspace.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for workspace in &tree.workspaces {
            for stated in tree.texts(&workspace.path.join("hostKey"), None) {
                // A default has no place of its own.
                let at = stated.place.clone().unwrap_or_else(|| workspace.place.clone());
                let (wrong, is_shown) = match Recipient::parse(&stated.value) {
                    Err(error) => (error.to_string(), !matches!(error.kind, bulkhead_age::KeyErrorKind::PrivateKey(_))),
                    Ok(key) => match key.ssh() {
                        None => ("it is no SSH key".to_owned(), true),
                        Some(key) if key.algorithm() != "ssh-ed25519" && workspace.shape == Shape::Native => {
                            (format!("it is of the type {}, and workspaces have Ed25519 keys", key.algorithm()), true)
                        }
                        Some(_) => continue,
                    },
                };
                // What may be a secret is not marked, since what is marked is shown.
                let at = if is_shown { at } else { Place::file(at.file) };
                let message = format!("`{}` is no host key of a workspace: {wrong}", stated.option);
                found.push(
                    RULE.judged(context.tree, &stated.when, at, message)
                        .with_help(
                            "take the line of ssh_host_ed25519_key.pub in the workspace's folder, or leave it out",
                        )
                        .with_data("machine", &*tree.name)
                        .with_data("workspace", &*workspace.name),
                );
            }
        }
    }
}
