//! `vpn-credentials-outside-age`: credentials of a VPN that are in the store, or nobody's secret.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};

use super::vpns;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::made::is_made_in_store;
use crate::trees::{option, plain_path};

pub(crate) const RULE: Rule = Rule {
    name: "vpn-credentials-outside-age",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "Credentials of a VPN are in the Nix store, or in a file that is no secret of agenix.",
    docs: "\
`vpn.credentialsFile`, `vpn.dedicatedIp`, `vpn.wireguardFile` or a file of `credentials` of a service is a path of the
repository (Nix copies it into its store), lies in the store, or (a warning) is a file that agenix does not make.

**Why it matters.** The store can be read by everybody on the machine, and goes where the configuration goes. A file
that nobody declares is missing on the next machine, and nobody knows who may read it.

**Fix.** Name the decrypted file of a secret.

```nix
# bad
vpn.credentialsFile = ./pia-login;
# good
vpn.credentialsFile = config.age.secrets.pia-login.path;
```

**Limits.** Files below `/run/agenix`, `/run/agenix.d`, `/run/secrets` and `/run/credentials` count as secrets.

**Data.** `machine`: the machine. `option`: the option.
",
    check: Some(check),
};

enum File {
    Copied(Arc<str>),
    InStore(Arc<str>),
    Elsewhere(Arc<str>),
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        let mut paths: Vec<_> =
            ["vpn.credentialsFile", "vpn.dedicatedIp", "vpn.wireguardFile"].into_iter().map(option).collect();
        for peer in &vpn.peers {
            let root = option("vpn.containers").join(&peer.name).join("credentials");
            paths.extend(tree.children(&root).into_iter().map(|(name, _)| root.join(&name)));
        }
        for path in paths {
            let read = |data: &Data| {
                let is_made = || data.place.as_ref().is_some_and(|at| is_made_in_store(context, at));
                match &data.kind {
                    DataKind::Unknown(_) | DataKind::Failed(_) => {
                        is_made().then(|| File::InStore(Arc::from("a file that is made")))
                    }
                    _ => file(data),
                }
            };
            for stated in tree.stated(&path, read, None) {
                let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place.clone()) else { continue };
                let (message, severity) = match &stated.value {
                    File::Copied(file) => (
                        format!(
                            "`{}` is the file `{}` of the repository, which Nix copies into its store, where everybody on \
                             the machine can read it",
                            stated.option,
                            context.file_of(file).map_or_else(|| file.to_string(), |file| file.as_str().to_owned())
                        ),
                        Severity::Error,
                    ),
                    File::InStore(file) => (
                        format!(
                            "`{}` is {file}, in the Nix store, which everybody on this host can read",
                            stated.option
                        ),
                        Severity::Error,
                    ),
                    File::Elsewhere(file) => {
                        (format!("`{}` is {file}, which is no secret of agenix", stated.option), Severity::Warning)
                    }
                };
                let mut finding = RULE.judged(context.tree, &when, at, message);
                finding.severity = finding.severity.min(severity);
                found.push(
                    finding
                        .with_help("name the decrypted file, such as `config.age.secrets.<name>.path`")
                        .with_data("machine", &*tree.name)
                        .with_data("option", stated.option.clone()),
                );
            }
        }
    }
}

fn file(data: &Data) -> Option<File> {
    let secret = ["/run/agenix/", "/run/agenix.d/", "/run/secrets/", "/run/secrets.d/", "/run/credentials/"];
    match &data.kind {
        DataKind::Path(path) if path.starts_with("/nix/store/") => Some(File::InStore(path.clone())),
        DataKind::Path(path) => Some(File::Copied(path.clone())),
        DataKind::String(path) if path.starts_with("/nix/store/") => Some(File::InStore(path.clone())),
        DataKind::String(path) => {
            let path = plain_path(path);
            let is_secret = secret.iter().any(|folder| path.starts_with(folder));
            (!is_secret).then_some(File::Elsewhere(path))
        }
        _ => None,
    }
}
