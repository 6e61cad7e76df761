//! Why a peer is not direct: the states of direct paths, and what failed.

use std::time::Duration;

use socketio_p2p_core::wire::Decline;
use socketio_p2p_core::{
    Config, DirectFailure, DirectStage, DirectState, Event, NotWanted, PeerError, Policy, Side,
    Target,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, mesh};

/// Returns the states that a node has reported of its only peer, and the failures with them.
fn states(mesh: &mut Mesh, node: Node) -> Vec<(DirectState, Option<DirectFailure>)> {
    let state = |event| match event {
        Event::DirectChanged { state, failure, .. } => Some((state, failure.map(|one| *one))),
        _ => None,
    };
    mesh.take_events(node).into_iter().filter_map(state).collect()
}

fn state(mesh: &Mesh, node: Node, other: Node) -> DirectState {
    mesh.peer(node, other).unwrap().direct
}

fn trying(stage: DirectStage) -> DirectState {
    DirectState::Trying { attempt: 1, stage }
}

#[test]
fn an_attempt_reports_its_stages_in_order_at_both_ends() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let of = |mesh: &mut Mesh, node| {
        states(mesh, node).into_iter().map(|(state, _)| state).collect::<Vec<_>>()
    };
    let rest = [
        trying(DirectStage::Checking),
        trying(DirectStage::Dtls),
        trying(DirectStage::Channel),
        trying(DirectStage::Validating),
        DirectState::Direct,
    ];
    let (offers, answers) = (
        [trying(DirectStage::Gathering), trying(DirectStage::Signaling)],
        trying(DirectStage::Gathering),
    );
    let of_b = of(&mut mesh, b);
    assert_eq!(of_b, [&offers[..], &rest].concat());
    let of_a = of(&mut mesh, a);
    let [DirectState::AwaitingOffer { until: Some(_) }, attempt @ ..] = &of_a[..] else {
        panic!("{of_a:?}")
    };
    assert_eq!(attempt, [&[answers][..], &rest].concat());
}

#[test]
fn a_failed_attempt_reports_its_stage_its_candidates_and_when_the_next_one_follows() {
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.set_blocked(a, b, true);
    let has_failed =
        |mesh: &Mesh| mesh.peer(b, a).is_some_and(|peer| peer.direct_failure.is_some());
    assert!(mesh.run_until(Duration::from_secs(20), has_failed));
    let reported = states(&mut mesh, b);
    let Some((DirectState::Failed { retry_at }, Some(failure))) = reported.last() else {
        panic!("{reported:?}")
    };
    assert_eq!((failure.attempt, failure.stage), (1, DirectStage::Checking));
    assert!(matches!(failure.error, PeerError::NegotiationTimedOut(_)), "{failure:?}");
    // The candidates of the mesh: one host for the first node, two hosts and a reflexive one for the second.
    assert_eq!((failure.local.host, failure.local.server_reflexive), (2, 1));
    assert_eq!((failure.remote.host, failure.remote.server_reflexive), (1, 0));
    assert_eq!(mesh.peer(b, a).unwrap().direct_failure.as_ref(), Some(failure));
    let text = failure.to_string();
    assert!(
        text.starts_with("at the stage checking (candidates: 2 host, 1 srflx; the peer's: 1 host)")
    );

    let retry_at = *retry_at;
    mesh.run_for(retry_at - mesh.now());
    let reported = states(&mut mesh, b);
    let next = DirectState::Trying { attempt: 2, stage: DirectStage::Gathering };
    assert_eq!(reported.first().map(|(state, _)| *state), Some(next));
    assert_eq!(mesh.now(), retry_at);
}

#[test]
fn a_peer_is_given_up_after_the_last_attempt_until_upgrade() {
    let config = Config::default().with_max_attempts(2);
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(config.clone()), mesh.add(config));
    mesh.set_blocked(a, b, true);
    mesh.run_for(Duration::from_secs(120));
    for (node, other) in [(a, b), (b, a)] {
        let peer = mesh.peer(node, other).unwrap();
        assert_eq!(peer.direct, DirectState::GaveUp);
        let failure = peer.direct_failure.unwrap();
        assert!(failure.attempt >= 2, "{failure:?}");
        let reported = states(&mut mesh, node);
        assert_eq!(reported.last(), Some(&(DirectState::GaveUp, Some(failure))));
    }
    mesh.set_blocked(a, b, false);
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    mesh.run_until_direct(a, b);
    let peer = mesh.peer(a, b).unwrap();
    assert_eq!((peer.direct, peer.direct_failure), (DirectState::Direct, None));
}

