//! What a session and the server's application say to each other, and what members know about each other.

use std::time::Duration;

use serde_json::json;
use socketio_p2p_core::hub::{Admission, HubConfig};
use socketio_p2p_core::{
    AuthPayload, Config, EmitError, Event, LeaveReason, MemberData, Packet, Policy, ReplyError,
    RoomName, SignalingError, Target,
};
use socketio_p2p_transport_memory::{Mesh, Node};

use super::{direct_pair, has, mesh, numbered, path};

fn data(text: &str) -> Option<MemberData> {
    Some(MemberData::new(text).unwrap())
}

fn metadata_of(mesh: &Mesh, node: Node, other: Node) -> Option<MemberData> {
    mesh.peer(node, other).unwrap().metadata
}

fn soon(mesh: &mut Mesh) {
    mesh.run_for(Duration::from_secs(1));
}

#[test]
fn metadata_is_in_joins_rosters_and_changes() {
    let mut mesh = Mesh::new(1);
    let a = mesh.add(Config::default().with_metadata(data("blue")));
    soon(&mut mesh);
    let b = mesh.add(Config::default());
    soon(&mut mesh);
    let joined = |event: &Event| matches!(event, Event::PeerJoined { metadata, .. } if *metadata == data("blue"));
    assert!(has(&mesh.take_events(b), joined));
    mesh.with(b, |session, now| session.set_metadata(data("green"), now));
    soon(&mut mesh);
    let id = mesh.id(b);
    let updated = |event: &Event| matches!(event, Event::PeerUpdated { peer, metadata, .. } if *peer == id && *metadata == data("green"));
    assert!(has(&mesh.take_events(a), updated));
    assert_eq!(metadata_of(&mesh, a, b), data("green"));
    mesh.with(b, |session, now| session.set_metadata(None, now));
    soon(&mut mesh);
    assert_eq!(metadata_of(&mesh, a, b), None);
}

#[test]
fn many_changes_of_metadata_end_with_the_last_one_within_the_hubs_rate() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, b) = (nodes[0], nodes[1]);
    for number in 0..200 {
        mesh.with(a, |session, now| session.set_metadata(data(&format!("{number}")), now));
        mesh.run_for(Duration::from_millis(20));
    }
    soon(&mut mesh);
    assert_eq!(metadata_of(&mesh, b, a), data("199"));
    let updates = mesh.take_events(b);
    let updates = updates.iter().filter(|event| matches!(event, Event::PeerUpdated { .. })).count();
    assert!((8..=14).contains(&updates), "{updates}");
    assert_eq!(mesh.hub().unwrap().stats().refused, 0);
}

#[test]
fn metadata_that_changes_while_the_server_is_away_arrives_with_the_return() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.stop_server();
    mesh.with(a, |session, now| session.set_metadata(data("new"), now));
    mesh.run_for(Duration::from_secs(1));
    assert_eq!(metadata_of(&mesh, b, a), None);
    mesh.start_server();
    mesh.run_for(Duration::from_secs(5));
    assert_eq!(metadata_of(&mesh, b, a), data("new"));
}

#[test]
fn a_kick_ends_the_links_of_both_sides_at_once_also_direct_ones() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    let (id, room) = (mesh.id(b), RoomName::default());
    assert!(mesh.with_server(|hub, now| hub.kick(&room, &id, now)));
    soon(&mut mesh);
    let kicked =
        |event: &Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Kicked, .. });
    assert!(has(&mesh.take_events(a), kicked));
    let events = mesh.take_events(b);
    assert!(has(&events, kicked));
    let Some(Event::Refused(refusal)) = events.last() else { panic!("{events:?}") };
    assert_eq!(refusal.code.as_deref(), Some("kicked"));
    mesh.run_for(Duration::from_secs(60));
    assert!(mesh.take_events(b).is_empty(), "a kicked session does not return by itself");
    assert_eq!(mesh.session(a).peers().count(), 0);

    mesh.with(b, |session, now| session.reconnect(now));
    soon(&mut mesh);
    let new = |event: &Event| matches!(event, Event::Connected { id: new, resumed: false, .. } if *new != id);
    assert!(has(&mesh.take_events(b), new));
}

