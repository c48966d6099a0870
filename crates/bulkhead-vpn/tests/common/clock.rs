//! A clock that jumps to what is waited for, and lets things happen on the way.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bulkhead_vpn::clock::{Clock, Inbox};

type Action = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<Inner>>);

struct Inner {
    monotonic: Duration,
    wall: SystemTime,
    actions: Vec<(Duration, Action)>,
}

impl ManualClock {
    pub fn new() -> Self {
        // 2026-01-15.
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_435_200);
        Self(Arc::new(Mutex::new(Inner { monotonic: Duration::ZERO, wall, actions: Vec::new() })))
    }

    pub fn at(&self, when: Duration, action: impl FnOnce() + Send + 'static) {
        self.0.lock().unwrap().actions.push((when, Box::new(action)));
    }

    /// Set the time of day.
    pub fn jump(&self, by: i64) {
        let mut inner = self.0.lock().unwrap();
        let amount = Duration::from_secs(by.unsigned_abs());
        inner.wall = if by < 0 { inner.wall - amount } else { inner.wall + amount };
    }

    pub fn seconds(&self) -> u64 {
        self.monotonic().as_secs()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().monotonic
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().unwrap().wall
    }

    fn wait(&self, _: &Inbox, until: Duration) {
        let action = {
            let mut inner = self.0.lock().unwrap();
            let next =
                inner.actions.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(index, (at, _))| (index, *at));
            let due = next.filter(|(_, at)| *at <= until);
            let target = due.map_or(until, |(_, at)| at).max(inner.monotonic);
            let passed = target - inner.monotonic;
            inner.monotonic = target;
            inner.wall += passed;
            due.map(|(index, _)| inner.actions.remove(index).1)
        };
        if let Some(action) = action {
            action();
        }
    }
}
