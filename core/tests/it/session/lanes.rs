//! The interaction of lanes, volatile events, and emits with acknowledgement to all.

use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, EmitError, Event, Outcome, Packet, Path, PeerId, Policy, Target};
use socketio_p2p_transport_memory::{Conditions, Latency, Mesh, Node};

use super::{direct_pair, has, mesh, numbered, numbers, outcomes};

fn relay_only() -> Config {
    Config::default().with_policy(Policy::RelayOnly)
}

fn big(number: u64, bytes: usize) -> Packet {
    Packet::event("big", &(number, Blob::from(vec![7; bytes]))).unwrap()
}

fn small(number: u64) -> Packet {
    Packet::event("small", &(number, None::<Blob>)).unwrap()
}

/// Returns the first arguments of all events that a node has received, in order.
fn order(mesh: &mut Mesh, node: Node) -> Vec<u64> {
    let received = mesh.received(node).into_iter();
    let number = |event| match event {
        Event::Received { packet, .. } => packet.args::<(u64, Option<Blob>)>().unwrap().0,
        other => panic!("not received: {other:?}"),
    };
    received.map(number).collect()
}

#[test]
fn an_event_overtakes_bulk_on_either_path() {
    let on_relay = mesh(2, &relay_only());
    let (direct, a, b) = direct_pair(&Config::default());
    for (mut mesh, a, b) in [(on_relay.0, on_relay.1[0], on_relay.1[1]), (direct, a, b)] {
        mesh.with(a, |session, now| session.emit_bulk(Target::All, &big(0, 900_000), now)).unwrap();
        mesh.emit(a, Target::All, &small(1)).unwrap();
        mesh.run_until_quiet();
        assert_eq!(order(&mut mesh, b), [1, 0]);
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered; 2]);
    }
}

#[test]
fn bulk_gets_its_turn_under_a_constant_load_of_events() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.with(a, |session, now| session.emit_bulk(Target::All, &big(0, 100_000), now)).unwrap();
    let mut bulk_after = None;
    for number in 1..100 {
        for _ in 0..4 {
            mesh.emit(a, Target::All, &big(number, 50_000)).unwrap();
        }
        mesh.run_for(Duration::from_millis(20));
        if order(&mut mesh, b).contains(&0) {
            bulk_after = Some(number);
            break;
        }
    }
    assert!(bulk_after.is_some(), "bulk never arrived");
}

#[test]
fn each_lane_has_its_own_queue_and_reports_when_it_is_writable() {
    let config = Config::default().with_queue_bytes(10_000);
    let (mut mesh, a, b) = direct_pair(&config);
    mesh.set_silent(a, b, true);
    let id = mesh.id(b);
    let blocked = |mesh: &mut Mesh, bulk: bool| loop {
        let event = big(0, 900);
        let result = mesh.with(a, |session, now| match bulk {
            true => session.emit_bulk(&id, &event, now),
            false => session.emit(&id, &event, now),
        });
        if let Err(EmitError::Blocked { lane, queued, .. }) = result {
            assert!(queued <= 10_000);
            return lane;
        }
    };
    assert_eq!(blocked(&mut mesh, true), Lane::Bulk);
    mesh.emit(a, &id, &numbered(1)).unwrap();
    assert_eq!(blocked(&mut mesh, false), Lane::Events);
    mesh.take_events(a);
    mesh.set_silent(a, b, false);
    mesh.run_until_quiet();
    let events = mesh.take_events(a);
    for wanted in [Lane::Events, Lane::Bulk] {
        let writable =
            |event: &&Event| matches!(event, Event::Writable { lane, .. } if *lane == wanted);
        assert_eq!(events.iter().filter(writable).count(), 1, "{wanted:?}");
    }
}

#[test]
fn large_packets_to_several_peers_are_uploaded_once() {
    let (mut mesh, nodes) = mesh(5, &relay_only());
    mesh.run_for(Duration::from_secs(1));
    // The next packet numbers differ per receiver.
    let first = mesh.id(nodes[1]);
    mesh.emit(nodes[0], first, &small(0)).unwrap();
    mesh.run_until_quiet();
    nodes.iter().for_each(|node| drop(mesh.received(*node)));

    for bulk in [false, true] {
        let event = big(1, 3_000_000);
        let before = mesh.uploaded_bytes();
        mesh.with(nodes[0], |session, now| match bulk {
            true => session.emit_bulk(Target::All, &event, now),
            false => session.emit(Target::All, &event, now),
        })
        .unwrap();
        mesh.run_until_quiet();
        for &node in &nodes[1..] {
            assert_eq!(order(&mut mesh, node), [1]);
        }
        let uploaded = mesh.uploaded_bytes() - before;
        assert!(uploaded < 3_300_000, "{uploaded} bytes for one packet of 3,000,000, bulk: {bulk}");
    }
}

fn emit_volatile(mesh: &mut Mesh, node: Node, number: u64) -> Vec<(PeerId, EmitError)> {
    let event = numbered(number);
    let emitted = mesh.with(node, |session, now| session.emit_volatile(Target::All, &event, now));
    emitted.unwrap().rejected
}

#[test]
fn volatile_events_use_either_path_and_have_no_outcome() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    for path in [Path::Relay, Path::Direct] {
        for number in 0..3 {
            assert!(emit_volatile(&mut mesh, a, number).is_empty());
        }
        mesh.emit(a, Target::All, &numbered(3)).unwrap();
        mesh.run_until_quiet();
        let came: Vec<(u64, Path)> = (0..=3).map(|number| (number, path.clone())).collect();
        assert_eq!(numbers(&mut mesh, b), came);
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered]);
        mesh.run_until_direct(a, b);
    }
}

