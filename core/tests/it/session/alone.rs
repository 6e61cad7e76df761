//! A session with nobody but the test on its wires: what it says to the letter, and what hostile or old
//! remotes can do to it.

mod via;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use socketio_p2p_core::codec::{Blob, Decoder, Limits};
use socketio_p2p_core::signal::Signal;
use socketio_p2p_core::{
    Command, Config, ConnectionId, DirectCommand, EmitError, Event, Frame, LeaveReason, Outcome,
    Packet, Path, PeerError, PeerId, Policy, Session, Target, Time, TransferOutcome,
};

use super::{has, numbered, outcomes};

/// A session, its clock, and what it has put out.
struct Alone {
    session: Session,
    now: Time,
    decoder: Decoder,
}

impl Alone {
    /// A session that has joined a room with these members: id and version.
    fn with_members(config: Config, members: &[(&str, u8)]) -> Self {
        let now = Time::from_millis(1);
        let limits = Limits::default().with_max_attachments(300);
        let mut alone = Self {
            session: Session::new(config, [9; 32], now),
            now,
            decoder: Decoder::new(limits),
        };
        assert!(matches!(alone.session.poll_command(), Some(Command::ConnectSignaling)));
        alone.session.handle_signaling_open(now);
        let connect = alone.sent();
        assert_eq!(connect[0].head(), r#"0{"p2p":{"v":1,"room":"lobby"}}"#);
        alone.hear(r#"0{"sid":"s"}"#);
        let roster: Vec<Value> =
            members.iter().map(|(id, version)| json!({"id": id, "v": version})).collect();
        let welcome = json!({
            "v": 1, "id": "me", "token": "secret-token", "room": "lobby", "roster": roster,
            "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
        });
        alone.hear(&format!("2{}", json!(["numClients", members.len(), welcome])));
        assert!(alone.session.is_joined());
        alone
    }

    /// The server says this.
    fn hear(&mut self, text: &str) {
        self.session.handle_signaling_frame(text.to_owned().into(), self.now);
    }

    /// The server passes on a packet of `from`, whose header has these further fields.
    fn hear_envelope(&mut self, from: &str, header: &Value, head: &str, attachments: &[&[u8]]) {
        let mut header = header.clone();
        header["from"] = json!(from);
        let parts = 1 + attachments.len();
        let holder = |num| json!({"_placeholder": true, "num": num});
        let mut args = vec![json!("p2p:relay"), header];
        args.extend((0..parts).map(holder));
        self.hear(&format!("5{parts}-{}", Value::from(args)));
        let head = Bytes::copy_from_slice(head.as_bytes());
        self.session.handle_signaling_frame(head.into(), self.now);
        for attachment in attachments {
            let attachment = Bytes::copy_from_slice(attachment);
            self.session.handle_signaling_frame(attachment.into(), self.now);
        }
    }

    /// What the session has sent to the server.
    fn sent(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        while let Some(frame) = self.session.poll_signaling_transmit(self.now) {
            packets.extend(self.decoder.push(frame).unwrap());
        }
        packets
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    fn commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.session.poll_command()).collect()
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.session.handle_timeout(at);
            self.sent();
            while self.session.poll_command().is_some() {}
        }
        self.now = end;
    }

    /// Takes up an offer of `from` and opens the channel.
    fn open_channel(&mut self, from: &str) -> ConnectionId {
        self.open_channel_of(from, 262_144)
    }

    fn open_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let offer = json!(["offer", {
            "fromPeerId": from, "offerId": "o1", "offer": {"type": "offer", "sdp": "theirs"},
        }]);
        self.hear(&format!("2{offer}"));
        let connection = self.commands().into_iter().find_map(|command| match command {
            Command::Direct(DirectCommand::Answer { connection, .. }) => Some(connection),
            _ => None,
        });
        let connection = connection.expect("the offer is answered");
        self.session.handle_direct_open(connection, max_message, self.now);
        connection
    }

    /// A channel with `from` on which its hello and the answer to the probe have come.
    fn verified_channel(&mut self, from: &str) -> ConnectionId {
        self.verified_channel_of(from, 262_144)
    }

    fn verified_channel_of(&mut self, from: &str, max_message: usize) -> ConnectionId {
        let channel = self.open_channel_of(from, max_message);
        self.direct(channel, r#"2/socketio-p2p,["hello",{"epoch":1}]"#);
        self.direct(channel, r#"2/socketio-p2p,["pong",0]"#);
        self.sent_directly(channel);
        self.sent();
        self.events();
        channel
    }

    fn direct(&mut self, connection: ConnectionId, frame: impl Into<Frame>) {
        self.session.handle_direct_frame(connection, frame.into(), self.now);
    }

    fn sent_directly(&mut self, connection: ConnectionId) -> Vec<Frame> {
        std::iter::from_fn(|| self.session.poll_direct_transmit(connection, self.now)).collect()
    }
}

fn id(name: &str) -> PeerId {
    name.parse().unwrap()
}

fn text(frame: &Frame) -> &str {
    match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => panic!("binary"),
    }
}

