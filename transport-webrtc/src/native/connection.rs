//! The task of one connection: negotiating, open, closing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use socketio_p2p_core::ConnectionId;
use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::{IceServer, Signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::PeerConnection;

use super::callbacks::Handler;
use super::channel::{WebRtcChannel, acknowledged};
use super::crate_settings::build;
use super::datagrams::Datagrams;
use super::negotiating::Negotiating;
use super::open::Open;
use super::runtime::{ConnectionRuntime, Cut, Haste, Nudge};
use super::trickle::Trickle;
use crate::candidates::RemoteCandidates;
use crate::config::WebRtcConfig;
use crate::role::Role;

/// Callbacks that may wait for the task. When the queue is full, the crate's own task waits.
const CALLBACKS: usize = 64;

/// One connection, before its task starts.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) role: Role,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) datagrams: bool,
    pub(super) config: Arc<WebRtcConfig>,
    pub(super) cut: Cut,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// Resolves when the session closes the connection.
    pub(super) stop: oneshot::Receiver<Infallible>,
    pub(super) events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
}

impl Connection {
    /// Runs until the connection ends or the session closes it, and releases its sockets and tasks.
    pub(super) async fn run(self) {
        let Self { id, role, ice_servers, datagrams, config, cut, signals, mut stop, events } =
            self;
        // Ends the crate's tasks, also when this task panics or is aborted.
        let haste = Haste::default();
        let nudge = Nudge::default();
        let (runtime, _tasks) =
            ConnectionRuntime::new(config.socket_buffer, cut, haste.clone(), nudge.clone());
        let (callbacks, happened) = mpsc::channel(CALLBACKS);
        let handler = Arc::new(Handler {
            callbacks,
            channels: AtomicUsize::new(0),
            taken: AtomicBool::new(false),
            role: (&role).into(),
            haste: haste.clone(),
        });
        let built = tokio::select! {
            biased;
            _ = &mut stop => {
                #[cfg(feature = "tracing")]
                crate::trace::closed(id);
                return;
            }
            built = build(&config, ice_servers, runtime, handler) => built,
        };
        let error = match built {
            Ok(peer) => {
                let remote = RemoteCandidates::new();
                let (events, mid, reported) = (events.clone(), None, None);
                let negotiating = Negotiating {
                    trickle: Trickle { id, peer: Arc::clone(&peer), events, mid, remote, reported },
                    config: Arc::clone(&config),
                    happened,
                    signals,
                    channel: None,
                    datagrams: Datagrams::new(datagrams),
                    max_message: 0,
                };
                let closing = live(negotiating, role, &haste, &nudge, &mut stop).await;
                closing.close(&*peer, &config).await
            }
            Err(error) => Some(error),
        };
        #[cfg(feature = "tracing")]
        match &error {
            Some(error) => crate::trace::ended(id, error),
            None => crate::trace::closed(id),
        }
        if let Some(error) = error {
            tokio::select! {
                _ = &mut stop => {}
                // Fails only when the transport was dropped.
                _ = events.send(DirectEvent::Closed { connection: id, error }) => {}
            }
        }
    }
}

/// Runs the connection from the negotiation to its end.
async fn live(
    mut negotiating: Negotiating,
    role: Role,
    haste: &Haste,
    nudge: &Nudge,
    stop: &mut oneshot::Receiver<Infallible>,
) -> Closing {
    let opening = tokio::select! {
        biased;
        _ = &mut *stop => return Closing::Asked(negotiating.channel),
        opening = negotiating.run(role) => match opening {
            Ok(opening) => opening,
            Err(error) => return Closing::Over(error),
        },
    };
    haste.end();
    let channel = Arc::clone(&opening.channel);
    tokio::select! {
        biased;
        _ = stop => Closing::Asked(Some(channel)),
        error = async { Open::begin(negotiating, opening, nudge).await.run().await } => {
            Closing::Over(error)
        }
    }
}

/// Why a connection closes.
enum Closing {
    /// The session closes it. The data channel, if there is one, may have outstanding messages.
    Asked(Option<Arc<dyn DataChannel>>),
    /// It failed, or the remote closed it.
    Over(TransportError),
}

impl Closing {
    /// Closes the connection, and reports the error of one that the session did not close.
    async fn close(
        self,
        peer: &dyn PeerConnection,
        config: &WebRtcConfig,
    ) -> Option<TransportError> {
        let error = match self {
            Self::Asked(None) => None,
            Self::Asked(Some(channel)) => {
                let _ = timeout(config.linger, acknowledged(&*channel)).await;
                None
            }
            Self::Over(error) => Some(error),
        };
        // Fails only when the connection is already closed.
        let _ = peer.close().await;
        error
    }
}
