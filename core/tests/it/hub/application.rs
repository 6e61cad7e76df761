//! The server's application: admission, data about members, removal, events.

use std::time::Duration;

use socketio_p2p_core::hub::{Admission, CloseReason, HubConfig, JoinError};
use socketio_p2p_core::wire::{ClientMessage, Join, MemberData, ServerMessage};
use socketio_p2p_core::{ClientId, EmitError, Packet};

use super::*;

fn data(text: &str) -> MemberData {
    MemberData::new(text).unwrap()
}

fn admit(world: &mut World, join: Join, admission: Admission) -> Result<ClientId, JoinError> {
    let joined = world.hub.handle_admitted(join, admission, None, world.now);
    world.drain();
    joined
}

#[test]
fn user_data_of_the_admission_and_own_metadata_reach_all_v1_members() {
    let mut world = World::new(HubConfig::default());
    let (first, _) = world.v1("a");
    let join = v1("a").with_metadata(Some(data("blue")));
    let second = admit(&mut world, join, Admission::default().with_user(data("ann"))).unwrap();
    let welcome = world.welcome(second);
    assert_eq!(welcome.user, Some(data("ann")));
    let Some(ServerMessage::PeerJoin(member)) = world.inboxes[&first].last() else {
        panic!("{:?}", world.inboxes)
    };
    assert_eq!((&member.user, &member.metadata), (&Some(data("ann")), &Some(data("blue"))));
    let (_, welcome) = world.v1("a");
    let known = welcome.roster.iter().find(|member| member.user.is_some()).unwrap();
    assert_eq!((&known.user, &known.metadata), (&Some(data("ann")), &Some(data("blue"))));
}

#[test]
fn an_admission_chooses_the_room_and_its_capacity() {
    let mut world = World::new(HubConfig::default());
    let admission = || Admission::default().with_room(room_name("vip")).with_capacity(2);
    for _ in 0..2 {
        let client = admit(&mut world, v1("a"), admission()).unwrap();
        assert_eq!(world.welcome(client).room, room_name("vip"));
    }
    let refused = admit(&mut world, v1("a"), admission()).unwrap_err();
    assert_eq!(refused, JoinError::RoomFull { room: room_name("vip"), capacity: 2 });
}

#[test]
fn a_change_of_metadata_is_told_to_v1_members_only_and_is_in_later_rosters() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    world.forget_all();
    world.say(a, ClientMessage::Metadata(Some(data("green")))).unwrap();
    assert_eq!(world.received(b), [format!("update {}: \"green\"", world.id(a))]);
    assert!(world.received(a).is_empty() && world.received(old).is_empty());
    let (_, welcome) = world.v1("a");
    assert_eq!(welcome.roster[0].metadata, Some(data("green")));
    world.say(a, ClientMessage::Metadata(None)).unwrap();
    assert_eq!(world.v1("a").1.roster[0].metadata, None);
    assert!(world.say(old, ClientMessage::Metadata(None)).is_err());
}

#[test]
fn changes_of_metadata_beyond_the_rate_are_dropped_and_many_of_them_are_abuse() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    world.forget_all();
    let mut passed = 0;
    while world.closed.is_empty() {
        passed += u32::from(world.say(a, ClientMessage::Metadata(None)).is_ok());
    }
    assert_eq!(passed, 16);
    assert_eq!(world.closed, [(a, CloseReason::Abusive)]);
    assert_eq!(world.received(b).len(), 16 + 1);
}

#[test]
fn a_kicked_member_is_told_and_its_token_is_not_valid_until_the_revocation_ends() {
    let day = Duration::from_secs(24 * 60 * 60);
    let mut world = World::new(HubConfig::default().with_token_key([1; 32]));
    let (a, welcome) = world.v1("a");
    let (b, _) = world.v1("a");
    world.forget_all();
    assert!(world.hub.kick(&room_name("a"), &welcome.id, world.now));
    assert!(!world.hub.kick(&room_name("a"), &welcome.id, world.now));
    world.drain();
    assert_eq!(world.closed, [(a, CloseReason::Kicked)]);
    assert_eq!(world.received(a), ["close kicked"]);
    assert_eq!(world.received(b), [format!("disconnect {} kicked", welcome.id)]);
    assert_ne!(world.resume("a", &welcome.token).1.id, welcome.id);
    world.pass(day);
    assert_eq!(world.resume("a", &welcome.token).1.id, welcome.id);
}

