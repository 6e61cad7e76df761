//! Connections of the direct transport: signals, data channels, datagram channels.

use super::Session;
use crate::frame::Frame;
use crate::id::{ConnectionId, PeerId};
use crate::link::{Context, Link, LinkChange};
use crate::time::Time;
use crate::wire::Signal;

/// A connection that may have something for these of its channels.
#[cfg(feature = "driver")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectOutput {
    pub(crate) connection: ConnectionId,
    pub(crate) data: bool,
    pub(crate) datagrams: bool,
}

impl Session {
    /// The direct connection with a peer that is there or being made, for tests and diagnostics.
    #[doc(hidden)]
    #[must_use]
    pub fn connection_of(&self, peer: &PeerId) -> Option<ConnectionId> {
        self.links.get(peer)?.connection_id()
    }

    /// Whether this connection is there or being made.
    #[cfg(feature = "driver")]
    pub(crate) fn is_live(&self, connection: ConnectionId) -> bool {
        self.links.key_of(connection).is_some()
    }

    /// A signal of the direct transport's for the remote end.
    pub fn handle_direct_signal(&mut self, connection: ConnectionId, signal: &Signal, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_local_signal(signal, cx);
            LinkChange::Alive
        });
    }

    /// The data channel of a connection is open; `max_message` is the longest message that the remote end
    /// takes, in bytes.
    pub fn handle_direct_open(&mut self, connection: ConnectionId, max_message: usize, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_open(max_message, cx);
            LinkChange::Alive
        });
    }

    /// A message came on a data channel.
    pub fn handle_direct_frame(&mut self, connection: ConnectionId, frame: Frame, now: Time) {
        self.with_connection(connection, now, |link, cx| link.handle_frame(frame, cx));
    }

    /// A connection could not be made or is over; `error` goes to the application.
    pub fn handle_direct_closed(&mut self, connection: ConnectionId, error: String, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_direct_closed(error, cx);
            LinkChange::Alive
        });
    }

    /// The next message for the data channel of `connection`. Call it only when the channel has room: what it
    /// returns counts as sent.
    #[must_use = "what it returns is not returned again"]
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

    /// The datagram channel of a connection is open: unordered and without retransmissions, for volatile events.
    /// `max_message` is the longest message that the remote end takes, in bytes.
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

    /// A message came on a datagram channel.
    pub fn handle_datagram(&mut self, connection: ConnectionId, frame: Frame, now: Time) {
        self.with_connection(connection, now, |link, cx| {
            link.handle_datagram(frame, cx);
            LinkChange::Alive
        });
    }

    /// A datagram channel is over. The connection is not: volatile events go over its data channel.
    pub fn handle_datagrams_closed(&mut self, connection: ConnectionId, now: Time) {
        self.with_connection(connection, now, |link, _| {
            link.set_datagrams(None);
            LinkChange::Alive
        });
    }

    /// The next message for the datagram channel of `connection`. Call it only when the channel has room: what it
    /// returns counts as sent.
    #[must_use = "what it returns is not returned again"]
    pub fn poll_datagram(&mut self, connection: ConnectionId, now: Time) -> Option<Frame> {
        let now = self.clock.inner(now);
        let key = self.links.key_of(connection).filter(|key| self.links.wants_datagram(*key))?;
        self.with_key(key, now, |link, cx| link.poll_datagram(cx)).flatten()
    }

    /// The next connection that may have something to send that it did not have when it was named last. While a channel
    /// has no room, or until its transmit has returned `None`, it is not named for certain again.
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

    /// Runs `act` on the link that a live connection belongs to.
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
