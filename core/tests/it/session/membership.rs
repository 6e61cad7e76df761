//! Joining, leaving, resuming.

use std::time::Duration;

use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{
    Backoff, Config, Event, LeaveReason, Outcome, Path, Policy, SignalingError, Target,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, has, mesh, numbered, numbers, outcomes, path};

const LONG: Duration = Duration::from_secs(120);

#[test]
fn a_session_is_refused_by_a_full_room() {
    let mut mesh = Mesh::with_hub(1, HubConfig::default().with_room_capacity(2));
    let (a, _, c) =
        (mesh.add(Config::default()), mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.run_for(Duration::from_secs(5));
    let refused = mesh.take_events(c);
    let Some(Event::Refused(refusal)) = refused.first() else { panic!("{refused:?}") };
    assert_eq!(refusal.code.as_deref(), Some("room-full"));
    assert!(refusal.message.contains("lobby"), "{refusal}");
    mesh.run_for(Duration::from_secs(60));
    assert!(mesh.take_events(c).is_empty(), "a refused session does not retry by itself");

    mesh.with(a, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(1));
    mesh.with(c, |session, now| session.reconnect(now));
    mesh.run_for(Duration::from_secs(1));
    assert!(has(&mesh.take_events(c), |event| matches!(event, Event::Connected { .. })));
}

#[test]
fn peers_of_different_rooms_do_not_see_each_other() {
    let mut mesh = Mesh::new(1);
    let room = |name: &str| Config::default().with_room(name.parse().unwrap());
    let (a, b, c) = (mesh.add(room("x")), mesh.add(room("x")), mesh.add(room("y")));
    mesh.run_until_direct(a, b);
    assert_eq!(mesh.session(c).peers().count(), 0);
}

#[test]
fn a_closing_session_leaves_once_its_events_are_acknowledged() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let id = mesh.id(a);
    let file = socketio_p2p_core::codec::Blob::from(vec![7; 1_000_000]);
    let file = socketio_p2p_core::Packet::event("file", &(file,)).unwrap();
    mesh.emit(a, Target::All, &file).unwrap();
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.with(a, |session, now| session.close(now));
    assert!(mesh.emit(a, Target::All, &numbered(2)).is_err());
    mesh.run_for(Duration::from_secs(2));
    let events = mesh.take_events(b);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Received { .. })).count(), 2);
    let left = |event: &Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::Left, .. } if *peer == id);
    assert!(has(&events, left));
    let events = mesh.take_events(a);
    assert_eq!(outcomes(&events), [Outcome::Delivered; 2]);
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

#[test]
fn a_closing_session_acknowledges_received_packets() {
    for policy in [Policy::RelayOnly, Policy::Automatic] {
        let (mut mesh, nodes) = mesh(2, &Config::default().with_policy(policy));
        let (a, b) = (nodes[0], nodes[1]);
        if policy == Policy::Automatic {
            mesh.run_until_direct(a, b);
        }
        mesh.emit(a, Target::All, &numbered(0)).unwrap();
        while mesh.received(b).is_empty() {
            assert!(mesh.step(), "the event does not arrive");
        }
        mesh.with(b, |session, now| session.close(now));
        mesh.run_for(Duration::from_secs(20));
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Delivered], "{policy:?}");
    }
}

#[test]
fn a_path_that_ends_after_the_good_bye_is_not_reported() {
    let (mut mesh, nodes) = mesh(3, &Config::default());
    let a = nodes[0];
    for &other in &nodes[1..] {
        mesh.run_until_direct(a, other);
    }
    mesh.take_events(a);
    mesh.with(a, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(1));
    let events = mesh.take_events(a);
    let closed = LeaveReason::Closed;
    let left =
        |event: &&Event| matches!(event, Event::PeerLeft { reason, .. } if *reason == closed);
    assert_eq!(events.iter().filter(left).count(), 2, "{events:?}");
    assert!(matches!(events[..], [_, _, Event::Closed]), "{events:?}");
}

