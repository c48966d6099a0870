//! Which servers answer fastest.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Inbox;
use crate::http::{Client, Target};

/// Tries at the same time. The host's proxy has a limited number of connections.
const AT_ONCE: usize = 8;
/// A server that takes longer is of no interest.
const AT_MOST: Duration = Duration::from_secs(1);

/// Indices of the targets that could be connected to, fastest first. Through a proxy this is the time that the proxy
/// takes to connect.
pub fn fastest(client: &Client, inbox: &Inbox, targets: Vec<Target>) -> Vec<usize> {
    let next = AtomicUsize::new(0);
    let times = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(targets.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(target) = targets.get(index) else { return };
                    if inbox.is_stopping() {
                        return;
                    }
                    if let Ok(time) = client.connect_time(target, AT_MOST)
                        && let Ok(mut times) = times.lock()
                    {
                        times.push((time, index));
                    }
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap_or_default();
    times.sort();
    times.into_iter().map(|(_, index)| index).collect()
}
