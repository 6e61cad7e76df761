//! Events from end to end: numbering, records, acknowledgements, backpressure.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::HubLimits;
use socketio_p2p_core::{
    Config, EmitError, Event, Outcome, Packet, Path, PeerError, Policy, Target,
};
use socketio_p2p_transport_memory::{Conditions, Latency, Mesh, Node};

use super::{
    direct_pair, emit_all, emit_beyond_limits, has, mesh, numbered, numbers, outcomes, path,
};

fn blob(len: usize, fill: u8) -> Blob {
    let bytes: Vec<u8> = (0..len).map(|index| (index % 251) as u8 ^ fill).collect();
    Blob::from(bytes)
}

fn file() -> Packet {
    let blobs = [blob(0, 1), blob(1, 2), blob(1_000_000, 3)];
    Packet::event("peer-file", &("holiday", &blobs)).unwrap()
}

fn is_file(event: &Event) -> bool {
    let Event::Received { packet, .. } = event else { return false };
    let attachments: &[Bytes] = packet.attachments();
    packet.args::<(&str, Vec<Blob>)>().is_ok_and(|(name, _)| name == "holiday")
        && attachments.iter().zip([0, 1, 1_000_000]).all(|(blob, len)| blob.len() == len)
        && attachments
            .iter()
            .zip([1, 2, 3])
            .all(|(bytes, fill)| *bytes == Bytes::from(blob(bytes.len(), fill)))
}

#[test]
fn blobs_of_any_size_arrive_whole_on_the_direct_path() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.emit(a, Target::All, &file()).unwrap();
    mesh.run_until_quiet();
    let received = mesh.received(b);
    assert!(received.len() == 1 && is_file(&received[0]), "{received:?}");
    assert!(has(&received, |event| matches!(event, Event::Received { path: Path::Direct, .. })));
}

#[test]
fn blobs_of_any_size_arrive_whole_on_the_relay() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(2, &config);
    mesh.emit(nodes[0], Target::All, &file()).unwrap();
    mesh.run_until_quiet();
    let received = mesh.received(nodes[1]);
    assert!(received.len() == 1 && is_file(&received[0]), "{received:?}");
}

#[test]
fn a_blob_arrives_once_and_whole_when_its_path_closes_in_flight() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    emit_all(&mut mesh, a, [numbered(0), file(), numbered(1)]);
    for _ in 0..20 {
        mesh.step();
    }
    mesh.close_direct(a, b);
    mesh.run_until_quiet();
    let received = mesh.received(b);
    assert_eq!(received.len(), 3, "{received:?}");
    assert!(is_file(&received[1]));
}

#[test]
fn many_attachments_pass_on_both_paths() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    let blobs: Vec<Blob> = (0..100).map(|index| blob(index, index as u8)).collect();
    let packet = Packet::event("blobs", &(&blobs,)).unwrap();
    mesh.emit(a, Target::All, &packet).unwrap();
    mesh.run_until_quiet();
    mesh.run_until_direct(a, b);
    mesh.emit(a, Target::All, &packet).unwrap();
    mesh.run_until_quiet();
    let received = mesh.received(b);
    assert_eq!(received.len(), 2);
    for event in received {
        let Event::Received { packet, .. } = event else { panic!("{event:?}") };
        assert_eq!(packet.args::<(Vec<Blob>,)>().unwrap().0, blobs);
    }
}

#[test]
fn every_emit_is_reported_delivered() {
    let (mut mesh, nodes) = mesh(3, &Config::default());
    let emitted = mesh.emit(nodes[0], Target::All, &numbered(0)).unwrap();
    assert_eq!((emitted.accepted.len(), emitted.rejected.len()), (2, 0));
    mesh.run_until_quiet();
    let events = mesh.take_events(nodes[0]);
    assert_eq!(outcomes(&events), [Outcome::Delivered; 2]);
    assert!(has(
        &events,
        |event| matches!(event, Event::Outcome { emit, .. } if *emit == emitted.id)
    ));
}

#[test]
fn emits_that_a_killed_peer_did_not_acknowledge_are_unknown_or_not_sent() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let id = mesh.id(b);
    mesh.crash(b);
    mesh.emit(a, &id, &numbered(0)).unwrap();
    mesh.run_for(Duration::from_secs(6));
    mesh.emit(a, &id, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(20));
    assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Unknown, Outcome::NotSent]);
    assert!(matches!(mesh.emit(a, &id, &numbered(2)), Err(EmitError::UnknownPeer(_))));
}