fn relay_only() -> Config {
    Config::default().with_policy(Policy::RelayOnly)
}

#[test]
fn an_event_to_two_peers_is_one_envelope_to_the_letter() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.session.emit(Target::All, &Packet::event("hi", &(1,)).unwrap(), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].head(),
        "51-[\"p2p:relay\",{\"to\":[{\"id\":\"a\",\"epoch\":1,\"lane\":0,\"seq\":0},\
         {\"id\":\"b\",\"epoch\":2,\"lane\":0,\"seq\":0}]},{\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(sent[0].attachments(), [Bytes::from_static(b"2[\"hi\",1]")]);
}

#[test]
fn an_offer_is_addressed_and_its_signals_carry_its_name() {
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
    alone.hear(&format!("2{answer}"));
    assert!(matches!(
        &alone.commands()[..],
        [Command::Direct(DirectCommand::Signal { signal: Signal::Answer(sdp), .. })] if sdp == "theirs"
    ));
}

// ----- an original client as the peer -----

#[test]
fn an_original_client_is_talked_to_in_plain_packets_on_its_channel() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"old","v":0}]"#);
    let channel = alone.open_channel("old");
    assert!(has(&alone.events(), |event| matches!(
        event,
        Event::PathChanged { path: Path::Direct, .. }
    )));
    let text_event = Packet::event("peer-msg", &(json!({"textVal": "hi"}),)).unwrap();
    alone.session.emit(Target::All, &text_event, alone.now).unwrap();
    let file = Packet::event("peer-file", &(Blob::from(vec![7; 300_000]),)).unwrap();
    alone.session.emit(Target::All, &file, alone.now).unwrap();
    let frames = alone.sent_directly(channel);
    assert_eq!(text(&frames[0]), r#"2["peer-msg",{"textVal":"hi"}]"#);
    assert_eq!(text(&frames[1]), r#"52-["peer-file",{"_placeholder":true,"num":0}]"#);
    let lengths: Vec<usize> = frames[2..].iter().map(Frame::len).collect();
    assert_eq!(lengths, [262_144, 37_856]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown; 2]);
}

#[test]
fn the_pieces_of_an_original_clients_blob_become_one_blob() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"old","v":0}]"#);
    let channel = alone.open_channel("old");
    alone
        .direct(channel, r#"520-["peer-file",{"file":{"_placeholder":true,"num":0},"name":"f7"}]"#);
    for piece in 0..20_u8 {
        alone.direct(channel, vec![piece; 5000]);
    }
    let events = alone.events();
    let Some(Event::Received { packet, path: Path::Direct, reply: None, .. }) = events.last()
    else {
        panic!("{events:?}")
    };
    assert_eq!(packet.attachments().len(), 1);
    let expected: Vec<u8> = (0..20).flat_map(|piece| [piece; 5000]).collect();
    assert_eq!(packet.attachments()[0], expected);
}

#[test]
fn an_original_client_on_the_relay_sends_unnumbered_events() {
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    alone.hear_envelope("old", &json!({}), r#"2["peer-msg","hi"]"#, &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::Received { packet, path: Path::Relay, .. }
            if packet.args::<(&str,)>().unwrap() == ("hi",)
    )));
}

#[test]
fn what_an_original_client_cannot_take_is_refused_by_name() {
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    let two = Packet::event("x", &(Blob::from(vec![1]), Blob::from(vec![2]))).unwrap();
    let empty = Packet::event("x", &(Blob::from(vec![]),)).unwrap();
    for (packet, words) in [(two, "more than one blob"), (empty, "an empty blob")] {
        let error = alone.session.emit(id("old"), &packet, alone.now).unwrap_err();
        assert!(matches!(error, EmitError::UnsupportedByPeer { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }
    let event = Packet::event("x", &()).unwrap();
    let error = alone.session.emit_with_ack(id("old"), &event, None, alone.now).unwrap_err();
    assert!(error.to_string().contains("an acknowledgement"), "{error}");
}

#[test]
fn an_original_client_that_disconnects_has_left() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"old","v":0}]"#);
    alone.open_channel("old");
    alone.hear(r#"2["peer-disconnect",{"peerId":"old"}]"#);
    assert_eq!(alone.session.peers().count(), 0);
}

// ----- hostile remotes -----

#[test]
fn a_server_that_sends_garbage_costs_the_channel_and_nothing_else() {
    for garbage in ["", "9", "2[\"a\"", "52-[\"a\"]\u{0}", "2{\"a\":1}", "31[]", "2[\"offer\",{}]"]
    {
        let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
        alone.events();
        alone.hear(garbage);
        let events = alone.events();
        assert!(
            has(&events, |event| matches!(event, Event::Disconnected { .. })),
            "{garbage:?}: {events:?}"
        );
        assert!(has_close(&alone.commands()), "{garbage:?}");
        assert_eq!(alone.session.peers().count(), 1);
    }
}

fn has_close(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command, Command::CloseSignaling))
}

