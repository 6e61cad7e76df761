//! Attempts to reach the hub are made when announced, after growing pauses.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::{Backoff, Time};

use crate::invariant::{Breach, Invariant};

/// How far from its time a try may be.
const LATE: Duration = Duration::from_millis(2);

/// What a node without the hub does.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    /// How often it has failed, or lost the hub, since it joined last.
    failed: u32,
    /// When it said that it would wait, and until when.
    waits: Option<(Time, Time)>,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct Reconnects(BTreeMap<usize, Tries>);

impl Reconnects {
    /// A node has joined.
    pub(in crate::sim) fn joined(&mut self, node: usize) {
        self.0.remove(&node);
    }

    /// A node has lost the hub, or not reached it, and says when it tries again; `asked`: how long the hub wants it to wait.
    pub(in crate::sim) fn lost(
        &mut self,
        node: usize,
        retry_in: Duration,
        asked: Duration,
        backoff: Backoff,
        now: Time,
    ) -> Result<(), Breach> {
        let tries = self.0.entry(node).or_default();
        let full = backoff.first.saturating_mul(1 << tries.failed.min(30)).min(backoff.max);
        // Rounded down, each part of it.
        let least = (full / 2).saturating_sub(Duration::from_micros(100)).max(asked);
        let most = full.max(asked);
        tries.failed += 1;
        tries.waits = Some((now, now + retry_in));
        if (least..=most).contains(&retry_in) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Reconnect,
            format!("a pause of {least:?} to {most:?} before try {} of node {node}", tries.failed),
            format!("{retry_in:?}"),
        ))
    }

    /// Since when a node waits.
    pub(in crate::sim) fn since(&self, node: usize) -> Option<Time> {
        self.0.get(&node)?.waits.map(|(since, _)| since)
    }

    /// A node tries to reach the hub, with its clock and process undisturbed since it began to wait.
    pub(in crate::sim) fn tried(&mut self, node: usize, at: Time) -> Result<(), Breach> {
        let waits = self.0.get_mut(&node).and_then(|tries| tries.waits.take());
        let Some((since, until)) = waits else { return Ok(()) };
        if until <= at && at <= until + LATE {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Reconnect,
            format!("node {node} to try again in {:?}", until - since),
            format!("it did after {:?}", at - since),
        ))
    }

    /// A node tries again, but its clock or process was disturbed.
    pub(in crate::sim) fn excuse(&mut self, node: usize) {
        if let Some(tries) = self.0.get_mut(&node) {
            tries.waits = None;
        }
    }
}

/// How long the hub wants a node to wait, in the words of its refusal.
pub(in crate::sim) fn asked_for(refusal: &str) -> Duration {
    let millis = refusal.split_once("try again in ").and_then(|(_, rest)| {
        let (millis, rest) = rest.split_once(" ms")?;
        millis.parse().ok().filter(|_| rest.starts_with(": "))
    });
    Duration::from_millis(millis.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::{Backoff, Time};

    use super::{Reconnects, asked_for};

    #[test]
    fn pauses_grow_are_kept_and_are_no_shorter_than_the_hub_wants() {
        let ms = Duration::from_millis;
        let at = Time::from_millis;
        let backoff = Backoff { first: ms(100), max: ms(300) };
        let mut tries = Reconnects::default();
        let none = Duration::ZERO;
        assert!(tries.lost(0, ms(60), none, backoff, at(0)).is_ok());
        assert!(tries.tried(0, at(60)).is_ok());
        assert!(tries.lost(0, ms(90), none, backoff, at(70)).is_err());
        assert!(tries.tried(0, at(150)).is_err());
        assert!(tries.lost(0, ms(290), none, backoff, at(200)).is_ok());
        assert!(tries.lost(0, ms(290), ms(900), backoff, at(500)).is_err());
        tries.joined(0);
        assert!(tries.lost(0, ms(400), ms(400), backoff, at(500)).is_ok());
        tries.joined(0);
        assert!(tries.lost(0, ms(150), none, backoff, at(500)).is_err());
    }

    #[test]
    fn what_the_hub_asks_for_is_in_its_words() {
        let refusal = "try again in 750 ms: too many joins of room \"lobby\"";
        assert_eq!(asked_for(refusal), Duration::from_millis(750));
        assert_eq!(asked_for("the socket broke"), Duration::ZERO);
    }
}
