//! What is sent again: what a pong shows to be lost, and nothing else; and peers that acknowledge nothing.

use super::*;

/// Whether packet 0 goes out again.
fn repeats(said: &[SentBundle]) -> bool {
    records(&items(said)).iter().any(|record| record.number == 0)
}

/// A session that has sent one event to `a`, of which nothing has come back.
fn with_an_event_under_way(config: Config) -> Alone {
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    assert_eq!(packets(&items(&alone.said("a"))).len(), 1);
    alone.events();
    alone
}

#[test]
fn without_an_answer_there_are_pings_further_and_further_apart_and_no_repetition() {
    let mut alone = with_an_event_under_way(relay_only());
    let (start, mut at) = (alone.now, Vec::new());
    alone.wait_and(Duration::from_secs(29), |alone| {
        let said = alone.said("a");
        assert!(!repeats(&said), "{said:?}");
        at.extend(pings(&items(&said)).iter().map(|_| alone.now - start));
    });
    let apart: Vec<Duration> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((4..12).contains(&at.len()), "{at:?}");
    assert!((900..1_100).contains(&at[0].as_millis()), "one second at first: {at:?}");
    assert!(apart.is_sorted() && apart[0] >= Duration::from_secs(1), "{apart:?}");
}

#[test]
fn what_is_not_in_the_state_beside_a_pong_is_lost_and_sent_again() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut asked = Vec::new();
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.said("a"))))
    });
    // A state alone says nothing of what is under way.
    alone.hear_bundle("a", KNOWN, &[has_events(0)]);
    assert!(!repeats(&alone.said("a")));
    alone.hear_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert_eq!(packets(&items(&alone.said("a"))), [(0, r#"2["n",0]"#.to_owned())]);
    // The same pong again proves nothing of the repetition.
    alone.hear_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert!(!repeats(&alone.said("a")));
    alone.hear_bundle("a", KNOWN, &[has_events(1)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn what_was_sent_after_the_ping_is_not_lost() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut asked = Vec::new();
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.said("a"))))
    });
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    alone.sent();
    alone.hear_bundle("a", KNOWN, &[has_events(1), Item::Pong(asked[0])]);
    assert!(records(&items(&alone.said("a"))).is_empty());
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn a_pong_on_another_path_or_to_no_ping_of_ours_proves_nothing() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    assert_eq!(packets(&items(&alone.written(channel))).len(), 1);
    let mut asked = Vec::new();
    alone.wait_and(Duration::from_millis(1_200), |alone| {
        asked.extend(pings(&items(&alone.written(channel))));
        alone.sent();
    });
    let last = *asked.last().expect("the channel is asked");
    alone.hear_bundle("a", KNOWN, &[has_events(0), Item::Pong(last)]);
    alone.direct(channel, &[has_events(0), Item::Pong(last + 1)]);
    assert!(!repeats(&alone.written(channel)) && !repeats(&alone.said("a")));
    alone.direct(channel, &[has_events(0), Item::Pong(last)]);
    assert!(repeats(&alone.written(channel)));
}

