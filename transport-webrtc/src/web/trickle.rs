//! Trickle ICE and events: local candidates out, remote candidates in.

use std::rc::Rc;

use futures::SinkExt as _;
use futures::channel::mpsc;
use js_sys::{JsString, Reflect};
use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::{IceCandidate, Signal};
use socketio_p2p_core::{CandidateCounts, ConnectionId, ConnectionReport, DirectStage};
use wasm_bindgen::JsValue;
use web_sys::{RtcIceCandidate, RtcIceCandidateInit};

use super::channel::WebRtcChannel;
use super::failure::done;
use super::peer::Peer;
use super::report::{count, count_description, selected};
use crate::candidates::RemoteCandidates;

const USERNAME_FRAGMENT: &str = "usernameFragment";

pub(super) struct Trickle {
    pub(super) id: ConnectionId,
    pub(super) peer: Rc<Peer>,
    events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    remote: RemoteCandidates,
    /// The candidates of both sides so far.
    local_counts: CandidateCounts,
    remote_counts: CandidateCounts,
    /// The last report.
    reported: Option<ConnectionReport>,
}

impl Trickle {
    pub(super) fn new(
        id: ConnectionId,
        peer: Rc<Peer>,
        events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    ) -> Self {
        Self {
            id,
            peer,
            events,
            remote: RemoteCandidates::new(),
            local_counts: CandidateCounts::default(),
            remote_counts: CandidateCounts::default(),
            reported: None,
        }
    }

    pub(super) async fn emit(&mut self, event: DirectEvent<WebRtcChannel>) {
        // Fails only when the transport was dropped, and then this task stops too.
        let _ = self.events.send(event).await;
    }

    /// Reports that the connection has come so far, with its candidates. Nothing is reported twice.
    pub(super) async fn report(&mut self, stage: DirectStage) {
        let reached = self.reported.map(|report| report.stage).unwrap_or_default();
        let mut report = ConnectionReport::new(stage.max(reached));
        (report.local, report.remote) = (self.local_counts, self.remote_counts);
        if report.stage >= DirectStage::Dtls {
            report.selected = selected(&self.peer.connection).await;
        }
        if self.reported.replace(report) != Some(report) {
            #[cfg(feature = "tracing")]
            crate::trace::reported(self.id, &report);
            self.emit(DirectEvent::Report { connection: self.id, report }).await;
        }
    }

    pub(super) async fn emit_signal(&mut self, signal: Signal) {
        self.emit(DirectEvent::Signal { connection: self.id, signal }).await;
    }

    /// Counts a local candidate.
    pub(super) fn count_local(&mut self, candidate: &RtcIceCandidate) {
        count(&mut self.local_counts, &candidate.candidate());
    }

    pub(super) async fn emit_candidate(&mut self, candidate: RtcIceCandidate) {
        self.count_local(&candidate);
        let mut signal = IceCandidate::new(candidate.candidate());
        signal.sdp_mid = candidate.sdp_mid();
        signal.sdp_mline_index = candidate.sdp_m_line_index();
        // `web-sys` does not have this field.
        let fragment = Reflect::get(&candidate, &JsString::from(USERNAME_FRAGMENT));
        signal.username_fragment = fragment.ok().and_then(|fragment| fragment.as_string());
        self.emit_signal(Signal::Candidate(signal)).await;
    }

    /// Whether the remote's description is applied.
    pub(super) const fn has_remote(&self) -> bool {
        self.remote.have_description()
    }

    /// Notes that the remote's description is applied, with `in_description` candidates in it, and adds those that
    /// came before it.
    pub(super) async fn begin(
        &mut self,
        sdp: &str,
        in_description: usize,
    ) -> Result<(), TransportError> {
        count_description(&mut self.remote_counts, sdp);
        for candidate in self.remote.begin(in_description) {
            self.take_candidate(candidate).await?;
        }
        Ok(())
    }

    /// Takes a candidate of the remote.
    pub(super) async fn take_candidate(
        &mut self,
        candidate: IceCandidate,
    ) -> Result<(), TransportError> {
        let taken =
            self.remote.take(candidate).map_err(|error| TransportError(error.to_string()))?;
        let Some(candidate) = taken else { return Ok(()) };
        count(&mut self.remote_counts, &candidate.candidate);
        let init = RtcIceCandidateInit::new(&candidate.candidate);
        init.set_sdp_mid(candidate.sdp_mid.as_deref());
        // A browser wants at least one of the two. All candidates belong to the first section.
        let is_placed = candidate.sdp_mid.is_some() || candidate.sdp_mline_index.is_some();
        init.set_sdp_m_line_index(if is_placed { candidate.sdp_mline_index } else { Some(0) });
        if let Some(fragment) = candidate.username_fragment {
            // Fails on frozen objects only.
            let name = JsString::from(USERNAME_FRAGMENT);
            let _ = Reflect::set(&init, &name, &JsValue::from(fragment));
        }
        let adding =
            self.peer.connection.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
        done("a remote candidate cannot be used", adding).await.map(drop)
    }
}
