//! Admission: seats, join rates, welcomes.

use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::wire::EPOCH_BLOCK;
use socketio_p2p_fuzz::hub::world::resume;

use super::*;

const ROOM: usize = 64;

/// Adds a member of which a message has been accepted.
fn speaker(world: &mut World, room: &str) -> (ClientId, Welcome) {
    let (client, welcome) = world.v1(room);
    world.say(client, ClientMessage::Offers(vec![])).unwrap();
    (client, welcome)
}

fn ids(world: &World, room: &str) -> Vec<PeerId> {
    world.hub.members(&room_name(room)).map(|member| member.id).collect()
}

#[test]
fn a_newcomer_replaces_the_member_that_has_been_away_for_longest() {
    let mut world = World::new(HubConfig::default().with_room_capacity(4));
    let (here, _) = speaker(&mut world, "a");
    let old = world.v0("a", "socket-0");
    let (first, first_id) = speaker(&mut world, "a");
    let (second, second_id) = speaker(&mut world, "a");
    world.part(second, Departure::Lost);
    world.pass(Duration::from_millis(1));
    world.part(first, Departure::Lost);
    world.forget_all();

    let (newcomer, welcome) = world.v1("a");
    let roster: Vec<_> = welcome.roster.iter().map(|member| &member.id).collect();
    assert!(roster.contains(&&first_id.id) && !roster.contains(&&second_id.id));
    let gone = format!("disconnect {}", second_id.id);
    assert_eq!(world.received(here), [gone.clone(), format!("join {} v1", welcome.id)]);
    assert_eq!(world.received(old), [gone]);
    assert_eq!(world.received(newcomer), [""; 0], "its welcome shows the state afterwards");
    assert_eq!(world.hub.stats().displaced, 1);
    assert_eq!(world.hub.stats().away, 1);

    world.v0("a", "socket-1");
    let full = world.try_join(resume("a", &second_id.token), None).unwrap_err();
    assert_eq!(full.code(), "room-full", "no member is away any more");
    world.part(newcomer, Departure::Left);
    let (_, back) = world.resume("a", &second_id.token);
    assert_eq!(back.id, second_id.id, "with capacity it is a new member with its old id");
    assert_eq!(ids(&world, "a").last(), Some(&back.id));
    world.pass(Duration::from_secs(20));
    assert_eq!(world.hub.stats().clients, 4, "the replaced member has no timer any more");
    assert_eq!(world.hub.poll_timeout(), None);
}

#[test]
fn clients_that_connect_and_drop_do_not_fill_a_room() {
    let mut world = World::new(HubConfig::default().with_room_capacity(ROOM));
    let (here, _) = speaker(&mut world, "a");
    let (away, honest) = speaker(&mut world, "a");
    world.part(away, Departure::Lost);
    for _ in 0..2 * ROOM {
        let (client, _) = world.v1("a");
        world.part(client, Departure::Lost);
    }
    let (_, newcomer) = world.v1("a");
    assert_eq!(newcomer.roster.len(), ROOM - 1);
    let members = ids(&world, "a");
    assert!(members.contains(&honest.id), "members without accepted messages are replaced first");
    assert!(world.hub.peer_id(here).is_some());
    let (_, back) = world.resume("a", &honest.token);
    assert_eq!(back.id, honest.id);
}

#[test]
fn a_quiet_member_keeps_its_seat_until_a_newcomer_needs_it() {
    let mut world = World::new(HubConfig::default());
    let (stays, _) = world.v1("a");
    let (quiet, welcome) = world.v1("a");
    world.part(quiet, Departure::Lost);
    world.forget_all();
    let (_, back) = world.resume("a", &welcome.token);
    assert_eq!(back.id, welcome.id);
    assert_eq!(world.received(stays), [format!("join {} v1", welcome.id)]);
}

#[test]
fn refused_messages_do_not_protect_a_seat() {
    let mut world = World::new(HubConfig::default().with_room_capacity(2));
    let (honest, kept) = speaker(&mut world, "a");
    let (noisy, _) = world.v1("a");
    let stranger = PeerId::new("nobody").unwrap();
    assert!(world.say(noisy, answer("1", None, &stranger)).is_err());
    world.part(honest, Departure::Lost);
    world.pass(Duration::from_millis(1));
    world.part(noisy, Departure::Lost);
    world.v1("a");
    assert_eq!(ids(&world, "a").first(), Some(&kept.id));
}

