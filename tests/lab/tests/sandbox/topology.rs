//! The network in which the sandbox is attacked.
//!
//! ```text
//!   a  b  c        workspaces, on ports that the guard knows; a and b may reach each other
//!   x              on the bridge, by a port that nobody has declared
//!   d              by a declared port that is not in the bridge
//!   │
//!   sandbox0 ─ host ─┬─ lan0 ─ lan (a router, a NAS) ─ internet
//!                    ├─ tailscale0 ─ tailnet
//!                    └─ docker0
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use bulkhead_lab::frame::Mac;
use bulkhead_lab::{Namespace, Socket, evaluate};
use serde_json::{Value, json};

pub const BRIDGE: &str = "sandbox0";
pub const BRIDGE_MAC: Mac = [2, 0, 0, 0, 0, 1];
pub const TABLE: &str = "bulkhead-sandbox";

pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
pub const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 1);

/// Addresses of the host that are not the gateway's.
pub const HOST_LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
pub const HOST_PUBLIC: Ipv4Addr = Ipv4Addr::new(45, 77, 0, 7);
pub const HOST_DOCKER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);
pub const HOST_TAILNET: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
pub const HOST_LAN6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);
pub const HOST_TAILNET6: Ipv6Addr = Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, 0, 1);

pub const NAS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub const NAS6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x10);
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub const TAILNET: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);
pub const TAILNET6: Ipv6Addr = Ipv6Addr::new(0xfd7a, 0x115c, 0xa1e0, 0, 0, 0, 0, 2);
/// Public addresses to which the host's routes lead through the tailnet, as those of an exit node or a VPN do.
pub const BEHIND_VPN: Ipv4Addr = Ipv4Addr::new(45, 99, 0, 2);
pub const BEHIND_VPN6: Ipv6Addr = Ipv6Addr::new(0x2a00, 0x99, 0, 0, 0, 0, 0, 2);
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(45, 33, 0, 2);
pub const INTERNET6: Ipv6Addr = Ipv6Addr::new(0x2a00, 0x33, 0, 0, 0, 0, 0, 2);
/// Public addresses that `deny` names.
pub const DENIED: Ipv4Addr = Ipv4Addr::new(45, 66, 0, 1);
pub const DENIED6: Ipv6Addr = Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, 0, 0x77);

/// What listens where; the ports of holes are open for some.
pub const SINK: u16 = 7777;
pub const SSH: u16 = 22;
pub const NAS_HOLE: u16 = 8080;
pub const HOST_HOLE: u16 = 8443;
pub const TAILNET_HOLE: u16 = 9000;

/// A workspace and its end of the wire.
pub struct Workspace {
    pub name: &'static str,
    pub namespace: Namespace,
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub address6: Ipv6Addr,
    pub socket: Socket,
}

impl Workspace {
    pub fn link_local(&self) -> Ipv6Addr {
        link_local(self.mac)
    }
}

/// How the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether the sandbox has IPv6. The host and the workspaces have it in any case.
    pub ipv6: bool,
    /// Whether bridged frames are shown to the hooks for IP.
    pub br_netfilter: bool,
}

pub const SETTINGS: [Setting; 4] = [
    Setting { ipv6: true, br_netfilter: false },
    Setting { ipv6: true, br_netfilter: true },
    Setting { ipv6: false, br_netfilter: false },
    Setting { ipv6: false, br_netfilter: true },
];

