//! What a path through the VPN container costs, measured and told; nothing is asserted but that it works.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bulkhead_lab::{Background, Namespace, skip_without};

use crate::NEEDS;
use crate::battery::Battery;
use crate::daemon::Daemon;
use crate::forwarded::longest_silence;
use crate::world::*;

const BULK: u16 = 5001;
const LONG: Duration = Duration::from_secs(2);

/// Bytes a second of one connection from a namespace to the internet.
fn throughput(listener: &TcpListener, from: &Namespace) -> Result<f64> {
    std::thread::scope(|scope| {
        let received = scope.spawn(|| -> Result<f64> {
            let (mut stream, _) = listener.accept()?;
            let (start, mut count) = (Instant::now(), 0);
            let mut buffer = vec![0; 1 << 17];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(count as f64 / start.elapsed().as_secs_f64()),
                    length => count += length,
                }
            }
        });
        from.enter(|| {
            let mut stream = TcpStream::connect_timeout(&(INTERNET, BULK).into(), Duration::from_secs(5))?;
            let start = Instant::now();
            let bytes = vec![0; 1 << 17];
            while start.elapsed() < LONG {
                stream.write_all(&bytes)?;
            }
            Ok(())
        })?;
        received.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?
    })
}

/// A client of the same provider with nothing but WireGuard, on a machine of its own.
struct Plain {
    namespace: Namespace,
    interface: String,
    _wireguard: Background,
}

impl Plain {
    fn new(world: &World) -> Result<Self> {
        let namespace = Namespace::new("plain")?;
        namespace.connect("eth0", &world.lan, "eth9")?;
        world.lan.ip(&["address add 192.168.9.1/24 dev eth9"])?;
        world.pia.ip(&["route add 192.168.9.0/24 via 45.50.0.1"])?;
        namespace.ip(&["address add 192.168.9.2/24 dev eth0", "route add 45.50.0.0/24 via 192.168.9.1"])?;
        let interface = format!("{}p", world.interface);
        let process = start(&namespace, Command::new("wireguard-go").args(["-f", &interface]))?;
        let socket = format!("/var/run/wireguard/{interface}.sock");
        eventually("wireguard-go listens", || Ok(Path::new(&socket).exists()))?;
        let private = namespace.run("wg", &["genkey"])?;
        let public = namespace.feed("wg", &["pubkey"], &private)?.trim().to_owned();
        let (server, address): (String, Ipv4Addr) = world.provider(|fake| fake.register("alpha401", &public))?;
        let end = format!("{}:{KEYS}", SERVERS[0]);
        namespace.feed(
            "sh",
            &["-c", "f=$(mktemp) && cat > $f && wg set \"$0\" private-key $f peer \"$1\" endpoint \"$2\" allowed-ips 0.0.0.0/0; rm $f", &interface, &server, &end],
            &private,
        )?;
        namespace.ip(&[
            &format!("address add {address}/32 dev {interface}"),
            &format!("link set {interface} mtu 1420 up"),
            &format!("route add {INTERNET} dev {interface}"),
        ])?;
        Ok(Self { namespace, interface, _wireguard: process })
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(format!("/var/run/wireguard/{}.sock", self.interface));
    }
}

#[test]
fn the_path_through_the_container_is_measured() -> Result<()> {
    if skip_without(&NEEDS, "measuring a VPN container") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    let mut daemon = Daemon::start(&world)?;
    let ready = daemon.ready()?;
    let _battery = Battery::new(&world)?;
    println!("from start to ready: {ready:?}");

    let plain = Plain::new(&world)?;
    let listener = world.net.enter(|| Ok(TcpListener::bind((INTERNET, BULK))?))?;
    for _ in 0..2 {
        let [alone, through] = [&plain.namespace, &world.container("search").namespace]
            .map(|namespace| throughput(&listener, namespace).map(|bytes| bytes * 8.0 / 1e6));
        let (alone, through) = (alone.context("plain WireGuard")?, through.context("through the container")?);
        println!("plain WireGuard {alone:.0} Mbit/s, through the container {through:.0} Mbit/s");
    }
    for _ in 0..3 {
        let silence = longest_silence(&world, || daemon.renew())?;
        println!("longest silence at a renewal: {silence:?}");
    }
    println!("memory of the daemon: {} kB now, {} kB at most", daemon.memory("VmRSS")?, daemon.memory("VmHWM")?);
    Ok(())
}
