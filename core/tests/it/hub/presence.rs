//! Joining, leaving, resuming.

use super::*;

const WINDOW: Duration = Duration::from_secs(8);
const INSTANT: Duration = Duration::from_nanos(1);

#[test]
fn a_v1_join_sends_a_welcome_with_the_roster_and_a_peer_join_to_the_others() {
    let mut world = World::new(HubConfig::default());
    let old = world.v0("a", "socket-0");
    assert_eq!(world.received(old), ["numClients 0"]);
    let (first, welcome) = world.v1("a");
    assert_eq!(welcome.dialect, Dialect::V1);
    assert_eq!(welcome.id.as_str().len(), 22);
    assert_eq!(welcome.room, room_name("a"));
    assert_eq!(welcome.limits, HubConfig::default().limits);
    let roster: Vec<_> = welcome.roster.iter().map(|member| member.id.as_str()).collect();
    assert_eq!(roster, ["socket-0"]);

    let (second, joined) = world.v1("a");
    let roster: Vec<_> = joined.roster.iter().map(|member| &member.id).collect();
    assert_eq!(roster, [&PeerId::new("socket-0").unwrap(), &welcome.id], "in order of arrival");
    assert_eq!(world.received(first), [format!("join {} v1", joined.id)]);
    assert_eq!(world.received(old), [""; 0], "v0 clients do not know `peer-join`");

    let late = world.v0("a", "socket-1");
    assert_eq!(world.received(late), ["numClients 3"]);
    for peer in [first, second] {
        assert_eq!(world.received(peer), ["join socket-1 v0"]);
    }
}

#[test]
fn rooms_are_separate() {
    let mut world = World::new(HubConfig::default());
    let (a, _) = world.v1("a");
    let (b, welcome) = world.v1("b");
    assert!(welcome.roster.is_empty());
    assert_eq!(world.received(a), [""; 0]);
    world.part(a, Departure::Left);
    assert_eq!(world.received(b), [""; 0]);
    assert_eq!(world.hub.rooms().collect::<Vec<_>>(), [&room_name("b")], "empty rooms are removed");
}

#[test]
fn a_join_without_a_room_goes_to_the_default_room() {
    let mut world = World::new(HubConfig::default());
    let join = Join::v1();
    let client = world.try_join(join, None).unwrap();
    assert_eq!(world.hub.room_of(client), Some(&RoomName::default()));
}

