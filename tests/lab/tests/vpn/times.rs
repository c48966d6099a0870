//! At all times: boots in every order, what the provider does, and what is killed, changed and flushed. Attacks go on
//! throughout, with what services send in good faith.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::skip_without;
use fake_pia::{Endpoint, Fault, Injection};

use crate::NEEDS;
use crate::battery::{Battery, SEEN, SENT};
use crate::daemon::Daemon;
use crate::world::*;

/// A part of the machine that starts at some time of a boot.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Bridge,
    Proxy,
    Interface,
    Daemon,
}

const STEPS: [Step; 4] = [Step::Bridge, Step::Proxy, Step::Interface, Step::Daemon];

/// All orders of the steps.
fn orders() -> Vec<Vec<Step>> {
    fn add(order: Vec<Step>, all: &mut Vec<Vec<Step>>) {
        let missing: Vec<Step> = STEPS.into_iter().filter(|step| !order.contains(step)).collect();
        if missing.is_empty() {
            all.push(order);
            return;
        }
        for step in missing {
            add([&order[..], &[step]].concat(), all);
        }
    }
    let mut all = Vec::new();
    add(Vec::new(), &mut all);
    all
}

/// What runs on the machine, and what was counted.
struct Lab<'a> {
    world: &'a World,
    battery: Battery<'a>,
    daemon: Option<Daemon>,
    events: usize,
}

impl<'a> Lab<'a> {
    fn new(world: &'a World) -> Result<Self> {
        Ok(Self { world, battery: Battery::new(world)?, daemon: None, events: 0 })
    }

    /// Something happens under attack; nothing may get through, and in the end everything has to work.
    fn during(
        &mut self,
        what: &str,
        event: impl FnOnce(&World, &mut Option<Daemon>) -> Result<()> + Send,
    ) -> Result<()> {
        self.during_but(what, |_| false, event)
    }

    /// As `during`; some of what is seen has to be accepted.
    fn during_but(
        &mut self,
        what: &str,
        accepted: fn(&str) -> bool,
        event: impl FnOnce(&World, &mut Option<Daemon>) -> Result<()> + Send,
    ) -> Result<()> {
        let start = Instant::now();
        let (world, daemon) = (self.world, &mut self.daemon);
        let ((), leaks) = self.battery.attack_during(|| event(world, daemon)).with_context(|| what.to_owned())?;
        let leaks: Vec<String> = leaks.into_iter().filter(|leak| !accepted(leak)).collect();
        ensure!(leaks.is_empty(), "{what}: {leaks:#?}");
        self.events += 1;
        println!("{what}: {:?}", start.elapsed());
        Ok(())
    }

    fn works(&self, when: &str) -> Result<()> {
        let failing = self.battery.check();
        let log = self.daemon.as_ref().map(Daemon::log).unwrap_or_default();
        ensure!(failing.is_empty(), "{when}, this does not work: {failing:#?}\n{log}");
        Ok(())
    }

    /// The forwarded port, as the daemon has it.
    fn port(&self) -> Result<u16> {
        let daemon = self.daemon.as_ref().context("no daemon")?;
        Ok(u16::try_from(daemon.status()?["port"]["port"].as_u64().context("no port")?)?)
    }

    fn told(&self, what: &str) {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        println!(
            "{what}: {} events, {} frames sent so far, {} seen on ways out",
            self.events,
            count(&SENT),
            count(&SEEN)
        );
    }
}

/// Everything is off but the guard; containers are there, and attack.
fn shut_down(world: &World, daemon: &mut Option<Daemon>) -> Result<()> {
    *daemon = None;
    world.stop_wireguard()?;
    world.stop_proxy()?;
    // What nobody has declared is an interface of the host like any other until it is in the bridge.
    world.host.ip(&["link set vb-x down", &format!("link del {BRIDGE}")])
}