#[test]
fn an_envelope_that_is_no_packet_is_reported_and_the_stream_goes_on() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let header = |seq: u64| json!({"epoch": 1, "lane": 0, "seq": seq});
    let bad = [
        "",
        "9",
        "2",
        "2[\"x\",",
        "0{}",
        "4{}",
        "2[\"offers\",1]",
        "2[\"p2p:relay\"]",
        "51-[\"x\"]",
    ];
    for (seq, head) in bad.iter().enumerate() {
        alone.hear_envelope("a", &header(seq as u64), head, &[]);
        let events = alone.events();
        assert!(
            events.len() == 1 && has(&events, |event| matches!(event, Event::PeerError { .. })),
            "{head:?}: {events:?}"
        );
    }
    alone.hear_envelope("a", &header(bad.len() as u64), "2[\"fine\"]", &[]);
    assert!(has(&alone.events(), |event| matches!(event, Event::Received { .. })));
}

#[test]
fn packets_of_an_epoch_that_is_over_are_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_envelope("a", &json!({"epoch": 5, "lane": 0, "seq": 0}), "2[\"x\"]", &[]);
    assert!(has(&alone.events(), |event| matches!(event, Event::Received { .. })));
    for stale in [
        json!({"epoch": 4, "lane": 0, "seq": 1}),
        json!({"epoch": 5, "for": 77, "lane": 0, "seq": 1}),
    ] {
        alone.hear_envelope("a", &stale, "2[\"x\"]", &[]);
        assert!(alone.events().is_empty(), "{stale}");
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_misbehaviour() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let ack = r#"2/socketio-p2p,["ack",{"received":[18446744073709551615,0,0],"partial":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), ack, &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::PeerError { error: PeerError::Misbehaved(_), .. }
    )));
}

#[test]
fn numbers_at_the_end_of_their_range_do_no_harm() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let far = json!({"epoch": u32::MAX, "lane": 0, "seq": u64::MAX});
    alone.hear_envelope("a", &far, "2[\"x\"]", &[]);
    for head in [
        r#"51-/socketio-p2p,["x"]"#,
        r#"2/socketio-p2p,["switch",{"next":[18446744073709551615,18446744073709551615,0]}]"#,
        r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#,
        r#"2/socketio-p2p,["unheard-of",1]"#,
    ] {
        alone.hear_envelope("a", &json!({"epoch": u32::MAX}), head, &[]);
    }
    let fragment = r#"51-/socketio-p2p,["fragment",{"lane":0,"seq":18446744073709551615,"offset":18446744073709551615,"total":18446744073709551615},{"_placeholder":true,"num":0}]"#;
    alone.hear_envelope("a", &json!({"epoch": u32::MAX}), fragment, &[b"x"]);
    alone.wait(Duration::from_secs(60));
    assert_eq!(alone.session.peers().count(), 1);
}

#[test]
fn a_channel_on_which_the_peer_misbehaves_is_given_up() {
    let frames: [&[Frame]; 7] = [
        &[Frame::from("2[\"data before hello\"]")],
        &[Frame::from("no packet")],
        &[Frame::from(vec![1, 2, 3])],
        &[Frame::from("2/socketio-p2p,[\"hello\",{\"epoch\":1,\"for\":99}]")],
        &[Frame::from("2/socketio-p2p,[\"hello\",7]")],
        &[
            Frame::from("2/socketio-p2p,[\"hello\",{\"epoch\":1}]"),
            Frame::from("2[\"data before begin\"]"),
        ],
        &[
            Frame::from("2/socketio-p2p,[\"hello\",{\"epoch\":1}]"),
            Frame::from("2/socketio-p2p,[\"begin\",{\"next\":0}]"),
            Frame::from("51-[\"x\",{\"_placeholder\":true,\"num\":0}]"),
            Frame::from("2[\"text in the middle of attachments\"]"),
        ],
    ];
    for frames in frames {
        let mut alone = Alone::with_members(Config::default(), &[]);
        alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
        let channel = alone.open_channel("a");
        alone.events();
        for frame in frames {
            alone.direct(channel, frame.clone());
        }
        let events = alone.events();
        assert!(has(&events, |event| matches!(event, Event::PeerError { .. })), "{frames:?}");
        assert!(!has(&events, |event| matches!(event, Event::Received { .. })), "{events:?}");
        let closed = |command: &Command| matches!(command, Command::Direct(DirectCommand::Close { connection }) if *connection == channel);
        assert!(alone.commands().iter().any(closed), "{frames:?}");
        // The peer is still there, on the relay.
        assert_eq!(alone.session.peers().next().unwrap().path, Some(Path::Relay));
    }
}