#[test]
fn a_member_that_disconnects_leaves_at_once() {
    let mut world = World::new(HubConfig::default());
    let (stays, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    let (leaves, welcome) = world.v1("a");
    world.forget_all();
    world.part(leaves, Departure::Left);
    for client in [stays, old] {
        assert_eq!(world.received(client), [format!("disconnect {}", welcome.id)]);
    }
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn a_v0_client_leaves_at_once_even_when_its_connection_breaks() {
    let mut world = World::new(HubConfig::default());
    let (stays, _) = world.v1("a");
    let old = world.v0("a", "socket-0");
    world.forget_all();
    world.part(old, Departure::Lost);
    assert_eq!(world.received(stays), ["disconnect socket-0"]);
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn a_v1_member_whose_connection_breaks_is_away_and_resumes_its_seat() {
    let mut world = World::new(HubConfig::default());
    let old = world.v0("a", "socket-0");
    let (lost, first) = world.v1("a");
    let (stays, _) = world.v1("a");
    world.forget_all();

    world.part(lost, Departure::Lost);
    assert_eq!(world.received(stays), [format!("away {}", first.id)]);
    assert_eq!(world.received(old), [""; 0], "v0 clients do not know `peer-away`");
    let (_, welcome) = world.v1("a");
    let away: Vec<_> = welcome.roster.iter().map(|member| member.away).collect();
    assert_eq!(away, [false, true, false]);
    world.forget_all();

    world.pass(WINDOW - INSTANT);
    let (back, second) = world.resume("a", &first.token);
    assert_ne!(back, lost);
    assert_eq!(second.id, first.id);
    assert_eq!(world.received(stays), [format!("join {} v1", first.id)]);
    assert_eq!(world.received(old), [""; 0]);
    let order: Vec<_> = world.hub.members(&room_name("a")).map(|member| member.id).collect();
    assert_eq!(order[1], first.id, "it keeps its position");

    world.pass(WINDOW * 2);
    assert_eq!(world.received(stays), [""; 0], "the timer is removed");
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn a_member_away_beyond_the_resume_window_has_left() {
    let mut world = World::new(HubConfig::default());
    let old = world.v0("a", "socket-0");
    let (stays, _) = world.v1("a");
    let (lost, welcome) = world.v1("a");
    world.part(lost, Departure::Lost);
    world.forget_all();
    assert_eq!(world.hub.poll_timeout(), Some(world.now + WINDOW));
    world.pass(WINDOW - INSTANT);
    assert_eq!(world.received(stays), [""; 0]);
    world.pass(INSTANT);
    for client in [old, stays] {
        assert_eq!(world.received(client), [format!("disconnect {}", welcome.id)]);
    }
    // The token is still valid.
    let (_, back) = world.resume("a", &welcome.token);
    assert_eq!(back.id, welcome.id);
    assert_eq!(world.received(stays), [format!("join {} v1", welcome.id)]);
}

#[test]
fn a_clock_jump_expires_no_resume_window() {
    let mut world = World::new(HubConfig::default());
    let (stays, _) = world.v1("a");
    let (lost, welcome) = world.v1("a");
    world.part(lost, Departure::Lost);
    world.forget_all();
    world.now = world.now + Duration::from_secs(86_400);
    world.hub.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.received(stays), [""; 0], "no member was away for a day");
    assert_eq!(world.hub.poll_timeout(), Some(world.now + WINDOW));

    world.now = world.now + Duration::from_secs(86_400);
    world.say(stays, answer("x", None, &welcome.id)).unwrap_err();
    world.pass(WINDOW - INSTANT);
    assert_eq!(world.received(stays), [""; 0], "for any first input after the jump");
    world.pass(INSTANT);
    assert_eq!(world.received(stays), [format!("disconnect {}", welcome.id)]);

    let (_, back) = world.resume("a", &welcome.token);
    assert_eq!(back.id, welcome.id);
    assert_eq!(world.hub.poll_timeout(), None, "the moved timer is removed with its seat");
}

#[test]
fn a_room_of_away_members_ends_with_the_last_resume_window() {
    let mut world = World::new(HubConfig::default());
    let (lost, _) = world.v1("a");
    world.part(lost, Departure::Lost);
    assert_eq!(world.hub.stats().rooms, 1);
    assert_eq!(world.hub.stats().away, 1);
    world.pass(WINDOW);
    assert_eq!(world.hub.stats().rooms, 0);
    assert_eq!(world.hub.stats().away, 0);
}

#[test]
fn a_half_open_connection_is_replaced_and_its_late_input_ignored() {
    let mut world = World::new(HubConfig::default());
    let (stays, _) = world.v1("a");
    let (half_open, welcome) = world.v1("a");
    world.forget_all();
    let (back, again) = world.resume("a", &welcome.token);
    assert_eq!(again.id, welcome.id);
    assert_eq!(world.closed, [(half_open, CloseReason::Replaced)]);
    assert_eq!(world.received(stays), [format!("join {} v1", welcome.id)]);

    world.part(half_open, Departure::Left);
    assert_eq!(
        world.say(half_open, ClientMessage::Offers(vec![])),
        Err("the client is not connected".to_owned())
    );
    assert_eq!(world.received(stays), [""; 0]);
    assert_eq!(world.id(back), welcome.id);
    assert_eq!(world.hub.stats().clients, 2);
}

#[test]
fn a_token_survives_a_hub_restart_with_the_same_key() {
    let config = || HubConfig::default().with_token_key([9; 32]);
    let mut world = World::new(config());
    let (_, welcome) = world.v1("a");

    world.hub = Hub::new(config(), [1; 32]).unwrap();
    let (_, back) = world.resume("a", &welcome.token);
    assert_eq!(back.id, welcome.id);
    let (_, elsewhere) = world.resume("b", &welcome.token);
    assert_ne!(elsewhere.id, welcome.id, "a token is valid in one room");

    world.hub = Hub::new(HubConfig::default(), [1; 32]).unwrap();
    let (_, stranger) = world.resume("a", &welcome.token);
    assert_ne!(stranger.id, welcome.id, "another key");
}

#[test]
fn an_invalid_token_gets_a_new_id() {
    let mut world = World::new(HubConfig::default());
    let (_, welcome) = world.v1("a");
    let (_, other) = world.v1("a");
    let swapped = welcome.token.replace(welcome.id.as_str(), other.id.as_str());
    for token in ["", ".", "x", welcome.id.as_str(), &swapped, &format!("{}x", welcome.token)] {
        let (_, new) = world.resume("a", token);
        assert_ne!(new.id, welcome.id);
        assert_ne!(new.id, other.id);
    }
    assert!(world.closed.is_empty());
}

#[test]
fn a_v0_client_that_took_a_v1_peers_id_keeps_it() {
    let mut world = World::new(HubConfig::default());
    let (first, welcome) = world.v1("a");
    world.part(first, Departure::Left);
    let v0 = world.v0("a", welcome.id.as_str());
    let (back, again) = world.resume("a", &welcome.token);
    assert_ne!(again.id, welcome.id);
    assert!(world.closed.is_empty());
    assert_eq!((world.id(v0), world.id(back)), (welcome.id, again.id));
}

#[test]
fn a_full_room_refuses_a_join_and_names_the_room() {
    let mut world = World::new(HubConfig::default().with_room_capacity(2));
    let (_, welcome) = world.v1("a");
    world.v0("a", "socket-0");
    let full = JoinError::RoomFull { room: room_name("a"), capacity: 2 };
    assert_eq!(world.try_join(v1("a"), None), Err(full.clone()));
    assert_eq!(full.code(), "room-full");
    assert_eq!(full.to_string(), r#"room "a" has the maximum of 2 members"#);
    assert_eq!(full.retry_after(), None);
    assert_eq!(world.hub.stats().joins_refused, 1);

    let (_, back) = world.resume("a", &welcome.token);
    assert_eq!(back.id, welcome.id, "a member needs no new seat");
    world.v1("b");
    world.forget_all();
    assert_eq!(world.try_join(Join::v0(room_name("a")), Some("socket-1")), Err(full));
    assert!(world.inboxes.is_empty(), "a refused join has no effect on others");
}

#[test]
fn a_join_beyond_the_maximum_of_rooms_is_refused() {
    let mut world = World::new(HubConfig::default().with_max_rooms(1));
    world.v1("a");
    world.v1("a");
    let refused = world.try_join(v1("b"), None).unwrap_err();
    assert_eq!(refused, JoinError::TooManyRooms { room: room_name("b"), max: 1 });
    assert_eq!(refused.code(), "too-many-rooms");
}

#[test]
fn a_v0_socket_id_that_is_taken_or_invalid_is_refused() {
    let mut world = World::new(HubConfig::default());
    world.v0("a", "socket-0");
    let join = || Join::v0(room_name("a"));
    assert_eq!(world.try_join(join(), Some("socket-0")).unwrap_err().code(), "name-taken");
    assert_eq!(world.try_join(join(), Some("")).unwrap_err().code(), "bad-name");
    let nameless = world.try_join(join(), None).unwrap();
    assert_eq!(world.id(nameless).as_str().len(), 22);
}

#[test]
fn same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut world = World::new(HubConfig::default());
        let (a, _) = world.v1("a");
        let (b, welcome) = world.v1("a");
        let to = world.id(b);
        world.say(a, ClientMessage::Offers(vec![offer("o", Some(&to))])).unwrap();
        world.part(b, Departure::Lost);
        world.pass(Duration::from_secs(1));
        world.resume("a", &welcome.token);
        (world.log, welcome.token)
    };
    assert_eq!(run(), run());
}

#[test]
fn ice_servers_come_with_the_welcome_and_can_be_replaced() {
    let server =
        |url: &str| socketio_p2p_core::IceServer::new([url]).with_credential("user", "hidden");
    let mut world = World::new(HubConfig::default().with_ice_servers(vec![server("stun:a")]));
    assert_eq!(world.v1("a").1.ice_servers, [server("stun:a")]);
    world.hub.set_ice_servers(vec![server("turn:b")]);
    assert_eq!(world.v1("a").1.ice_servers, [server("turn:b")]);
}

#[test]
fn debug_output_tells_no_secret() {
    let key = *b"key-key-key-key-key-key-key-key!";
    let credential =
        socketio_p2p_core::IceServer::new(["turn:a"]).with_credential("user", "hidden");
    let config = HubConfig::default().with_token_key(key).with_ice_servers(vec![credential]);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hidden") && !shown.contains("107, 101, 121"), "{shown}");
    let mut world = World::new(config);
    let (_, welcome) = world.v1("a");
    let shown = format!("{:?} {:?}", world.hub, world.log);
    assert!(!shown.contains(&welcome.token) && !shown.contains("hidden"), "{shown}");
}

/// Returns the pair keys in the joins that a client has received since the last call.
fn joins(world: &mut World, client: ClientId) -> Vec<Option<PairKey>> {
    let inbox = world.inboxes.remove(&client).unwrap_or_default().into_iter();
    let key = |message| match message {
        ServerMessage::PeerJoin(member) => member.key,
        other => panic!("expected a join, got {other:?}"),
    };
    inbox.map(key).collect()
}

#[test]
fn every_two_v1_members_get_their_own_pair_key() {
    let mut world = World::new(HubConfig::default());
    world.v0("a", "socket-0");
    let (first, _) = world.v1("a");
    let (second, joined) = world.v1("a");
    let (_, last) = world.v1("a");
    let [None, Some(ours)] = roster_keys(&joined) else { panic!("{joined:?}") };
    let [None, Some(with_first), Some(with_second)] = roster_keys(&last) else {
        panic!("{last:?}")
    };
    assert_eq!(joins(&mut world, first), [Some(ours.clone()), Some(with_first.clone())]);
    assert_eq!(joins(&mut world, second), [Some(with_second.clone())]);
    assert!(ours != with_first && ours != with_second && with_first != with_second);
    world.v0("a", "socket-1");
    assert_eq!(joins(&mut world, first), [None]);
    let members: Vec<_> = world.hub.members(&room_name("a")).collect();
    assert!(members.iter().all(|member| member.key.is_none()), "the caller is no member");
    let secret = serde_json::to_string(&ours).unwrap();
    let secret = secret.trim_matches('"');
    assert!(world.log.iter().all(|line| !line.contains(secret)));
}

fn roster_keys<const N: usize>(welcome: &Welcome) -> [Option<PairKey>; N] {
    let keys: Vec<_> = welcome.roster.iter().map(|member| member.key.clone()).collect();
    keys.try_into().expect("so many members")
}

#[test]
fn a_pair_key_survives_a_hub_restart() {
    let config = HubConfig::default().with_token_key([5; 32]);
    let mut world = World::new(config.clone());
    let (_, first) = world.v1("a");
    let (_, second) = world.v1("a");
    let mut restarted = World::new(config);
    restarted.resume("a", &second.token);
    let (_, back) = restarted.resume("a", &first.token);
    assert_eq!(back.roster[0].id, second.id);
    assert_eq!(back.roster[0].key, second.roster[0].key);
    assert!(back.roster[0].key.is_some());
}

#[test]
fn a_hub_without_pair_keys_announces_a_join_with_one_message() {
    let mut world = World::new(HubConfig::default().with_pair_keys(false));
    let (first, _) = world.v1("a");
    world.v1("a");
    let (_, last) = world.v1("a");
    assert_eq!(roster_keys(&last), [None, None]);
    assert_eq!(joins(&mut world, first), [None, None]);
    let to_rooms =
        world.log.iter().filter(|line| line.contains("Room") && line.contains("PeerJoin"));
    assert_eq!(to_rooms.count(), 2);
}
