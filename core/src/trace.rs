//! The events of sessions for `tracing` (feature `tracing`); `hub/trace.rs` has those of the hub.
//!
//! The targets and the fields are listed in the crate documentation and stay stable within a minor version. No field
//! has a payload, a session description, a token or an address.

use std::error::Error;

use tracing::{debug, info, warn};

use crate::config::Policy;
use crate::event::{Event, Outcome};
use crate::id::PeerId;
use crate::path::Path;

/// Why the path of events to a peer changed.
const fn path_reason(before: Option<&Path>, path: &Path, policy: Policy) -> &'static str {
    match (before, path) {
        (_, Path::Direct) => "direct-validated",
        (Some(Path::Direct), _) => match policy {
            Policy::RelayOnly | Policy::Manual => "policy",
            Policy::Automatic | Policy::DirectOnly => "direct-lost",
        },
        (Some(Path::Relay), Path::Via(_)) => "relay-lost",
        (Some(Path::Via(_)), Path::Relay) => "relay-back",
        (Some(Path::Via(_)), Path::Via(_)) => "neighbour-changed",
        (None, _) => "reachable-again",
        (Some(Path::Relay), Path::Relay) => "relay",
    }
}

/// The path of events to a peer changed.
pub(crate) fn path_changed(peer: &PeerId, before: Option<&Path>, path: &Path, policy: Policy) {
    let reason = path_reason(before, path, policy);
    debug!(target: "socketio_p2p::link", %peer, %path, reason, "path changed");
}

/// Records were lost on a path and are to be sent again.
pub(crate) fn records_lost(peer: &PeerId, path: &'static str, records: usize) {
    debug!(target: "socketio_p2p::link", %peer, path, records, "records lost");
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An event of a session, when it is reported.
pub(crate) fn session_event(own: Option<&PeerId>, event: &Event) {
    let session = own.map_or("-", PeerId::as_str);
    match event {
        Event::Connected { id, room, resumed } => {
            info!(target: "socketio_p2p::session", session = %id, %room, resumed, "connected");
        }
        Event::Disconnected { error, retry_in } => {
            let (error, retry_in_ms) = (chain(error), retry_in.as_millis());
            warn!(target: "socketio_p2p::session", session, error, retry_in_ms, "disconnected");
        }
        Event::Refused(refusal) => {
            let code = refusal.code.as_deref().unwrap_or("-");
            warn!(target: "socketio_p2p::session", session, code, "refused");
        }
        Event::PeerJoined { peer, dialect, .. } => {
            let dialect = dialect.number();
            debug!(target: "socketio_p2p::session", session, %peer, dialect, "peer joined");
        }
        Event::PeerLeft { peer, reason, .. } => {
            debug!(target: "socketio_p2p::session", session, %peer, %reason, "peer left");
        }
        Event::PeerRenamed { from, to } => {
            info!(target: "socketio_p2p::session", session, %from, %to, "peer renamed");
        }
        Event::PeerAway { peer } => {
            debug!(target: "socketio_p2p::session", session, %peer, "peer away");
        }
        Event::PeerBack { peer } => {
            debug!(target: "socketio_p2p::session", session, %peer, "peer back");
        }
        Event::DirectChanged { peer, state, failure } => {
            let failure = failure.as_deref().map(tracing::field::display);
            debug!(target: "socketio_p2p::direct", session, %peer, %state, failure, "direct path");
        }
        Event::PeerError { peer, error } => {
            let error = chain(error);
            warn!(target: "socketio_p2p::link", session, %peer, error, "peer error");
        }
        Event::Outcome { emit, peer, outcome: outcome @ (Outcome::Refused | Outcome::Unknown) } => {
            let emit = emit.as_u64();
            debug!(target: "socketio_p2p::link", session, %peer, emit, %outcome, "not delivered");
        }
        Event::Closed => info!(target: "socketio_p2p::session", session, "closed"),
        // Paths are reported with their reason; the rest is the application's own business.
        Event::PathChanged { .. }
        | Event::PeerUpdated { .. }
        | Event::Ready
        | Event::Upgrade
        | Event::Received { .. }
        | Event::Ack { .. }
        | Event::NoAck { .. }
        | Event::AcksComplete { .. }
        | Event::Outcome { .. }
        | Event::Writable { .. }
        | Event::TransferOpened { .. }
        | Event::TransferReadable { .. }
        | Event::TransferWritable { .. }
        | Event::TransferEnded { .. }
        | Event::ServerEvent { .. }
        | Event::ServerAck { .. }
        | Event::NoServerAck { .. }
        | Event::ServerWritable => {}
    }
}
