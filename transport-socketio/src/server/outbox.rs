//! What waits for one client.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use socketio_p2p_core::wire::ServerMessage;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Socket;
use socketioxide::{SendError, SocketError};
use tokio::time::Instant;

use super::lock::lock;
use super::wire::{Wire, weight};

/// A message for one client or many. It is encoded once, when the first of them can take it.
pub(super) struct QueuedMessage {
    message: ServerMessage,
    weight: usize,
    wire: OnceLock<Option<Wire>>,
}

impl QueuedMessage {
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
    /// Whether it is in the list of those that wait for room. Only the task of the timers sends then.
    waiting: AtomicBool,
    retry: Mutex<Retry>,
}

/// When to try again after the socket was full.
///
/// `socketioxide` gives a client up whose buffer is full when a ping is due. So the buffer is not filled to the
/// brim again and again: the pauses become as long as it takes to drain a burst, which then fits.
struct Retry {
    at: Instant,
    pause: Duration,
}

/// How many messages are sent at once after the socket was full: half of what its buffer holds by default.
const BURST: usize = 64;

/// The pause after the socket was full, at first and at least.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Queue {
    messages: VecDeque<Arc<QueuedMessage>>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Done,
    /// There is more, and the socket would take it.
    More,
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
            retry: Mutex::new(Retry { at: Instant::now(), pause: SHORTEST_PAUSE }),
        }
    }

    /// Appends a message. Refused when the queue would grow past `max` bytes; a message for an empty queue is
    /// always taken.
    pub(super) fn push(&self, message: Arc<QueuedMessage>, max: usize) -> bool {
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

    /// Drops what waits; [`flush`](Self::flush) then disconnects the client.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *lock(&self.queue) = Queue::default();
    }

    /// Sends what the socket takes. Whether the caller has to put it on the list of those that wait.
    pub(super) fn flush(&self, undeliverable: &AtomicU64) -> bool {
        if self.waiting.load(Ordering::Acquire) {
            return false;
        }
        match self.send(usize::MAX, undeliverable) {
            Progress::Done | Progress::More => false,
            Progress::Full => {
                let mut retry = lock(&self.retry);
                *retry = Retry { at: Instant::now() + SHORTEST_PAUSE, pause: SHORTEST_PAUSE };
                !self.waiting.swap(true, Ordering::AcqRel)
            }
        }
    }

    /// Tries again for a client on the list. When it has to be tried once more; none when it is off the list.
    pub(super) fn retry(&self, now: Instant, undeliverable: &AtomicU64) -> Option<Instant> {
        let mut retry = lock(&self.retry);
        if now < retry.at {
            return Some(retry.at);
        }
        retry.pause = match self.send(BURST, undeliverable) {
            Progress::Done => {
                self.waiting.store(false, Ordering::Release);
                // What was queued just before found the list taken.
                return match self.send(BURST, undeliverable) {
                    Progress::Done => None,
                    Progress::More | Progress::Full => {
                        self.waiting.store(true, Ordering::Release);
                        retry.at = now + retry.pause;
                        Some(retry.at)
                    }
                };
            }
            Progress::More => (retry.pause - retry.pause / 8).max(SHORTEST_PAUSE),
            Progress::Full => (retry.pause * 2).min(LONGEST_PAUSE),
        };
        retry.at = now + retry.pause;
        Some(retry.at)
    }

    fn send(&self, max: usize, undeliverable: &AtomicU64) -> Progress {
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
        for _ in 0..max {
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
        Progress::More
    }
}
