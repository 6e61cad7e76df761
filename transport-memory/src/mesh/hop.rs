//! The hops between the ends of sockets and connections: delays, and bytes in flight.

use std::time::Duration;

use socketio_p2p_core::{ConnectionId, PeerId, Time};

use super::delivery::Scheduled;
use super::effects::{Effects, Fault};
use crate::broker::End;
use crate::conditions::Conditions;
use crate::dice::Dice;
use crate::server::SocketId;

/// One direction of an ordered path.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hop {
    /// When the last message arrives.
    last: Time,
    /// When a narrow path is free again.
    free: Time,
}

impl Hop {
    /// When a message of this length arrives that is sent now.
    pub(super) fn send(
        &mut self,
        now: Time,
        delay: Duration,
        conditions: &Conditions,
        len: usize,
        dice: &mut Dice,
        effects: &mut Effects,
    ) -> Time {
        let at = self.send_aside(now, delay, conditions, len, dice, effects);
        self.last = self.last.max(at);
        self.last
    }

    /// The same for a message that may overtake others.
    pub(super) fn send_aside(
        &mut self,
        now: Time,
        delay: Duration,
        conditions: &Conditions,
        len: usize,
        dice: &mut Dice,
        effects: &mut Effects,
    ) -> Time {
        let mut at = now;
        if conditions.rate > 0 {
            let start = self.free.max(now);
            if start > now {
                effects.change(Fault::Bandwidth);
            }
            let nanos = (len as u64).saturating_mul(1_000_000_000) / u64::from(conditions.rate);
            self.free = start + Duration::from_nanos(nanos);
            at = self.free;
        }
        at = at + delay;
        if !conditions.delay.is_zero() {
            effects.change(Fault::Delay);
            at = at + conditions.delay;
        }
        if !conditions.jitter.is_zero() {
            effects.change(Fault::Jitter);
            at = at + dice.span(conditions.jitter);
        }
        at
    }

    /// Lets queued messages arrive then at the latest.
    pub(super) fn hasten(&mut self, soon: Time) {
        self.last = self.last.min(soon);
        self.free = self.free.min(soon);
    }

    pub(super) fn jump(&mut self, by: Duration) {
        self.last = self.last + by;
        self.free = self.free + by;
    }
}

/// A node's end of its socket to the hub.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) id: SocketId,
    pub(super) up: Hop,
    pub(super) down: Hop,
    /// Bytes in flight to the hub.
    pub(super) outstanding: usize,
    /// More would have been sent, had there been room.
    pub(super) limited: bool,
    /// When that was so last.
    pub(super) limited_at: Time,
}

impl Socket {
    pub(super) fn new(id: SocketId) -> Self {
        Self {
            id,
            up: Hop::default(),
            down: Hop::default(),
            outstanding: 0,
            limited: false,
            limited_at: Time::ZERO,
        }
    }
}

/// A node's end of a direct connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// The other end, once both have met.
    pub(super) other: Option<End>,
    pub(super) open: bool,
    /// Bytes in flight.
    pub(super) outstanding: usize,
    /// More would have been sent, had there been room.
    pub(super) limited: bool,
    /// When that was so last.
    pub(super) limited_at: Time,
    pub(super) hop: Hop,
    /// Its datagram channel is open.
    pub(super) has_datagrams: bool,
    /// The sender of the last pong received on it, and when it came. Noted in watched meshes.
    pub(super) pong: Option<(usize, Time)>,
}

impl Connection {
    pub(super) fn new(id: ConnectionId) -> Self {
        Self {
            id,
            other: None,
            open: false,
            outstanding: 0,
            limited: false,
            limited_at: Time::ZERO,
            hop: Hop::default(),
            has_datagrams: false,
            pong: None,
        }
    }
}

/// The direct paths between two nodes, in one direction.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) conditions: Conditions,
    /// The fault that silently holds all messages back.
    pub(super) silent: Option<Fault>,
    /// The messages held back.
    pub(super) held: Vec<Scheduled>,
    /// No direct connection can be made.
    pub(super) blocked: bool,
    /// How long direct connections last.
    pub(super) flap: Option<Duration>,
    /// Bundles forwarded of this peer are lost.
    pub(super) swallowed: Option<PeerId>,
    /// What was sent, and what came to the other node.
    pub(super) sent: Tally,
    pub(super) arrived: Tally,
}

/// So many messages, of so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(super) const fn count(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

impl Pair {
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }
}

impl Clone for Pair {
    /// A path with the same conditions, on which nothing was sent.
    fn clone(&self) -> Self {
        Self {
            held: Vec::new(),
            swallowed: None,
            sent: Tally::default(),
            arrived: Tally::default(),
            conditions: self.conditions,
            silent: self.silent,
            blocked: self.blocked,
            flap: self.flap,
        }
    }
}
