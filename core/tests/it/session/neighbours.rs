//! Peers without a path between them, and neighbours that forward bundles.

use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{
    Config, Event, LeaveReason, Outcome, Packet, Path, PeerId, Policy, Target,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{emit_all, has, numbered, numbers, outcomes, path};

/// Creates two nodes between which no direct connection is possible, and others that are connected to all; all
/// neighbours are connected to each other.
fn apart(config: &Config, others: &[Config]) -> (Mesh, Node, Node, Vec<Node>) {
    let mut mesh = Mesh::new(1);
    let (a, b) = (mesh.add(config.clone()), mesh.add(config.clone()));
    mesh.set_blocked(a, b, true);
    let others: Vec<Node> = others.iter().map(|config| mesh.add(config.clone())).collect();
    for other in &others {
        mesh.run_until_direct(a, *other);
        mesh.run_until_direct(b, *other);
    }
    mesh.run_for(Duration::from_secs(1));
    for node in [a, b].iter().chain(&others) {
        mesh.take_events(*node);
    }
    (mesh, a, b, others)
}

fn via(mesh: &Mesh, neighbour: Node) -> Path {
    Path::Via(mesh.id(neighbour))
}

fn away(event: &Event) -> bool {
    matches!(event, Event::PeerAway { .. })
}

/// Returns the paths of received numbers, each once per stretch, after a check that the numbers are exactly
/// `range`.
fn stretches(received: &[(u64, Path)], range: std::ops::Range<u64>) -> Vec<Path> {
    assert!(received.iter().map(|(number, _)| *number).eq(range), "{received:?}");
    let mut paths: Vec<Path> = received.iter().map(|(_, path)| path.clone()).collect();
    paths.dedup();
    paths
}

#[test]
fn without_the_server_events_blobs_and_answers_go_through_a_neighbour() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    let through = via(&mesh, others[0]);
    mesh.stop_server();
    assert_eq!(path(&mesh, a, b), Some(through.clone()));
    let blob = Packet::event("blob", &(Blob::from(vec![7; 200_000]),)).unwrap();
    let blobs = Packet::event("blobs", &(vec![Blob::from(vec![7; 10]); 20],)).unwrap();
    let (to_a, to_b) = (mesh.id(a), mesh.id(b));
    for event in [numbered(0), blob.clone(), numbered(1), blobs.clone()] {
        mesh.emit(a, &to_b, &event).unwrap();
        mesh.emit(b, &to_a, &event).unwrap();
    }
    mesh.with(a, |session, now| session.emit_bulk(&to_b, &blob, now)).unwrap();
    mesh.with(a, |session, now| session.emit_volatile(&to_b, &numbered(2), now)).unwrap();
    mesh.with(a, |session, now| session.emit_with_ack(&to_b, &numbered(3), None, now)).unwrap();
    mesh.run_until_quiet();

    let came = mesh.received(a);
    assert!(came.iter().all(|event| matches!(
        event,
        Event::Received { path, from, .. } if *path == through && *from == to_b
    )));
    let packets = |events: &[Event]| -> Vec<Packet> {
        let packet = |event: &Event| match event {
            Event::Received { packet, .. } => packet.clone(),
            other => panic!("{other:?}"),
        };
        events.iter().map(packet).collect()
    };
    assert_eq!(packets(&came), [numbered(0), blob.clone(), numbered(1), blobs.clone()]);
    let came = mesh.received(b);
    let of = |name| came.iter().filter(move |event| is_named(event, name)).count();
    assert_eq!((of("n"), of("blob"), of("blobs")), (4, 2, 1));
    let token = came.iter().find_map(|event| match event {
        Event::Received { reply: Some(token), .. } => Some(token.clone()),
        _ => None,
    });
    mesh.with(b, |session, now| session.reply(&token.unwrap(), &("yes",), now)).unwrap();
    mesh.run_until_quiet();
    let events = mesh.take_events(a);
    assert!(has(&events, |event| matches!(event, Event::Ack { from, .. } if *from == to_b)));
    assert_eq!(outcomes(&events), [Outcome::Delivered; 6]);
    assert!(!has(&events, away) && !has(&mesh.take_events(b), away));
    let passed = mesh.session(others[0]).forwarding();
    assert_eq!((passed.pairs, passed.dropped), (1, 0), "{passed:?}");
    assert!(passed.bytes > 600_000, "{passed:?}");
}

fn is_named(event: &Event, name: &str) -> bool {
    matches!(event, Event::Received { packet, .. } if packet.event_name().as_deref() == Some(name))
}

