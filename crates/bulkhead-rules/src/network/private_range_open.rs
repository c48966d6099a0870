//! `private-range-open`: forward rules that keep some private networks out and forget others.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Prefix;
use crate::trees::firewall::{behind, commands, forward_chains, iptables, rules, sets, tables};
use crate::trees::{Stated, Tree, option, text};
use crate::words::enumerate;

/// What is not the internet and is meant when private networks are closed: RFC 1918, carrier-grade NAT and Tailscale (RFC
/// 6598), link-local addresses and the metadata services of clouds (RFC 3927).
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"];

/// The addresses of Tailscale's machines.
const TAILNET6: &str = "fd7a:115c:a1e0::/48";

pub(crate) const RULE: Rule = Rule {
    name: "private-range-open",
    area: Area::Network,
    severity: Severity::Warning,
    summary: "Forward rules close some private networks and leave others open.",
    docs: "\
`networking.firewall.extraForwardRules`, rules with a chain at the hook `forward` (`networking.nftables.tables`,
`ruleset`, a `rulesetFile` of the repository), or commands of iptables (`networking.firewall.extraCommands`) drop or
reject what is sent to some of the private networks, but not to all of them: 10.0.0.0/8,
172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 (carrier-grade NAT, Tailscale) and 169.254.0.0/16 (the metadata services
of clouds); nor, on a machine with workspaces or services behind a VPN, to the networks of the host's own WireGuard
interfaces and, where workspaces have IPv6, to fd7a:115c:a1e0::/48 of a host with Tailscale.

**Why it matters.** The host forwards to every network that it has a route to. The one that was forgotten is often a
VPN's, or that of a cloud's metadata, which gives out credentials.

**Fix.** Close all of them; or accept what is to leave by its interface, and drop the rest.

```nix
# bad
extraForwardRules = \"iifname sandbox0 ip daddr { 10.0.0.0/8, 192.168.0.0/16 } drop\";
# good
extraForwardRules = \"iifname sandbox0 oifname eth0 ip daddr != { 10.0.0.0/8, … } accept; iifname sandbox0 drop\";
```

**Limits.** Texts of rules are searched for networks in the lines that end in `drop` or `reject`, also by the names of
sets; that an earlier rule accepts is not seen. Rules that drop everything else (a bare `drop`, or a policy) close all
of them. Which networks ZeroTier and nebula have, the configuration does not say. Nor are `iptables-restore`, ipset
and maps of verdicts (`vmap`) looked into.

**Data.** `machine`: the machine. `open`: the networks.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let forward = rules(context, tree, &option("networking.firewall.extraForwardRules"));
        let is_forward = |stated: &Stated<Arc<str>>| stated.value.contains("forward") && stated.value.contains("chain");
        let of_tables = tables(context, tree).into_iter().filter(is_forward);
        let own = tunnels(tree);
        let own_v4: Vec<Tunnel> = own.iter().filter(|(_, range)| !range.is_v6()).cloned().collect();
        let of_rules = forward.into_iter().chain(of_tables).map(|stated| (open(&stated.value, &own), stated));
        let of_commands = commands(context, tree).into_iter();
        let of_commands = of_commands.map(|stated| (open_to_commands(&stated.value, &own_v4), stated));
        for (open, stated) in of_rules.chain(of_commands) {
            let (Some(at), Some(open)) = (stated.place, open) else { continue };
            let message = format!("`{}` closes some private networks, but not {}", stated.option, enumerate(&open));
            found.push(
                RULE.judged(context.tree, &stated.when, at, message)
                    .with_help("close them too, or drop all that does not leave by the uplink")
                    .with_data("machine", &*tree.name)
                    .with_data("open", open),
            );
        }
    }
}

/// A network of a tunnel of the host, as it is written.
type Tunnel = (String, Prefix);

/// The networks that the host reaches by its tunnels and that are not among the private ones. Those of IPv6 count where
/// workspaces have it.
fn tunnels(tree: &Tree<'_>) -> Vec<Tunnel> {
    let mut found: Vec<Tunnel> = Vec::new();
    if !tree.has_compartments() {
        return found;
    }
    let has_v6 = tree.networks.all.iter().any(|network| network.is_v6);
    let mut add = |shown: &str| {
        let Some(range) = Prefix::parse(shown).filter(|range| has_v6 || !range.is_v6()) else { return };
        let is_private = PRIVATE.iter().filter_map(|known| Prefix::parse(known)).any(|known| known.covers(&range));
        if !is_private && found.iter().all(|(_, known)| !known.covers(&range)) {
            found.push((shown.to_owned(), range));
        }
    };
    if !tree.on(&option("services.tailscale.enable")).is_empty() {
        add(TAILNET6);
    }
    for (root, list) in [("networking.wireguard.interfaces", "ips"), ("networking.wg-quick.interfaces", "address")] {
        let root = option(root);
        for (name, _) in tree.children(&root) {
            for item in tree.items(&root.join(&name).join(list)).iter().filter(|item| item.when.is_sure()) {
                // An address alone is the host's own.
                let written = text(item.value);
                let all = written.iter().flat_map(|text| text.split(',')).map(str::trim);
                all.filter(|shown| !shown.ends_with("/32") && !shown.ends_with("/128")).for_each(&mut add);
            }
        }
    }
    found
}