#[test]
fn acknowledgements_arrive_on_either_path() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    for path in [Path::Relay, Path::Direct] {
        let id = mesh.id(b);
        let ask = Packet::event("sum", &(2, 3)).unwrap();
        let emit =
            mesh.with(a, |session, now| session.emit_with_ack(&id, &ask, None, now)).unwrap();
        let asked = |mesh: &mut Mesh| mesh.received(b).pop();
        let question = (0..1000).find_map(|_| {
            mesh.step();
            asked(&mut mesh)
        });
        let Some(Event::Received { packet, reply: Some(token), path: came, .. }) = question else {
            panic!("no question: {question:?}")
        };
        assert_eq!(came, path);
        let (x, y) = packet.args::<(i32, i32)>().unwrap();
        mesh.with(b, |session, now| session.reply(&token, &(x + y,), now)).unwrap();
        mesh.run_until_quiet();
        let events = mesh.take_events(a);
        assert!(has(&events, |event| matches!(
            event,
            Event::Ack { emit: answered, packet, .. }
                if *answered == emit.id && packet.args::<(i32,)>().unwrap() == (5,)
        )));
        mesh.run_until_direct(a, b);
    }
}

#[test]
fn a_missing_acknowledgement_is_reported_at_its_deadline_and_ignored_later() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let id = mesh.id(b);
    mesh.with(a, |session, now| session.emit_with_ack(&id, &numbered(0), None, now)).unwrap();
    let start = mesh.now();
    let silent = |mesh: &mut Mesh| {
        has(&mesh.take_events(a), |event| matches!(event, Event::NoAck { timed_out: true, .. }))
    };
    while !silent(&mut mesh) {
        assert!(mesh.step());
    }
    assert_eq!(mesh.now() - start, Duration::from_secs(10));
    let Some(Event::Received { reply: Some(token), .. }) = mesh.received(b).pop() else {
        panic!("no question")
    };
    mesh.with(b, |session, now| session.reply(&token, &(), now)).unwrap();
    mesh.run_until_quiet();
    assert!(!has(&mesh.take_events(a), |event| matches!(event, Event::Ack { .. })));
}

#[test]
fn a_pending_acknowledgement_ends_when_the_peer_leaves() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let id = mesh.id(b);
    mesh.with(a, |session, now| {
        session.emit_with_ack(&id, &numbered(0), Some(Duration::from_secs(3600)), now)
    })
    .unwrap();
    mesh.run_until_quiet();
    mesh.crash(b);
    mesh.run_for(Duration::from_secs(20));
    let gone = |event: &Event| matches!(event, Event::NoAck { timed_out: false, .. });
    assert!(has(&mesh.take_events(a), gone));
}

#[test]
fn a_full_queue_blocks_and_reports_when_it_is_writable() {
    let config = Config::default().with_queue_bytes(10_000);
    let (mut mesh, a, b) = direct_pair(&config);
    mesh.set_silent(a, b, true);
    let event = Packet::event("text", &("x".repeat(900),)).unwrap();
    let mut accepted = 0;
    let blocked = loop {
        let id = mesh.id(b);
        match mesh.emit(a, id, &event) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert!((10..12).contains(&accepted), "{accepted} events of 900 bytes in 10,000");
    assert!(matches!(blocked, EmitError::Blocked { queued, .. } if queued <= 10_000));
    mesh.take_events(a);
    mesh.set_silent(a, b, false);
    let writable = |event: &Event| matches!(event, Event::Writable { .. });
    mesh.run_until_quiet();
    assert!(has(&mesh.take_events(a), writable));
    assert_eq!(mesh.received(b).len(), accepted);
}

#[test]
fn one_blocked_peer_does_not_delay_the_others() {
    let config = Config::default().with_queue_bytes(1_000);
    let (mut mesh, nodes) = mesh(3, &config);
    let (a, b, c) = (nodes[0], nodes[1], nodes[2]);
    mesh.run_until_direct(a, b);
    mesh.run_until_direct(a, c);
    mesh.set_silent(a, b, true);
    let slow = mesh.id(b);
    let mut rejected = 0;
    for number in 0..100 {
        let emitted = mesh.emit(a, Target::All, &numbered(number)).unwrap();
        assert!(emitted.rejected.iter().all(|(peer, _)| *peer == slow));
        rejected += emitted.rejected.len();
        mesh.run_for(Duration::from_millis(30));
    }
    assert!(rejected > 0);
    assert_eq!(numbers(&mut mesh, c).len(), 100);
}

#[test]
fn one_upload_serves_every_receiver_on_the_relay() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(5, &config);
    mesh.run_until_quiet();
    mesh.run_for(Duration::from_secs(1));
    let before = mesh.uploads();
    mesh.emit(nodes[0], Target::All, &numbered(0)).unwrap();
    assert_eq!(mesh.uploads() - before, 1);
    mesh.run_until_quiet();
    for &node in &nodes[1..] {
        assert_eq!(numbers(&mut mesh, node), [(0, Path::Relay)]);
    }
}

