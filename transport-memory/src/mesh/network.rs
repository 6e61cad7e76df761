//! The network of a mesh: its paths, and the messages in flight on them.

use std::time::Duration;

use socketio_p2p_core::Time;

use super::delivery::{Delivery, Scheduled};
use super::effects::{Effects, Fault};
use super::hop::Pair;
use super::queue::Queue;
use crate::broker::Broker;
use crate::conditions::{Latency, SignalFaults};
use crate::dice::Dice;
use crate::server::SocketId;

/// How long a half-open socket to the hub lasts until both ends notice.
const DEFAULT_PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum of bytes in flight in one direction of a direct connection.
const DEFAULT_OUTSTANDING: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Network {
    pub(super) dice: Dice,
    pub(super) latency: Latency,
    /// The direct paths, by sender and receiver.
    pub(super) pairs: Vec<Vec<Pair>>,
    pub(super) broker: Broker,
    pub(super) queue: Queue,
    next_delivery: u64,
    /// The node of each socket, those that are closed among them.
    pub(super) owners: Vec<usize>,
    pub(super) signal_faults: SignalFaults,
    pub(super) ping_timeout: Duration,
    /// The maximum of bytes in flight in one direction of a connection.
    pub(super) outstanding: usize,
    /// When the last of the delayed messages of the hub has arrived.
    pub(super) late_until: Time,
    pub(super) effects: Effects,
}

impl Network {
    pub(super) fn new(dice: Dice) -> Self {
        Self {
            dice,
            latency: Latency::default(),
            pairs: Vec::new(),
            broker: Broker::default(),
            queue: Queue::default(),
            next_delivery: 0,
            owners: Vec::new(),
            signal_faults: SignalFaults::default(),
            ping_timeout: DEFAULT_PING_TIMEOUT,
            outstanding: DEFAULT_OUTSTANDING,
            late_until: Time::ZERO,
            effects: Effects::default(),
        }
    }

    /// Adds the paths between one more node and all others.
    pub(super) fn add_node(&mut self) {
        for row in &mut self.pairs {
            row.push(Pair::default());
        }
        self.pairs.push(vec![Pair::default(); self.pairs.len() + 1]);
    }

    pub(super) fn schedule_at(&mut self, at: Time, delivery: Delivery) {
        let number = self.next_delivery;
        self.next_delivery += 1;
        self.queue.push(Scheduled { at, number, delivery });
    }

    /// Releases messages that were held back, before everything that was sent after them.
    pub(super) fn release(&mut self, held: Vec<Scheduled>, now: Time) {
        for Scheduled { number, delivery, .. } in held {
            self.effects.change(Fault::Heal);
            self.queue.push(Scheduled { at: now, number, delivery });
        }
    }

    /// Lets messages that were queued before a narrow path arrive soon: the path is wide again.
    pub(super) fn hasten(&mut self, soon: Time, is_queued: impl Fn(&Delivery) -> bool) {
        self.queue.reschedule(
            |at, delivery| {
                if at > soon && is_queued(delivery) { soon } else { at }
            },
        );
    }

    /// Notes that a delayed message arrives by then.
    pub(super) fn note_late(&mut self, until: Time) {
        self.late_until = self.late_until.max(until);
    }

    /// The node of a socket, open or closed.
    pub(super) fn owner(&self, socket: SocketId) -> Option<usize> {
        self.owners.get(usize::try_from(socket).ok()?).copied()
    }

    /// How many messages are in flight or held back.
    pub(super) fn in_flight(&self) -> usize {
        self.queue.len() + self.pairs.iter().flatten().map(Pair::held).sum::<usize>()
    }
}
