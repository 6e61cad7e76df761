//! Envelopes between v1 peers, events of v0 clients, and both together.

use bytes::Bytes;
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::wire::Upload;

use super::*;

fn upload(to: Vec<Recipient>, piece: Option<Piece>, body: impl Into<Bytes>) -> ClientMessage {
    ClientMessage::Relay(Upload { to, piece, body: body.into() })
}

/// Flattens a packet as `PROTOCOL.md` specifies.
fn flat(parts: &[&str]) -> Vec<u8> {
    let part = |part: &&str| [&(part.len() as u32).to_be_bytes()[..], part.as_bytes()].concat();
    parts.iter().flat_map(part).collect()
}

fn whole(to: Vec<Recipient>, parts: &[&str]) -> ClientMessage {
    upload(to, Some(Piece::WHOLE), flat(parts))
}

#[test]
fn an_envelope_with_a_record_reaches_its_recipients_with_the_sender_and_their_numbers() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let (bystander, _) = world.v1("a");
    let (from, to_b, to_c) = (world.id(a), world.id(b), world.id(c));
    world.forget_all();
    let to = vec![recipient(&to_b, Some(7)), recipient(&to_c, Some(0))];
    let piece = Some(Piece { at: 4096, end: true });
    world.say(a, upload(to, piece, &b"\x00\x01x"[..])).unwrap();
    let rest = r"at 4096 end: \x00\x01x";
    assert_eq!(world.received(b), [format!("relay from {from} epoch 1 #7 {rest}")]);
    assert_eq!(world.received(c), [format!("relay from {from} epoch 1 #0 {rest}")]);
    assert_eq!(world.received(bystander), [""; 0]);
    assert_eq!(world.hub.stats().relayed, 2);
}

#[test]
fn an_envelope_with_a_bundle_is_forwarded_unread() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (from, to) = (world.id(a), world.id(b));
    world.forget_all();
    world.say(a, upload(vec![recipient(&to, None)], None, &b"\xff no bundle"[..])).unwrap();
    assert_eq!(world.received(b), [format!(r"relay from {from}: \xff no bundle")]);
}

#[test]
fn the_hub_copies_no_payload() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let to = vec![recipient(&world.id(b), Some(0)), recipient(&world.id(c), Some(0))];
    world.forget_all();
    let body = Bytes::from(vec![7; 4096]);
    world.say(a, upload(to, Some(Piece::WHOLE), body.clone())).unwrap();
    for client in [b, c] {
        match &world.inboxes[&client][..] {
            [ServerMessage::Relay(download)] => {
                assert_eq!(download.body.as_ptr(), body.as_ptr());
            }
            other => panic!("expected one envelope, got {other:?}"),
        }
    }
}

#[test]
fn an_envelope_for_an_unreachable_member_is_counted_and_reaches_the_other_recipients() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (away, _) = world.v1("a");
    let (here, _) = world.v1("a");
    let (elsewhere, _) = world.v1("b");
    let to = [away, here, elsewhere].map(|client| recipient(&world.id(client), Some(0)));
    world.part(away, Departure::Lost);
    world.forget_all();
    world.say(a, whole(to.to_vec(), &["2[\"x\"]"])).unwrap();
    assert_eq!(world.received(here).len(), 1);
    assert_eq!(world.received(elsewhere), [""; 0]);
    assert_eq!(world.hub.stats().undeliverable, 2);
}

