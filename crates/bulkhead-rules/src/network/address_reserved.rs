//! `address-reserved`: an address that no machine of its network may have.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::{addresses, called, subnets};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "address-reserved",
    area: Area::Network,
    severity: Severity::Error,
    summary: "A workspace or service has the address of the network itself, or that of its broadcast.",
    docs: "\
The address of a workspace, a service container or the gateway is the first or the last one of its subnet.

**Why it matters.** The first address is that of the network itself, and what is sent to the last one goes to
everybody (RFC 1122, 3.2.1.3); no machine may have either. The modules refuse it when the configuration is built.

**Fix.** Take another address of the subnet.

```nix
# bad
workspaces.dev.ip = \"10.20.0.255\";
# good
workspaces.dev.ip = \"10.20.0.10\";
```

**Limits.** As `address-outside-subnet`. Networks of one or two addresses have neither of the two.

**Data.** `machine`: the machine. `address`: the address. `subnet`: the network.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for network in &tree.networks.all {
            let subnets = subnets(network);
            for address in addresses(network) {
                for (subnet, prefix, holds) in &subnets {
                    let Some(reserved) = prefix.reserves(address.value) else { continue };
                    let Some(when) = address.when.and(holds) else { continue };
                    let message = format!(
                        "{} is {}, {reserved} of {}, {}, which no machine may have",
                        called(address.stated),
                        address.value,
                        called(subnet),
                        subnet.value
                    );
                    found.push(
                        RULE.judged(context.tree, &when, address.place(), message)
                            .with_help(format!("take another address of {}", subnet.value))
                            .with_data("machine", &*tree.name)
                            .with_data("address", address.value.to_string())
                            .with_data("subnet", &*subnet.value),
                    );
                }
            }
        }
    }
}
