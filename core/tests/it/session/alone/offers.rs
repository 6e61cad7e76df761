//! Offers, answers and the resulting channels.

use super::*;

#[test]
fn an_offer_names_its_receiver_and_its_signals_repeat_the_offer_id() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let commands = alone.commands();
    let [Command::Direct(DirectCommand::Offer { connection, .. })] = commands[..] else {
        panic!("{commands:?}")
    };
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    let offers = alone.sent();
    let (offers,) = offers[0].args::<(Value,)>().unwrap();
    let offer = &offers["offers"][0];
    assert_eq!(offer["toPeerId"], "a");
    assert_eq!(offer["offer"], json!({"type": "offer", "sdp": "ours"}));
    let offer_id = offer["offerId"].as_str().unwrap();
    assert!(offer_id.len() == 40 && offer_id.bytes().all(|byte| byte.is_ascii_hexdigit()));

    let answer = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": offer_id,
        "signal": {"type": "answer", "sdp": "theirs"},
    }]);
    alone.receive(&format!("2{answer}"));
    assert!(matches!(
        &alone.commands()[..],
        [Command::Direct(DirectCommand::Signal { signal: Signal::Answer(sdp), .. })] if sdp == "theirs"
    ));
}

#[test]
fn a_violation_on_a_channel_closes_it() {
    let bundle = |peer_epoch, items: &[Item]| {
        Frame::from(Bundle::write(Epochs { epoch: 1, peer_epoch }, items))
    };
    let frames: [&[Frame]; 7] = [
        &[Frame::from("2[\"text\"]")],
        &[Frame::from(Vec::new())],
        &[Frame::from(vec![0xff, 1, 2])],
        &[bundle(99, &[packet(0, "2[\"x\"]")])],
        &[bundle(0, &[Item::Ping(1)]), Frame::from(vec![1, 1, 0x84, 0, 9])],
        &[bundle(0, &[]), bundle(1, &[has_events(1)])],
        &[bundle(0, &[]), Frame::from("2[\"text\"]")],
    ];
    for frames in frames {
        let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
        let channel = alone.open_channel("a");
        alone.events();
        for frame in frames {
            alone.direct_frame(channel, frame.clone());
        }
        let events = alone.events();
        assert!(violated(&events) && names(&events).is_empty(), "{frames:?}: {events:?}");
        let closed = |command: &Command| matches!(command, Command::Direct(DirectCommand::Close { connection }) if *connection == channel);
        assert!(alone.commands().iter().any(closed), "{frames:?}");
        // The peer is still in the room, on the relay.
        assert_eq!(alone.session.peers().next().unwrap().path, Some(Path::Relay));
    }
}

#[test]
fn a_channel_is_validated_by_a_pong_in_a_bundle_of_the_right_epochs() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.open_channel("a");
    let asked = pings(&items(&alone.written(channel)));
    alone.direct(channel, &[packet(0, "2[\"x\"]"), Item::Ping(1), Item::Pong(asked[0] + 1)]);
    alone.written(channel);
    let peer = |alone: &Alone| alone.session.peers().next().unwrap();
    assert!(!peer(&alone).validated && peer(&alone).path == Some(Path::Relay));
    alone.direct(channel, &[Item::State(State::default()), Item::Pong(asked[0])]);
    assert!(peer(&alone).validated && peer(&alone).path == Some(Path::Direct));
}

#[test]
fn offers_beyond_max_peers_are_declined_and_a_flood_leaves_one_attempt_per_peer() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(2), &[]);
    for peer in ["a", "b", "c"] {
        alone.receive(&format!(r#"2["peer-join",{{"id":"{peer}","v":1}}]"#));
    }
    for round in 0..200 {
        for peer in ["a", "b", "c"] {
            let offer = json!(["offer", {
                "fromPeerId": peer, "offerId": format!("{peer}{round}"),
                "offer": {"type": "offer", "sdp": "x"},
            }]);
            alone.receive(&format!("2{offer}"));
        }
    }
    let mut open = std::collections::BTreeSet::new();
    for command in alone.commands() {
        match command {
            Command::Direct(DirectCommand::Answer { connection, .. }) => {
                open.insert(connection);
            }
            Command::Direct(DirectCommand::Close { connection }) => {
                open.remove(&connection);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 2);
    let declines = alone.sent();
    assert!(declines.iter().all(|packet| {
        packet.args::<(Value,)>().unwrap().0["signal"] == json!({"decline": "full"})
    }));
}

#[test]
fn a_change_to_relay_only_declines_the_offer_being_answered() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "theirs", "offer": {"type": "offer", "sdp": "x"},
    }]);
    alone.receive(&format!("2{offer}"));
    assert!(alone.sent().is_empty());
    alone.session.set_policy(Policy::RelayOnly, alone.now);
    let declines = alone.sent();
    let [decline] = &declines[..] else { panic!("{declines:?}") };
    let (output,): (Value,) = decline.args().unwrap();
    assert_eq!(
        (&output["signal"], &output["offerId"]),
        (&json!({"decline": "relay-only"}), &json!("theirs"))
    );
}

