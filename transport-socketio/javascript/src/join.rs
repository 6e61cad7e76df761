//! Joining a room.

use js_sys::{JsString, Reflect};
use socketio_p2p_core::{Config, Policy};
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
    let direct = WebRtcTransport::new(WebRtcConfig::default())
        .map_err(|error| Failure::new(Code::BadOption, error.to_string()))?;
    let policy = allowed(policy.unwrap_or_default())?;
    let mut joining = join_room(url).direct(direct).wait_for_server(wait_for_server);
    if let Some(room) = &room {
        joining = joining
            .room(room)
            .map_err(|error| Failure::new(Code::BadOption, format!("room: {error}")))?;
    }
    let mut max_packet = 0;
    let mut room = String::new();
    let mut token_place = None;
    joining = joining.configure(|mut config: Config| {
        room = config.room.to_string();
        max_packet = config.limits.max_packet_bytes;
        let place = match storage {
            Some(None) => None,
            Some(chosen) => TokenPlace::new(chosen, url, &room),
            None => TokenPlace::new(None, url, &room),
        };
        let token = place.as_ref().and_then(TokenPlace::take);
        token_place = place;
        config.max_peers = max_peers.unwrap_or(config.max_peers);
        config.ack_timeout = ack_timeout.unwrap_or(config.ack_timeout);
        config.with_policy(policy).with_metadata(data).with_resume_token(token)
    });
    if let Some(auth) = auth {
        joining = joining.auth(move || auth.clone().provide());
    }
    let (handle, unread) = joining.await?;
    let keeping = token_place.map(|place| {
        let handle = handle.downgrade();
        place.keep_at_the_end(move || handle.upgrade()?.resume_token())
    });
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