#[test]
fn a_session_that_cannot_deliver_closes_and_reports_outcomes() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.stop_server();
    mesh.set_silent(a, b, true);
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.take_events(a);
    mesh.with(a, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(6));
    let events = mesh.take_events(a);
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

#[test]
fn a_cut_signalling_channel_is_resumed_with_the_same_id_without_loss() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(2, &config);
    let (a, b) = (nodes[0], nodes[1]);
    let id = mesh.id(a);
    mesh.take_events(a);
    for round in 0..20 {
        for number in 0..10 {
            mesh.emit(a, Target::All, &numbered(round * 10 + number)).unwrap();
        }
        mesh.step();
        mesh.cut_signaling(if round % 2 == 0 { a } else { b });
        mesh.run_for(Duration::from_millis(100 * round));
    }
    mesh.run_until_quiet();
    assert_eq!(mesh.id(a), id);
    assert!(numbers(&mut mesh, b).into_iter().map(|(number, _)| number).eq(0..200));
    let events = mesh.take_events(a);
    assert_eq!(outcomes(&events), [Outcome::Delivered; 200]);
    assert!(has(&events, |event| matches!(event, Event::PeerAway { .. })));
    assert!(has(&events, |event| matches!(event, Event::PeerBack { .. })));
    assert!(!has(&events, |event| matches!(event, Event::PeerLeft { .. })));
}

#[test]
fn peers_resume_their_ids_at_a_restarted_hub() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(3, &config);
    let ids: Vec<_> = nodes.iter().map(|node| mesh.id(*node)).collect();
    mesh.emit(nodes[0], Target::All, &numbered(0)).unwrap();
    mesh.stop_server();
    mesh.run_for(Duration::from_secs(3));
    mesh.start_server();
    mesh.emit(nodes[0], Target::All, &numbered(1)).unwrap();
    mesh.run_until_quiet();
    assert!(nodes.iter().map(|node| mesh.id(*node)).eq(ids));
    for &node in &nodes[1..] {
        let numbers = numbers(&mut mesh, node);
        assert!(numbers.into_iter().map(|(number, _)| number).eq([0, 1]));
        assert!(!has(&mesh.take_events(node), |event| matches!(event, Event::PeerLeft { .. })));
    }
}

#[test]
fn a_peer_that_returns_after_the_resume_window_starts_a_new_epoch() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(2, &config);
    let (a, b) = (nodes[0], nodes[1]);
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_until_quiet();
    mesh.set_reachable(b, false);
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_secs(20));
    assert_eq!(mesh.session(a).peers().count(), 0);
    mesh.set_reachable(b, true);
    assert!(mesh.run_until(LONG, |mesh| mesh.session(a).peers().count() == 1));
    mesh.run_for(Duration::from_secs(1));
    mesh.emit(a, Target::All, &numbered(2)).unwrap();
    mesh.emit(b, Target::All, &numbered(3)).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Relay), (2, Path::Relay)]);
    assert_eq!(numbers(&mut mesh, a), [(3, Path::Relay)]);
    let events = mesh.take_events(a);
    let outcomes = outcomes(&events);
    assert_eq!(outcomes, [Outcome::Delivered, Outcome::Unknown, Outcome::Delivered], "{events:?}");
}

