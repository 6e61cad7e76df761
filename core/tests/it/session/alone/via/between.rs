//! A session as the neighbour of two other peers.

use super::*;

/// Creates a session with channels to `a` and `b`.
fn between(config: Config) -> (Alone, ConnectionId, ConnectionId) {
    let mut alone = Alone::with_members(config, &[]);
    alone.receive(&join("a", KEY));
    alone.receive(&join("b", [2; 32]));
    let (a, b) = (alone.validated_channel("a"), alone.validated_channel("b"));
    (alone, a, b)
}

fn sealed(n: u64, bundle: &[u8]) -> Passed {
    Passed { number: n, seal: Seal::new([3; 32]), bundle: Bytes::copy_from_slice(bundle) }
}

fn to(peer: &str, n: u64, len: usize) -> Item {
    Item::Pass(id(peer), sealed(n, &vec![0; len]))
}

impl Alone {
    /// Returns the bundles forwarded through a channel, with their senders.
    fn passed(&mut self, channel: ConnectionId) -> Vec<(PeerId, Passed)> {
        let passed = |item| match item {
            Item::Passed(from, passed) => Some((from, passed)),
            _ => None,
        };
        items(&self.written(channel)).into_iter().filter_map(passed).collect()
    }
}

#[test]
fn neighbours_get_gathered_changes_of_the_list_of_neighbours() {
    let (mut alone, a, b) = between(Config::default());
    let told = |output: &[SentBundle]| {
        let told = |item| match item {
            Item::Neighbours(neighbours) => Some(neighbours),
            _ => None,
        };
        items(output).into_iter().filter_map(told).collect::<Vec<_>>()
    };
    let of = |peers: &[&str]| {
        vec![Neighbours { peers: peers.iter().map(|peer| id(peer)).collect(), rate: 1_000_000 }]
    };
    assert!(told(&alone.written(a)).is_empty());
    alone.now = alone.now + Duration::from_millis(100);
    alone.session.handle_timeout(alone.now);
    assert_eq!(told(&alone.written(a)), of(&["b"]));
    assert_eq!(told(&alone.written(b)), of(&["a"]));
    alone.session.handle_direct_closed(b, "gone".into(), alone.now);
    alone.now = alone.now + Duration::from_millis(100);
    alone.session.handle_timeout(alone.now);
    assert_eq!(told(&alone.written(a)), of(&[]));
}

#[test]
fn a_neighbour_forwards_bundles_unread_and_sets_the_sender() {
    let (mut alone, a, b) = between(Config::default());
    let unread = sealed(5, b"\xff no bundle at all");
    alone.direct(a, &[Item::Pass(id("b"), unread.clone())]);
    assert_eq!(alone.passed(b), [(id("a"), unread)]);
    assert!(alone.events().is_empty());
    let counts = alone.session.forwarding();
    assert_eq!((counts.pairs, counts.packets, counts.dropped), (1, 1, 0));
}

#[test]
fn no_bundle_is_forwarded_to_a_peer_that_is_not_a_neighbour() {
    let (mut alone, a, b) = between(Config::default());
    alone.receive(&join("m", [4; 32]));
    for peer in ["a", "m", "me", "nobody"] {
        alone.direct(a, &[to(peer, 1, 1)]);
    }
    assert!(alone.passed(a).is_empty() && alone.passed(b).is_empty());
    assert!(alone.sent().iter().all(|packet| packet.event_name().as_deref() != Some("p2p:relay")));
    assert_eq!(alone.session.forwarding().dropped, 4);
    assert!(alone.events().iter().all(|event| !matches!(event, Event::PeerError { .. })));
}

#[test]
fn a_bundle_longer_than_a_record_is_not_forwarded() {
    let (mut alone, a, b) = between(Config::default());
    alone.direct(a, &[to("b", 1, 16 << 10), to("b", 2, 40_000), to("b", 3, 1)]);
    let passed: Vec<u64> = alone.passed(b).into_iter().map(|(_, passed)| passed.number).collect();
    assert_eq!(passed, [1, 3]);
}