#[test]
fn offers_beyond_max_peers_are_declined_and_floods_leave_one_attempt_each() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(2), &[]);
    for peer in ["a", "b", "c"] {
        alone.hear(&format!(r#"2["peer-join",{{"id":"{peer}","v":1}}]"#));
    }
    for round in 0..200 {
        for peer in ["a", "b", "c"] {
            let offer = json!(["offer", {
                "fromPeerId": peer, "offerId": format!("{peer}{round}"),
                "offer": {"type": "offer", "sdp": "x"},
            }]);
            alone.hear(&format!("2{offer}"));
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
fn signals_of_strangers_and_of_attempts_that_are_over_are_ignored() {
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
        alone.hear(&format!("2{message}"));
    }
    assert!(alone.commands().is_empty());
    assert!(alone.events().is_empty());
    assert!(alone.session.is_joined());
}

#[test]
fn an_unreadable_signal_is_the_peers_error() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let signal = json!(["peer-signal", {"fromPeerId": "a", "toPeerId": "me", "offerId": "o", "signal": {"renegotiate": true}}]);
    alone.hear(&format!("2{signal}"));
    assert!(has(&alone.events(), |event| matches!(
        event,
        Event::PeerError { error: PeerError::BadSignal, .. }
    )));
}

#[test]
fn a_roster_that_repeats_or_names_ourselves_does_no_harm() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("a", 1), ("me", 1)]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let joined = alone.events();
    let joined = joined.iter().filter(|event| matches!(event, Event::PeerJoined { .. })).count();
    assert_eq!((joined, alone.session.peers().count()), (1, 1));
}

#[test]
fn debug_output_shows_no_secret() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    alone
        .session
        .emit(Target::All, &Packet::event("x", &("private",)).unwrap(), alone.now)
        .unwrap();
    let debug = format!("{:?}", alone.session);
    for secret in ["secret-token", "private"] {
        assert!(!debug.contains(secret), "{secret} is shown");
    }
    // Randomness yet to come would tell future ids.
    assert!(!debug.contains("[9, 9, 9"));
}

#[test]
fn a_server_without_a_welcome_is_given_up_with_a_reason() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now);
    session.handle_signaling_open(now);
    session.handle_signaling_frame("0{\"sid\":\"s\"}".into(), now);
    session.handle_signaling_frame("2[\"numClients\",3]".into(), now);
    let later = session.poll_timeout().unwrap();
    session.handle_timeout(later);
    let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(
        has(&events, |event| matches!(
            event,
            Event::Disconnected { error, .. } if error.contains("no welcome")
        )),
        "{events:?}"
    );
}

#[test]
fn an_answer_that_fails_is_declined_so_that_the_offerer_need_not_wait() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o1", "offer": {"type": "offer", "sdp": "nonsense"},
    }]);
    alone.hear(&format!("2{offer}"));
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
fn control_to_which_nobody_listens_does_not_pile_up() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel("a");
    for number in 0..10_000 {
        alone.direct(channel, format!(r#"2/socketio-p2p,["ping",{number}]"#));
        alone.direct(channel, r#"2/socketio-p2p,["switch",{"next":[9,9,0]}]"#);
    }
    let frames = alone.sent_directly(channel);
    assert!(frames.len() < 10, "{}", frames.len());
    assert!(frames.iter().any(|frame| text(frame) == r#"2/socketio-p2p,["pong",9999]"#));
}

#[test]
fn signals_that_the_server_does_not_take_do_not_pile_up() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(0), &[("a", 1)]);
    for number in 0..10_000 {
        let offer = json!(["offer", {
            "fromPeerId": "a", "offerId": format!("o{number}"),
            "offer": {"type": "offer", "sdp": "x"},
        }]);
        alone.hear(&format!("2{offer}"));
    }
    let sent = alone.sent();
    assert!(sent.len() <= 1024, "{}", sent.len());
    let (last,) = sent.last().unwrap().args::<(Value,)>().unwrap();
    assert_eq!(last["offerId"], "o9999");
}

#[test]
fn a_remote_end_that_takes_no_bytes_does_not_make_frames_without_end() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel_of("a", 0);
    alone.session.emit(Target::All, &Packet::event("hello", &()).unwrap(), alone.now).unwrap();
    let frames = std::iter::from_fn(|| alone.session.poll_direct_transmit(channel, alone.now));
    assert!(frames.take(1000).count() < 1000);
}

#[test]
fn peers_that_found_each_other_full_connect_when_one_has_room() {
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
    alone.hear(&format!("2{full}"));
    alone.hear(r#"2["peer-join",{"id":"b","v":1}]"#);
    alone.open_channel("b");
    // Now we are full when the other has room.
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o2", "offer": {"type": "offer", "sdp": "theirs"},
    }]);
    alone.hear(&format!("2{offer}"));
    let (declined,) = alone.sent()[0].args::<(Value,)>().unwrap();
    assert_eq!(declined["signal"], json!({"decline": "full"}));
    alone.wait(Duration::from_secs(1));
    alone.hear(r#"2["peer-disconnect",{"peerId":"b"}]"#);
    let commands = alone.commands();
    assert!(matches!(commands[0], Command::Direct(DirectCommand::Close { .. })));
    offered(&commands[1..]);
}

