//! The WebSocket of native programs, on tokio.

mod options;
mod socket;

pub(super) use futures::future::BoxFuture;

pub(super) use self::options::Options;
pub(super) use self::socket::{Socket, SocketError};

/// Runs a task on the current tokio runtime.
pub(super) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
