//! Connections of the direct transport: signals, data channels, datagram channels.

use super::Session;
use crate::connection_report::ConnectionReport;
use crate::frame::Frame;
use crate::id::{ConnectionId, PeerId};
use crate::link::{Context, Link, LinkChange};
use crate::time::Time;
use crate::wire::Signal;

/// The channels of one connection that may have output.
#[cfg(feature = "driver")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectOutput {
    pub(crate) connection: ConnectionId,
    pub(crate) data: bool,
    pub(crate) datagrams: bool,
}

impl Session {
    /// Returns the direct connection with a peer, open or being established, for tests and diagnostics.
    #[doc(hidden)]
    #[must_use]
    pub fn connection_of(&self, peer: &PeerId) -> Option<ConnectionId> {
        self.links.get(peer)?.connection_id()
    }

    /// Returns whether this connection is open or being established.
    #[cfg(feature = "driver")]
    pub(crate) fn is_live(&self, connection: ConnectionId) -> bool {
        self.links.key_of(connection).is_some()
    }

    /// Handles a signal of the direct transport, which goes to the remote side.
    pub fn handle_direct_signal(&mut self, connection: ConnectionId, signal: &Signal, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_local_signal(signal, cx);
            LinkChange::Alive
        });
    }

    /// Handles a report of the direct transport about a connection, for [`DirectState`](crate::DirectState) and
    /// [`DirectFailure`](crate::DirectFailure). A transport need not report.
    pub fn handle_direct_report(
        &mut self,
        connection: ConnectionId,
        report: ConnectionReport,
        now: Time,
    ) {
        self.with_connection(connection, now, |link, _| {
            link.handle_report(report);
            LinkChange::Alive
        });
    }

    /// Handles the opening of a connection's data channel. `max_message` is the maximum message that the
    /// remote side accepts, in bytes.
    pub fn handle_direct_open(&mut self, connection: ConnectionId, max_message: usize, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_open(max_message, cx);
            LinkChange::Alive
        });
    }

    /// Handles a message received on a data channel.
    pub fn handle_direct_frame(&mut self, connection: ConnectionId, frame: Frame, now: Time) {
        self.with_connection(connection, now, |link, cx| link.handle_frame(frame, cx));
    }

    /// Handles the failure or the end of a connection. `error` is reported to the application.
    pub fn handle_direct_closed(&mut self, connection: ConnectionId, error: String, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_direct_closed(error, cx);
            LinkChange::Alive
        });
    }

    /// Returns the next message for the data channel of `connection`. Call it only when the channel has room: a
    /// returned message counts as sent.
    #[must_use = "a message is returned only once"]
    pub fn poll_direct_transmit(&mut self, connection: ConnectionId, now: Time) -> Option<Frame> {
        let now = self.clock.inner(now);
        let key = self.links.key_of(connection)?;
        let frame = if self.has_work_for(self.links.at(key)?.peer()) {
            let peer = self.links.at(key)?.peer().clone();
            self.next_shared_frame(&peer, now)
        } else if self.links.wants_direct(key) {
            self.with_key(key, now, |link, cx| link.poll_direct(cx)).flatten()
        } else {
            None
        };
        if frame.is_none() {
            self.note_flushed(now);
        }
        frame
    }

    /// Handles the opening of a connection's datagram channel, unordered and without retransmissions, for
    /// volatile events. `max_message` is the maximum message that the remote side accepts, in bytes.
    pub fn handle_datagrams_open(
        &mut self,
        connection: ConnectionId,
        max_message: usize,
        now: Time,
    ) {
        self.with_connection(connection, now, |link, _| {
            link.set_datagrams(Some(max_message));
            LinkChange::Alive
        });
    }

    /// Handles a message received on a datagram channel.
    pub fn handle_datagram(&mut self, connection: ConnectionId, frame: Frame, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_datagram(frame, cx);
            LinkChange::Alive
        });
    }

    /// Handles the end of a datagram channel. The connection stays open: its data channel carries the volatile
    /// events.
    pub fn handle_datagrams_closed(&mut self, connection: ConnectionId, now: Time) {
        self.with_connection(connection, now, |link, _| {
            link.set_datagrams(None);
            LinkChange::Alive
        });
    }

    /// Returns the next message for the datagram channel of `connection`. Call it only when the channel has
    /// room: a returned message counts as sent.
    #[must_use = "a message is returned only once"]
    pub fn poll_datagram(&mut self, connection: ConnectionId, now: Time) -> Option<Frame> {
        let now = self.clock.inner(now);
        let key = self.links.key_of(connection).filter(|key| self.links.wants_datagram(*key))?;
        self.with_key(key, now, |link, cx| link.poll_datagram(cx)).flatten()
    }

    /// Returns the next connection that may have new output since it was last returned. A connection whose
    /// channel has no room, or whose transmit has not returned `None` yet, is not necessarily returned again.
    #[cfg(feature = "driver")]
    pub(crate) fn poll_direct_output(&mut self) -> Option<DirectOutput> {
        while let Some(key) = self.links.take_noted_via() {
            let Some(link) = self.links.at(key) else { continue };
            let via = link.via().map(|(neighbour, _)| neighbour);
            let neighbours = [via, link.heard_via()].map(|peer| self.links.key(peer?));
            neighbours.into_iter().flatten().for_each(|neighbour| self.links.note(neighbour));
        }
        while let Some(key) = self.links.take_noted() {
            let Some(link) = self.links.at(key) else { continue };
            let Some(connection) = link.connection_id() else { continue };
            let data = self.links.wants_direct(key) || self.has_work_for(link.peer());
            let datagrams = self.links.wants_datagram(key);
            if data || datagrams {
                return Some(DirectOutput { connection, data, datagrams });
            }
        }
        None
    }

    /// Runs `act` on the link of a live connection.
    fn with_connection(
        &mut self,
        connection: ConnectionId,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> LinkChange,
    ) {
        let now = self.advance(now);
        let Some(key) = self.links.key_of(connection) else { return };
        let verdict = self.with_key(key, now, act);
        if let Some(verdict) = verdict.filter(|verdict| *verdict != LinkChange::Alive)
            && let Some(peer) = self.links.at(key).map(|link| link.peer().clone())
        {
            self.conclude(&peer, verdict, now);
        }
        self.settle(now);
    }
}
