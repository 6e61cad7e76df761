//! The transport on UDP sockets of this machine.

mod addresses;
mod callbacks;
mod candidates;
mod channel;
mod config;
mod connection;
mod crate_settings;
mod datagrams;
mod failure;
mod handed_out;
mod negotiating;
mod open;
mod role;
mod runtime;
mod trickle;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures::Stream;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport, TransportError};
use socketio_p2p_core::wire::{IceServer, Signal};
use socketio_p2p_core::{ConfigError, ConnectionId};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

pub use channel::WebRtcChannel;
pub use config::WebRtcConfig;
use connection::Connection;
use role::Role;
use runtime::Cut;

/// Signals that may wait for a connection: more than the candidates that it takes.
const SIGNALS: usize = 2 * crate::sdp::MAX_CANDIDATES;

/// Events that may wait for the application, before the tasks of the connections wait.
const EVENTS: usize = 64;

/// Makes direct connections: one ordered, reliable WebRTC data channel each, and a datagram channel beside it
/// where both ends want one.
///
/// It is a stream of [`DirectEvent`]s that takes [`DirectCommand`]s; each connection works on a Tokio task of
/// its own, so commands return at once. The stream never ends. Dropping the transport closes all connections.
///
/// - An offer or answer carries the candidates found within [`WebRtcConfig::gather_timeout`]; later ones
///   follow as [`Signal::Candidate`].
/// - Remote candidates may come before the answer; they are kept until then. TCP candidates and names ending
///   in `.local` are skipped: a browser that hides behind such names is reached when its checks reach us.
/// - [`DirectEvent::Datagrams`] comes after [`DirectEvent::Open`], if it comes.
/// - [`DirectEvent::Closed`] comes once, after the application has read the frames that came before; an
///   application that does not read them gets it after a second, and can read them still.
/// - A path that is silent for a while (ICE "disconnected") does not close a connection; one that stays
///   silent for [`WebRtcConfig::path_timeout`] does.
/// - [`DirectCommand::Close`] tells the remote (SCTP ABORT and DTLS `close_notify`), after waiting up to
///   [`WebRtcConfig::linger`] for the acknowledgement of what was sent.
pub struct WebRtcTransport {
    config: Arc<WebRtcConfig>,
    runtime: Handle,
    connections: BTreeMap<ConnectionId, Running>,
    /// Connections that failed without a task: their `Closed` events.
    failed: VecDeque<(ConnectionId, TransportError)>,
    waker: Option<Waker>,
    sender: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    events: mpsc::Receiver<DirectEvent<WebRtcChannel>>,
}

/// A connection with a task. The task closes the connection when this is dropped.
struct Running {
    signals: mpsc::Sender<Signal>,
    cut: Cut,
    _stop: oneshot::Sender<Infallible>,
}

impl WebRtcTransport {
    /// A transport on the current Tokio runtime.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, as `tokio::spawn` does; [`WebRtcTransport::on`] takes one.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is out of its bounds: see [`WebRtcConfig::validate`].
    pub fn new(config: WebRtcConfig) -> Result<Self, ConfigError> {
        Self::on(config, Handle::current())
    }

    /// A transport on this Tokio runtime, which must have its I/O and time drivers enabled.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is out of its bounds: see [`WebRtcConfig::validate`].
    pub fn on(config: WebRtcConfig, runtime: Handle) -> Result<Self, ConfigError> {
        config.validate()?;
        let (sender, events) = mpsc::channel(EVENTS);
        Ok(Self {
            config: Arc::new(config),
            runtime,
            connections: BTreeMap::new(),
            failed: VecDeque::new(),
            waker: None,
            sender,
            events,
        })
    }

    /// How many connections there are, open and opening.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Cuts the path of a connection as if the network were gone: from now on its sockets swallow everything
    /// in both directions, and neither end is told. Both find out by
    /// [`WebRtcConfig::path_timeout`]. For tests and demonstrations. Tells whether there was such a connection.
    pub fn cut(&mut self, connection: ConnectionId) -> bool {
        let running = self.connections.get(&connection);
        running.inspect(|running| running.cut.cut()).is_some()
    }

    fn start(
        &mut self,
        id: ConnectionId,
        ice_servers: Vec<IceServer>,
        datagrams: bool,
        role: Role,
    ) {
        let limit = self.config.max_connections;
        if self.connections.len() >= limit {
            return self.fail(id, format!("there are {limit} connections, no more are allowed"));
        }
        let (signals, incoming) = mpsc::channel(SIGNALS);
        let (stop, stopped) = oneshot::channel();
        let cut = Cut::default();
        let connection = Connection {
            id,
            role,
            ice_servers,
            datagrams,
            config: Arc::clone(&self.config),
            cut: cut.clone(),
            signals: incoming,
            stop: stopped,
            events: self.sender.clone(),
        };
        self.connections.insert(id, Running { signals, cut, _stop: stop });
        self.runtime.spawn(connection.run());
    }

    fn signal(&mut self, id: ConnectionId, signal: Signal) {
        let Some(running) = self.connections.get(&id) else { return };
        match running.signals.try_send(signal) {
            // A task that has ended has its `Closed` event under way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.fail(id, format!("more than {SIGNALS} signals came at once"));
            }
        }
    }

    fn fail(&mut self, id: ConnectionId, error: String) {
        self.connections.remove(&id);
        self.failed.push_back((id, TransportError(error)));
        if let Some(waker) = self.waker.take() {
            waker.wake();
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
            DirectCommand::Close { connection } => {
                self.connections.remove(&connection);
                self.failed.retain(|(failed, _)| *failed != connection);
            }
            // Commands of a later core are not for this version.
            _ => {}
        }
    }
}

impl Stream for WebRtcTransport {
    type Item = DirectEvent<WebRtcChannel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((connection, error)) = self.failed.pop_front() {
            return Poll::Ready(Some(DirectEvent::Closed { connection, error }));
        }
        self.waker = Some(cx.waker().clone());
        while let Some(event) = ready!(self.events.poll_recv(cx)) {
            let known = match &event {
                DirectEvent::Signal { connection, .. }
                | DirectEvent::Open { connection, .. }
                | DirectEvent::Datagrams { connection, .. } => {
                    self.connections.contains_key(connection)
                }
                DirectEvent::Closed { connection, .. } => {
                    self.connections.remove(connection).is_some()
                }
                _ => false,
            };
            // What its task still had to say about a closed connection is of no interest.
            if known {
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
