//! The events and spans of sessions for `tracing` (feature `tracing`); `hub/trace.rs` has the events of the hub.
//!
//! `TRACING.md`, which is a part of the crate documentation, lists all of them with their fields.

use std::error::Error;
#[cfg(feature = "driver")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "driver")]
use tracing::Span;
use tracing::{debug, info, warn};

use crate::config::Policy;
use crate::event::{Event, Outcome};
use crate::id::PeerId;
#[cfg(feature = "driver")]
use crate::id::RoomName;
use crate::path::Path;

/// The span in which the async layers run a session.
#[cfg(feature = "driver")]
#[derive(Clone, Debug)]
pub(crate) struct SessionSpan {
    span: Span,
    /// The id that the span has.
    noted: Arc<Mutex<Option<PeerId>>>,
}

#[cfg(feature = "driver")]
impl SessionSpan {
    pub(crate) fn new(room: &RoomName) -> Self {
        let session = tracing::field::Empty;
        let span = tracing::info_span!(target: "socketio_p2p::session", "session", %room, session);
        Self { span, noted: Arc::default() }
    }

    pub(crate) fn enter(&self) -> tracing::span::Entered<'_> {
        self.span.enter()
    }

    /// Notes the session's peer id, when it is new.
    pub(crate) fn note(&self, event: &Event) {
        let Event::Connected { id, .. } = event else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.as_ref() != Some(id) {
            self.span.record("session", tracing::field::display(id));
            *noted = Some(id.clone());
        }
    }
}

/// Why the path of events to a peer changed.
pub(crate) const fn path_reason(
    before: Option<&Path>,
    path: &Path,
    policy: Policy,
) -> &'static str {
    match (before, path) {
        (_, Path::Direct) => "direct-validated",
        (Some(Path::Direct), _) => match policy {
            Policy::RelayOnly | Policy::Manual => "policy",
            Policy::Automatic | Policy::DirectOnly => "direct-lost",
        },
        (Some(Path::Relay), Path::Via(_)) => "relay-lost",
        (Some(Path::Via(_) | Path::Relay), Path::Relay) => "relay-back",
        (Some(Path::Via(_)), Path::Via(_)) => "neighbour-changed",
        (None, _) => "reachable-again",
    }
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

/// An event of a session, when it is reported; a change of paths with its reason.
pub(crate) fn session_event(own: Option<&PeerId>, event: &Event, reason: Option<&'static str>) {
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
        Event::PathChanged { peer, path } => {
            debug!(target: "socketio_p2p::link", session, %peer, %path, reason, "path changed");
        }
        Event::PeerError { peer, error } => {
            let error = chain(error);
            debug!(target: "socketio_p2p::link", session, %peer, error, "peer error");
        }
        Event::Outcome { emit, peer, outcome: outcome @ (Outcome::Refused | Outcome::Unknown) } => {
            let emit = emit.as_u64();
            debug!(target: "socketio_p2p::link", session, %peer, emit, %outcome, "not delivered");
        }
        Event::Closed => info!(target: "socketio_p2p::session", session, "closed"),
        // The application's own business.
        Event::PeerUpdated { .. }
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
