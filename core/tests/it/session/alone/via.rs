//! Bundles through a neighbour, with valid and invalid seals.
//!
//! The tests compute the seals as `PROTOCOL.md` specifies, independently of the code under test.

mod between;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use socketio_p2p_core::wire::{Neighbours, Passed, Seal};

use super::*;

const KEY: [u8; 32] = [0xa7; 32];

/// A bundle of `a` for the session through `n`, which tests change before they deliver it.
#[derive(Clone)]
struct Sealed {
    neighbour: &'static str,
    from: &'static str,
    to: &'static str,
    n: u64,
    bundle: Bytes,
    key: [u8; 32],
}

impl Sealed {
    /// In the peer's epoch 7.
    fn of(n: u64, items: &[Item]) -> Self {
        let bundle = Bundle::write(Epochs { epoch: 7, peer_epoch: 0 }, items);
        Self { neighbour: "n", from: "a", to: "me", n, bundle, key: KEY }
    }

    fn event(n: u64, number: u64) -> Self {
        Self::of(n, &[packet(number, &format!("2[\"n\",{number}]"))])
    }

    fn mac(&self) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        mac.update(b"socketio-p2p/1 via");
        for id in [self.neighbour, self.from, self.to] {
            mac.update(&[id.len() as u8]);
            mac.update(id.as_bytes());
        }
        mac.update(&self.n.to_be_bytes());
        mac.update(&self.bundle);
        mac.finalize().into_bytes().into()
    }

    /// Returns the item with which the neighbour forwards the bundle, with this seal.
    fn with_seal(&self, seal: [u8; 32]) -> Item {
        let Self { from, n: number, bundle, .. } = self;
        let seal = Seal::new(seal);
        Item::Passed(id(from), Passed { number: *number, seal, bundle: bundle.clone() })
    }
}

fn join(id: &str, key: [u8; 32]) -> String {
    format!("2{}", json!(["peer-join", {"id": id, "v": 1, "key": URL_SAFE_NO_PAD.encode(key)}]))
}

fn knows(peers: &[&str], rate: u64) -> Item {
    Item::Neighbours(Neighbours { peers: peers.iter().map(|peer| id(peer)).collect(), rate })
}

impl Alone {
    fn deliver(&mut self, channel: ConnectionId, sealed: &Sealed) {
        self.direct(channel, &[sealed.with_seal(sealed.mac())]);
    }

    /// Returns the bundles given to the neighbour of a channel, with their receivers.
    fn given(&mut self, channel: ConnectionId) -> Vec<(PeerId, Passed)> {
        let given = |item| match item {
            Item::Pass(to, passed) => Some((to, passed)),
            _ => None,
        };
        items(&self.written(channel)).into_iter().filter_map(given).collect()
    }

    /// Returns the items of the bundles given to the neighbour.
    fn given_items(&mut self, channel: ConnectionId) -> Vec<Item> {
        let given = self.given(channel).into_iter();
        items(&given.map(|(_, passed)| read(&passed.bundle)).collect::<Vec<_>>())
    }
}

/// Creates a session that shares a pair key with `a` and has a channel with `n`, which lists `a`. The server is
/// lost.
fn through_n(config: Config) -> (Alone, ConnectionId) {
    let mut alone = Alone::with_members(config, &[]);
    alone.receive(&join("a", KEY));
    alone.receive(&join("n", [1; 32]));
    let channel = alone.validated_channel("n");
    alone.direct(channel, &[knows(&["a"], 1_000_000)]);
    alone.session.handle_signaling_closed("gone".into(), alone.now);
    assert_eq!(paths(&alone), [("a", Some(Path::Via(id("n")))), ("n", Some(Path::Direct))]);
    // A ping checks at once whether the neighbour leads to the peer.
    alone.given(channel);
    alone.events();
    (alone, channel)
}

fn paths(alone: &Alone) -> Vec<(&'static str, Option<Path>)> {
    let name = |peer: &str| ["a", "b", "m", "n"].into_iter().find(|name| *name == peer).unwrap();
    alone.session.peers().map(|peer| (name(peer.id.as_str()), peer.path)).collect()
}

fn received(events: &[Event]) -> Vec<u64> {
    let number = |event: &Event| match event {
        Event::Received { packet, path, from, .. } => {
            assert_eq!((path, from), (&Path::Via(id("n")), &id("a")));
            Some(packet.args::<(u64,)>().unwrap().0)
        }
        _ => None,
    };
    events.iter().filter_map(number).collect()
}

/// Returns the number of reports against the neighbour about bundles of `a`.
fn blamed(events: &[Event]) -> usize {
    let blame = |event: &&Event| match event {
        Event::PeerError {
            peer,
            error: PeerError::Forged { from } | PeerError::Replayed { from },
        } => *peer == id("n") && *from == id("a"),
        _ => false,
    };
    events.iter().filter(blame).count()
}

