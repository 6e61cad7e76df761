//! Former faults in special cases: limits, slow paths, memory, members that do nothing.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{
    Config, EmitError, Event, Outcome, Packet, Path, Policy, Target, TransferOutcome, TransferRead,
};
use socketio_p2p_transport_memory::{Conditions, Mesh, Node};

use super::{direct_pair, has, numbered, numbers, outcomes, path};

const PATHS: [Policy; 2] = [Policy::RelayOnly, Policy::Automatic];

fn blob(len: usize) -> Packet {
    Packet::event("blob", &(Blob::from(vec![7; len]),)).unwrap()
}

/// Creates a sender, and a receiver with its own settings, on the relay or on a channel.
fn pair(policy: Policy, receiver: impl FnOnce(Config) -> Config) -> (Mesh, Node, Node) {
    let config = Config::default().with_policy(policy);
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(config.clone()), mesh.add(receiver(config)));
    mesh.run_for(Duration::from_secs(1));
    if policy == Policy::Automatic {
        mesh.run_until_direct(a, b);
    }
    mesh.take_events(a);
    mesh.take_events(b);
    (mesh, a, b)
}

fn gone(event: &Event) -> bool {
    matches!(event, Event::PeerLeft { .. } | Event::PeerAway { .. } | Event::PeerError { .. })
}

// ----- limits -----

#[test]
fn a_transfer_of_unknown_size_is_independent_of_the_receivers_packet_limit() {
    for policy in PATHS {
        let (mut mesh, a, b) = pair(policy, |config| {
            let limits = config.limits.clone().with_max_packet_bytes(4_000).with_max_attachments(0);
            config.with_limits(limits)
        });
        let (to, event) = (mesh.id(b), Packet::event("file", &()).unwrap());
        let ours =
            mesh.with(a, |session, now| session.open_transfer(&to, &event, None, now)).unwrap();
        let all: Bytes = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let (mut left, mut read, mut finished) = (all.clone(), Vec::new(), false);
        let outcome = loop {
            assert!(mesh.step());
            for event in mesh.take_events(b) {
                let Event::TransferReadable { transfer } = event else { continue };
                while let TransferRead::Data(bytes) =
                    mesh.with(b, |session, now| session.read_transfer(&transfer, now)).unwrap()
                {
                    read.extend(bytes);
                }
            }
            if !finished {
                mesh.with(a, |session, now| session.write_transfer(&ours, &mut left, now)).unwrap();
                if left.is_empty() {
                    mesh.with(a, |session, now| session.finish_transfer(&ours, now)).unwrap();
                    finished = true;
                }
            }
            let ended = mesh.take_events(a).into_iter().find_map(|event| match event {
                Event::TransferEnded { outcome, .. } => Some(outcome),
                _ => None,
            });
            if let Some(outcome) = ended {
                break outcome;
            }
        };
        assert_eq!(outcome, TransferOutcome::Delivered, "{policy:?}");
        assert!(read == all, "{} of {} bytes, {policy:?}", read.len(), all.len());
    }
}

/// Events wait for the channel, the only path, until the peer's limits arrive on it.
#[test]
fn an_event_beyond_the_receivers_limits_does_not_close_the_channel() {
    let config = Config::default().with_policy(Policy::DirectOnly);
    let limits = config.limits.clone().with_max_attachments(0);
    let mut mesh = Mesh::new(1);
    let a = mesh.add(config.clone());
    let b = mesh.add(config.with_limits(limits));
    mesh.set_blocked(a, b, true);
    mesh.run_for(Duration::from_secs(1));
    let id = mesh.id(b);
    let beyond = mesh.emit(a, &id, &blob(10));
    mesh.emit(a, &id, &numbered(0)).unwrap();
    mesh.set_blocked(a, b, false);
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    mesh.run_until_direct(a, b);
    mesh.take_events(b);
    mesh.run_for(Duration::from_secs(60));
    let attempts = mesh.attempts(a);
    mesh.run_for(Duration::from_secs(600));
    assert_eq!(path(&mesh, a, b), Some(Path::Direct));
    assert_eq!(mesh.attempts(a), attempts, "the channel is established repeatedly");
    let ends = outcomes(&mesh.take_events(a));
    match beyond {
        Err(error) => {
            assert!(matches!(error, EmitError::BeyondPeerLimits(_)), "{error}");
            assert_eq!(ends, [Outcome::Delivered]);
        }
        Ok(_) => assert_eq!(ends, [Outcome::Refused, Outcome::Delivered]),
    }
}