pub struct Topology {
    pub setting: Setting,
    pub host: Namespace,
    pub lan: Namespace,
    pub tailnet: Namespace,
    pub internet: Namespace,
    /// a, b, c, x and d.
    pub workspaces: Vec<Workspace>,
    /// Captures on every way out of the host but the bridge's ports, whose far ends the workspaces' sockets are.
    pub egress: Vec<(&'static str, Socket)>,
    /// Where those send from who are outside.
    pub lan_socket: Socket,
    /// The MAC addresses of the host on `lan0` and on d's port.
    pub lan_mac: Mac,
    pub host_mac_on_lan: Mac,
    pub host_mac_on_d: Mac,
    pub host_mac_on_a: Mac,
}

pub fn link_local(mac: Mac) -> Ipv6Addr {
    let group = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(
        0xfe80,
        0,
        0,
        0,
        group(mac[0] ^ 2, mac[1]),
        group(mac[2], 0xff),
        group(0xfe, mac[3]),
        group(mac[4], mac[5]),
    )
}

pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

const NAMES: [&str; 5] = ["a", "b", "c", "x", "d"];

fn numbered(name: &str) -> (Mac, Ipv4Addr, Ipv6Addr) {
    let number = 10 + NAMES.iter().position(|known| *known == name).unwrap_or_default() as u8;
    ([2, 0, 0, 0, 0, number], Ipv4Addr::new(10, 20, 0, number), Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, number.into()))
}

/// The sandbox, as `nix/lib` is told of it.
pub fn description(ipv6: bool) -> Value {
    let port = |name: &str| {
        let (mac, address, address6) = numbered(name);
        let address6 = if ipv6 { json!(address6) } else { Value::Null };
        json!({ "interface": format!("vb-{name}"), "mac": mac_text(mac), "address": address, "address6": address6 })
    };
    let hole = |address: IpAddr, port: u16, from: Value| json!({ "address": address, "port": port, "protocol": "tcp", "from": from, "reason": "it is tested" });
    let mut allow = vec![
        hole(NAS.into(), NAS_HOLE, json!(["a"])),
        hole(HOST_LAN.into(), HOST_HOLE, json!(["b"])),
        hole(TAILNET.into(), TAILNET_HOLE, json!(["c"])),
    ];
    if ipv6 {
        allow.extend([
            hole(NAS6.into(), NAS_HOLE, json!(["a"])),
            hole(HOST_LAN6.into(), HOST_HOLE, json!(["b"])),
            hole(TAILNET6.into(), TAILNET_HOLE, json!(["c"])),
        ]);
    }
    json!({
        "name": TABLE,
        "bridge": BRIDGE,
        "mac": mac_text(BRIDGE_MAC),
        "subnet": "10.20.0.0/24",
        "gateway": GATEWAY,
        "subnet6": if ipv6 { json!("fd20::/64") } else { Value::Null },
        "gateway6": if ipv6 { json!(GATEWAY6) } else { Value::Null },
        "upstreams": ["lan0"],
        "ports": { "a": port("a"), "b": port("b"), "c": port("c"), "d": port("d") },
        "allow": allow,
        "allowBetween": [["a", "b"]],
        "deny": if ipv6 { json!(["45.66.0.0/24", "2a00:1::/64"]) } else { json!(["45.66.0.0/24"]) },
        "dns": true,
    })
}

/// The guard's rules.
pub fn rules(ipv6: bool) -> Result<String> {
    Ok(evaluate("sandboxRuleset", &description(ipv6))?.as_str().unwrap_or_default().to_owned())
}

impl Topology {
    /// The network, without a guard.
    pub fn new(setting: Setting) -> Result<Self> {
        let host = Namespace::new("host")?;
        let lan = Namespace::new("lan")?;
        let tailnet = Namespace::new("tailnet")?;
        let internet = Namespace::new("internet")?;
        outside(&host, &lan, &tailnet, &internet)?;
        make_bridge(&host, setting)?;
        let mut workspaces = Vec::new();
        for name in NAMES {
            workspaces.push(workspace(&host, name)?);
        }
        set_isolation(&host, true)?;
        let mut egress = Vec::new();
        for interface in ["lan0", "tailscale0", "docker0"] {
            egress.push((interface, Socket::open(&host, interface)?));
        }
        Ok(Self {
            setting,
            lan_socket: Socket::open(&lan, "eth0")?,
            lan_mac: mac_of(&lan, "eth0")?,
            host_mac_on_lan: mac_of(&host, "lan0")?,
            host_mac_on_d: mac_of(&host, "vb-d")?,
            host_mac_on_a: mac_of(&host, "vb-a")?,
            host,
            lan,
            tailnet,
            internet,
            workspaces,
            egress,
        })
    }