fn boot(world: &World, daemon: &mut Option<Daemon>, order: &[Step]) -> Result<()> {
    for (index, step) in order.iter().enumerate() {
        match step {
            Step::Bridge => {
                make_bridge(&world.host)?;
                for name in ["search", "x", "vpn", "torrent"] {
                    plug(&world.host, name)?;
                }
                world.host.ip(&["link set vb-x up"])?;
            }
            Step::Proxy => world.start_proxy()?,
            Step::Interface => world.start_wireguard()?,
            Step::Daemon => *daemon = Some(Daemon::start(world)?),
        }
        if index + 1 < order.len() {
            std::thread::sleep(Duration::from_millis(80));
        }
    }
    // As its unit does: it is started again when it has ended.
    if order.iter().position(|step| *step == Step::Proxy) < order.iter().position(|step| *step == Step::Bridge) {
        world.start_proxy()?;
    }
    daemon.as_ref().context("no daemon")?.ready().map(drop)
}

#[test]
fn nobody_is_early_at_boot() -> Result<()> {
    if skip_without(&NEEDS, "boots of a VPN container under attack") {
        return Ok(());
    }
    // Without a guard, a boot is open.
    let open = World::new()?;
    let mut daemon = None;
    let ((), leaks) = Battery::new(&open)?.attack_during(|| {
        shut_down(&open, &mut daemon)?;
        boot(&open, &mut daemon, &STEPS)
    })?;
    ensure!(!leaks.is_empty(), "a boot without a guard should be open");
    drop((daemon, open));

    let world = World::new()?;
    let mut lab = Lab::new(&world)?;
    world.guard()?;
    for order in orders() {
        lab.during(&format!("a boot: {order:?}"), |world, daemon| {
            shut_down(world, daemon)?;
            boot(world, daemon, &order)
        })?;
        lab.works("after the boot")?;
    }
    lab.told("boots");
    Ok(())
}

#[test]
fn what_happens_to_the_tunnel_opens_nothing() -> Result<()> {
    if skip_without(&NEEDS, "what happens to a tunnel, under attack") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    let mut lab = Lab::new(&world)?;
    lab.during("the first connection", |world, daemon| {
        world.start_wireguard()?;
        *daemon = Some(Daemon::start(world)?);
        daemon.as_ref().context("no daemon")?.ready().map(drop)
    })?;
    lab.works("at first")?;

    let services = ["torrent", "search"].map(|name| world.container(name).namespace.clone());
    let works = || {
        eventually("a service reaches the internet", || {
            Ok(services.iter().all(|service| crate::checks::through(service, Duration::from_millis(700)).is_ok()))
        })
    };
    let renew = |daemon: &Option<Daemon>| daemon.as_ref().context("no daemon")?.renew();
    lab.during("renewals", |_, daemon| {
        for _ in 0..2 {
            renew(daemon)?;
            works()?;
        }
        Ok(())
    })?;
    lab.during("the provider forgets the key, and all tokens", |world, daemon| {
        world.provider(|fake| {
            fake.expire_tokens();
            fake.drop_peers()
        })?;
        std::thread::sleep(Duration::from_millis(300));
        renew(daemon)?;
        works()
    })?;
    lab.during("a server is lost, and another one is there", |world, daemon| {
        world.provider(|fake| {
            fake.inject(Injection::always(Endpoint::AddKey, Fault::Close).of("alpha401"));
            fake.drop_peers()
        })?;
        renew(daemon)?;
        works()?;
        world.provider(|fake| {
            fake.clear();
            Ok(())
        })
    })?;
    lab.during("the tunnel's process is killed", |world, daemon| {
        world.stop_wireguard()?;
        let daemon = daemon.as_ref().context("no daemon")?;
        eventually("the daemon sees it", || {
            Ok(daemon.status()?["lastFault"].as_str().is_some_and(|fault| fault.contains("no interface")))
        })?;
        world.start_wireguard()?;
        works()
    })?;
    lab.during("the daemon is killed, and comes back", |world, daemon| {
        daemon.take().context("no daemon")?.kill()?;
        std::thread::sleep(Duration::from_millis(300));
        // The tunnel and its rules outlive it.
        works()?;
        *daemon = Some(Daemon::start(world)?);
        daemon.as_ref().context("no daemon")?.ready().map(drop)
    })?;
    lab.during("the daemon ends, and comes back", |world, daemon| {
        daemon.take().context("no daemon")?.terminate()?;
        std::thread::sleep(Duration::from_millis(300));
        *daemon = Some(Daemon::start(world)?);
        daemon.as_ref().context("no daemon")?.ready().map(drop)
    })?;
    let of_vpn = |leak: &str| leak.starts_with("vpn itself");
    lab.during_but("the VPN container restarts", of_vpn, |world, daemon| {
        daemon.take().context("no daemon")?.kill()?;
        world.stop_wireguard()?;
        world.vpn().run("nft", &["flush", "ruleset"])?;
        world.host.ip(&["link set vb-vpn down", "link set vb-vpn nomaster"])?;
        std::thread::sleep(Duration::from_millis(200));
        world.vpn().feed("nft", &["-f", "-"], world.rules().1)?;
        plug(&world.host, "vpn")?;
        world.host.ip(&["link set vb-vpn up"])?;
        world.start_wireguard()?;
        *daemon = Some(Daemon::start(world)?);
        daemon.as_ref().context("no daemon")?.ready().map(drop)
    })?;
    lab.works("after all that")?;
    world.let_the_far_end_send()?;
    let (got_through, _) = lab.battery.attack()?;
    ensure!(got_through.is_empty(), "after all that these get through: {got_through:#?}");
    lab.told("the tunnel");
    Ok(())
}

