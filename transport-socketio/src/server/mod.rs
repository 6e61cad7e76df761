//! The server: the hub as an add-on to a `socketioxide` server.

mod admission;
mod application;
mod handlers;
mod lock;
mod outbox;
mod state;
#[cfg(feature = "tracing")]
mod trace;
mod wire;

#[cfg(feature = "listen")]
mod listen;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_p2p_core::hub::{Admission, Hub, HubConfig, HubStats};
use socketio_p2p_core::wire::{IceServer, Member};
use socketio_p2p_core::{ConfigError, PeerId, RoomName};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler;
use socketioxide::socket::Sid;
use socketioxide::{ParserConfig, SocketIo, SocketIoBuilder};
use thiserror::Error;

use self::admission::{ADMISSION_TIMEOUT, Hook};
pub use self::admission::{JoinRequest, Rejection, RejectionError};
use self::application::OnEvent;
pub use self::application::{AskError, PeerEvent, PeerReply, ReplyFailure};
use self::handlers::Gate;
#[cfg(feature = "listen")]
pub use self::listen::{ListenError, Listener};
use self::state::{Settings, Shared};
use crate::seed::{RandomnessError, random_seed};

/// Default maximum of bytes that wait for one client.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// A server for peers: signalling, presence and relay, added to a Socket.IO server with one call, as `io.use(p2p)`
/// does for the original.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use socketio_p2p_core::hub::HubConfig;
/// use socketio_p2p_transport_socketio::SignalingServer;
/// use socketioxide::SocketIo;
///
/// let (layer, io) = SocketIo::new_layer();
/// SignalingServer::new(HubConfig::default()).attach(&io, "/")?;
/// // `layer` goes into the application's own axum, hyper or tower server.
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
///
/// Peers of this library state the v1 dialect and their room in their `CONNECT`. Clients of the original JavaScript
/// library state neither; they join the room that [`with_room_for_v0`](Self::with_room_for_v0) chooses. On
/// Socket.IO 2.x they need the feature `eio3`, and WebSocket for binary events: `socketioxide` 0.18.9 corrupts
/// attachments for such clients over polling.
///
/// # What a server should set
///
/// First [`token_key`](HubConfig::token_key), to bytes that are kept between runs: it makes the peers' identities, and so
/// their links, outlive a restart of the server. Without it each restart gives all peers new ids.
///
/// [`socket_io_builder`] sets the limits of the Socket.IO server to those of the hub. Without it:
///
/// - `max_payload` is the limit that the server announces and the clients respect. Its default of 100 kB also bounds
///   relayed packets, because [`attach`](Self::attach) lowers the hub's limit to it.
/// - `ws_max_message_size` and `ws_max_frame_size` (64 MiB, 16 MiB) bound the memory that one client can claim;
///   slightly more than the hub's `max_envelope` is enough.
/// - `max_buffer_size` is the number of packets that wait for one client's socket, 128 by default. Further packets
///   wait in a queue of this crate. When the buffer is full at the time of a ping, `socketioxide` closes the client's
///   connection.
/// - `ping_interval` plus `ping_timeout` (25 s + 20 s) is the time after which a silent connection counts as lost;
///   the hub's `resume_window` for its peer begins then. Meshes need shorter values: [`socket_io_builder`] sets
///   5 s + 5 s.
#[derive(Clone)]
pub struct SignalingServer {
    config: HubConfig,
    seed: Option<[u8; 32]>,
    queue_bytes: usize,
    room_for_v0: RoomForV0,
    admission: Option<Hook>,
    admission_timeout: Duration,
    on_event: Option<OnEvent>,
}

type RoomForV0 = Arc<dyn Fn(&V0Client<'_>) -> RoomName + Send + Sync>;

/// A connecting client of the original library.
#[derive(Debug)]
pub struct V0Client<'a> {
    socket: &'a SocketRef,
    auth: Option<&'a str>,
}

