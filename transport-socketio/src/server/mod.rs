//! The server's side: the hub as an add-on to a `socketioxide` server.

mod handlers;
mod lock;
mod outbox;
mod state;
mod wire;

#[cfg(feature = "listen")]
mod listen;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use socketio_p2p_core::hub::{Hub, HubConfig, HubStats};
use socketio_p2p_core::wire::{IceServer, Member};
use socketio_p2p_core::{ConfigError, RoomName};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo, SocketIoBuilder};
use thiserror::Error;

use self::handlers::Gate;
#[cfg(feature = "listen")]
pub use self::listen::{ListenError, Listener};
use self::state::{Settings, Shared};

/// What is kept for a client that reads more slowly than others write, by default.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// A server for peers: signalling, presence and relay, added to a Socket.IO server with one call, as
/// `io.use(p2p)` adds it to the original.
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
/// Peers of this library say in their `CONNECT` that they speak the v1 dialect, and in which room they meet.
/// Clients of the original JavaScript library say nothing; they meet in the room that
/// [`with_room_for_v0`](Self::with_room_for_v0) gives them. On Socket.IO 2.x they need the feature `eio3`, and
/// WebSocket for binary events: `socketioxide` 0.18.9 garbles attachments for such clients over polling.
///
/// # What a server should set
///
/// [`socket_io_builder`] sets the limits of the Socket.IO server to those of the hub. On a builder of your own:
///
/// - `max_payload` is what the server announces, and the clients keep to it. Its default of 100 kB bounds the
///   relayed packets too, for [`attach`](Self::attach) lowers the hub's limit to it.
/// - `ws_max_message_size` and `ws_max_frame_size` (64 MiB, 16 MiB) bound what one client can make the server
///   hold; a little more than the hub's `max_envelope` is enough.
/// - `max_buffer_size` is the number of packets that wait for one client's socket, 128 by default. What does
///   not fit waits in a queue of ours. When the server's ping finds the buffer full, `socketioxide` takes the
///   client for dead.
/// - `ping_interval` plus `ping_timeout` (25 s + 20 s) is the time after which a connection that went silent
///   counts as lost; only then does the hub's `resume_window` begin for its peer. Shorter is better for meshes:
///   [`socket_io_builder`] takes 5 s + 5 s.
#[derive(Clone)]
pub struct SignalingServer {
    config: HubConfig,
    seed: Option<[u8; 32]>,
    queue_bytes: usize,
    room_for_v0: RoomForV0,
}

type RoomForV0 = Arc<dyn Fn(&V0Client<'_>) -> RoomName + Send + Sync>;

/// A client of the original library that connects.
#[derive(Debug)]
pub struct V0Client<'a> {
    socket: &'a SocketRef,
    auth: Option<&'a str>,
}

impl V0Client<'_> {
    /// The HTTP request that opened its connection: the address with the query, and the headers.
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
    /// There is no tokio runtime for the timers.
    #[error("attach() needs a tokio runtime: call it from async code")]
    NoRuntime,
    /// The system gives no randomness, of which peer ids and tokens are made.
    #[error("the system's source of randomness failed: {0}")]
    Randomness(getrandom::Error),
    /// A setting of the hub cannot be.
    #[error("the configuration of the hub is not valid")]
    Config(#[from] ConfigError),
}

impl SignalingServer {
    /// A server with these settings.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self {
            config,
            seed: None,
            queue_bytes: QUEUE_BYTES,
            room_for_v0: Arc::new(|_| RoomName::default()),
        }
    }

    /// Chooses the room of each client of the original library, for instance from the query of its address. The
    /// default room by default. It runs when the client connects and must not block.
    #[must_use]
    pub fn with_room_for_v0(
        mut self,
        room: impl Fn(&V0Client<'_>) -> RoomName + Send + Sync + 'static,
    ) -> Self {
        self.room_for_v0 = Arc::new(room);
        self
    }

    /// How many bytes may wait for one client, beyond what the Socket.IO server buffers. A client with more
    /// loses its connection. 8 MiB by default.
    #[must_use]
    pub fn with_queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Makes the peer ids predictable, for tests. Never in production: ids and, without a
    /// [`token_key`](HubConfig::token_key), the key of the resume tokens come from the seed. Without this call
    /// the seed comes from the system.
    #[must_use]
    pub fn with_seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Serves peers on the namespace `namespace` of `io`.
    ///
    /// # Errors
    /// [`AttachError`] outside a tokio runtime, or when the system gives no randomness.
    pub fn attach(
        self,
        io: &SocketIo,
        namespace: impl Into<Cow<'static, str>>,
    ) -> Result<SignalingHandle, AttachError> {
        self.attach_with(io, namespace, async || {})
    }

    /// Serves peers on a namespace on which the application has events of its own. Its connect handler runs
    /// after the client has joined, its middlewares (`handler.with(…)`) before; a client that they refuse never
    /// reaches the hub.
    ///
    /// Events with a handler of the application (`socket.on(…)`) are not broadcast to the room. The fallback
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
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(AttachError::Randomness)?;
                seed
            }
        };
        let engine = &io.config().engine_config;
        let wire_limit = engine
            .max_payload
            .min(engine.ws_max_message_size as u64)
            .min(engine.ws_max_frame_size as u64);
        let mut config = self.config;
        let limit = u32::try_from(wire_limit).unwrap_or(u32::MAX);
        config.limits.max_envelope = config.limits.max_envelope.min(limit);

        let settings = Settings { queue_bytes: self.queue_bytes, room_for_v0: self.room_for_v0 };
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

/// A view of a running signalling server. The server runs as long as the Socket.IO server does, with or without
/// handles.
#[derive(Clone)]
pub struct SignalingHandle {
    shared: Arc<Shared>,
}

impl SignalingHandle {
    /// Numbers for monitoring.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.stats()
    }

    /// The rooms that have a member.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomName> {
        self.shared.with_hub(|hub| hub.rooms().cloned().collect())
    }

    /// The members of a room in the order in which they came.
    #[must_use]
    pub fn members(&self, room: &RoomName) -> Vec<Member> {
        self.shared.with_hub(|hub| hub.members(room).collect())
    }

    /// Replaces the ICE servers that clients are told from now on, as for TURN credentials that expire.
    pub fn set_ice_servers(&self, servers: Vec<IceServer>) {
        self.shared.set_ice_servers(servers);
    }
}

impl fmt::Debug for SignalingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalingHandle").field("stats", &self.stats()).finish()
    }
}

/// Numbers for monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// The hub's.
    pub hub: HubStats,
    /// Clients that lost their connection since the start because they read too slowly.
    pub evicted: u64,
    /// Packets since the start that could not be brought into a form for their receiver: a v1 peer sent a v0
    /// client what is no Socket.IO packet.
    pub undeliverable: u64,
}

/// A builder of Socket.IO servers with limits that fit the hub's: everything that the hub takes comes through,
/// nothing much bigger is held in memory, and lost connections are noticed within ten seconds.
#[must_use]
pub fn socket_io_builder(config: &HubConfig) -> SocketIoBuilder {
    /// Room for the header of an envelope and for signals.
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
        .ping_interval(std::time::Duration::from_secs(5))
        .ping_timeout(std::time::Duration::from_secs(5))
}