#[test]
fn rooms_of_away_members_do_not_block_a_new_room() {
    let mut world = World::new(HubConfig::default().with_max_rooms(3));
    world.v1("kept");
    for room in ["b", "c"] {
        let (client, _) = world.v1(room);
        world.part(client, Departure::Lost);
        world.pass(Duration::from_millis(1));
    }
    world.v1("d");
    let rooms: Vec<_> = world.hub.rooms().map(RoomName::as_str).collect();
    assert_eq!(rooms, ["c", "d", "kept"]);
    world.v1("e");
    let refused = world.try_join(v1("f"), None).unwrap_err();
    assert_eq!(refused.code(), "too-many-rooms");
    assert_eq!(world.hub.stats().displaced, 2);
    assert_eq!((world.hub.stats().away, world.hub.poll_timeout()), (0, None));
}

#[test]
fn a_member_that_resumes_too_often_is_told_when_to_retry() {
    let mut world = World::new(HubConfig::default().with_resume_rate(3, 2));
    let (stays, _) = world.v1("a");
    let (_, mut welcome) = world.v1("a");
    for _ in 0..3 {
        welcome = world.resume("a", &welcome.token).1;
    }
    world.pass(Duration::from_micros(299_500));
    world.forget_all();
    let refused = world.try_join(resume("a", &welcome.token), None).unwrap_err();
    let retry_after = Duration::from_millis(201);
    assert_eq!(refused, JoinError::TooManyJoins { room: room_name("a"), retry_after });
    assert_eq!(refused.code(), "too-many-joins");
    assert_eq!(refused.retry_after(), Some(retry_after));
    assert_eq!(refused.to_string(), r#"try again in 201 ms: too many joins of room "a""#);
    assert!(world.inboxes.is_empty(), "without effect on others");
    assert_eq!(world.received(stays), [""; 0]);
    assert_eq!(world.hub.stats().joins_refused, 1);

    world.v1("a");
    let (_, other) = world.v1("a");
    world.resume("a", &other.token);
    world.pass(retry_after);
    world.resume("a", &welcome.token);
}

#[test]
fn the_join_rate_limit_of_a_room_does_not_affect_resuming_members() {
    let config = HubConfig::default().with_room_capacity(2).with_room_join_rate(1, 10);
    let mut world = World::new(config);
    let (_, member) = speaker(&mut world, "a");
    for _ in 0..4 {
        let (client, _) = world.v1("a");
        world.part(client, Departure::Left);
    }
    for join in [v1("a"), Join::v0(room_name("a")), resume("a", "no token")] {
        let refused = world.try_join(join, Some("socket-0")).unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)), "four: twice the room");
    }
    world.resume("a", &member.token);
    world.v1("b");
    world.pass(Duration::from_millis(100));
    let (newcomer, _) = world.v1("a");
    world.part(newcomer, Departure::Left);
    let refused = world.try_join(v1("a"), None).unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_millis(100)));
    for _ in 0..9 {
        assert!(world.try_join(v1("a"), None).is_err());
    }
    world.pass(Duration::from_millis(100));
    world.v1("a");
    assert_eq!(world.try_join(v1("a"), None).unwrap_err().code(), "room-full");
}

#[test]
fn all_members_can_rejoin_at_once_after_a_hub_restart() {
    for capacity in [ROOM, 300] {
        let config = HubConfig::default().with_token_key([7; 32]).with_room_capacity(capacity);
        let config = config.with_pair_keys(false);
        let mut world = World::new(config.clone());
        let tokens: Vec<_> = (0..capacity).map(|_| world.v1("a").1.token).collect();
        let mut restarted = World::new(config);
        for token in &tokens {
            restarted.resume("a", token);
        }
    }
}