    pub fn workspace(&self, name: &str) -> &Workspace {
        self.workspaces.iter().find(|workspace| workspace.name == name).unwrap_or(&self.workspaces[0])
    }
}

/// Ports are isolated as networkd makes them: all but those of a pair.
pub fn set_isolation(host: &Namespace, on: bool) -> Result<()> {
    let flag = if on { "on" } else { "off" };
    host.run("bridge", &["link", "set", "dev", "vb-c", "isolated", flag]).map(drop)
}

fn outside(host: &Namespace, lan: &Namespace, tailnet: &Namespace, internet: &Namespace) -> Result<()> {
    for namespace in [host, lan] {
        for name in ["ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"] {
            namespace.sysctl(name, "1")?;
        }
    }
    for namespace in [host, lan, tailnet, internet] {
        settle(namespace)?;
    }
    host.connect("lan0", lan, "eth0")?;
    host.connect("tailscale0", tailnet, "eth0")?;
    lan.connect("eth1", internet, "eth0")?;
    host.ip(&[
        "address add 192.168.1.2/24 dev lan0",
        "address add 45.77.0.7/32 dev lan0",
        "address add fd77::2/64 dev lan0 nodad",
        "address add 2a00:1::2/64 dev lan0 nodad",
        "route add default via 192.168.1.1",
        "route add default via fd77::1",
        "address add 100.64.0.1/24 dev tailscale0",
        "address add fd7a:115c:a1e0::1/64 dev tailscale0 nodad",
        "route add 100.64.0.0/10 via 100.64.0.2",
        "route add 100.127.0.0/16 via 192.168.1.1",
        "route add fd7a:115c:a1e0::/48 via fd7a:115c:a1e0::2",
        "route add 45.99.0.0/24 via 100.64.0.2",
        "route add 2a00:99::/64 via fd7a:115c:a1e0::2",
        // A company's network behind a VPN, which the bridge's is a part of: what goes there while the bridge is down.
        "route add 10.20.0.0/16 via 100.64.0.2",
        "route add fd20::/48 via fd7a:115c:a1e0::2",
        "link add docker0 type bridge",
        "link set docker0 up",
        "address add 172.17.0.1/24 dev docker0",
        // A host that has gone out of its way to send packets for its loopback to others.
        "route del local 127.0.0.0/8 dev lo table local",
        "route add 127.0.0.0/8 via 192.168.1.1",
        // Unassigned addresses of the same network go out as well, so that a capture shows them.
        "route add 0.0.0.0/8 via 192.168.1.1",
    ])?;
    lan.ip(&[
        "address add 192.168.1.1/24 dev eth0",
        "address add 192.168.1.10/24 dev eth0",
        "address add fd77::1/64 dev eth0 nodad",
        "address add fd77::10/64 dev eth0 nodad",
        "address add 2a00:1::77/64 dev eth0 nodad",
        "address add 45.33.0.1/24 dev eth1",
        "address add 2a00:33::1/64 dev eth1 nodad",
        "route add 10.20.0.0/24 via 192.168.1.2",
        "route add fd20::/64 via fd77::2",
    ])?;
    internet.ip(&[
        "address add 45.33.0.2/24 dev eth0",
        "address add 2a00:33::2/64 dev eth0 nodad",
        "route add default via 45.33.0.1",
        "route add default via 2a00:33::1",
    ])?;
    tailnet.ip(&[
        "address add 100.64.0.2/24 dev eth0",
        "address add fd7a:115c:a1e0::2/64 dev eth0 nodad",
        "address add 45.99.0.2/32 dev lo",
        "address add 2a00:99::2/128 dev lo nodad",
        "route add default via 100.64.0.1",
        "route add default via fd7a:115c:a1e0::1",
    ])
}

