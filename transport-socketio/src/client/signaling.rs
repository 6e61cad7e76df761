//! The settings of the connection to a server, and opening it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _};
use socketio_p2p_core::driver::{MaybeSend, MaybeSync, Signaling, TransportError};
use socketio_p2p_core::{AuthPayload, Frame};

use super::address::{Address, AddressError};
use super::channel::SocketIoChannel;
use super::engine;
use super::host::{BoxFuture, Options, Socket};
use super::message::Incoming;
use crate::clock::timeout;

/// Time limit for opening a connection, from the name lookup to the Engine.IO handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum length in bytes of a message from a server.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// The provider of the auth payload. A trait of its own, because `dyn Fn` cannot be [`MaybeSend`].
trait ProvideAuth: MaybeSend + MaybeSync {
    fn provide(&self) -> BoxFuture<'static, Result<AuthPayload, String>>;
}

impl<P, F, E> ProvideAuth for P
where
    P: Fn() -> F + MaybeSend + MaybeSync,
    F: Future<Output = Result<AuthPayload, E>> + MaybeSend + 'static,
    E: fmt::Display,
{
    fn provide(&self) -> BoxFuture<'static, Result<AuthPayload, String>> {
        Box::pin(self().map(|provided| provided.map_err(|error| error.to_string())))
    }
}

/// Opens signalling channels to a Socket.IO server over WebSocket (Engine.IO v4).
///
/// The channels answer pings. The session handles the Socket.IO `CONNECT`, the events, and retries.
///
/// ```no_run
/// # fn main() -> Result<(), socketio_p2p_transport_socketio::AddressError> {
/// use socketio_p2p_transport_socketio::SocketIoSignaling;
///
/// let signaling = SocketIoSignaling::new("https://example.org")?;
/// # drop(signaling);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SocketIoSignaling {
    address: Address,
    options: Options,
    connect_timeout: Duration,
    max_message: usize,
    auth: Option<Arc<dyn ProvideAuth>>,
}

impl SocketIoSignaling {
    /// Creates a client of the server at `url`: `http://`, `https://`, `ws://` or `wss://`, with a path if the server
    /// does not listen at `/socket.io/`, and with a query if the server expects one. A user and a password in the URL
    /// are sent as `Authorization`. `https` and `wss` need one of the features `rustls-native-roots` and
    /// `rustls-webpki-roots`, or `rustls` with a TLS configuration of the application. On the web TLS is that of the
    /// browser, and a URL has no user.
    ///
    /// # Errors
    /// [`AddressError`] when the URL cannot be parsed, has no host, an invalid port, no scheme or another one, or
    /// needs TLS in a build without; on the web also when it has a user.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        Ok(Self {
            address: Address::parse(url)?,
            options: Options::default(),
            connect_timeout: CONNECT_TIMEOUT,
            max_message: MAX_MESSAGE,
            auth: None,
        })
    }

    /// Adds a header to the request that opens a connection, such as a cookie. Not on the web.
    ///
    /// # Errors
    /// [`AddressError::Header`] when HTTP does not allow the name or the value.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, AddressError> {
        self.options.add_header(name, value)?;
        Ok(self)
    }

    /// Sets the provider of the auth payload, which the server's middleware or admission checks. It is called for each
    /// connection, so that an access token can be renewed. Its error, which must not contain a secret, ends the attempt,
    /// and so does the time limit for opening a connection.
    ///
    /// ```
    /// use socketio_p2p_core::AuthPayload;
    /// use socketio_p2p_transport_socketio::SocketIoSignaling;
    ///
    /// async fn renewed_ticket() -> Result<String, std::io::Error> {
    ///     // An application asks its account server.
    ///     Ok("a ticket".to_owned())
    /// }
    ///
    /// let signaling = SocketIoSignaling::new("http://localhost:3000")?.with_auth(async || {
    ///     let ticket = renewed_ticket().await?;
    ///     Ok::<_, Box<dyn std::error::Error>>(AuthPayload::new(&serde_json::json!({ "ticket": ticket }))?)
    /// });
    /// # drop(signaling);
    /// # Ok::<(), socketio_p2p_transport_socketio::AddressError>(())
    /// ```
    #[must_use]
    pub fn with_auth<P, F, E>(mut self, provide: P) -> Self
    where
        P: Fn() -> F + MaybeSend + MaybeSync + 'static,
        F: Future<Output = Result<AuthPayload, E>> + MaybeSend + 'static,
        E: fmt::Display,
    {
        self.auth = Some(Arc::new(provide));
        self
    }

    /// Sets the time limit for opening a connection. Default 10 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum length in bytes of a message from the server; a longer one ends the connection. Default
    /// 16 MiB. On the web it is also the maximum of what has arrived and waits for the session, because a program there
    /// cannot hold a server back.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the TLS configuration for `https` and `wss`, for example with a private certificate authority. Not on the
    /// web.
    #[cfg(all(feature = "rustls", not(target_family = "wasm")))]
    #[must_use]
    pub fn with_tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.options.tls = Some(config);
        self
    }

    async fn open(&self) -> Result<SocketIoChannel, String> {
        let mut socket = Socket::open(&self.address, self.max_message, &self.options).await?;
        let handshake = loop {
            match socket.next().await {
                Some(Ok(Incoming::Message(Frame::Text(text)))) => {
                    break engine::read_open(&text).map_err(|error| error.to_string())?;
                }
                Some(Ok(Incoming::Message(Frame::Binary(_)))) => {
                    return Err(
                        "expected an Engine.IO open packet, got a binary message".to_owned()
                    );
                }
                Some(Ok(Incoming::Ping)) => {}
                Some(Err(error)) => return Err(error.to_string()),
                None => {
                    return Err("expected an Engine.IO open packet, got the end of the connection"
                        .to_owned());
                }
            }
        };
        let shown = self.address.shown.clone();
        Ok(SocketIoChannel::new(socket, &handshake, shown, self.max_message))
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Signaling for SocketIoSignaling {
    type Channel = SocketIoChannel;

    async fn auth(&mut self) -> Result<Option<AuthPayload>, TransportError> {
        let Some(auth) = &self.auth else { return Ok(None) };
        let limit = self.connect_timeout;
        let provided = timeout(limit, auth.provide()).await;
        let provided = provided.unwrap_or_else(|| Err(format!("none within {limit:?}")));
        let failed = |error| TransportError(format!("cannot get an auth payload: {error}"));
        provided.map(Some).map_err(failed)
    }

    async fn connect(&mut self) -> Result<SocketIoChannel, TransportError> {
        let failed = |what: String| {
            TransportError(format!("cannot connect to {}: {what}", self.address.shown))
        };
        match timeout(self.connect_timeout, self.open()).await {
            Some(opened) => opened.map_err(failed),
            None => Err(failed(format!("no answer within {:?}", self.connect_timeout))),
        }
    }
}

/// Shows the server's address, without credentials and headers.
impl fmt::Debug for SocketIoSignaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIoSignaling")
            .field("server", &self.address.shown)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_message", &self.max_message)
            .finish_non_exhaustive()
    }
}
