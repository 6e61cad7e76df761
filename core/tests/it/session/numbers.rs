//! The numbers for monitoring, of meshes.

use std::time::Duration;

use socketio_p2p_core::{
    CandidateKind, Config, PeerNumbers, Policy, SessionNumbers, Target, Traffic,
};
use socketio_p2p_transport_memory::{Latency, Mesh, Node};

use super::{direct_pair, mesh, numbered};

fn of(mesh: &Mesh, node: Node, other: Node) -> PeerNumbers {
    mesh.session(node).peer_numbers(&mesh.id(other)).unwrap()
}

/// Returns whether what one side sent is what the other received.
fn is_mirrored(one: Traffic, other: Traffic) -> bool {
    (one.messages_out, one.bytes_out) == (other.messages_in, other.bytes_in)
}

#[test]
fn what_one_side_sends_on_a_path_the_other_receives_on_it() {
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.set_blocked(a, b, true);
    let c = mesh.add(Config::default());
    mesh.run_until_direct(a, c);
    mesh.run_until_direct(b, c);
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    let by_relay = of(&mesh, a, b);
    assert!(by_relay.relay.messages_out > 0 && by_relay.relay.bytes_out > 0);
    assert_eq!((by_relay.direct, by_relay.via), (Traffic::default(), Traffic::default()));

    mesh.stop_server();
    mesh.run_for(Duration::from_secs(1));
    mesh.emit(a, mesh.id(b), &numbered(1)).unwrap();
    mesh.run_for(Duration::from_millis(500));
    let (here, there) = (of(&mesh, a, b), of(&mesh, b, a));
    assert_eq!(here.relay, by_relay.relay);
    assert!(here.via.messages_out > 0 && here.via_round_trip.is_some());
    for (one, other) in [(here, there), (there, here)] {
        assert!(is_mirrored(one.relay, other.relay), "{one:?} {other:?}");
        assert!(is_mirrored(one.via, other.via), "{one:?} {other:?}");
    }
    let (here, there) = (of(&mesh, a, c), of(&mesh, c, a));
    assert!(here.direct.messages_out > 0);
    assert!(is_mirrored(here.direct, there.direct), "{here:?} {there:?}");
}

#[test]
fn round_trips_are_those_of_the_paths() {
    let latency = Latency { relay: Duration::from_millis(50), direct: Duration::from_millis(7) };
    let mut mesh = Mesh::new(1);
    mesh.set_latency(latency);
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    assert!(mesh.run_until(Duration::from_secs(5), |mesh| mesh.peer(a, b).is_some()));
    assert_eq!(of(&mesh, a, b).relay_round_trip, None);
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_until_direct(a, b);
    let numbers = of(&mesh, a, b);
    assert_eq!(numbers.direct_round_trip, Some(latency.direct * 2));
    assert!(numbers.relay_round_trip.is_none_or(|time| time == latency.relay * 4), "{numbers:?}");
    let pair = numbers.candidates.unwrap();
    assert_eq!((pair.local, pair.remote), (CandidateKind::Host, CandidateKind::Host));
}

#[test]
fn a_session_counts_its_peers_and_its_connections_to_the_server() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.cut_signaling(a);
    mesh.run_for(Duration::from_secs(5));
    let traffic = of(&mesh, a, b);
    let SessionNumbers {
        members, direct_peers, joined, left, connects, resumes, disconnects, ..
    } = mesh.session(a).numbers();
    assert_eq!((members, direct_peers, joined, left), (1, 1, 1, 0));
    assert_eq!((connects, resumes, disconnects), (2, 1, 1));
    mesh.with(b, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(1));
    let numbers = mesh.session(a).numbers();
    assert_eq!((numbers.members, numbers.direct_peers), (0, 0));
    assert_eq!((numbers.joined, numbers.left), (1, 1));
    assert_eq!((numbers.attempts, numbers.failures), (1, 0));
    assert!(numbers.direct.bytes_out >= traffic.direct.bytes_out, "{numbers:?} {traffic:?}");
    assert!(traffic.direct.bytes_out > 0);
}

#[test]
fn volatile_events_without_a_path_are_dropped_and_counted() {
    let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(Policy::DirectOnly));
    mesh.stop_server();
    let dropped = mesh.with(nodes[0], |session, now| {
        session.emit_volatile(Target::All, &numbered(0), now).unwrap()
    });
    assert_eq!(dropped.rejected.len(), 1);
    assert_eq!(of(&mesh, nodes[0], nodes[1]).dropped, 1);
    assert_eq!(mesh.session(nodes[0]).numbers().dropped, 1);
}
