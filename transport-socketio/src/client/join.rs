//! The short way to a session: signalling, driver, handle and task in one call.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Sink, Stream, StreamExt as _};
use socketio_p2p_core::driver::{
    DirectEvent, DirectTransport, Driver, MaybeSend, MaybeSync, TransportError,
};
use socketio_p2p_core::handle::{Events, Peer};
use socketio_p2p_core::{
    AuthPayload, Config, ConfigError, DirectCommand, Event, Frame, JoinRefusal, MemberData, Policy,
    ResumeToken, RoomName, SignalingError,
};
use thiserror::Error;

use super::address::AddressError;
use super::host::{BoxFuture, spawn};
use super::signaling::SocketIoSignaling;
use crate::clock::{HostClock, timeout};
use crate::seed::{RandomnessError, random_seed};

/// Joins a room on the server at `url`, as [`SocketIoSignaling::new`] takes it. Awaiting it spawns the session's
/// task on the current tokio runtime, on the web on the event loop, and returns the handle and the stream of events
/// once the session is in its room. From then on the session connects again by itself whenever it loses the server; on
/// the web at once when the browser is online again.
///
/// When the server cannot be reached yet, it fails at once, unless it is told to
/// [wait for the server](Join::wait_for_server); [`Join::start`] does not wait for the server at all.
///
/// Without [`direct`](Join::direct) all events go through the server.
///
/// ```no_run
/// # async fn program() -> Result<(), Box<dyn std::error::Error>> {
/// use futures::StreamExt;
/// use socketio_p2p_core::{Event, Packet, Target};
/// use socketio_p2p_transport_socketio::join;
/// use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
///
/// let direct = WebRtcTransport::new(WebRtcConfig::default())?;
/// let (peer, mut events) = join("http://localhost:3000").room("lobby")?.direct(direct).await?;
/// let emitted = peer.emit(Target::All, &Packet::event("hello", &("I am here",))?).await?;
/// assert!(emitted.rejected.is_empty());
/// while let Some(event) = events.next().await {
///     if let Event::Received { from, packet, .. } = event {
///         println!("{from}: {:?}", packet.event_name());
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub fn join(url: &str) -> Join<RelayOnly> {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let signaling = SocketIoSignaling::new(url);
    Join { signaling, config, seed: None, patience: Duration::ZERO, direct: RelayOnly }
}

/// The settings of [`join`].
#[must_use = "it joins when it is awaited"]
pub struct Join<D> {
    signaling: Result<SocketIoSignaling, AddressError>,
    config: Config,
    seed: Option<[u8; 32]>,
    /// The time to wait for the server; with zero there is one attempt.
    patience: Duration,
    direct: D,
}

impl<D> Join<D> {
    /// Sets the room. Default: `lobby`.
    ///
    /// # Errors
    /// [`InvalidName`](socketio_p2p_core::InvalidName) when the text is not the name of a room.
    pub fn room(mut self, room: &str) -> Result<Self, socketio_p2p_core::InvalidName> {
        self.config.room = RoomName::new(room.to_owned())?;
        Ok(self)
    }

    /// Changes the settings of the session, for example `join(url).configure(|config| config.with_max_peers(8))`.
    pub fn configure(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    /// Changes the settings of the connection to the server: headers, time limits, TLS.
    ///
    /// # Errors
    /// The error of `change`, or of the URL.
    pub fn signaling(
        mut self,
        change: impl FnOnce(SocketIoSignaling) -> Result<SocketIoSignaling, AddressError>,
    ) -> Result<Self, AddressError> {
        self.signaling = Ok(change(self.signaling?)?);
        Ok(self)
    }

    /// Sets the provider of the auth payload, as [`SocketIoSignaling::with_auth`].
    pub fn auth<P, F, E>(mut self, provide: P) -> Self
    where
        P: Fn() -> F + MaybeSend + MaybeSync + 'static,
        F: Future<Output = Result<AuthPayload, E>> + MaybeSend + 'static,
        E: fmt::Display,
    {
        self.signaling = self.signaling.map(|signaling| signaling.with_auth(provide));
        self
    }

    /// Sets the metadata with which the session joins, as [`Config::metadata`].
    pub fn metadata(self, metadata: MemberData) -> Self {
        self.configure(|config| config.with_metadata(Some(metadata)))
    }

    /// Sets the resume token of an earlier run, as [`Config::resume_token`].
    pub fn resume(self, token: ResumeToken) -> Self {
        self.configure(|config| config.with_resume_token(Some(token)))
    }

    /// Sets the session's only source of randomness, for tests. Default: random bytes of the system.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Waits for a server that is not there yet, for at most this time: while it cannot be reached, breaks the
    /// connection or asks to come back later, further attempts follow with the pauses of [`Config::reconnect`]. After
    /// that time the last failure is the error. A refusal is an error at once. [`Duration::MAX`] waits without end.
    ///
    /// ```no_run
    /// # async fn program() -> Result<(), socketio_p2p_transport_socketio::JoinFailure> {
    /// use std::time::Duration;
    /// use socketio_p2p_transport_socketio::join;
    ///
    /// let (peer, events) =
    ///     join("http://localhost:3000").wait_for_server(Duration::from_secs(30)).await?;
    /// # drop((peer, events));
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_server(mut self, at_most: Duration) -> Self {
        self.patience = at_most;
        self
    }

    /// Connects to peers directly, by this transport, under [`Policy::Automatic`] unless
    /// [`configure`](Self::configure) sets another policy afterwards.
    pub fn direct<T: DirectTransport + 'static>(self, direct: T) -> Join<T> {
        let Self { signaling, config, seed, patience, .. } = self;
        let config = config.with_policy(Policy::Automatic);
        Join { signaling, config, seed, patience, direct }
    }
}