impl V0Client<'_> {
    /// The HTTP request that opened its connection: the URL with the query, and the headers.
    #[must_use]
    pub fn request(&self) -> &http::request::Parts {
        self.socket.req_parts()
    }

    /// The auth payload of its `CONNECT`, as JSON. Clients of Socket.IO 2.x have none.
    #[must_use]
    pub fn auth(&self) -> Option<&str> {
        self.auth
    }
}

/// Why a signalling server cannot be attached.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The caller is outside of a tokio runtime, which the timers need.
    #[error("attach() expects a tokio runtime, got none: call it from async code")]
    NoRuntime,
    /// The system's source of randomness, for peer ids and tokens, failed.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// A setting of the hub is out of its bounds.
    #[error("the configuration of the hub is not valid")]
    Config(#[from] ConfigError),
}

impl SignalingServer {
    /// Creates a server with this configuration of the hub.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            seed: None,
            queue_bytes: QUEUE_BYTES,
            room_for_v0: Arc::new(|_| RoomName::default()),
            admission: None,
            admission_timeout: ADMISSION_TIMEOUT,
            on_event: None,
        }
    }

    /// Sets a function that chooses the room of each client of the original library, for example from the query of its
    /// URL. By default all join the default room. The function runs when the client connects and must not block.
    #[must_use]
    pub fn with_room_for_v0(
        mut self,
        room: impl Fn(&V0Client<'_>) -> RoomName + Send + Sync + 'static,
    ) -> Self {
        self.room_for_v0 = Arc::new(room);
        self
    }

    /// Sets the admission: the application's decision about each client that connects, after the middlewares and before
    /// the hub. It checks the auth payload and says who the client is ([`Admission::user`], which all members see), in
    /// which room it is and how many members that room may have, or refuses the client.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use socketio_p2p_core::MemberData;
    /// use socketio_p2p_core::hub::{Admission, HubConfig};
    /// use socketio_p2p_transport_socketio::{JoinRequest, Rejection, SignalingServer};
    ///
    /// #[derive(Deserialize)]
    /// struct Ticket {
    ///     ticket: String,
    /// }
    ///
    /// let server = SignalingServer::new(HubConfig::default()).with_admission(async |client: JoinRequest| {
    ///     let Ticket { ticket } = client.read_auth()?;
    ///     // An application asks its database.
    ///     let Some(name) = ticket.strip_prefix("ticket of ") else {
    ///         return Err(Rejection::new("no-ticket", "expected a ticket")?);
    ///     };
    ///     // What a client sends may be too long for member data: `?` refuses it then.
    ///     Ok(Admission::default().with_user(MemberData::new(name)?))
    /// });
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn with_admission<D, F>(mut self, decide: D) -> Self
    where
        D: Fn(JoinRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Admission, Rejection>> + Send + 'static,
    {
        self.admission = Some(Arc::new(move |request| Box::pin(decide(request))));
        self
    }

    /// Sets the time for an admission; a client that waits for longer is refused with the code `admission-timeout`, and
    /// told to come back after 2 s. Default: 5 s.
    #[must_use]
    pub fn with_admission_timeout(mut self, timeout: Duration) -> Self {
        self.admission_timeout = timeout;
        self
    }

    /// Sets the handler of events that v1 peers send to the server's application. It runs on the task of the peer's
    /// connection, in the order of the events, and must not block.
    #[must_use]
    pub fn with_on_event(mut self, handle: impl Fn(PeerEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(handle));
        self
    }

    /// Sets the maximum of bytes that wait for one client, in addition to the buffer of the Socket.IO server. A client
    /// that exceeds it loses its connection. Default 8 MiB.
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Sets the seed of peer ids and, without a [`token_key`](HubConfig::token_key), of the key of the resume tokens,
    /// for tests: ids and tokens become predictable. Never in production. By default the system's source of randomness
    /// gives the seed.
    #[must_use]
    pub fn with_seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Serves peers on the namespace `namespace` of `io`.
    ///
    /// [`AttachError`] outside of a tokio runtime, when the system's source of randomness fails, or when a setting of
    /// the hub is out of its bounds.
    pub fn attach(
        self,
        io: &SocketIo,
        namespace: impl Into<Cow<'static, str>>,
    ) -> Result<SignalingHandle, AttachError> {
        self.attach_with(io, namespace, async || {})
    }

    /// Serves peers on a namespace on which the application has its own events. The application's connect handler runs
    /// after the client has joined, its middlewares (`handler.with(…)`) before; a client that they refuse does not
    /// reach the hub.
    ///
    /// Events with a handler of the application (`socket.on(…)`) are not broadcast to the room. The fallback handler
    /// and the disconnect handler of the sockets belong to the signalling.
    ///
    /// ```no_run
    /// # use socketio_p2p_transport_socketio::{AttachError, SignalingServer};
    /// # use socketioxide::{SocketIo, extract::SocketRef, handler::ConnectHandler as _};
    /// # fn run(io: &SocketIo) -> Result<(), AttachError> {
    /// let on_connect = async |socket: SocketRef| {
    ///     socket.on("time", async |socket: SocketRef| {
    ///         let _ = socket.emit("time", "now");
    ///     });
    /// };
    /// let door = async |socket: SocketRef| match socket.req_parts().headers.get("x-key") {
    ///     Some(_) => Ok(()),
    ///     None => Err("no key"),
    /// };
    /// SignalingServer::default().attach_with(io, "/", on_connect.with(door))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub fn attach_with<H, T>(
        self,
        io: &SocketIo,
        namespace: impl Into<Cow<'static, str>>,
        on_connect: H,
    ) -> Result<SignalingHandle, AttachError>
    where
        H: ConnectHandler<LocalAdapter, T>,
        T: Send + Sync + 'static,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| AttachError::NoRuntime)?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let engine = &io.config().engine_config;
        let wire_limit = engine
            .max_payload
            .min(engine.ws_max_message_size as u64)
            .min(engine.ws_max_frame_size as u64);
        let mut config = self.config;
        let limit = u32::try_from(wire_limit).unwrap_or(u32::MAX);
        config.limits.max_envelope = config.limits.max_envelope.min(limit);

        let settings = Settings {
            queue_bytes: self.queue_bytes,
            room_for_v0: self.room_for_v0,
            admission: self.admission,
            admission_timeout: self.admission_timeout,
            on_event: self.on_event,
        };
        let shared = Shared::start(Hub::new(config, seed)?, settings, &runtime);
        io.ns(namespace, Gate::new(Arc::clone(&shared), on_connect));
        Ok(SignalingHandle { shared })
    }
}