/// How a daemon ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    Terminate,
    /// The tunnel's process is killed, and the daemon then.
    KillTheTunnel,
}

#[test]
fn what_the_provider_answers_opens_nothing() -> Result<()> {
    if skip_without(&NEEDS, "a provider that fails, under attack") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    let mut lab = Lab::new(&world)?;
    let json = |text: &str| Fault::answer(200, text);
    let too_many = r#"{"status":"error","code":"too_many_attempts"}"#;
    let busy = r#"{"status":"","message":"Port 51813 is busy. Please use another server"}"#;
    let payload = "eyJ0b2tlbiI6IngiLCJwb3J0Ijo5OTksImV4cGlyZXNfYXQiOiIyMDk5LTAxLTAxVDAwOjAwOjAwWiJ9";
    let low = &format!(r#"{{"status":"OK","payload":"{payload}","signature":"s"}}"#);
    // What each endpoint may say.
    let faults = [
        (Endpoint::Token, Fault::answer(401, r#"{"status":"ERROR","message":"authentication failed"}"#)),
        (Endpoint::Token, Fault::answer(401, "HTTP Token: Access denied.")),
        (Endpoint::Token, Fault::answer(402, "")),
        (Endpoint::Token, Fault::answer(400, too_many)),
        (Endpoint::Token, Fault::too_many(1)),
        (Endpoint::Token, Fault::Truncate(4)),
        (Endpoint::Token, Fault::UntrustedAuthority),
        (Endpoint::List, Fault::BadSignature),
        (Endpoint::List, Fault::Truncate(100)),
        (Endpoint::List, Fault::Endless),
        (Endpoint::List, Fault::answer(500, "<html>")),
        (Endpoint::AddKey, Fault::Close),
        (Endpoint::AddKey, Fault::WrongName("alpha999".to_owned())),
        (Endpoint::AddKey, Fault::ExpiredCertificate),
        (Endpoint::AddKey, json(r#"{"status":"ERROR","message":"Login failed!"}"#)),
        (Endpoint::AddKey, Fault::Replace { from: "10.".to_owned(), to: "999.".to_owned() }),
        (Endpoint::GetSignature, Fault::answer(401, "Unauthorized client")),
        (Endpoint::GetSignature, Fault::answer(403, "port forwarding is not supported")),
        (Endpoint::GetSignature, Fault::Truncate(3)),
        // Port 999.
        (Endpoint::GetSignature, Fault::answer(200, low)),
        (Endpoint::BindPort, Fault::answer(409, busy)),
        (Endpoint::BindPort, Fault::answer(401, r#"{"status":"ERROR","message":"bad signature"}"#)),
        (Endpoint::AddKey, Fault::too_many(1)),
        (Endpoint::AddKey, Fault::Truncate(5)),
        (Endpoint::AddKey, Fault::UntrustedAuthority),
    ];
    // In each state it is killed and ended, and the tunnel's process is killed; after other faults by turns.
    let states = [
        (Endpoint::Token, Fault::Silence),
        (Endpoint::List, Fault::Silence),
        (Endpoint::AddKey, Fault::Silence),
        (Endpoint::AddKey, Fault::NoPeer),
        (Endpoint::GetSignature, Fault::Silence),
        (Endpoint::BindPort, Fault::Silence),
    ];
    let ends = [End::Kill, End::Terminate, End::KillTheTunnel];
    let in_states = states.iter().flat_map(|(endpoint, fault)| ends.map(|end| (*endpoint, fault.clone(), end)));
    let others =
        faults.into_iter().zip(ends.into_iter().cycle()).map(|((endpoint, fault), end)| (endpoint, fault, end));
    let faults: Vec<_> = in_states.chain(others).collect();
    let count = faults.len();
    for (endpoint, fault, end) in faults {
        let what = format!("{endpoint:?}: {fault:?}, {end:?}");
        lab.during(&what, |world, daemon| {
            let _ = std::fs::remove_dir_all(world.folder.path().join("state"));
            world.provider(|fake| {
                fake.clear();
                fake.inject(Injection::always(endpoint, fault));
                Ok(())
            })?;
            let before = world.provider(|fake| Ok(fake.count(endpoint)))?;
            let started = Daemon::start(world)?;
            eventually("the fault happens", || Ok(world.provider(|fake| Ok(fake.count(endpoint)))? > before))?;
            std::thread::sleep(Duration::from_millis(150));
            *daemon = None;
            match end {
                End::Kill => started.kill(),
                End::Terminate => started.terminate(),
                End::KillTheTunnel => {
                    world.stop_wireguard()?;
                    std::thread::sleep(Duration::from_millis(150));
                    started.kill()?;
                    world.start_wireguard()
                }
            }
        })?;
    }
    lab.during("nothing is wrong any more", |world, daemon| {
        world.provider(|fake| {
            fake.clear();
            Ok(())
        })?;
        *daemon = Some(Daemon::start(world)?);
        daemon.as_ref().context("no daemon")?.ready().map(drop)
    })?;
    lab.works("in the end")?;
    println!("{count} faults");
    lab.told("the provider");
    Ok(())
}

#[test]
fn what_happens_to_the_guard_is_undone() -> Result<()> {
    if skip_without(&NEEDS, "what happens to the guard of a VPN container, under attack") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    let mut lab = Lab::new(&world)?;
    lab.daemon = Some(Daemon::start(&world)?);
    lab.daemon.as_ref().context("no daemon")?.ready()?;
    lab.works("at first")?;
    let (rules, inside) = world.rules();
    lab.during("reloads", |world, _| {
        for _ in 0..30 {
            world.host.feed("nft", &["-f", "-"], rules)?;
            world.vpn().feed("nft", &["-f", "-"], inside)?;
        }
        Ok(())
    })?;
    lab.during("rules that can't be loaded", |world, _| {
        for broken in
            ["nonsense", &rules.replace("drop", "dorp"), &format!("{rules}\ntable inet x {{ chain y {{ zzz }} }}")]
        {
            let output = world.host.output("nft", &["-f", "-"], broken)?;
            ensure!(!output.status.success(), "nft takes nonsense");
        }
        Ok(())
    })?;
    lab.during("ports that flap", |world, _| {
        for _ in 0..15 {
            for name in ["search", "torrent", "vpn"] {
                world.host.ip(&[&format!("link set vb-{name} down"), &format!("link set vb-{name} up")])?;
                world.host.ip(&[&format!("link set vb-{name} nomaster")])?;
                plug(&world.host, name)?;
            }
        }
        Ok(())
    })?;
    lab.works("after ports have flapped")?;
    // What listens in the VPN container itself is open then, and nothing else.
    let of_vpn = |leak: &str| leak.starts_with("vpn itself");
    lab.during_but("all tables of the VPN container are flushed", of_vpn, |world, _| {
        world.vpn().run("nft", &["flush", "ruleset"])?;
        std::thread::sleep(Duration::from_millis(300));
        world.vpn().feed("nft", &["-f", "-"], inside).map(drop)
    })?;
    // The daemon's own table is its business: it is asked to make its connection anew.
    lab.during("the daemon makes its rules anew", |_, daemon| {
        daemon.as_ref().context("no daemon")?.command(&["renew"]).map(drop)?;
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    })?;
    lab.works("after its tables were flushed")?;

    lab.told("the guard");
    Ok(())
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sixty days by the daemon's and the provider's clock: the first one, and the hours around those in which something is due,
/// by quarters of an hour, in which ports are bound again; the others in leaps, as those of a machine that sleeps.
#[test]
fn sixty_days_open_nothing() -> Result<()> {
    if skip_without(&NEEDS, "sixty days of a VPN container, under attack") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    let mut lab = Lab::new(&world)?;
    lab.daemon = Some(Daemon::start_by_the_clock(&world)?);
    lab.daemon.as_ref().context("no daemon")?.ready()?;
    lab.works("at first")?;
    let services = ["torrent", "search"].map(|name| world.container(name).namespace.clone());
    let first_port = lab.port()?;
    // The connection is renewed after 30 days, and the signature 7 days before the end of its 62.
    let (renewal, signature) = (DAY * 30, DAY * 55);
    let is_due = |at: Duration| at < DAY || [renewal, signature].iter().any(|due| at.abs_diff(*due) < HOUR * 4);
    let (mut steps, mut now) = (0, Duration::ZERO);
    for day in 1..=61 {
        lab.during(&format!("day {day}"), |world, daemon| {
            let daemon = daemon.as_ref().context("no daemon")?;
            while now < DAY * day {
                // A little more than what is waited for, which is counted from when it was done.
                let step = if is_due(now) { HOUR / 4 } else { HOUR * 8 } + Duration::from_secs(1);
                // That it was asked for is not enough: the next time is counted from the answer.
                let bound = daemon.status()?["port"]["boundAt"].as_u64();
                world.clock.forward(step)?;
                eventually("the port is bound again", || Ok(daemon.status()?["port"]["boundAt"].as_u64() > bound))
                    .with_context(|| daemon.log())?;
                now += step;
                steps += 1;
            }
            eventually("services reach the internet", || {
                Ok(services.iter().all(|service| crate::checks::through(service, Duration::from_secs(1)).is_ok()))
            })
        })?;
        let bound = world.provider(|fake| Ok(fake.bound()))?;
        let port = lab.port()?;
        // The one before stays bound until its time is over.
        ensure!(bound.contains_key(&port), "on day {day} the daemon says {port}, and bound is {bound:?}");
        ensure!(
            (port == first_port) == (now < signature),
            "on day {day} the port is {port}, after {first_port} at first"
        );
    }
    let count = |endpoint: Endpoint| world.provider(|fake| Ok(fake.count(endpoint)));
    let asked = [Endpoint::Token, Endpoint::List, Endpoint::AddKey, Endpoint::GetSignature].map(count);
    let asked = asked.into_iter().collect::<Result<Vec<_>>>()?;
    let status = lab.daemon.as_ref().context("no daemon")?.status()?;
    println!("{steps} steps");
    // The first connection, and two renewals; for the new signature there has to be a new token, too.
    ensure!(asked == [4, 3, 3, 2], "tokens, lists, keys, signatures: {asked:?}");
    ensure!(status["renewals"] == 2 && status["connects"] == 1, "{status}");
    lab.during("the interface is replaced by another one of its name", |world, daemon| {
        let daemon = daemon.as_ref().context("no daemon")?;
        world.stop_wireguard()?;
        world.start_wireguard()?;
        world.clock.forward(Duration::from_secs(11))?;
        eventually("the daemon sees it", || Ok(daemon.status()?["repairs"] == 1)).with_context(|| daemon.log())
    })?;
    lab.works("after sixty days")?;
    world.let_the_far_end_send()?;
    let (got_through, _) = lab.battery.attack()?;
    ensure!(got_through.is_empty(), "after sixty days these get through: {got_through:#?}");
    lab.told("sixty days");
    Ok(())
}
