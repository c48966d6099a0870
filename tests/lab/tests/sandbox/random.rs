//! Random frames, against a model of what may come of each: written a second time, from what the sandbox promises and not
//! from its rules.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use bulkhead_lab::frame::{
    BROADCAST, IPV4, IPV6, Mac, TCP, UDP, canary, echo, ethernet, ip, ipv4, tagged, tcp_syn, udp,
};
use bulkhead_lab::{Tables, skip_without};

use crate::attacks::{Attack, Evidence};
use crate::battery::Battery;
use crate::topology::*;
use crate::{NEEDS, unguarded};

/// So many frames in each setting; numbers of canaries have 12 bits for the frames of one run.
const RUNS: u64 = 4;
const FRAMES: usize = 1000;

/// A sequence of numbers that is the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// The first one in most cases.
    fn mostly<T: Copy>(&mut self, usual: T, others: &[T]) -> T {
        if self.below(4) < 3 { usual } else { self.pick(others) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Payload {
    Udp(u16),
    Syn(u16),
    Echo,
    Other(u8),
}

/// What a frame says.
#[derive(Clone, Copy, Debug)]
struct Said {
    from: &'static str,
    source_mac: Mac,
    target_mac: Mac,
    tag: Option<(u16, u16)>,
    source: IpAddr,
    target: IpAddr,
    payload: Payload,
    has_options: bool,
}

/// A frame that was seen where it must not be, and all places where it was.
type Astray = (Said, BTreeSet<&'static str>);

#[test]
fn random_frames_go_where_the_model_says() -> Result<()> {
    if skip_without(&NEEDS, "random frames on the sandbox") {
        return Ok(());
    }
    for setting in SETTINGS {
        let (topology, services) = unguarded(setting)?;
        let battery = Battery::new(&topology, &services);
        let (astray, _) = run(&battery, 0)?;
        assert!(astray.len() > FRAMES / 10, "{setting:?}: without a guard only {} go astray", astray.len());
        let _tables = Tables::load(&topology.host, &rules(setting.ipv6)?)?;
        let mut arrived = 0;
        for seed in 1..=RUNS {
            let (astray, seen) = run(&battery, seed)?;
            assert!(astray.is_empty(), "{setting:?}: these go where they must not: {astray:#?}");
            arrived += seen;
        }
        assert!(arrived > 50, "{setting:?}: only {arrived} frames arrive anywhere: the guard is a wall");
        println!("{setting:?}: {} random frames, {arrived} arrive", RUNS as usize * FRAMES);
    }
    Ok(())
}

/// The frames that go where they must not, with all places where they are seen, and how many are seen anywhere.
fn run(battery: &Battery<'_>, seed: u64) -> Result<(Vec<Astray>, usize)> {
    let topology = battery.topology;
    let mut numbers = Numbers(seed);
    let first = Battery::first_number();
    let said: Vec<Said> = (0..FRAMES).map(|_| random(topology, &mut numbers)).collect();
    let attacks: Vec<Attack> = said
        .iter()
        .zip(first..)
        .map(|(said, number)| Attack {
            name: format!("{said:?}"),
            number,
            from: said.from,
            frames: vec![frame(said, number)],
            evidence: Evidence::Anywhere,
        })
        .collect();
    battery.prepare()?;
    let mut places: Vec<BTreeSet<&'static str>> = vec![BTreeSet::new(); FRAMES];
    // Not all at once: queues are finite.
    for some in attacks.chunks(100) {
        battery.send(&some.iter().collect::<Vec<_>>())?;
        let observed = battery.observe()?;
        for attack in some {
            let index = (attack.number - first) as usize;
            places[index].extend(battery.places_of(attack, &observed));
        }
    }
    let mut seen = 0;
    let mut astray = Vec::new();
    for (said, places) in said.into_iter().zip(places) {
        let allowed = allowed(topology, &said);
        seen += usize::from(!places.is_empty());
        if !places.is_subset(&allowed) {
            astray.push((said, places));
        }
    }
    Ok((astray, seen))
}

fn random(topology: &Topology, numbers: &mut Numbers) -> Said {
    let from = numbers.pick(&["a", "a", "b", "c", "c", "x", "d"]);
    let own = topology.workspace(from);
    let other = topology.workspace(numbers.pick(&["a", "b", "c", "x", "d"]));
    let is_four = numbers.below(2) == 0;
    let group = if is_four { [1, 0, 0x5e, 0, 0, 0xfb] } else { [0x33, 0x33, 0, 0, 0, 0xfb] };
    let macs = [
        other.mac,
        BROADCAST,
        group,
        topology.host_mac_on_a,
        topology.host_mac_on_d,
        [1, 0x80, 0xc2, 0, 0, 0x0e],
        own.mac,
    ];
    let target_mac = if numbers.below(4) == 0 { other.mac } else { numbers.mostly(BRIDGE_MAC, &macs) };
    let source_mac = numbers.mostly(own.mac, &[other.mac, BRIDGE_MAC, [2, 0x66, 1, 2, 3, 4]]);
    let (source, target): (IpAddr, IpAddr) = if is_four {
        let sources =
            [other.address, GATEWAY, HOST_LAN, NAS, INTERNET, Ipv4Addr::new(10, 20, 0, 200), Ipv4Addr::UNSPECIFIED];
        let targets = [
            GATEWAY,
            GATEWAY,
            HOST_LAN,
            HOST_PUBLIC,
            HOST_DOCKER,
            HOST_TAILNET,
            NAS,
            NAS,
            ROUTER,
            TAILNET,
            BEHIND_VPN,
            INTERNET,
            INTERNET,
            DENIED,
            other.address,
            other.address,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(10, 20, 0, 255),
            Ipv4Addr::new(224, 0, 0, 251),
            Ipv4Addr::new(169, 254, 169, 254),
            Ipv4Addr::new(172, 20, 3, 4),
            Ipv4Addr::new(10, 77, 0, 1),
            Ipv4Addr::LOCALHOST,
            Ipv4Addr::new(1, 1, 1, 1),
        ];
        (numbers.mostly(own.address, &sources).into(), numbers.pick(&targets).into())
    } else {
        let sources = [
            other.address6,
            GATEWAY6,
            HOST_LAN6,
            NAS6,
            INTERNET6,
            own.link_local(),
            other.link_local(),
            Ipv6Addr::UNSPECIFIED,
        ];
        let targets = [
            GATEWAY6,
            GATEWAY6,
            HOST_LAN6,
            HOST_TAILNET6,
            NAS6,
            NAS6,
            TAILNET6,
            BEHIND_VPN6,
            INTERNET6,
            INTERNET6,
            DENIED6,
            other.address6,
            other.address6,
            link_local(BRIDGE_MAC),
            other.link_local(),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc0a8, 0x10a),
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9),
            Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111),
        ];
        (numbers.mostly(own.address6, &sources).into(), numbers.pick(&targets).into())
    };
    let port = numbers.pick(&[SINK, SINK, SSH, 53, 80, NAS_HOLE, HOST_HOLE, TAILNET_HOLE, 3129, 8081]);
    let payload = match numbers.below(5) {
        0 | 1 => Payload::Udp(port),
        2 | 3 => Payload::Syn(port),
        _ => numbers.mostly(Payload::Echo, &[Payload::Other(132), Payload::Other(47), Payload::Other(2)]),
    };
    let tag = numbers.mostly(None, &[None, None, Some((0x8100, 0)), Some((0x8100, 7)), Some((0x88a8, 0))]);
    Said { from, source_mac, target_mac, tag, source, target, payload, has_options: numbers.below(8) == 0 }
}

