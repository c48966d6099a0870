//! `forward-rules-ignored`: forward rules that NixOS never writes into its firewall.

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, Tree, When, option};

pub(crate) const RULE: Rule = Rule {
    name: "forward-rules-ignored",
    area: Area::Network,
    severity: Severity::Error,
    summary: "`extraForwardRules` are set, but the firewall has no forward chain to put them in.",
    docs: "\
`networking.firewall.extraForwardRules` is set. NixOS writes these rules only with
`networking.firewall.filterForward = true` (it is off by default) and `networking.nftables.enable = true`; otherwise
they are nowhere.

**Why it matters.** Rules that keep workspaces or containers out of private networks do not exist, and nothing says so.

**Fix.** Turn on `filterForward`, which drops all else that is forwarded; or put the rules into a table of their own
(`networking.nftables.tables`) with its own hook, as the module `sandbox` does.

```nix
# bad
networking.firewall.extraForwardRules = \"iifname sandbox0 ip daddr 10.0.0.0/8 drop\";
# good
networking.firewall = {
  filterForward = true;
  extraForwardRules = \"iifname sandbox0 ip daddr 10.0.0.0/8 drop\";
};
networking.nftables.enable = true;
```

Rules that only accept are a warning: without `filterForward` all else is accepted, too. They are no finding if they are
about the bridges of workspaces or of a VPN, which have a guard of their own.

**Limits.** Modules that can't be read may turn the two options on: then the finding is *undecided*.

**Data.** `machine`: the machine. `option`: what is off.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for rule in tree.texts(&option("networking.firewall.extraForwardRules"), None) {
            let what = what(tree, &rule.value);
            let Some(at) = &rule.place else { continue };
            for path in ["networking.firewall.filterForward", "networking.nftables.enable"] {
                for switch in tree.bools(&option(path), Some(false)).iter().filter(|switch| !switch.value) {
                    let Some(when) = rule.when.and(&switch.when) else { continue };
                    let finding = finding(context, &tree.name, at, switch, &when);
                    found.extend(match what {
                        Rules::Nothing => None,
                        Rules::Accept => Some(of_accepting(finding)),
                        Rules::Drop => Some(finding.with_note("nothing that is forwarded is dropped by these rules")),
                    });
                }
            }
        }
    }
}

/// What rules are for.
#[derive(Clone, Copy)]
enum Rules {
    /// Nothing is missing without them.
    Nothing,
    /// They only accept: who wrote them takes all else for dropped.
    Accept,
    /// They may drop something.
    Drop,
}

fn what(tree: &Tree<'_>, rules: &str) -> Rules {
    let code = rules.lines().map(|line| line.split('#').next().unwrap_or_default());
    let statements: Vec<&str> =
        code.flat_map(|line| line.split(';')).map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut words = statements.iter().flat_map(|statement| statement.split(|c: char| !c.is_ascii_alphanumeric()));
    if words.any(|word| matches!(word, "drop" | "reject" | "jump" | "goto" | "queue" | "include" | "vmap")) {
        return Rules::Drop;
    }
    // A host whose forwarded packets are dropped has to let those of a bridge pass that has a guard.
    let bridges = || tree.networks.all.iter().flat_map(|network| &network.bridges);
    let is_of_bridge = |statement: &&str| {
        let mut words = statement.split_whitespace();
        let comes_from = words.find(|word| *word == "iifname").and_then(|_| words.next());
        comes_from.is_some_and(|name| bridges().any(|bridge| *bridge.value == *name.trim_matches('"')))
    };
    if statements.iter().all(is_of_bridge) { Rules::Nothing } else { Rules::Accept }
}

fn of_accepting(mut finding: Diagnostic) -> Diagnostic {
    finding.severity = finding.severity.min(Severity::Warning);
    finding.with_note("all else that is forwarded is accepted, too")
}

fn finding(
    context: &Context<'_>,
    machine: &str,
    at: &bulkhead_diagnostics::Place,
    switch: &Stated<bool>,
    when: &When,
) -> Diagnostic {
    let message = format!(
        "`networking.firewall.extraForwardRules` has no effect: `{}` is false{}",
        switch.option,
        if switch.place.is_some() { "" } else { ", its default" }
    );
    let mut finding = RULE.judged(context.tree, when, at.clone(), message);
    if let Some(place) = &switch.place {
        finding = finding.with_related(place.clone(), "off");
    }
    finding
        .with_help(format!("turn it on: {} = true;", switch.option))
        .with_data("machine", machine)
        .with_data("option", switch.option.clone())
}
