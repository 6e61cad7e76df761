//! The WebSocket of browsers.

mod inbox;
mod online;
mod socket;

pub(super) use futures::future::LocalBoxFuture as BoxFuture;
use socketio_p2p_core::handle::WeakPeer;
use wasm_bindgen_futures::spawn_local;

pub(super) use self::inbox::SocketError;
use self::online::Online;
pub(super) use self::socket::Socket;

/// What a program can say about the request that opens a connection: browsers let it say nothing.
#[derive(Clone, Default)]
pub(super) struct Options;

/// Runs the task of a session on the event loop.
pub(super) fn spawn(run: impl Future<Output = ()> + 'static, peer: WeakPeer) {
    spawn_local(async move {
        let _online = Online::new(peer);
        run.await;
    });
}
