//! All rules, and running them.

use std::collections::hash_map::Entry;

use bulkhead_diagnostics::{Diagnostic, Place, nearest};
use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use crate::context::Context;
use crate::reported::REPORTED;
use crate::rule::{Area, Rule};
use crate::trees::is_variant_of;
use crate::{machines, modules, network, secrets, unlock, vpn, workspaces};

/// Which rules to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those about secrets.
    Secrets,
}

impl Selection {
    /// Whether `rule` is among them. Rules without a check of their own are in every selection.
    pub fn has(self, rule: &Rule) -> bool {
        rule.check.is_none() || self == Selection::All || rule.area == Area::Secrets
    }
}

// A slip in the count of `REPORTED` must not leave rules out.
const _: () = assert!(REPORTED.len() == 13);

static RULES: [Rule; 85] = sorted([
    machines::deploy_key_without_role::RULE,
    machines::duplicate_host_key::RULE,
    machines::duplicate_host_name::RULE,
    machines::duplicate_machine_name::RULE,
    machines::host_key_reused::RULE,
    machines::host_key_unfit_for_age::RULE,
    machines::malformed_ssh_key::RULE,
    machines::personal_without_user_key::RULE,
    machines::user_key_unfit_for_age::RULE,
    machines::user_key_without_role::RULE,
    machines::weak_ssh_key::RULE,
    unlock::initrd_key_in_use::RULE,
    unlock::initrd_trusts_unknown_key::RULE,
    unlock::malformed_onion_address::RULE,
    unlock::private_key_in_clear::RULE,
    unlock::unlock_host_name_shared::RULE,
    unlock::unlock_key_in_store::RULE,
    unlock::unlock_key_is_recipient::RULE,
    unlock::unlock_key_reused::RULE,
    unlock::unlock_unreachable::RULE,
    secrets::damaged_secret::RULE,
    secrets::declared_secret_missing::RULE,
    secrets::declared_secret_unreadable::RULE,
    secrets::declared_secret_without_rule::RULE,
    secrets::duplicate_recipient::RULE,
    secrets::missing_recipient::RULE,
    secrets::no_recipients::RULE,
    secrets::not_age::RULE,
    secrets::role_without_machine::RULE,
    secrets::rule_not_evaluated::RULE,
    secrets::rule_refused_by_agenix::RULE,
    secrets::rule_without_secret::RULE,
    secrets::secret_in_store::RULE,
    secrets::secret_read_at_evaluation::RULE,
    secrets::secret_unreadable_by_machine::RULE,
    secrets::secret_without_rule::RULE,
    secrets::secrets_nix_outdated::RULE,
    secrets::stale_recipient::RULE,
    secrets::unidentifiable_recipient::RULE,
    secrets::unknown_machine::RULE,
    secrets::unknown_role::RULE,
    secrets::unused_secret::RULE,
    secrets::world_readable_secret::RULE,
    network::address_collision::RULE,
    network::address_outside_subnet::RULE,
    network::address_reserved::RULE,
    network::forward_rules_ignored::RULE,
    network::interface_name_too_long::RULE,
    network::isolation_off::RULE,
    network::mac_collision::RULE,
    network::malformed_address::RULE,
    network::nix_daemon_reachable::RULE,
    network::private_range_open::RULE,
    network::subnet_overlap::RULE,
    network::trusted_interface::RULE,
    workspaces::cid_collision::RULE,
    workspaces::malformed_workspace_key::RULE,
    workspaces::missing_workspace_config::RULE,
    workspaces::option_without_effect::RULE,
    workspaces::reserved_cid::RULE,
    workspaces::workspace_key_reused::RULE,
    vpn::host_forwards_for_vpn::RULE,
    vpn::openvpn_leftover::RULE,
    vpn::proxy_open_to_services::RULE,
    vpn::second_way_out::RULE,
    vpn::secrets_folder_mounted::RULE,
    vpn::several_port_receivers::RULE,
    vpn::vpn_credentials_outside_age::RULE,
    vpn::vpn_ipv6_unguarded::RULE,
    vpn::vpn_reachable_uplink::RULE,
    modules::configuration_not_known::RULE,
    modules::invalid_option::RULE,
    REPORTED[0],
    REPORTED[1],
    REPORTED[2],
    REPORTED[3],
    REPORTED[4],
    REPORTED[5],
    REPORTED[6],
    REPORTED[7],
    REPORTED[8],
    REPORTED[9],
    REPORTED[10],
    REPORTED[11],
    REPORTED[12],
]);

