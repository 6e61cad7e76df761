//! The queue of messages for one client.

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

/// A message for one or more clients. It is encoded once, when the first socket has room.
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
    /// Weak: the socket's own handlers refer to this outbox.
    socket: Weak<Socket>,
    queue: Mutex<Queue>,
    /// Held while sending, so that two threads do not reorder messages.
    sending: Mutex<()>,
    /// Whether the client has received its `CONNECT`.
    open: AtomicBool,
    closed: AtomicBool,
    /// Whether the outbox is in the list of those that wait for room. Then only the task of the timers sends.
    waiting: AtomicBool,
    retry: Mutex<Retry>,
}

/// When to retry after the socket was full.
///
/// `socketioxide` closes the connection of a client whose buffer is full when a ping is due. The pauses therefore grow
/// until a burst drains within one, so that the buffer is not full all the time.
struct Retry {
    at: Instant,
    pause: Duration,
}

/// Messages sent at once after the socket was full: half of its buffer by default.
const BURST: usize = 64;

/// The first pause after the socket was full, and the shortest.
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
    /// More messages wait, and the socket has room.
    More,
    /// The socket has no room.
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

    /// Appends a message. Returns `false` when the queue would exceed `max` bytes; an empty queue takes any message.
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

    /// Returns the client's socket, if it is still there.
    pub(super) fn socket(&self) -> Option<Arc<Socket>> {
        self.socket.upgrade()
    }

    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// Drops the waiting messages; [`flush`](Self::flush) then sends the farewell, if any, and disconnects the client.
    pub(super) fn close(&self, farewell: Option<QueuedMessage>) {
        // Who is sending removes what it has sent: that must not be the farewell.
        let _sending = lock(&self.sending);
        let messages = farewell.map(Arc::new).into_iter().collect();
        *lock(&self.queue) = Queue { messages, bytes: 0 };
        self.closed.store(true, Ordering::Release);
    }

    /// Sends as many messages as the socket has room for. Returns whether the caller must add the outbox to the list of
    /// those that wait.
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

    /// Retries a client on the list. Returns when to retry next; `None` when the outbox has left the list.
    pub(super) fn retry(&self, now: Instant, undeliverable: &AtomicU64) -> Option<Instant> {
        let mut retry = lock(&self.retry);
        if now < retry.at {
            return Some(retry.at);
        }
        retry.pause = match self.send(BURST, undeliverable) {
            Progress::Done => {
                self.waiting.store(false, Ordering::Release);
                // A message queued in between found the outbox on the list.
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
        let is_closed = self.closed.load(Ordering::Acquire);
        if !self.open.load(Ordering::Acquire) {
            return if is_closed { disconnect(socket) } else { Progress::Done };
        }
        let _sending = lock(&self.sending);
        for _ in 0..max {
            let Some(next) = lock(&self.queue).messages.front().cloned() else {
                return if is_closed { disconnect(socket) } else { Progress::Done };
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
                // The disconnect of the client follows and reaches the hub.
                Err(SendError::Socket(SocketError::Closed)) => return Progress::Done,
                Err(SendError::Serialize(_)) => {
                    undeliverable.fetch_add(1, Ordering::Relaxed);
                }
            }
            let mut queue = lock(&self.queue);
            if queue.messages.pop_front().is_some() {
                queue.bytes = queue.bytes.saturating_sub(next.weight);
            }
        }
        Progress::More
    }
}

fn disconnect(socket: Arc<Socket>) -> Progress {
    match SocketRef::from(socket).disconnect() {
        Err(SocketError::InternalChannelFull) => Progress::Full,
        Ok(()) | Err(SocketError::Closed) => Progress::Done,
    }
}
