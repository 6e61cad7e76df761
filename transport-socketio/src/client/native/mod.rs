//! The WebSocket of native programs, on tokio.

mod options;
mod socket;

pub(super) use futures::future::BoxFuture;
use socketio_p2p_core::handle::WeakPeer;

pub(super) use self::options::Options;
pub(super) use self::socket::{Socket, SocketError};

/// Runs the task of a session on the current tokio runtime.
pub(super) fn spawn(run: impl Future<Output = ()> + Send + 'static, _: WeakPeer) {
    tokio::spawn(run);
}
