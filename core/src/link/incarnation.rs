//! The epochs of both sides of a link, and the meaning of a bundle's epochs.

use std::time::Duration;

use crate::time::Time;
use crate::wire::Epochs;

/// The minimum interval of answers to stale bundles.
const ANSWER_INTERVAL: Duration = Duration::from_secs(1);

/// The comparison of a bundle's epochs with the link's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Current,
    /// Of an ended incarnation: the bundle is ignored.
    Stale,
    /// The peer has begun anew and does not know this side's incarnation: the link ends.
    Restarted,
    /// The peer has begun anew and has adopted this side's incarnation: sending continues.
    Renewed,
}

/// The answer to a bundle from, or for, an ended incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleAnswer {
    /// This side's current epoch, addressed to a peer's epoch that may be current; 0: to any.
    OurEpoch(u32),
    /// The peer's epoch that is over.
    GivenUp(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Incarnation {
    ours: u32,
    /// The peer's epoch; 0 until a bundle of it arrives.
    theirs: u32,
    /// The peer's epochs up to this one are over.
    over: u32,
    /// Whether there was an earlier incarnation, of which the peer may hold state although no bundle of the
    /// peer arrived in this one.
    follows: bool,
    answered_at: Option<Time>,
    /// The answer that is owed to the peer.
    answer: Option<StaleAnswer>,
}

impl Incarnation {
    /// Creates incarnation `ours`. `before`: there was an earlier incarnation, and the peer's epochs up to this
    /// one are over (0: none known).
    pub(crate) fn new(ours: u32, before: Option<u32>) -> Self {
        let (over, follows) = (before.unwrap_or(0), before.is_some());
        Self { ours, theirs: 0, over, follows, answered_at: None, answer: None }
    }

    /// Creates the next incarnation, in which both sides are unknown to each other.
    pub(crate) fn successor(self, ours: u32) -> Self {
        Self { answered_at: self.answered_at, ..Self::new(ours, Some(self.last_heard())) }
    }

    /// Creates the next incarnation, which keeps the receiving state.
    pub(crate) const fn successor_that_has_heard(self, ours: u32) -> Self {
        Self { ours, ..self }
    }

    pub(crate) const fn epochs(self) -> Epochs {
        Epochs { epoch: self.ours, peer_epoch: self.theirs }
    }

    pub(crate) const fn ours(self) -> u32 {
        self.ours
    }

    pub(crate) const fn theirs(self) -> u32 {
        self.theirs
    }

    /// Returns the peer's last known epoch, current or over.
    pub(crate) fn last_heard(self) -> u32 {
        self.theirs.max(self.over)
    }

    /// Returns whether an incarnation ended, and no bundle of the peer has arrived in this one.
    pub(crate) const fn has_given_up(self) -> bool {
        self.follows && self.theirs == 0
    }

    /// Checks epochs, and adopts the peer's epoch when none is known.
    pub(crate) fn admit(&mut self, epochs: Epochs, now: Time) -> Admission {
        if epochs.peer_epoch != 0 && epochs.peer_epoch != self.ours {
            // A peer that learns that its epoch is known need not begin anew.
            let lives = if epochs.epoch > self.over { epochs.epoch.max(self.theirs) } else { 0 };
            self.owe(StaleAnswer::OurEpoch(lives), now);
            return Admission::Stale;
        }
        if epochs.epoch <= self.over {
            self.owe(StaleAnswer::GivenUp(epochs.epoch), now);
            return Admission::Stale;
        }
        if self.theirs == 0 {
            self.theirs = epochs.epoch;
        }
        match epochs.epoch.cmp(&self.theirs) {
            std::cmp::Ordering::Less => Admission::Stale,
            std::cmp::Ordering::Equal => Admission::Current,
            std::cmp::Ordering::Greater if epochs.peer_epoch == self.ours => Admission::Renewed,
            std::cmp::Ordering::Greater => Admission::Restarted,
        }
    }

    /// Schedules an answer to a stale bundle, within the rate limit.
    fn owe(&mut self, answer: StaleAnswer, now: Time) {
        if self.answered_at.is_none_or(|at| now - at >= ANSWER_INTERVAL) {
            self.answered_at = Some(now);
            self.answer = Some(answer);
        }
    }

    /// Returns whether an answer is owed.
    pub(crate) const fn owes_answer(&self) -> bool {
        self.answer.is_some()
    }

    pub(crate) fn take_answer(&mut self) -> Option<StaleAnswer> {
        self.answer.take()
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Incarnation, StaleAnswer};
    use crate::time::Time;
    use crate::wire::Epochs;

    const fn from(epoch: u32, peer_epoch: u32) -> Epochs {
        Epochs { epoch, peer_epoch }
    }

    #[test]
    fn the_first_epoch_is_adopted_and_a_greater_epoch_begins_anew() {
        let mut incarnation = Incarnation::new(5, None);
        assert_eq!(incarnation.admit(from(3, 0), Time::ZERO), Admission::Current);
        assert_eq!(incarnation.admit(from(3, 5), Time::ZERO), Admission::Current);
        assert_eq!(incarnation.admit(from(2, 5), Time::ZERO), Admission::Stale);
        assert_eq!(incarnation.take_answer(), None);
        assert_eq!(incarnation.admit(from(4, 5), Time::ZERO), Admission::Renewed);
        assert_eq!(incarnation.admit(from(4, 0), Time::ZERO), Admission::Restarted);
    }

    #[test]
    fn stale_bundles_are_answered_once_a_second() {
        let mut incarnation = Incarnation::new(5, Some(3));
        let mut answer = |epochs, at| {
            assert_eq!(incarnation.admit(epochs, Time::from_millis(at)), Admission::Stale);
            incarnation.take_answer()
        };
        assert_eq!(answer(from(3, 0), 0), Some(StaleAnswer::GivenUp(3)));
        assert_eq!(answer(from(4, 4), 999), None);
        assert_eq!(answer(from(4, 4), 1000), Some(StaleAnswer::OurEpoch(4)));
        assert_eq!(answer(from(3, 5), 2000), Some(StaleAnswer::GivenUp(3)));
        assert_eq!(answer(from(3, 4), 3000), Some(StaleAnswer::OurEpoch(0)), "epoch 3 is over too");
    }

    #[test]
    fn a_following_incarnation_knows_the_ended_epochs() {
        let mut first = Incarnation::new(5, None);
        first.admit(from(7, 0), Time::ZERO);
        let next = first.successor(6);
        assert!(next.has_given_up());
        assert_eq!((next.epochs(), next.last_heard()), (from(6, 0), 7));
        let keeping = first.successor_that_has_heard(6);
        assert!(!keeping.has_given_up());
        assert_eq!(keeping.epochs(), from(6, 7));
    }
}