#[test]
fn fragments_are_acknowledged_within_the_delay_too() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let fragment = r#"51-/socketio-p2p,["fragment",{"lane":0,"seq":0,"offset":0,"total":9000},{"_placeholder":true,"num":0}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), fragment, &[&[7; 2000]]);
    let due = alone.session.poll_timeout().expect("an acknowledgement is planned");
    assert!(due - alone.now <= Duration::from_millis(20));
    alone.session.handle_timeout(due);
    let sent = alone.sent();
    assert_eq!(
        sent[0].attachments()[0],
        r#"2/socketio-p2p,["ack",{"received":[0,0,0],"partial":[2000,0,0]}]"#
    );
}

#[test]
fn a_session_that_closes_does_not_wait_for_an_original_client() {
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.session.close(alone.now);
    assert_eq!(alone.sent().len(), 1);
    alone.wait(Duration::from_millis(200));
    let events = alone.events();
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

#[test]
fn a_session_that_is_closed_has_nothing_to_send() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.close(alone.now);
    while let Some(due) = alone.session.poll_timeout() {
        alone.now = due;
        alone.session.handle_timeout(due);
    }
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert!(has_close(&alone.commands()));
    assert!(alone.sent().is_empty(), "the DISCONNECT that nobody took in time");
}

#[test]
fn nothing_follows_the_good_bye() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.session.close(alone.now);
    // It is never acknowledged, and due again.
    alone.wait(Duration::from_millis(4990));
    alone.now = alone.now + Duration::from_millis(10);
    alone.session.handle_timeout(alone.now);
    let heads: Vec<Bytes> = alone
        .sent()
        .iter()
        .filter_map(|envelope| envelope.attachments().first().cloned())
        .collect();
    assert_eq!(heads, [r#"2/socketio-p2p,["bye"]"#]);
    alone.session.handle_timeout(alone.now + Duration::from_millis(100));
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown]);
}

#[test]
fn a_session_that_is_closed_waits_for_nothing() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    // Neighbours are to be told of each other soon.
    alone.verified_channel("a");
    alone.session.close(alone.now);
    alone.now = alone.now + Duration::from_secs(1);
    alone.hear("2[\"x\"]");
    assert!(matches!(alone.events().last(), Some(Event::Closed)));
    assert_eq!(alone.session.poll_timeout(), None);
}

#[test]
fn what_is_too_big_for_an_original_client_is_reported_and_never_put_on_a_path() {
    let big = |len: usize| Packet::event("x", &("y".repeat(len),)).unwrap();
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    alone.session.emit(Target::All, &big(65_536), alone.now).unwrap();
    alone.session.emit(Target::All, &big(10), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(outcomes(&alone.events()), [Outcome::NotSent, Outcome::Unknown]);

    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"old","v":0}]"#);
    let channel = alone.open_channel("old");
    alone.session.emit(Target::All, &big(262_144), alone.now).unwrap();
    alone.session.emit(Target::All, &big(10), alone.now).unwrap();
    assert_eq!(alone.sent_directly(channel).len(), 1);
    assert_eq!(outcomes(&alone.events()), [Outcome::NotSent, Outcome::Unknown]);
}

#[test]
fn messages_before_the_channel_is_open_are_ignored() {
    let mut session = Session::new(Config::default(), [1; 32], Time::from_millis(1));
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
fn a_second_welcome_says_who_is_there_now() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    let welcome = json!(["numClients", 1, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "b", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    alone.hear(&format!("2{welcome}"));
    let away: Vec<bool> = alone.session.peers().map(|peer| peer.away).collect();
    assert_eq!(away, [true, false]);
}

#[test]
fn a_clock_that_jumps_makes_no_answer_overdue() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let event = Packet::event("ask", &()).unwrap();
    alone.session.emit_with_ack(id("a"), &event, None, alone.now).unwrap();
    alone.sent();
    alone.now = alone.now + Duration::from_secs(86_400);
    alone.session.emit_with_ack(id("a"), &event, None, alone.now).unwrap();
    alone.session.handle_timeout(alone.now);
    let overdue = |event: &Event| matches!(event, Event::NoAck { .. });
    assert!(!has(&alone.events(), overdue));
    alone.wait(Duration::from_secs(11));
    assert_eq!(alone.events().iter().filter(|event| overdue(event)).count(), 2);
}

#[test]
fn an_acknowledgement_refuses_no_more_than_acknowledgements_do() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.sent();
    alone.events();
    let refused = vec![json!({"lane": 0, "seq": 5}); 1000];
    let ack = json!(["ack", {"received": [1, 0, 0], "partial": [0, 0, 0], "refused": refused}]);
    alone.hear_envelope("a", &json!({"epoch": 1}), &format!("2/socketio-p2p,{ack}"), &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::PeerError { error: PeerError::Misbehaved(_), .. }
    )));
    assert!(outcomes(&events).is_empty());
}

