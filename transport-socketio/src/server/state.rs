//! The state that the handlers share: the hub behind a lock, the outboxes, and the task of the timers.
//!
//! The lock is held while the hub works and its output is queued in outboxes. Encoding and sending follow, under a
//! lock per client.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use socketio_p2p_core::hub::{Admission, Departure, Hub, JoinError, Output};
use socketio_p2p_core::wire::{ClientMessage, Join};
use socketio_p2p_core::{ClientId, Packet, Time};
use socketioxide::socket::{Sid, Socket};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::admission::Hook;
use super::application::{OnEvent, PeerEvent, PeerReply};
use super::lock::lock;
use super::outbox::{Outbox, QueuedMessage};
use super::{RoomForV0, ServerStats};

pub(super) struct Settings {
    pub(super) queue_bytes: usize,
    pub(super) room_for_v0: RoomForV0,
    pub(super) admission: Option<Hook>,
    pub(super) admission_timeout: Duration,
    pub(super) on_event: Option<OnEvent>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) settings: Settings,
    /// The origin of the hub's clock.
    origin: Instant,
    /// Wakes the task of the timers: a timer is earlier, or a client waits for room.
    wake: Arc<Notify>,
    /// Clients that wait for room, or to be disconnected.
    waiting: Mutex<Vec<Arc<Outbox>>>,
    evicted: AtomicU64,
    undeliverable: AtomicU64,
}

/// The result of carrying out the hub's output.
struct Settled {
    /// Whether the task of the timers must wake: a timer is earlier, or a client waits for room.
    wakes: bool,
    /// An event for the server's application.
    event: Option<PeerEvent>,
}

struct State {
    hub: Hub,
    outboxes: BTreeMap<ClientId, Arc<Outbox>>,
    by_socket: HashMap<Sid, ClientId>,
    /// Clients that have joined and have not received their `CONNECT`.
    opening: HashMap<Sid, ClientId>,
    /// The deadline of the task of the timers.
    armed: Option<Time>,
}

impl Shared {
    pub(super) fn start(
        hub: Hub,
        settings: Settings,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        let shared = Arc::new(Self {
            state: Mutex::new(State {
                hub,
                outboxes: BTreeMap::new(),
                by_socket: HashMap::new(),
                opening: HashMap::new(),
                armed: None,
            }),
            settings,
            origin: Instant::now(),
            wake: Arc::new(Notify::new()),
            waiting: Mutex::new(Vec::new()),
            evicted: AtomicU64::new(0),
            undeliverable: AtomicU64::new(0),
        });
        runtime.spawn(run(Arc::downgrade(&shared), Arc::clone(&shared.wake)));
        shared
    }

    pub(super) fn join(
        &self,
        join: Join,
        admission: Admission,
        socket: Sid,
        outbox: Arc<Outbox>,
    ) -> Result<ClientId, JoinError> {
        let now = self.now();
        let mut state = lock(&self.state);
        let client = state.hub.handle_admitted(join, admission, Some(socket.as_str()), now)?;
        state.opening.insert(socket, client);
        state.by_socket.insert(socket, client);
        state.outboxes.insert(client, outbox);
        self.settle_and_wake(state, now);
        Ok(client)
    }

    /// Passes a client's message to the hub; `None` for a packet that is no message of the dialect. `reply` answers a
    /// message that is for the server's application and asks for an answer.
    pub(super) fn receive(
        &self,
        client: ClientId,
        message: Option<ClientMessage>,
        reply: Option<PeerReply>,
    ) {
        let now = self.now();
        let mut state = lock(&self.state);
        // The hub counts refused messages and closes clients that send too many. The client gets no answer.
        let _refused = match message {
            Some(message) => state.hub.handle_message(client, message, now).err(),
            None => Some(state.hub.handle_malformed(client, now)),
        };
        let came = self.settle_and_wake(state, now);
        if let (Some(event), Some(on_event)) = (came, &self.settings.on_event) {
            on_event(PeerEvent { reply, ..event });
        }
    }

    /// Runs a command of the server's application.
    pub(super) fn command<T>(&self, act: impl FnOnce(&mut Hub, Time) -> T) -> T {
        let now = self.now();
        let mut state = lock(&self.state);
        let result = act(&mut state.hub, now);
        self.settle_and_wake(state, now);
        result
    }

    /// Returns the socket of a client.
    pub(super) fn socket(&self, client: ClientId) -> Option<Arc<Socket>> {
        lock(&self.state).outboxes.get(&client)?.socket()
    }

    /// Returns the client of a socket.
    pub(super) fn client_of(&self, socket: Sid) -> Option<ClientId> {
        lock(&self.state).by_socket.get(&socket).copied()
    }

    /// Returns whether clients wait for room, or to be disconnected.
    pub(super) fn is_busy(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    pub(super) fn depart(&self, client: ClientId, socket: Sid, departure: Departure) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.opening.remove(&socket);
        state.by_socket.remove(&socket);
        if state.outboxes.remove(&client).is_some() {
            state.hub.handle_disconnect(client, departure, now);
            self.settle_and_wake(state, now);
        }
    }

    /// Sends the messages that waited for the client's `CONNECT`. Returns `false` when the hub has closed the client in
    /// between.
    pub(super) fn open(&self, socket: Sid) -> bool {
        let outbox = {
            let mut state = lock(&self.state);
            let client = state.opening.remove(&socket);
            client.and_then(|client| state.outboxes.get(&client).cloned())
        };
        let Some(outbox) = outbox else { return false };
        outbox.open();
        if self.flush(&outbox) {
            self.wake.notify_one();
        }
        true
    }

