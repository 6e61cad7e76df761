//! `Debug` output and errors contain no session description, candidate, credential, token, key, seed or
//! application data: in no state of a session or a hub, and in no public type.

mod types;
mod world;

use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::{
    Config, Event, Frame, Namespace, Packet, PacketType, Path, Policy, Target,
};

use self::world::World;

const PAYLOAD: &str = "marker-payload";
const ATTACHMENT: &[u8] = b"marker-attachment\xff\x00";
const TRANSFER: &[u8] = b"marker-transfer\xfe\x01";
const DESCRIPTION: &str = "marker-description";
const CANDIDATE: &str = "marker-candidate";
const USER_FRAGMENT: &str = "marker-ufrag";
const TURN_USER: &str = "marker-turn-user";
const TURN_CREDENTIAL: &str = "marker-turn-credential";
const TOKEN_KEY: [u8; 32] = *b"marker-token-key-of-32-bytes-\xfd\xfc\xfb";

fn event() -> Packet {
    Packet::event("e", &(PAYLOAD, Blob::from(ATTACHMENT.to_vec()))).unwrap()
}

/// An event of many records.
fn large_event() -> Packet {
    Packet::event("e", &(PAYLOAD, Blob::from(ATTACHMENT.repeat(20_000)))).unwrap()
}

#[test]
fn a_mesh_on_the_relay_shows_no_secret() {
    let config = Config::default().with_policy(Policy::RelayOnly).with_queue_bytes(1 << 20);
    let mut world = World::new(2, &config);
    world.emit_in_all_lanes(0);
    world.ask_and_answer(0, 1);
    while world.emit(0, &large_event()) {}
    world.show();
    world.run_for(Duration::from_secs(3));
    world.transfer(0, 1);
    world.break_signaling(1);
    world.run_for(Duration::from_secs(3));
    assert!(world.has_seen(|event| matches!(event, Event::PeerAway { .. })));
    world.crash(1);
    world.run_for(Duration::from_secs(20));
    assert!(world.has_seen(|event| matches!(event, Event::PeerLeft { .. })));
}

#[test]
fn a_mesh_on_direct_paths_shows_no_secret() {
    let mut world = World::apart(2, &Config::default());
    world.hold_answers(true);
    world.join();
    assert!(world.held_answers() > 0, "an offer is being answered");
    world.show();
    world.hold_answers(false);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.path(0, 1), Some(Path::Direct));
    world.emit_in_all_lanes(0);
    world.ask_and_answer(0, 1);
    world.transfer(0, 1);

    world.lose_direct(1);
    assert!(world.emit(0, &large_event()));
    world.run();
    world.show();
    world.run_for(Duration::from_secs(2));

    let offer = world.offer_of(0, "again");
    world.hear(1, offer);
    world.show();
    world.run_for(Duration::from_secs(3));
    world.close(0);
    world.run_for(Duration::from_secs(8));
    assert!(world.has_seen(|event| matches!(event, Event::Closed)));
}

#[test]
fn a_mesh_through_a_neighbour_shows_no_secret() {
    let mut world = World::apart(3, &Config::default());
    world.block(0, 1);
    world.join();
    world.run_for(Duration::from_secs(5));
    (0..3).for_each(|end| world.cut_signaling(end));
    world.run_for(Duration::from_secs(3));
    assert!(matches!(world.path(0, 1), Some(Path::Via(_))), "{:?}", world.path(0, 1));
    world.emit_in_all_lanes(0);
    world.ask_and_answer(0, 1);
    world.transfer(0, 1);
}

#[test]
fn input_of_hostile_remotes_is_refused_without_being_printed() {
    let mut world = World::new(2, &Config::default());
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.path(0, 1), Some(Path::Direct));
    let binary = Frame::from(ATTACHMENT.to_vec());
    for frame in
        [binary.clone(), Frame::from(format!("2[\"e\",{PAYLOAD}")), PAYLOAD.to_owned().into()]
    {
        world.hear_directly(0, frame);
        world.run_for(Duration::from_secs(3));
    }
    let texts = [
        format!(r#"2["offer",{{"fromPeerId":"{PAYLOAD}","offerId":"o","offer":"{DESCRIPTION}"}}]"#),
        format!(r#"2["peer-join","{PAYLOAD}"]"#),
        format!(r#"2["numClients",1,{{"token":"{PAYLOAD}"}}]"#),
        format!(r#"51-["p2p:relay",{{"from":"{PAYLOAD}"}},"{PAYLOAD}"]"#),
        format!("9{PAYLOAD}"),
        format!("2{PAYLOAD}"),
    ];
    for text in texts {
        world.hear(0, text.into());
        world.run();
        world.run_for(Duration::from_secs(2));
    }
    world.say(0, &format!(r#"2["offers",{{"offers":"{DESCRIPTION}"}}]"#));
    world.say(
        0,
        &format!(r#"2["peer-signal",{{"signal":"{DESCRIPTION}","toPeerId":"x","offerId":"o"}}]"#),
    );
    world.say(0, &format!(r#"2["e","{PAYLOAD}"]"#));
    assert!(world.errors() > 0, "the hub refuses a message");
}

#[test]
fn emits_that_are_refused_show_no_secret() {
    let limits = Config::default().limits.with_max_packet_bytes(64 << 10);
    let mut world = World::new(2, &Config::default().with_limits(limits));
    assert!(!world.emit(0, &large_event()));
    let depth = format!("{}\"{PAYLOAD}\"{}", "[".repeat(200), "]".repeat(200));
    let payload = format!("[\"e\",{depth}]");
    let root = Namespace::default();
    let deep = Packet::from_parts(PacketType::Event, &root, None, payload, Vec::new()).unwrap();
    assert!(!world.emit(0, &deep));
    assert!(!world.emit(0, &Packet::ack(7, &(PAYLOAD,)).unwrap()));
    assert!(!world.emit_to(0, Target::Peer("nobody".parse().unwrap()), &event()));
    world.close(0);
    assert!(!world.emit(0, &event()));
    assert!(world.errors() >= 4);
}

/// The data of a transfer in pieces, as an application writes them.
fn transfer_data() -> Bytes {
    TRANSFER.repeat(1_000).into()
}
