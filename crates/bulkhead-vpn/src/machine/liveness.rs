//! Whether something is heard from the other end.

use std::time::Duration;

use crate::network::PeerState;

/// A session older than this carries nothing (WireGuard's reject-after-time).
pub const SILENCE: Duration = Duration::from_secs(180);
/// How long an answer to a probe may take.
pub const PROBE: Duration = Duration::from_secs(15);

/// When WireGuard's numbers last changed.
#[derive(Clone, Copy, Debug)]
pub struct Liveness {
    seen: PeerState,
    heard: Duration,
    shaken: Duration,
    probed: Option<Duration>,
}

/// What to do about a silent peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was heard lately.
    Alive,
    /// Send something that must be answered.
    Probe,
    /// An answer may still come.
    Wait,
    /// It did not answer.
    Dead,
}

impl Liveness {
    /// A peer that was heard just now.
    pub fn new(seen: PeerState, now: Duration) -> Self {
        Self { seen, heard: now, shaken: now, probed: None }
    }

    /// Look at WireGuard's numbers.
    pub fn look(&mut self, state: PeerState, now: Duration) -> Verdict {
        // Where there was none, nothing was heard: numbers that begin anew are those of another interface or peer.
        if state.handshake.is_some() {
            if state.handshake != self.seen.handshake {
                self.shaken = now;
            }
            if state.handshake != self.seen.handshake || state.received != self.seen.received {
                self.heard = now;
                self.probed = None;
            }
        }
        self.seen = state;
        if now.saturating_sub(self.heard) < SILENCE {
            return Verdict::Alive;
        }
        match self.probed {
            None => {
                self.probed = Some(now);
                Verdict::Probe
            }
            Some(at) if now.saturating_sub(at) < PROBE => Verdict::Wait,
            Some(_) => Verdict::Dead,
        }
    }

    /// When a handshake was last seen, on the monotonic clock.
    pub fn shaken(&self) -> Duration {
        self.shaken
    }

    /// When the next look is due.
    pub fn next_look(&self, now: Duration, usual: Duration) -> Duration {
        if self.probed.is_some() { now + usual.min(Duration::from_secs(2)) } else { now + usual }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_is_judged_after_a_probe_only() {
        let state = PeerState { key: None, handshake: Some(seconds(1000)), received: 10, sent: 10 };
        let mut liveness = Liveness::new(state, seconds(0));
        assert_eq!(liveness.look(state, seconds(179)), Verdict::Alive);
        assert_eq!(liveness.look(state, seconds(181)), Verdict::Probe);
        assert_eq!(liveness.look(state, seconds(190)), Verdict::Wait);
        let answered = PeerState { received: 11, ..state };
        assert_eq!(liveness.look(answered, seconds(192)), Verdict::Alive);
        assert_eq!(liveness.look(answered, seconds(400)), Verdict::Probe);
        assert_eq!(liveness.look(answered, seconds(416)), Verdict::Dead);
    }

    #[test]
    fn numbers_that_begin_anew_tell_nothing() {
        let state = PeerState { key: None, handshake: Some(seconds(1000)), received: 10, sent: 10 };
        let mut liveness = Liveness::new(state, seconds(0));
        assert_eq!(liveness.look(PeerState::default(), seconds(100)), Verdict::Alive);
        assert_eq!(liveness.look(PeerState { sent: 148, ..PeerState::default() }, seconds(181)), Verdict::Probe);
        assert_eq!(liveness.look(PeerState { sent: 296, ..PeerState::default() }, seconds(197)), Verdict::Dead);
        assert_eq!(liveness.shaken(), seconds(0));
    }

    #[test]
    fn dates_do_not_matter() {
        let state = PeerState { key: None, handshake: Some(seconds(1000)), received: 10, sent: 10 };
        let mut liveness = Liveness::new(state, seconds(0));
        // The clock that dates handshakes was set back by far.
        let set_back = PeerState { handshake: Some(seconds(10)), ..state };
        assert_eq!(liveness.look(set_back, seconds(120)), Verdict::Alive);
        assert_eq!(liveness.look(set_back, seconds(299)), Verdict::Alive);
    }
}
