//! The settings of the `webrtc` crate for a connection.

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
use super::failure::failure;
use super::runtime::ConnectionRuntime;
use crate::config::{KEEP_ALIVE, WebRtcConfig};

pub(super) async fn build(
    config: &WebRtcConfig,
    ice_servers: Vec<IceServer>,
    runtime: Arc<ConnectionRuntime>,
    handler: Arc<Handler>,
) -> Result<Arc<dyn PeerConnection>, TransportError> {
    let addresses = addresses::to_bind(&config.addresses)?;
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
            // The crate reports a socket that it could not bind with this text.
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
    // Enough checks that `open_timeout` ends the connection, not ICE.
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
        // `addresses` selects the addresses: loopback is among them only if configured, or if there is no other.
        .with_include_loopback_candidate(true)
        // mDNS needs a multicast socket, which fails without a network. Candidates with `.local` names are skipped;
        // such a peer becomes reachable as a peer-reflexive candidate.
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(config.max_message))
        .build()
}
