//! The network in which a VPN container and its services are attacked.
//!
//! ```text
//!   torrent  search     services; torrent gets the forwarded port
//!   vpn                 bulkhead-vpn, and the tunnel
//!   x                   on the bridge, by a port that nobody has declared
//!   │
//!   vpn0 ─ host ─┬─ lan0 ─ lan (a router, a NAS) ─ pia ─ internet
//!    proxy       ├─ tailscale0 ─ tailnet
//!                └─ docker0
//! ```

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::proxied::OTHER;
use anyhow::{Result, ensure};
use bulkhead_lab::frame::Mac;
use bulkhead_lab::{Background, Clock, Namespace, Socket, evaluate};
use bulkhead_vpn::clock::Clock as _;
use fake_pia::{FakePia, Options, Server, dns, wireguard};
use serde_json::{Value, json};

pub const BRIDGE: &str = "vpn0";
pub const BRIDGE_MAC: Mac = [2, 0, 0, 0, 1, 1];
pub const TABLE: &str = "bulkhead-vpn-guard";
pub const INSIDE: &str = "bulkhead-vpn-inside";

/// A tunnel that ends at the host, as those of other software do: what is in it comes from an interface of its own.
pub const VXLAN_PORT: u16 = 4789;
pub const VXLAN_MAC: Mac = [2, 0x66, 0, 0, 1, 0];
pub const VXLAN_PEER: Ipv4Addr = Ipv4Addr::new(10, 99, 5, 2);

/// The host's addresses.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 1);
pub const HOST_LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
pub const HOST_TAILNET: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
pub const HOST_DOCKER: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);
pub const HOST6: Ipv6Addr = Ipv6Addr::new(0xfd73, 0, 0, 0, 0, 0, 0, 1);
pub const HOST_LAN6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

pub const NAS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub const NAS6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x10);
pub const TAILNET: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(45, 33, 0, 80);
pub const INTERNET6: Ipv6Addr = Ipv6Addr::new(0x2a00, 0x33, 0, 0, 0, 0, 0, 0x80);
/// Where what comes through the tunnel comes from.
pub const EXIT: Ipv4Addr = Ipv4Addr::new(45, 33, 0, 5);
/// The provider's hosts: for tokens and the list, and the servers.
pub const PIA: Ipv4Addr = Ipv4Addr::new(45, 50, 0, 2);
pub const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(45, 50, 0, 11), Ipv4Addr::new(45, 50, 0, 12)];
/// An address of the bridge's network to which the host has another way, as it has to all of them when the bridge is gone.
pub const ASTRAY: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 66);
/// In the tunnel: the provider's end.
pub const TUNNEL_END: Ipv4Addr = Ipv4Addr::new(10, 5, 128, 1);

pub const PROXY: u16 = 8888;
pub const PROXY_USER: u32 = 4242;
pub const KEYS: u16 = 1337;
/// The provider's port for forwarded ports, in the tunnel.
pub const FORWARDING: u16 = 19999;
pub const SINK: u16 = 7777;
pub const SSH: u16 = 22;
pub const HTTP: u16 = 80;
pub const ECHO: u16 = 7;

/// Somebody on the bridge.
pub struct Container {
    pub name: &'static str,
    pub namespace: Namespace,
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub socket: Socket,
}

const NAMES: [&str; 4] = ["vpn", "torrent", "search", "x"];

pub fn numbered(name: &str) -> (Mac, Ipv4Addr, Ipv6Addr) {
    let number = 2 + NAMES.iter().position(|known| *known == name).unwrap_or_default() as u8;
    ([2, 0, 0, 0, 1, number], Ipv4Addr::new(10, 73, 0, number), Ipv6Addr::new(0xfd73, 0, 0, 0, 0, 0, 0, number.into()))
}

pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

