//! `address-outside-subnet`: an address that does not lie in the network of its bridge.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::DataKind;

use super::{addresses, called, subnets};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Shape, Tree, option};

pub(crate) const RULE: Rule = Rule {
    name: "address-outside-subnet",
    area: Area::Network,
    severity: Severity::Error,
    summary: "The address of a workspace or service is not in the network of its bridge.",
    docs: "\
The address of a workspace, of a service container, or of the gateway does not lie in the subnet of its bridge
(`networking.sandbox.subnet`, `vpn.subnet`), or it is IPv6 and the bridge has none.

**Why it matters.** It reaches nothing, and nothing reaches it; in another network of the host it may reach what it
should not. The modules refuse it when the configuration is built.

**Fix.** Take an address of the subnet, or make the subnet another one.

```nix
# bad: the subnet is 10.20.0.0/24
workspaces.dev.ip = \"10.21.0.10\";
# good
workspaces.dev.ip = \"10.20.0.10\";
```

**Limits.** Under a condition that is unknown it is a warning. Where the subnet is not written down and modules are
imported that can't be read, its default is taken, and the finding is *undecided*.

**Data.** `machine`: the machine. `address`: the address. `subnet`: the network, or `null` where there is none.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for network in &tree.networks.all {
            let subnets = subnets(network);
            if network.is_v6 && network.shape == Shape::Native && network.subnets.is_empty() && has_no_v6(tree) {
                for address in addresses(network).iter().filter(|address| address.stated.place.is_some()) {
                    let message = format!(
                        "{} is {}, and the sandbox is without IPv6: `networking.sandbox.subnet6` is null",
                        called(address.stated),
                        address.value
                    );
                    found.push(
                        RULE.judged(context.tree, &address.when, address.place(), message)
                            .with_help("set networking.sandbox.subnet6 and gateway6, or leave it out")
                            .with_data("machine", &*tree.name)
                            .with_data("address", address.value.to_string())
                            .with_data("subnet", serde_json::Value::Null),
                    );
                }
            }
            for address in addresses(network) {
                for (subnet, prefix, holds) in &subnets {
                    if prefix.contains(address.value) {
                        continue;
                    }
                    // Both are defaults of one module, which fit each other.
                    let is_written = address.stated.place.is_some() || subnet.place.is_some();
                    let Some(when) = address.when.and(holds).filter(|_| is_written) else { continue };
                    let message = format!(
                        "{} is {}, outside of {}, {}",
                        called(address.stated),
                        address.value,
                        called(subnet),
                        subnet.value
                    );
                    let mut finding = RULE.judged(context.tree, &when, address.place(), message);
                    if let Some(place) = &subnet.place {
                        finding = finding.with_related(place.clone(), "the network");
                    }
                    found.push(
                        finding
                            .with_help(format!("take an address of {}", subnet.value))
                            .with_data("machine", &*tree.name)
                            .with_data("address", address.value.to_string())
                            .with_data("subnet", &*subnet.value),
                    );
                }
            }
        }
    }
}

/// Whether the sandbox surely has no IPv6, which is the default.
fn has_no_v6(tree: &Tree<'_>) -> bool {
    let path = option("networking.sandbox.subnet6");
    let is_null = |value: &DataKind| matches!(value, DataKind::Null);
    tree.counting(&path).iter().all(|named| is_null(&named.definition.value.kind)) && tree.undecided_at(&path).is_none()
}
