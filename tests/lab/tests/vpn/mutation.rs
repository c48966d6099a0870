//! The rules of the host and of the VPN container, with each part taken out in turn: something must notice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, ensure};
use bulkhead_lab::{Part, Tables};

use crate::battery::Battery;
use crate::daemon::Daemon;
use crate::world::*;

/// So many labs at once: much of the time is spent waiting.
const WORKERS: usize = 3;

/// What is for a port that is not in the bridge, or a bridge that has another name, which the lab of the sandbox attacks:
/// the same function has made it.
fn is_tested_elsewhere(part: &Part) -> bool {
    match part {
        Part::Rule { table, text, .. } => {
            table.starts_with("arp ")
                || text.starts_with("iifname { \"vb-")
                || text.starts_with("iifname != \"vpn0\" meta priority")
        }
        Part::Element { .. } => false,
    }
}

/// The parts of the rules without which all attacks fail as before and everything works as before, whether bridged frames
/// are shown to the hooks for IP or not.
pub fn survivors() -> Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    let survivors = Mutex::new(Vec::new());
    let tried = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(|| worker(&next, &survivors))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
            .sum::<Result<usize>>()
    })?;
    println!("{tried} parts of the VPN's rules");
    ensure!(tried > 0, "there are no rules");
    survivors.into_inner().map_err(|_| anyhow!("a worker panicked"))
}

fn worker(next: &AtomicUsize, survivors: &Mutex<Vec<String>>) -> Result<usize> {
    let worlds = [World::with(false)?, World::with(true)?];
    let labs = [Lab::new(&worlds[0])?, Lab::new(&worlds[1])?];
    let parts = labs[0].parts()?;
    let mut tried = 0;
    loop {
        let Some((index, part)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(tried) };
        let mut noticed = None;
        for lab in &labs {
            if noticed.is_none() {
                let (tables, _) = &lab.tables[*index];
                tables.remove(part)?;
                noticed = lab.battery.notices()?;
                tables.reload()?;
            }
        }
        tried += 1;
        println!("{part}: {}", noticed.as_deref().unwrap_or("NOT NOTICED"));
        if noticed.is_none() {
            survivors.lock().map_err(|_| anyhow!("a worker panicked"))?.push(part.to_string());
        }
    }
}

struct Lab<'a> {
    battery: Battery<'a>,
    tables: [(Tables<'a>, &'static str); 2],
    _daemon: Daemon,
}

impl<'a> Lab<'a> {
    /// With all parts, all is well.
    fn new(world: &'a World) -> Result<Self> {
        world.guard()?;
        world.start_wireguard()?;
        let daemon = Daemon::start(world)?;
        daemon.ready()?;
        world.let_the_far_end_send()?;
        let battery = Battery::new(world)?;
        let (got_through, failing) = (battery.attack()?.0, battery.check());
        ensure!(got_through.is_empty() && failing.is_empty(), "with all parts: {got_through:?}, {failing:?}");
        let (rules, inside) = world.rules();
        let tables = [(Tables::load(&world.host, rules)?, TABLE), (Tables::load(world.vpn(), inside)?, INSIDE)];
        Ok(Self { battery, tables, _daemon: daemon })
    }

    /// The parts, each with the tables that it is of. The kernel numbers the rules of a table anew when it is made anew, so
    /// they stay what they are, and are the same in all labs.
    fn parts(&self) -> Result<Vec<(usize, Part)>> {
        let mut parts = Vec::new();
        for (index, (tables, name)) in self.tables.iter().enumerate() {
            let found = tables.parts(name)?.into_iter().filter(|part| !is_tested_elsewhere(part));
            parts.extend(found.map(|part| (index, part)));
        }
        Ok(parts)
    }
}