/// Whether rules close some private networks, and not others.
pub(crate) fn is_open(rules: &str) -> bool {
    open(rules, &[]).is_some()
}

/// The private networks that rules leave open which close another; `None` if they close none, or all.
fn open(rules: &str, own: &[Tunnel]) -> Option<Vec<String>> {
    // A set may go over several lines: a statement is what ends in its verdict.
    let sets = sets(rules);
    let text = forward_chains(rules)?;
    if text.contains("policy drop") {
        return None;
    }
    let mut closed: Vec<Prefix> = Vec::new();
    let mut statement: Vec<&str> = Vec::new();
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ';' | '='));
    for word in words.filter(|word| !word.is_empty()) {
        match word {
            "drop" | "reject" => {
                if statement.iter().all(|word| matches!(*word, "iifname" | "counter") || !is_match(word)) {
                    return None;
                }
                if let Some(at) = statement.iter().position(|word| *word == "daddr") {
                    // `ip daddr != 10.0.0.0/8 drop` drops the rest.
                    if text.contains("daddr !=") {
                        return None;
                    }
                    for word in statement.iter().skip(at) {
                        // What a name stands for that nothing tells is not seen to be closed.
                        closed.extend(sets.networks(word).unwrap_or_default());
                    }
                }
                statement.clear();
            }
            "accept" | "return" | "jump" | "goto" => statement.clear(),
            word => statement.push(word),
        }
    }
    left_open(&closed, own)
}

/// Flags of iptables before where packets go to.
const DESTINATION: [&str; 3] = ["-d", "--destination", "--dst"];

fn is_destination(word: &str) -> bool {
    DESTINATION.contains(&word)
}

/// The same of commands of iptables.
fn open_to_commands(script: &str, own: &[Tunnel]) -> Option<Vec<String>> {
    let mut closed: Vec<Prefix> = Vec::new();
    for command in iptables(script) {
        let has = |words: &[&str]| command.iter().any(|word| words.contains(&word.as_str()));
        if command.iter().map(String::as_str).collect::<Vec<_>>().ends_with(&["-P", "FORWARD", "DROP"]) {
            return None;
        }
        let chain = behind(&command, &["-A", "-I", "--append", "--insert"]);
        let is_forwarded =
            chain.is_some_and(|chain| !matches!(chain, "INPUT" | "OUTPUT") && !chain.starts_with("nixos-"));
        // The chains of NixOS' firewall that refuse everything.
        let refusals = ["DROP", "REJECT", "nixos-fw-refuse", "nixos-fw-log-refuse"];
        if !is_forwarded || !behind(&command, &["-j", "--jump"]).is_some_and(|target| refusals.contains(&target)) {
            continue;
        }
        match behind(&command, &DESTINATION) {
            // All else is dropped.
            Some(_) if command.windows(2).any(|pair| pair[0] == "!" && is_destination(&pair[1])) => return None,
            Some(networks) => closed.extend(networks.split(',').filter_map(Prefix::parse)),
            None if has(&["-m", "-p", "-o", "-s", "--match", "--protocol", "--out-interface", "--source"]) => {}
            None => return None,
        }
    }
    left_open(&closed, own)
}

/// The private networks that are not closed, if some are.
fn left_open(closed: &[Prefix], own: &[Tunnel]) -> Option<Vec<String>> {
    let private = || PRIVATE.iter().filter_map(|range| Some(((*range).to_owned(), Prefix::parse(range)?)));
    if !private().any(|(_, range)| closed.iter().any(|prefix| prefix.covers(&range))) {
        return None;
    }
    let open: Vec<String> = private()
        .chain(own.iter().cloned())
        .filter(|(_, range)| !closed.iter().any(|prefix| prefix.covers(range)))
        .map(|(name, _)| name)
        .collect();
    (!open.is_empty()).then_some(open)
}

/// Whether a word of a rule makes it match less than all that comes from an interface.
fn is_match(word: &str) -> bool {
    matches!(
        word,
        "daddr"
            | "saddr"
            | "oifname"
            | "oif"
            | "ct"
            | "dport"
            | "sport"
            | "tcp"
            | "udp"
            | "icmp"
            | "icmpv6"
            | "meta"
            | "fib"
    )
}

#[cfg(test)]
mod tests {
    use super::open as open_besides;

    fn open(rules: &str) -> Option<Vec<String>> {
        open_besides(rules, &[])
    }

    #[test]
    fn what_is_open_is_what_no_dropping_statement_names() {
        assert_eq!(
            open("ip daddr { 10.0.0.0/8,\n 192.168.0.0/16 } drop"),
            Some(["172.16.0.0/12", "100.64.0.0/10", "169.254.0.0/16"].map(str::to_owned).to_vec())
        );
        assert_eq!(open("iifname x ip daddr 10.0.0.0/8 accept\niifname x drop"), None);
        assert_eq!(open("iifname x ip daddr 10.1.0.0/16 drop"), None);
        assert_eq!(open("ip daddr 0.0.0.0/0 drop"), None);
        assert_eq!(open("iifname x oifname eth0 accept"), None);
        assert_eq!(open("# ip daddr 10.0.0.0/8 drop"), None);
    }
}