#[test]
fn events_over_the_relay_a_via_and_the_relay_again_stay_in_order() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    let (to_a, to_b) = (mesh.id(a), mesh.id(b));
    for number in 0..300 {
        match number {
            100 => mesh.stop_server(),
            200 => mesh.start_server(),
            _ => {}
        }
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.emit(b, &to_a, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(100));
    }
    mesh.run_until_quiet();
    let expected = [Path::Relay, via(&mesh, others[0]), Path::Relay];
    for node in [a, b] {
        let received = numbers(&mut mesh, node);
        assert_eq!(stretches(&received, 0..300), expected);
        let events = mesh.take_events(node);
        assert_eq!(outcomes(&events), vec![Outcome::Delivered; 300]);
        assert!(!has(&events, away));
        let other = if node == a { &to_b } else { &to_a };
        let changes = events.iter().filter_map(|event| match event {
            Event::PathChanged { peer, path } if peer == other => Some(path.clone()),
            _ => None,
        });
        assert!(changes.eq(expected[1..].iter().cloned()));
    }
}

#[test]
fn a_peer_that_the_server_has_lost_is_reached_through_a_neighbour_and_stays() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    mesh.set_reachable(a, false);
    let (to_a, to_b) = (mesh.id(a), mesh.id(b));
    for number in 0..100 {
        // Longer than the hub's resume window.
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.emit(b, &to_a, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(200));
    }
    mesh.set_reachable(a, true);
    mesh.run_until_quiet();
    let through = via(&mesh, others[0]);
    for node in [a, b] {
        let paths = stretches(&numbers(&mut mesh, node), 0..100);
        assert!(paths.contains(&through), "{paths:?}");
        let events = mesh.take_events(node);
        assert!(!has(&events, |event| matches!(event, Event::PeerLeft { .. }) || away(event)));
    }
    assert!(mesh.run_until(Duration::from_secs(30), |mesh| path(mesh, a, b) == Some(Path::Relay)));
}

#[test]
fn a_direct_only_session_uses_a_via_until_a_direct_path_is_validated() {
    let config = Config::default().with_policy(Policy::DirectOnly);
    let (mut mesh, a, b, others) = apart(&config, &[Config::default()]);
    let through = via(&mesh, others[0]);
    assert_eq!(
        (path(&mesh, a, b), path(&mesh, b, a)),
        (Some(through.clone()), Some(through.clone()))
    );
    // Attempts at a direct path continue for a time, and with them signals.
    mesh.run_for(Duration::from_secs(300));
    mesh.take_events(b);
    let uploads = mesh.uploads();
    let to_b = mesh.id(b);
    for number in 0..20 {
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(50));
    }
    assert_eq!(mesh.uploads(), uploads, "neither events nor acknowledgements use the relay");
    mesh.set_blocked(a, b, false);
    mesh.with(a, |session, now| session.upgrade(Target::All, now)).unwrap();
    for number in 20..100 {
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(50));
    }
    mesh.run_until_quiet();
    let paths = stretches(&numbers(&mut mesh, b), 0..100);
    assert_eq!(paths, [through.clone(), Path::Direct]);
    // And in the other direction.
    mesh.set_blocked(a, b, true);
    mesh.close_direct(a, b);
    mesh.emit(a, &to_b, &numbered(100)).unwrap();
    mesh.run_until_quiet();
    assert_eq!(numbers(&mut mesh, b), [(100, through)]);
    assert_eq!(outcomes(&mesh.take_events(a)), vec![Outcome::Delivered; 101]);
}

#[test]
fn packets_on_the_relay_to_a_direct_only_session_are_refused() {
    let mut mesh = Mesh::new(1);
    let a = mesh.add(Config::default().with_policy(Policy::DirectOnly));
    let b = mesh.add(Config::default());
    mesh.set_blocked(a, b, true);
    let n = mesh.add(Config::default());
    mesh.run_until_direct(a, n);
    mesh.run_until_direct(b, n);
    mesh.run_for(Duration::from_secs(1));
    emit_all(&mut mesh, a, (0..50).map(numbered));
    let to_a = mesh.id(a);
    mesh.take_events(b);
    for number in 0..50 {
        mesh.emit(b, &to_a, &numbered(number)).unwrap();
    }
    mesh.run_until_quiet();
    assert_eq!(stretches(&numbers(&mut mesh, b), 0..50), [via(&mesh, n)]);
    assert!(numbers(&mut mesh, a).is_empty());
    assert_eq!(outcomes(&mesh.take_events(b)), vec![Outcome::Refused; 50]);
}

