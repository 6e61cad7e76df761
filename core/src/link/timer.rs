//! A link's timers.

use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The attempt at a direct path has taken too long.
    Attempt,
    /// Time to offer (again).
    Offer,
    /// The quiet channel is to be probed.
    Probe,
    /// The channel has been silent for too long.
    Silence,
    /// The channel has not proved that an offer was late.
    Doubt,
    /// An acknowledgement is due.
    Ack,
    /// Packets on the relay have been unacknowledged for too long.
    Retransmit,
    /// The peer has not answered where to resume.
    Resume,
    /// A gap in what was received has not closed by itself.
    Gap,
    /// The peer has been away for the resume window.
    Away,
    /// An answer to an event of ours is overdue.
    Reply,
    /// The peer has acknowledged nothing for too long.
    Stall,
    /// The neighbour through which the peer is reached takes more.
    Pace,
}

impl Timer {
    pub(crate) const ALL: [Self; 13] = [
        Self::Attempt,
        Self::Offer,
        Self::Probe,
        Self::Silence,
        Self::Doubt,
        Self::Ack,
        Self::Retransmit,
        Self::Resume,
        Self::Gap,
        Self::Away,
        Self::Reply,
        Self::Stall,
        Self::Pace,
    ];
}

/// When each timer of a link is due.
#[derive(Debug, Default)]
pub(crate) struct Timers([Option<Time>; Timer::ALL.len()]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = Some(at);
    }

    pub(crate) fn set_if_idle(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize].get_or_insert(at);
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Takes a timer if it is due.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Time) -> bool {
        let due = self.0[timer as usize].is_some_and(|at| at <= now);
        if due {
            self.clear(timer);
        }
        due
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }

    /// Moves every timer: the clock jumped.
    pub(crate) fn shift(&mut self, by: std::time::Duration) {
        for at in self.0.iter_mut().flatten() {
            *at = *at + by;
        }
    }
}