#[test]
fn a_link_ended_by_one_side_only_begins_a_new_epoch_on_both() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    let patient = config.clone().with_resume_window(Duration::from_secs(3600));
    let mut mesh = Mesh::new(5);
    let (a, b) = (mesh.add(config), mesh.add(patient));
    mesh.run_for(Duration::from_secs(1));
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.emit(b, Target::All, &numbered(100)).unwrap();
    mesh.run_until_quiet();
    mesh.set_reachable(b, false);
    mesh.emit(b, Target::All, &numbered(101)).unwrap();
    mesh.run_for(Duration::from_secs(20));
    mesh.set_reachable(b, true);
    mesh.run_for(Duration::from_secs(20));
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_until_quiet();
    mesh.emit(b, Target::All, &numbered(102)).unwrap();
    mesh.run_until_quiet();
    let at_b: Vec<u64> = numbers(&mut mesh, b).into_iter().map(|(number, _)| number).collect();
    let at_a: Vec<u64> = numbers(&mut mesh, a).into_iter().map(|(number, _)| number).collect();
    assert_eq!(at_b, [0, 1]);
    assert_eq!(at_a, [100, 102]);
    let restarted =
        |event: &Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Restarted, .. });
    assert!(has(&mesh.take_events(b), restarted));
}

#[test]
fn a_clock_jump_ends_no_link_to_an_away_peer() {
    let window = Duration::from_secs(60);
    let config = Config::default().with_policy(Policy::RelayOnly).with_resume_window(window);
    let (mut mesh, nodes) = mesh(2, &config);
    mesh.set_reachable(nodes[1], false);
    mesh.run_for(Duration::from_secs(1));
    mesh.take_events(nodes[0]);
    // Both sides wait for nothing but the end of the resume window.
    mesh.jump_clock(Duration::from_secs(86_400));
    mesh.run_for(Duration::from_secs(1));
    assert!(!has(&mesh.take_events(nodes[0]), |event| matches!(event, Event::PeerLeft { .. })));
    mesh.set_reachable(nodes[1], true);
    mesh.run_for(Duration::from_secs(30));
    assert!(has(&mesh.take_events(nodes[0]), |event| matches!(event, Event::PeerBack { .. })));
}

#[test]
fn a_clock_jump_ends_no_link() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.take_events(a);
    mesh.jump_clock(Duration::from_secs(86_400));
    mesh.run_for(Duration::from_secs(20));
    assert_eq!(path(&mesh, a, b), Some(Path::Direct));
    assert!(mesh.take_events(a).is_empty());
}

#[test]
fn an_unreachable_server_is_retried_with_growing_pauses() {
    let mut mesh = Mesh::new(1);
    mesh.stop_server();
    let pauses = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(10) };
    let a = mesh.add(Config::default().with_reconnect(pauses));
    mesh.run_for(Duration::from_secs(60));
    let pauses: Vec<Duration> = mesh
        .take_events(a)
        .iter()
        .map(|event| match event {
            Event::Disconnected { retry_in, error } => {
                assert_eq!(*error, SignalingError::Transport("the server is not there".into()));
                *retry_in
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!((7..=14).contains(&pauses.len()), "{pauses:?}");
    assert!(pauses[0] <= Duration::from_millis(500));
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(10)));
    assert!(pauses[6..].iter().all(|pause| *pause >= Duration::from_secs(5)), "{pauses:?}");
    mesh.start_server();
    mesh.run_for(Duration::from_secs(11));
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::Connected { .. })));
}

#[test]
fn a_sign_of_the_network_ends_a_pause_but_neither_a_demanded_one_nor_a_refusal() {
    let mut mesh = Mesh::new(1);
    mesh.stop_server();
    let pauses = Backoff { first: LONG, max: LONG };
    let a = mesh.add(Config::default().with_reconnect(pauses));
    mesh.run_for(Duration::from_secs(1));
    mesh.start_server();
    mesh.run_for(Duration::from_secs(1));
    let connected = |event: &Event| matches!(event, Event::Connected { .. });
    assert!(!has(&mesh.take_events(a), connected));
    mesh.with(a, |session, now| session.skip_pause(now));
    mesh.run_for(Duration::from_secs(1));
    assert!(has(&mesh.take_events(a), connected));

    mesh.with_server(|hub, now| hub.close(Duration::from_secs(3), now));
    mesh.run_for(Duration::from_secs(1));
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::Disconnected { .. })));
    mesh.with(a, |session, now| session.skip_pause(now));
    mesh.run_for(Duration::from_millis(1500));
    assert!(mesh.take_events(a).is_empty(), "the server demands 3 s");
    mesh.run_for(Duration::from_secs(1));
    assert!(!mesh.take_events(a).is_empty(), "not more than 3 s");

    let mut mesh = Mesh::with_hub(1, HubConfig::default().with_room_capacity(1));
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.run_for(Duration::from_secs(1));
    assert!(has(&mesh.take_events(b), |event| matches!(event, Event::Refused(_))));
    mesh.with(a, |session, now| session.close(now));
    mesh.with(b, |session, now| session.skip_pause(now));
    mesh.run_for(LONG);
    assert!(mesh.take_events(b).is_empty());
}