#[test]
fn a_session_with_forwarding_disabled_is_no_via() {
    let unwilling = Config::default().with_forward_pairs(0);
    let (mut mesh, a, b, others) = apart(&Config::default(), &[unwilling]);
    let id = mesh.id(b);
    mesh.stop_server();
    assert_eq!(path(&mesh, a, b), None);
    mesh.emit(a, &id, &numbered(0)).unwrap();
    mesh.run_for(Duration::from_secs(1));
    assert!(has(&mesh.take_events(a), away));
    mesh.run_for(Duration::from_secs(8));
    let events = mesh.take_events(a);
    assert_eq!(outcomes(&events), [Outcome::NotSent]);
    let left = |event: &Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::TimedOut, .. } if *peer == id);
    assert!(has(&events, left), "{events:?}");
    assert_eq!(mesh.session(others[0]).forwarding(), Default::default());
}

#[test]
fn without_pair_keys_there_is_no_via() {
    let mut mesh =
        Mesh::with_hub(1, socketio_p2p_core::hub::HubConfig::default().with_pair_keys(false));
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.set_blocked(a, b, true);
    let n = mesh.add(Config::default());
    mesh.run_until_direct(a, n);
    mesh.run_until_direct(b, n);
    mesh.run_for(Duration::from_secs(1));
    mesh.stop_server();
    mesh.run_for(Duration::from_secs(1));
    assert!(mesh.peer(a, b).unwrap().away);
}

#[test]
fn a_via_that_crashes_is_replaced() {
    let (mut mesh, a, b, others) =
        apart(&Config::default(), &[Config::default(), Config::default()]);
    mesh.stop_server();
    let Some(Path::Via(first)) = path(&mesh, a, b) else { panic!("{:?}", path(&mesh, a, b)) };
    let at = others.iter().position(|other| mesh.id(*other) == first).unwrap();
    let (dies, lives) = (others[at], others[1 - at]);
    let through = [via(&mesh, dies), via(&mesh, lives)];
    let (to_a, to_b) = (mesh.id(a), mesh.id(b));
    for number in 0..200 {
        if number == 50 {
            mesh.crash(dies);
        }
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
        mesh.emit(b, &to_a, &numbered(number)).unwrap();
        mesh.run_for(Duration::from_millis(50));
    }
    mesh.run_until_quiet();
    for (node, other) in [(a, &to_b), (b, &to_a)] {
        assert_eq!(stretches(&numbers(&mut mesh, node), 0..200), through);
        let gone = |event: &Event| matches!(event, Event::PeerAway { peer } if peer == other);
        assert!(!has(&mesh.take_events(node), gone));
    }
}

#[test]
fn a_peer_is_away_and_leaves_after_the_last_via_crashes() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    mesh.stop_server();
    let id = mesh.id(b);
    let of_b = |event: &Event| matches!(event, Event::PeerAway { peer } | Event::PeerLeft { peer, .. } if *peer == id);
    mesh.run_for(Duration::from_secs(30));
    assert!(!has(&mesh.take_events(a), of_b));
    mesh.crash(others[0]);
    let lost = |mesh: &Mesh| mesh.peer(a, b).unwrap().away;
    assert!(mesh.run_until(Duration::from_secs(5), lost));
    mesh.run_for(Duration::from_millis(7_900));
    assert!(lost(&mesh), "the resume window begins at the end of the path");
    mesh.run_for(Duration::from_millis(200));
    assert!(mesh.peer(a, b).is_none());
}

#[test]
fn pairs_beyond_a_neighbours_maximum_are_refused_and_the_others_continue() {
    let mut mesh = Mesh::new(1);
    let spokes: Vec<Node> = (0..5).map(|_| mesh.add(Config::default())).collect();
    for (index, &one) in spokes.iter().enumerate() {
        spokes[..index].iter().for_each(|&other| mesh.set_blocked(one, other, true));
    }
    let hub = mesh.add(Config::default());
    spokes.iter().for_each(|&spoke| mesh.run_until_direct(spoke, hub));
    mesh.run_for(Duration::from_secs(1));
    mesh.stop_server();
    spokes.iter().for_each(|&spoke| drop(mesh.take_events(spoke)));
    for round in 0..20 {
        for &spoke in &spokes {
            emit_all(&mut mesh, spoke, [numbered(round)]);
        }
        mesh.run_for(Duration::from_secs(1));
    }
    mesh.run_until_quiet();
    let passed = mesh.session(hub).forwarding();
    assert_eq!(passed.pairs, 8, "of ten");
    assert!(passed.dropped > 0);
    let mut served = 0;
    for &spoke in &spokes {
        let events = mesh.take_events(spoke);
        let mut from: std::collections::BTreeMap<PeerId, Vec<u64>> = Default::default();
        for event in &events {
            if let Event::Received { from: sender, packet, .. } = event {
                let (number,) = packet.args::<(u64,)>().unwrap();
                from.entry(sender.clone()).or_default().push(number);
            }
        }
        // Events refused by the neighbour never arrived: those peers have left each other.
        assert!(from.values().all(|numbers| numbers.iter().copied().eq(0..20)), "{from:?}");
        let left = events.iter().filter(|event| matches!(event, Event::PeerLeft { .. })).count();
        assert_eq!(from.len() + left, 4, "{from:?}");
        served += from.len();
    }
    assert_eq!(served, 16, "eight pairs, both ways");
}

