//! The signalling server of the examples.

use axum::Router;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_transport_socketio::{Listener, SignalingServer};

use super::Failure;

/// Listens at a host and port; port 0 takes a free port. Returns the listener and its URL for clients.
pub(crate) async fn listen(
    config: HubConfig,
    host: &str,
    port: u16,
) -> Result<(Listener, String), Failure> {
    listen_with(config, host, port, Router::new()).await
}

/// As [`listen`], with further routes.
pub(crate) async fn listen_with(
    config: HubConfig,
    host: &str,
    port: u16,
    routes: Router,
) -> Result<(Listener, String), Failure> {
    let host = match host.parse() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        Ok(std::net::IpAddr::V4(_)) | Err(_) => host.to_owned(),
    };
    let address = format!("{host}:{port}");
    let listener = SignalingServer::new(config).listen_with(address, routes).await?;
    let url = format!("http://{host}:{}", listener.local_addr().port());
    Ok((listener, url))
}