#[test]
fn no_packet_is_acknowledged_whose_refusal_is_not_told() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for seq in 0..200 {
        alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": seq}), "2[\"offer\"]", &[]);
    }
    let mut told = std::collections::BTreeSet::new();
    let mut received = 0;
    for _ in 0..10 {
        for envelope in alone.sent() {
            let head = std::str::from_utf8(&envelope.attachments()[0]).unwrap();
            let Some(ack) = head.strip_prefix("2/socketio-p2p,[\"ack\",") else { continue };
            let ack: Value = serde_json::from_str(ack.strip_suffix(']').unwrap()).unwrap();
            received = ack["received"][0].as_u64().unwrap();
            let refused = ack["refused"].as_array().unwrap().iter();
            told.extend(refused.map(|refused| refused["seq"].as_u64().unwrap()));
            assert!((0..received).all(|seq| told.contains(&seq)), "{received}: {told:?}");
        }
        let due = alone.session.poll_timeout();
        let Some(due) = due else { break };
        alone.now = due;
        alone.session.handle_timeout(due);
    }
    assert_eq!(received, 200);
}

#[test]
fn a_refusal_is_told_before_a_resume_acknowledges_the_packet() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.sent();
    alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": 0}), "2[\"offer\"]", &[]);
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let heads: Vec<Bytes> =
        alone.sent().iter().map(|envelope| envelope.attachments()[0].clone()).collect();
    assert_eq!(
        heads,
        [
            r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0],"refused":[{"lane":0,"seq":0}]}]"#,
            r#"2/socketio-p2p,["resume",{"received":[1,0,0]}]"#,
        ]
    );
}

#[test]
fn at_the_end_of_time_nothing_runs_for_ever() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut alone = Alone::with_members(Config::default(), &[]);
        alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
        alone.verified_channel("a");
        alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": 9}), "2[\"x\"]", &[]);
        alone.now = Time::from_nanos(u64::MAX);
        for _ in 0..10 {
            alone.session.handle_timeout(alone.now);
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("ten calls come to an end");
}

