//! Joining a room.

use js_sys::{JsString, Reflect};
use socketio_p2p_core::{Config, Policy, RoomName};
use socketio_p2p_transport_socketio::join as join_room;
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};
use wasm_bindgen::prelude::*;

use crate::events;
use crate::failure::{Code, Failure};
use crate::global::{property, thrown, variable};
use crate::options::Options;
use crate::peer::Peer;
use crate::shared::Shared;
use crate::token::TokenPlace;

/// Joins a room of the server at a URL.
pub(crate) async fn join(url: &JsValue, options: &JsValue) -> Result<Peer, Failure> {
    join_with(&resolve(url)?, Options::read(options)?).await
}

/// The URL in full: pages write it relative to their own.
fn resolve(url: &JsValue) -> Result<String, Failure> {
    let bad = |error: JsValue| {
        Failure::new(Code::BadUrl, format!("expected the URL of a server: {}", thrown(&error)))
    };
    let text = match url.as_string() {
        Some(text) => text.into(),
        None => property(url, "href").map_err(bad)?,
    };
    let base = property(&variable("location"), "href").unwrap_or(JsValue::UNDEFINED);
    let class: js_sys::Function = variable("URL").dyn_into().map_err(bad)?;
    let url = Reflect::construct(&class, &js_sys::Array::of2(&text, &base)).map_err(bad)?;
    let url: JsString = property(&url, "href").map_err(bad)?.dyn_into().map_err(bad)?;
    Ok(url.into())
}

async fn join_with(url: &str, options: Options) -> Result<Peer, Failure> {
    let Options { room, auth, data, policy, max_peers, wait_for_server, ack_timeout, storage } =
        options;
    let bad_option = |message: String| Failure::new(Code::BadOption, message);
    let direct = WebRtcTransport::new(WebRtcConfig::default())
        .map_err(|error| bad_option(error.to_string()))?;
    let mut config = Config::default().with_policy(allowed(policy.unwrap_or_default())?);
    if let Some(room) = room {
        config.room = RoomName::new(room).map_err(|error| bad_option(format!("room: {error}")))?;
    }
    let place = match storage {
        Some(None) => None,
        chosen => TokenPlace::new(chosen.flatten(), url, config.room.as_str()),
    };
    let token = place.as_ref().and_then(TokenPlace::take);
    config.max_peers = max_peers.unwrap_or(config.max_peers);
    config.ack_timeout = ack_timeout.unwrap_or(config.ack_timeout);
    config = config.with_metadata(data).with_resume_token(token.clone());
    let max_packet = config.limits.max_packet_bytes;

    let mut joining = join_room(url).direct(direct).wait_for_server(wait_for_server);
    if let Some(auth) = auth {
        joining = joining.auth(move || auth.clone().provide());
    }
    let keeping = place.map(|place| place.keep(token));
    let (handle, unread) = joining.configure(|_| config).await?;
    if let Some(keeping) = &keeping {
        keeping.follow(handle.downgrade());
    }
    let shared = Shared::new(handle, max_packet);
    wasm_bindgen_futures::spawn_local(events::dispatch(shared.clone(), unread, keeping));
    Ok(Peer::new(shared))
}

/// The policy that a page without WebRTC can have.
fn allowed(policy: Policy) -> Result<Policy, Failure> {
    if variable("RTCPeerConnection").is_function() || policy == Policy::RelayOnly {
        return Ok(policy);
    }
    if policy == Policy::DirectOnly {
        let message = "expected a page with WebRTC for the policy direct-only";
        return Err(Failure::new(Code::BadPage, message));
    }
    Ok(Policy::RelayOnly)
}
