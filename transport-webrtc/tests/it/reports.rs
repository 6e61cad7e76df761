//! The reports on a connection: its stages, its candidates, the pair in use.

use std::time::Duration;

use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{CandidateKind, CandidatePair, ConnectionReport, DirectStage};
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcTransport};

use crate::support::{ONE, TWO, answer, loopback, next_or_report, offer};

/// Returns the reports up to the first other event, and that event.
async fn reports(
    transport: &mut WebRtcTransport,
) -> (Vec<ConnectionReport>, DirectEvent<WebRtcChannel>) {
    let mut reports = Vec::new();
    loop {
        match next_or_report(transport).await {
            DirectEvent::Report { connection, report } => {
                assert!([ONE, TWO].contains(&connection));
                reports.push(report);
            }
            event => return (reports, event),
        }
    }
}

#[tokio::test]
async fn both_ends_report_their_stages_in_order_and_the_pair_in_use() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let sdp = offer(&mut offerer, ONE).await;
    let sdp = answer(&mut answerer, TWO, sdp).await;
    offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(sdp) });
    let (ours, theirs) = tokio::join!(reports(&mut offerer), reports(&mut answerer));
    let rest = [DirectStage::Dtls, DirectStage::Channel];
    let of_offerer = [DirectStage::Signaling, DirectStage::Checking];
    for ((reports, event), before) in [(ours, &of_offerer[..]), (theirs, &of_offerer[1..])] {
        assert!(matches!(event, DirectEvent::Open { .. }), "{event:?}");
        let mut stages: Vec<DirectStage> = reports.iter().map(|report| report.stage).collect();
        stages.dedup();
        // The answerer's checks may have been reported before its answer.
        assert!(stages == [before, &rest].concat() || stages == rest, "{stages:?}");
        let last = reports.last().unwrap();
        assert_eq!(last.stage, DirectStage::Channel);
        assert_eq!((last.local.host, last.local.total()), (1, 1), "{last:?}");
        assert_eq!((last.remote.host, last.remote.total()), (1, 1), "{last:?}");
        let CandidatePair { local, .. } = last.selected.expect("a pair is in use");
        assert_eq!(local, CandidateKind::Host);
    }
}

#[tokio::test]
async fn a_path_that_the_checks_do_not_find_is_diagnosed() {
    let mut config = loopback();
    config.open_timeout = Duration::from_millis(1500);
    let mut offerer = WebRtcTransport::new(config.clone()).unwrap();
    let mut answerer = WebRtcTransport::new(config).unwrap();
    let sdp = offer(&mut offerer, ONE).await;
    let sdp = answer(&mut answerer, TWO, sdp).await;
    assert!(answerer.cut(TWO));
    offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(sdp) });
    let (reports, event) = reports(&mut offerer).await;
    let DirectEvent::Closed { connection: ONE, error } = event else { panic!("{event:?}") };
    assert!(error.0.contains("no data channel was open"), "{error}");
    let last = reports.last().unwrap();
    assert_eq!((last.stage, last.selected), (DirectStage::Checking, None));
    assert_eq!((last.local.host, last.remote.host), (1, 1), "{last:?}");
}

#[tokio::test]
async fn an_offer_without_an_answer_is_diagnosed_as_such() {
    let mut config = loopback();
    config.open_timeout = Duration::from_millis(200);
    let mut offerer = WebRtcTransport::new(config).unwrap();
    offer(&mut offerer, ONE).await;
    let (reports, event) = reports(&mut offerer).await;
    assert!(matches!(event, DirectEvent::Closed { .. }), "{event:?}");
    let last = reports.last().unwrap();
    assert_eq!(last.stage, DirectStage::Signaling);
    assert_eq!((last.local.host, last.remote.total()), (1, 0), "{last:?}");
}
