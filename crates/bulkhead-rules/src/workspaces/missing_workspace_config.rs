//! `missing-workspace-config`: a configuration file of a workspace or service that is not there.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;
use bulkhead_source::TreePath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::repository_file::repository_file;
use crate::trees::{Purpose, Stated, Tree, option};

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

**Limits.** What these files import in turn is read as well; that one of those is missing is told as
`configuration-not-known`.

**Data.** `machine`: the machine. `path`: the file, or the option whose evaluation fails.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for config in configurations(tree) {
            let imports = tree.items(&config.join("imports")).into_iter().filter_map(|item| {
                let value = given(context, item.value)?;
                Some(Stated { value, place: item.place, option: item.option, when: item.when })
            });
            let itself = tree.stated(&config, |data| given(context, data), None);
            for stated in itself.into_iter().chain(imports) {
                let file = match &stated.value {
                    Given::File(file) => file,
                    Given::Failed(message) => {
                        let Some(at) = stated.place.clone() else { continue };
                        let message = format!("`{}` can't be evaluated: {message}", stated.option);
                        let mut finding = RULE.judged(context.tree, &stated.when, at, message);
                        if !finding.message.ends_with("does not exist") {
                            finding.severity = Severity::Undecided;
                        }
                        found.push(finding.with_data("machine", &*tree.name).with_data("path", stated.option.clone()));
                        continue;
                    }
                };
                let folder = file.join("default.nix");
                let is_folder = folder.is_ok_and(|inner| context.tree.exists(&inner));
                let is_there = is_folder
                    || matches!(
                        context.tree.kind(file),
                        Ok(Some(bulkhead_source::FileKind::Regular | bulkhead_source::FileKind::Symlink)) | Err(_)
                    );
                let Some(at) = stated.place.clone().filter(|_| !is_there) else { continue };
                let message = match context.tree.kind(file) {
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

/// The options with the configurations of workspaces and services.
fn configurations(tree: &Tree<'_>) -> Vec<OptionPath> {
    let services = tree.networks.all.iter().filter(|network| network.purpose == Purpose::Vpn);
    let services = services.flat_map(|network| &network.peers).map(|peer| option("vpn.containers").join(&peer.name));
    let workspaces = tree.workspaces.iter().map(|workspace| workspace.path.clone());
    workspaces.chain(services).map(|path| path.join("config")).collect()
}

/// Whether one of them imports what is written here, so that it is told here if it is missing.
pub(crate) fn imports(tree: &Tree<'_>, place: &Place) -> bool {
    let is_here = |item: &Stated<&Data>| item.place.as_ref() == Some(place);
    configurations(tree).iter().any(|config| tree.items(&config.join("imports")).iter().any(is_here))
}

/// What a configuration is.
enum Given {
    File(TreePath),
    /// Its evaluation failed, and why.
    Failed(String),
}

fn given(context: &Context<'_>, data: &Data) -> Option<Given> {
    match &data.kind {
        DataKind::Failed(failure) => Some(Given::Failed(failure.message.clone())),
        _ => repository_file(context, data).map(Given::File),
    }
}