#[test]
fn a_neighbour_at_its_maximum_of_pairs_answers_no_way() {
    let (mut alone, a, b) = between(Config::default().with_forward_pairs(0));
    alone.direct(a, &[to("b", 1, 1)]);
    assert!(items(&alone.written(a)).contains(&Item::NoWay(id("b"))));
    assert!(alone.passed(b).is_empty());
}

#[test]
fn forwarding_drops_bundles_beyond_the_rate_and_own_events_continue() {
    let (mut alone, a, b) = between(Config::default());
    let own = |len: usize| Packet::event("own", &("x".repeat(len),)).unwrap();
    alone.session.emit(id("b"), &own(10), alone.now).unwrap();
    for n in 1..=100 {
        alone.direct(a, &[to("b", n, 16_000)]);
    }
    let output = items(&alone.written(b));
    let is_passed = |item: &&Item| matches!(item, Item::Passed(..));
    let first = output.iter().position(|item| matches!(item, Item::Record(_) | Item::Passed(..)));
    assert!(matches!(output[first.unwrap()], Item::Record(_)), "own events go first");
    let passed = output.iter().filter(is_passed).count() as u64;
    let counts = alone.session.forwarding();
    assert_eq!((counts.packets, counts.packets + counts.dropped), (passed, 100));
    assert!((15..=17).contains(&counts.packets), "256 KiB of 16 KB packets: {counts:?}");
    // A long stream of own records lets one forwarded bundle pass per bound.
    alone.now = alone.now + Duration::from_secs(1);
    alone.session.handle_timeout(alone.now);
    for _ in 0..30 {
        alone.session.emit(id("b"), &own(16_000), alone.now).unwrap();
    }
    alone.direct(a, &[to("b", 101, 100)]);
    let (mut before, mut turn) = (0, None);
    while turn.is_none() && before < 400_000 {
        let output = items(&alone.written(b));
        for item in &output {
            match item {
                Item::Record(record) => before += record.bytes.len(),
                Item::Passed(..) => turn = Some(before),
                _ => {}
            }
        }
        // The peer has received everything, in order.
        let Some(last) = records(&output).pop() else { break };
        let offset = last.offset + last.bytes.len() as u64;
        let next = if last.end {
            Place { number: last.number + 1, offset: 0 }
        } else {
            Place { number: last.number, offset }
        };
        let lane = LaneState { next, ..LaneState::default() };
        let state = State { lanes: [lane, LaneState::default()], ..State::default() };
        let pongs = pings(&output).into_iter().map(Item::Pong);
        let answer: Vec<Item> = std::iter::once(Item::State(state)).chain(pongs).collect();
        alone.now = alone.now + Duration::from_millis(1);
        alone.direct(b, &answer);
    }
    assert!(turn.is_some_and(|turn| turn <= 130_000), "after 64 KiB and one record: {turn:?}");
}

#[test]
fn a_malformed_bundle_to_forward_closes_its_senders_channel() {
    let good = Bundle::write(FRESH, &[to("b", 1, 1)]);
    // The item's length is its second byte.
    let cut = |by: usize| {
        let mut bad = good[..good.len() - by].to_vec();
        bad[3] -= by as u8;
        bad
    };
    for bad in [cut(2), cut(34), cut(36), good[..good.len() - 1].to_vec()] {
        let (mut alone, a, b) = between(Config::default());
        alone.direct_frame(a, bad.clone());
        let blame = |event: &Event| matches!(event, Event::PeerError { peer, error: PeerError::Misbehaved(_) } if *peer == id("a"));
        assert!(has(&alone.events(), blame), "{bad:?}");
        assert!(alone.passed(b).is_empty());
    }
    let (mut alone, a, b) = between(Config::default());
    alone.direct_frame(a, good);
    assert_eq!(alone.passed(b).len(), 1);
}
