//! The numbers for a recorder of `metrics`.

use std::collections::BTreeSet;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use socketio_p2p_core::{Event, RoomName};
use socketio_p2p_transport_socketio::{join, metrics::record_metrics};

use crate::support::{next_event, serve_default};

/// The names in the table of the documentation.
fn documented() -> BTreeSet<String> {
    let source = include_str!("../../src/metrics.rs");
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `socketio_p2p_"));
    rows.map(|row| format!("socketio_p2p_{}", row.split_once('`').unwrap().0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_names_are_those_of_the_table_and_the_values_are_current() {
    let server = serve_default().await;
    let (ann, mut events) = join(&server.url()).await.unwrap();
    let (_bob, _bobs_events) = join(&server.url()).await.unwrap();
    next_event(&mut events, |event| matches!(event, Event::PeerJoined { .. })).await;
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    ::metrics::with_local_recorder(&recorder, || {
        server.signaling().record_metrics();
        record_metrics(&ann, &RoomName::default());
    });
    let recorded = snapshotter.snapshot().into_vec();
    let names: BTreeSet<String> =
        recorded.iter().map(|(key, ..)| key.key().name().to_owned()).collect();
    // A path that has not been measured has no round trip.
    let unmeasured = BTreeSet::from(["socketio_p2p_session_round_trip_seconds".to_owned()]);
    let recorded_or_unmeasured: BTreeSet<String> = names.union(&unmeasured).cloned().collect();
    assert_eq!(recorded_or_unmeasured, documented());
    let value = |name: &str| {
        let of_it = |(key, ..): &&(_, _, _, DebugValue)| {
            let key: &metrics_util::CompositeKey = key;
            key.key().name() == name
        };
        recorded.iter().find(of_it).map(|(.., value)| format!("{value:?}"))
    };
    assert_eq!(value("socketio_p2p_hub_clients").as_deref(), Some("Gauge(2.0)"));
    assert_eq!(value("socketio_p2p_session_members").as_deref(), Some("Gauge(1.0)"));
    assert_eq!(value("socketio_p2p_session_connects_total").as_deref(), Some("Counter(1)"));
    server.close().await;
}