    pub(super) fn stats(&self) -> ServerStats {
        ServerStats {
            hub: self.with_hub(Hub::stats),
            evicted: self.evicted.load(Ordering::Relaxed),
            undeliverable: self.undeliverable.load(Ordering::Relaxed),
        }
    }

    pub(super) fn with_hub<T>(&self, read: impl FnOnce(&Hub) -> T) -> T {
        read(&lock(&self.state).hub)
    }

    fn now(&self) -> Time {
        let elapsed = self.origin.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Carries out the hub's output, and wakes the task of the timers if it must. Returns an event for the server's
    /// application: there is at most one per input.
    fn settle_and_wake(&self, state: MutexGuard<'_, State>, now: Time) -> Option<PeerEvent> {
        let Settled { wakes, event } = self.settle(state, now);
        if wakes {
            self.wake.notify_one();
        }
        event
    }

    /// Carries out the hub's output and releases the lock in between.
    fn settle(&self, mut state: MutexGuard<'_, State>, now: Time) -> Settled {
        let mut dirty: BTreeMap<ClientId, Arc<Outbox>> = BTreeMap::new();
        let mut closed = Vec::new();
        let mut event = None;
        let State { hub, outboxes, armed, opening: _, by_socket: _ } = &mut *state;
        while let Some(output) = hub.poll_output() {
            match output {
                Output::Send { to, message } => {
                    let message = Arc::new(QueuedMessage::new(message));
                    let mut overfull = Vec::new();
                    for client in hub.receivers(&to) {
                        let Some(outbox) = outboxes.get(&client) else { continue };
                        if outbox.push(Arc::clone(&message), self.settings.queue_bytes) {
                            dirty.insert(client, Arc::clone(outbox));
                        } else {
                            overfull.push(client);
                        }
                    }
                    for client in overfull {
                        self.evicted.fetch_add(1, Ordering::Relaxed);
                        #[cfg(feature = "tracing")]
                        super::trace::evicted(hub, client, self.settings.queue_bytes);
                        hub.handle_disconnect(client, Departure::Lost, now);
                        dirty.remove(&client);
                        closed.extend(outboxes.remove(&client).map(|outbox| (outbox, None)));
                    }
                }
                Output::Close { client, farewell, .. } => {
                    dirty.remove(&client);
                    let farewell = farewell.map(QueuedMessage::new);
                    closed.extend(outboxes.remove(&client).map(|outbox| (outbox, farewell)));
                }
                Output::Application { client, packet } => event = hub_event(hub, client, packet),
                // Outputs of later core versions are ignored.
                _ => {}
            }
        }
        let due = hub.poll_timeout();
        let earlier = due.is_some_and(|due| armed.is_none_or(|armed| due < armed));
        if earlier {
            *armed = due;
        }
        drop(state);

        let mut waits = false;
        for outbox in dirty.values() {
            waits |= self.flush(outbox);
        }
        for (outbox, farewell) in closed {
            outbox.close(farewell);
            waits |= self.flush(&outbox);
        }
        Settled { wakes: earlier || waits, event }
    }

    /// Sends as many messages as the client's socket has room for. Returns whether the client now waits for room.
    fn flush(&self, outbox: &Arc<Outbox>) -> bool {
        let waits = outbox.flush(&self.undeliverable);
        if waits {
            lock(&self.waiting).push(Arc::clone(outbox));
        }
        waits
    }

    /// Runs due timers and retries waiting clients; returns the next deadline. Called by the task of the timers itself,
    /// so it does not wake it.
    fn tick(&self) -> Option<Instant> {
        let now = self.now();
        let mut state = lock(&self.state);
        state.armed = None;
        state.hub.handle_timeout(now);
        self.settle(state, now);
        let due = lock(&self.state).armed.map(|due| self.origin + due.saturating_since(Time::ZERO));

        let mut waiting = std::mem::take(&mut *lock(&self.waiting));
        let now = Instant::now();
        let mut next = due;
        waiting.retain(|outbox| {
            let retry = outbox.retry(now, &self.undeliverable);
            next = match (next, retry) {
                (Some(next), Some(retry)) => Some(next.min(retry)),
                (next, retry) => next.or(retry),
            };
            retry.is_some()
        });
        // Clients added in between have woken the task.
        lock(&self.waiting).append(&mut waiting);
        next
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Returns the event of a client for the server's application, without the way to answer.
fn hub_event(hub: &Hub, client: ClientId, packet: Packet) -> Option<PeerEvent> {
    let (room, peer) = (hub.room_of(client)?.clone(), hub.peer_id(client)?.clone());
    let user = hub.user_of(client).cloned();
    Some(PeerEvent { room, peer, user, packet, reply: None })
}

/// Runs the timers until the server is dropped.
async fn run(shared: Weak<Shared>, wake: Arc<Notify>) {
    loop {
        let next = match shared.upgrade() {
            Some(shared) => shared.tick(),
            None => return,
        };
        let woken = wake.notified();
        match next {
            Some(next) => {
                let _ = tokio::time::timeout_at(next, woken).await;
            }
            None => woken.await,
        }
    }
}