#[test]
fn volatile_events_beyond_the_capacity_of_the_path_are_dropped_and_counted() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.set_silent(a, b, true);
    let sent = 100_000;
    let mut dropped = 0;
    for number in 0..sent {
        for (_, error) in emit_volatile(&mut mesh, a, number) {
            assert!(matches!(error, EmitError::Dropped(_)), "{error}");
            dropped += 1;
        }
    }
    assert!(dropped > sent / 2, "{dropped} of {sent}");
    let peer = mesh.peer(a, b).unwrap();
    assert_eq!((peer.dropped, peer.queued), (dropped, 0));
    mesh.set_silent(a, b, false);
    mesh.run_for(Duration::from_secs(1));
    let came = numbers(&mut mesh, b);
    assert_eq!(came.len() as u64, sent - dropped);
    assert!(emit_volatile(&mut mesh, a, sent).is_empty(), "acknowledged, so that there is room");
}

#[test]
fn lost_volatile_events_count_as_in_flight_for_at_most_a_second() {
    let mut config = Config::default().with_policy(Policy::RelayOnly);
    config.volatile_bytes = 20;
    let (mut mesh, nodes) = mesh(2, &config);
    let (a, b) = (nodes[0], nodes[1]);
    mesh.set_relay_conditions(a, Conditions { loss: 1_000, ..Conditions::default() });
    mesh.set_relay_conditions(b, Conditions { loss: 1_000, ..Conditions::default() });
    assert!(emit_volatile(&mut mesh, a, 0).is_empty());
    assert_eq!(emit_volatile(&mut mesh, a, 1).len(), 1, "the first is in flight");
    mesh.run_for(Duration::from_millis(1_001));
    for node in [a, b] {
        mesh.set_relay_conditions(node, Conditions::default());
    }
    assert!(emit_volatile(&mut mesh, a, 2).is_empty());
    mesh.run_for(Duration::from_secs(1));
    assert_eq!(numbers(&mut mesh, b), [(2, Path::Relay)]);
}

#[test]
fn volatile_events_do_not_wait_for_a_path_and_long_ones_are_never_sent() {
    let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(Policy::DirectOnly));
    let (a, b) = (nodes[0], nodes[1]);
    mesh.set_blocked(a, b, true);
    assert_eq!(emit_volatile(&mut mesh, a, 0).len(), 1);
    mesh.set_blocked(a, b, false);
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    mesh.run_until_direct(a, b);
    let too_big = big(1, 100_000);
    let emitted = mesh.with(a, |session, now| session.emit_volatile(Target::All, &too_big, now));
    assert_eq!(emitted.unwrap().rejected.len(), 1);
    mesh.run_for(Duration::from_secs(1));
    assert!(mesh.received(b).is_empty());
}

#[test]
fn a_volatile_event_is_not_retransmitted_when_its_path_ends() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    assert!(emit_volatile(&mut mesh, a, 0).is_empty());
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.close_direct(a, b);
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(1, Path::Relay)]);
}

#[test]
fn an_emit_with_ack_to_all_reports_the_answers_until_the_deadline() {
    let (mut mesh, nodes) = mesh(4, &Config::default());
    mesh.set_latency(Latency::default());
    let (asker, silent) = (nodes[0], nodes[3]);
    let question = Packet::event("who", &()).unwrap();
    let before = mesh.uploads();
    let asked = mesh
        .with(asker, |session, now| {
            session.emit_with_ack(Target::All, &question, Some(Duration::from_secs(2)), now)
        })
        .unwrap();
    assert_eq!(asked.accepted.len(), 3);
    assert_eq!(mesh.uploads() - before, 1, "one upload serves all receivers");
    let answering = &nodes[1..3];
    mesh.run_for(Duration::from_millis(200));
    for &node in answering {
        for event in mesh.received(node) {
            let Event::Received { reply: Some(token), .. } = event else { panic!("{event:?}") };
            mesh.with(node, |session, now| session.reply(&token, &("I",), now)).unwrap();
        }
    }
    mesh.run_for(Duration::from_secs(5));
    let ids = |nodes: &[Node]| {
        let mut ids: Vec<PeerId> = nodes.iter().map(|node| mesh.id(*node)).collect();
        ids.sort();
        ids
    };
    let (answering, silent) = (ids(answering), ids(&[silent]));
    let events = mesh.take_events(asker);
    let ack = |event: &&Event| matches!(event, Event::Ack { emit, .. } if *emit == asked.id);
    assert_eq!(events.iter().filter(ack).count(), 2);
    assert!(has(&events, |event| matches!(event, Event::NoAck { timed_out: true, .. })));
    let complete: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::AcksComplete { emit, answered, missing } => Some((*emit, answered, missing)),
            _ => None,
        })
        .collect();
    let [(emit, answered, missing)] = complete[..] else { panic!("{complete:?}") };
    let mut answered = answered.clone();
    answered.sort();
    assert_eq!((emit, answered, missing), (asked.id, answering, &silent));
}

#[test]
fn an_emit_with_ack_without_receivers_completes_at_once() {
    let (mut mesh, nodes) = mesh(1, &Config::default());
    let question = Packet::event("who", &()).unwrap();
    mesh.with(nodes[0], |session, now| session.emit_with_ack(Target::All, &question, None, now))
        .unwrap();
    let complete = |event: &Event| {
        matches!(event, Event::AcksComplete { answered, missing, .. }
            if answered.is_empty() && missing.is_empty())
    };
    assert!(has(&mesh.take_events(nodes[0]), complete));
}