fn frame(said: &Said, number: u32) -> Vec<u8> {
    let (from, to) = (said.source, said.target);
    let port = 20_000 + (number % 40_000) as u16;
    let (protocol, message) = match said.payload {
        Payload::Udp(to_port) => (UDP, udp(from, to, port, to_port, &canary(number))),
        Payload::Syn(to_port) => (TCP, tcp_syn(from, to, port, to_port, number, &canary(number))),
        Payload::Echo => echo(from, to, &canary(number)),
        Payload::Other(protocol) => (protocol, [vec![0; 12], canary(number)].concat()),
    };
    let packet = match (from, to) {
        // No operation, four times (RFC 791, 3.1).
        (IpAddr::V4(from), IpAddr::V4(to)) if said.has_options => ipv4(from, to, protocol, &[1; 4], 0, &message),
        _ => ip(from, to, protocol, &message),
    };
    let kind = if from.is_ipv4() { IPV4 } else { IPV6 };
    let frame = ethernet(said.target_mac, said.source_mac, kind, &packet);
    said.tag.map_or(frame.clone(), |(kind, vlan)| tagged(&frame, kind, vlan))
}

/// Where a frame, or an answer to it, may be seen.
fn allowed(topology: &Topology, said: &Said) -> BTreeSet<&'static str> {
    let nowhere = BTreeSet::new();
    let own = topology.workspace(said.from);
    let is_own = said.source == IpAddr::from(own.address) || said.source == IpAddr::from(own.address6);
    let has_family = said.source.is_ipv4() || topology.setting.ipv6;
    if ["x", "d"].contains(&said.from) || said.tag.is_some() || said.source_mac != own.mac || !is_own || !has_family {
        return nowhere;
    }
    let peer = match said.from {
        "a" => Some("b"),
        "b" => Some("a"),
        _ => None,
    };
    // To the peer itself; what it answers, it sends to the sender.
    if let Some(peer) = peer
        && said.target_mac == topology.workspace(peer).mac
    {
        // It is no router: what is not for it stays there. What is for the sender's own address may come back.
        return BTreeSet::from([peer, said.from]);
    }
    if said.target_mac != BRIDGE_MAC {
        return nowhere;
    }
    let is = |four: Ipv4Addr, six: Ipv6Addr| said.target == IpAddr::from(four) || said.target == IpAddr::from(six);
    let is_peer = peer.is_some_and(|peer| is(topology.workspace(peer).address, topology.workspace(peer).address6));
    if is_peer {
        return BTreeSet::from([peer.unwrap_or_default(), said.from]);
    }
    let hole = match said.payload {
        Payload::Syn(port) => Some(port),
        _ => None,
    };
    if is(GATEWAY, GATEWAY6) {
        let is_service = matches!(said.payload, Payload::Udp(53) | Payload::Syn(53) | Payload::Echo);
        return if is_service { BTreeSet::from([said.from]) } else { nowhere };
    }
    if said.from == "a" && is(NAS, NAS6) && hole == Some(NAS_HOLE) {
        return BTreeSet::from(["lan0", "lan", "a"]);
    }
    if said.from == "b" && is(HOST_LAN, HOST_LAN6) && hole == Some(HOST_HOLE) {
        return BTreeSet::from(["b"]);
    }
    if said.from == "c" && is(TAILNET, TAILNET6) && hole == Some(TAILNET_HOLE) {
        return BTreeSet::from(["tailscale0", "c"]);
    }
    let is_public = is(INTERNET, INTERNET6)
        || said.target == IpAddr::from([1, 1, 1, 1])
        || said.target == IpAddr::from(Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111));
    // The host redirects one port of the internet to a service of its own, and that must not be reached.
    let is_redirected = said.target.is_ipv4() && said.payload == Payload::Udp(3129);
    if is_public && !is_redirected {
        return BTreeSet::from(["lan0", "lan", said.from]);
    }
    nowhere
}
