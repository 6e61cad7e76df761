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
