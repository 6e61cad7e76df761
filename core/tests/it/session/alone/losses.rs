//! Retransmission of exactly the records that a pong proves lost, and peers that acknowledge nothing.

use super::*;

/// Returns whether packet 0 is sent again.
fn repeats(output: &[SentBundle]) -> bool {
    records(&items(output)).iter().any(|record| record.number == 0)
}

/// Creates a session that has sent one event to `a`, which is not acknowledged.
fn with_an_event_under_way(config: Config) -> Alone {
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    assert_eq!(packets(&items(&alone.sent_to("a"))).len(), 1);
    alone.events();
    alone
}

#[test]
fn unanswered_pings_back_off_and_cause_no_retransmission() {
    let mut alone = with_an_event_under_way(relay_only());
    let (start, mut at) = (alone.now, Vec::new());
    alone.wait_and(Duration::from_secs(29), |alone| {
        let output = alone.sent_to("a");
        assert!(!repeats(&output), "{output:?}");
        at.extend(pings(&items(&output)).iter().map(|_| alone.now - start));
    });
    let apart: Vec<Duration> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((4..12).contains(&at.len()), "{at:?}");
    assert!((900..1_100).contains(&at[0].as_millis()), "one second at first: {at:?}");
    assert!(apart.is_sorted() && apart[0] >= Duration::from_secs(1), "{apart:?}");
}