#[test]
fn a_member_that_is_away_can_be_kicked() {
    let mut world = World::new(HubConfig::default());
    let (a, welcome) = world.v1("a");
    let (b, _) = world.v1("a");
    world.part(a, Departure::Lost);
    world.forget_all();
    assert!(world.hub.kick(&room_name("a"), &welcome.id, world.now));
    world.drain();
    assert!(world.closed.is_empty());
    assert_eq!(world.received(b), [format!("disconnect {} kicked", welcome.id)]);
    assert_ne!(world.resume("a", &welcome.token).1.id, welcome.id);
}

#[test]
fn a_closed_room_is_empty_and_can_be_opened_again() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let (elsewhere, _) = world.v1("b");
    world.forget_all();
    assert_eq!(world.hub.close_room(&room_name("a"), world.now), 2);
    world.drain();
    let closed = [(a, CloseReason::RoomClosed), (old, CloseReason::RoomClosed)];
    assert_eq!(world.closed, closed);
    assert_eq!(world.received(a), ["close room-closed"]);
    assert!(world.received(elsewhere).is_empty());
    assert_eq!(world.hub.stats().rooms, 1);
    assert!(world.v1("a").1.roster.is_empty());
}

#[test]
fn a_closing_hub_tells_its_clients_when_to_return_and_lets_nobody_in() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (away, _) = world.v1("a");
    world.part(away, Departure::Lost);
    world.forget_all();
    let retry_after = Duration::from_secs(2);
    world.hub.close(retry_after, world.now);
    world.drain();
    assert_eq!(world.closed, [(a, CloseReason::Closing { retry_after })]);
    let said = world.inboxes[&a].clone();
    let [ServerMessage::Close(dismissal)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((dismissal.code.as_str(), dismissal.retry_after), ("closing", Some(2_000)));
    let refused = world.try_join(v1("a"), None).unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), ("closing", Some(retry_after)));
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn events_of_the_servers_application_reach_one_member_or_a_room() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let (elsewhere, _) = world.v1("b");
    world.forget_all();
    let event = Packet::event("news", &("sunny",)).unwrap();
    let id = world.id(a);
    assert_eq!(world.hub.emit_to(&room_name("a"), &id, &event).ok(), Some(true));
    assert_eq!(world.hub.emit_to(&room_name("b"), &id, &event).ok(), Some(false));
    world.hub.emit_to_room(&room_name("a"), &event).unwrap();
    world.drain();
    assert_eq!(world.received(a).len(), 2);
    assert_eq!(world.received(old).len(), 1);
    assert!(world.received(elsewhere).is_empty());
    let reserved = Packet::event("peer-join", &()).unwrap();
    let refused = world.hub.emit_to_room(&room_name("a"), &reserved);
    assert!(matches!(refused, Err(EmitError::ReservedEvent(_))), "{refused:?}");
}

#[test]
fn events_and_answers_of_v1_members_reach_the_servers_application() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, _) = world.v1("a");
    world.forget_all();
    let question = Packet::event("time", &()).unwrap().with_ack_id(7);
    world.say(a, ClientMessage::Event(question)).unwrap();
    let answer = Packet::ack(3, &("yes",)).unwrap();
    world.say(a, ClientMessage::from_packet(answer).unwrap()).unwrap();
    let [(asked, question), (answered, answer)] = &world.application[..] else {
        panic!("{:?}", world.application)
    };
    assert_eq!((*asked, question.ack_id()), (a, Some(7)));
    assert_eq!((*answered, answer.args::<(String,)>().unwrap().0), (a, "yes".to_owned()));
    world.hub.answer(a, 7, &("noon",)).unwrap();
    world.drain();
    assert_eq!(world.received(a).len(), 1);
    assert!(world.received(b).is_empty());
}
