//! Pings and their time-out, and the acknowledgements and pongs that are owed to the peer.

use std::time::Duration;

use super::flight::{PathKind, PerPath};
use super::recovery::ACK_DELAY;
use crate::time::{Time, earliest};

/// The numbers of records and bytes after which an acknowledgement is due at once.
const ACK_RECORDS: u32 = 32;
const ACK_BYTES: usize = 64 << 10;

/// The control owed on one path.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    pong: Option<u64>,
    /// Whether an acknowledgement is due.
    ack: bool,
    records: u32,
    bytes: usize,
    ack_at: Option<Time>,
}

/// Pings sent, and pongs and acknowledgements owed.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    next_ping: u64,
    /// Whether a ping is due on a path.
    ping_due: PerPath<bool>,
    /// Whether control that no record repeats was sent, which a pong must confirm.
    told: bool,
    /// The first ping on each path after that control.
    asked: PerPath<Option<u64>>,
    /// When the peer should have answered.
    timeout_at: Option<Time>,
    /// The number of consecutive time-outs.
    timeouts: u32,
    owed: PerPath<Owed>,
}

impl Dialogue {
    /// Notes control that a pong must confirm.
    pub(crate) fn note_told(&mut self) {
        self.told = true;
        self.asked = PerPath::default();
    }

    /// Returns whether control waits for a pong that confirms it.
    pub(crate) const fn awaits_confirmation(&self) -> bool {
        self.told
    }

    /// Returns whether control to be confirmed has gone out without a ping.
    pub(crate) fn has_news(&self) -> bool {
        self.told && self.asked.iter().all(Option::is_none)
    }

    pub(crate) fn request_ping(&mut self, path: PathKind) {
        self.ping_due[path.index()] = true;
    }

    pub(crate) fn is_ping_due(&self, path: PathKind) -> bool {
        self.ping_due[path.index()]
    }

    /// Returns the number of a ping that goes out on `path`, in a bundle with `state` or without.
    pub(crate) fn take_ping(&mut self, path: PathKind, with_state: bool) -> u64 {
        self.ping_due[path.index()] = false;
        self.next_ping += 1;
        if with_state && self.told {
            self.asked[path.index()].get_or_insert(self.next_ping);
        }
        self.next_ping
    }