#[test]
fn bulk_text_reaches_a_receiver_without_attachments_on_either_path() {
    for policy in PATHS {
        let (mut mesh, a, b) = pair(policy, |config| {
            let limits = config.limits.clone().with_max_attachments(0);
            config.with_limits(limits)
        });
        let text = Packet::event("text", &("x".repeat(200_000),)).unwrap();
        mesh.with(a, |session, now| session.emit_bulk(Target::All, &text, now)).unwrap();
        mesh.run_until_quiet();
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered], "{policy:?}");
        assert_eq!(mesh.received(b).len(), 1);
    }
}

#[test]
fn emit_refuses_a_packet_beyond_its_own_limits() {
    let (mut mesh, a, _) = pair(Policy::RelayOnly, |config| config);
    let blobs = Packet::event("x", &(vec![Blob::from(vec![1]); 300],)).unwrap();
    let name = Packet::event(&"n".repeat(300), &()).unwrap();
    for event in [blobs, name, blob(33_000_000)] {
        let volatile =
            mesh.with(a, |session, now| session.emit_volatile(Target::All, &event, now).map(drop));
        let bulk =
            mesh.with(a, |session, now| session.emit_bulk(Target::All, &event, now).map(drop));
        let asked = mesh.with(a, |session, now| {
            session.emit_with_ack(Target::All, &event, None, now).map(drop)
        });
        let emitted = mesh.emit(a, Target::All, &event).map(drop);
        for result in [emitted, bulk, volatile, asked] {
            assert!(matches!(result, Err(EmitError::Limits(_))), "{result:?}");
        }
    }
}

// ----- slow paths -----

/// Creates a sender and a receiver whose path to the hub has this rate in bytes per second, in each direction.
fn slow_relay(rate: u32) -> (Mesh, Node, Node) {
    let (mut mesh, a, b) = pair(Policy::RelayOnly, |config| config);
    for node in [a, b] {
        mesh.set_relay_conditions(node, Conditions { rate, ..Conditions::default() });
    }
    (mesh, a, b)
}

#[test]
fn a_long_event_on_a_slow_relay_arrives_once_and_is_uploaded_about_once() {
    // 256 kbit/s, 100 kbit/s and 1 Mbit/s.
    for (rate, len) in [(32_000, 1_000_000), (12_500, 400_000), (125_000, 1_000_000)] {
        let (mut mesh, a, b) = slow_relay(rate);
        let before = mesh.sent_bytes(a);
        mesh.emit(a, Target::All, &blob(len)).unwrap();
        mesh.run_for(Duration::from_secs(120));
        let (ours, theirs) = (mesh.take_events(a), mesh.take_events(b));
        assert!(!has(&ours, gone) && !has(&theirs, gone), "{rate}: {ours:?} {theirs:?}");
        assert_eq!(outcomes(&ours), [Outcome::Delivered], "{rate}");
        let received = |event: &&Event| matches!(event, Event::Received { .. });
        assert_eq!(theirs.iter().filter(received).count(), 1);
        let sent = mesh.sent_bytes(a) - before;
        assert!(sent < len as u64 * 6 / 5, "{sent} bytes for {len} at {rate} bytes/s");
    }
}