pub struct World {
    pub br_netfilter: bool,
    /// Whether the kernel can make the host's tunnel.
    pub has_vxlan: bool,
    pub host: Namespace,
    pub lan: Namespace,
    pub tailnet: Namespace,
    pub pia: Namespace,
    pub net: Namespace,
    /// vpn, torrent, search and x.
    pub containers: Vec<Container>,
    /// Captures on every way out of the host but the bridge's ports, whose far ends the containers' sockets are.
    pub egress: Vec<(&'static str, Socket)>,
    pub lan_socket: Socket,
    pub lan_mac: Mac,
    pub host_mac: Mac,
    /// The provider's time, and that of daemons which are started with it.
    pub clock: Arc<Clock>,
    /// Files of the provider, the proxy and the daemon.
    pub folder: tempfile::TempDir,
    /// The WireGuard interfaces of the container and of the provider.
    pub interface: String,
    pub far_interface: String,
    fake: Option<FakePia>,
    proxy: Mutex<Option<Background>>,
    wireguard: Mutex<Option<Background>>,
    rules: String,
    inside: String,
}

/// The guard, as `nix/lib` is told of it.
pub fn description() -> Value {
    let port = |name: &str| {
        let (mac, address, _) = numbered(name);
        json!({ "interface": format!("vb-{name}"), "mac": mac_text(mac), "address": address })
    };
    json!({
        "name": TABLE,
        "bridge": BRIDGE,
        "mac": mac_text(BRIDGE_MAC),
        "subnet": "10.73.0.0/24",
        "hostAddress": HOST,
        "vpn": port("vpn"),
        "services": { "torrent": port("torrent"), "search": port("search") },
        "allowBetween": [],
        "proxy": { "port": PROXY, "user": PROXY_USER.to_string(), "ports": [443, 8080, 1337] },
    })
}

pub fn text(function: &str, argument: &Value) -> Result<String> {
    Ok(evaluate(function, argument)?.as_str().unwrap_or_default().to_owned())
}

impl World {
    /// The network, with the proxy and the provider, and without a guard, a tunnel or a daemon.
    pub fn new() -> Result<Self> {
        Self::with(false)
    }

    /// As `new`; whether bridged frames are shown to the hooks for IP.
    pub fn with(br_netfilter: bool) -> Result<Self> {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() % 100_000 * 100 + WORLDS.fetch_add(1, Ordering::Relaxed) % 100;
        let [host, lan, tailnet, pia, net] = ["host", "lan", "tailnet", "pia", "net"].map(Namespace::new);
        let (host, lan, tailnet, pia, net) = (host?, lan?, tailnet?, pia?, net?);
        outside(&host, &lan, &tailnet, &pia, &net)?;
        make_bridge(&host)?;
        // A kernel without br_netfilter has no such setting.
        let flag = if br_netfilter { "1" } else { "0" };
        for name in ["iptables", "ip6tables", "arptables"] {
            let outcome = host.sysctl(&format!("bridge/bridge-nf-call-{name}"), flag);
            ensure!(outcome.is_ok() || !br_netfilter, "the kernel has no br_netfilter");
        }
        host.feed("nft", &["-f", "-"], CARELESS)?;
        let has_vxlan = make_tunnel(&host);
        let containers = NAMES.iter().map(|name| container(&host, name)).collect::<Result<Vec<_>>>()?;
        let mut egress = Vec::new();
        for interface in ["lan0", "tailscale0", "docker0"] {
            egress.push((interface, Socket::open(&host, interface)?));
        }
        let interface = format!("wl{number}");
        let inside = json!({
            "name": INSIDE,
            "interface": interface,
            "bridge": "host0",
            "services": [numbered("torrent").1, numbered("search").1],
            "proxy": { "address": HOST, "port": PROXY },
            "receiver": { "address": numbered("torrent").1, "protocols": ["tcp", "udp"], "hook": true },
        });
        let folder = tempfile::tempdir()?;
        // The proxy has a user of its own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let mut world = Self {
            lan_socket: Socket::open(&lan, "eth0")?,
            lan_mac: mac_of(&lan, "eth0")?,
            host_mac: mac_of(&host, "lan0")?,
            rules: text("vpnRuleset", &description())?,
            inside: text("vpnInsideRuleset", &inside)?,
            far_interface: format!("wp{number}"),
            interface,
            br_netfilter,
            has_vxlan,
            host,
            lan,
            tailnet,
            pia,
            net,
            containers,
            egress,
            clock: Arc::new(Clock::of(folder.path().join("clock"))),
            folder,
            fake: None,
            proxy: Mutex::default(),
            wireguard: Mutex::default(),
        };
        world.start_provider()?;
        world.configure_proxy()?;
        world.start_proxy()?;
        world.wait_for_proxy()?;
        Ok(world)
    }

