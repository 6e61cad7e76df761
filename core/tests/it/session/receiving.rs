//! An application that takes no events for a while.

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{
    Config, EmitError, Event, Outcome, Packet, Path, Policy, Target, TransferRead,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, has, mesh, numbered, numbers, outcomes, path};

const MINUTE: Duration = Duration::from_secs(60);

fn set_receiving(mesh: &mut Mesh, node: Node, receiving: bool) {
    mesh.with(node, |session, now| session.set_receiving(receiving, now));
}

/// Creates two pairs, one that uses the relay and one with a direct path.
fn pairs(config: &Config) -> [(Mesh, Node, Node); 2] {
    let (on_relay, nodes) = mesh(2, &config.clone().with_policy(Policy::RelayOnly));
    let direct = direct_pair(&config.clone().with_policy(Policy::Automatic));
    [(on_relay, nodes[0], nodes[1]), direct]
}

/// Emits events of `bytes` bytes until the queue is full. Returns their number.
fn fill(mesh: &mut Mesh, node: Node, from: u64, bytes: usize) -> u64 {
    let mut number = from;
    loop {
        let event = Packet::event("n", &(number, Blob::from(vec![7; bytes]))).unwrap();
        let emitted = mesh.emit(node, Target::All, &event).unwrap();
        match &emitted.rejected[..] {
            [] => number += 1,
            [(_, EmitError::Blocked { .. })] => return number,
            other => panic!("{other:?}"),
        }
    }
}

fn received(mesh: &mut Mesh, node: Node) -> Vec<u64> {
    let received = mesh.received(node).into_iter();
    let number = |event| match event {
        Event::Received { packet, .. } => packet.args::<(u64, Blob)>().unwrap().0,
        other => panic!("not received: {other:?}"),
    };
    received.map(number).collect()
}

#[test]
fn an_application_that_takes_no_events_for_a_minute_loses_none_and_is_not_given_up() {
    for (mut mesh, a, b) in pairs(&Config::default()) {
        let used = path(&mesh, a, b);
        set_receiving(&mut mesh, b, false);
        let mut sent = 0;
        for _ in 0..12 {
            sent = fill(&mut mesh, a, sent, 10_000);
            mesh.run_for(Duration::from_secs(5));
            assert!(received(&mut mesh, b).is_empty());
        }
        let held = mesh.peer(b, a).unwrap().held;
        assert!((10_000..3 << 20).contains(&held), "{held} bytes");
        let gone = |event: &Event| matches!(event, Event::PeerLeft { .. } | Event::PeerAway { .. });
        for node in [a, b] {
            let events = mesh.take_events(node);
            assert!(!has(&events, gone), "{events:?}");
        }
        set_receiving(&mut mesh, b, true);
        mesh.run_for(Duration::from_secs(20));
        assert_eq!(received(&mut mesh, b), (0..sent).collect::<Vec<_>>());
        assert_eq!(path(&mesh, a, b), used);
        let delivered = outcomes(&mesh.take_events(a));
        assert_eq!(delivered, vec![Outcome::Delivered; sent as usize]);
    }
}

#[test]
fn a_peer_that_was_told_to_wait_sends_no_records_until_it_may_go_on() {
    for (mut mesh, a, b) in pairs(&Config::default()) {
        set_receiving(&mut mesh, b, false);
        fill(&mut mesh, a, 0, 10_000);
        mesh.run_for(Duration::from_secs(5));
        let before = mesh.sent_bytes(a);
        mesh.run_for(MINUTE);
        let idle = mesh.sent_bytes(a) - before;
        assert!(idle < 10_000, "{idle} bytes in a minute");
        set_receiving(&mut mesh, b, true);
        mesh.run_for(Duration::from_millis(100));
        assert!(!received(&mut mesh, b).is_empty(), "nothing within 100 ms");
    }
}