impl Default for SignalingServer {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl fmt::Debug for SignalingServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalingServer")
            .field("config", &self.config)
            .field("queue_bytes", &self.queue_bytes)
            .finish_non_exhaustive()
    }
}

/// A handle on a running signalling server. The server runs as long as the Socket.IO server does, with or without
/// handles.
#[derive(Clone)]
pub struct SignalingHandle {
    shared: Arc<Shared>,
}

impl SignalingHandle {
    /// Counters for monitoring.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// Sets the numbers of the recorder of `metrics`: see [`metrics`](crate::metrics).
    #[cfg(feature = "metrics")]
    pub fn record_metrics(&self) {
        crate::metrics::record_server(&self.stats());
    }

    /// Returns whether the signalling takes new clients: not after [`drain`](Self::drain).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.with_hub(|hub| !hub.is_closing())
    }

    /// The rooms that have a member.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomName> {
        self.shared.with_hub(|hub| hub.rooms().cloned().collect())
    }

    /// The members of a room in the order of their joining.
    #[must_use]
    pub fn members(&self, room: &RoomName) -> Vec<Member> {
        self.shared.with_hub(|hub| hub.members(room).collect())
    }

    /// Replaces the ICE servers of later welcomes, for example for TURN credentials that expire.
    pub fn set_ice_servers(&self, servers: Vec<IceServer>) {
        self.shared.command(|hub, _| hub.set_ice_servers(servers));
    }

    /// Returns the room and the peer id of the client on this socket.
    #[must_use]
    pub fn peer_of(&self, socket: Sid) -> Option<(RoomName, PeerId)> {
        let client = self.shared.client_of(socket)?;
        self.shared
            .with_hub(|hub| Some((hub.room_of(client)?.clone(), hub.peer_id(client)?.clone())))
    }

    /// Returns the socket of a member that is present.
    #[must_use]
    pub fn socket_of(&self, room: &RoomName, peer: &PeerId) -> Option<SocketRef> {
        let client = self.shared.with_hub(|hub| hub.client_of(room, peer))?;
        self.shared.socket(client).map(SocketRef::from)
    }

    /// Removes a member from its room, as [`Hub::kick`] does: its links end at once, direct ones too, and its resume
    /// token is not valid any more. Returns whether the room had the member.
    pub fn kick(&self, room: &RoomName, peer: &PeerId) -> bool {
        self.shared.command(|hub, now| hub.kick(room, peer, now))
    }

    /// Removes all members of a room. Returns their number.
    pub fn close_room(&self, room: &RoomName) -> usize {
        self.shared.command(|hub, now| hub.close_room(room, now))
    }

    /// Ends the signalling in an orderly way, for example before a restart: tells v1 clients to come back after
    /// `retry_after`, refuses new ones, and waits until the messages have left, at most `within`. Direct paths go on.
    /// Returns whether all have left in time.
    ///
    /// # Cancel safety
    /// Clients are told with the first poll; dropping the future later stops the waiting only.
    pub async fn drain(&self, retry_after: Duration, within: Duration) -> bool {
        /// How often it looks whether messages wait.
        const LOOK: Duration = Duration::from_millis(5);
        #[cfg(feature = "tracing")]
        trace::draining(self.shared.with_hub(Hub::stats).clients, retry_after);
        self.shared.command(|hub, now| hub.close(retry_after, now));
        let emptied = async {
            while self.shared.is_busy() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let complete = tokio::time::timeout(within, emptied).await.is_ok();
        #[cfg(feature = "tracing")]
        trace::drained(complete);
        complete
    }
}