#[test]
fn sessions_wait_for_each_other_for_as_long_as_their_hub_keeps_seats() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    for (hub, outage, stays) in [(60, 50, true), (60, 90, false), (2, 1, true), (2, 5, false)] {
        let window = Duration::from_secs(hub);
        let mut mesh = Mesh::with_hub(3, HubConfig::default().with_resume_window(window));
        let (a, b) = (mesh.add(config.clone()), mesh.add(config.clone()));
        mesh.run_for(Duration::from_secs(1));
        mesh.emit(a, Target::All, &numbered(0)).unwrap();
        mesh.run_until_quiet();
        mesh.take_events(b);
        mesh.set_reachable(a, false);
        mesh.emit(a, Target::All, &numbered(1)).unwrap();
        mesh.run_for(Duration::from_secs(outage));
        mesh.set_reachable(a, true);
        mesh.run_for(Duration::from_secs(20));
        for node in [a, b] {
            let events = mesh.take_events(node);
            let left = has(&events, |event| matches!(event, Event::PeerLeft { .. }));
            assert_eq!(left, !stays, "hub {hub} s, outage {outage} s");
            let lost = outcomes(&events).iter().any(|outcome| *outcome != Outcome::Delivered);
            assert_eq!(lost, !stays && node == a, "hub {hub} s, outage {outage} s");
        }
    }
}

#[test]
fn a_member_that_is_away_in_the_roster_leaves_after_the_resume_window() {
    let window = Duration::from_secs(8);
    let config = Config::default().with_policy(Policy::RelayOnly).with_resume_window(window);
    let patient = HubConfig::default().with_resume_window(Duration::from_secs(3600));
    let mut mesh = Mesh::with_hub(1, patient);
    let (_, b) = (mesh.add(config.clone()), mesh.add(config.clone()));
    mesh.run_for(Duration::from_secs(1));
    mesh.set_reachable(b, false);
    mesh.run_for(Duration::from_secs(1));
    let c = mesh.add(config);
    mesh.run_for(Duration::from_secs(1));
    let b_id = mesh.id(b);
    assert!(mesh.peer(c, b).unwrap().away);
    mesh.run_for(Duration::from_secs(20));
    assert!(has(&mesh.take_events(c), |event| matches!(
        event,
        Event::PeerLeft { peer, reason: LeaveReason::TimedOut, .. } if *peer == b_id
    )));
    mesh.set_reachable(b, true);
    mesh.run_for(Duration::from_secs(20));
    assert!(!mesh.peer(c, b).unwrap().away);
}