#[test]
fn reserved_names_and_foreign_packet_types_are_refused_at_emit() {
    let (mut mesh, nodes) = mesh(1, &Config::default());
    let node = nodes[0];
    for name in ["offers", "numClients", "p2p:relay", "p2p:anything"] {
        let event = Packet::event(name, &()).unwrap();
        let error = mesh.emit(node, Target::All, &event).unwrap_err();
        assert!(
            matches!(&error, EmitError::ReservedEvent(reserved) if reserved == name),
            "{error}"
        );
    }
    let ack = Packet::ack(1, &()).unwrap();
    assert!(matches!(mesh.emit(node, Target::All, &ack), Err(EmitError::NotAnEvent(_))));
    let control = "/socketio-p2p";
    let namespace = socketio_p2p_core::Namespace::new(control).unwrap();
    let event = Packet::event("ping", &(1,)).unwrap().in_namespace(&namespace);
    let error = mesh.emit(node, Target::All, &event).unwrap_err();
    assert!(matches!(&error, EmitError::ReservedNamespace(name) if name == control), "{error}");
}

#[test]
fn a_packet_beyond_the_receivers_limits_is_refused_and_the_lane_continues() {
    let mut mesh = Mesh::new(1);
    let strict = Config::default();
    let limits = strict.limits.clone().with_max_attachments(2);
    let (a, b) = (mesh.add(Config::default()), mesh.add(strict.with_limits(limits)));
    mesh.run_for(Duration::from_secs(1));
    mesh.take_events(a);
    let deep = format!("[\"deep\",{}{}]", "[".repeat(100), "]".repeat(100));
    let fine = numbered(1);
    let namespace = socketio_p2p_core::Namespace::default();
    let kind = socketio_p2p_core::PacketType::Event;
    let deep = Packet::from_parts(kind, &namespace, None, deep, Vec::new()).unwrap();
    mesh.emit(a, Target::All, &deep).unwrap();
    mesh.emit(a, Target::All, &fine).unwrap();
    mesh.run_until_quiet();
    assert_eq!(mesh.received(b).len(), 2, "within the limits");
    mesh.take_events(a);
    let blobs = Packet::event("blobs", &(blob(1, 0), blob(1, 0), blob(1, 0))).unwrap();
    let at_once = emit_beyond_limits(&mut mesh, a, &blobs);
    mesh.emit(a, Target::All, &fine).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b).len(), 1);
    let ends = outcomes(&mesh.take_events(a));
    let blamed =
        |event: &Event| matches!(event, Event::PeerError { error: PeerError::BadPacket(_), .. });
    if at_once {
        assert_eq!(ends, [Outcome::Delivered]);
    } else {
        assert_eq!(ends, [Outcome::Refused, Outcome::Delivered]);
        assert!(has(&mesh.take_events(b), blamed));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || {
        let (mut mesh, nodes) = mesh(3, &Config::default());
        for number in 0..20 {
            mesh.emit(nodes[number % 3], Target::All, &numbered(number as u64)).unwrap();
            mesh.step();
        }
        mesh.close_direct(nodes[0], nodes[1]);
        mesh.run_for(Duration::from_secs(30));
        let events: Vec<_> = nodes.iter().map(|node| mesh.take_events(*node)).collect();
        format!("{:?} {events:?}", mesh.now())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_record_to_many_peers_stays_within_the_hub_limits() {
    let limits = HubLimits::new(6_000, 1);
    let mut mesh = Mesh::with_hub(1, HubConfig::default().with_limits(limits));
    let config = Config::default().with_policy(Policy::RelayOnly);
    let nodes: Vec<Node> = (0..20).map(|_| mesh.add(config.clone())).collect();
    mesh.run_for(Duration::from_secs(2));
    mesh.take_events(nodes[0]);
    let event = Packet::event("n", &(7, blob(30_000, 7))).unwrap();
    mesh.emit(nodes[0], Target::All, &event).unwrap();
    mesh.run_for(Duration::from_secs(20));
    let events = mesh.take_events(nodes[0]);
    assert!(!has(&events, |event| matches!(event, Event::Disconnected { .. })), "{events:?}");
    assert_eq!(outcomes(&events), [Outcome::Delivered; 19]);
    assert_eq!(mesh.hub().unwrap().stats().refused, 0);
}

#[test]
fn records_out_of_order_that_a_receiver_dropped_are_retransmitted() {
    let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(Policy::Manual));
    let (a, b) = (nodes[0], nodes[1]);
    let validated = |mesh: &Mesh| mesh.peer(a, b).unwrap().validated;
    assert!(mesh.run_until(Duration::from_secs(60), validated));
    mesh.run_for(Duration::from_secs(1));
    // The first event is still on the relay when a full queue of others overtakes it.
    mesh.set_latency(Latency {
        relay: Duration::from_millis(100),
        direct: Duration::from_millis(5),
    });
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    let event = Packet::event("n", &("x".repeat(1000),)).unwrap();
    let mut accepted = 1;
    while mesh.emit(a, Target::All, &event).unwrap().rejected.is_empty() {
        accepted += 1;
    }
    mesh.run_for(Duration::from_secs(30));
    assert_eq!(mesh.received(b).len(), accepted);
    assert_eq!(outcomes(&mesh.take_events(a)).len(), accepted);
}

#[test]
fn a_closing_receiver_acknowledges_received_packets_first() {
    for policy in [Policy::RelayOnly, Policy::Automatic] {
        let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(policy));
        let (a, b) = (nodes[0], nodes[1]);
        if policy == Policy::Automatic {
            mesh.run_until_direct(a, b);
        }
        mesh.emit(a, Target::All, &numbered(0)).unwrap();
        while mesh.received(b).is_empty() {
            assert!(mesh.step());
        }
        mesh.with(b, |session, now| session.close(now));
        mesh.run_for(Duration::from_secs(2));
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered]);
    }
}

