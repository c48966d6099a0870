//! `missing-workspace-config`: a configuration file of a workspace or service that is not there.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Purpose, option};

pub(crate) const RULE: Rule = Rule {
    name: "missing-workspace-config",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "The configuration file of a workspace or service does not exist.",
    docs: "\
`config` of a workspace or of a service container names a file or folder of the repository that is not there.

**Why it matters.** The host's configuration can't be built.

**Fix.** Correct the path, or add the file. In a flake, files that git does not know are not there: `git add` it.

```nix
# bad: there is no workspaces/dev.nix
workspaces.dev.config = ./workspaces/dev.nix;
# good
workspaces.dev.config = { pkgs, … }: { environment.systemPackages = [ pkgs.git ]; };
```

**Data.** `machine`: the machine. `path`: the file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let services = tree.networks.all.iter().filter(|network| network.purpose == Purpose::Vpn);
        let services =
            services.flat_map(|network| &network.peers).map(|peer| option("vpn.containers").join(&peer.name));
        let workspaces = tree.workspaces.iter().map(|workspace| workspace.path.clone());
        for path in workspaces.chain(services) {
            for stated in tree.stated(&path.join("config"), path_of, None) {
                let Some(file) = context.file_of(&stated.value) else { continue };
                let folder = file.join("default.nix");
                let is_folder = folder.is_ok_and(|inner| context.tree.exists(&inner));
                let is_there = is_folder
                    || matches!(
                        context.tree.kind(&file),
                        Ok(Some(bulkhead_source::FileKind::Regular | bulkhead_source::FileKind::Symlink)) | Err(_)
                    );
                let Some(at) = stated.place.clone().filter(|_| !is_there) else { continue };
                let message = match context.tree.kind(&file) {
                    Ok(Some(_)) => format!("`{}` is `{file}`, which has no default.nix", stated.option),
                    _ => format!("`{}` is `{file}`, which does not exist", stated.option),
                };
                found.push(
                    RULE.judged(context.tree, &stated.when, at, message)
                        .with_help("correct the path, or add the file")
                        .with_data("machine", &*tree.name)
                        .with_data("path", file.as_str()),
                );
            }
        }
    }
}

fn path_of(data: &Data) -> Option<std::sync::Arc<str>> {
    match &data.kind {
        DataKind::Path(path) => Some(path.clone()),
        _ => None,
    }
}
