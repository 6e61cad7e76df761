//! Original clients (v0), as they are talked to and what they cannot take.

use super::*;

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
fn an_original_client_on_the_relay_sends_unnumbered_events() {
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

/// An original client that shares the upload of another peer.
#[test]
fn an_emit_to_all_ends_for_an_original_client_too() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.hear_bundle("a", KNOWN, &[has_events(1)]);
    alone.wait(Duration::from_secs(60));
    let ends = outcomes(&alone.events());
    assert_eq!(ends.len(), 2, "{ends:?}");
}

#[test]
fn a_session_that_closes_does_not_wait_for_an_original_client_that_shared_an_upload() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.hear_bundle("a", KNOWN, &[has_events(1)]);
    alone.session.close(alone.now);
    alone.wait(Duration::from_millis(200));
    let events = alone.events();
    assert!(matches!(events.last(), Some(Event::Closed)), "{events:?}");
}

/// As `what_is_too_big_for_an_original_client_is_reported_and_never_put_on_a_path`, beside a peer that takes pieces.
#[test]
fn an_original_client_shares_no_upload_of_a_piece() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("old", 0)]);
    let event = Packet::event("x", &("y".repeat(70_000),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let sent = alone.sent();
    let got = downloads("old", &sent).len();
    assert_eq!((got, outcomes(&alone.events())), (0, vec![Outcome::NotSent]));
}

/// Towards original clients delivery is at most once.
#[test]
fn an_original_client_does_not_get_again_on_its_channel_what_it_got_by_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1), ("him", 0)]);
    alone.session.emit(Target::All, &numbered(7), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(downloads("him", &sent).len(), 1, "it goes by the relay");
    let channel = alone.open_channel("him");
    let again = alone.sent_directly(channel);
    assert!(!again.iter().any(|frame| text(frame) == r#"2["n",7]"#), "it comes twice: {again:?}");
}

/// The upload carries the whole event: an original client cannot put pieces together.
#[test]
fn an_original_client_shares_the_upload_of_what_is_one_record() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1), ("old", 0)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    let sent = alone.sent();
    assert_eq!(sent.len(), 1);
    let (header,) = header(&sent[0]);
    assert_eq!(header["to"][2], json!({"id": "old"}));
    assert_eq!((&header["at"], &header["end"]), (&json!(0), &json!(true)));

    // One that is long for the others goes to it whole.
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

/// What was sent to an original client along with others counts as under way, and nothing ever acknowledges it.
#[test]
fn an_original_client_that_shares_uploads_gets_everything() {
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
            let mut said = vec![has_events(number)];
            said.extend(pings(&items(&said_to(other, &sent))).into_iter().map(Item::Pong));
            alone.hear_bundle(other, Epochs { epoch: 1, peer_epoch }, &said);
        }
        sent.extend(alone.sent());
        got += downloads("old", &sent).len();
    }
    assert_eq!(got, 600);
}

#[test]
fn a_long_event_for_an_original_client_goes_to_others_in_records() {
    let config = relay_only().with_record_bytes(1_000);
    let mut alone = Alone::with_members(config, &[("a", 0), ("b", 1)]);
    let event = Packet::event("long", &("x".repeat(3_000),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let sent = alone.sent();
    let longest = records(&items(&said_to("b", &sent))).iter().map(|one| one.bytes.len()).max();
    assert!(longest.is_some_and(|len| len <= 1_000), "{longest:?}");
}