#[test]
fn a_v0_client_gets_the_packet_of_an_envelope_unwrapped() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let to = || vec![recipient(&PeerId::new("socket-0").unwrap(), None)];
    world.forget_all();
    world.say(a, whole(to(), &["2[\"chat\",\"hi\"]"])).unwrap();
    let blob = r#"51-["file",{"_placeholder":true,"num":0}]"#;
    world.say(a, whole(to(), &[blob, "abc"])).unwrap();
    assert_eq!(world.received(old), [r#"event 2["chat","hi"]"#, &format!("event {blob} + abc")]);
    // The library does not know the namespace of v0 clients, and no answer could reach the sender.
    world.say(a, whole(to(), &["2/other,17[\"chat\",\"hi\"]"])).unwrap();
    assert_eq!(world.received(old), [r#"event 2["chat","hi"]"#]);
}

#[test]
fn a_v0_client_gets_only_whole_events_of_envelopes() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let id = PeerId::new("socket-0").unwrap();
    world.forget_all();
    let to = || vec![recipient(&id, Some(0))];
    let flat = flat(&["2[\"chat\"]"]);
    for piece in [None, Some(Piece { at: 0, end: false }), Some(Piece { at: 5, end: true })] {
        world.say(a, upload(to(), piece, flat.clone())).unwrap();
    }
    for bytes in [&b""[..], b"\0\0\0", &flat[..flat.len() - 1], b"\0\0\0\x01\xff"] {
        world.say(a, upload(to(), Some(Piece::WHOLE), Bytes::copy_from_slice(bytes))).unwrap();
    }
    for parts in [
        &["2/socketio-p2p,[\"ack\",1]"][..],
        &["2[\"peer-disconnect\",{\"peerId\":\"x\"}]"],
        &["2[\"offer\",{}]"],
        &["2[\"p2p:relay\",{}]"],
        &["31[\"answer to nobody\"]"],
        &["0{\"sid\":\"x\"}"],
        &["1"],
        &["4{\"message\":\"x\"}"],
        &["51-[\"file\",{\"_placeholder\":true,\"num\":0}]"],
        &["2[\"chat\"]", "one blob too many"],
        &["9", "no packet"],
        &[""],
        &["\u{e9}"],
    ] {
        world.say(a, whole(to(), parts)).unwrap();
    }
    assert_eq!(world.received(old), [""; 0]);
    assert_eq!(world.hub.stats().undeliverable, 20);
    assert_eq!(world.hub.stats().relayed, 0);
}

#[test]
fn a_v0_event_reaches_all_other_members_of_its_room() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let sender = world.v0("a", "socket-0");
    let old = world.v0("a", "socket-1");
    let elsewhere = world.v0("b", "socket-2");
    world.forget_all();
    let packet = Packet::event("file", &("f", Blob::from(Bytes::from_static(b"abc")))).unwrap();
    world.say(sender, ClientMessage::Event(packet.with_ack_id(3))).unwrap();
    let head = r#"51-["file","f",{"_placeholder":true,"num":0}]"#;
    assert_eq!(world.received(old), [format!("event {head} + abc")]);
    let body = flat(&[head, "abc"]).escape_ascii().to_string();
    assert_eq!(world.received(a), [format!("relay from socket-0 at 0 end: {body}")]);
    for client in [sender, elsewhere] {
        assert_eq!(world.received(client), [""; 0]);
    }
}

#[test]
fn a_v0_event_with_a_reserved_name_is_refused() {
    let mut world = World::new(HubConfig::default());
    let sender = world.v0("a", "socket-0");
    let old = world.v0("a", "socket-1");
    world.forget_all();
    for name in ["numClients", "offer", "peer-disconnect", "peer-join", "p2p:anything"] {
        let packet = Packet::event(name, &(1,)).unwrap();
        let refused = world.say(sender, ClientMessage::Event(packet)).unwrap_err();
        assert_eq!(refused, "expected a message of the dialect, got another packet", "{name}");
    }
    assert_eq!(world.received(old), [""; 0]);
    assert_eq!(world.hub.stats().refused, 5);
}

#[test]
fn a_v0_client_may_not_send_envelopes() {
    let mut world = World::new(HubConfig::default());
    let old = world.v0("a", "socket-0");
    assert_eq!(
        world.say(old, whole(vec![], &["2[\"chat\"]"])),
        Err("expected an event from a v0 client, got an envelope".to_owned())
    );
}
