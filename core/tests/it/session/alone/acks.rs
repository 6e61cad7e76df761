//! What is acknowledged, when and where, and acknowledgements that cannot be.

use super::*;

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_misbehaviour() {
    let place = |number, offset| Place { number, offset };
    let ahead = |from, to| LaneState { ahead: vec![(from, to)], ..LaneState::default() };
    let lanes = [
        LaneState { next: place(u64::MAX, 0), ..LaneState::default() },
        LaneState { next: place(2, 0), ..LaneState::default() },
        LaneState { next: place(0, 100), ..LaneState::default() },
        ahead(place(1, 0), place(3, 0)),
        ahead(place(0, 9), place(0, 3)),
    ];
    for lane in lanes {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
        alone.sent();
        alone.events();
        let state = State { lanes: [lane, LaneState::default()], ..State::default() };
        alone.hear_bundle("a", KNOWN, &[Item::State(state.clone())]);
        let events = alone.events();
        assert!(misbehaved(&events) && outcomes(&events).is_empty(), "{state:?}: {events:?}");
    }
}

#[test]
fn what_a_peer_has_of_another_incarnation_counts_for_nothing() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.events();
    alone.hear_bundle("a", FRESH, &[has_events(1)]);
    assert!(alone.events().is_empty());
    alone.hear_bundle("a", KNOWN, &[has_events(1)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn numbers_at_the_end_of_their_range_do_no_harm() {
    const END: u64 = u64::MAX;
    let far = Epochs { epoch: u32::MAX, peer_epoch: 0 };
    for lane in Lane::ALL {
        for (seq, at, end) in [(END, 0, true), (END - 1, 0, false), (1, END, true), (0, END, false)]
        {
            let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
            let numbers = Numbers { epochs: far, lane, seq };
            alone.hear_record("a", numbers, Piece { at, end }, flat("2[\"x\"]", &[]));
            alone.hear_bundle(
                "a",
                far,
                &[Item::Ping(END), Item::Pong(END), Item::GivenUp(u32::MAX)],
            );
            alone.wait(Duration::from_secs(60));
            assert_eq!(alone.session.peers().count(), 1, "{lane:?} {seq} {at}");
        }
    }
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let place = Place { number: END, offset: END };
    let lane = LaneState { next: place, ahead: vec![(place, place); 16] };
    let state = State {
        lanes: [lane.clone(), lane],
        seen: END,
        settled: [END; 2],
        refused: vec![(Lane::Bulk, END); 64],
        opened: END,
        open: vec![END; 1000],
        ..State::default()
    };
    let known = Epochs { peer_epoch: 1, ..far };
    alone.hear_bundle("a", known, &[Item::State(state)]);
    for (number, offset) in [(END, 0), (0, END), (END, END), (64, 5), (65, 0)] {
        let record = Record {
            stream: Stream::Transfers,
            number,
            offset,
            end: true,
            abort: false,
            bytes: Bytes::from_static(b"x"),
        };
        alone.hear_bundle("a", known, &[Item::Record(record)]);
    }
    alone.wait(Duration::from_secs(60));
    assert_eq!(alone.session.peers().count(), 1);
}

#[test]
fn what_cannot_be_read_is_the_peers_fault_and_what_came_before_it_counts() {
    for rest in [&[0x84][..], &[0x84, 0, 9, 1], &[1, 0], &[3, 1, 0], &[7, 2, 0, 0x40], &[2]] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.events();
        let good = Bundle::write(FRESH, &[packet(0, "2[\"x\"]")]);
        alone.hear_body("a", [&good[..], rest].concat().into());
        let events = alone.events();
        assert!(misbehaved(&events), "{rest:?}: {events:?}");
        assert_eq!(names(&events), ["x"]);
    }
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    for body in [&[][..], &[1], &[0xff; 8]] {
        alone.hear_body("a", Bytes::copy_from_slice(body));
        assert!(misbehaved(&alone.events()), "{body:?}");
    }
    alone.hear_bundle("a", FRESH, &[packet(0, "2[\"x\"]")]);
    assert_eq!(names(&alone.events()), ["x"]);
}

#[test]
fn control_of_a_later_version_is_passed_over() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let known = Bundle::write(FRESH, &[packet(0, "2[\"x\"]")]);
    alone.hear_body("a", [&[1, 0, 0x7f, 3, 9, 9, 9][..], &known[2..]].concat().into());
    let events = alone.events();
    assert_eq!((names(&events), misbehaved(&events)), (vec!["x".to_owned()], false));
}

#[test]
fn pieces_are_acknowledged_within_the_delay() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, vec![0; 2000], false)]);
    assert!(alone.sent().is_empty());
    let due = alone.session.poll_timeout().expect("an acknowledgement is planned");
    assert!(due - alone.now <= Duration::from_millis(20));
    alone.session.handle_timeout(due);
    let said = states(&items(&alone.said("a")));
    assert_eq!(said[0].lanes[0].next, Place { number: 0, offset: 2000 });
}

