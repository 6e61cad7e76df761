//! A request for an ack ends at its deadline, or before it with a reason.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;

use crate::invariant::{Breach, Invariant};

/// How late a node that keeps its times may say that the time is up.
const LATE: Duration = Duration::from_millis(20);

/// Until when each question waits, by who asked and the emit.
#[derive(Debug, Default)]
pub(in crate::sim) struct Questions {
    open: BTreeMap<(usize, u64), (Time, Time)>,
    /// Answers that will not come although the time is not up, by who asked and of whom: the peer is gone.
    given_up: Vec<(usize, usize)>,
}

impl Questions {
    pub(in crate::sim) fn asked(&mut self, node: usize, emit: u64, now: Time, within: Duration) {
        self.open.insert((node, emit), (now, now + within));
    }

    /// When a question was asked.
    pub(in crate::sim) fn asked_at(&self, node: usize, emit: u64) -> Option<Time> {
        self.open.get(&(node, emit)).map(|(asked, _)| *asked)
    }

    /// An answer has come, or the time is up, as the session says. `calm`: the node has kept its times since it asked.
    pub(in crate::sim) fn ended(
        &self,
        (node, emit): (usize, u64),
        timed_out: bool,
        now: Time,
        calm: bool,
    ) -> Result<(), Breach> {
        let Some((asked, due)) = self.open.get(&(node, emit)).filter(|_| calm) else {
            return Ok(());
        };
        let (early, late) = (timed_out && now < *due, now > *due + LATE);
        if !early && !late {
            return Ok(());
        }
        let what = if timed_out { "it timed out" } else { "an answer" };
        Err(Breach::new(
            Invariant::AckDeadline,
            format!("question {emit} of node {node} to wait {:?}", *due - *asked),
            format!("{what} after {:?}", now - *asked),
        ))
    }

    /// A session says that an answer will not come although the time is not up.
    pub(in crate::sim) fn given_up(&mut self, node: usize, peer: usize) {
        if !self.given_up.contains(&(node, peer)) {
            self.given_up.push((node, peer));
        }
    }

    /// A peer has left.
    pub(in crate::sim) fn left(&mut self, node: usize, peer: usize) {
        self.given_up.retain(|one| *one != (node, peer));
    }

    /// All that a node has said up to now is known.
    pub(in crate::sim) fn check_reasons(&mut self) -> Result<(), Breach> {
        let Some((node, peer)) = self.given_up.pop() else { return Ok(()) };
        Err(Breach::new(
            Invariant::AckDeadline,
            format!("node {node} to wait for the answer of node {peer}, which has not left"),
            "it was given up before its time",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use socketio_p2p_core::Time;

    use super::Questions;

    #[test]
    fn a_question_times_out_at_its_deadline_and_is_given_up_with_its_peer_only() {
        let at = Time::from_millis;
        let mut questions = Questions::default();
        questions.asked(0, 7, at(0), Duration::from_millis(100));
        let ended = |timed_out, now, calm| questions.ended((0, 7), timed_out, at(now), calm);
        assert!(ended(true, 100, true).is_ok() && ended(false, 30, true).is_ok());
        assert!(ended(true, 99, true).is_err() && ended(true, 121, true).is_err());
        assert!(ended(false, 130, true).is_err() && ended(true, 200, false).is_ok());
        questions.given_up(0, 1);
        questions.given_up(0, 2);
        questions.left(0, 1);
        assert!(questions.check_reasons().is_err());
        assert!(questions.check_reasons().is_ok());
    }
}
