//! What is passed on, to the letter: envelopes that are genuine, that are not, and that are for others.
//!
//! The seals here are made by the words of `PROTOCOL.md`, not by the code under test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;

const KEY: [u8; 32] = [0xa7; 32];

/// An envelope of `a` for us through `n`, which tests change before they deliver it.
#[derive(Clone)]
struct Sealed {
    neighbour: &'static str,
    from: &'static str,
    to: &'static str,
    epoch: u32,
    peer_epoch: u32,
    sequence: Option<(u8, u64)>,
    n: u64,
    parts: Vec<Vec<u8>>,
    key: [u8; 32],
}

impl Sealed {
    fn event(n: u64, seq: u64) -> Self {
        Self {
            neighbour: "n",
            from: "a",
            to: "me",
            epoch: 7,
            peer_epoch: 0,
            sequence: Some((0, seq)),
            n,
            parts: vec![format!("2[\"n\",{seq}]").into_bytes()],
            key: KEY,
        }
    }

    fn mac(&self) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        mac.update(b"socketio-p2p/1 via");
        for id in [self.neighbour, self.from, self.to] {
            mac.update(&[id.len() as u8]);
            mac.update(id.as_bytes());
        }
        mac.update(&self.epoch.to_be_bytes());
        mac.update(&self.peer_epoch.to_be_bytes());
        let (lane, seq) = self.sequence.unwrap_or((255, 0));
        mac.update(&[lane]);
        mac.update(&seq.to_be_bytes());
        mac.update(&self.n.to_be_bytes());
        for part in &self.parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// The frames as the neighbour writes them, with this seal.
    fn frames(&self, mac: &str) -> Vec<Frame> {
        let mut header = json!({"from": self.from, "epoch": self.epoch, "n": self.n, "mac": mac});
        if self.peer_epoch != 0 {
            header["for"] = json!(self.peer_epoch);
        }
        if let Some((lane, seq)) = self.sequence {
            header["lane"] = json!(lane);
            header["seq"] = json!(seq);
        }
        frames(&header, &self.parts)
    }
}

fn frames(header: &Value, parts: &[Vec<u8>]) -> Vec<Frame> {
    let mut args = vec![json!("via"), header.clone()];
    args.extend((0..parts.len()).map(|num| json!({"_placeholder": true, "num": num})));
    let head = format!("5{}-/socketio-p2p,{}", parts.len(), Value::from(args));
    let parts = parts.iter().map(|part| Bytes::from(part.clone()).into());
    std::iter::once(head.into()).chain(parts).collect()
}

fn join(id: &str, key: [u8; 32]) -> String {
    format!("2{}", json!(["peer-join", {"id": id, "v": 1, "key": URL_SAFE_NO_PAD.encode(key)}]))
}

impl Alone {
    fn direct_all(&mut self, channel: ConnectionId, frames: Vec<Frame>) {
        frames.into_iter().for_each(|frame| self.direct(channel, frame));
    }

    fn deliver(&mut self, channel: ConnectionId, sealed: &Sealed) {
        self.direct_all(channel, sealed.frames(&sealed.mac()));
    }

    /// What has been written to a channel, as packets.
    fn packets(&mut self, channel: ConnectionId) -> Vec<Packet> {
        let mut decoder = Decoder::new(Limits::unbounded());
        let frames = self.sent_directly(channel).into_iter();
        frames.filter_map(|frame| decoder.push(frame).unwrap()).collect()
    }

    /// The headers and parts of what goes on through a channel.
    fn passed(&mut self, channel: ConnectionId) -> Vec<(Value, Vec<Bytes>)> {
        let packets = self.packets(channel).into_iter();
        let via = packets.filter(|packet| packet.event_name().as_deref() == Some("via"));
        via.map(|packet| {
            let args: Value = serde_json::from_str(packet.payload()).unwrap();
            (args[1].clone(), packet.attachments().to_vec())
        })
        .collect()
    }
}

