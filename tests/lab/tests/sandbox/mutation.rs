//! The rules with each part taken out in turn: something must notice, or the part is idle, or not tested.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, ensure};
use bulkhead_lab::Tables;

use crate::battery::Battery;
use crate::topology::{Setting, TABLE, rules};
use crate::unguarded;

/// So many labs at once: much of the time is spent waiting.
const WORKERS: usize = 4;

/// The parts of the rules without which all attacks fail as before and everything works as before, whether bridged frames
/// are shown to the hooks for IP or not.
pub fn survivors(ipv6: bool) -> Result<Vec<String>> {
    let rules = rules(ipv6)?;
    let next = AtomicUsize::new(0);
    let survivors = Mutex::new(Vec::new());
    let worker = || -> Result<usize> {
        let mut tried = 0;
        let plain = unguarded(Setting { ipv6, br_netfilter: false })?;
        let shown = unguarded(Setting { ipv6, br_netfilter: true })?;
        for (topology, services) in [&plain, &shown] {
            let battery = Battery::new(topology, services);
            let _tables = Tables::load(&topology.host, &rules)?;
            let (got_through, failing) = (battery.attack()?.0, battery.check()?);
            ensure!(got_through.is_empty() && failing.is_empty(), "with all parts: {got_through:?}, {failing:?}");
        }
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let mut part = None;
            let mut is_noticed = false;
            for (topology, services) in [&plain, &shown] {
                let battery = Battery::new(topology, services);
                let tables = Tables::load(&topology.host, &rules)?;
                let Some(found) = tables.parts(TABLE)?.into_iter().nth(index) else { return Ok(tried) };
                tables.remove(&found)?;
                part = Some(found);
                if !battery.attack()?.0.is_empty() || !battery.check()?.is_empty() {
                    is_noticed = true;
                    break;
                }
            }
            tried += 1;
            if let Some(part) = part.filter(|_| !is_noticed) {
                survivors.lock().map_err(|_| anyhow!("a worker panicked"))?.push(part.to_string());
            }
        }
    };
    let tried: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
            .sum::<Result<usize>>()
    })?;
    println!("IPv6: {ipv6}: {tried} parts");
    ensure!(tried > 0, "there are no rules");
    survivors.into_inner().map_err(|_| anyhow!("a worker panicked"))
}