/// A namespace that takes what comes: no filter by source, no delay before an address may be used.
fn settle(namespace: &Namespace) -> Result<()> {
    for scope in ["all", "default"] {
        namespace.sysctl(&format!("ipv4/conf/{scope}/rp_filter"), "0")?;
        namespace.sysctl(&format!("ipv6/conf/{scope}/accept_dad"), "0")?;
        namespace.sysctl(&format!("ipv6/conf/{scope}/accept_ra"), "0")?;
    }
    Ok(())
}

/// The bridge without any port.
pub fn make_bridge(host: &Namespace, setting: Setting) -> Result<()> {
    let mac = mac_text(BRIDGE_MAC);
    host.ip(&[
        &format!("link add {BRIDGE} address {mac} type bridge stp_state 0 mcast_snooping 0 group_fwd_mask 0xfff8"),
        &format!("link set {BRIDGE} up"),
        &format!("address add {GATEWAY}/24 dev {BRIDGE}"),
        &format!("address add {GATEWAY6}/64 dev {BRIDGE} nodad"),
    ])?;
    let flag = if setting.br_netfilter { "1" } else { "0" };
    for name in ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables", "bridge/bridge-nf-call-arptables"]
    {
        host.sysctl(name, flag)?;
    }
    // As the module sets it.
    host.sysctl("ipv6/conf/sandbox0/keep_addr_on_down", "1")?;
    // The host is as careless as can be: what holds must be the guard.
    host.sysctl("ipv4/conf/sandbox0/route_localnet", "1")?;
    host.sysctl("ipv4/conf/all/accept_source_route", "1")?;
    host.sysctl("ipv4/conf/sandbox0/accept_source_route", "1")?;
    host.sysctl("ipv4/neigh/sandbox0/locktime", "0")?;
    host.sysctl("ipv6/conf/sandbox0/accept_ra", "2")?;
    host.sysctl("ipv6/conf/sandbox0/suppress_frag_ndisc", "0")?;
    host.sysctl("ipv6/conf/all/suppress_frag_ndisc", "0")?;
    for interface in ["all", BRIDGE] {
        host.sysctl(&format!("ipv6/conf/{interface}/seg6_enabled"), "1")?;
    }
    host.sysctl("ipv4/icmp_echo_ignore_broadcasts", "0")
}

fn workspace(host: &Namespace, name: &'static str) -> Result<Workspace> {
    let namespace = Namespace::new(name)?;
    settle(&namespace)?;
    let (mac, address, address6) = numbered(name);
    let port = format!("vb-{name}");
    host.connect(&port, &namespace, "eth0")?;
    if name != "d" {
        host.ip(&[&format!("link set {port} master {BRIDGE}")])?;
    }
    namespace.ip(&[
        // The link-local address is made from the MAC address as the interface comes up.
        "link set eth0 down",
        &format!("link set eth0 address {}", mac_text(mac)),
        "link set eth0 up",
        &format!("address add {address}/24 dev eth0"),
        &format!("address add {address6}/64 dev eth0 nodad"),
        &format!("route add default via {GATEWAY}"),
        &format!("route add default via {GATEWAY6}"),
    ])?;
    let socket = Socket::open(&namespace, "eth0")?;
    Ok(Workspace { name, namespace, mac, address, address6, socket })
}

pub fn mac_of(namespace: &Namespace, interface: &str) -> Result<Mac> {
    let shown: Value = serde_json::from_str(&namespace.run("ip", &["-json", "link", "show", interface])?)?;
    let text = shown[0]["address"].as_str().unwrap_or_default().to_owned();
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| anyhow::anyhow!("{text} is no MAC address"))
}