/// A session that shares a secret with `a` and has a channel with `n`, which knows `a`. The server is lost.
fn through_n(config: Config) -> (Alone, ConnectionId) {
    let mut alone = Alone::with_members(config, &[]);
    alone.hear(&join("a", KEY));
    alone.hear(&join("n", [1; 32]));
    let channel = alone.verified_channel("n");
    alone.direct(channel, r#"2/socketio-p2p,["neighbours",{"peers":["a"],"rate":1000000}]"#);
    alone.session.handle_signaling_closed("gone".into(), alone.now);
    assert_eq!(paths(&alone), [("a", Some(Path::Via(id("n")))), ("n", Some(Path::Direct))]);
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

/// How often the neighbour is blamed for what it passed on as from `a`.
fn blamed(events: &[Event]) -> usize {
    let blame = |event: &&Event| match event {
        Event::PeerError { peer, error: PeerError::NotGenuine { from, .. } } => {
            *peer == id("n") && *from == id("a")
        }
        _ => false,
    };
    events.iter().filter(blame).count()
}

#[test]
fn what_is_sealed_arrives_and_is_answered_with_a_seal() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    assert_eq!(received(&alone.events()), [0]);
    alone.now = alone.now + Duration::from_millis(20);
    alone.session.handle_timeout(alone.now);
    let event = Packet::event("x", &(Blob::from(vec![1, 2, 3]),)).unwrap();
    alone.session.emit(id("a"), &event, alone.now).unwrap();
    let passed = alone.passed(channel);
    let ours = Sealed {
        from: "me",
        to: "a",
        epoch: 1,
        peer_epoch: 7,
        sequence: None,
        parts: vec![br#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#.to_vec()],
        ..Sealed::event(1, 0)
    };
    let expected = json!({"to": "a", "epoch": 1, "for": 7, "n": 1, "mac": ours.mac()});
    assert_eq!(passed[0], (expected, ours.parts.iter().cloned().map(Bytes::from).collect()));
    let head = br#"51-["x",{"_placeholder":true,"num":0}]"#.to_vec();
    let ours = Sealed { sequence: Some((0, 0)), n: 2, parts: vec![head, vec![1, 2, 3]], ..ours };
    let expected =
        json!({"to": "a", "epoch": 1, "for": 7, "lane": 0, "seq": 0, "n": 2, "mac": ours.mac()});
    assert_eq!(passed[1], (expected, ours.parts.iter().cloned().map(Bytes::from).collect()));
    assert_eq!(passed.len(), 2);
}

#[test]
fn what_is_changed_on_the_way_has_no_effect_and_the_neighbour_is_blamed() {
    let genuine = Sealed::event(1, 0);
    let mac = genuine.mac();
    let mut tail = genuine.parts.clone();
    tail.push(Vec::new());
    let forgeries = [
        Sealed { parts: vec![b"2[\"n\",1]".to_vec()], ..genuine.clone() },
        Sealed { parts: tail, ..genuine.clone() },
        Sealed { epoch: 8, ..genuine.clone() },
        Sealed { peer_epoch: 1, ..genuine.clone() },
        Sealed { sequence: Some((0, 1)), ..genuine.clone() },
        Sealed { sequence: Some((1, 0)), ..genuine.clone() },
        Sealed { sequence: None, ..genuine.clone() },
        Sealed { n: 2, ..genuine.clone() },
    ];
    for forged in forgeries {
        let (mut alone, channel) = through_n(Config::default());
        alone.direct_all(channel, forged.frames(&mac));
        let events = alone.events();
        assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
        assert!(alone.passed(channel).is_empty());
        // And the link is as it was: the genuine one is taken.
        alone.deliver(channel, &genuine);
        assert_eq!(received(&alone.events()), [0]);
    }
    // Sealed by somebody else, for somebody else, or for another way.
    let foreign = [
        Sealed { key: [0; 32], ..genuine.clone() },
        Sealed { to: "b", ..genuine.clone() },
        Sealed { from: "b", ..genuine.clone() },
        Sealed { neighbour: "m", ..genuine.clone() },
    ];
    for forged in foreign {
        let (mut alone, channel) = through_n(Config::default());
        let mac = forged.mac();
        alone.direct_all(channel, Sealed { from: "a", ..forged }.frames(&mac));
        let events = alone.events();
        assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
    }
}

#[test]
fn what_comes_again_has_no_effect_and_the_neighbour_is_blamed() {
    let (mut alone, channel) = through_n(Config::default());
    let bye = Sealed {
        sequence: None,
        parts: vec![b"2/socketio-p2p,[\"bye\"]".to_vec()],
        ..Sealed::event(1, 0)
    };
    for sealed in [Sealed::event(3, 0), Sealed::event(4, 1)] {
        alone.deliver(channel, &sealed);
    }
    assert_eq!(received(&alone.events()), [0, 1]);
    // One that was held back until it is out of date is no better than one that is repeated.
    for late in [Sealed::event(4, 1), Sealed::event(3, 0), bye] {
        alone.now = alone.now + Duration::from_secs(1);
        alone.deliver(channel, &late);
        let events = alone.events();
        assert_eq!((received(&events).len(), blamed(&events)), (0, 1), "{events:?}");
    }
    assert_eq!(alone.session.peers().count(), 2, "nobody has said good-bye");
}

#[test]
fn what_came_before_the_peer_gave_us_up_is_not_taken_again() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    let hello = br#"2/socketio-p2p,["hello",{"epoch":7,"for":1}]"#.to_vec();
    let given_up = Sealed { sequence: None, parts: vec![hello], ..Sealed::event(2, 0) };
    alone.deliver(channel, &given_up);
    let events = alone.events();
    let left = |event: &Event| matches!(event, Event::PeerLeft { peer, .. } if *peer == id("a"));
    assert!(received(&events) == [0] && has(&events, left), "{events:?}");
    alone.deliver(channel, &given_up);
    let events = alone.events();
    assert_eq!((events.len(), blamed(&events)), (1, 1), "{events:?}");
    // Its own numbers go on.
    alone.deliver(channel, &Sealed::event(3, 1));
    assert_eq!(received(&alone.events()), [1]);
}

#[test]
fn a_flood_of_forgeries_is_reported_once_a_second() {
    let (mut alone, channel) = through_n(Config::default());
    for _ in 0..100 {
        alone.direct_all(channel, Sealed::event(1, 0).frames(&"A".repeat(43)));
    }
    assert_eq!(blamed(&alone.events()), 1);
    alone.now = alone.now + Duration::from_secs(1);
    alone.direct_all(channel, Sealed::event(1, 0).frames(&"A".repeat(43)));
    assert_eq!(blamed(&alone.events()), 1);
}

#[test]
fn what_cannot_be_checked_is_ignored() {
    let (mut alone, channel) = through_n(Config::default());
    alone.hear(&join("b", [3; 32]));
    for unknown in ["b", "nobody", "me", "n"] {
        let sealed = Sealed { from: unknown, ..Sealed::event(1, 0) };
        alone.deliver(channel, &sealed);
    }
    assert!(received(&alone.events()).is_empty());
    assert!(alone.passed(channel).is_empty());
}

#[test]
fn the_secret_is_never_shown() {
    let (mut alone, channel) = through_n(Config::default());
    alone.deliver(channel, &Sealed::event(1, 0));
    alone.direct_all(channel, Sealed::event(2, 0).frames(&"A".repeat(43)));
    let events = alone.events();
    let shown = format!("{:?} {events:?}", alone.session);
    let bytes = format!("{KEY:?}");
    for secret in [URL_SAFE_NO_PAD.encode(KEY).as_str(), bytes.trim_matches(['[', ']']), "a7a7a7"] {
        assert!(!shown.contains(secret));
    }
}

// ----- as the neighbour of others -----

/// A session that has channels with `a` and `b`.
fn between(config: Config) -> (Alone, ConnectionId, ConnectionId) {
    let mut alone = Alone::with_members(config, &[]);
    alone.hear(&join("a", KEY));
    alone.hear(&join("b", [2; 32]));
    let (a, b) = (alone.verified_channel("a"), alone.verified_channel("b"));
    (alone, a, b)
}

fn to(peer: &str, n: u64, parts: &[Vec<u8>]) -> Vec<Frame> {
    let header = json!({
        "to": peer, "epoch": 7, "for": 3, "lane": 0, "seq": n, "n": n, "mac": "A".repeat(43),
    });
    frames(&header, parts)
}

#[test]
fn neighbours_are_told_of_each_other_when_changes_have_gathered() {
    let (mut alone, a, b) = between(Config::default());
    assert!(alone.packets(a).is_empty());
    alone.now = alone.now + Duration::from_millis(100);
    alone.session.handle_timeout(alone.now);
    let told =
        |peer| format!(r#"2/socketio-p2p,["neighbours",{{"peers":["{peer}"],"rate":1000000}}]"#);
    assert_eq!(text(&alone.sent_directly(a)[0]), told("b"));
    assert_eq!(text(&alone.sent_directly(b)[0]), told("a"));
    alone.session.handle_direct_closed(b, "gone".into(), alone.now);
    alone.now = alone.now + Duration::from_millis(100);
    alone.session.handle_timeout(alone.now);
    let frames = alone.sent_directly(a);
    assert_eq!(text(&frames[0]), r#"2/socketio-p2p,["neighbours",{"peers":[],"rate":1000000}]"#);
}

#[test]
fn a_neighbour_passes_on_unread_and_writes_the_sender_itself() {
    let (mut alone, a, b) = between(Config::default());
    let parts = [b"\xff no head at all".to_vec(), vec![0; 1000]];
    alone.direct_all(a, to("b", 5, &parts));
    let expected = json!({
        "from": "a", "epoch": 7, "for": 3, "lane": 0, "seq": 5, "n": 5, "mac": "A".repeat(43),
    });
    let parts = parts.map(Bytes::from).to_vec();
    assert_eq!(alone.passed(b), [(expected, parts)]);
    assert!(alone.events().is_empty());
    let counts = alone.session.forwarding();
    assert_eq!((counts.pairs, counts.packets, counts.dropped), (1, 1, 0));
}

#[test]
fn nothing_is_passed_on_to_who_is_no_neighbour() {
    let (mut alone, a, b) = between(Config::default());
    alone.hear(&join("m", [4; 32]));
    for peer in ["a", "m", "me", "nobody"] {
        alone.direct_all(a, to(peer, 1, &[vec![1]]));
    }
    assert!(alone.passed(a).is_empty() && alone.passed(b).is_empty());
    assert!(alone.sent().iter().all(|packet| packet.event_name().as_deref() != Some("p2p:relay")));
    assert_eq!(alone.session.forwarding().dropped, 4);
    assert!(alone.events().iter().all(|event| !matches!(event, Event::PeerError { .. })));
}

#[test]
fn who_serves_no_more_pairs_says_so() {
    let (mut alone, a, b) = between(Config::default().with_forward_pairs(0));
    alone.direct_all(a, to("b", 1, &[vec![1]]));
    let said = alone.packets(a);
    assert_eq!(said[0].head(), r#"2/socketio-p2p,["no-way",{"to":"b"}]"#);
    assert!(alone.passed(b).is_empty());
}

#[test]
fn a_sender_beyond_its_rate_loses_packets_and_own_events_go_on() {
    let (mut alone, a, b) = between(Config::default());
    alone.session.emit(id("b"), &Packet::event("own", &()).unwrap(), alone.now).unwrap();
    for n in 1..=100 {
        alone.direct_all(a, to("b", n, &[vec![0; 16_000]]));
    }
    let packets = alone.packets(b);
    assert_eq!(packets[1].event_name().as_deref(), Some("own"), "the first, but for its `begin`");
    let counts = alone.session.forwarding();
    assert_eq!(counts.packets + counts.dropped, 100);
    assert!((15..=17).contains(&counts.packets), "256 KiB of 16 KB packets: {counts:?}");
    // A long stream of our own lets one of others pass now and then.
    alone.now = alone.now + Duration::from_secs(1);
    for _ in 0..30 {
        let own = Packet::event("own", &("x".repeat(16_000),)).unwrap();
        alone.session.emit(id("b"), &own, alone.now).unwrap();
    }
    alone.direct_all(a, to("b", 101, &[vec![0; 100]]));
    let packets = alone.packets(b);
    let turn = packets.iter().position(|packet| packet.event_name().as_deref() == Some("via"));
    assert!((3..=6).contains(&turn.unwrap()), "after 64 KiB: {turn:?}");
    assert_eq!(packets.len(), 31);
}

#[test]
fn envelopes_that_cannot_be_read_cost_their_sender_the_channel() {
    let good = json!({"to": "b", "epoch": 7, "n": 1, "mac": "A".repeat(43)});
    let without = |field: &str| {
        let mut header = good.clone();
        header.as_object_mut().unwrap().remove(field);
        header
    };
    let mut bad: Vec<(Value, usize)> =
        ["to", "epoch", "n", "mac"].into_iter().map(|field| (without(field), 1)).collect();
    bad.push((json!({"to": "b", "epoch": 7, "n": 1, "mac": "AAAA"}), 1));
    bad.push((good.clone(), 3));
    for (header, parts) in bad {
        let (mut alone, a, _) = between(Config::default());
        alone.direct_all(a, frames(&header, &vec![vec![1]; parts]));
        let blame = |event: &Event| matches!(event, Event::PeerError { peer, error: PeerError::Misbehaved(_) } if *peer == id("a"));
        assert!(has(&alone.events(), blame), "{header}");
    }
    let (mut alone, a, b) = between(Config::default());
    alone.direct_all(a, frames(&good, &[vec![1]]));
    assert_eq!(alone.passed(b).len(), 1);
}

// ----- neighbours that do not do what they say -----

#[test]
fn what_a_hostile_neighbour_claims_is_bounded_and_the_server_goes_first() {
    let (mut alone, channel) = through_n(Config::default());
    let many: Vec<String> = (0..65).map(|number| format!("p{number}")).collect();
    let claim = json!(["neighbours", {"peers": many, "rate": 1}]);
    alone.direct(channel, format!("2/socketio-p2p,{claim}"));
    let blame =
        |event: &Event| matches!(event, Event::PeerError { error: PeerError::Misbehaved(_), .. });
    assert!(has(&alone.events(), blame));
    assert_eq!(paths(&alone)[0].1, Some(Path::Via(id("n"))));

    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(&join("a", KEY));
    alone.hear(&join("n", [1; 32]));
    let channel = alone.verified_channel("n");
    alone.direct(channel, r#"2/socketio-p2p,["neighbours",{"peers":["a","n","me"],"rate":0}]"#);
    assert_eq!(paths(&alone)[0].1, Some(Path::Relay));
}

#[test]
fn a_neighbour_that_says_no_or_says_nothing_is_given_up_for_another() {
    for refuses in [true, false] {
        let mut alone = Alone::with_members(Config::default(), &[]);
        alone.hear(&join("a", KEY));
        ["m", "n"].into_iter().for_each(|peer| alone.hear(&join(peer, [1; 32])));
        let (m, n) = (alone.verified_channel("m"), alone.verified_channel("n"));
        for channel in [m, n] {
            let knows = r#"2/socketio-p2p,["neighbours",{"peers":["a"],"rate":1000000}]"#;
            alone.direct(channel, knows);
        }
        alone.session.handle_signaling_closed("gone".into(), alone.now);
        assert_eq!(paths(&alone)[0], ("a", Some(Path::Via(id("m")))), "the first of two");
        alone.session.emit(id("a"), &Packet::event("n", &(0,)).unwrap(), alone.now).unwrap();
        assert_eq!(alone.passed(m).len(), 1);
        if refuses {
            alone.direct(m, r#"2/socketio-p2p,["no-way",{"to":"a"}]"#);
        } else {
            // The channels are alive all the time.
            for _ in 0..100 {
                alone.wait(Duration::from_millis(100));
                alone.direct(m, r#"2/socketio-p2p,["pong",0]"#);
                alone.direct(n, r#"2/socketio-p2p,["pong",0]"#);
                alone.passed(m);
            }
        }
        assert_eq!(paths(&alone)[0], ("a", Some(Path::Via(id("n")))), "refuses: {refuses}");
        // What the first one swallowed is sent again, after a word with the peer if there was none yet.
        alone.wait(Duration::from_secs(1));
        let heads: Vec<Bytes> =
            alone.passed(n).into_iter().map(|(_, parts)| parts[0].clone()).collect();
        let resume = Bytes::from(r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#);
        let event = Bytes::from(r#"2["n",0]"#);
        assert_eq!(heads, if refuses { vec![resume, event] } else { vec![event] });
    }
}

/// The way is given up for ten seconds now and then, which is no sign of life of the peer.
#[test]
fn a_peer_that_takes_and_never_acknowledges_through_a_neighbour_is_given_up() {
    let mut alone = Alone::with_members(Config::default().with_policy(Policy::DirectOnly), &[]);
    alone.hear(&join("a", KEY));
    alone.hear(&join("n", [1; 32]));
    let channel = alone.verified_channel("n");
    alone.direct(channel, r#"2/socketio-p2p,["neighbours",{"peers":["a"],"rate":1000000}]"#);
    alone.session.emit(id("a"), &numbered(0), alone.now).unwrap();
    let mut sent = 0;
    for _ in 0..600 {
        sent += alone.passed(channel).len();
        alone.wait(Duration::from_secs(1));
        alone.direct(channel, r#"2/socketio-p2p,["pong",0]"#);
    }
    assert!(sent > 1, "{sent}");
    assert_eq!(
        outcomes(&alone.events()),
        [Outcome::Unknown],
        "after ten minutes, sent {sent} times"
    );
}