#[test]
fn a_closing_server_keeps_direct_paths_and_its_clients_return_when_told() {
    let (mut mesh, a, b) = direct_pair(&Config::default());
    mesh.with_server(|hub, now| hub.close(Duration::from_secs(3), now));
    mesh.run_for(Duration::from_millis(500));
    let events = mesh.take_events(a);
    let put_off = |event: &Event| matches!(event, Event::Disconnected { error: SignalingError::PutOff(why), retry_in } if why.code.as_deref() == Some("closing") && retry_in.as_secs() == 3);
    assert!(has(&events, put_off), "{events:?}");
    assert!(path(&mesh, a, b).is_some());
    mesh.emit(a, Target::All, &numbered(1)).unwrap();
    mesh.run_for(Duration::from_millis(500));
    assert_eq!(mesh.received(b).len(), 1);
}

#[test]
fn events_to_the_server_arrive_and_its_answers_come_back() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let a = nodes[0];
    let event = Packet::event("vote", &(1,)).unwrap();
    let emitted = mesh.emit(a, Target::Server, &event).unwrap();
    assert!(emitted.accepted.is_empty() && emitted.rejected.is_empty());
    let ask = |mesh: &mut Mesh| {
        mesh.with(a, |session, now| {
            session.emit_with_ack(Target::Server, &event, Some(Duration::from_secs(2)), now)
        })
    };
    let answered = ask(&mut mesh).unwrap().id;
    let unanswered = ask(&mut mesh).unwrap().id;
    soon(&mut mesh);
    let came = mesh.take_for_server();
    assert_eq!(came.len(), 3);
    let (client, question) = &came[1];
    assert_eq!(question.event_name().as_deref(), Some("vote"));
    let ack_id = question.ack_id().unwrap();
    mesh.with_server(|hub, _| hub.answer(*client, ack_id, &("counted",))).unwrap();
    mesh.run_for(Duration::from_secs(3));
    let events = mesh.take_events(a);
    let ack = events.iter().find_map(|event| match event {
        Event::ServerAck { emit, packet } => Some((*emit, packet.args::<(String,)>().unwrap().0)),
        _ => None,
    });
    assert_eq!(ack, Some((answered, "counted".to_owned())));
    let missing = |event: &Event| matches!(event, Event::NoServerAck { emit, timed_out: true } if *emit == unanswered);
    assert!(has(&events, missing));
    assert!(!has(&events, |event| matches!(event, Event::Outcome { .. })));
}

#[test]
fn a_question_of_the_server_is_answered_on_its_connection_only() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let (a, id, room) = (nodes[0], mesh.id(nodes[0]), RoomName::default());
    let question = Packet::event("ready?", &()).unwrap().with_ack_id(9);
    let asked = |mesh: &mut Mesh| {
        assert!(mesh.with_server(|hub, _| hub.emit_to(&room, &id, &question)).unwrap());
        soon(mesh);
        let tokens = mesh.take_events(a).into_iter().filter_map(|event| match event {
            Event::ServerEvent { reply, .. } => reply,
            _ => None,
        });
        tokens.last().unwrap()
    };
    let token = asked(&mut mesh);
    assert_eq!(token.peer(), None);
    mesh.with(a, |session, now| session.reply(&token, &("yes",), now)).unwrap();
    soon(&mut mesh);
    let came = mesh.take_for_server();
    assert_eq!(came.len(), 1);
    assert_eq!(came[0].1.ack_id(), Some(9));

    let token = asked(&mut mesh);
    mesh.cut_signaling(a);
    mesh.run_for(Duration::from_secs(5));
    assert!(mesh.session(a).is_joined());
    let late = mesh.with(a, |session, now| session.reply(&token, &("late",), now));
    assert!(matches!(late, Err(ReplyError::Disconnected)), "{late:?}");
}

