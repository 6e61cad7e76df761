//! Members with new ids, and the nonces that tell who they are.

use super::*;

/// The nonces of the session's questions who members are, by member.
fn nonces(sent: &[Packet]) -> BTreeMap<String, u64> {
    let question = |packet: &Packet| {
        let ClientMessage::Signal(signal) = ClientMessage::from_packet(packet.clone()).ok()? else {
            return None;
        };
        assert_eq!(signal.signal.as_json(), r#"{"was":["me"]}"#);
        Some((signal.to_peer_id.to_string(), u64::from_str_radix(&signal.offer_id, 16).unwrap()))
    };
    sent.iter().filter_map(question).collect()
}

/// The session comes back to the hub as "me-2", where it meets these members.
fn come_back(alone: &mut Alone, members: &[&str]) {
    come_back_as(alone, "me-2", members);
}

fn come_back_as(alone: &mut Alone, own: &str, members: &[&str]) {
    alone.session.handle_signaling_closed("lost".into(), alone.now);
    let connects = |command: &Command| matches!(command, Command::ConnectSignaling);
    while !alone.commands().iter().any(connects) {
        alone.now = alone.session.poll_timeout().unwrap();
        alone.session.handle_timeout(alone.now);
    }
    alone.session.handle_signaling_open(alone.now);
    alone.sent();
    alone.receive(r#"0{"sid":"s"}"#);
    let roster: Vec<Value> = members.iter().map(|id| json!({"id": id, "v": 1})).collect();
    let welcome = json!({
        "v": 1, "id": own, "token": "another-token", "room": "lobby", "roster": roster,
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    });
    alone.receive(&format!("2{}", json!(["numClients", members.len(), welcome])));
}

/// A session with channels to "a" and "b", and the hub's names for "a" and "b" since the hub has lost its key.
fn renamed() -> (Alone, [ConnectionId; 2], BTreeMap<String, u64>) {
    let mut alone = Alone::with_newcomers(Config::default(), &["a", "b"]);
    let channels = ["a", "b"].map(|peer| alone.validated_channel(peer));
    come_back(&mut alone, &["x", "y"]);
    let asked = nonces(&alone.sent());
    assert_eq!(asked.keys().map(String::as_str).collect::<Vec<_>>(), ["x", "y"]);
    assert_ne!(asked["x"], asked["y"]);
    alone.events();
    (alone, channels, asked)
}

fn renames(alone: &mut Alone) -> Vec<(String, String)> {
    let renamed = |event: Event| match event {
        Event::PeerRenamed { from, to } => Some((from.to_string(), to.to_string())),
        _ => None,
    };
    alone.events().into_iter().filter_map(renamed).collect()
}

fn proofs(items: &[Item]) -> Vec<(PeerId, u64)> {
    let proof = |item: &Item| match item {
        Item::Proof(asker, nonce) => Some((asker.clone(), *nonce)),
        _ => None,
    };
    items.iter().filter_map(proof).collect()
}

#[test]
fn a_nonce_names_the_peer_that_returns_it_and_each_other_nonce_names_nobody() {
    let (mut alone, [a, b], asked) = renamed();
    let me = id("me-2");
    // A wrong nonce; a right one as of somebody else, or of a former self.
    for (asker, nonce) in [
        (me.clone(), asked["x"] ^ 1),
        (id("x"), asked["x"]),
        (id("y"), asked["x"]),
        (id("me"), asked["x"]),
    ] {
        alone.direct(a, &[Item::Proof(asker, nonce)]);
        assert!(renames(&mut alone).is_empty());
    }
    alone.direct(a, &[Item::Proof(me.clone(), asked["x"])]);
    assert_eq!(renames(&mut alone), [("a".into(), "x".into())]);
    // Who is known is nobody else, and a nonce is good for one peer.
    alone.direct(a, &[Item::Proof(me.clone(), asked["y"])]);
    alone.direct(b, &[Item::Proof(me.clone(), asked["x"])]);
    assert!(renames(&mut alone).is_empty());
    alone.direct(b, &[Item::Proof(me, asked["y"])]);
    assert_eq!(renames(&mut alone), [("b".into(), "y".into())]);
}

#[test]
fn a_nonce_that_comes_through_the_hub_or_after_its_time_names_nobody() {
    let (mut alone, [a, _], asked) = renamed();
    let proof = |nonce| Item::Proof(id("me-2"), nonce);
    alone.receive_bundle("x", FRESH, &[proof(asked["x"])]);
    alone.receive_bundle("a", FRESH, &[proof(asked["x"])]);
    alone.wait(Duration::from_millis(1_900));
    assert!(renames(&mut alone).is_empty());
    alone.wait(Duration::from_millis(200));
    alone.direct(a, &[proof(asked["x"])]);
    let events = alone.events();
    assert!(!has(&events, |event| matches!(event, Event::PeerRenamed { .. })), "{events:?}");
    let joined =
        |event: &Event| matches!(event, Event::PeerJoined { peer, .. } if *peer == id("x"));
    assert!(has(&events, joined), "{events:?}");
}

#[test]
fn a_member_that_is_away_has_its_time_to_prove_who_it_is_when_it_is_back() {
    let (mut alone, [a, _], _) = renamed();
    alone.receive(r#"2["peer-away",{"peerId":"x"}]"#);
    for _ in 0..4 {
        alone.wait_and(Duration::from_secs(1), |alone| alone.answer_pings(a));
    }
    let events = alone.events();
    let joined = |peer: &str| {
        let peer = id(peer);
        has(&events, |event| matches!(event, Event::PeerJoined { peer: one, .. } if *one == peer))
    };
    assert!(joined("y") && !joined("x"), "{events:?}");
    alone.sent();
    alone.receive(r#"2["peer-join",{"id":"x","v":1}]"#);
    let nonce = nonces(&alone.sent())["x"];
    alone.wait_and(Duration::from_millis(1_900), |alone| alone.answer_pings(a));
    alone.direct(a, &[Item::Proof(id("me-2"), nonce)]);
    assert_eq!(renames(&mut alone), [("a".into(), "x".into())]);
}

#[test]
fn a_question_who_a_member_is_is_answered_on_the_channels_of_those_it_names_only() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a", "b", "c"]);
    let channels = ["a", "b"].map(|peer| alone.validated_channel(peer));
    let mut ask = |from: &str, was: Value, nonce: &str| {
        let signal = json!({"was": was});
        let signal = json!(["peer-signal", {
            "signal": signal, "offerId": nonce, "fromPeerId": from, "toPeerId": "me",
        }]);
        alone.receive(&format!("2{signal}"));
        channels.map(|channel| proofs(&items(&alone.written(channel))))
    };
    // The nonce names its sender as the hub does: whose it is, is for that peer to say.
    assert_eq!(ask("x", json!(["a"]), "2a"), [vec![(id("x"), 42)], vec![]]);
    assert_eq!(ask("b", json!([]), "2b"), [vec![], vec![(id("b"), 43)]]);
    // Nobody is known by these names, or on a channel; and these are no nonces.
    assert_eq!(ask("x", json!(["c", "d"]), "2c"), [vec![], vec![]]);
    assert_eq!(ask("x", json!(["a"]), "no"), [vec![], vec![]]);
    assert_eq!(ask("x", json!(["a"]), "ffffffffffffffff"), [vec![], vec![]]);
}

#[test]
fn a_session_that_gets_the_id_of_a_peer_has_no_link_to_itself() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a", "b"]);
    for peer in ["a", "b"] {
        alone.validated_channel(peer);
    }
    come_back_as(&mut alone, "a", &["x"]);
    assert_eq!(alone.session.peers().map(|peer| peer.id).collect::<Vec<_>>(), [id("b")]);
}

/// A signal from a member through the hub.
fn signal_from(alone: &mut Alone, from: &str, offer_id: &str, signal: &Value) {
    let signal = json!(["peer-signal", {
        "signal": signal, "offerId": offer_id, "fromPeerId": from, "toPeerId": "me-2",
    }]);
    alone.receive(&format!("2{signal}"));
}

#[test]
fn a_link_to_a_peer_that_has_its_id_still_ends_because_the_session_was_expelled() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a", "b"]);
    for peer in ["a", "b"] {
        alone.validated_channel(peer);
    }
    alone.events();
    come_back(&mut alone, &["a"]);
    let events = alone.events();
    let of_a: Vec<&Event> = events
        .iter()
        .filter(|event| match event {
            Event::PeerLeft { peer, .. } | Event::PeerJoined { peer, .. } => *peer == id("a"),
            _ => false,
        })
        .collect();
    let ended = |event: &Event| {
        matches!(event, Event::PeerLeft { reason: LeaveReason::IdentityChanged, .. })
    };
    assert!(matches!(of_a[..], [left, Event::PeerJoined { .. }] if ended(left)), "{events:?}");
    assert!(nonces(&alone.sent()).is_empty());
    assert!(!alone.session.peer(&id("a")).unwrap().validated);
    // The other one may come back under a new id.
    assert!(alone.session.peer(&id("b")).unwrap().validated);
}

#[test]
fn an_offer_of_a_member_waits_until_it_is_settled_who_that_is() {
    let (mut alone, [a, b], _) = renamed();
    alone.commands();
    let offer = json!(["offer", {
        "fromPeerId": "x", "offerId": "1".repeat(40), "offer": {"type": "offer", "sdp": "v=0"},
    }]);
    alone.receive(&format!("2{offer}"));
    let candidate =
        json!({"candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}});
    signal_from(&mut alone, "x", &"1".repeat(40), &candidate);
    let taken = |commands: &[Command]| {
        let of_offer = |command: &&Command| match command {
            Command::Direct(DirectCommand::Answer { .. }) => true,
            Command::Direct(DirectCommand::Signal { signal, .. }) => {
                matches!(signal, Signal::Candidate(_))
            }
            _ => false,
        };
        commands.iter().filter(of_offer).count()
    };
    assert_eq!(taken(&alone.commands()), 0);
    let mut commands = Vec::new();
    alone.wait_and(Duration::from_secs(3), |alone| {
        commands.extend(alone.commands());
        [a, b].map(|channel| alone.answer_pings(channel));
    });
    assert_eq!(taken(&commands), 2, "{commands:?}");
}

#[test]
fn a_member_that_says_to_be_a_known_peer_has_as_long_to_prove_it_as_its_channel_lives() {
    let (mut alone, [a, b], asked) = renamed();
    signal_from(&mut alone, "x", "2a", &json!({"was": ["a"]}));
    alone.wait_and(Duration::from_secs(5), |alone| {
        [a, b].map(|channel| alone.answer_pings(channel));
    });
    let joined = |alone: &mut Alone, peer: &str| {
        let (peer, events) = (id(peer), alone.events());
        has(&events, |event| matches!(event, Event::PeerJoined { peer: one, .. } if *one == peer))
    };
    assert!(alone.session.peer(&id("x")).is_none() && joined(&mut alone, "y"));
    let again = nonces(&alone.sent());
    assert_eq!(again.get("x"), Some(&asked["x"]), "it is asked again all the time");
    alone.direct(a, &[Item::Proof(id("me-2"), asked["x"])]);
    assert_eq!(renames(&mut alone), [("a".into(), "x".into())]);
    // And not for longer.
    let (mut alone, [a, b], _) = renamed();
    signal_from(&mut alone, "x", "2a", &json!({"was": ["a"]}));
    alone.wait_and(Duration::from_secs(5), |alone| {
        [a, b].map(|channel| alone.answer_pings(channel));
    });
    alone.session.handle_direct_closed(a, "lost".into(), alone.now);
    assert!(joined(&mut alone, "x"));
}