#[test]
fn a_clock_jump_does_not_change_the_order_on_the_wire() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(2, &config);
    let latency = |relay| Latency { relay, direct: Duration::from_millis(5) };
    mesh.set_latency(latency(Duration::from_secs(1)));
    mesh.emit(nodes[0], Target::All, &numbered(0)).unwrap();
    mesh.jump_clock(Duration::from_secs(100));
    mesh.set_latency(latency(Duration::from_millis(1)));
    // The server sees the end of the connection after the frames sent on it.
    mesh.set_reachable(nodes[0], false);
    mesh.run_for(Duration::from_secs(3));
    assert_eq!(numbers(&mut mesh, nodes[1]).len(), 1);
}

#[test]
fn received_records_of_a_blob_are_not_retransmitted_when_its_path_closes() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.set_direct_conditions(a, b, Conditions { rate: 500_000, ..Conditions::default() });
    let before = mesh.sent_bytes(a);
    mesh.emit(a, Target::All, &file()).unwrap();
    let held = |mesh: &Mesh| mesh.peer(b, a).unwrap().held;
    assert!(mesh.run_until(Duration::from_secs(3), |mesh| held(mesh) > 500_000));
    mesh.close_direct(a, b);
    assert!(mesh.run_until(Duration::from_secs(1), |mesh| path(mesh, b, a) == Some(Path::Relay)));
    assert!(held(&mesh) > 500_000);
    mesh.run_until_quiet();
    let received = mesh.received(b);
    assert!(received.len() == 1 && is_file(&received[0]), "{received:?}");
    assert_eq!(held(&mesh), 0);
    let sent = mesh.sent_bytes(a) - before;
    assert!(sent < 1_500_000, "{sent} bytes for 1,000,000");
}
