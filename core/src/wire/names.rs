//! Names that applications cannot use (`PROTOCOL.md` section 4).

use crate::codec::Packet;

pub(super) const NUM_CLIENTS: &str = "numClients";
pub(super) const OFFERS: &str = "offers";
pub(super) const OFFER: &str = "offer";
pub(super) const PEER_SIGNAL: &str = "peer-signal";
pub(super) const PEER_JOIN: &str = "peer-join";
pub(super) const PEER_AWAY: &str = "peer-away";
pub(super) const PEER_DISCONNECT: &str = "peer-disconnect";
pub(super) const RELAY: &str = "p2p:relay";

/// Event names of later versions begin with it.
const PREFIX: &str = "p2p:";

/// Reserved for control between peers of later versions.
const NAMESPACE: &str = "/socketio-p2p";

const EVENTS: [&str; 8] =
    [NUM_CLIENTS, OFFERS, OFFER, PEER_SIGNAL, PEER_JOIN, PEER_AWAY, PEER_DISCONNECT, RELAY];

/// Whether the dialect reserves this event name, so that applications cannot use it.
#[must_use]
pub fn is_reserved_event(event: &str) -> bool {
    event.starts_with(PREFIX) || EVENTS.contains(&event)
}

/// The part of a packet that applications cannot use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Namespace,
    Event(String),
}

/// Checks namespace and event name of a packet that an application emits, or is to receive.
pub(crate) fn check_reserved(packet: &Packet) -> Result<(), Reserved> {
    if packet.namespace().as_str() == NAMESPACE {
        return Err(Reserved::Namespace);
    }
    match packet.event_name() {
        Some(name) if is_reserved_event(&name) => Err(Reserved::Event(name.into_owned())),
        Some(_) | None => Ok(()),
    }
}
