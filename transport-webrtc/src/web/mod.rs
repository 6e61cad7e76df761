//! WebRTC of the browser.

mod channel;
mod connection;
mod data;
mod failure;
mod happened;
mod inbox;
mod negotiating;
mod open;
mod peer;
mod report;
mod sleep;
mod trickle;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures::channel::{mpsc, oneshot};
use futures::{Stream, StreamExt as _};
use js_sys::futures::spawn_local;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport};
use socketio_p2p_core::wire::{IceServer, Signal};
use socketio_p2p_core::{ConfigError, ConnectionId};
#[cfg(feature = "tracing")]
use tracing::Instrument as _;

pub use channel::WebRtcChannel;
use connection::Connection;

use crate::config::WebRtcConfig;
use crate::connections::Connections;
use crate::role::Role;
#[cfg(feature = "tracing")]
use crate::trace;

/// Signals that may wait for the task of a connection: more than the maximum number of candidates.
const SIGNALS: usize = 2 * crate::sdp::MAX_CANDIDATES;

/// Events that may wait for the application before the tasks of the connections wait.
const EVENTS: usize = 64;

/// Opens direct connections: one ordered, reliable WebRTC data channel each, and a datagram channel if both ends want
/// one.
///
/// The transport is a stream of [`DirectEvent`]s and takes [`DirectCommand`]s. Each connection runs on its own task of
/// the page, so commands return at once. The stream never ends. Dropping the transport closes all connections.
///
/// - An offer or answer contains the candidates found within [`WebRtcConfig::gather_timeout`]; later ones follow as
///   [`Signal::Candidate`].
/// - Remote candidates that come before the answer wait for it. TCP candidates are skipped.
/// - [`DirectEvent::Report`] comes with each stage, with the candidates of both sides, and before the `Closed` of a
///   connection that did not open. The pair of candidates in use is reported before [`DirectEvent::Open`].
/// - [`DirectEvent::Datagrams`], if any, comes after [`DirectEvent::Open`].
/// - [`DirectEvent::Closed`] comes once, after the application has read the frames that came before. If the application
///   does not read them, the event comes after 1 s, and the frames stay readable.
/// - A silent path (ICE "disconnected") ends the connection after [`WebRtcConfig::path_timeout`].
/// - [`DirectCommand::Close`] closes the data channel, and waits up to [`WebRtcConfig::linger`] until the remote has
///   confirmed it, and so received what was sent.
pub struct WebRtcTransport {
    config: Rc<WebRtcConfig>,
    connections: Connections<Running>,
    sender: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    events: mpsc::Receiver<DirectEvent<WebRtcChannel>>,
}

/// A connection with a task. Dropping this makes the task close the connection.
struct Running {
    signals: mpsc::Sender<Signal>,
    _stop: oneshot::Sender<Infallible>,
}

impl WebRtcTransport {
    /// Creates a transport on the tasks of the page.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is out of its bounds, see [`WebRtcConfig::validate`].
    pub fn new(config: WebRtcConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let connections = Connections::new(config.max_connections);
        let (sender, events) = mpsc::channel(EVENTS);
        Ok(Self { config: Rc::new(config), connections, sender, events })
    }

    /// The number of connections, open and opening.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn start(
        &mut self,
        id: ConnectionId,
        ice_servers: Vec<IceServer>,
        datagrams: bool,
        role: Role,
    ) {
        if !self.connections.has_room_for(id) {
            return;
        }
        #[cfg(feature = "tracing")]
        trace::begun(id, &role);
        let (signals, incoming) = mpsc::channel(SIGNALS);
        let (stop, stopped) = oneshot::channel();
        let connection = Connection {
            id,
            role,
            ice_servers,
            datagrams,
            config: Rc::clone(&self.config),
            signals: incoming,
            stop: stopped,
            events: self.sender.clone(),
        };
        self.connections.insert(id, Running { signals, _stop: stop });
        let run = connection.run();
        // What the task logs belongs to the session.
        #[cfg(feature = "tracing")]
        let run = run.in_current_span();
        spawn_local(run);
    }

    fn signal(&mut self, id: ConnectionId, signal: Signal) {
        let Some(running) = self.connections.get_mut(id) else { return };
        // When the task has ended, its `Closed` event follows.
        if running.signals.try_send(signal).is_err_and(|error| error.is_full()) {
            let error = format!("expected at most {SIGNALS} unprocessed signals, got one more");
            self.connections.fail(id, error);
        }
    }
}

impl DirectTransport for WebRtcTransport {
    type Channel = WebRtcChannel;

    fn execute(&mut self, command: DirectCommand) {
        match command {
            DirectCommand::Offer { connection, ice_servers, datagrams } => {
                self.start(connection, ice_servers, datagrams, Role::Offerer);
            }
            DirectCommand::Answer { connection, ice_servers, sdp, datagrams } => {
                self.start(connection, ice_servers, datagrams, Role::Answerer(sdp));
            }
            DirectCommand::Signal { connection, signal } => self.signal(connection, signal),
            DirectCommand::Close { connection } => self.connections.close(connection),
            // Commands of later core versions are ignored.
            _ => {}
        }
    }
}

impl Stream for WebRtcTransport {
    type Item = DirectEvent<WebRtcChannel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(failure) = self.connections.next_failure(cx) {
            return Poll::Ready(Some(failure));
        }
        while let Some(event) = ready!(self.events.poll_next_unpin(cx)) {
            if self.connections.take(&event) {
                return Poll::Ready(Some(event));
            }
        }
        Poll::Ready(None)
    }
}

impl fmt::Debug for WebRtcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtcTransport")
            .field("config", &self.config)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}
