//! Original clients (v0): their format, and what it does not support.

use super::*;

#[test]
fn a_v0_peer_gets_plain_packets_on_its_channel() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(r#"2["peer-join",{"id":"old","v":0}]"#);
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
fn the_pieces_of_a_v0_peers_blob_are_joined() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(r#"2["peer-join",{"id":"old","v":0}]"#);
    let channel = alone.open_channel("old");
    let head = r#"520-["peer-file",{"file":{"_placeholder":true,"num":0},"name":"f7"}]"#;
    alone.direct_frame(channel, head);
    for piece in 0..20_u8 {
        alone.direct_frame(channel, vec![piece; 5000]);
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
fn a_v0_peer_on_the_relay_sends_unnumbered_events() {
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    let (from, body) = (id("old"), flat(r#"2["peer-msg","hi"]"#, &[]));
    alone.hear_download(Download { from, numbers: None, piece: Some(Piece::WHOLE), body });
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::Received { packet, path: Path::Relay, .. }
            if packet.args::<(&str,)>().unwrap() == ("hi",)
    )));
}

#[test]
fn an_emit_that_dialect_v0_does_not_support_is_refused_with_the_reason() {
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
    assert!(error.to_string().contains("acknowledgements"), "{error}");
}

#[test]
fn a_v0_peer_that_disconnects_has_left() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(r#"2["peer-join",{"id":"old","v":0}]"#);
    alone.open_channel("old");
    alone.receive(r#"2["peer-disconnect",{"peerId":"old"}]"#);
    assert_eq!(alone.session.peers().count(), 0);
}

#[test]
fn a_closing_session_does_not_wait_for_a_v0_peer() {
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.session.close(alone.now);
    assert_eq!(alone.sent().len(), 1);
    alone.wait(Duration::from_millis(200));
    let events = alone.events();
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

#[test]
fn an_event_too_long_for_a_v0_peer_is_reported_and_never_sent() {
    let big = |len: usize| Packet::event("x", &("y".repeat(len),)).unwrap();
    let mut alone = Alone::with_members(relay_only(), &[("old", 0)]);
    alone.session.emit(Target::All, &big(65_536), alone.now).unwrap();
    alone.session.emit(Target::All, &big(10), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(outcomes(&alone.events()), [Outcome::NotSent, Outcome::Unknown]);

    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.receive(r#"2["peer-join",{"id":"old","v":0}]"#);
    let channel = alone.open_channel("old");
    alone.session.emit(Target::All, &big(262_144), alone.now).unwrap();
    alone.session.emit(Target::All, &big(10), alone.now).unwrap();
    assert_eq!(alone.sent_directly(channel).len(), 1);
    assert_eq!(outcomes(&alone.events()), [Outcome::NotSent, Outcome::Unknown]);
}

/// A v0 peer that shares the upload of another peer.
#[test]
fn an_emit_to_all_has_an_outcome_for_a_v0_peer() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.receive_bundle("a", KNOWN, &[has_events(1)]);
    alone.wait(Duration::from_secs(60));
    let ends = outcomes(&alone.events());
    assert_eq!(ends.len(), 2, "{ends:?}");
}

#[test]
fn a_closing_session_does_not_wait_for_a_v0_peer_that_shared_an_upload() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.receive_bundle("a", KNOWN, &[has_events(1)]);
    alone.session.close(alone.now);
    alone.wait(Duration::from_millis(200));
    let events = alone.events();
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

/// As `an_event_too_long_for_a_v0_peer_is_reported_and_never_sent`, beside a peer that accepts records.
#[test]
fn a_v0_peer_shares_no_upload_of_a_part_of_a_packet() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    let event = Packet::event("x", &("y".repeat(70_000),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let sent = alone.sent();
    let got = downloads("old", &sent).len();
    assert_eq!((got, outcomes(&alone.events())), (0, vec![Outcome::NotSent]));
}

/// Delivery to v0 peers is at most once.
#[test]
fn a_v0_peer_gets_no_duplicate_on_its_channel_of_an_event_on_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1), ("him", 0)]);
    alone.session.emit(Target::All, &numbered(7), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(downloads("him", &sent).len(), 1, "it goes over the relay");
    let channel = alone.open_channel("him");
    let again = alone.sent_directly(channel);
    assert!(!again.iter().any(|frame| text(frame) == r#"2["n",7]"#), "a duplicate: {again:?}");
}

/// The upload contains the whole event: a v0 peer does not reassemble records.
#[test]
fn a_v0_peer_shares_the_upload_of_a_packet_of_one_record() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    let (header,) = header(&sent[0]);
    assert_eq!(header["to"][2], json!({"id": "old"}));
    assert_eq!((&header["at"], &header["end"]), (&json!(0), &json!(true)));

    // An event of several records for the others goes to the v0 peer whole.
    let long = Packet::event("x", &("y".repeat(30_000),)).unwrap();
    alone.session.emit(Target::All, &long, alone.now).unwrap();
    let sent = alone.sent();
    let whole = downloads("old", &sent);
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].piece, Some(Piece::WHOLE));
    assert_eq!(whole[0].body, flat(long.head(), &[]));
    assert!(downloads("a", &sent).iter().all(|one| one.body.len() <= 16 << 10));
}

fn header(packet: &Packet) -> (Value,) {
    let args: Value = serde_json::from_str(packet.payload()).unwrap();
    (args[1].clone(),)
}

/// An event sent to a v0 peer along with others counts as in flight, and is never acknowledged.
#[test]
fn a_v0_peer_that_shares_uploads_gets_all_events() {
    let others = ["a", "b", "c", "d", "e", "f"];
    let mut members: Vec<(&str, u8)> = others.iter().map(|other| (*other, 1)).collect();
    members.push(("old", 0));
    let mut alone = Alone::with_members(relay_only(), &members);
    let event = Packet::event("n", &("x".repeat(3_000),)).unwrap();
    let mut got = 0;
    for number in 1..=600_u64 {
        let emitted = alone.session.emit(Target::All, &event, alone.now).unwrap();
        assert!(emitted.rejected.is_empty(), "{:?} after {number}", emitted.rejected);
        let mut sent = alone.sent();
        for (other, peer_epoch) in others.into_iter().zip(1..) {
            let mut output = vec![has_events(number)];
            output.extend(pings(&items(&bundles_to(other, &sent))).into_iter().map(Item::Pong));
            alone.receive_bundle(other, Epochs { epoch: 1, peer_epoch }, &output);
        }
        sent.extend(alone.sent());
        got += downloads("old", &sent).len();
    }
    assert_eq!(got, 600);
}

#[test]
fn a_long_event_goes_to_a_v0_peer_whole_and_to_v1_peers_in_records() {
    let config = relay_only().with_record_bytes(1_000);
    let mut alone = Alone::with_members(config, &[("a", 0), ("b", 1)]);
    let event = Packet::event("long", &("x".repeat(3_000),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let sent = alone.sent();
    let longest = records(&items(&bundles_to("b", &sent))).iter().map(|one| one.bytes.len()).max();
    assert!(longest.is_some_and(|len| len <= 1_000), "{longest:?}");
}
