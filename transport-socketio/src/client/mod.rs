//! The client: signalling channels for a session.

mod address;
mod channel;
mod engine;
mod join;
#[cfg(feature = "tracing")]
mod trace;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use socketio_p2p_core::AuthPayload;
use socketio_p2p_core::driver::{Signaling, TransportError};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use self::address::Address;
pub use self::address::AddressError;
use self::channel::Socket;
pub use self::channel::SocketIoChannel;
pub use self::join::{Join, JoinFailure, NoChannel, RelayOnly, join};

/// Time limit for opening a connection, from the name lookup to the Engine.IO handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum length in bytes of a message from a server.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Bytes collected before a write to the socket, so that a burst of small frames is one write.
const WRITE_BUFFER: usize = 16 * 1024;

type AuthProvider = Arc<dyn Fn() -> BoxFuture<'static, Result<AuthPayload, String>> + Send + Sync>;

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
    headers: Vec<(HeaderName, HeaderValue)>,
    connect_timeout: Duration,
    max_message: usize,
    auth: Option<AuthProvider>,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl SocketIoSignaling {
    /// Creates a client of the server at `url`: `http://`, `https://`, `ws://` or `wss://`, with a path if the server
    /// does not listen at `/socket.io/`, and with a query if the server expects one. A user and a password in the URL
    /// are sent as `Authorization`. `https` and `wss` need one of the features `rustls-native-roots` and
    /// `rustls-webpki-roots`, or `rustls` with a TLS configuration of the application.
    ///
    /// # Errors
    /// [`AddressError`] when the URL cannot be parsed, has no host, an invalid port, no scheme or another one, or
    /// needs TLS in a build without.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        Ok(Self {
            address: Address::parse(url)?,
            headers: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            max_message: MAX_MESSAGE,
            auth: None,
            #[cfg(feature = "rustls")]
            tls: None,
        })
    }

    /// Adds a header to the request that opens a connection, such as a cookie.
    ///
    /// # Errors
    /// [`AddressError::Header`] when HTTP does not allow the name or the value.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, AddressError> {
        let invalid = || AddressError::Header { name: name.to_owned() };
        let header = HeaderName::try_from(name).map_err(|_| invalid())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        self.headers.push((header, value));
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
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<AuthPayload, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.auth = Some(Arc::new(move || {
            provide().map(|provided| provided.map_err(|error| error.to_string())).boxed()
        }));
        self
    }

    /// Sets the time limit for opening a connection. Default 10 s.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum length in bytes of a message from the server; a longer one ends the connection. Default
    /// 16 MiB.
    #[must_use]
    pub fn with_max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets the TLS configuration for `https` and `wss`, for example with a private certificate authority.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn with_tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    fn request(&self) -> Result<Request, WsError> {
        let mut request = self.address.url.as_str().into_client_request()?;
        let headers = request.headers_mut();
        if let Some(authorization) = &self.address.authorization
            && let Ok(mut value) = HeaderValue::try_from(authorization)
        {
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        headers.extend(self.headers.iter().cloned());
        Ok(request)
    }

    async fn open_socket(&self) -> Result<Socket, WsError> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.max_message))
            .max_frame_size(Some(self.max_message))
            .write_buffer_size(WRITE_BUFFER);
        let request = self.request()?;
        #[cfg(feature = "rustls")]
        let opened = {
            let connector = self.tls()?;
            tokio_tungstenite::connect_async_tls_with_config(request, Some(config), true, connector)
                .await
        };
        #[cfg(not(feature = "rustls"))]
        let opened =
            tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        opened.map(|(socket, _)| socket)
    }

    /// The application's TLS configuration; `None` for the default of the library.
    #[cfg(feature = "rustls")]
    fn tls(&self) -> Result<Option<tokio_tungstenite::Connector>, WsError> {
        if let Some(config) = self.tls.clone() {
            return Ok(Some(tokio_tungstenite::Connector::Rustls(config)));
        }
        #[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
        {
            // Fails when the process has already chosen a cryptography provider, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            Ok(None)
        }
        #[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots")))]
        if self.address.url.starts_with("wss:") {
            Err(tokio_tungstenite::tungstenite::error::UrlError::TlsFeatureNotEnabled.into())
        } else {
            Ok(None)
        }
    }

    async fn open(&self) -> Result<SocketIoChannel, String> {
        let mut socket = self.open_socket().await.map_err(describe)?;
        let handshake = loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    break engine::read_open(&text).map_err(|error| error.to_string())?;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                    return Err(
                        "expected an Engine.IO open packet, got a binary message".to_owned()
                    );
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err("expected an Engine.IO open packet, got the end of the connection"
                        .to_owned());
                }
                Some(Err(error)) => return Err(describe(error)),
            }
        };
        let shown = self.address.shown.clone();
        Ok(SocketIoChannel::new(socket, &handshake, shown, self.max_message))
    }
}

/// The text of a connection error. The library's text for an HTTP error is the status alone; Socket.IO servers state
/// the reason in the body.
fn describe(error: WsError) -> String {
    let WsError::Http(response) = error else { return error.to_string() };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(body.get(..200).unwrap_or(body));
    let space = if body.is_empty() { "" } else { " " };
    format!("the server answered {}{space}{}", response.status(), body.escape_debug())
}

#[async_trait]
impl Signaling for SocketIoSignaling {
    type Channel = SocketIoChannel;

    async fn auth(&mut self) -> Result<Option<AuthPayload>, TransportError> {
        let Some(provide) = &self.auth else { return Ok(None) };
        let limit = self.connect_timeout;
        let provided = tokio::time::timeout(limit, provide()).await;
        let provided = provided.unwrap_or_else(|_| Err(format!("none within {limit:?}")));
        let failed = |error| TransportError(format!("cannot get an auth payload: {error}"));
        provided.map(Some).map_err(failed)
    }

    async fn connect(&mut self) -> Result<SocketIoChannel, TransportError> {
        let failed = |what: String| {
            TransportError(format!("cannot connect to {}: {what}", self.address.shown))
        };
        match tokio::time::timeout(self.connect_timeout, self.open()).await {
            Ok(opened) => opened.map_err(failed),
            Err(_) => Err(failed(format!("no answer within {:?}", self.connect_timeout))),
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
