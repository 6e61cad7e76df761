//! From the relay to the direct path and back.

use std::time::Duration;

use socketio_p2p_core::{
    Config, Event, LeaveReason, Path, PeerError, Policy, Target, UpgradeError,
};
use socketio_p2p_transport_memory::{Latency, Mesh};

use super::{direct_pair, emit_all, has, mesh, numbered, numbers, path};

const LONG: Duration = Duration::from_secs(120);

#[test]
fn peers_join_through_the_relay_and_upgrade_automatically() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_until_direct(a, b);
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Relay), (1, Path::Direct)]);
    for node in [a, b] {
        let events = mesh.take_events(node);
        let names: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
        let position = |start: &str| names.iter().position(|name| name.starts_with(start));
        let order = ["Connected", "PeerJoined", "PathChanged", "Ready", "Upgrade"].map(position);
        assert!(order.iter().all(Option::is_some), "{names:?}");
        assert!(order.is_sorted() || order[3] < order[4], "{names:?}");
    }
}

#[test]
fn events_in_flight_keep_their_order_across_the_upgrade() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    // The relay is slow: direct events overtake those that are still in flight on it.
    mesh.set_latency(Latency {
        relay: Duration::from_millis(200),
        direct: Duration::from_millis(1),
    });
    for number in 0..400 {
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(10));
    }
    mesh.run_until_quiet();
    let received = numbers(&mut mesh, b);
    assert!(received.iter().map(|(number, _)| *number).eq(0..400));
    let direct = received.iter().filter(|(_, path)| *path == Path::Direct).count();
    assert!((1..400).contains(&direct), "{direct} of 400 came directly");
}

#[test]
fn a_closed_direct_path_falls_back_to_the_relay_and_is_established_again() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.close_direct(a, b);
    mesh.step();
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    assert_eq!(path(&mesh, a, b), Some(Path::Relay));
    mesh.run_for(Duration::from_millis(500));
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Relay)]);
    mesh.run_until_direct(a, b);
    let events = mesh.take_events(a);
    assert!(has(&events, |event| matches!(
        event,
        Event::PeerError { error: PeerError::DirectFailed(_), .. }
    )));
}

#[test]
fn no_event_is_lost_duplicated_or_reordered_when_the_path_closes() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    for round in 0..10 {
        emit_all(&mut mesh, a, (0..50).map(|number| numbered(round * 50 + number)));
        mesh.step();
        mesh.close_direct(a, b);
        mesh.run_for(Duration::from_millis(300 * round));
    }
    mesh.run_until_quiet();
    assert!(numbers(&mut mesh, b).into_iter().map(|(number, _)| number).eq(0..500));
}

#[test]
fn a_silent_direct_path_ends_within_five_seconds_and_its_events_are_retransmitted() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.set_silent(a, b, true);
    let start = mesh.now();
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    assert!(mesh.run_until(LONG, |mesh| path(mesh, a, b) == Some(Path::Relay)));
    assert!(mesh.now() - start <= Duration::from_secs(5));
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Relay)]);
    let silent =
        |event: &Event| matches!(event, Event::PeerError { error: PeerError::DirectSilent(_), .. });
    assert!(has(&mesh.take_events(a), silent));
}

#[test]
fn an_idle_direct_path_stays_open() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.take_events(a);
    mesh.run_for(Duration::from_secs(600));
    assert_eq!(path(&mesh, a, b), Some(Path::Direct));
    assert!(mesh.take_events(a).is_empty());
}