    pub fn container(&self, name: &str) -> &Container {
        self.containers.iter().find(|container| container.name == name).unwrap_or(&self.containers[0])
    }

    pub fn vpn(&self) -> &Namespace {
        &self.containers[0].namespace
    }

    /// The rules of the host and of the VPN container.
    pub fn rules(&self) -> (&str, &str) {
        (&self.rules, &self.inside)
    }

    /// Load the guard on the host, and in the VPN container.
    pub fn guard(&self) -> Result<()> {
        self.host.feed("nft", &["-f", "-"], &self.rules)?;
        self.vpn().feed("nft", &["-f", "-"], &self.inside).map(drop)
    }

    /// Do something with the provider, in its namespace.
    pub fn provider<T: Send>(&self, f: impl FnOnce(&FakePia) -> Result<T> + Send) -> Result<T> {
        let fake = self.fake.as_ref();
        self.pia.enter(|| f(fake.ok_or_else(|| anyhow::anyhow!("the provider has ended"))?))
    }

    /// The provider sends what is for the containers' own addresses into the tunnel, as one that was taken over would.
    pub fn let_the_far_end_send(&self) -> Result<()> {
        let peers = self.pia.run("wg", &["show", &self.far_interface, "allowed-ips"])?;
        for line in peers.lines() {
            let Some((key, networks)) = line.split_once('\t') else { continue };
            let networks = format!("{},10.73.0.0/24", networks.replace(' ', ","));
            self.pia.run("wg", &["set", &self.far_interface, "peer", key, "allowed-ips", &networks])?;
        }
        Ok(())
    }

    fn start_provider(&mut self) -> Result<()> {
        let server = |cn: &str, address: Ipv4Addr| Server {
            region: "alpha".to_owned(),
            cn: cn.to_owned(),
            ip: address.to_string(),
            ..Server::default()
        };
        let options = Options {
            public: (PIA, 443).into(),
            servers: vec![server("alpha401", SERVERS[0]), server("alpha402", SERVERS[1])],
            ..Options::default()
        };
        let (folder, interface, clock) = (self.folder.path(), self.far_interface.as_str(), self.clock.clone());
        let fake = self.pia.enter(|| {
            let server = wireguard::Server::start(&options, interface, "exit", folder)?;
            for address in &options.dns {
                dns::serve((*address, 53).into(), INTERNET)?;
            }
            let fake = FakePia::start(options, server, Arc::new(move || clock.wall()))?;
            fake.write_files(folder)?;
            Ok(fake)
        })?;
        self.fake = Some(fake);
        // What it sends to the containers themselves, it sends into the tunnel.
        self.pia.ip(&[&format!("route add 10.73.0.0/24 dev {}", self.far_interface)])
    }

