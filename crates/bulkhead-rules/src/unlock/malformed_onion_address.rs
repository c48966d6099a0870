//! `malformed-onion-address`: an onion address that can't work.

use bulkhead_age::parse_onion;
use bulkhead_diagnostics::{Diagnostic, Severity};

use super::unlock_host_name_shared::reached;
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "malformed-onion-address",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "An onion address is not one of version 3, or its checksum does not fit.",
    docs: "\
An onion address of version 3 is 56 characters and `.onion`. It holds the service's key, a checksum and the version,
which this rule checks. A `clearnetHost` whose name ends in `.onion` is checked too, also with a user or a port.

**Why it matters.** A mistyped address is noticed when the machine waits for its passphrase and can't be reached.
Addresses of version 2 (16 characters) have been dead since 2021.

**Fix.** Copy the address from the service's `hostname` file.

```nix
# bad
onionHost = \"expyuzz4wqqyqhjn.onion\";
# good
onionHost = \"2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion\";
```

**Limits.** Whether the service runs is not tried. An address that is not known makes the rule *undecided*.

**Data.** `machine`: its name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for machine in &context.fleet.machines {
        let Some(unlock) = machine.remote_unlock.known() else { continue };
        if let Some(gap) = unlock.onion_host.gap() {
            RULE.undecided([gap], &format!("whether the onion address of `{}` is right", machine.name), found);
        }
        let is_onion = |host: &str| host.trim_end_matches('.').to_ascii_lowercase().ends_with(".onion");
        let clearnet = unlock.clearnet_host.known().map(|host| (host, reached(&host.value)));
        let clearnet = clearnet.filter(|(_, name)| is_onion(name));
        let onion = unlock.onion_host.known().map(|host| (host, &*host.value));
        for (host, name) in onion.into_iter().chain(clearnet) {
            if let Err(error) = parse_onion(name) {
                found.push(
                    RULE.finding(
                        host.place.clone(),
                        format!("the onion address of `{}` can't work: {error}", machine.name),
                    )
                    .with_help("copy it from the service's folder: cat /var/lib/tor/onion/…/hostname")
                    .with_data("machine", &*machine.name),
                );
            }
        }
    }
}