/// Each offer would cost a connection, and a decline or an answer.
#[test]
fn the_rate_limit_of_offers_holds_for_a_peer_that_begins_anew() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    alone.commands();
    let taken_up = |alone: &mut Alone, rounds: std::ops::Range<u32>| {
        for round in rounds {
            let offer = json!(["offer", {
                "fromPeerId": "a", "offerId": format!("{round}"),
                "offer": {"type": "offer", "sdp": "x"},
            }]);
            alone.receive(&format!("2{offer}"));
            alone.receive_bundle("a", Epochs { epoch: round + 1, peer_epoch: 0 }, &[]);
        }
        let offer = |packet: &&Packet| packet.head().contains("decline");
        let declined = alone.sent().iter().filter(offer).count();
        let answers = alone
            .commands()
            .into_iter()
            .filter(|command| matches!(command, Command::Direct(DirectCommand::Answer { .. })));
        answers.count() + declined
    };
    assert_eq!(taken_up(&mut alone, 0..100), 16);
    let floods = alone
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::PeerError { error: PeerError::Misbehaved(_), .. }));
    assert_eq!(floods.count(), 1);
    alone.now = alone.now + Duration::from_secs(3);
    assert_eq!(taken_up(&mut alone, 100..200), 3, "one per shortest pause");
}

#[test]
fn signals_of_non_members_and_of_ended_attempts_are_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    for message in [
        json!(["offer", {"fromPeerId": "nobody", "offerId": "o", "offer": {"type": "offer", "sdp": ""}}]),
        json!(["peer-signal", {"fromPeerId": "nobody", "toPeerId": "me", "offerId": "o", "signal": {}}]),
        json!(["peer-signal", {"toPeerId": "me", "offerId": "o", "signal": {}}]),
        json!(["peer-signal", {"fromPeerId": "a", "toPeerId": "me", "offerId": "over",
            "signal": {"type": "answer", "sdp": ""}}]),
        json!(["peer-disconnect", {"peerId": "nobody"}]),
        json!(["peer-away", {"peerId": "nobody"}]),
    ] {
        alone.receive(&format!("2{message}"));
    }
    assert!(alone.commands().is_empty());
    assert!(alone.events().is_empty());
    assert!(alone.session.is_joined());
}

#[test]
fn a_malformed_signal_is_reported_as_the_peers_error() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let signal = json!(["peer-signal", {"fromPeerId": "a", "toPeerId": "me", "offerId": "o", "signal": {"renegotiate": true}}]);
    alone.receive(&format!("2{signal}"));
    assert!(has(&alone.events(), |event| matches!(
        event,
        Event::PeerError { error: PeerError::BadSignal, .. }
    )));
}

#[test]
fn an_offer_whose_answer_fails_is_declined() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o1", "offer": {"type": "offer", "sdp": "nonsense"},
    }]);
    alone.receive(&format!("2{offer}"));
    let connection = match alone.commands()[..] {
        [Command::Direct(DirectCommand::Answer { connection, .. })] => connection,
        ref other => panic!("{other:?}"),
    };
    alone.session.handle_direct_closed(connection, "bad offer".into(), alone.now);
    let (signal,) = alone.sent()[0].args::<(Value,)>().unwrap();
    assert_eq!(signal["signal"], json!({"decline": "failed"}));
    assert_eq!(signal["offerId"], "o1");
}

#[test]
fn peers_that_declined_as_full_connect_when_one_has_capacity() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(1), &[("a", 1)]);
    let offered = |commands: &[Command]| match commands {
        [Command::Direct(DirectCommand::Offer { connection, .. })] => *connection,
        other => panic!("{other:?}"),
    };
    let connection = offered(&alone.commands());
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    let (offers,) = alone.sent()[0].args::<(Value,)>().unwrap();
    let full = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": offers["offers"][0]["offerId"],
        "signal": {"decline": "full"},
    }]);
    alone.receive(&format!("2{full}"));
    alone.receive(r#"2["peer-join",{"id":"b","v":1}]"#);
    alone.open_channel("b");
    // The session is full when the other peer has capacity.
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o2", "offer": {"type": "offer", "sdp": "theirs"},
    }]);
    alone.receive(&format!("2{offer}"));
    let (declined,) = alone.sent()[0].args::<(Value,)>().unwrap();
    assert_eq!(declined["signal"], json!({"decline": "full"}));
    alone.wait(Duration::from_secs(1));
    alone.receive(r#"2["peer-disconnect",{"peerId":"b"}]"#);
    let commands = alone.commands();
    assert!(matches!(commands[0], Command::Direct(DirectCommand::Close { .. })));
    offered(&commands[1..]);
}

