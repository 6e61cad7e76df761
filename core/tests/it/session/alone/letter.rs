//! The output of a session byte for byte, and its `Debug` output.

use super::*;

#[test]
fn an_event_to_two_peers_is_one_envelope_to_the_letter() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.session.emit(Target::All, &Packet::event("hi", &(1,)).unwrap(), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].head(),
        "51-[\"p2p:relay\",{\"to\":[{\"id\":\"a\",\"epoch\":1,\"lane\":0,\"seq\":0},\
         {\"id\":\"b\",\"epoch\":2,\"lane\":0,\"seq\":0}],\"at\":0,\"end\":true},\
         {\"_placeholder\":true,\"num\":0}]"
    );
    assert_eq!(sent[0].attachments(), [Bytes::from_static(b"\0\0\0\x092[\"hi\",1]")]);
}

#[test]
fn an_event_to_one_peer_is_a_bundle_to_the_letter() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", Epochs { epoch: 7, peer_epoch: 0 }, &[]);
    let event = Packet::event("hi", &(Blob::from(vec![1, 2]),)).unwrap();
    alone.session.emit(id("a"), &event, alone.now).unwrap();
    alone.session.emit_bulk(id("a"), &Packet::event("b", &()).unwrap(), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1, "what fits goes together");
    assert_eq!(
        sent[0].head(),
        r#"51-["p2p:relay",{"to":[{"id":"a"}]},{"_placeholder":true,"num":0}]"#
    );
    let head = br#"51-["hi",{"_placeholder":true,"num":0}]"#;
    let first = [&[0, 0, 0, head.len() as u8][..], head, &[0, 0, 0, 2, 1, 2]].concat();
    let second = b"\0\0\0\x062[\"b\"]";
    let expected = [
        &[1, 7][..],
        &[0x84, 0, first.len() as u8],
        &first,
        &[0x85, 0, second.len() as u8],
        second,
    ];
    assert_eq!(sent[0].attachments(), [Bytes::from(expected.concat())]);
}

#[test]
fn a_channel_begins_with_state_limits_and_a_ping() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.open_channel("a");
    let output = alone.written(channel);
    assert_eq!(output.len(), 1, "{output:?}");
    assert_eq!(output[0].epochs, FRESH);
    let limits = PeerLimits::from(&Config::default().limits);
    let mut expected = [Item::Limits(limits), Item::State(State::default()), Item::Ping(1)];
    let mut came = output[0].items.clone();
    for items in [&mut expected[..], &mut came[..]] {
        items.sort_by_key(|item| format!("{item:?}"));
    }
    assert_eq!(came, expected);
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
    // Pending randomness would reveal future ids.
    assert!(!debug.contains("[9, 9, 9"));
}

#[test]
fn unread_answers_do_not_accumulate() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    for number in 0..10_000 {
        alone.direct(channel, &[Item::Ping(number)]);
    }
    let output = alone.written(channel);
    assert!(output.len() < 10, "{}", output.len());
    assert!(items(&output).contains(&Item::Pong(9_999)));
}

#[test]
fn a_channel_with_a_maximum_message_of_zero_does_not_cause_endless_frames() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel_of("a", 0);
    alone.session.emit(Target::All, &Packet::event("hello", &()).unwrap(), alone.now).unwrap();
    let frames = std::iter::from_fn(|| alone.session.poll_direct_transmit(channel, alone.now));
    assert!(frames.take(1000).count() < 1000);
}