/// Returns the bytes that the hub sends because of one client that joins a hundred times per second: per join,
/// and per byte that the client sends.
fn amplification(config: HubConfig, attempts: usize, resumes: bool) -> [usize; 2] {
    let limits = Some(PeerLimits::from(&Limits::default()));
    let join = |token| {
        let mut join = v1("a");
        (join.limits, join.token) = (limits, token);
        join
    };
    let mut world = World::new(config);
    let newcomer = world.try_join(join(None), None).unwrap();
    let mut token = world.welcome(newcomer).token;
    for _ in 0..ROOM - 2 {
        world.try_join(join(None), None).unwrap();
    }
    let sent = |world: &mut World| -> usize {
        world.log.clear();
        let inboxes = std::mem::take(&mut world.inboxes).into_values().flatten();
        inboxes.map(|message| message.to_packet().unwrap().wire_len()).sum()
    };
    sent(&mut world);
    let (mut asked, mut answered, mut largest) = (0, 0, 0);
    for _ in 0..attempts {
        let join = join(resumes.then(|| token.clone()));
        asked += format!(r#"40{{"p2p":{}}}"#, serde_json::to_string(&join).unwrap()).len();
        if let Ok(client) = world.try_join(join, None) {
            if let ServerMessage::NumClients { welcome, .. } = &world.inboxes[&client][0] {
                token.clone_from(&welcome.as_ref().unwrap().token);
            }
            let departure = if resumes { Departure::Lost } else { Departure::Left };
            world.part(client, departure);
            let caused = sent(&mut world);
            largest = largest.max(caused);
            answered += caused;
        }
        world.pass(Duration::from_millis(10));
    }
    [largest, answered / asked]
}

#[test]
fn repeated_joins_cause_no_more_traffic_than_their_rate_limits() {
    let unbounded = || {
        let config = HubConfig::default().with_room_join_rate(u32::MAX, u32::MAX);
        config.with_resume_rate(u32::MAX, u32::MAX)
    };
    // Resuming members, and newcomers.
    let before = [true, false].map(|resumes| amplification(unbounded(), 100, resumes));
    assert_eq!(before, [[25_813, 133], [26_598, 237]]);
    let after = [true, false].map(|resumes| amplification(HubConfig::default(), 6_000, resumes));
    assert_eq!(after, [[25_813, 3], [26_598, 45]], "in a minute");
}

const LIMITS: PeerLimits = {
    let mut limits = PeerLimits::unbounded();
    (limits.packet_bytes, limits.attachments) = (4_000, 0);
    (limits.json_depth, limits.event_name, limits.namespace) = (8, 32, 64);
    limits
};

#[test]
fn the_limits_of_a_member_are_sent_to_all() {
    let mut world = World::new(HubConfig::default());
    let (first, first_id) = world.v1("a");
    let modest = |limits, token| {
        let mut join = v1("a");
        (join.limits, join.token) = (limits, token);
        join
    };
    let second = world.try_join(modest(Some(LIMITS), None), None).unwrap();
    let second_id = world.welcome(second);
    assert_eq!(second_id.roster[0].limits, None, "absent: unknown");
    let joined = |world: &mut World, client| match &world.inboxes.remove(&client).unwrap()[..] {
        [ServerMessage::PeerJoin(member)] => member.limits,
        other => panic!("expected a join, got {other:?}"),
    };
    assert_eq!(joined(&mut world, first), Some(LIMITS));
    let (third, welcome) = world.v1("a");
    let limits: Vec<_> = welcome.roster.iter().map(|member| member.limits).collect();
    assert_eq!(limits, [None, Some(LIMITS)]);
    world.forget_all();

    let mut larger = LIMITS;
    larger.packet_bytes = u64::MAX;
    for limits in [Some(larger), None] {
        let token = Some(second_id.token.clone());
        let back = world.try_join(modest(limits, token), None).unwrap();
        assert_eq!(world.welcome(back).id, second_id.id);
        assert_eq!(joined(&mut world, third), limits, "new ones replace the old ones");
    }
    let token = Some(first_id.token);
    world.try_join(modest(Some(larger), token), None).unwrap();
    let members: Vec<_> = world.hub.members(&room_name("a")).map(|m| m.limits).collect();
    assert_eq!(members, [Some(larger), None, None]);
}

#[test]
fn limits_and_epoch_bases_have_their_names_on_the_wire_and_are_optional() {
    let join = v1("a").with_limits(LIMITS);
    let text = r#"{"bytes":4000,"attachments":0,"depth":8,"name":32,"namespace":64}"#;
    let written = serde_json::to_string(&join).unwrap();
    assert_eq!(written, format!(r#"{{"v":1,"room":"a","limits":{text}}}"#));
    let auth = format!(r#"{{"p2p":{written}}}"#);
    assert_eq!(Join::from_auth(&auth).unwrap(), Some(join));
    let bare = Join::from_auth(r#"{"p2p":{"v":1,"room":"a"}}"#).unwrap().unwrap();
    assert_eq!(bare.limits, None);
    assert!(Join::from_auth(r#"{"p2p":{"v":1,"limits":{"bytes":-1}}}"#).is_err());

    let member = format!(r#"{{"id":"x","v":1,"limits":{text}}}"#);
    let read: Member = serde_json::from_str(&member).unwrap();
    assert_eq!(read.limits, Some(LIMITS));
    assert_eq!(serde_json::to_string(&read).unwrap(), member);
    let read: Member = serde_json::from_str(r#"{"id":"x","v":1}"#).unwrap();
    assert_eq!(read.limits, None);

    let mut world = World::new(HubConfig::default());
    let (_, welcome) = world.v1("a");
    let (_, welcome) = world.resume("a", &welcome.token);
    let mut value = serde_json::to_value(&welcome).unwrap();
    assert_eq!(value["epochBase"], EPOCH_BLOCK);
    assert_eq!(serde_json::from_value::<Welcome>(value.clone()).unwrap(), welcome);
    assert_eq!(value["resumeWindow"], 8000);
    for added in ["epochBase", "resumeWindow"] {
        value.as_object_mut().unwrap().remove(added);
    }
    let bare = serde_json::from_value::<Welcome>(value).unwrap();
    assert_eq!((bare.epoch_base, bare.resume_window), (0, None));
}

#[test]
fn the_limits_of_a_v0_client_are_not_sent() {
    let mut world = World::new(HubConfig::default());
    let join = Join::v0(room_name("a")).with_limits(LIMITS);
    world.try_join(join, Some("socket-0")).unwrap();
    assert_eq!(world.v1("a").1.roster[0].limits, None);
}

/// The configuration of a hub that can restart with its key.
fn restartable() -> HubConfig {
    HubConfig::default().with_token_key([3; 32])
}

#[test]
fn each_welcome_has_an_epoch_base_above_all_epochs_of_the_last_one() {
    let mut world = World::new(restartable());
    let (mut client, mut welcome) = world.v1("a");
    assert_eq!(welcome.epoch_base, 0, "a new peer id");
    for restart in 0..8 {
        match restart % 4 {
            0 => world.part(client, Departure::Lost),
            1 => world.part(client, Departure::Left),
            2 => world = World::new(restartable()),
            _ => {}
        }
        let last = welcome;
        (client, welcome) = world.resume("a", &last.token);
        assert_eq!(welcome.id, last.id);
        assert_eq!(welcome.epoch_base, last.epoch_base + EPOCH_BLOCK);
    }
}

#[test]
fn a_client_that_lost_its_welcome_resumes_above_its_used_epochs() {
    let mut world = World::new(restartable());
    let (_, known) = world.v1("a");
    let (lost, _) = world.resume("a", &known.token);
    world.part(lost, Departure::Lost);
    let (_, again) = world.resume("a", &known.token);
    assert_eq!(again.epoch_base, 2 * EPOCH_BLOCK);
    world = World::new(restartable());
    let (_, again) = world.resume("a", &known.token);
    assert_eq!(again.epoch_base, EPOCH_BLOCK, "no epoch of the lost welcomes was used");
}

#[test]
fn an_old_token_gets_the_current_epoch_base_while_the_hub_has_the_seat() {
    let mut world = World::new(restartable());
    let (_, first) = world.v1("a");
    let mut client = world.resume("a", &first.token).0;
    for bases in 2..6 {
        let (next, welcome) = world.resume("a", &first.token);
        assert_eq!(welcome.epoch_base, bases * EPOCH_BLOCK);
        client = next;
    }
    world.part(client, Departure::Lost);
    let (back, welcome) = world.resume("a", &first.token);
    assert_eq!(welcome.epoch_base, 6 * EPOCH_BLOCK);
    // The documented exception.
    world.part(back, Departure::Left);
    assert_eq!(world.resume("a", &first.token).1.epoch_base, EPOCH_BLOCK);
}

#[test]
fn a_newer_token_overrides_an_older_epoch_base_of_the_hub() {
    let mut world = World::new(restartable());
    let (_, first) = world.v1("a");
    let (_, second) = world.resume("a", &first.token);
    let (_, third) = world.resume("a", &second.token);
    world = World::new(restartable());
    world.resume("a", &first.token);
    let (_, welcome) = world.resume("a", &third.token);
    assert_eq!(welcome.epoch_base, third.epoch_base + EPOCH_BLOCK);
}