#[test]
fn a_lost_path_is_reported_as_one_that_worked() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    states(&mut mesh, a);
    mesh.close_direct(a, b);
    mesh.step();
    let reported = states(&mut mesh, a);
    let [(DirectState::Failed { .. }, Some(failure))] = &reported[..] else {
        panic!("{reported:?}")
    };
    assert_eq!((failure.attempt, failure.stage), (0, DirectStage::Validated));
    assert!(matches!(failure.error, PeerError::DirectFailed(_)), "{failure:?}");
}

#[test]
fn a_policy_without_direct_paths_is_the_reason_here_and_a_decline_there() {
    let mut mesh = Mesh::new(1);
    let a = mesh.add(Config::default().with_policy(Policy::RelayOnly));
    let b = mesh.add(Config::default());
    mesh.run_for(Duration::from_secs(10));
    assert_eq!(state(&mesh, a, b), DirectState::NotWanted(NotWanted::RelayOnly));
    let reason = Decline::RelayOnly;
    let declined = DirectState::Declined { by: Side::Remote, reason, retry_at: None };
    assert_eq!(state(&mesh, b, a), declined);
    assert_eq!(states(&mut mesh, b).last(), Some(&(declined, None)));
    mesh.with(a, |session, now| session.set_policy(Policy::Automatic, now));
    mesh.run_until_direct(a, b);
}

#[test]
fn a_manual_policy_has_validated_paths_until_upgrade() {
    let config = Config::default().with_policy(Policy::Manual);
    let (mut mesh, nodes) = mesh(2, &config);
    mesh.run_for(Duration::from_secs(10));
    assert_eq!(state(&mesh, nodes[0], nodes[1]), DirectState::Validated);
    mesh.with(nodes[0], |session, now| session.upgrade(Target::All, now)).unwrap();
    assert_eq!(state(&mesh, nodes[0], nodes[1]), DirectState::Direct);
}

#[test]
fn without_the_server_an_attempt_waits_for_it() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.stop_server();
    mesh.close_direct(a, b);
    mesh.run_for(Duration::from_secs(3));
    assert_eq!(state(&mesh, b, a), DirectState::NoSignaling);
    mesh.start_server();
    mesh.run_until_direct(a, b);
}

/// With 5 direct peers of 7, two are left over: each of them is explained, at both ends.
#[test]
fn in_a_room_above_max_peers_each_peer_that_is_not_direct_has_a_reason() {
    let (mut mesh, nodes) = mesh(8, &Config::default());
    mesh.run_for(Duration::from_secs(120));
    let mut explained = 0;
    for &node in &nodes {
        let peers: Vec<_> = mesh.session(node).peers().collect();
        let direct = peers.iter().filter(|peer| peer.direct == DirectState::Direct).count();
        assert!(direct <= 5, "{direct} direct peers");
        for peer in peers.iter().filter(|peer| peer.direct != DirectState::Direct) {
            let here = DirectState::NotWanted(NotWanted::MaxPeers);
            let reason = Decline::Full;
            let there = DirectState::Declined { by: Side::Remote, reason, retry_at: None };
            match peer.direct {
                state if state == here => assert_eq!(direct, 5),
                state => assert_eq!(state, there),
            }
            explained += 1;
        }
        let reported = mesh.take_events(node);
        for peer in &peers {
            let last = reported.iter().rev().find_map(|event| match event {
                Event::DirectChanged { peer: of, state, .. } if *of == peer.id => Some(*state),
                _ => None,
            });
            assert_eq!(last, Some(peer.direct), "the last report is the state");
        }
    }
    assert!(explained >= 16, "{explained} of 56 are not direct");
}

#[test]
fn a_session_that_closes_reports_no_more_states() {
    let (mut mesh, a, _) = direct_pair(&Config::default());
    states(&mut mesh, a);
    mesh.with(a, |session, now| session.close(now));
    mesh.run_until_quiet();
    assert!(states(&mut mesh, a).is_empty());
}