impl<D: DirectTransport + 'static> Join<D> {
    /// Starts the session without waiting for the server. Spawns its task, as [`join`] does, and returns
    /// the handle and the stream of events at once. The session makes attempts to connect until it is closed; the
    /// events tell of each: [`Event::Connected`], [`Event::Disconnected`] with the pause until the next one, and
    /// [`Event::Refused`], after which it makes none.
    ///
    /// # Errors
    /// [`JoinFailure::Address`], [`JoinFailure::Config`] and [`JoinFailure::Randomness`].
    ///
    /// # Panics
    /// Outside of a tokio runtime, except on the web.
    pub fn start(self) -> Result<(Peer, Events), JoinFailure> {
        let Self { signaling, config, seed, direct, .. } = self;
        let seed = match seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let driver = Driver::new(config, seed, signaling?, direct, HostClock::new())?;
        let (peer, events, run) = driver.split();
        spawn(run, peer.downgrade());
        Ok((peer, events))
    }
}

impl<D> fmt::Debug for Join<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join")
            .field("signaling", &self.signaling)
            .field("room", &self.config.room)
            .finish_non_exhaustive()
    }
}

/// # Cancel safety
/// Dropping the future closes the session in an orderly way, in the background.
impl<D: DirectTransport + 'static> IntoFuture for Join<D> {
    type Output = Result<(Peer, Events), JoinFailure>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let patience = self.patience;
            let (peer, mut events) = self.start()?;
            // Until an attempt has failed.
            let mut failure = SignalingError::NoWelcome { within: patience };
            let joined = async {
                loop {
                    match events.next().await {
                        Some(Event::Connected { .. }) => return Ok(()),
                        Some(Event::Refused(refusal)) => return Err(JoinFailure::Refused(refusal)),
                        Some(Event::Disconnected { error, .. }) if patience.is_zero() => {
                            return Err(JoinFailure::Server(error));
                        }
                        Some(Event::Disconnected { error, .. }) => failure = error,
                        Some(_) | None => return Err(JoinFailure::Ended),
                    }
                }
            };
            match patience.is_zero() {
                true => joined.await?,
                false => match timeout(patience, joined).await {
                    Some(joined) => joined?,
                    None => return Err(JoinFailure::Server(failure)),
                },
            }
            Ok((peer, events))
        })
    }
}

/// The reason why [`join`] failed. The session has ended: it makes no further attempt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinFailure {
    /// The URL is unusable.
    #[error("unusable server address")]
    Address(#[from] AddressError),
    /// A setting is invalid.
    #[error("invalid setting")]
    Config(#[from] ConfigError),
    /// There is no randomness for the seed.
    #[error("no randomness for the session's seed")]
    Randomness(#[from] RandomnessError),
    /// The server could not be reached, or ended the connection.
    #[error("no connection to the server")]
    Server(#[source] SignalingError),
    /// The server refuses the session.
    #[error("the server refuses the session: {}", .0.message)]
    Refused(JoinRefusal),
    /// The session ended before it was in its room: the runtime shuts down.
    #[error("the session ended before it joined")]
    Ended,
}

/// No direct transport: all events go through the server.
#[derive(Clone, Copy, Debug)]
pub struct RelayOnly;

impl Stream for RelayOnly {
    type Item = DirectEvent<NoChannel>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

impl DirectTransport for RelayOnly {
    type Channel = NoChannel;

    /// Has no effect: under [`Policy::RelayOnly`] a session makes no connection.
    fn execute(&mut self, _: DirectCommand) {}
}

/// The channel type of [`RelayOnly`], of which there is no value.
#[derive(Debug)]
pub struct NoChannel(Infallible);

impl Stream for NoChannel {
    type Item = Result<Frame, TransportError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0 {}
    }
}

impl Sink<Frame> for NoChannel {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.0 {}
    }

    fn start_send(self: Pin<&mut Self>, _: Frame) -> Result<(), Self::Error> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.0 {}
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.0 {}
    }
}