#[test]
fn messages_before_the_channel_is_open_are_ignored() {
    let mut session = Session::new(Config::default(), [1; 32], Time::from_millis(1)).unwrap();
    let welcome = json!(["numClients", 0, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    session.handle_signaling_frame(format!("2{welcome}").into(), Time::from_millis(1));
    assert!(!session.is_joined());
    session.handle_signaling_open(Time::from_millis(2));
    assert!(session.poll_signaling_transmit(Time::from_millis(2)).is_some());
}

#[test]
fn a_declined_peer_gets_an_offer_after_a_pause() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(1), &[("a", 1)]);
    let connection = match alone.commands()[..] {
        [Command::Direct(DirectCommand::Offer { connection, .. })] => connection,
        ref other => panic!("{other:?}"),
    };
    alone.receive(r#"2["peer-join",{"id":"c","v":1}]"#);
    let offer = json!(["offer", {
        "fromPeerId": "c", "offerId": "o", "offer": {"type": "offer", "sdp": "theirs"},
    }]);
    alone.receive(&format!("2{offer}"));
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    let sent = alone.sent();
    let (offers,) = sent.last().unwrap().args::<(Value,)>().unwrap();
    let full = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": offers["offers"][0]["offerId"],
        "signal": {"decline": "full"},
    }]);
    alone.receive(&format!("2{full}"));
    let offers = |commands: Vec<Command>| {
        let offers = commands
            .into_iter()
            .filter(|command| matches!(command, Command::Direct(DirectCommand::Offer { .. })));
        offers.count()
    };
    assert_eq!(offers(alone.commands()), 0);
    alone.now = alone.now + Duration::from_secs(1);
    alone.session.handle_timeout(alone.now);
    assert_eq!(offers(alone.commands()), 1);
}

/// Creates a session with a validated channel to "a", which receives another offer of "a" and a candidate for
/// it.
fn offered_again() -> (Alone, ConnectionId) {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.validated_channel("a");
    alone.sent_directly(connection);
    alone.commands();
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o2", "offer": {"type": "offer", "sdp": "again"},
    }]);
    alone.receive(&format!("2{offer}"));
    let candidate = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": "o2",
        "signal": {"candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}},
    }]);
    alone.receive(&format!("2{candidate}"));
    assert!(alone.commands().is_empty(), "the channel is pinged first");
    (alone, connection)
}

/// Returns whether the offer "again" is answered, and its candidate is passed to the transport.
fn answers_again(commands: &[Command]) -> bool {
    let answers = |command: &Command| matches!(command, Command::Direct(DirectCommand::Answer { sdp, .. }) if sdp == "again");
    let passes = |command: &Command| {
        matches!(
            command,
            Command::Direct(DirectCommand::Signal { signal: Signal::Candidate(_), .. })
        )
    };
    commands.iter().any(answers) && commands.iter().any(passes)
}

fn closes(commands: &[Command]) -> bool {
    let closes =
        |command: &Command| matches!(command, Command::Direct(DirectCommand::Close { .. }));
    commands.iter().any(closes)
}

#[test]
fn a_late_offer_does_not_close_a_working_channel() {
    let (mut alone, connection) = offered_again();
    let asked = pings(&items(&alone.written(connection)));
    assert_eq!(asked.len(), 1, "a probe");
    alone.direct(connection, &[Item::State(State::default()), Item::Pong(asked[0])]);
    let end = alone.now + Duration::from_secs(2);
    alone.now = end;
    alone.session.handle_timeout(end);
    assert!(alone.commands().is_empty());
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
}

#[test]
fn a_late_offer_is_answered_when_the_channel_brings_no_pong() {
    let (mut alone, _) = offered_again();
    alone.now = alone.now + Duration::from_secs(1);
    alone.session.handle_timeout(alone.now);
    let commands = alone.commands();
    assert!(closes(&commands) && answers_again(&commands), "{commands:?}");
}

#[test]
fn a_late_offer_is_answered_at_once_when_the_channel_closes() {
    let (mut alone, connection) = offered_again();
    alone.session.handle_direct_closed(connection, "closed".into(), alone.now);
    assert!(answers_again(&alone.commands()));
}

#[test]
fn a_duplicate_offer_does_not_end_its_attempt() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "theirs", "offer": {"type": "offer", "sdp": "x"},
    }]);
    alone.receive(&format!("2{offer}"));
    let answers =
        |command: &Command| matches!(command, Command::Direct(DirectCommand::Answer { .. }));
    assert!(alone.commands().iter().all(answers));
    alone.receive(&format!("2{offer}"));
    assert!(alone.commands().is_empty());
    assert!(alone.sent().is_empty());
}
