//! The events that the application has not read.

use std::collections::VecDeque;
use std::task::Waker;

use crate::event::Event;

/// The maximum number of unread events, beyond which nothing is read from the transports.
const MAX_EVENTS: usize = 16_384;

/// The factor between the bound at which peers are told to wait, and the bound for those that do not.
const LAST_RESORT: usize = 4;

/// The queue of unread events.
#[derive(Debug)]
pub(super) struct Unread {
    events: VecDeque<Event>,
    /// The bytes of the packets in the queue.
    bytes: usize,
    bound: usize,
    /// The reader, while it waits.
    reader: Option<Waker>,
    /// Whether the peers have been told to wait.
    is_paused: bool,
    /// Whether the transports are not read.
    is_flooded: bool,
    /// Whether the stream has been dropped: events are discarded.
    is_unwanted: bool,
}

impl Unread {
    pub(super) const fn new(bound: usize) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            bound,
            reader: None,
            is_paused: false,
            is_flooded: false,
            is_unwanted: false,
        }
    }

    pub(super) fn push(&mut self, event: Event, woken: &mut Vec<Waker>) {
        if self.is_unwanted {
            return;
        }
        self.bytes += weight(&event);
        self.events.push_back(event);
        self.is_flooded |=
            self.events.len() > MAX_EVENTS || self.bytes > self.bound.saturating_mul(LAST_RESORT);
        woken.extend(self.reader.take());
    }

    /// Returns the next event, and whether the transports are to be read again.
    pub(super) fn pop(&mut self) -> Option<(Event, bool)> {
        let event = self.events.pop_front()?;
        self.bytes -= weight(&event);
        Some((event, self.take_relief()))
    }

    fn take_relief(&mut self) -> bool {
        let low = self.events.len() <= MAX_EVENTS / 2
            && self.bytes <= self.bound.saturating_mul(LAST_RESORT) / 2;
        low && std::mem::take(&mut self.is_flooded)
    }

    /// Returns whether a session that receives is to pause (`Some(false)`), or one that pauses is to receive
    /// (`Some(true)`), and notes it.
    pub(super) fn take_change(&mut self) -> Option<bool> {
        let paused = match self.is_paused {
            false => self.bytes > self.bound,
            true => self.bytes > self.bound / 2,
        };
        (paused != self.is_paused).then(|| {
            self.is_paused = paused;
            !paused
        })
    }

    /// Returns whether [`take_change`](Self::take_change) would let the session receive.
    pub(super) const fn may_receive_again(&self) -> bool {
        self.is_paused && self.bytes <= self.bound / 2
    }

    pub(super) const fn is_flooded(&self) -> bool {
        self.is_flooded
    }

    pub(super) const fn is_unwanted(&self) -> bool {
        self.is_unwanted
    }

    pub(super) fn wait(&mut self, reader: &Waker) {
        self.reader = Some(reader.clone());
    }

    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.reader.take());
    }

    /// Discards the events, and all that follow.
    pub(super) fn discard(&mut self) -> VecDeque<Event> {
        self.is_unwanted = true;
        self.is_flooded = false;
        self.bytes = 0;
        self.reader = None;
        std::mem::take(&mut self.events)
    }
}

/// Returns the bytes of an event's packet, or of the data about a member.
fn weight(event: &Event) -> usize {
    if let Event::PeerJoined { user, metadata, .. } | Event::PeerUpdated { user, metadata, .. } =
        event
    {
        return [user, metadata].into_iter().flatten().map(|data| data.as_json().len()).sum();
    }
    if let Event::Received { packet, .. }
    | Event::ServerEvent { packet, .. }
    | Event::ServerAck { packet, .. }
    | Event::TransferOpened { packet, .. }
    | Event::Ack { packet, .. } = event
    {
        packet.wire_len()
    } else {
        0
    }
}
