//! `unlock-unreachable`: a boot environment that nobody can reach.

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "unlock-unreachable",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "A boot environment has neither a clearnet nor an onion host.",
    docs: "\
`remoteUnlock` says neither `clearnetHost` nor `onionHost`.

**Why it matters.** After the next reboot the machine waits for its passphrase, and nobody can give it from afar.

**Fix.** Write the name or address of the boot environment, or its onion address.

```nix
# bad
remoteUnlock = { hostKey = \"ssh-ed25519 AAAA…\"; };
# good
remoteUnlock = { hostKey = \"ssh-ed25519 AAAA…\"; clearnetHost = \"kif-boot.example.org\"; };
```

**Limits.** Whether anything answers there is not tried. Hosts that are not known make the rule *undecided*.

**Data.** `machine`: its name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for machine in &context.fleet.machines {
        if let Some(gap) = machine.remote_unlock.gap() {
            RULE.undecided([gap], &format!("whether the boot environment of `{}` can be reached", machine.name), found);
        }
        let Some(unlock) = machine.remote_unlock.known() else { continue };
        let hosts = [&unlock.clearnet_host, &unlock.onion_host];
        if hosts.iter().any(|host| host.known().is_some()) {
            continue;
        }
        if hosts.iter().any(|host| host.gap().is_some()) {
            let gaps = hosts.iter().filter_map(|host| host.gap());
            RULE.undecided(gaps, &format!("whether the boot environment of `{}` can be reached", machine.name), found);
            continue;
        }
        found.push(
            RULE.finding(
                unlock.key.clone(),
                format!(
                    "the boot environment of `{}` can't be reached: it has neither a clearnet nor an onion host",
                    machine.name
                ),
            )
            .with_note("after a reboot nobody could unlock the disk from afar")
            .with_help(
                "add its name or address, or its onion address\nclearnetHost = \"…\";  or  onionHost = \"….onion\";",
            )
            .with_data("machine", &*machine.name),
        );
    }
}