#[test]
fn unread_events_of_many_peers_stay_within_the_bounds_of_memory_and_nothing_is_refused() {
    let config = Config::default().with_policy(Policy::RelayOnly).with_receive_bytes(300_000);
    let (mut mesh, nodes) = mesh(5, &config);
    let (reader, senders) = nodes.split_first().unwrap();
    set_receiving(&mut mesh, *reader, false);
    let id = mesh.id(*reader);
    for node in senders {
        for number in 0..20_u64 {
            let event = Packet::event("n", &(number, Blob::from(vec![7; 40_000]))).unwrap();
            mesh.emit(*node, id.clone(), &event).unwrap();
        }
    }
    for _ in 0..60 {
        mesh.run_for(Duration::from_secs(1));
        let held: usize = mesh.session(*reader).peers().map(|peer| peer.held).sum();
        // Of each peer one packet in order goes beyond.
        assert!(held <= 300_000 + 4 * 50_000, "{held} bytes");
    }
    set_receiving(&mut mesh, *reader, true);
    mesh.run_for(MINUTE);
    assert_eq!(received(&mut mesh, *reader).len(), 80);
    for node in senders {
        assert_eq!(outcomes(&mesh.take_events(*node)), [Outcome::Delivered; 20]);
    }
}

#[test]
fn transfers_and_direct_paths_go_on_while_no_events_are_taken_and_volatile_events_are_dropped() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    set_receiving(&mut mesh, b, false);
    mesh.run_until_direct(a, b);
    let id = mesh.id(b);
    let file = Packet::event("file", &()).unwrap();
    let transfer =
        mesh.with(a, |session, now| session.open_transfer(&id, &file, Some(100_000), now)).unwrap();
    let mut data = Bytes::from(vec![7; 100_000]);
    while !data.is_empty() {
        mesh.with(a, |session, now| session.write_transfer(&transfer, &mut data, now)).unwrap();
        assert!(data.is_empty() || mesh.step());
    }
    mesh.with(a, |session, now| session.finish_transfer(&transfer, now)).unwrap();
    mesh.with(a, |session, now| session.emit_volatile(&id, &numbered(1), now)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    let opened = mesh.take_events(b).into_iter().find_map(|event| match event {
        Event::TransferOpened { transfer, .. } => Some(transfer),
        _ => None,
    });
    let opened = opened.expect("the transfer was opened");
    let mut read = 0;
    while read < 100_000 {
        match mesh.with(b, |session, now| session.read_transfer(&opened, now)).unwrap() {
            TransferRead::Data(bytes) => read += bytes.len(),
            TransferRead::Pending => assert!(mesh.step()),
            TransferRead::End => panic!("ended after {read} bytes"),
        }
    }
    set_receiving(&mut mesh, b, true);
    mesh.emit(a, Target::All, &numbered(2)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    assert_eq!(numbers(&mut mesh, b), [(2, Path::Direct)]);
}

#[test]
fn a_peer_that_takes_no_events_and_has_no_path_is_given_up_as_ever() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    set_receiving(&mut mesh, b, false);
    fill(&mut mesh, a, 0, 10_000);
    mesh.run_for(Duration::from_secs(5));
    mesh.crash(b);
    mesh.run_for(MINUTE);
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::PeerLeft { .. })));
}

#[test]
fn an_application_that_begins_to_take_events_again_gets_them_without_another_input() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    set_receiving(&mut mesh, b, false);
    for number in 0..5 {
        mesh.with(a, |session, now| session.emit_bulk(Target::All, &numbered(number), now))
            .unwrap();
    }
    mesh.run_for(Duration::from_secs(1));
    mesh.crash(a);
    set_receiving(&mut mesh, b, true);
    assert_eq!(numbers(&mut mesh, b).len(), 5);
    let blocked = |event: &Event| matches!(event, Event::Writable { lane: Lane::Bulk, .. });
    assert!(!has(&mesh.take_events(b), blocked));
}
