//! Envelopes between v1 peers, events of v0 clients, and both together.

use bytes::Bytes;
use socketio_p2p_core::Packet;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::signal::Upload;

use super::*;

fn upload(to: Vec<Recipient>, parts: &[&'static str]) -> ClientMessage {
    let parts = parts.iter().map(|part| Bytes::from_static(part.as_bytes())).collect();
    ClientMessage::Relay(Upload { to, parts })
}

#[test]
fn an_envelope_goes_to_those_it_names_with_the_real_sender_and_their_numbering() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let (bystander, _) = world.v1("a");
    let (from, to_b, to_c) = (world.id(a), world.id(b), world.id(c));
    world.forget_all();
    let to = vec![recipient(&to_b, Some(7)), recipient(&to_c, None)];
    world.say(a, upload(to, &["51-[\"x\"]", "\x00\x01"])).unwrap();
    let parts = r#"51-[\"x\"] + \x00\x01"#;
    assert_eq!(world.received(b), [format!("relay from {from} epoch 1 #7: {parts}")]);
    assert_eq!(world.received(c), [format!("relay from {from} epoch 1: {parts}")]);
    assert_eq!(world.received(bystander), [""; 0]);
    assert_eq!(world.hub.stats().relayed, 2);
}

#[test]
fn the_hub_copies_no_payload() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let (c, _) = world.v1("a");
    let to = vec![recipient(&world.id(b), Some(0)), recipient(&world.id(c), Some(0))];
    world.forget_all();
    let payload = Bytes::from(vec![7; 4096]);
    let upload = Upload { to, parts: vec![Bytes::from_static(b"51-[]"), payload.clone()] };
    world.say(a, ClientMessage::Relay(upload)).unwrap();
    for client in [b, c] {
        match &world.inboxes[&client][..] {
            [ServerMessage::Relay(download)] => {
                assert_eq!(download.parts[1].as_ptr(), payload.as_ptr());
            }
            other => panic!("expected one envelope, got {other:?}"),
        }
    }
}

#[test]
fn an_envelope_for_somebody_away_or_gone_or_elsewhere_is_counted_and_the_rest_goes_on() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (away, _) = world.v1("a");
    let (here, _) = world.v1("a");
    let (elsewhere, _) = world.v1("b");
    let to = [away, here, elsewhere].map(|client| recipient(&world.id(client), Some(0)));
    world.part(away, Departure::Lost);
    world.forget_all();
    world.say(a, upload(to.to_vec(), &["2[\"x\"]"])).unwrap();
    assert_eq!(world.received(here).len(), 1);
    assert_eq!(world.received(elsewhere), [""; 0]);
    assert_eq!(world.hub.stats().undeliverable, 2);
}

#[test]
fn a_v0_client_gets_what_is_in_the_envelope() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let to = || vec![recipient(&PeerId::new("socket-0").unwrap(), Some(0))];
    world.forget_all();
    world.say(a, upload(to(), &["2[\"chat\",\"hi\"]"])).unwrap();
    let blob = r#"51-["file",{"_placeholder":true,"num":0}]"#;
    world.say(a, upload(to(), &[blob, "abc"])).unwrap();
    assert_eq!(world.received(old), [r#"event 2["chat","hi"]"#, &format!("event {blob} + abc")]);
    // Its own namespace is the only one it is in, and nobody would pass an answer back.
    world.say(a, upload(to(), &["2/other,17[\"chat\",\"hi\"]"])).unwrap();
    assert_eq!(world.received(old), [r#"event 2["chat","hi"]"#]);
}

#[test]
fn a_v0_client_gets_nothing_that_is_not_an_event_for_it() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let id = PeerId::new("socket-0").unwrap();
    world.forget_all();
    let unnumbered = vec![recipient(&id, None)];
    world.say(a, upload(unnumbered, &["2[\"chat\"]"])).unwrap();
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
        world.say(a, upload(vec![recipient(&id, Some(0))], parts)).unwrap();
    }
    assert_eq!(world.received(old), [""; 0]);
    assert_eq!(world.hub.stats().undeliverable, 14);
    assert_eq!(world.hub.stats().relayed, 0);
}

#[test]
fn an_event_of_a_v0_client_reaches_everyone_else_in_its_room() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let sender = world.v0("a", "socket-0");
    let old = world.v0("a", "socket-1");
    let elsewhere = world.v0("b", "socket-2");
    world.forget_all();
    let packet = Packet::event("file", &("f", Blob::from(Bytes::from_static(b"abc")))).unwrap();
    world.say(sender, ClientMessage::Broadcast(packet.with_ack_id(3))).unwrap();
    let head = r#"51-["file","f",{"_placeholder":true,"num":0}]"#;
    assert_eq!(world.received(old), [format!("event {head} + abc")]);
    let escaped = head.escape_default();
    assert_eq!(world.received(a), [format!("relay from socket-0: {escaped} + abc")]);
    for client in [sender, elsewhere] {
        assert_eq!(world.received(client), [""; 0]);
    }
}

#[test]
fn an_event_that_could_pass_for_the_hubs_is_refused() {
    let mut world = World::new(HubConfig::default());
    let sender = world.v0("a", "socket-0");
    let old = world.v0("a", "socket-1");
    world.forget_all();
    for name in ["numClients", "offer", "peer-disconnect", "peer-join", "p2p:anything"] {
        let packet = Packet::event(name, &(1,)).unwrap();
        let refused = world.say(sender, ClientMessage::Broadcast(packet)).unwrap_err();
        assert_eq!(refused, "a packet that is no message of the dialect", "{name}");
    }
    assert_eq!(world.received(old), [""; 0]);
    assert_eq!(world.hub.stats().refused, 5);
}

#[test]
fn each_dialect_keeps_to_its_own_form() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let packet = Packet::event("chat", &("hi",)).unwrap();
    assert_eq!(
        world.say(a, ClientMessage::Broadcast(packet)),
        Err("an event outside an envelope, from a v1 client".to_owned())
    );
    assert_eq!(
        world.say(old, upload(vec![], &["2[\"chat\"]"])),
        Err("an envelope from a v0 client".to_owned())
    );
}
