//! The hub loses the key of its tokens: all members get new ids.

use std::time::Duration;

use socketio_p2p_core::{
    Config, Event, LeaveReason, Packet, Path, PeerId, Policy, Session, Target,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, has, mesh, numbered, numbers, path};

/// Restarts the server with another token key.
fn restart(mesh: &mut Mesh) {
    mesh.stop_server();
    mesh.lose_token_key();
    mesh.run_for(Duration::from_millis(300));
    mesh.start_server();
}

fn renames(events: &[Event]) -> Vec<(PeerId, PeerId)> {
    let renamed = |event: &Event| match event {
        Event::PeerRenamed { from, to } => Some((from.clone(), to.clone())),
        _ => None,
    };
    events.iter().filter_map(renamed).collect()
}

fn left(event: &Event) -> bool {
    matches!(event, Event::PeerLeft { .. } | Event::PeerAway { .. })
}

fn ids(mesh: &Mesh, node: Node) -> Vec<PeerId> {
    mesh.session(node).peers().map(|peer| peer.id).collect()
}

#[test]
fn a_direct_link_outlives_a_change_of_both_identities_and_nothing_is_lost() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (a_was, b_was) = (mesh.id(a), mesh.id(b));
    restart(&mut mesh);
    for number in 0..200 {
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(20));
    }
    mesh.run_for(Duration::from_secs(1));
    let (a_is, b_is) = (mesh.id(a), mesh.id(b));
    assert!(a_is != a_was && b_is != b_was);
    let events = mesh.take_events(a);
    assert_eq!(renames(&events), [(b_was, b_is.clone())]);
    assert!(!has(&events, left), "{events:?}");
    let direct: Vec<_> = (0..200).map(|number| (number, Path::Direct)).collect();
    assert_eq!(numbers(&mut mesh, b), direct);
    let events = mesh.take_events(b);
    assert_eq!(renames(&events), [(a_was, a_is.clone())]);
    assert!(!has(&events, left), "{events:?}");
    assert_eq!((ids(&mesh, a), ids(&mesh, b)), (vec![b_is], vec![a_is]));
    // The link is a whole one again: it can fall back to the relay.
    mesh.set_blocked(a, b, true);
    mesh.close_direct(a, b);
    mesh.emit(a, Target::All, &numbered(200)).unwrap();
    mesh.run_for(Duration::from_secs(2));
    assert_eq!(numbers(&mut mesh, b), [(200, Path::Relay)]);
    assert_eq!(path(&mesh, a, b), Some(Path::Relay));
}

#[test]
fn an_open_question_is_answered_across_the_change_also_by_its_former_token() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let ask = |session: &mut Session, now| {
        session.emit_with_ack(Target::All, &numbered(1), Some(Duration::from_secs(60)), now)
    };
    mesh.with(a, ask).unwrap();
    mesh.run_for(Duration::from_millis(200));
    let asked = mesh.take_events(b);
    let token = asked.into_iter().find_map(|event| match event {
        Event::Received { reply, .. } => reply,
        _ => None,
    });
    restart(&mut mesh);
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(renames(&mesh.take_events(b)).len(), 1);
    mesh.with(b, |session, now| session.reply(&token.unwrap(), &("late",), now)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    let events = mesh.take_events(a);
    let to = mesh.id(b);
    let answered = |event: &Event| matches!(event, Event::Ack { from, .. } if *from == to);
    assert!(has(&events, answered), "{events:?}");
}

#[test]
fn a_call_may_name_a_former_id() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let was = mesh.id(b);
    for _ in 0..2 {
        restart(&mut mesh);
        mesh.run_for(Duration::from_secs(5));
    }
    mesh.emit(a, &was, &numbered(7)).unwrap();
    mesh.run_for(Duration::from_millis(500));
    assert_eq!(numbers(&mut mesh, b), [(7, Path::Direct)]);
    assert_eq!(renames(&mesh.take_events(a)).len(), 2);
}

#[test]
fn links_without_a_channel_begin_anew_and_newcomers_are_told_apart() {
    let (mut mesh, nodes) = mesh(3, &Config::default());
    let [a, b, c] = nodes[..] else { panic!() };
    mesh.run_until_direct(a, b);
    mesh.set_blocked(a, c, true);
    mesh.set_blocked(b, c, true);
    mesh.close_direct(a, c);
    mesh.close_direct(b, c);
    mesh.run_for(Duration::from_secs(1));
    mesh.take_events(a);
    let was = mesh.id(c);
    restart(&mut mesh);
    let newcomer = mesh.add(Config::default().with_policy(Policy::RelayOnly));
    mesh.run_for(Duration::from_secs(6));
    let events = mesh.take_events(a);
    assert_eq!(renames(&events).len(), 1);
    let anew = |event: &Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::IdentityChanged, .. } if *peer == was);
    assert!(has(&events, anew), "{events:?}");
    let mut expected = [mesh.id(b), mesh.id(c), mesh.id(newcomer)];
    expected.sort();
    assert_eq!(ids(&mesh, a), expected);
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    for node in [b, c, newcomer] {
        assert_eq!(numbers(&mut mesh, node).len(), 1);
    }
}

#[test]
fn a_channel_that_is_lost_during_the_change_ends_the_link_and_a_new_one_begins() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.set_silent(a, b, true);
    restart(&mut mesh);
    mesh.run_for(Duration::from_secs(20));
    let events = mesh.take_events(a);
    assert!(renames(&events).is_empty());
    assert!(has(&events, |event| matches!(event, Event::PeerLeft { .. })), "{events:?}");
    assert_eq!(ids(&mesh, a), [mesh.id(b)]);
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(2));
    assert_eq!(numbers(&mut mesh, b).len(), 1);
}

#[test]
fn a_transfer_goes_on_across_the_change_under_its_former_name() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let to = mesh.id(b);
    let name = Packet::event("file", &()).unwrap();
    let transfer =
        mesh.with(a, |session, now| session.open_transfer(&to, &name, Some(8), now)).unwrap();
    let mut data = bytes::Bytes::from_static(b"half");
    mesh.run_for(Duration::from_millis(300));
    mesh.with(a, |session, now| session.write_transfer(&transfer, &mut data, now)).unwrap();
    restart(&mut mesh);
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(renames(&mesh.take_events(a)).len(), 1);
    let mut data = bytes::Bytes::from_static(b"more");
    mesh.with(a, |session, now| session.write_transfer(&transfer, &mut data, now)).unwrap();
    mesh.with(a, |session, now| session.finish_transfer(&transfer, now)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    let opened = mesh.take_events(b).into_iter().find_map(|event| match event {
        Event::TransferOpened { transfer, .. } => Some(transfer),
        _ => None,
    });
    let mut read = Vec::new();
    while let socketio_p2p_core::TransferRead::Data(bytes) =
        mesh.with(b, |session, now| session.read_transfer(opened.as_ref().unwrap(), now)).unwrap()
    {
        read.extend_from_slice(&bytes);
    }
    assert_eq!(read, b"halfmore");
    mesh.run_for(Duration::from_secs(1));
    let delivered = |event: &Event| {
        matches!(
            event,
            Event::TransferEnded { outcome: socketio_p2p_core::TransferOutcome::Delivered, .. }
        )
    };
    assert!(has(&mesh.take_events(a), delivered));
}