#[test]
fn no_message_exceeds_the_maximum_message_of_the_channel() {
    const MAX: usize = 4_000;
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel_of("a", MAX);
    // A list of refusals is long, and so are the headers of many small records.
    for number in 0..60 {
        alone.direct(
            channel,
            &[packet(number << 20, "2[\"offer\"]"), packet(number, "2[\"offer\"]")],
        );
    }
    let event = Packet::event("x", &(Blob::from(vec![1; 100_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &event, alone.now).unwrap();
    for number in 0..3_000 {
        alone.session.emit(Target::All, &numbered(number), alone.now).unwrap();
    }
    let mut frames = Vec::new();
    for _ in 0..20 {
        let sent = alone.sent_directly(channel);
        let output: Vec<SentBundle> =
            sent.iter().map(|frame| read(&binary(frame.clone()))).collect();
        for ping in pings(&items(&output)) {
            alone.now = alone.now + Duration::from_millis(1);
            alone.direct(channel, &[Item::State(State::default()), Item::Pong(ping)]);
        }
        frames.extend(sent);
    }
    assert!(frames.len() > 3, "{}", frames.len());
    let longest = frames.iter().map(Frame::len).max().unwrap();
    assert!((MAX / 2..=MAX).contains(&longest), "{longest}");
}

#[test]
fn a_clock_jump_makes_no_acknowledgement_overdue() {
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
fn the_last_point_of_time_causes_no_endless_loop() {
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
        alone.validated_channel("a");
        alone.receive_packet("a", FRESH, 9, "2[\"x\"]");
        alone.now = Time::from_nanos(u64::MAX);
        for _ in 0..10 {
            alone.session.handle_timeout(alone.now);
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("ten calls come to an end");
}

#[test]
fn an_event_waits_behind_at_most_one_bulk_record() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    let bulk = Packet::event("big", &(Blob::from(vec![1; 500_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &bulk, alone.now).unwrap();
    let next = |alone: &mut Alone| {
        let frame = alone.session.poll_direct_transmit(channel, alone.now).unwrap();
        read(&binary(frame)).items
    };
    let first = records(&next(&mut alone));
    assert!(first.len() == 1 && first[0].stream == Stream::Lane(Lane::Bulk), "{first:?}");
    assert!(first[0].bytes.len() <= 64 << 10);
    alone.session.emit(Target::All, &numbered(7), alone.now).unwrap();
    assert_eq!(packets(&next(&mut alone))[0], (0, r#"2["n",7]"#.to_owned()));
}

/// The roster contains the limits of a v1 peer's application.
#[test]
fn an_event_beyond_the_known_limits_of_a_member_is_refused_at_emit() {
    let mut alone = Alone::with_members(relay_only(), &[]);
    let limits =
        json!({"bytes": 1000, "attachments": 0, "depth": 128, "name": 256, "namespace": 256});
    let join = json!(["peer-join", {"id": "a", "v": 1, "limits": limits}]);
    alone.receive(&format!("2{join}"));
    let long = Packet::event("x", &("y".repeat(1_000),)).unwrap();
    let blob = Packet::event("x", &(Blob::from(vec![1]),)).unwrap();
    for event in [long, blob] {
        let error = alone.session.emit(id("a"), &event, alone.now).unwrap_err();
        assert!(matches!(&error, EmitError::BeyondPeerLimits(peer) if *peer == id("a")), "{error}");
    }
    alone.session.emit(id("a"), &numbered(0), alone.now).unwrap();
    assert_eq!(packets(&items(&alone.sent_to("a"))).len(), 1);
}

/// The limits arrive later: queued events beyond them end at once.
#[test]
fn a_queued_event_beyond_newly_known_limits_is_refused_unsent() {
    let mut alone =
        Alone::with_newcomers(Config::default().with_policy(Policy::DirectOnly), &["a"]);
    let blob = Packet::event("x", &(Blob::from(vec![1]),)).unwrap();
    alone.session.emit(id("a"), &blob, alone.now).unwrap();
    alone.session.emit(id("a"), &numbered(0), alone.now).unwrap();
    let channel = alone.open_channel("a");
    let limits = PeerLimits::from(&Limits::default().with_max_attachments(0));
    alone.direct(channel, &[Item::Limits(limits)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Refused]);
    alone.answer_pings(channel);
    let output = items(&alone.written(channel));
    assert_eq!(packets(&output), [(0, r#"2["n",0]"#.to_owned())]);
}
