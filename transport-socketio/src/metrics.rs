//! Numbers for a recorder of the crate [`metrics`](https://docs.rs/metrics) (feature `metrics`).
//!
//! [`SignalingHandle::record_metrics`] and [`record_metrics`] set the current values: call them before each scrape, or at
//! intervals. They cost one snapshot each, and nothing in between. No label names a peer: their number has no bound.
//!
//! | name | kind | labels | from |
//! |---|---|---|---|
//! | `socketio_p2p_hub_rooms` | gauge | | server |
//! | `socketio_p2p_hub_clients` | gauge | | server |
//! | `socketio_p2p_hub_away` | gauge | | server |
//! | `socketio_p2p_hub_relayed_total` | counter | | server |
//! | `socketio_p2p_hub_undeliverable_total` | counter | | server |
//! | `socketio_p2p_hub_refused_total` | counter | | server |
//! | `socketio_p2p_hub_throttled_total` | counter | | server |
//! | `socketio_p2p_hub_joins_refused_total` | counter | | server |
//! | `socketio_p2p_hub_kicked_total` | counter | | server |
//! | `socketio_p2p_hub_displaced_total` | counter | | server |
//! | `socketio_p2p_server_evicted_total` | counter | | server |
//! | `socketio_p2p_server_undeliverable_total` | counter | | server |
//! | `socketio_p2p_session_members` | gauge | `room` | client |
//! | `socketio_p2p_session_direct_peers` | gauge | `room` | client |
//! | `socketio_p2p_session_joined_total` | counter | `room` | client |
//! | `socketio_p2p_session_left_total` | counter | `room` | client |
//! | `socketio_p2p_session_connects_total` | counter | `room` | client |
//! | `socketio_p2p_session_resumes_total` | counter | `room` | client |
//! | `socketio_p2p_session_disconnects_total` | counter | `room` | client |
//! | `socketio_p2p_session_messages_total` | counter | `room`, `path`, `way` | client |
//! | `socketio_p2p_session_bytes_total` | counter | `room`, `path`, `way` | client |
//! | `socketio_p2p_session_retransmitted_records_total` | counter | `room` | client |
//! | `socketio_p2p_session_retransmitted_bytes_total` | counter | `room` | client |
//! | `socketio_p2p_session_dropped_total` | counter | `room` | client |
//! | `socketio_p2p_session_attempts_total` | counter | `room` | client |
//! | `socketio_p2p_session_failures_total` | counter | `room` | client |
//! | `socketio_p2p_session_round_trip_seconds` | gauge | `room`, `path` | client |
//!
//! `path` is `relay`, `direct` or `via`, `way` is `in` or `out`. The round trip of a path is the mean over the peers that
//! have one. What each counts is with [`ServerStats`](crate::ServerStats), [`HubStats`](socketio_p2p_core::hub::HubStats)
//! and [`SessionNumbers`](socketio_p2p_core::SessionNumbers).
//!
//! [`SignalingHandle::record_metrics`]: crate::SignalingHandle::record_metrics

#[cfg(all(feature = "server", not(target_family = "wasm")))]
use metrics::{counter, gauge};

#[cfg(feature = "client")]
pub use self::client::record_metrics;

/// Sets the numbers of a server.
#[cfg(all(feature = "server", not(target_family = "wasm")))]
pub(crate) fn record_server(stats: &crate::ServerStats) {
    let crate::ServerStats { hub, evicted, undeliverable } = *stats;
    for (name, value) in [
        ("socketio_p2p_hub_rooms", hub.rooms),
        ("socketio_p2p_hub_clients", hub.clients),
        ("socketio_p2p_hub_away", hub.away),
    ] {
        gauge!(name).set(value as f64);
    }
    for (name, value) in [
        ("socketio_p2p_hub_relayed_total", hub.relayed),
        ("socketio_p2p_hub_undeliverable_total", hub.undeliverable),
        ("socketio_p2p_hub_refused_total", hub.refused),
        ("socketio_p2p_hub_throttled_total", hub.throttled),
        ("socketio_p2p_hub_joins_refused_total", hub.joins_refused),
        ("socketio_p2p_hub_kicked_total", hub.kicked),
        ("socketio_p2p_hub_displaced_total", hub.displaced),
        ("socketio_p2p_server_evicted_total", evicted),
        ("socketio_p2p_server_undeliverable_total", undeliverable),
    ] {
        counter!(name).absolute(value);
    }
}

#[cfg(feature = "client")]
mod client {
    use std::time::Duration;

    use metrics::{counter, gauge};
    use socketio_p2p_core::handle::Peer;
    use socketio_p2p_core::{PeerNumbers, RoomName, SessionNumbers};

    /// Sets the numbers of a session, whose room is the label `room`: see the [module](crate::metrics).
    pub fn record_metrics(peer: &Peer, room: &RoomName) {
        let numbers = peer.numbers();
        let ids = peer.peers().into_iter().map(|peer| peer.id);
        let peers: Vec<PeerNumbers> = ids.filter_map(|id| peer.peer_numbers(&id)).collect();
        let room = room.to_string();
        for (name, value) in [
            ("socketio_p2p_session_members", numbers.members),
            ("socketio_p2p_session_direct_peers", numbers.direct_peers),
        ] {
            gauge!(name, "room" => room.clone()).set(value as f64);
        }
        for (name, value) in totals(&numbers) {
            counter!(name, "room" => room.clone()).absolute(value);
        }
        let round_trips: [fn(&PeerNumbers) -> Option<Duration>; 3] = [
            |peer| peer.relay_round_trip,
            |peer| peer.direct_round_trip,
            |peer| peer.via_round_trip,
        ];
        let traffic = [numbers.relay, numbers.direct, numbers.via];
        for ((path, traffic), round_trip) in
            ["relay", "direct", "via"].into_iter().zip(traffic).zip(round_trips)
        {
            let labels = |way: &'static str| {
                [("room", room.clone()), ("path", path.to_owned()), ("way", way.to_owned())]
            };
            for (way, messages, bytes) in [
                ("in", traffic.messages_in, traffic.bytes_in),
                ("out", traffic.messages_out, traffic.bytes_out),
            ] {
                counter!("socketio_p2p_session_messages_total", &labels(way)).absolute(messages);
                counter!("socketio_p2p_session_bytes_total", &labels(way)).absolute(bytes);
            }
            let measured: Vec<f64> =
                peers.iter().filter_map(round_trip).map(|time| time.as_secs_f64()).collect();
            if !measured.is_empty() {
                let mean = measured.iter().sum::<f64>() / measured.len() as f64;
                let labels = [("room", room.clone()), ("path", path.to_owned())];
                gauge!("socketio_p2p_session_round_trip_seconds", &labels).set(mean);
            }
        }
    }

    const fn totals(numbers: &SessionNumbers) -> [(&'static str, u64); 10] {
        [
            ("socketio_p2p_session_joined_total", numbers.joined),
            ("socketio_p2p_session_left_total", numbers.left),
            ("socketio_p2p_session_connects_total", numbers.connects),
            ("socketio_p2p_session_resumes_total", numbers.resumes),
            ("socketio_p2p_session_disconnects_total", numbers.disconnects),
            ("socketio_p2p_session_retransmitted_records_total", numbers.retransmitted_records),
            ("socketio_p2p_session_retransmitted_bytes_total", numbers.retransmitted_bytes),
            ("socketio_p2p_session_dropped_total", numbers.dropped),
            ("socketio_p2p_session_attempts_total", numbers.attempts),
            ("socketio_p2p_session_failures_total", numbers.failures),
        ]
    }
}
