//! The rules with each part taken out in turn: something must notice, or the part is idle, or not tested.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow, ensure};
use bulkhead_lab::Tables;

use crate::battery::Battery;
use crate::topology::{Setting, TABLE, rules};
use crate::unguarded;

/// So many labs at once: much of the time is spent waiting.
const WORKERS: usize = 6;

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
        let mut labs = Vec::new();
        for (topology, services) in [&plain, &shown] {
            let battery = Battery::new(topology, services);
            let tables = Tables::load(&topology.host, &rules)?;
            let (got_through, failing) = (battery.attack()?.0, battery.check()?);
            ensure!(got_through.is_empty() && failing.is_empty(), "with all parts: {got_through:?}, {failing:?}");
            labs.push((battery, tables));
        }
        // The kernel numbers the rules of a table anew when it is made anew, so these stay what they are.
        let parts = labs[0].1.parts(TABLE)?;
        labs[0].1.reload()?;
        ensure!(labs[0].1.parts(TABLE)? == parts, "the kernel numbers rules in another way");
        loop {
            let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(tried) };
            let mut is_noticed = false;
            for (battery, tables) in &labs {
                tables.reload()?;
                tables.remove(part)?;
                is_noticed = is_noticed || battery.notices()?;
            }
            tried += 1;
            if !is_noticed {
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