#[test]
fn an_event_behind_bulk_waits_no_longer_than_a_second_on_a_slow_relay() {
    let (mut mesh, a, b) = slow_relay(32_000);
    mesh.with(a, |session, now| session.emit_bulk(Target::All, &blob(900_000), now)).unwrap();
    let mut slowest = Duration::ZERO;
    for number in 0..15 {
        mesh.run_for(Duration::from_millis(1_500));
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
        let start = mesh.now();
        while numbers(&mut mesh, b).is_empty() {
            assert!(mesh.step());
        }
        slowest = slowest.max(mesh.now() - start);
    }
    assert!(slowest <= Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn a_slow_channel_does_not_time_out_while_data_flows() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    for (from, to) in [(a, b), (b, a)] {
        mesh.set_direct_conditions(from, to, Conditions { rate: 12_000, ..Conditions::default() });
    }
    mesh.take_events(a);
    mesh.take_events(b);
    let before = mesh.sent_bytes(a);
    mesh.emit(a, Target::All, &blob(600_000)).unwrap();
    for _ in 0..80 {
        mesh.run_for(Duration::from_secs(1));
        assert_eq!(
            (path(&mesh, a, b), path(&mesh, b, a)),
            (Some(Path::Direct), Some(Path::Direct))
        );
    }
    let (ours, theirs) = (mesh.take_events(a), mesh.take_events(b));
    assert!(!has(&ours, gone) && !has(&theirs, gone), "{ours:?} {theirs:?}");
    assert_eq!(outcomes(&ours), [Outcome::Delivered]);
    let sent = mesh.sent_bytes(a) - before;
    assert!(sent < 720_000, "{sent} bytes for 600,000");
}

#[test]
fn a_long_event_continues_when_the_server_is_lost_every_half_minute() {
    let (mut mesh, a, b) = slow_relay(125_000);
    let config = Config::default();
    assert!(config.limits.max_packet_bytes > 15_000_000);
    mesh.with(a, |session, now| session.emit_bulk(Target::All, &blob(8_000_000), now)).unwrap();
    for round in 0..6 {
        mesh.run_for(Duration::from_secs(30));
        mesh.cut_signaling(if round % 2 == 0 { a } else { b });
    }
    assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered]);
    assert_eq!(mesh.received(b).len(), 1);
}

// ----- neighbours -----

/// The peer that only receives has no sign of a failure of its via; the peer without acknowledgements has.
#[test]
fn a_via_that_drops_acknowledgements_is_replaced() {
    let mut mesh = Mesh::new(1);
    let nodes: Vec<Node> = (0..4).map(|_| mesh.add(Config::default())).collect();
    let (a, b) = (nodes[0], nodes[1]);
    mesh.set_blocked(a, b, true);
    for other in &nodes[2..] {
        mesh.run_until_direct(a, *other);
        mesh.run_until_direct(b, *other);
    }
    mesh.run_for(Duration::from_secs(1));
    mesh.stop_server();
    let Some(Path::Via(first)) = path(&mesh, a, b) else { panic!("{:?}", path(&mesh, a, b)) };
    let swallows = nodes.iter().copied().find(|node| mesh.id(*node) == first).unwrap();
    let (to_b, of_b) = (mesh.id(b), mesh.id(b));
    mesh.set_swallowed(swallows, a, Some(of_b));
    nodes.iter().for_each(|node| drop(mesh.take_events(*node)));
    for number in 0..30 {
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_secs(1));
    }
    mesh.run_for(Duration::from_secs(30));
    let events = mesh.take_events(a);
    assert!(!has(&events, |event| matches!(event, Event::PeerLeft { .. })), "{events:?}");
    assert_eq!(outcomes(&events), vec![Outcome::Delivered; 30]);
    let received = numbers(&mut mesh, b);
    assert!(received.iter().map(|(number, _)| *number).eq(0..30), "{received:?}");
}

// ----- members -----

#[test]
fn a_member_without_a_possible_direct_path_does_not_prevent_ready() {
    let mut mesh = Mesh::new(1);
    let nodes: Vec<Node> = (0..3).map(|_| mesh.add(Config::default())).collect();
    let (a, b, c) = (nodes[0], nodes[1], nodes[2]);
    mesh.set_blocked(a, c, true);
    mesh.run_until_direct(a, b);
    mesh.run_for(Duration::from_secs(120));
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::Ready)));
}