#[test]
fn records_absent_from_the_state_of_a_pong_are_lost_and_retransmitted() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut asked = Vec::new();
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.sent_to("a"))))
    });
    // A state alone says nothing about records in flight.
    alone.receive_bundle("a", KNOWN, &[has_events(0)]);
    assert!(!repeats(&alone.sent_to("a")));
    alone.receive_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert_eq!(packets(&items(&alone.sent_to("a"))), [(0, r#"2["n",0]"#.to_owned())]);
    // A duplicate pong proves nothing about the retransmission.
    alone.receive_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert!(!repeats(&alone.sent_to("a")));
    alone.receive_bundle("a", KNOWN, &[has_events(1)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn records_sent_after_the_ping_are_not_lost() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut asked = Vec::new();
    alone.wait_and(Duration::from_millis(1_500), |alone| {
        asked.extend(pings(&items(&alone.sent_to("a"))))
    });
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    alone.sent();
    alone.receive_bundle("a", KNOWN, &[has_events(1), Item::Pong(asked[0])]);
    assert!(records(&items(&alone.sent_to("a"))).is_empty());
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn a_pong_on_another_path_or_to_an_unknown_ping_proves_no_loss() {
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
    alone.receive_bundle("a", KNOWN, &[has_events(0), Item::Pong(last)]);
    alone.direct(channel, &[has_events(0), Item::Pong(last + 1)]);
    assert!(!repeats(&alone.written(channel)) && !repeats(&alone.sent_to("a")));
    alone.direct(channel, &[has_events(0), Item::Pong(last)]);
    assert!(repeats(&alone.written(channel)));
}

#[test]
fn a_new_path_is_pinged_before_retransmission() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.written(channel);
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let output = alone.sent_to("a");
    let asked = pings(&items(&output));
    assert!(asked.len() == 1 && !repeats(&output), "{output:?}");
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    assert_eq!(
        packets(&items(&alone.sent_to("a"))),
        [(1, r#"2["n",1]"#.to_owned())],
        "new records are sent"
    );
    alone.receive_bundle("a", KNOWN, &[has_events(0), Item::Pong(asked[0])]);
    assert_eq!(packets(&items(&alone.sent_to("a"))), [(0, r#"2["n",0]"#.to_owned())]);
}

#[test]
fn a_peer_that_is_back_gets_a_ping_and_the_state() {
    let mut alone = with_an_event_under_way(relay_only());
    alone.receive_packet("a", FRESH, 0, "2[\"offer\"]");
    alone.receive(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    let output = alone.sent_to("a");
    assert!(output.len() == 1 && !repeats(&output), "{output:?}");
    let (output, all) = (items(&output), states(&items(&output)));
    assert_eq!(pings(&output).len(), 1);
    assert_eq!((all[0].lanes[0].next.number, &all[0].refused[..]), (1, &[(Lane::Events, 0)][..]));
}

#[test]
fn an_unfinished_packet_continues_on_another_path() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    let event = Packet::event("x", &(Blob::from(vec![1; 60_000]),)).unwrap();
    alone.session.emit(Target::All, &event, alone.now).unwrap();
    let first = records(&items(&alone.written(channel)));
    let sent = first.last().unwrap().offset + first.last().unwrap().bytes.len() as u64;
    assert!((4_000..60_000).contains(&sent), "{sent}");
    let half = first[first.len() / 2].offset;
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let output = alone.sent_to("a");
    let begun = Place { number: 0, offset: half };
    let lane = LaneState { next: begun, ..LaneState::default() };
    let state = State { lanes: [lane, LaneState::default()], ..State::default() };
    let pong = Item::Pong(pings(&items(&output))[0]);
    alone.receive_bundle("a", KNOWN, &[Item::State(state), pong]);
    let again = records(&items(&alone.sent_to("a")));
    assert_eq!(again[0].offset, half);
    assert!(again.iter().all(|record| record.offset >= half));
}

#[test]
fn retransmission_backs_off_while_losses_bring_no_progress() {
    let mut alone = with_an_event_under_way(relay_only());
    let (mut repeated, mut bytes) = (0, 0);
    alone.wait_and(Duration::from_secs(29), |alone| {
        for _ in 0..100 {
            let sent = alone.sent();
            bytes += sent.iter().map(Packet::wire_len).sum::<usize>();
            let output = bundles_to("a", &sent);
            repeated += usize::from(repeats(&output));
            for ping in pings(&items(&output)) {
                alone.receive_bundle("a", KNOWN, &[has_events(0), Item::Pong(ping)]);
            }
        }
    });
    assert!((3..30).contains(&repeated), "{repeated} times in 29 s");
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn the_link_to_a_peer_that_never_acknowledges_ends_and_other_links_continue() {
    let mut alone = Alone::with_members(relay_only(), &[("deaf", 1), ("fine", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.receive_bundle("fine", Epochs { epoch: 1, peer_epoch: 2 }, &[has_events(1)]);
    alone.events();
    alone.wait(Duration::from_secs(29));
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerLeft { .. })));
    alone.wait(Duration::from_secs(2));
    let events = alone.events();
    let left: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::PeerLeft { peer, reason, .. } => Some((peer.as_str(), *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(left, [("deaf", LeaveReason::Stalled)]);
    assert_eq!(outcomes(&events), [Outcome::Unknown]);
    assert_eq!(alone.session.peers().count(), 2, "the peer is still in the room");
}

/// A peer that repeats an acknowledgement of one byte acknowledges nothing new.
#[test]
fn the_link_to_a_peer_that_repeats_one_acknowledgement_ends() {
    let mut alone = with_an_event_under_way(relay_only());
    let lane = LaneState { next: Place { number: 0, offset: 1 }, ..LaneState::default() };
    let state = State { lanes: [lane, LaneState::default()], ..State::default() };
    for _ in 0..60 {
        alone.receive_bundle("a", KNOWN, &[Item::State(state.clone())]);
        alone.wait(Duration::from_secs(10));
    }
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown], "after ten minutes");
}

/// Returns the bytes that a session sends through the server for a hundred small bundles of a peer, while 240
/// KB wait for that peer, which answers pings and acknowledges nothing.
fn sent_for_a_hundred(bundle: impl Fn(u32) -> (Epochs, Vec<Item>)) -> usize {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", Epochs { epoch: 5, peer_epoch: 1 }, &[]);
    for _ in 0..4 {
        let event = Packet::event("n", &("x".repeat(60_000),)).unwrap();
        alone.session.emit(id("a"), &event, alone.now).unwrap();
    }
    let mut output = alone.sent_to("a");
    let mut bytes = 0;
    for number in 0..100 {
        let (epochs, mut items) = bundle(number);
        for ping in pings(&self::items(&output)) {
            items.extend([has_events(0), Item::Pong(ping)]);
        }
        alone.receive_bundle("a", epochs, &items);
        let sent = alone.sent();
        bytes += sent.iter().map(Packet::wire_len).sum::<usize>();
        output = bundles_to("a", &sent);
    }
    bytes
}

#[test]
fn a_peer_that_begins_anew_repeatedly_does_not_cause_full_retransmissions() {
    let bytes =
        sent_for_a_hundred(|number| (Epochs { epoch: 6 + number, peer_epoch: 1 }, Vec::new()));
    assert!(bytes < 500_000, "{bytes} bytes for 100 small bundles, in no time");
}

#[test]
fn a_peer_that_acknowledges_nothing_does_not_cause_full_retransmissions() {
    let epochs = Epochs { epoch: 5, peer_epoch: 1 };
    let bytes =
        sent_for_a_hundred(|number| (epochs, vec![has_events(0), Item::Ping(number.into())]));
    assert!(bytes < 100_000, "{bytes} bytes for 100 small bundles, in no time");
}

/// A receiver without memory drops the next packet in order, and accepts others that need no memory.
#[test]
fn retransmission_of_a_repeatedly_lost_event_backs_off_while_bulk_continues() {
    let mut alone = with_an_event_under_way(relay_only().with_relay_window(8 << 10));
    let big = Packet::event("x", &(Blob::from(vec![1; 400_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &big, alone.now).unwrap();
    let (mut taken, mut repeated, mut rounds) = (0, 0, 0);
    alone.wait_and(Duration::from_secs(3), |alone| {
        for _ in 0..100 {
            let output = items(&alone.sent_to("a"));
            let bulk = Stream::Lane(Lane::Bulk);
            let of_bulk = records(&output).into_iter().filter(|record| record.stream == bulk);
            taken = of_bulk
                .map(|record| record.offset + record.bytes.len() as u64)
                .fold(taken, u64::max);
            let of_events = Stream::Lane(Lane::Events);
            repeated += records(&output).iter().filter(|record| record.stream == of_events).count();
            let Some(asked) = pings(&output).pop() else { break };
            rounds += 1;
            let next = Place { number: 0, offset: taken };
            let lanes = [LaneState::default(), LaneState { next, ..LaneState::default() }];
            let state = Item::State(State { lanes, ..State::default() });
            alone.receive_bundle("a", KNOWN, &[state, Item::Pong(asked)]);
        }
    });
    assert!(taken > 100_000 && rounds > 20, "{taken} bytes in {rounds} rounds");
    assert!((1..10).contains(&repeated), "{repeated} times in {rounds} rounds");
}

#[test]
fn the_link_to_a_peer_that_acknowledges_single_bytes_ends() {
    let mut alone = with_an_event_under_way(relay_only());
    let mut has = 0;
    alone.wait_and(Duration::from_secs(31), |alone| {
        for ping in pings(&items(&alone.sent_to("a"))) {
            has += 1;
            let next = Place { number: 0, offset: has.min(12) };
            let events = LaneState { next, ..LaneState::default() };
            let lanes = [events, LaneState::default()];
            let state = Item::State(State { lanes, ..State::default() });
            alone.receive_bundle("a", KNOWN, &[state, Item::Pong(ping)]);
        }
    });
    assert!(has >= 3, "{has} pings");
    let events = alone.events();
    let stalled =
        |event: &Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Stalled, .. });
    assert!(events.iter().any(stalled), "{events:?}");
}