#[test]
fn questions_to_the_server_end_with_the_connection_and_events_need_one() {
    let (mut mesh, nodes) = mesh(2, &Config::default());
    let a = nodes[0];
    let event = Packet::event("vote", &(1,)).unwrap();
    let ask = |session: &mut socketio_p2p_core::Session, now| {
        session.emit_with_ack(Target::Server, &event, None, now)
    };
    mesh.with(a, ask).unwrap();
    mesh.stop_server();
    let ended = |event: &Event| matches!(event, Event::NoServerAck { timed_out: false, .. });
    assert!(has(&mesh.take_events(a), ended));
    let refused = mesh.emit(a, Target::Server, &event);
    assert!(matches!(refused, Err(EmitError::NotJoined)), "{refused:?}");
}

#[test]
fn a_full_queue_for_the_server_blocks_and_reports_room() {
    let config = Config::default().with_queue_packets(4).with_policy(Policy::RelayOnly);
    let (mut mesh, nodes) = mesh(2, &config);
    let a = nodes[0];
    mesh.set_relay_conditions(
        a,
        socketio_p2p_transport_memory::Conditions { rate: 10_000, ..Default::default() },
    );
    let event = Packet::event("blob", &("x".repeat(5_000),)).unwrap();
    let mut sent = 0;
    let blocked = loop {
        match mesh.emit(a, Target::Server, &event) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(blocked, EmitError::ServerBlocked { queued } if queued > 0), "{blocked:?}");
    mesh.run_for(Duration::from_secs(60));
    assert!(has(&mesh.take_events(a), |event| matches!(event, Event::ServerWritable)));
    assert_eq!(mesh.take_for_server().len(), sent);
}

#[test]
fn an_event_beyond_the_servers_limits_is_refused_at_once() {
    let limits = socketio_p2p_core::wire::HubLimits::new(1_000, 4);
    let mut mesh = Mesh::with_hub(1, HubConfig::default().with_limits(limits));
    let a = mesh.add(Config::default());
    soon(&mut mesh);
    let long = Packet::event("blob", &("x".repeat(1_000),)).unwrap();
    let refused = mesh.emit(a, Target::Server, &long);
    assert!(
        matches!(refused, Err(EmitError::BeyondServerLimits { max: 1_000, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_saved_resume_token_makes_a_restarted_program_the_same_member_in_a_new_incarnation() {
    let hub = HubConfig::default().with_token_key([1; 32]);
    let mut mesh = Mesh::with_hub(1, hub);
    let (a, b) = (mesh.add(Config::default()), mesh.add(Config::default()));
    mesh.run_until_direct(a, b);
    let (id, token) = (mesh.id(b), mesh.session(b).resume_token().cloned());
    assert!(token.is_some());
    mesh.crash(b);
    let again = mesh.add(Config::default().with_resume_token(token));
    mesh.run_until_direct(a, again);
    assert_eq!(mesh.id(again), id);
    let events = mesh.take_events(a);
    let restarted = |event: &Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::Restarted, .. } if *peer == id);
    assert!(has(&events, restarted), "{events:?}");
}

#[test]
fn the_auth_payload_is_beside_the_entry_of_the_library() {
    let mut session =
        socketio_p2p_core::Session::new(Config::default(), [1; 32], Default::default()).unwrap();
    let now = Default::default();
    session.set_auth(Some(AuthPayload::new(&json!({ "ticket": "t" })).unwrap()));
    session.handle_signaling_open(now);
    let frame = session.poll_signaling_transmit(now).unwrap();
    let socketio_p2p_core::Frame::Text(text) = frame else { panic!("{frame:?}") };
    let auth: serde_json::Value = serde_json::from_str(&text[1..]).unwrap();
    assert_eq!(auth["ticket"], "t");
    assert_eq!(auth["p2p"]["room"], "lobby");
}

#[test]
fn user_data_that_changed_with_a_new_admission_is_an_update() {
    let mut hub = socketio_p2p_core::hub::Hub::new(HubConfig::default(), [1; 32]).unwrap();
    let admission = Admission::default().with_user(MemberData::new("ann").unwrap());
    let join = socketio_p2p_core::wire::Join::v1();
    let now = Default::default();
    hub.handle_admitted(join, admission, None, now).unwrap();
    let welcome = std::iter::from_fn(|| hub.poll_output()).count();
    assert_eq!(welcome, 1);
    let member = hub.members(&RoomName::default()).next().unwrap();
    assert_eq!(member.user.map(|user| user.read::<String>().unwrap()), Some("ann".to_owned()));
}