#[test]
fn nothing_is_sent_before_the_server_has_answered_connect() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now);
    session.handle_signaling_open(now);
    assert!(session.poll_signaling_transmit(now).is_some(), "CONNECT");
    let welcome = json!(["numClients", 1, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "a", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    session.handle_signaling_frame(format!("2{welcome}").into(), now);
    session.emit(Target::All, &Packet::event("x", &()).unwrap(), now).unwrap();
    assert!(session.poll_signaling_transmit(now).is_none() && !session.is_joined());
    session.handle_signaling_frame("0{\"sid\":\"s\"}".into(), now);
    assert!(session.poll_signaling_transmit(now).is_some() && session.is_joined());
}

#[test]
fn the_code_of_a_refusal_is_found_in_its_data_or_before_its_message() {
    for (refusal, code) in [
        (r#"4{"message":"full","data":{"code":"room-full"}}"#, Some("room-full")),
        (r#"4{"message":"room-full: room \"x\" is full"}"#, Some("room-full")),
        (r#"4{"message":"Not: a code"}"#, None),
        ("4", None),
    ] {
        let now = Time::from_millis(1);
        let mut session = Session::new(Config::default(), [1; 32], now);
        session.handle_signaling_open(now);
        session.handle_signaling_frame(refusal.into(), now);
        let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
        let [Event::Refused(refused)] = &events[..] else { panic!("{refusal}: {events:?}") };
        assert_eq!(refused.code.as_deref(), code, "{refusal}");
    }
}

#[test]
fn a_peer_that_was_declined_is_not_offered_to_at_once() {
    let mut alone = Alone::with_members(Config::default().with_max_peers(1), &[("a", 1)]);
    let connection = match alone.commands()[..] {
        [Command::Direct(DirectCommand::Offer { connection, .. })] => connection,
        ref other => panic!("{other:?}"),
    };
    alone.hear(r#"2["peer-join",{"id":"c","v":1}]"#);
    let offer = json!(["offer", {
        "fromPeerId": "c", "offerId": "o", "offer": {"type": "offer", "sdp": "theirs"},
    }]);
    alone.hear(&format!("2{offer}"));
    alone.session.handle_direct_signal(connection, &Signal::Offer("ours".into()), alone.now);
    let sent = alone.sent();
    let (offers,) = sent.last().unwrap().args::<(Value,)>().unwrap();
    let full = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": offers["offers"][0]["offerId"],
        "signal": {"decline": "full"},
    }]);
    alone.hear(&format!("2{full}"));
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

#[test]
fn a_server_that_welcomes_and_never_answers_connect_is_given_up() {
    let now = Time::from_millis(1);
    let mut session = Session::new(Config::default(), [1; 32], now);
    session.handle_signaling_open(now);
    let welcome = json!(["numClients", 0, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16},
    }]);
    session.handle_signaling_frame(format!("2{welcome}").into(), now);
    let later = session.poll_timeout().expect("the answer is not waited for for ever");
    session.handle_timeout(later);
    let events: Vec<Event> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(has(&events, |event| matches!(event, Event::Disconnected { .. })), "{events:?}");
}

#[test]
fn a_peer_that_resumes_on_the_relay_is_answered_there() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel("a");
    alone.sent();
    alone.sent_directly(channel);
    let resume = r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), resume, &[]);
    let sent = alone.sent();
    let answer = &sent[0].attachments()[0];
    assert!(answer.starts_with(br#"2/socketio-p2p,["ack","#), "{sent:?}");
}

#[test]
fn a_peer_that_takes_and_never_acknowledges_is_given_up_and_the_others_go_on() {
    let mut alone = Alone::with_members(relay_only(), &[("deaf", 1), ("fine", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    alone.hear_envelope("fine", &json!({"epoch": 1}), ack, &[]);
    alone.events();
    alone.wait(Duration::from_secs(29));
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerLeft { .. })));
    alone.wait(Duration::from_secs(2));
    let events = alone.events();
    let left: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::PeerLeft { peer, reason } => Some((peer.as_str(), *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(left, [("deaf", LeaveReason::Stalled)]);
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert_eq!(alone.session.peers().count(), 2, "it is in the room still");
}

/// A transfer message of `peer`, as packet `seq` of its bulk lane.
fn transfer_message(alone: &mut Alone, peer: &str, seq: u64, head: &str, attachments: &[&[u8]]) {
    alone.hear_envelope(peer, &json!({"epoch": 1, "lane": 1, "seq": seq}), head, attachments);
}

const OPEN: &str =
    r#"51-/socketio-p2p,["open",{"transfer":NUMBER},{"_placeholder":true,"num":0},[]]"#;

fn open_transfer(alone: &mut Alone, peer: &str, number: u64) {
    let head = OPEN.replace("NUMBER", &number.to_string());
    transfer_message(alone, peer, number, &head, &[br#"2["file"]"#]);
}

#[test]
fn a_transfer_that_sends_more_than_was_granted_is_broken_off() {
    let config = relay_only().with_transfer_window(1000);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    open_transfer(&mut alone, "a", 0);
    let chunk = r#"51-/socketio-p2p,["chunk",0,{"_placeholder":true,"num":0}]"#;
    transfer_message(&mut alone, "a", 1, chunk, &[&[0; 600]]);
    transfer_message(&mut alone, "a", 2, chunk, &[&[0; 600]]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(event, Event::TransferOpened { .. })));
    let broken = |event: &Event| {
        matches!(event, Event::TransferEnded { outcome: TransferOutcome::Aborted, .. })
    };
    assert!(has(&events, broken));
    let blamed =
        |event: &Event| matches!(event, Event::PeerError { error: PeerError::Misbehaved(_), .. });
    assert!(has(&events, blamed));
    alone.wait(Duration::from_secs(1));
    transfer_message(&mut alone, "a", 3, chunk, &[&[0; 600]]);
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
}

#[test]
fn transfers_opened_and_broken_off_without_end_cost_a_bounded_number_of_answers() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for number in 0..20_000 {
        let head = OPEN.replace("NUMBER", &number.to_string());
        transfer_message(&mut alone, "a", 2 * number, &head, &[br#"2["file"]"#]);
        let abort = format!(r#"2/socketio-p2p,["abort",{number}]"#);
        transfer_message(&mut alone, "a", 2 * number + 1, &abort, &[]);
    }
    let queued = alone.session.peers().next().unwrap().queued;
    assert!(queued < 1 << 20, "{queued} bytes of answers wait");
}

#[test]
fn transfer_messages_in_another_lane_or_without_a_number_are_none() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let head = OPEN.replace("NUMBER", "0");
    for header in [json!({"epoch": 1}), json!({"epoch": 1, "lane": 0, "seq": 0})] {
        alone.hear_envelope("a", &header, &head, &[br#"2["file"]"#]);
    }
    let inner = [&b"2/socketio-p2p,[\"ping\",1]"[..], b"2[\"p2p:relay\"]", b"31[]", b"2"];
    for (seq, inner) in inner.into_iter().enumerate() {
        let head = OPEN.replace("NUMBER", &seq.to_string());
        transfer_message(&mut alone, "a", seq as u64, &head, &[inner]);
    }
    let events = alone.events();
    assert!(!has(&events, |event| matches!(event, Event::TransferOpened { .. })), "{events:?}");
    assert!(!has(&events, |event| matches!(event, Event::Received { .. })), "{events:?}");
}

#[test]
fn an_event_waits_for_the_rest_of_one_fragment_and_no_more() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.verified_channel("a");
    alone.sent_directly(connection);
    let bulk = Packet::event("big", &(Blob::from(vec![1; 500_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &bulk, alone.now).unwrap();
    let next = |alone: &mut Alone| alone.session.poll_direct_transmit(connection, alone.now);
    assert!(text(&next(&mut alone).unwrap()).contains("fragment"));
    alone.session.emit(Target::All, &numbered(7), alone.now).unwrap();
    let Some(Frame::Binary(piece)) = next(&mut alone) else { panic!("the piece itself") };
    assert!(piece.len() <= 16 << 10);
    let mut event = next(&mut alone).unwrap();
    if text(&event).contains("begin") {
        event = next(&mut alone).unwrap();
    }
    assert_eq!(text(&event), r#"2["n",7]"#);
}

/// A session with a verified channel to "a", which hears another offer of "a" and a candidate for it.
fn offered_again() -> (Alone, ConnectionId) {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.verified_channel("a");
    alone.sent_directly(connection);
    alone.commands();
    let offer = json!(["offer", {
        "fromPeerId": "a", "offerId": "o2", "offer": {"type": "offer", "sdp": "again"},
    }]);
    alone.hear(&format!("2{offer}"));
    let candidate = json!(["peer-signal", {
        "fromPeerId": "a", "toPeerId": "me", "offerId": "o2",
        "signal": {"candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}},
    }]);
    alone.hear(&format!("2{candidate}"));
    assert!(alone.commands().is_empty(), "the channel is asked first");
    (alone, connection)
}

/// Whether the offer "again" is answered, and its candidate passed on.
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
fn a_late_offer_does_not_cost_a_channel_that_works() {
    let (mut alone, connection) = offered_again();
    let probes = alone.sent_directly(connection);
    let probe = probes.iter().find(|frame| text(frame).contains("ping")).expect("a probe");
    alone.direct(connection, text(probe).replace("ping", "pong"));
    let end = alone.now + Duration::from_secs(2);
    alone.now = end;
    alone.session.handle_timeout(end);
    assert!(alone.commands().is_empty());
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
}

#[test]
fn an_offer_of_a_peer_that_has_lost_its_end_is_answered_when_the_channel_does_not() {
    let (mut alone, _) = offered_again();
    alone.now = alone.now + Duration::from_secs(1);
    alone.session.handle_timeout(alone.now);
    let commands = alone.commands();
    assert!(closes(&commands) && answers_again(&commands), "{commands:?}");
}

#[test]
fn an_offer_in_doubt_is_answered_at_once_when_the_channel_closes() {
    let (mut alone, connection) = offered_again();
    alone.session.handle_direct_closed(connection, "closed".into(), alone.now);
    assert!(answers_again(&alone.commands()));
}

#[test]
fn what_came_on_the_channel_is_acknowledged_there_whatever_was_answered_on_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.verified_channel("a");
    alone.sent_directly(connection);
    // Our hub has lost "a", and what it said before comes late.
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.direct(connection, r#"2/socketio-p2p,["begin",{"next":0}]"#);
    alone.direct(connection, r#"2["n",0]"#);
    let resume = r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), resume, &[]);
    let sent = alone.sent_directly(connection);
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    assert!(sent.iter().any(|frame| text(frame) == ack), "{sent:?}");
}

#[test]
fn what_came_on_a_channel_before_it_proved_itself_is_acknowledged_when_it_does() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.open_channel("a");
    alone.direct(connection, r#"2/socketio-p2p,["hello",{"epoch":1}]"#);
    alone.direct(connection, r#"2/socketio-p2p,["begin",{"next":0}]"#);
    alone.direct(connection, r#"2["n",0]"#);
    alone.wait(Duration::from_millis(100));
    alone.sent_directly(connection);
    // The acknowledgement on the relay may be lost.
    alone.direct(connection, r#"2/socketio-p2p,["pong",0]"#);
    let sent = alone.sent_directly(connection);
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    assert!(sent.iter().any(|frame| text(frame) == ack), "{sent:?}");
}
