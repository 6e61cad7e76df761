//! The state that the handlers share: the hub behind a lock, the outboxes, and the task of the timers.
//!
//! The lock is held while the hub works and its output is queued in outboxes. Encoding and sending follow, under a
//! lock per client.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use socketio_p2p_core::hub::{Departure, Hub, JoinError, Output};
use socketio_p2p_core::wire::{ClientMessage, IceServer, Join};
use socketio_p2p_core::{ClientId, Time};
use socketioxide::socket::Sid;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::lock::lock;
use super::outbox::{Outbox, QueuedMessage};
use super::{RoomForV0, ServerStats};

pub(super) struct Settings {
    pub(super) queue_bytes: usize,
    pub(super) room_for_v0: RoomForV0,
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

struct State {
    hub: Hub,
    outboxes: BTreeMap<ClientId, Arc<Outbox>>,
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
        socket: Sid,
        outbox: Arc<Outbox>,
    ) -> Result<ClientId, JoinError> {
        let now = self.now();
        let mut state = lock(&self.state);
        let client = state.hub.handle_connect(join, Some(socket.as_str()), now)?;
        state.opening.insert(socket, client);
        state.outboxes.insert(client, outbox);
        self.settle_and_wake(state, now);
        Ok(client)
    }

    /// Passes a client's message to the hub; `None` for a packet that is no message of the dialect.
    pub(super) fn receive(&self, client: ClientId, message: Option<ClientMessage>) {
        let now = self.now();
        let mut state = lock(&self.state);
        // The hub counts refused messages and closes clients that send too many. The client gets no answer.
        let _refused = match message {
            Some(message) => state.hub.handle_message(client, message, now).err(),
            None => Some(state.hub.handle_malformed(client, now)),
        };
        self.settle_and_wake(state, now);
    }

    pub(super) fn depart(&self, client: ClientId, socket: Sid, departure: Departure) {
        let now = self.now();
        let mut state = lock(&self.state);
        state.opening.remove(&socket);
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

    pub(super) fn set_ice_servers(&self, servers: Vec<IceServer>) {
        lock(&self.state).hub.set_ice_servers(servers);
    }

    fn now(&self) -> Time {
        let elapsed = self.origin.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    fn settle_and_wake(&self, state: MutexGuard<'_, State>, now: Time) {
        if self.settle(state, now) {
            self.wake.notify_one();
        }
    }

    /// Carries out the hub's output and releases the lock in between. Returns whether the task of the timers must wake:
    /// a timer is earlier, or a client waits for room.
    fn settle(&self, mut state: MutexGuard<'_, State>, now: Time) -> bool {
        let mut dirty: BTreeMap<ClientId, Arc<Outbox>> = BTreeMap::new();
        let mut closed = Vec::new();
        let State { hub, outboxes, armed, opening: _ } = &mut *state;
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
                        hub.handle_disconnect(client, Departure::Lost, now);
                        dirty.remove(&client);
                        closed.extend(outboxes.remove(&client));
                    }
                }
                Output::Close { client, .. } => {
                    dirty.remove(&client);
                    closed.extend(outboxes.remove(&client));
                }
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

        for outbox in &closed {
            outbox.close();
        }
        let mut waits = false;
        for outbox in dirty.values().chain(&closed) {
            waits |= self.flush(outbox);
        }
        earlier || waits
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