impl fmt::Debug for SignalingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalingHandle").field("stats", &self.stats()).finish()
    }
}

/// Counters for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// The hub's counters.
    pub hub: HubStats,
    /// Clients that lost their connection since the start because their queue was full.
    pub evicted: u64,
    /// Packets dropped since the start because they had no valid form for their receiver: the body of a v1 peer's
    /// envelope to a v0 client was not a Socket.IO packet.
    pub undeliverable: u64,
}

/// Returns a builder of Socket.IO servers with limits that fit those of the hub: every message that the hub accepts
/// passes, larger ones are refused early, and lost connections are noticed within 10 s.
#[must_use]
pub fn socket_io_builder(config: &HubConfig) -> SocketIoBuilder {
    /// Bytes for the header of an envelope, and for signals.
    const HEADERS: usize = 64 * 1024;
    let envelope = config.limits.max_envelope as usize;
    let message = envelope.max(config.max_signal.saturating_mul(config.max_offers)) + HEADERS;
    let parser = ParserConfig::common()
        .max_incoming_binaries(config.limits.max_attachments as usize)
        .max_incoming_binary_buf_size(envelope);
    SocketIo::builder()
        .with_parser(parser)
        // A polling client sends attachments as base64.
        .max_payload((message + message / 3) as u64)
        .ws_max_message_size(message)
        .ws_max_frame_size(message)
        .ping_interval(Duration::from_secs(5))
        .ping_timeout(Duration::from_secs(5))
}
