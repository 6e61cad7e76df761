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
    /// The peer may not know that another incarnation of ours is over.
    Announce,
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
    pub(crate) const ALL: [Self; 14] = [
        Self::Attempt,
        Self::Offer,
        Self::Probe,
        Self::Silence,
        Self::Doubt,
        Self::Announce,
        Self::Ack,
        Self::Retransmit,
        Self::Resume,
        Self::Gap,
        Self::Away,
        Self::Reply,
        Self::Stall,
        Self::Pace,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// When each timer of a link is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: [Time; Timer::ALL.len()],
    /// A bit for each timer that is set, by its number: few are at a time.
    set: u16,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.at[timer as usize] = at;
        self.set |= timer.bit();
    }

    pub(crate) fn set_if_idle(&mut self, timer: Timer, at: Time) {
        if self.set & timer.bit() == 0 {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.set &= !timer.bit();
    }

    /// When a timer is due, if it is set.
    pub(crate) fn due(&self, timer: Timer) -> Option<Time> {
        (self.set & timer.bit() != 0).then(|| self.at[timer as usize])
    }

    /// Takes a timer if it is due.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Time) -> bool {
        let due = self.set & timer.bit() != 0 && self.at[timer as usize] <= now;
        if due {
            self.clear(timer);
        }
        due
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Time> {
        let mut left = self.set;
        let mut next = None;
        while left != 0 {
            let at = self.at[left.trailing_zeros() as usize];
            next = Some(next.map_or(at, |next: Time| next.min(at)));
            left &= left - 1;
        }
        next
    }

    /// Moves every timer: the clock jumped.
    pub(crate) fn shift(&mut self, by: std::time::Duration) {
        for at in &mut self.at {
            *at = *at + by;
        }
    }
}