#[test]
fn a_sealed_bundle_is_delivered_and_answered_with_a_sealed_bundle() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    assert_eq!(received(&alone.events()), [0]);
    alone.now = alone.now + Duration::from_millis(20);
    alone.session.handle_timeout(alone.now);
    alone.session.emit(id("a"), &numbered(9), alone.now).unwrap();
    let given = alone.given(channel);
    let mut output = Vec::new();
    // The first bundle was the ping that checks the via.
    for ((to, Passed { number, seal, bundle }), n) in given.into_iter().zip(2..) {
        let ours = Sealed { from: "me", to: "a", n, bundle: bundle.clone(), ..Sealed::event(1, 0) };
        assert_eq!((to, number, *seal.as_bytes()), (id("a"), n, ours.mac()));
        output.push(read(&bundle));
    }
    assert!(output.iter().all(|output| output.epochs == Epochs { epoch: 1, peer_epoch: 7 }));
    let output = items(&output);
    assert_eq!(states(&output)[0].lanes[0].next.number, 1);
    assert_eq!(packets(&output), [(0, r#"2["n",9]"#.to_owned())]);
}

#[test]
fn a_bundle_with_a_wrong_mac_is_dropped_and_counts_against_the_neighbour() {
    let genuine = Sealed::event(1, 0);
    let seal = genuine.mac();
    let mut changed = genuine.bundle.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let mut tail = genuine.bundle.to_vec();
    tail.extend([4, 0]);
    let forgeries = [
        Sealed { bundle: changed.into(), ..genuine.clone() },
        Sealed { bundle: tail.into(), ..genuine.clone() },
        Sealed { n: 2, ..genuine.clone() },
    ];
    for forged in forgeries {
        let (mut alone, channel) = through_n(Config::default());
        alone.direct(channel, &[forged.with_seal(seal)]);
        let events = alone.events();
        assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
        assert!(alone.given(channel).is_empty());
        // The link is not affected: the valid bundle is accepted.
        alone.deliver(channel, &genuine);
        assert_eq!(received(&alone.events()), [0]);
    }
    // Sealed by another peer, for another peer, or for another passage.
    let foreign = [
        Sealed { key: [0; 32], ..genuine.clone() },
        Sealed { to: "b", ..genuine.clone() },
        Sealed { from: "b", ..genuine.clone() },
        Sealed { neighbour: "m", ..genuine.clone() },
    ];
    for forged in foreign {
        let (mut alone, channel) = through_n(Config::default());
        let seal = forged.mac();
        alone.direct(channel, &[Sealed { from: "a", ..forged }.with_seal(seal)]);
        let events = alone.events();
        assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
    }
}

#[test]
fn a_duplicate_sealed_bundle_is_dropped_and_counts_against_the_neighbour() {
    let (mut alone, channel) = through_n(Config::default());
    for sealed in [Sealed::event(3, 0), Sealed::event(4, 1)] {
        alone.deliver(channel, &sealed);
    }
    assert_eq!(received(&alone.events()), [0, 1]);
    // A bundle that was held back until it is out of date counts as a duplicate.
    for late in [Sealed::event(4, 1), Sealed::event(3, 0), Sealed::of(1, &[Item::Bye])] {
        alone.wait(Duration::from_secs(1));
        alone.deliver(channel, &late);
        let events = alone.events();
        assert_eq!((received(&events).len(), blamed(&events)), (0, 1), "{events:?}");
    }
    assert_eq!(alone.session.peers().count(), 2, "no peer has output good-bye");
}

#[test]
fn sealed_bundles_from_before_a_given_up_epoch_are_not_accepted_again() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    let given_up = Sealed::of(2, &[Item::GivenUp(1)]);
    alone.deliver(channel, &given_up);
    let events = alone.events();
    let left = |event: &Event| matches!(event, Event::PeerLeft { peer, .. } if *peer == id("a"));
    assert!(received(&events) == [0] && has(&events, left), "{events:?}");
    alone.deliver(channel, &given_up);
    let events = alone.events();
    assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
    // The neighbour's own numbers continue.
    alone.deliver(channel, &Sealed::event(3, 1));
    assert_eq!(received(&alone.events()), [1]);
}

#[test]
fn a_malformed_bundle_with_a_valid_seal_is_the_senders_fault() {
    let (mut alone, channel) = through_n(Config::default());
    let sealed = Sealed { bundle: Bytes::from_static(&[7, 0, 0x84, 0, 9]), ..Sealed::event(1, 0) };
    alone.deliver(channel, &sealed);
    let events = alone.events();
    let blame = |event: &Event| matches!(event, Event::PeerError { peer, error: PeerError::Misbehaved(_) } if *peer == id("a"));
    assert!(has(&events, blame) && blamed(&events) == 0, "{events:?}");
    assert_eq!(paths(&alone)[1].1, Some(Path::Direct), "the neighbour keeps its channel");
}

#[test]
fn a_flood_of_bundles_with_wrong_macs_is_reported_once_a_second() {
    let (mut alone, channel) = through_n(Config::default());
    for _ in 0..100 {
        alone.direct(channel, &[Sealed::event(1, 0).with_seal([0; 32])]);
    }
    assert_eq!(blamed(&alone.events()), 1);
    alone.wait(Duration::from_secs(1));
    alone.direct(channel, &[Sealed::event(1, 0).with_seal([0; 32])]);
    assert_eq!(blamed(&alone.events()), 1);
}

#[test]
fn a_forwarded_bundle_without_a_pair_key_is_ignored() {
    let (mut alone, channel) = through_n(Config::default());
    alone.receive(&join("b", [3; 32]));
    for unknown in ["b", "nobody", "me", "n"] {
        let sealed = Sealed { from: unknown, ..Sealed::event(1, 0) };
        alone.deliver(channel, &sealed);
    }
    assert!(received(&alone.events()).is_empty());
    assert!(alone.given(channel).is_empty());
}

#[test]
fn control_of_neighbours_on_the_relay_is_a_violation() {
    for item in [knows(&["b"], 1), Sealed::event(1, 0).with_seal([0; 32]), Item::NoWay(id("a"))] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.events();
        alone.receive_bundle("a", FRESH, std::slice::from_ref(&item));
        assert!(violated(&alone.events()), "{item:?}");
    }
}

