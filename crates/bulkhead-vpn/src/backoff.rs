//! Pauses between tries: at once, then in growing steps, each a little random so that many machines do not ask in step.

use std::time::Duration;

/// The steps, in seconds. The last one holds for all further tries.
const STEPS: [u64; 7] = [1, 5, 15, 30, 60, 120, 300];

/// Counts failures and gives the pause after each.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: usize,
}

impl Backoff {
    /// The pause after one more failure: the next step plus up to a quarter of it, and at least `least` plus up to a
    /// quarter of a step.
    pub fn next(&mut self, least: Duration) -> Duration {
        let step = STEPS.get(self.failures).or(STEPS.last()).copied().unwrap_or_default();
        self.failures += 1;
        let step = Duration::from_secs(step);
        step.max(least) + step.mul_f64(0.25 * random_fraction())
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since all was well.
    pub fn failures(&self) -> usize {
        self.failures
    }
}

/// A number from 0 to 1. Without randomness it is one half: the pause is what matters.
fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    match rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut backoff = Backoff::default();
        let pauses: Vec<f64> = (0..12).map(|_| backoff.next(Duration::ZERO).as_secs_f64()).collect();
        assert!((1.0..=1.25).contains(&pauses[0]), "{pauses:?}");
        assert!(pauses.windows(2).take(6).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        assert!(pauses[6..].iter().all(|pause| (300.0..=375.0).contains(pause)), "{pauses:?}");
    }

    #[test]
    fn a_server_may_ask_for_more() {
        let pause = Backoff::default().next(Duration::from_secs(77));
        assert!(pause >= Duration::from_secs(77) && pause < Duration::from_secs(78));
    }
}