#[test]
fn a_path_that_is_taken_up_is_asked_before_anything_is_sent_again() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.written(channel);
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let said = alone.said("a");
    let asked = pings(&items(&said));
    assert!(asked.len() == 1 && !repeats(&said), "{said:?}");
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    assert_eq!(
        packets(&items(&alone.said("a"))),
        [(1, r#"2["n",1]"#.to_owned())],
        "what is new goes on"
    );
    alone.hear_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert_eq!(packets(&items(&alone.said("a"))), [(0, r#"2["n",0]"#.to_owned())]);
}

#[test]
fn a_peer_that_comes_back_is_asked_and_told_everything() {
    let mut alone = with_an_event_under_way(relay_only());
    alone.hear_packet("a", FRESH, 0, "2[\"offer\"]");
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let said = alone.said("a");
    assert!(said.len() == 1 && !repeats(&said), "{said:?}");
    let (said, all) = (items(&said), states(&items(&said)));
    assert_eq!(pings(&said).len(), 1);
    assert_eq!((all[0].lanes[0].next.number, &all[0].refused[..]), (1, &[(Lane::Events, 0)][..]));
}

#[test]
fn a_packet_in_pieces_goes_on_where_it_stopped_on_another_path() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    let event = Packet::event("x", &(Blob::from(vec![1; 60_000]),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let first = records(&items(&alone.written(channel)));
    let sent = first.last().unwrap().offset + first.last().unwrap().bytes.len() as u64;
    assert!((4_000..60_000).contains(&sent), "{sent}");
    let half = first[first.len() / 2].offset;
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let said = alone.said("a");
    let begun = Place { number: 0, offset: half };
    let lane = LaneState { next: begun, ..LaneState::default() };
    let state = State { lanes: [lane, LaneState::default()], ..State::default() };
    let pong = Item::Pong(pings(&items(&said))[0]);
    alone.hear_bundle("a", KNOWN, &[Item::State(state), pong]);
    let again = records(&items(&alone.said("a")));
    assert_eq!(again[0].offset, half);
    assert!(again.iter().all(|record| record.offset >= half));
}

#[test]
fn losses_without_progress_are_made_good_more_and_more_slowly() {
    let mut alone = with_an_event_under_way(relay_only());
    let (mut repeated, mut bytes) = (0, 0);
    alone.wait_and(Duration::from_secs(29), |alone| {
        for _ in 0..100 {
            let sent = alone.sent();
            bytes += sent.iter().map(Packet::wire_len).sum::<usize>();
            let said = said_to("a", &sent);
            repeated += usize::from(repeats(&said));
            for ping in pings(&items(&said)) {
                alone.hear_bundle("a", KNOWN, &[has_events(0), Item::Pong(ping)]);
            }
        }
    });
    assert!((3..30).contains(&repeated), "{repeated} times in 29 s");
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn a_peer_that_takes_and_never_acknowledges_is_given_up_and_the_others_go_on() {
    let mut alone = Alone::with_members(relay_only(), &[("deaf", 1), ("fine", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.hear_bundle("fine", Epochs { epoch: 1, peer_epoch: 2 }, &[has_events(1)]);
    alone.events();
    alone.wait(Duration::from_secs(29));
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerLeft { .. })));
    alone.wait(Duration::from_secs(2));
    let events = alone.events();
    let left: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::PeerLeft { peer, reason } => Some((peer.as_str(), *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(left, [("deaf", LeaveReason::Stalled)]);
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert_eq!(alone.session.peers().count(), 2, "it is in the room still");
}

/// A peer that repeats that it has one byte of a packet acknowledges nothing.
#[test]
fn a_peer_that_acknowledges_the_same_piece_again_and_again_is_given_up() {
    let mut alone = with_an_event_under_way(relay_only());
    let lane = LaneState { next: Place { number: 0, offset: 1 }, ..LaneState::default() };
    let state = State { lanes: [lane, LaneState::default()], ..State::default() };
    for _ in 0..60 {
        alone.hear_bundle("a", KNOWN, &[Item::State(state.clone())]);
        alone.wait(Duration::from_secs(10));
    }
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown], "after ten minutes");
}

/// What a session sends through the server for a hundred small bundles of a peer, while 240 KB of its own wait for that
/// peer. Pings are answered by a peer that has got nothing.
fn sent_for_a_hundred(bundle: impl Fn(u32) -> (Epochs, Vec<Item>)) -> usize {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_bundle("a", Epochs { epoch: 5, peer_epoch: 1 }, &[]);
    for _ in 0..4 {
        let event = Packet::event("n", &("x".repeat(60_000),)).unwrap();
        alone.session.emit(id("a"), &event, alone.now).unwrap();
    }
    let mut said = alone.said("a");
    let mut bytes = 0;
    for number in 0..100 {
        let (epochs, mut items) = bundle(number);
        for ping in pings(&self::items(&said)) {
            items.extend([has_events(0), Item::Pong(ping)]);
        }
        alone.hear_bundle("a", epochs, &items);
        let sent = alone.sent();
        bytes += sent.iter().map(Packet::wire_len).sum::<usize>();
        said = said_to("a", &sent);
    }
    bytes
}

#[test]
fn a_peer_that_begins_anew_all_the_time_does_not_make_us_send_everything_each_time() {
    let bytes =
        sent_for_a_hundred(|number| (Epochs { epoch: 6 + number, peer_epoch: 1 }, Vec::new()));
    assert!(bytes < 500_000, "{bytes} bytes for 100 small bundles, in no time");
}

#[test]
fn a_peer_that_has_nothing_all_the_time_does_not_make_us_send_everything_each_time() {
    let epochs = Epochs { epoch: 5, peer_epoch: 1 };
    let bytes =
        sent_for_a_hundred(|number| (epochs, vec![has_events(0), Item::Ping(number.into())]));
    assert!(bytes < 100_000, "{bytes} bytes for 100 small bundles, in no time");
}

/// A receiver without memory drops the packet whose turn it is, and takes what needs none.
#[test]
fn an_event_that_is_lost_whenever_it_is_sent_waits_although_bulk_goes_on() {
    let mut alone = with_an_event_under_way(relay_only().with_relay_window(8 << 10));
    let big = Packet::event("x", &(Blob::from(vec![1; 400_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &big, alone.now).unwrap();
    let (mut taken, mut repeated, mut rounds) = (0, 0, 0);
    alone.wait_and(Duration::from_secs(3), |alone| {
        for _ in 0..100 {
            let said = items(&alone.said("a"));
            let bulk = Stream::Lane(Lane::Bulk);
            let of_bulk = records(&said).into_iter().filter(|record| record.stream == bulk);
            taken = of_bulk
                .map(|record| record.offset + record.bytes.len() as u64)
                .fold(taken, u64::max);
            let of_events = Stream::Lane(Lane::Events);
            repeated += records(&said).iter().filter(|record| record.stream == of_events).count();
            let Some(asked) = pings(&said).pop() else { break };
            rounds += 1;
            let next = Place { number: 0, offset: taken };
            let lanes = [LaneState::default(), LaneState { next, ..LaneState::default() }];
            let state = Item::State(State { lanes, ..State::default() });
            alone.hear_bundle("a", KNOWN, &[state, Item::Pong(asked)]);
        }
    });
    assert!(taken > 100_000 && rounds > 20, "{taken} bytes in {rounds} rounds");
    assert!((1..10).contains(&repeated), "{repeated} times in {rounds} rounds");
}

#[test]
fn a_peer_that_acknowledges_a_byte_with_each_ping_is_given_up_as_well() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut has = 0;
    alone.wait_and(Duration::from_secs(31), |alone| {
        for ping in pings(&items(&alone.said("a"))) {
            has += 1;
            let next = Place { number: 0, offset: has.min(12) };
            let events = LaneState { next, ..LaneState::default() };
            let lanes = [events, LaneState::default()];
            let state = Item::State(State { lanes, ..State::default() });
            alone.hear_bundle("a", KNOWN, &[state, Item::Pong(ping)]);
        }
    });
    assert!(has >= 3, "{has} pings");
    let events = alone.events();
    let stalled =
        |event: &Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Stalled, .. });
    assert!(events.iter().any(stalled), "{events:?}");
}
