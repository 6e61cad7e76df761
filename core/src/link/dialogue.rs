//! Pings and their time-out, and what is owed in return: acknowledgements and pongs.

use std::time::Duration;

use super::flight::{PathKind, PerPath};
use super::recovery::ACK_DELAY;
use crate::time::{Time, earliest};

/// After so many records, or bytes, an acknowledgement does not wait.
const ACK_RECORDS: u32 = 32;
const ACK_BYTES: usize = 64 << 10;

/// What is owed on one path.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    pong: Option<u64>,
    /// An acknowledgement is due.
    ack: bool,
    records: u32,
    bytes: usize,
    ack_at: Option<Time>,
}

/// One end's part of what is said about records.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    next_ping: u64,
    /// A ping is to go out on this path now.
    ping_due: PerPath<bool>,
    /// Something that no record repeats has been told to the peer, and has to be confirmed by a pong.
    told: bool,
    /// The first ping on each path that went with it.
    asked: PerPath<Option<u64>>,
    /// When the peer should have said something of what was sent or told.
    timeout_at: Option<Time>,
    /// Time-outs in a row.
    timeouts: u32,
    owed: PerPath<Owed>,
}

impl Dialogue {
    /// Something was told that has to be confirmed.
    pub(crate) fn note_told(&mut self) {
        self.told = true;
        self.asked = PerPath::default();
    }

    /// Whether a pong is waited for that confirms what was told.
    pub(crate) const fn awaits_confirmation(&self) -> bool {
        self.told
    }

    /// Whether what was told has gone out with no ping yet.
    pub(crate) fn has_news(&self) -> bool {
        self.told && self.asked.iter().all(Option::is_none)
    }

    pub(crate) fn request_ping(&mut self, path: PathKind) {
        self.ping_due[path.index()] = true;
    }

    pub(crate) fn is_ping_due(&self, path: PathKind) -> bool {
        self.ping_due[path.index()]
    }

    /// The number of a ping that goes out on `path` now, beside our state or not.
    pub(crate) fn take_ping(&mut self, path: PathKind, with_state: bool) -> u64 {
        self.ping_due[path.index()] = false;
        self.next_ping += 1;
        if with_state && self.told {
            self.asked[path.index()].get_or_insert(self.next_ping);
        }
        self.next_ping
    }

    /// A pong has come on a path. What a path was told before a ping has come when that ping has.
    pub(crate) fn note_pong(&mut self, path: PathKind, number: u64) {
        if self.asked[path.index()].is_some_and(|asked| asked <= number) {
            self.told = false;
            self.asked = PerPath::default();
        }
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// The peer has acknowledged something new.
    pub(crate) fn note_progress(&mut self) {
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// Runs the time-out while something waits for the peer's word and there is a path for it.
    pub(crate) fn arm(&mut self, waits: bool, after: Duration, now: Time) {
        if !waits {
            self.timeout_at = None;
        } else if self.timeout_at.is_none() {
            self.timeout_at = Some(now + after);
        }
    }

    /// Whether the peer should have said something by now. Another time-out follows.
    pub(crate) fn take_timeout(&mut self, now: Time) -> bool {
        let due = self.timeout_at.is_some_and(|at| at <= now);
        if due {
            self.timeout_at = None;
            self.timeouts = self.timeouts.saturating_add(1);
        }
        due
    }

    /// How many time-outs have passed in a row.
    pub(crate) const fn timeouts(&self) -> u32 {
        self.timeouts
    }

    /// Another path is used: time-outs of the one before say nothing of it.
    pub(crate) fn begin_path(&mut self) {
        self.timeouts = 0;
        self.timeout_at = None;
    }

    /// Records have come on a path.
    pub(crate) fn note_records(&mut self, path: PathKind, records: u32, bytes: usize, now: Time) {
        let owed = &mut self.owed[path.index()];
        owed.records += records;
        owed.bytes += bytes;
        owed.ack |= owed.records >= ACK_RECORDS || owed.bytes >= ACK_BYTES;
        owed.ack_at.get_or_insert(now + ACK_DELAY);
    }

    /// An acknowledgement is owed on a path, at once.
    pub(crate) fn owe_ack(&mut self, path: PathKind) {
        self.owed[path.index()].ack = true;
    }

    /// A ping has come. Of several the last is answered: it says all that the others would.
    pub(crate) fn owe_pong(&mut self, path: PathKind, number: u64) {
        self.owed[path.index()].pong = Some(number);
    }

    /// Whether something is owed on a path, and due.
    pub(crate) fn is_due(&self, path: PathKind) -> bool {
        let owed = &self.owed[path.index()];
        owed.ack || owed.pong.is_some()
    }

    /// Whether something is owed on a path, due or not.
    pub(crate) fn owes(&self, path: PathKind) -> bool {
        self.is_due(path) || self.owed[path.index()].records > 0
    }

    /// What is owed on a path is paid by the bundle that goes out now. The pong, if one is owed.
    pub(crate) fn pay(&mut self, path: PathKind) -> Option<u64> {
        std::mem::take(&mut self.owed[path.index()]).pong
    }

    /// Nothing that a path was told has to have come.
    pub(crate) fn forget_told(&mut self, path: PathKind) {
        self.asked[path.index()] = None;
    }

    /// A path is over: acknowledgements that are owed on it go another way, pongs nowhere.
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

    /// Acknowledgements whose time is up become due.
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
    fn acknowledgements_wait_for_more_but_not_for_long() {
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
    fn what_was_told_is_confirmed_by_a_pong_to_a_ping_that_went_with_it_or_later() {
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
            "of what the relay was told a channel says nothing"
        );
        let after = dialogue.take_ping(PathKind::Relay, false);
        dialogue.note_pong(PathKind::Relay, after);
        assert!(!dialogue.awaits_confirmation());
    }

    #[test]
    fn what_was_told_on_a_path_that_ends_is_news_again() {
        let mut dialogue = Dialogue::default();
        dialogue.note_told();
        let asked = dialogue.take_ping(PathKind::Relay, true);
        dialogue.end_path(PathKind::Relay, None);
        assert!(dialogue.has_news());
        dialogue.note_pong(PathKind::Relay, asked);
        assert!(dialogue.awaits_confirmation());
    }

    #[test]
    fn the_time_out_runs_from_the_first_that_waits_and_anew_with_progress() {
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
    fn what_is_owed_on_a_path_that_ends_goes_another_way_except_for_pongs() {
        let mut dialogue = Dialogue::default();
        dialogue.note_records(PathKind::Direct, 1, 1, Time::ZERO);
        dialogue.owe_pong(PathKind::Direct, 3);
        dialogue.end_path(PathKind::Direct, Some(PathKind::Relay));
        assert!(dialogue.is_due(PathKind::Relay) && !dialogue.owes(PathKind::Direct));
        assert_eq!(dialogue.pay(PathKind::Relay), None);
    }
}
