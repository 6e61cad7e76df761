//! What the `webrtc` crate knows about a connection.

use std::time::Instant;

use socketio_p2p_core::{
    CandidateCounts, CandidateKind, CandidatePair, ConnectionReport, DirectStage,
};
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidateType, RTCStatsReportEntry, StatsSelector,
};

/// Returns the report on a connection at this stage.
pub(super) async fn report(stage: DirectStage, peer: &dyn PeerConnection) -> ConnectionReport {
    let mut report = ConnectionReport::new(stage);
    // The statistics have the local candidates from the beginning, but no remote ones of a description. The
    // transport, which has these, does not exist before both descriptions.
    for entry in peer.get_stats(Instant::now(), StatsSelector::None).await.iter() {
        if let RTCStatsReportEntry::LocalCandidate(candidate) = entry {
            count(&mut report.local, candidate.candidate_type);
        }
    }
    let Some(sctp) = peer.sctp().await else { return report };
    let ice = sctp.transport().ice_transport();
    for candidate in ice.get_remote_candidates().await.unwrap_or_default() {
        count(&mut report.remote, candidate.typ);
    }
    let selected = ice.get_selected_candidate_pair().await.ok().flatten();
    report.selected = selected.map(|pair| CandidatePair {
        local: kind_from(pair.local().typ),
        remote: kind_from(pair.remote().typ),
    });
    report
}

const fn count(counts: &mut CandidateCounts, kind: RTCIceCandidateType) {
    counts.add(kind_from(kind));
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the crate may add kinds")]
const fn kind_from(kind: RTCIceCandidateType) -> CandidateKind {
    match kind {
        RTCIceCandidateType::Srflx => CandidateKind::ServerReflexive,
        RTCIceCandidateType::Prflx => CandidateKind::PeerReflexive,
        RTCIceCandidateType::Relay => CandidateKind::Relay,
        // `Host`, and `Unspecified`, which no candidate in use is.
        _ => CandidateKind::Host,
    }
}