#[test]
fn a_pair_keeps_to_the_neighbours_rate_without_loss() {
    let slow = Config::default().with_forward_rate(100_000);
    let (mut mesh, a, b, others) = apart(&Config::default(), &[slow]);
    mesh.stop_server();
    let (from_n, to_b) = (mesh.id(others[0]), mesh.id(b));
    let start = mesh.now();
    for number in 0..50 {
        let event = Packet::event("n", &(number, Blob::from(vec![1; 10_000]))).unwrap();
        mesh.emit(a, &to_b, &event).unwrap();
    }
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        mesh.emit(others[0], &to_b, &numbered(number)).unwrap();
        let sent = mesh.now();
        let came = |mesh: &mut Mesh| {
            let events = mesh.received(b);
            events
                .into_iter()
                .any(|event| matches!(event, Event::Received { from, .. } if from == from_n))
        };
        while !came(&mut mesh) {
            assert!(mesh.step());
        }
        slowest = slowest.max(mesh.now() - sent);
        mesh.run_for(Duration::from_millis(50));
    }
    assert!(slowest <= Duration::from_millis(20), "the neighbour's own events took {slowest:?}");
    mesh.run_until_quiet();
    let took = mesh.now() - start;
    assert!((4_000..6_000).contains(&took.as_millis()), "500 KB at 100 KB/s took {took:?}");
    assert_eq!(mesh.session(others[0]).forwarding().dropped, 0);
    assert_eq!(outcomes(&mesh.take_events(a)), vec![Outcome::Delivered; 50]);
}

#[test]
fn both_directions_at_full_rate_through_one_via_lose_no_event() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    mesh.stop_server();
    let events = || (0..3_000).map(numbered);
    let start = mesh.now();
    emit_all(&mut mesh, a, events());
    emit_all(&mut mesh, b, events());
    mesh.run_until_quiet();
    assert!(mesh.now() - start < Duration::from_secs(5), "{:?}", mesh.now() - start);
    for node in [a, b] {
        stretches(&numbers(&mut mesh, node), 0..3_000);
    }
    assert_eq!(mesh.session(others[0]).forwarding().dropped, 0);
}

#[test]
fn a_closing_session_says_good_bye_through_a_via_last() {
    let (mut mesh, a, b, others) = apart(&Config::default(), &[Config::default()]);
    mesh.stop_server();
    let (from_a, to_b) = (mesh.id(a), mesh.id(b));
    for number in 0..100 {
        mesh.emit(a, &to_b, &numbered(number)).unwrap();
    }
    mesh.with(a, |session, now| session.close(now));
    mesh.run_for(Duration::from_secs(2));
    stretches(&numbers(&mut mesh, b), 0..100);
    for node in [b, others[0]] {
        let left = |event: &Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::Left, .. } if *peer == from_a);
        assert!(has(&mesh.take_events(node), left));
    }
    assert_eq!(outcomes(&mesh.take_events(a)), vec![Outcome::Delivered; 100]);
}

#[test]
fn the_same_seed_gives_the_same_trace_through_vias() {
    let run = || {
        let (mut mesh, a, b, others) =
            apart(&Config::default(), &[Config::default(), Config::default()]);
        mesh.stop_server();
        for number in 0..50 {
            emit_all(&mut mesh, [a, b, others[0]][number % 3], [numbered(number as u64)]);
            mesh.step();
            if number == 20 {
                mesh.close_direct(a, others[0]);
            }
        }
        mesh.run_for(Duration::from_secs(30));
        let nodes = [a, b, others[0], others[1]];
        let events: Vec<_> = nodes.iter().map(|node| mesh.take_events(*node)).collect();
        format!("{:?} {events:?}", mesh.now())
    };
    assert_eq!(run(), run());
}
