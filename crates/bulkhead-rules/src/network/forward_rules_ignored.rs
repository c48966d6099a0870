//! `forward-rules-ignored`: forward rules that NixOS never writes into its firewall.

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, When, option};

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

Rules that only accept are no finding: without `filterForward` everything is accepted.

**Limits.** Modules that can't be read may turn the two options on: then the finding is *undecided*.

**Data.** `machine`: the machine. `option`: what is off.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let rules = tree.texts(&option("networking.firewall.extraForwardRules"), None);
        for rule in rules.iter().filter(|rule| may_drop(&rule.value)) {
            let Some(at) = &rule.place else { continue };
            for path in ["networking.firewall.filterForward", "networking.nftables.enable"] {
                for switch in tree.bools(&option(path), Some(false)).iter().filter(|switch| !switch.value) {
                    let Some(when) = rule.when.and(&switch.when) else { continue };
                    found.push(finding(context, &tree.name, at, switch, &when));
                }
            }
        }
    }
}

/// Whether rules may drop something. Those that only accept are for where all else is dropped, and are missed nowhere else.
fn may_drop(rules: &str) -> bool {
    let code = rules.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut words = code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    words.any(|word| matches!(word, "drop" | "reject" | "jump" | "goto" | "queue" | "include" | "vmap"))
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
        .with_note("nothing that is forwarded is dropped by these rules")
        .with_help(format!("turn it on: {} = true;", switch.option))
        .with_data("machine", machine)
        .with_data("option", switch.option.clone())
}
