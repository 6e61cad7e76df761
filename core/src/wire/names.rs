//! Reserved names, which applications cannot use (`PROTOCOL.md` section 4).

use crate::codec::Packet;

pub(super) const NUM_CLIENTS: &str = "numClients";
pub(super) const OFFERS: &str = "offers";
pub(super) const OFFER: &str = "offer";
pub(super) const PEER_SIGNAL: &str = "peer-signal";
pub(super) const PEER_JOIN: &str = "peer-join";
pub(super) const PEER_AWAY: &str = "peer-away";
pub(super) const PEER_UPDATE: &str = "peer-update";
pub(super) const PEER_DISCONNECT: &str = "peer-disconnect";
pub(super) const RELAY: &str = "p2p:relay";
pub(super) const METADATA: &str = "p2p:metadata";
pub(super) const CLOSE: &str = "p2p:close";

/// The prefix of the event names between v1 peers and hubs.
const PREFIX: &str = "p2p:";

/// The namespace of control between peers of later versions.
const NAMESPACE: &str = "/socketio-p2p";

/// The names without the prefix.
const EVENTS: [&str; 8] =
    [NUM_CLIENTS, OFFERS, OFFER, PEER_SIGNAL, PEER_JOIN, PEER_UPDATE, PEER_AWAY, PEER_DISCONNECT];

/// Returns whether the dialect reserves this event name.
#[must_use]
pub fn is_reserved_event(event: &str) -> bool {
    event.starts_with(PREFIX) || EVENTS.contains(&event)
}

/// The reserved part of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Namespace(String),
    Event(String),
}

/// Checks the namespace and the event name of a packet that an application emits or receives.
pub(crate) fn check_reserved(packet: &Packet) -> Result<(), Reserved> {
    if packet.namespace().as_str() == NAMESPACE {
        return Err(Reserved::Namespace(NAMESPACE.to_owned()));
    }
    match packet.event_name() {
        Some(name) if is_reserved_event(&name) => Err(Reserved::Event(name.into_owned())),
        Some(_) | None => Ok(()),
    }
}
