//! How the WebRTC crate is set up for a connection.

use std::sync::Arc;
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::configuration::setting_engine::SctpMaxMessageSize;
use socketio_p2p_core::driver::TransportError;
use socketio_p2p_core::wire::IceServer;
use webrtc::error::Error;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCConfigurationBuilder, RTCIceServer, SettingEngine,
    SettingEngineBuilder,
};

use super::addresses;
use super::callbacks::Handler;
use super::config::{KEEP_ALIVE, WebRtcConfig};
use super::failure::failure;
use super::runtime::ConnectionRuntime;

pub(super) async fn build(
    config: &WebRtcConfig,
    ice_servers: Vec<IceServer>,
    runtime: Arc<ConnectionRuntime>,
    handler: Arc<Handler>,
) -> Result<Arc<dyn PeerConnection>, TransportError> {
    let addresses = addresses::to_bind(&config.addresses)
        .map_err(|error| TransportError(format!("cannot list the local addresses: {error}")))?;
    let ice_servers = ice_servers
        .into_iter()
        .map(|server| RTCIceServer {
            urls: server.urls,
            username: server.username.unwrap_or_default(),
            credential: server.credential.unwrap_or_default(),
        })
        .collect();
    let peer = PeerConnectionBuilder::new()
        .with_configuration(
            RTCConfigurationBuilder::default().with_ice_servers(ice_servers).build(),
        )
        .with_setting_engine(settings(config))
        .with_data_channel_send_buffer_limit(config.send_buffer)
        .with_runtime(runtime)
        .with_handler(handler)
        .with_udp_addrs(addresses)
        .build()
        .await
        .map_err(|error| {
            // How the crate reports a socket that it could not bind.
            if let Error::Other(text) = &error {
                TransportError(format!("cannot open a UDP socket: {text}"))
            } else {
                failure("cannot use the ICE servers", &error)
            }
        })?;
    Ok(Arc::new(peer))
}

fn settings(config: &WebRtcConfig) -> SettingEngine {
    let path_timeout = config.path_timeout;
    let disconnected = (path_timeout / 2).min(Duration::from_secs(5));
    // Enough checks to last until the connection is given up.
    let interval = config.check_interval;
    let checks = config.open_timeout.as_millis() / interval.as_millis().max(1);
    SettingEngineBuilder::new()
        .with_ice_timeouts(
            Some(disconnected),
            Some(path_timeout.saturating_sub(disconnected)),
            Some(KEEP_ALIVE.min(disconnected / 2)),
        )
        .with_ice_connection_attempts(
            Some(interval),
            Some(u16::try_from(checks).unwrap_or(u16::MAX)),
        )
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        // The addresses are chosen above: loopback is among them only on purpose.
        .with_include_loopback_candidate(true)
        // It needs a multicast socket, which fails without a network. Names that browsers hide their
        // addresses behind are skipped; such a peer is reached when it reaches us.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(config.max_message))
        .build()
}
