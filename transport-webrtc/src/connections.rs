//! The connections of a transport, and the failures that the application has not heard of yet.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Waker};

use socketio_p2p_core::ConnectionId;
use socketio_p2p_core::driver::{DirectEvent, TransportError};

#[cfg(feature = "tracing")]
use crate::trace;

/// The connections of a transport, each with its `R`: what the transport has of a task that runs. Dropping that makes
/// the task close the connection.
#[derive(Debug)]
pub(crate) struct Connections<R> {
    running: BTreeMap<ConnectionId, R>,
    limit: usize,
    /// The `Closed` events of connections that failed outside of their tasks.
    failed: VecDeque<(ConnectionId, TransportError)>,
    waker: Option<Waker>,
}

impl<R> Connections<R> {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { running: BTreeMap::new(), limit, failed: VecDeque::new(), waker: None }
    }

    /// The number of connections, open and opening.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut R> {
        self.running.get_mut(&id)
    }

    /// Returns whether there is room for one more. If not, that one fails.
    pub(crate) fn has_room_for(&mut self, id: ConnectionId) -> bool {
        let limit = self.limit;
        if self.running.len() < limit {
            return true;
        }
        self.fail(id, format!("expected at most {limit} connections, got one more"));
        false
    }

    pub(crate) fn insert(&mut self, id: ConnectionId, running: R) {
        self.running.insert(id, running);
    }

    /// Ends a connection with an error, which the application gets.
    pub(crate) fn fail(&mut self, id: ConnectionId, error: String) {
        self.running.remove(&id);
        let error = TransportError(error);
        #[cfg(feature = "tracing")]
        trace::ended(id, &error);
        self.failed.push_back((id, error));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ends a connection that the session closes.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        self.running.remove(&id);
        self.failed.retain(|(failed, _)| *failed != id);
    }

    /// Returns the next failure, or wakes `cx` with it.
    pub(crate) fn next_failure<C>(&mut self, cx: &Context<'_>) -> Option<DirectEvent<C>> {
        let failure = self.failed.pop_front();
        if failure.is_none() {
            self.waker = Some(cx.waker().clone());
        }
        failure.map(|(connection, error)| DirectEvent::Closed { connection, error })
    }

    /// Returns whether the application gets an event of a task. Those of a connection that the session has closed are
    /// dropped.
    pub(crate) fn take<C>(&mut self, event: &DirectEvent<C>) -> bool {
        match event {
            DirectEvent::Signal { connection, .. }
            | DirectEvent::Report { connection, .. }
            | DirectEvent::Open { connection, .. }
            | DirectEvent::Datagrams { connection, .. } => self.running.contains_key(connection),
            DirectEvent::Closed { connection, .. } => self.running.remove(connection).is_some(),
            _ => false,
        }
    }
}
