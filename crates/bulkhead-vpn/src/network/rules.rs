//! The rules of the VPN container, as text for `nft`: a pure function, so that they can be read and tested.
//!
//! One table, `inet bulkhead_vpn`, which belongs to the daemon alone. *Closed*, nothing is forwarded and the container
//! itself reaches only the proxy. *Open*, the services reach the WireGuard interface and nothing else, and what comes in
//! by it was asked for, or belongs to the forwarded port.
//!
//! DNS is served by the kernel: what a service asks the VPN container's address at port 53 is translated to the
//! provider's servers, through the tunnel. There is no resolver with settings, a cache or a fallback that could answer
//! from elsewhere; while the tunnel is down there is no answer. Of several servers they are taken in turn, so that a
//! resolver that asks again reaches another one.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::ForwardedPort;
use crate::config::Config;

/// The table, with its family.
pub const TABLE: &str = "inet bulkhead_vpn";

/// What the rules let through besides what they always do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The tunnel that is open, if one is.
    pub open: Option<Open>,
}

/// An open tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The provider's DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// The MTU of the interface.
    pub mtu: u16,
    /// The forwarded port.
    pub forwarded: Option<ForwardedPort>,
}

/// The counter of what a service sent through the tunnel.
pub fn sent_counter(service: &str) -> String {
    format!("sent_{service}")
}

/// The counter of what a service received through the tunnel.
pub fn received_counter(service: &str) -> String {
    format!("received_{service}")
}

/// The transaction that makes the table afresh: whatever a killed run has left is replaced.
pub fn create(config: &Config) -> String {
    format!("table {TABLE} {{}}\ndelete table {TABLE}\n{}", table(config, &Rules::default()))
}

/// The transaction that replaces all rules of the table. Its counters go on.
pub fn replace(config: &Config, rules: &Rules) -> String {
    // The first statement makes the table if somebody has flushed all rulesets.
    format!("table {TABLE} {{}}\nflush table {TABLE}\n{}", table(config, rules))
}

/// The transaction that removes the table.
pub fn remove() -> String {
    // Removing what is not there would fail.
    format!("table {TABLE} {{}}\ndelete table {TABLE}\n")
}

fn table(config: &Config, rules: &Rules) -> String {
    let mut text = String::with_capacity(4096);
    let mut line = |depth: usize, line: &str| {
        let _ = writeln!(text, "{:1$}{line}", "", depth * 2);
    };
    let (wg, bridge) = (config.interface.as_str(), config.bridge.interface.as_str());
    line(0, &format!("table {TABLE} {{"));
    for name in config.services.keys() {
        line(1, &format!("counter {} {{ }}", sent_counter(name.as_str())));
        line(1, &format!("counter {} {{ }}", received_counter(name.as_str())));
    }

    line(1, "chain prerouting {");
    line(2, "type nat hook prerouting priority dstnat; policy accept;");
    if let Some(open) = &rules.open {
        let vpn = config.bridge.vpn_address;
        for service in config.services.values() {
            for protocol in ["udp", "tcp"] {
                let from = format!("iifname \"{bridge}\" ip saddr {} ip daddr {vpn}", service.address);
                line(2, &format!("{from} {protocol} dport 53 dnat ip to {}", dns_servers(&open.dns)));
            }
        }
        if let Some(forwarded) = &open.forwarded {
            for protocol in forwarded.protocols {
                let ForwardedPort { port, target, target_port, .. } = forwarded;
                line(2, &format!("iifname \"{wg}\" {protocol} dport {port} dnat ip to {target}:{target_port}"));
            }
        }
    }
    line(1, "}");

    line(1, "chain postrouting {");
    line(2, "type nat hook postrouting priority srcnat; policy accept;");
    if rules.open.is_some() {
        line(2, &format!("oifname \"{wg}\" masquerade"));
    }
    line(1, "}");

    line(1, "chain forward {");
    line(2, "type filter hook forward priority filter; policy drop;");
    if let Some(open) = &rules.open {
        // 20 bytes of IPv4 and 20 of TCP. The kernel never raises a segment size with this.
        let segment = open.mtu.saturating_sub(40);
        line(2, "ct state invalid drop");
        line(2, &format!("oifname \"{wg}\" tcp flags syn tcp option maxseg size set {segment}"));
        line(2, &format!("iifname \"{wg}\" tcp flags syn tcp option maxseg size set {segment}"));
        for (name, service) in &config.services {
            let (address, name) = (service.address, name.as_str());
            let out = format!("iifname \"{bridge}\" oifname \"{wg}\" ip saddr {address}");
            line(2, &format!("{out} counter name {} accept", sent_counter(name)));
            let back = format!("iifname \"{wg}\" oifname \"{bridge}\" ip daddr {address}");
            let counter = received_counter(name);
            line(2, &format!("{back} ct state established,related counter name {counter} accept"));
            if let Some(forwarded) = open.forwarded.as_ref().filter(|forwarded| forwarded.target == address) {
                for protocol in forwarded.protocols {
                    let new = format!("{back} {protocol} dport {} ct state new ct status dnat", forwarded.target_port);
                    line(2, &format!("{new} counter name {counter} accept"));
                }
            }
        }
    }
    line(1, "}");

    line(1, "chain input {");
    line(2, "type filter hook input priority filter; policy drop;");
    line(2, "iifname \"lo\" accept");
    line(2, "ct state established,related accept");
    line(2, &format!("iifname \"{bridge}\" icmp type echo-request accept"));
    line(1, "}");

    line(1, "chain output {");
    line(2, "type filter hook output priority filter; policy drop;");
    line(2, "oifname \"lo\" accept");
    line(2, &format!("oifname \"{bridge}\" ct state established,related accept"));
    if let Some(proxy) = config.proxy() {
        let to = format!("ip daddr {} tcp dport {}", proxy.ip(), proxy.port());
        line(2, &format!("oifname \"{bridge}\" {to} accept"));
    }
    if rules.open.is_some() {
        line(2, &format!("oifname \"{wg}\" meta nfproto ipv4 accept"));
    }
    line(1, "}");
    line(0, "}");
    text
}

fn dns_servers(servers: &[Ipv4Addr]) -> String {
    match servers {
        [only] => only.to_string(),
        several => {
            let mut map = Vec::new();
            for (index, server) in several.iter().enumerate() {
                map.push(format!("{index} : {server}"));
            }
            format!("numgen inc mod {} map {{ {} }}", several.len(), map.join(", "))
        }
    }
}