#[test]
fn many_records_are_acknowledged_at_once_and_so_are_64_kib() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let many: Vec<Item> = (0..32).map(|number| packet(number, "2[\"x\"]")).collect();
    alone.hear_bundle("a", FRESH, &many);
    let said = states(&items(&alone.said("a")));
    assert_eq!(said[0].lanes[0].next, Place { number: 32, offset: 0 });
    for offset in 0..4 {
        let bytes = vec![0; 16 << 10];
        alone.hear_bundle("a", FRESH, &[piece(Lane::Bulk, 0, offset << 14, bytes, false)]);
    }
    let said = states(&items(&alone.said("a")));
    assert_eq!(said[0].lanes[1].next, Place { number: 0, offset: 64 << 10 });
}

#[test]
fn what_comes_ahead_of_its_turn_is_told_and_waits() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let whole = flat("2[\"first\"]", &[]);
    let (start, end) = (whole.slice(..5), whole.slice(5..));
    alone.hear_bundle(
        "a",
        FRESH,
        &[packet(1, "2[\"second\"]"), piece(Lane::Events, 0, 5, end, true), Item::Ping(1)],
    );
    assert!(alone.events().is_empty());
    let said = items(&alone.said("a"));
    let place = |number, offset| Place { number, offset };
    let expected = LaneState { next: place(0, 0), ahead: vec![(place(0, 5), place(2, 0))] };
    assert_eq!(states(&said)[0].lanes[0], expected);
    assert!(said.contains(&Item::Pong(1)));
    alone.hear_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, start, false)]);
    assert_eq!(names(&alone.events()), ["first", "second"]);
}

#[test]
fn the_same_bytes_may_come_again_cut_otherwise_and_on_another_path() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    let whole = flat("2[\"cut\"]", &[]);
    let cut = |from: usize, to: usize| {
        piece(Lane::Events, 0, from as u64, whole.slice(from..to), to == whole.len())
    };
    alone.hear_bundle("a", FRESH, &[cut(2, 6)]);
    alone.direct(channel, &[cut(0, 4), cut(4, 9)]);
    alone.hear_bundle("a", FRESH, &[cut(0, whole.len() - 1)]);
    assert!(alone.events().is_empty());
    alone.direct(channel, &[cut(7, whole.len()), cut(0, whole.len())]);
    assert_eq!(names(&alone.events()), ["cut"]);
}

#[test]
fn a_ping_is_answered_where_it_came_with_the_whole_state() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.hear_bundle("a", FRESH, &[Item::Ping(7)]);
    let on_relay = items(&alone.said("a"));
    assert!(on_relay.contains(&Item::Pong(7)), "{on_relay:?}");
    assert_eq!(states(&on_relay)[0].lanes[0].next.number, 1);
    assert!(!items(&alone.written(channel)).contains(&Item::Pong(7)));
}

#[test]
fn what_came_on_the_channel_is_acknowledged_there_whatever_was_answered_on_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    // Our hub has lost "a", and what it said before comes late.
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.hear_bundle("a", FRESH, &[Item::Ping(1)]);
    alone.wait(Duration::from_millis(20));
    let said = states(&items(&alone.written(channel)));
    assert!(said.iter().any(|state| state.lanes[0].next.number == 1), "{said:?}");
}

#[test]
fn what_came_on_a_channel_before_it_proved_itself_is_acknowledged_there() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.open_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.wait(Duration::from_millis(20));
    let said = states(&items(&alone.written(channel)));
    assert!(said.iter().any(|state| state.lanes[0].next.number == 1), "{said:?}");
}

#[test]
fn what_is_owed_on_a_channel_that_closes_is_said_through_the_server() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let said = states(&items(&alone.said("a")));
    assert!(said.iter().any(|state| state.lanes[0].next.number == 1), "{said:?}");
}

/// An application that passes an event on sends what it has received: with the ack id of whoever asked first.
#[test]
fn the_answer_to_an_event_that_is_passed_on_is_not_taken_for_the_answer_to_another() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.hear_packet("b", FRESH, 0, r#"20["theirs"]"#);
    let theirs = alone.events().into_iter().find_map(|event| match event {
        Event::Received { packet, .. } => Some(packet),
        _ => None,
    });
    let question = Packet::event("ours", &()).unwrap();
    alone.session.emit_with_ack(id("a"), &question, None, alone.now).unwrap();
    alone.session.emit(id("a"), &theirs.unwrap(), alone.now).unwrap();
    let said = packets(&items(&alone.said("a")));
    let heads: Vec<&str> = said.iter().map(|(_, head)| head.as_str()).collect();
    assert_eq!(heads, [r#"20["ours"]"#, r#"2["theirs"]"#]);
}
