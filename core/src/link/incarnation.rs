//! Which incarnation of the link each end is in, and what a bundle's epochs mean for it.

use std::time::Duration;

use crate::time::Time;
use crate::wire::Epochs;

/// The shortest time between two answers to stale bundles.
const ANSWER_INTERVAL: Duration = Duration::from_secs(1);

/// How the epochs of a bundle compare to the link's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Current,
    /// Of an incarnation that is over: ignored.
    Stale,
    /// The peer has begun anew and does not know our incarnation: the link is over.
    Restarted,
    /// The peer has begun anew and has taken up our incarnation: what we send goes on.
    Renewed,
}

/// What a peer that speaks to, or of, an incarnation that is over has to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleAnswer {
    /// Which incarnation of ours lives, to one of the peer's that may do so; 0: to any.
    OurEpoch(u32),
    /// That this one of its own is over.
    GivenUp(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Incarnation {
    ours: u32,
    /// The peer's; 0 until it has been heard.
    theirs: u32,
    /// The peer's epochs up to this one are over.
    over: u32,
    /// There was one before, of which the peer may hold something though nothing has come of it.
    follows: bool,
    answered_at: Option<Time>,
    /// What the peer has to hear.
    answer: Option<StaleAnswer>,
}

impl Incarnation {
    /// Our incarnation `ours`. `before`: there was one before, and the peer's epochs up to this one are over, 0 if none has
    /// been heard.
    pub(crate) fn new(ours: u32, before: Option<u32>) -> Self {
        let (over, follows) = (before.unwrap_or(0), before.is_some());
        Self { ours, theirs: 0, over, follows, answered_at: None, answer: None }
    }

    /// The one after this, of which the peer has not heard, and which has not heard the peer.
    pub(crate) fn successor(self, ours: u32) -> Self {
        Self { answered_at: self.answered_at, ..Self::new(ours, Some(self.last_heard())) }
    }

    /// The one after this, which goes on with what has come of the peer.
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

    /// The peer's last epoch that is known, over or not.
    pub(crate) fn last_heard(self) -> u32 {
        self.theirs.max(self.over)
    }

    /// Whether an incarnation is over, and nothing has come of the peer in this one.
    pub(crate) const fn has_given_up(self) -> bool {
        self.follows && self.theirs == 0
    }

    /// Judges epochs, and takes the peer's when they are its first.
    pub(crate) fn admit(&mut self, epochs: Epochs, now: Time) -> Admission {
        if epochs.peer_epoch != 0 && epochs.peer_epoch != self.ours {
            // Who hears that it is known need not begin anew.
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

    /// Notes what a peer that is behind has to hear, not too often.
    fn owe(&mut self, answer: StaleAnswer, now: Time) {
        if self.answered_at.is_none_or(|at| now - at >= ANSWER_INTERVAL) {
            self.answered_at = Some(now);
            self.answer = Some(answer);
        }
    }

    /// Whether the peer has to hear something of epochs.
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
    fn the_first_epoch_is_taken_and_a_greater_one_begins_anew() {
        let mut incarnation = Incarnation::new(5, None);
        assert_eq!(incarnation.admit(from(3, 0), Time::ZERO), Admission::Current);
        assert_eq!(incarnation.admit(from(3, 5), Time::ZERO), Admission::Current);
        assert_eq!(incarnation.admit(from(2, 5), Time::ZERO), Admission::Stale);
        assert_eq!(incarnation.take_answer(), None);
        assert_eq!(incarnation.admit(from(4, 5), Time::ZERO), Admission::Renewed);
        assert_eq!(incarnation.admit(from(4, 0), Time::ZERO), Admission::Restarted);
    }

    #[test]
    fn what_is_stale_is_answered_once_a_second() {
        let mut incarnation = Incarnation::new(5, Some(3));
        let mut answer = |epochs, at| {
            assert_eq!(incarnation.admit(epochs, Time::from_millis(at)), Admission::Stale);
            incarnation.take_answer()
        };
        assert_eq!(answer(from(3, 0), 0), Some(StaleAnswer::GivenUp(3)));
        assert_eq!(answer(from(4, 4), 999), None);
        assert_eq!(answer(from(4, 4), 1000), Some(StaleAnswer::OurEpoch(4)));
        assert_eq!(answer(from(3, 5), 2000), Some(StaleAnswer::GivenUp(3)));
        assert_eq!(answer(from(3, 4), 3000), Some(StaleAnswer::OurEpoch(0)), "it is over too");
    }

    #[test]
    fn an_incarnation_that_follows_another_knows_what_is_over() {
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