    fn configure_proxy(&self) -> Result<()> {
        let folder = self.folder.path();
        let filter = folder.join("filter");
        let ports = json!([443, 8080, 1337]);
        let domains = json!(["privateinternetaccess.com", "piaservers.net"]);
        fs::write(&filter, text("vpnProxyFilter", &json!({ "domains": domains, "ports": ports }))?)?;
        let settings = json!({
            "listen": HOST, "port": PROXY, "client": numbered("vpn").1, "filter": filter, "ports": ports,
        });
        fs::write(folder.join("tinyproxy.conf"), text("vpnProxyConfig", &settings)?)?;
        let names = format!(
            "127.0.0.1 localhost\n{PIA} www.privateinternetaccess.com serverlist.piaservers.net\n{OTHER} internet.example \
             evilpiaservers.net www.piaservers.net.internet.example\n"
        );
        Ok(fs::write(folder.join("hosts"), names)?)
    }

    /// Start the proxy; it ends at once where the bridge has no address.
    pub fn start_proxy(&self) -> Result<()> {
        let folder = self.folder.path();
        let script = format!(
            "mount --bind {0}/hosts /etc/hosts && exec setpriv --reuid {PROXY_USER} --regid {PROXY_USER} --clear-groups \
             tinyproxy -d -c {0}/tinyproxy.conf",
            folder.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        set(&self.proxy, Some(start(&self.host, &mut command)?))
    }

    /// Put a proxy in its place that gets whatever it is asked for.
    pub fn start_a_careless_proxy(&self) -> Result<()> {
        let file = self.folder.path().join("tinyproxy.conf");
        let careful = fs::read_to_string(&file)?;
        let lines = careful.lines().filter(|line| !line.starts_with("Filter") && !line.starts_with("ConnectPort"));
        fs::write(&file, lines.map(|line| format!("{line}\n")).collect::<String>())?;
        // Its port has to be free before another one listens there.
        self.stop_proxy()?;
        self.start_proxy()?;
        self.wait_for_proxy()
    }

    pub fn stop_proxy(&self) -> Result<()> {
        set(&self.proxy, None)
    }

    fn wait_for_proxy(&self) -> Result<()> {
        let vpn = self.vpn().clone();
        eventually("the proxy listens", || {
            vpn.enter(|| {
                Ok(std::net::TcpStream::connect_timeout(&(HOST, PROXY).into(), Duration::from_millis(300)).is_ok())
            })
        })
    }

    /// What the host's unit does: make the interface in the host's namespace and move it into the container's.
    pub fn start_wireguard(&self) -> Result<()> {
        let socket = format!("/var/run/wireguard/{}.sock", self.interface);
        let mut command = Command::new("wireguard-go");
        command.args(["-f", &self.interface]);
        set(&self.wireguard, Some(start(&self.host, &mut command)?))?;
        eventually("wireguard-go listens", || Ok(Path::new(&socket).exists()))?;
        self.host.give(&self.interface, self.vpn())
    }

    /// Kill the process of the tunnel; its interface goes with it.
    pub fn stop_wireguard(&self) -> Result<()> {
        set(&self.wireguard, None)?;
        let _ = fs::remove_file(format!("/var/run/wireguard/{}.sock", self.interface));
        Ok(())
    }

    /// What the daemon is told.
    pub fn configuration(&self) -> Result<Value> {
        let folder = self.folder.path();
        let login = folder.join("login");
        fs::write(&login, "p0000001\ncorrect horse\n")?;
        fs::set_permissions(&login, fs::Permissions::from_mode(0o600))?;
        Ok(json!({
            "interface": self.interface,
            "bridge": {
                "interface": "host0", "subnet": "10.73.0.0/24", "hostAddress": HOST, "vpnAddress": numbered("vpn").1,
            },
            "services": {
                "torrent": { "address": numbered("torrent").1 }, "search": { "address": numbered("search").1 },
            },
            "portForwarding": {
                "service": "torrent", "port": SSH, "protocol": "both", "onForwarded": { "command": [program("true")?] },
            },
            "provider": { "pia": {
                "location": { "regions": ["alpha"] },
                "credentialsFile": login,
                "caFile": folder.join("ca.pem"),
                "publicCaFile": folder.join("public-ca.pem"),
                "listKeyFile": folder.join("list-key.pem"),
                "proxy": format!("{HOST}:{PROXY}"),
            } },
            "stateDirectory": folder.join("state"),
            "controlSocket": folder.join("vpn.sock"),
            "nft": program("nft")?,
            // WireGuard sends a first message that was lost again after 5 s.
            "handshakeTimeoutSeconds": 8,
            "requestTimeoutSeconds": 5,
        }))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Its end wakes its own threads by connecting to them, which must not leave the namespace.
        if let Some(fake) = self.fake.take() {
            let _ = self.pia.enter(|| {
                drop(fake);
                Ok(())
            });
        }
        let _ = self.stop_wireguard();
    }
}

/// Put a process in the place of another one, which ends.
fn set(place: &Mutex<Option<Background>>, process: Option<Background>) -> Result<()> {
    *place.lock().map_err(|_| anyhow::anyhow!("somebody panicked"))? = process;
    Ok(())
}

/// Start a program that says nothing.
pub fn start(namespace: &Namespace, command: &mut Command) -> Result<Background> {
    Background::start(namespace, command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Wait for something that comes sooner or later.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Where a program is.
pub fn program(name: &str) -> Result<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|file| file.is_file()).ok_or_else(|| anyhow::anyhow!("{name} is not in PATH"))
}

fn outside(host: &Namespace, lan: &Namespace, tailnet: &Namespace, pia: &Namespace, net: &Namespace) -> Result<()> {
    for namespace in [host, lan, tailnet, pia, net] {
        settle(namespace)?;
    }
    for namespace in [host, lan] {
        namespace.sysctl("ipv4/conf/all/forwarding", "1")?;
        namespace.sysctl("ipv6/conf/all/forwarding", "1")?;
    }
    host.connect("lan0", lan, "eth0")?;
    host.connect("tailscale0", tailnet, "eth0")?;
    lan.connect("eth1", pia, "uplink")?;
    pia.connect("exit", net, "eth0")?;
    host.ip(&[
        &format!("address add {HOST_LAN}/24 dev lan0"),
        "address add fd77::2/64 dev lan0 nodad",
        &format!("address add {HOST_TAILNET}/24 dev tailscale0"),
        // With snooping, a bridge reports a group of its own.
        "link add docker0 type bridge mcast_snooping 0",
        "link set docker0 up",
        "neighbour add 172.17.0.9 lladdr 02:66:00:00:00:09 dev docker0",
        &format!("neighbour add {ASTRAY} lladdr 02:66:00:00:00:09 dev docker0"),
        &format!("address add {HOST_DOCKER}/16 dev docker0"),
        &format!("route add {ASTRAY} dev docker0"),
        &format!("route add default via {ROUTER}"),
        "route add default via fd77::1",
    ])?;
    lan.ip(&[
        &format!("address add {ROUTER}/24 dev eth0"),
        &format!("address add {NAS}/24 dev eth0"),
        "address add fd77::1/64 dev eth0 nodad",
        "address add fd77::10/64 dev eth0 nodad",
        "address add 45.50.0.1/24 dev eth1",
        &format!("route add 10.73.0.0/24 via {HOST_LAN}"),
    ])?;
    tailnet.ip(&[&format!("address add {TAILNET}/24 dev eth0"), &format!("route add default via {HOST_TAILNET}")])?;
    let mut commands = vec!["route add 192.168.1.0/24 via 45.50.0.1".to_owned()];
    commands.insert(0, format!("address add {PIA}/24 dev uplink"));
    commands.extend(SERVERS.map(|server| format!("address add {server}/24 dev uplink")));
    commands.push(format!("address add {EXIT}/24 dev exit"));
    pia.ip(&commands.iter().map(String::as_str).collect::<Vec<_>>())?;
    net.ip(&[&format!("address add {INTERNET}/24 dev eth0")])
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

/// The bridge, without any port. What holds must be the guard: the host forwards everything, and believes everybody.
pub fn make_bridge(host: &Namespace) -> Result<()> {
    host.feed("sh", &[], &text("vpnBridgeScript", &description())?)?;
    for (name, value) in [
        ("ipv4/conf/vpn0/forwarding", "1"),
        ("ipv4/conf/vpn0/arp_ignore", "0"),
        ("ipv4/conf/vpn0/route_localnet", "1"),
        ("ipv4/conf/all/accept_source_route", "1"),
        ("ipv4/conf/vpn0/accept_source_route", "1"),
        ("ipv4/icmp_echo_ignore_broadcasts", "0"),
        ("ipv4/neigh/vpn0/locktime", "0"),
        ("ipv6/conf/vpn0/disable_ipv6", "0"),
        ("ipv6/conf/vpn0/forwarding", "1"),
    ] {
        host.sysctl(name, value)?;
    }
    host.ip(&[&format!("address replace {HOST6}/64 dev {BRIDGE} nodad")])
}

/// The host's tunnel; whether the kernel has such ones.
fn make_tunnel(host: &Namespace) -> bool {
    host.ip(&[
        &format!("link add vxlan5 address {} type vxlan id 5 dstport {VXLAN_PORT} nolearning", mac_text(VXLAN_MAC)),
        "address add 10.99.5.1/24 dev vxlan5",
        "link set vxlan5 up",
    ])
    .is_ok()
}

/// The host's own rules: everything that goes out is translated, as for other containers; a transparent proxy listens.
pub const CARELESS: &str = "
table ip host {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname { lan0, tailscale0 } masquerade
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iifname vpn0 udp dport 3129 redirect to :7777
  }
}
";

fn container(host: &Namespace, name: &'static str) -> Result<Container> {
    let namespace = Namespace::new(name)?;
    settle(&namespace)?;
    namespace.sysctl("ipv4/conf/all/accept_source_route", "1")?;
    namespace.sysctl("ipv4/conf/default/accept_source_route", "1")?;
    let (mac, address, address6) = numbered(name);
    let port = format!("vb-{name}");
    host.connect(&port, &namespace, "host0")?;
    namespace.sysctl("ipv4/neigh/host0/locktime", "0")?;
    let gateway = if name == "vpn" { HOST } else { numbered("vpn").1 };
    namespace.ip(&[
        "link set host0 down",
        &format!("link set host0 address {}", mac_text(mac)),
        "link set host0 up",
        &format!("address add {address}/24 dev host0"),
        &format!("address add {address6}/64 dev host0 nodad"),
    ])?;
    // The daemon refuses to run where there is another way out.
    if name != "vpn" {
        namespace.ip(&[&format!("route add default via {gateway}"), &format!("route add default via {HOST6}")])?;
    }
    plug(host, name)?;
    let socket = Socket::open(&namespace, "host0")?.sealed(2);
    Ok(Container { name, namespace, mac, address, socket })
}

/// Put a container's port into the bridge, isolated as networkd does it: all but the VPN container's.
pub fn plug(host: &Namespace, name: &str) -> Result<()> {
    host.ip(&[&format!("link set vb-{name} master {BRIDGE}")])?;
    let is_service = ["torrent", "search"].contains(&name);
    let flag = if is_service { "on" } else { "off" };
    host.run("bridge", &["link", "set", "dev", &format!("vb-{name}"), "isolated", flag]).map(drop)
}

pub fn mac_of(namespace: &Namespace, interface: &str) -> Result<Mac> {
    let shown: Value = serde_json::from_str(&namespace.run("ip", &["-json", "link", "show", interface])?)?;
    let text = shown[0]["address"].as_str().unwrap_or_default().to_owned();
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| anyhow::anyhow!("{text} is no MAC address"))
}

/// An address of one or the other family.
pub fn address_of(name: &str, family: u8) -> IpAddr {
    let (_, address, address6) = numbered(name);
    if family == 4 { address.into() } else { address6.into() }
}
