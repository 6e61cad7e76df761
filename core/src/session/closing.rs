//! The end of a session: accepted events are delivered, then the good-byes leave.

use std::time::Duration;

use super::Session;
use crate::event::{Event, LeaveReason};
use crate::time::Time;

/// The time for the good-byes to leave before the transports are closed.
const LINGER: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    No,
    /// Delivers the accepted events.
    Flushing {
        until: Time,
    },
    /// Waits for the good-byes to leave.
    Lingering {
        until: Time,
    },
    Done,
}

impl Session {
    /// Closes the session. Within [`Config::close_timeout`](crate::Config::close_timeout) the accepted events are
    /// delivered, or their outcomes reported; then the session says good-bye to the peers and reports
    /// [`Event::Closed`].
    pub fn close(&mut self, now: Time) {
        let now = self.advance(now);
        if self.closing == Closing::No {
            self.closing = Closing::Flushing { until: now + self.shared.config.close_timeout };
            for key in self.links.keys() {
                self.with_key(key, now, |link, cx| link.abort_unfinished_transfers(cx));
            }
            self.settle(now);
        }
    }

    /// Completes a close that waited for the last frame for a v0 peer, after which no input follows.
    pub(super) fn note_flushed(&mut self, now: Time) {
        if let Closing::Flushing { until } = &mut self.closing
            && self.links.totals().unflushed == 0
        {
            *until = now;
        }
    }

    pub(super) fn continue_closing(&mut self, now: Time) {
        match self.closing {
            Closing::Flushing { until } => {
                if now >= until || self.links.totals().unflushed == 0 {
                    self.say_goodbye_through_neighbours(now);
                    for key in self.links.keys() {
                        self.with_key(key, now, |link, _| link.say_goodbye());
                    }
                    self.leave_room = self.is_joined();
                    self.closing = Closing::Lingering { until: now + LINGER };
                }
            }
            Closing::Lingering { until } if now >= until => {
                self.closing = Closing::Done;
                for peer in self.links.ids().cloned().collect::<Vec<_>>() {
                    self.remove(&peer, LeaveReason::Closed, now);
                }
                self.end_server_talk();
                self.frames.clear();
                self.leave_room = false;
                self.signaling.close(&mut self.shared.out);
                self.shared.out.events.push_back(Event::Closed);
            }
            Closing::Lingering { .. } | Closing::No | Closing::Done => {}
        }
    }
}