/// Sort when the program is compiled, so that the order here is free.
const fn sorted<const N: usize>(mut rules: [Rule; N]) -> [Rule; N] {
    let mut end = 1;
    while end < N {
        let mut at = end;
        while at > 0 && is_before(rules[at].name.as_bytes(), rules[at - 1].name.as_bytes()) {
            let rule = rules[at];
            rules[at] = rules[at - 1];
            rules[at - 1] = rule;
            at -= 1;
        }
        end += 1;
    }
    rules
}

const fn is_before(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() {
        if left[at] != right[at] {
            return left[at] < right[at];
        }
        at += 1;
    }
    left.len() < right.len()
}

/// Every rule whose findings a person may see, sorted by name.
pub fn registry() -> &'static [Rule] {
    &RULES
}

/// The rule called `name`, or else the one that was probably meant.
///
/// # Errors
/// The name of the nearest rule, if one is near.
pub fn find(name: &str) -> Result<&'static Rule, Option<&'static str>> {
    match RULES.binary_search_by(|rule| rule.name.cmp(name)) {
        Ok(index) => Ok(&RULES[index]),
        Err(_) => Err(nearest(name, RULES.iter().map(|rule| rule.name))),
    }
}

/// The findings of the selected rules, in the order of the rules' names. Those from loading are
/// [`bulkhead_fleet::Fleet::findings`].
pub fn run(context: &Context<'_>, selection: Selection) -> Vec<Diagnostic> {
    // Rules that run beside each other must not wait for what one of them computes on all threads.
    context.prepare();
    let checks: Vec<_> = RULES.iter().filter(|rule| selection.has(rule)).filter_map(|rule| rule.check).collect();
    let found = checks.par_iter().map(|check| {
        let mut found = Vec::new();
        check(context, &mut found);
        once_for_machines(found)
    });
    found.collect::<Vec<_>>().concat()
}

/// How many further machines a finding names.
const MOST_MACHINES: usize = 8;

/// What one text says for several machines is one finding: a module that many import is changed in one place.
fn once_for_machines(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    let mut others: Vec<Vec<String>> = Vec::new();
    let mut seen: HashMap<(Place, String), (usize, Vec<String>)> = HashMap::new();
    for finding in findings {
        let machine = finding.data.get("machine").and_then(|name| name.as_str()).map(str::to_owned);
        let Some(machine) = machine else {
            kept.push(finding);
            others.push(Vec::new());
            continue;
        };
        let mut rest = finding.data.clone();
        rest.remove("machine");
        let key =
            format!("{:?} {} {}", finding.severity, rest_text(&finding, &machine), serde_json::Value::Object(rest));
        match seen.entry((finding.place.clone(), key)) {
            Entry::Occupied(mut known) => {
                let (first, machines) = known.get_mut();
                // What is so for a machine in all that it may be goes without saying.
                if machines.iter().any(|known| is_variant_of(&machine, known)) {
                    continue;
                }
                machines.push(machine.clone());
                others[*first].push(machine);
            }
            Entry::Vacant(new) => {
                new.insert((kept.len(), vec![machine]));
                kept.push(finding);
                others.push(Vec::new());
            }
        }
    }
    for (finding, machines) in kept.iter_mut().zip(others).filter(|(_, machines)| !machines.is_empty()) {
        let mut names: Vec<String> = machines.iter().map(|name| format!("`{name}`")).collect();
        if names.len() > MOST_MACHINES {
            names.truncate(MOST_MACHINES);
            names.push(format!("{} more", machines.len() - MOST_MACHINES));
        }
        finding.notes.push(format!("the same for {}", names.join(", ")));
        finding.data.insert("also".to_owned(), machines.into());
    }
    kept
}

/// A message without the name of the machine.
fn rest_text(finding: &Diagnostic, machine: &str) -> String {
    finding.message.replace(&format!("`{machine}`"), "`…`")
}
