//! An HTTP server for applications that have none.

use std::net::SocketAddr;

use axum::Router;
use socketioxide::SocketIo;
use thiserror::Error;
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinHandle;

use super::{AttachError, SignalingHandle, SignalingServer, socket_io_builder};

/// Why a server cannot listen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address cannot be bound, most often because another process uses it.
    #[error("cannot listen at {address}")]
    Bind {
        /// The requested address.
        address: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The signalling cannot be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// A Socket.IO server that listens, with the signalling on the namespace `/`. The server outlives this handle:
/// [`close`](Self::close) ends it.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    io: SocketIo,
    signaling: SignalingHandle,
    server: JoinHandle<()>,
}

impl SignalingServer {
    /// Listens at `address`; port 0 takes a free port. For TLS put a reverse proxy in front, or
    /// [attach](SignalingServer::attach) to a server of the application.
    ///
    /// # Errors
    /// [`ListenError`] when the address cannot be bound, or the signalling cannot be attached.
    pub async fn listen<A>(self, address: A) -> Result<Listener, ListenError>
    where
        A: ToSocketAddrs + std::fmt::Display,
    {
        self.listen_with(address, Router::new()).await
    }

    /// As [`listen`](Self::listen), together with the application's own routes, such as pages and health checks.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub async fn listen_with<A>(self, address: A, routes: Router) -> Result<Listener, ListenError>
    where
        A: ToSocketAddrs + std::fmt::Display,
    {
        let bind_error = |source| ListenError::Bind { address: address.to_string(), source };
        let listener = TcpListener::bind(&address).await.map_err(bind_error)?;
        let local = listener.local_addr().map_err(bind_error)?;
        let (layer, io) = socket_io_builder(&self.config).build_layer();
        let signaling = self.attach(&io, "/")?;
        let app = routes.layer(layer);
        let server = tokio::spawn(async move {
            // Ends only when its task is aborted: axum continues after errors of single connections.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Listener { address: local, io, signaling, server })
    }
}

impl Listener {
    /// The bound address.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL for clients on this machine.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The Socket.IO server.
    #[must_use]
    pub const fn io(&self) -> &SocketIo {
        &self.io
    }

    /// The signalling server.
    #[must_use]
    pub const fn signaling(&self) -> &SignalingHandle {
        &self.signaling
    }

    /// Stops listening and closes all connections.
    pub async fn close(self) {
        self.server.abort();
        let _ = self.server.await;
        self.io.close().await;
    }
}