#[test]
fn a_manual_session_validates_the_path_and_waits_for_upgrade() {
    let config = Config::default().with_policy(Policy::Manual);
    let (mut mesh, nodes) = mesh(3, &config);
    let (a, b, c) = (nodes[0], nodes[1], nodes[2]);
    mesh.run_for(Duration::from_secs(10));
    assert!(mesh.session(a).peers().all(|peer| peer.validated));
    assert_eq!(path(&mesh, a, b), Some(Path::Relay));
    let events = mesh.take_events(a);
    assert!(has(&events, |event| matches!(event, Event::Ready)));
    assert!(!has(&events, |event| matches!(event, Event::Upgrade)));

    let id = mesh.id(b);
    mesh.with(a, |session, now| session.upgrade(id, now)).unwrap();
    assert_eq!(path(&mesh, a, b), Some(Path::Direct));
    assert_eq!(path(&mesh, a, c), Some(Path::Relay));
    assert_eq!(path(&mesh, b, a), Some(Path::Relay), "each side chooses its own path");
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::Upgrade)));
}

#[test]
fn a_relay_only_session_never_connects_directly() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    mesh.with(a, |session, now| session.set_policy(Policy::RelayOnly, now));
    mesh.run_for(Duration::from_secs(60));
    assert_eq!((path(&mesh, a, b), path(&mesh, b, a)), (Some(Path::Relay), Some(Path::Relay)));
    mesh.with(a, |session, now| session.set_policy(Policy::Automatic, now));
    mesh.run_until_direct(a, b);
}

#[test]
fn a_return_to_the_relay_loses_no_event_in_flight() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    emit_all(&mut mesh, a, (0..100).map(numbered));
    mesh.with(a, |session, now| session.set_policy(Policy::RelayOnly, now));
    emit_all(&mut mesh, a, (100..200).map(numbered));
    mesh.run_until_quiet();
    assert!(numbers(&mut mesh, b).into_iter().map(|(number, _)| number).eq(0..200));
}

#[test]
fn a_direct_only_session_sends_nothing_through_the_server() {
    let config = Config::default().with_policy(Policy::DirectOnly);
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(config.clone()), mesh.add(Config::default()));
    mesh.set_blocked(a, b, true);
    assert!(mesh.run_until(LONG, |mesh| mesh.session(a).peers().count() == 1));
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_for(Duration::from_secs(20));
    assert!(numbers(&mut mesh, b).is_empty());
    mesh.set_blocked(a, b, false);
    mesh.run_until_direct(a, b);
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Direct)]);
    assert!(!has(&mesh.take_events(a), |event| matches!(
        event,
        Event::PathChanged { path: Path::Relay, .. }
    )));
}

#[test]
fn crossing_offers_resolve_by_glare_to_one_connection() {
    for seed in 0..20 {
        let mut mesh = Mesh::new(seed);
        let config = Config::default().with_policy(Policy::RelayOnly);
        let (a, b) = (mesh.add(config.clone()), mesh.add(config));
        mesh.run_for(Duration::from_secs(1));
        for node in [a, b] {
            mesh.with(node, |session, now| session.set_policy(Policy::Automatic, now));
        }
        mesh.run_for(Duration::from_secs(1));
        let path_of = |node, other| path(&mesh, node, other);
        assert_eq!(path_of(a, b), Some(Path::Direct), "seed {seed}");
        assert_eq!(path_of(b, a), Some(Path::Direct), "seed {seed}");
        for node in [a, b] {
            let errors = mesh.take_events(node);
            assert!(!has(&errors, |event| matches!(event, Event::PeerError { .. })), "{errors:?}");
        }
    }
}

#[test]
fn failing_attempts_are_bounded_and_do_not_affect_the_relay() {
    let config = Config::default();
    let mut mesh = Mesh::new(3);
    let (a, b) = (mesh.add(config.clone()), mesh.add(config.clone()));
    mesh.set_blocked(a, b, true);
    for number in 0..600 {
        mesh.run_for(Duration::from_secs(1));
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
    }
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b).len(), 600);
    let events = mesh.take_events(a);
    let failures = events.iter().filter(|event| matches!(event, Event::PeerError { .. })).count();
    let most = config.max_attempts as usize;
    assert!((2..=2 * most).contains(&failures), "{failures} attempts failed");
    mesh.set_blocked(a, b, false);
    let id = mesh.id(b);
    mesh.with(a, |session, now| session.upgrade(id, now)).unwrap();
    mesh.run_until_direct(a, b);
}

