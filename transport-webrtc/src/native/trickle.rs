//! Trickle ICE and events: local candidates out, remote candidates in.

use std::sync::Arc;

use socketio_p2p_core::driver::{DirectEvent, TransportError};
use socketio_p2p_core::wire::{IceCandidate, Signal};
use socketio_p2p_core::{ConnectionId, ConnectionReport, DirectStage};
use tokio::sync::mpsc;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidate, RTCIceCandidateInit};

use super::channel::WebRtcChannel;
use super::failure::failure;
use super::report::report;
use crate::candidates::RemoteCandidates;

pub(super) struct Trickle {
    pub(super) id: ConnectionId,
    pub(super) peer: Arc<dyn PeerConnection>,
    pub(super) events: mpsc::Sender<DirectEvent<WebRtcChannel>>,
    /// The name (`mid`) of the first section of the local description, once that exists.
    pub(super) mid: Option<String>,
    pub(super) remote: RemoteCandidates,
    /// The last report.
    pub(super) reported: Option<ConnectionReport>,
}

impl Trickle {
    pub(super) async fn emit(&self, event: DirectEvent<WebRtcChannel>) {
        // Fails only when the transport was dropped, and then this task stops too.
        let _ = self.events.send(event).await;
    }

    /// Reports that the connection has come so far, with its candidates. Nothing is reported twice.
    pub(super) async fn report(&mut self, stage: DirectStage) {
        let reached = self.reported.map(|report| report.stage).unwrap_or_default();
        let report = report(stage.max(reached), &*self.peer).await;
        if self.reported.replace(report) != Some(report) {
            #[cfg(feature = "tracing")]
            crate::trace::reported(self.id, &report);
            self.emit(DirectEvent::Report { connection: self.id, report }).await;
        }
    }

    pub(super) async fn emit_signal(&self, signal: Signal) {
        self.emit(DirectEvent::Signal { connection: self.id, signal }).await;
    }

    pub(super) async fn emit_candidate(
        &self,
        candidate: RTCIceCandidate,
    ) -> Result<(), TransportError> {
        let candidate = candidate
            .to_json()
            .map_err(|error| failure("cannot write a local candidate", &error))?;
        // All candidates belong to the first section, with which the others are bundled. The crate does not
        // fill in its name.
        let mut signal = IceCandidate::new(candidate.candidate);
        signal.sdp_mid = self.mid.clone();
        signal.sdp_mline_index = Some(0);
        signal.username_fragment = candidate.username_fragment;
        self.emit_signal(Signal::Candidate(signal)).await;
        Ok(())
    }

    /// Notes that the remote's description is applied, with `in_description` candidates in it, and adds those that
    /// came before it.
    pub(super) async fn begin(&mut self, in_description: usize) -> Result<(), TransportError> {
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
        self.peer
            .add_ice_candidate(RTCIceCandidateInit {
                candidate: candidate.candidate,
                sdp_mid: candidate.sdp_mid,
                sdp_mline_index: candidate.sdp_mline_index,
                username_fragment: candidate.username_fragment,
                url: None,
            })
            .await
            .map_err(|error| failure("a remote candidate cannot be used", &error))
    }
}