    /// Handles a pong on a path. It confirms the control sent on that path before the ping.
    pub(crate) fn note_pong(&mut self, path: PathKind, number: u64) {
        if self.asked[path.index()].is_some_and(|asked| asked <= number) {
            self.told = false;
            self.asked = PerPath::default();
        }
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// Notes that the peer acknowledged new data.
    pub(crate) fn note_progress(&mut self) {
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// Runs the time-out while an answer of the peer is missing and a path leads to it.
    pub(crate) fn arm(&mut self, waits: bool, after: Duration, now: Time) {
        if !waits {
            self.timeout_at = None;
        } else if self.timeout_at.is_none() {
            self.timeout_at = Some(now + after);
        }
    }

    /// Returns whether the time-out has expired, and starts another one.
    pub(crate) fn take_timeout(&mut self, now: Time) -> bool {
        let due = self.timeout_at.is_some_and(|at| at <= now);
        if due {
            self.timeout_at = None;
            self.timeouts = self.timeouts.saturating_add(1);
        }
        due
    }

    /// Returns the number of consecutive time-outs.
    pub(crate) const fn timeouts(&self) -> u32 {
        self.timeouts
    }

    /// Resets the time-outs, which concern the previous path.
    pub(crate) fn begin_path(&mut self) {
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// Notes records received on a path.
    pub(crate) fn note_records(&mut self, path: PathKind, records: u32, bytes: usize, now: Time) {
        let owed = &mut self.owed[path.index()];
        owed.records += records;
        owed.bytes += bytes;
        owed.ack |= owed.records >= ACK_RECORDS || owed.bytes >= ACK_BYTES;
        owed.ack_at.get_or_insert(now + ACK_DELAY);
    }

    /// Schedules an acknowledgement on a path at once.
    pub(crate) fn owe_ack(&mut self, path: PathKind) {
        self.owed[path.index()].ack = true;
    }

    /// Schedules a pong. Only the last of several pings is answered: its answer covers the earlier ones.
    pub(crate) fn owe_pong(&mut self, path: PathKind, number: u64) {
        self.owed[path.index()].pong = Some(number);
    }

    /// Returns whether control is due on a path.
    pub(crate) fn is_due(&self, path: PathKind) -> bool {
        let owed = &self.owed[path.index()];
        owed.ack || owed.pong.is_some()
    }

    /// Returns whether control is owed on a path, due or not.
    pub(crate) fn owes(&self, path: PathKind) -> bool {
        self.is_due(path) || self.owed[path.index()].records > 0
    }

    /// Clears the control owed on a path, because a bundle goes out now. Returns the pong to send.
    pub(crate) fn pay(&mut self, path: PathKind) -> Option<u64> {
        std::mem::take(&mut self.owed[path.index()]).pong
    }

    /// Notes that control sent on a path may be lost.
    pub(crate) fn forget_told(&mut self, path: PathKind) {
        self.asked[path.index()] = None;
    }

    /// Ends a path: acknowledgements owed on it move to another path, pongs are dropped.
    pub(crate) fn end_path(&mut self, path: PathKind, other: Option<PathKind>) {
        self.forget_told(path);
        let owed = std::mem::take(&mut self.owed[path.index()]);
        self.ping_due[path.index()] = false;
        if let Some(other) = other
            && (owed.ack || owed.records > 0)
        {
            self.owe_ack(other);
        }
    }

    /// Makes acknowledgements due whose delay has passed.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        for owed in &mut self.owed {
            if owed.ack_at.is_some_and(|at| at <= now) {
                owed.ack = true;
                owed.ack_at = None;
            }
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let acks = self.owed.map(|owed| owed.ack_at.filter(|_| !owed.ack));
        earliest([self.timeout_at, earliest(acks)])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Dialogue;
    use crate::link::flight::PathKind;
    use crate::time::Time;

    #[test]
    fn an_acknowledgement_is_delayed_for_further_records_within_a_bound() {
        let mut dialogue = Dialogue::default();
        dialogue.note_records(PathKind::Relay, 1, 100, Time::ZERO);
        assert!(!dialogue.is_due(PathKind::Relay));
        assert_eq!(dialogue.next_timeout(), Some(Time::from_millis(20)));
        dialogue.handle_timeout(Time::from_millis(20));
        assert!(dialogue.is_due(PathKind::Relay) && !dialogue.is_due(PathKind::Direct));
        assert_eq!(dialogue.pay(PathKind::Relay), None);
        assert_eq!(dialogue.next_timeout(), None);
        dialogue.note_records(PathKind::Direct, 1, 64 << 10, Time::ZERO);
        assert!(dialogue.is_due(PathKind::Direct));
    }

    #[test]
    fn control_is_confirmed_by_the_pong_to_a_ping_sent_with_it_or_later() {
        let mut dialogue = Dialogue::default();
        let before = dialogue.take_ping(PathKind::Relay, true);
        dialogue.note_told();
        dialogue.note_pong(PathKind::Relay, before);
        let without = dialogue.take_ping(PathKind::Relay, false);
        dialogue.note_pong(PathKind::Relay, without);
        assert!(dialogue.awaits_confirmation() && dialogue.has_news());
        dialogue.take_ping(PathKind::Relay, true);
        assert!(!dialogue.has_news());
        let elsewhere = dialogue.take_ping(PathKind::Direct, false);
        dialogue.note_pong(PathKind::Direct, elsewhere);
        assert!(
            dialogue.awaits_confirmation(),
            "a pong on the channel does not confirm control sent on the relay"
        );
        let after = dialogue.take_ping(PathKind::Relay, false);
        dialogue.note_pong(PathKind::Relay, after);
        assert!(!dialogue.awaits_confirmation());
    }

    #[test]
    fn control_sent_on_a_path_that_ends_is_unconfirmed_again() {
        let mut dialogue = Dialogue::default();
        dialogue.note_told();
        let asked = dialogue.take_ping(PathKind::Relay, true);
        dialogue.end_path(PathKind::Relay, None);
        assert!(dialogue.has_news());
        dialogue.note_pong(PathKind::Relay, asked);
        assert!(dialogue.awaits_confirmation());
    }

    #[test]
    fn the_probe_time_out_runs_from_the_first_unacknowledged_record_and_restarts_with_progress() {
        let mut dialogue = Dialogue::default();
        let after = Duration::from_millis(50);
        dialogue.arm(true, after, Time::ZERO);
        dialogue.arm(true, after, Time::from_millis(40));
        assert_eq!(dialogue.next_timeout(), Some(Time::from_millis(50)));
        assert!(dialogue.take_timeout(Time::from_millis(50)) && dialogue.timeouts() == 1);
        dialogue.arm(true, after, Time::from_millis(50));
        dialogue.note_progress();
        assert_eq!((dialogue.next_timeout(), dialogue.timeouts()), (None, 0));
    }

    #[test]
    fn acknowledgements_owed_on_a_path_that_ends_move_to_another_path_and_pongs_do_not() {
        let mut dialogue = Dialogue::default();
        dialogue.note_records(PathKind::Direct, 1, 1, Time::ZERO);
        dialogue.owe_pong(PathKind::Direct, 3);
        dialogue.end_path(PathKind::Direct, Some(PathKind::Relay));
        assert!(dialogue.is_due(PathKind::Relay) && !dialogue.owes(PathKind::Direct));
        assert_eq!(dialogue.pay(PathKind::Relay), None);
    }
}