#[test]
fn the_pair_key_is_never_printed() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    alone.direct(channel, &[Sealed::event(2, 0).with_seal([0; 32])]);
    let events = alone.events();
    let shown = format!("{:?} {events:?}", alone.session);
    let bytes = format!("{KEY:?}");
    for secret in [URL_SAFE_NO_PAD.encode(KEY).as_str(), bytes.trim_matches(['[', ']']), "a7a7a7"] {
        assert!(!shown.contains(secret));
    }
}

// ----- neighbours that do not forward -----

#[test]
fn the_list_of_a_hostile_neighbour_is_bounded_and_the_relay_is_preferred() {
    let (mut alone, channel) = through_n(Config::default());
    let many: Vec<String> = (0..65).map(|number| format!("p{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    alone.direct(channel, &[knows(&many, 1)]);
    assert!(violated(&alone.events()));

    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(&join("a", KEY));
    alone.receive(&join("n", [1; 32]));
    let channel = alone.validated_channel("n");
    alone.direct(channel, &[knows(&["a", "n", "me"], 0)]);
    assert_eq!(paths(&alone)[0].1, Some(Path::Relay));
}

#[test]
fn a_via_that_answers_no_way_or_nothing_is_replaced() {
    for refuses in [true, false] {
        let mut alone = Alone::with_members(Config::default(), &[]);
        alone.receive(&join("a", KEY));
        ["m", "n"].into_iter().for_each(|peer| alone.receive(&join(peer, [1; 32])));
        let (m, n) = (alone.validated_channel("m"), alone.validated_channel("n"));
        for channel in [m, n] {
            alone.direct(channel, &[knows(&["a"], 1_000_000)]);
        }
        alone.session.handle_signaling_closed("gone".into(), alone.now);
        assert_eq!(paths(&alone)[0], ("a", Some(Path::Via(id("m")))), "the first of two");
        alone.session.emit(id("a"), &numbered(0), alone.now).unwrap();
        assert_eq!(packets(&alone.given_items(m)).len(), 1);
        if refuses {
            alone.direct(m, &[Item::NoWay(id("a"))]);
        }
        // The channels are alive all the time.
        let mut through_n = Vec::new();
        for _ in 0..100 {
            alone.wait(Duration::from_millis(100));
            alone.direct(m, &[]);
            alone.direct(n, &[]);
            alone.given(m);
            let output = alone.given_items(n);
            let answer = pings(&output).into_iter().map(Item::Pong);
            through_n.extend(output);
            for (pong, number) in answer.zip(through_n.len() as u64..) {
                let state = Item::State(State::default());
                let bundle = Bundle::write(KNOWN, &[state, pong]);
                alone.deliver(n, &Sealed { bundle, ..Sealed::of(number + 1, &[]) });
            }
        }
        assert_eq!(paths(&alone)[0], ("a", Some(Path::Via(id("n")))), "refuses: {refuses}");
        // The peer is pinged first; records that the first neighbour dropped are retransmitted after the pong.
        assert!(matches!(through_n[0], Item::State(_)), "{through_n:?}");
        assert_eq!(packets(&through_n)[0], (0, r#"2["n",0]"#.to_owned()));
    }
}

/// The via is avoided for 10 s from time to time, which is no sign of life of the peer.
#[test]
fn the_link_to_a_peer_that_never_acknowledges_through_a_via_ends() {
    let mut alone = Alone::with_members(Config::default().with_policy(Policy::DirectOnly), &[]);
    alone.receive(&join("a", KEY));
    alone.receive(&join("n", [1; 32]));
    let channel = alone.validated_channel("n");
    alone.direct(channel, &[knows(&["a"], 1_000_000)]);
    alone.session.emit(id("a"), &numbered(0), alone.now).unwrap();
    let mut sent = 0;
    for _ in 0..600 {
        sent += alone.given(channel).len();
        alone.wait(Duration::from_secs(1));
        alone.direct(channel, &[]);
    }
    assert!(sent > 1, "{sent}");
    assert_eq!(
        outcomes(&alone.events()),
        [Outcome::Unknown],
        "after ten minutes, sent {sent} times"
    );
}
