//! The task of one connection: negotiating, open, closing.

use std::convert::Infallible;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::future::Fuse;
use futures::{FutureExt as _, SinkExt as _, select_biased};
use socketio_p2p_core::ConnectionId;
use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::{IceServer, Signal};

use super::channel::WebRtcChannel;
use super::data::Data;
use super::negotiating::Negotiating;
use super::open::Open;
use super::peer::Peer;
use super::sleep::sleep;
use super::trickle::Trickle;
use crate::config::WebRtcConfig;
use crate::role::Role;

/// One connection, before its task starts.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) role: Role,
    pub(super) ice_servers: Vec<IceServer>,
    pub(super) datagrams: bool,
    pub(super) config: Rc<WebRtcConfig>,
    pub(super) signals: mpsc::Receiver<Signal>,
    /// Resolves when the session closes the connection.
    pub(super) stop: oneshot::Receiver<Infallible>,
    pub(super) events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
}

impl Connection {
    /// Runs until the connection ends or the session closes it, and releases what the browser holds for it.
    pub(super) async fn run(self) {
        let Self { id, role, ice_servers, datagrams, config, signals, stop, mut events } = self;
        // Without this, `select!` passes over a receiver whose sender was dropped.
        let mut stop = stop.fuse();
        let (sender, happened) = mpsc::unbounded();
        let error = match Peer::new(&config, ice_servers, &role, sender) {
            Ok(peer) => {
                let peer = Rc::new(peer);
                let negotiating = Negotiating {
                    trickle: Trickle::new(id, Rc::clone(&peer), events.clone()),
                    config: Rc::clone(&config),
                    happened,
                    signals,
                    data: None,
                    wants_datagrams: datagrams,
                    datagrams: None,
                    max_message: 0,
                };
                live(negotiating, role, &mut stop).await.close(&config).await
            }
            Err(error) => Some(error),
        };
        #[cfg(feature = "tracing")]
        match &error {
            Some(error) => crate::trace::ended(id, error),
            None => crate::trace::closed(id),
        }
        if let Some(error) = error {
            select_biased! {
                _ = stop => {}
                // Fails only when the transport was dropped.
                _ = events.send(DirectEvent::Closed { connection: id, error }).fuse() => {}
            }
        }
    }
}

/// Runs the connection from the negotiation to its end.
async fn live(
    mut negotiating: Negotiating,
    role: Role,
    stop: &mut Fuse<oneshot::Receiver<Infallible>>,
) -> Closing {
    let opened = select_biased! {
        _ = &mut *stop => None,
        opened = negotiating.run(role).fuse() => Some(opened),
    };
    let data = match opened {
        None => return Closing::Asked(negotiating.data.take()),
        Some(Ok(data)) => data,
        Some(Err(error)) => return Closing::Over(error),
    };
    let open = async { Open::begin(negotiating, Rc::clone(&data)).await.run().await };
    select_biased! {
        _ = &mut *stop => Closing::Asked(Some(Rc::clone(&data))),
        error = open.fuse() => Closing::Over(error),
    }
}

/// Why a connection closes.
enum Closing {
    /// The session closes it. The data channel, if there is one, may have outstanding messages.
    Asked(Option<Rc<Data>>),
    /// It failed, or the remote closed it.
    Over(TransportError),
}

impl Closing {
    /// Waits until the remote has received what was sent, and returns the error of a connection that the session did
    /// not close.
    async fn close(self, config: &WebRtcConfig) -> Option<TransportError> {
        match self {
            Self::Asked(None) => None,
            Self::Asked(Some(data)) => {
                select_biased! {
                    () = data.finish().fuse() => {}
                    () = sleep(config.linger).fuse() => {}
                }
                None
            }
            Self::Over(error) => Some(error),
        }
    }
}
