//! What waits for one client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use socketio_p2p_core::signal::ServerMessage;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError};

use super::state::lock;
use super::wire::{Wire, weight};

/// A message for one client or many. It is encoded once, when the first of them can take it.
pub(super) struct Outgoing {
    message: ServerMessage,
    weight: usize,
    wire: OnceLock<Option<Wire>>,
}

impl Outgoing {
    pub(super) fn new(message: ServerMessage) -> Self {
        Self { weight: weight(&message), message, wire: OnceLock::new() }
    }
}

pub(super) struct Outbox {
    /// Weak: the socket's own handlers lead here.
    socket: Weak<Socket>,
    queue: Mutex<Queue>,
    /// Held while sending, so that two threads do not swap two messages.
    sending: Mutex<()>,
    /// Whether the client has its `CONNECT`.
    open: AtomicBool,
    closed: AtomicBool,
    /// Whether it is in the list of those that wait for room.
    waiting: AtomicBool,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Arc<Outgoing>>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    /// The socket takes no more for now.
    Full,
}

impl Outbox {
    pub(super) fn new(socket: Weak<Socket>) -> Self {
        Self {
            socket,
            queue: Mutex::default(),
            sending: Mutex::default(),
            open: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
        }
    }

    /// Appends a message. Refused when the queue would grow past `max` bytes; a message for an empty queue is
    /// always taken.
    pub(super) fn push(&self, message: Arc<Outgoing>, max: usize) -> bool {
        let mut queue = lock(&self.queue);
        let bytes = queue.bytes + message.weight;
        if bytes > max && !queue.messages.is_empty() {
            return false;
        }
        queue.bytes = bytes;
        queue.messages.push_back(message);
        true
    }

    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// Drops what waits; [`flush`](Self::flush) disconnects the client.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *lock(&self.queue) = Queue::default();
    }

    /// Whether the caller is the one to put it on the list.
    pub(super) fn start_waiting(&self) -> bool {
        !self.waiting.swap(true, Ordering::AcqRel)
    }

    pub(super) fn stop_waiting(&self) {
        self.waiting.store(false, Ordering::Release);
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&self, undeliverable: &AtomicU64) -> Progress {
        let Some(socket) = self.socket.upgrade() else { return Progress::Done };
        if self.closed.load(Ordering::Acquire) {
            return match SocketRef::from(socket).disconnect() {
                Err(SocketError::InternalChannelFull) => Progress::Full,
                Ok(()) | Err(SocketError::Closed) => Progress::Done,
            };
        }
        if !self.open.load(Ordering::Acquire) {
            return Progress::Done;
        }
        let _sending = lock(&self.sending);
        loop {
            let Some(next) = lock(&self.queue).messages.front().cloned() else {
                return Progress::Done;
            };
            let sent = match next.wire.get_or_init(|| Wire::new(&next.message)) {
                Some(wire) => wire.emit(&socket),
                None => {
                    undeliverable.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
            };
            match sent {
                Ok(()) => {}
                Err(SendError::Socket(SocketError::InternalChannelFull)) => return Progress::Full,
                // The departure of the client is on its way to the hub.
                Err(SendError::Socket(SocketError::Closed)) => return Progress::Done,
                Err(SendError::Serialize(_)) => {
                    undeliverable.fetch_add(1, Ordering::Relaxed);
                }
            }
            let mut queue = lock(&self.queue);
            // It may have been emptied by `close` meanwhile.
            if queue.messages.pop_front().is_some() {
                queue.bytes = queue.bytes.saturating_sub(next.weight);
            }
        }
    }
}