#[test]
fn members_beyond_max_peers_stay_on_the_relay_and_do_not_delay_ready() {
    let (mut mesh, nodes) = mesh(4, &Config::default().with_max_peers(2));
    mesh.run_for(Duration::from_secs(60));
    for &node in &nodes {
        let direct = mesh.session(node).peers().filter(|peer| peer.path == Some(Path::Direct));
        let direct = direct.count();
        assert!(direct <= 2, "{direct} direct peers");
        if direct == 2 {
            assert!(has(&mesh.take_events(node), |event| matches!(event, Event::Ready)));
        }
        mesh.emit(node, Target::All, &numbered(0)).unwrap();
    }
    mesh.run_until_quiet();
    for &node in &nodes {
        assert_eq!(numbers(&mut mesh, node).len(), 3);
    }
}

#[test]
fn an_upgrade_with_an_unknown_peer_is_an_error() {
    let (mut mesh, nodes) = mesh(1, &Config::default());
    let nobody = "nobody".parse::<socketio_p2p_core::PeerId>().unwrap();
    let result = mesh.with(nodes[0], |session, now| session.upgrade(&nobody, now));
    assert!(matches!(result, Err(UpgradeError::UnknownPeer(peer)) if peer == nobody));
}

#[test]
fn a_lost_server_does_not_affect_direct_paths() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.take_events(a);
    mesh.stop_server();
    for number in 0..60 {
        mesh.emit(a, Target::All, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_secs(1));
    }
    assert!(numbers(&mut mesh, b).into_iter().eq((0..60).map(|number| (number, Path::Direct))));
    let id = mesh.id(a);
    mesh.start_server();
    mesh.run_for(Duration::from_secs(30));
    assert_eq!(mesh.id(a), id);
    let events = mesh.take_events(a);
    assert!(has(&events, |event| matches!(event, Event::Connected { resumed: true, .. })));
    let gone = |event: &Event| {
        matches!(event, Event::PeerLeft { .. } | Event::PeerAway { .. } | Event::PathChanged { .. })
    };
    assert!(!has(&events, gone), "{events:?}");
}

#[test]
fn a_peer_that_is_killed_while_direct_has_left_within_ten_seconds() {
    let (mut mesh, nodes) = mesh(3, &Config::default());
    let (a, b, c) = (nodes[0], nodes[1], nodes[2]);
    for (one, other) in [(a, b), (a, c), (b, c)] {
        mesh.run_until_direct(one, other);
    }
    mesh.run_for(Duration::from_secs(30));
    let id = mesh.id(c);
    let start = mesh.now();
    mesh.crash(c);
    assert!(mesh.run_until(LONG, |mesh| mesh.session(a).peers().count() == 1));
    assert!(mesh.now() - start <= Duration::from_secs(10), "{:?}", mesh.now() - start);
    assert!(has(&mesh.take_events(a), |event| matches!(
        event,
        Event::PeerLeft { peer, reason: LeaveReason::TimedOut | LeaveReason::Lost, .. } if *peer == id
    )));
    mesh.emit(a, Target::All, &numbered(0)).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(0, Path::Direct)]);
}

#[test]
fn a_change_of_policy_restarts_attempts_after_the_last_one_failed() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    mesh.set_blocked(a, b, true);
    mesh.run_for(Duration::from_secs(1800));
    mesh.set_blocked(a, b, false);
    mesh.run_for(Duration::from_secs(1800));
    assert_eq!(path(&mesh, a, b), Some(Path::Relay));
    mesh.with(a, |session, now| session.set_policy(Policy::DirectOnly, now));
    mesh.run_until_direct(a, b);
}