#[test]
fn a_side_whose_link_ended_before_its_first_bundle_begins_anew() {
    let window = Duration::from_secs(8);
    let config = Config::default().with_policy(Policy::RelayOnly).with_resume_window(window);
    let long = Duration::from_secs(3600);
    for forgetful_speaks_first in [false, true] {
        let mut mesh = Mesh::with_hub(5, HubConfig::default().with_resume_window(long));
        let (a, b) = (mesh.add(config.clone().with_resume_window(long)), mesh.add(config.clone()));
        mesh.run_for(Duration::from_secs(1));
        mesh.emit(a, Target::All, &numbered(0)).unwrap();
        while mesh.received(b).is_empty() {
            assert!(mesh.step());
        }
        // Before its first acknowledgement, and first output at all, has left.
        mesh.set_reachable(b, false);
        mesh.run_for(Duration::from_secs(20));
        assert_eq!((mesh.session(a).peers().count(), mesh.session(b).peers().count()), (1, 0));
        mesh.set_reachable(b, true);
        if forgetful_speaks_first {
            assert!(mesh.run_until(LONG, |mesh| mesh.session(b).peers().count() == 1));
            mesh.emit(b, Target::All, &numbered(10)).unwrap();
        }
        mesh.run_for(Duration::from_secs(20));
        mesh.emit(a, Target::All, &numbered(1)).unwrap();
        mesh.emit(b, Target::All, &numbered(11)).unwrap();
        mesh.run_for(Duration::from_secs(20));
        assert_eq!(numbers(&mut mesh, b), [(1, Path::Relay)]);
        let at_a: Vec<u64> = numbers(&mut mesh, a).into_iter().map(|(number, _)| number).collect();
        assert_eq!(at_a, if forgetful_speaks_first { vec![10, 11] } else { vec![11] });
        assert_eq!(outcomes(&mesh.take_events(a)), [Outcome::Unknown, Outcome::Delivered]);
    }
}

#[test]
fn a_peer_is_reported_back_before_its_path() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.stop_server();
    mesh.close_direct(a, b);
    mesh.run_for(Duration::from_secs(1));
    mesh.start_server();
    mesh.take_events(a);
    mesh.run_for(Duration::from_secs(3));
    let events = mesh.take_events(a);
    let position = |is: fn(&Event) -> bool| events.iter().position(is);
    let back = position(|event| matches!(event, Event::PeerBack { .. }));
    let path = position(|event| matches!(event, Event::PathChanged { path: Path::Relay, .. }));
    assert!(back.is_some() && back < path, "{events:?}");
}

#[test]
fn a_crashed_peer_is_lost_and_a_closed_peer_has_left() {
    let hub = HubConfig::default().with_resume_window(Duration::from_secs(2));
    for crashes in [true, false] {
        let mut mesh = Mesh::with_hub(1, hub.clone());
        let config = Config::default().with_policy(Policy::RelayOnly);
        let (a, b) = (mesh.add(config.clone()), mesh.add(config));
        mesh.run_for(Duration::from_secs(1));
        let id = mesh.id(b);
        if crashes {
            mesh.crash(b);
        } else {
            mesh.with(b, |session, now| session.close(now));
        }
        mesh.run_for(Duration::from_secs(20));
        let expected = if crashes { LeaveReason::Lost } else { LeaveReason::Left };
        let events = mesh.take_events(a);
        let left = |event: &Event| matches!(event, Event::PeerLeft { peer, reason, .. } if *peer == id && *reason == expected);
        assert!(has(&events, left), "{events:?}");
    }
}

#[test]
fn an_outage_of_the_server_up_to_two_seconds_below_the_resume_window_costs_no_relayed_peer() {
    let config = Config::default().with_policy(Policy::RelayOnly);
    for outage in [1_000, 4_000, 5_000, 6_000] {
        for seed in 0..200 {
            let mut mesh = Mesh::new(seed);
            let nodes: Vec<Node> = (0..3).map(|_| mesh.add(config.clone())).collect();
            mesh.run_for(Duration::from_secs(2));
            mesh.stop_server();
            mesh.run_for(Duration::from_millis(outage));
            mesh.start_server();
            mesh.run_for(Duration::from_secs(12));
            for node in &nodes {
                let left = |event: &Event| matches!(event, Event::PeerLeft { .. });
                assert!(!has(&mesh.take_events(*node), left), "seed {seed}, {outage} ms");
            }
        }
    }
}
