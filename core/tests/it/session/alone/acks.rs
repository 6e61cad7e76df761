//! Acknowledgements: content, time and path, and invalid ones.

use super::*;

#[test]
fn an_acknowledgement_beyond_sent_packets_is_a_violation() {
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
        alone.receive_bundle("a", KNOWN, &[Item::State(state.clone())]);
        let events = alone.events();
        assert!(violated(&events) && outcomes(&events).is_empty(), "{state:?}: {events:?}");
    }
}

#[test]
fn a_state_for_another_incarnation_is_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.events();
    alone.receive_bundle("a", FRESH, &[has_events(1)]);
    assert!(alone.events().is_empty());
    alone.receive_bundle("a", KNOWN, &[has_events(1)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered]);
}

#[test]
fn packet_numbers_at_the_end_of_their_range_do_no_harm() {
    const END: u64 = u64::MAX;
    let far = Epochs { epoch: u32::MAX, peer_epoch: 0 };
    for lane in Lane::ALL {
        for (seq, at, end) in [(END, 0, true), (END - 1, 0, false), (1, END, true), (0, END, false)]
        {
            let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
            let numbers = Numbers { epochs: far, lane, seq };
            alone.receive_record("a", numbers, Piece { at, end }, flat("2[\"x\"]", &[]));
            alone.receive_bundle(
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
    alone.receive_bundle("a", known, &[Item::State(state)]);
    for (number, offset) in [(END, 0), (0, END), (END, END), (64, 5), (65, 0)] {
        let record = Record {
            stream: Stream::Transfers,
            number,
            offset,
            end: true,
            abort: false,
            bytes: Bytes::from_static(b"x"),
        };
        alone.receive_bundle("a", known, &[Item::Record(record)]);
    }
    alone.wait(Duration::from_secs(60));
    assert_eq!(alone.session.peers().count(), 1);
}

#[test]
fn a_malformed_bundle_is_reported_and_its_items_before_the_fault_count() {
    for rest in [&[0x84][..], &[0x84, 0, 9, 1], &[1, 0], &[3, 1, 0], &[7, 2, 0, 0x40], &[2]] {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        alone.events();
        let good = Bundle::write(FRESH, &[packet(0, "2[\"x\"]")]);
        alone.receive_body("a", [&good[..], rest].concat().into());
        let events = alone.events();
        assert!(violated(&events), "{rest:?}: {events:?}");
        assert_eq!(names(&events), ["x"]);
    }
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    for body in [&[][..], &[1], &[0xff; 8]] {
        alone.receive_body("a", Bytes::copy_from_slice(body));
        assert!(violated(&alone.events()), "{body:?}");
    }
    alone.receive_bundle("a", FRESH, &[packet(0, "2[\"x\"]")]);
    assert_eq!(names(&alone.events()), ["x"]);
}

#[test]
fn control_of_a_later_version_is_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let known = Bundle::write(FRESH, &[packet(0, "2[\"x\"]")]);
    alone.receive_body("a", [&[1, 0, 0x7f, 3, 9, 9, 9][..], &known[2..]].concat().into());
    let events = alone.events();
    assert_eq!((names(&events), violated(&events)), (vec!["x".to_owned()], false));
}

#[test]
fn records_are_acknowledged_within_the_delay() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, vec![0; 2000], false)]);
    assert!(alone.sent().is_empty());
    let due = alone.session.poll_timeout().expect("an acknowledgement is planned");
    assert!(due - alone.now <= Duration::from_millis(20));
    alone.session.handle_timeout(due);
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output[0].lanes[0].next, Place { number: 0, offset: 2000 });
}

#[test]
fn many_records_are_acknowledged_at_once_and_so_are_64_kib() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let many: Vec<Item> = (0..32).map(|number| packet(number, "2[\"x\"]")).collect();
    alone.receive_bundle("a", FRESH, &many);
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output[0].lanes[0].next, Place { number: 32, offset: 0 });
    for offset in 0..4 {
        let bytes = vec![0; 16 << 10];
        alone.receive_bundle("a", FRESH, &[piece(Lane::Bulk, 0, offset << 14, bytes, false)]);
    }
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output[0].lanes[1].next, Place { number: 0, offset: 64 << 10 });
}

#[test]
fn records_out_of_order_are_acknowledged_and_wait() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let whole = flat("2[\"first\"]", &[]);
    let (start, end) = (whole.slice(..5), whole.slice(5..));
    alone.receive_bundle(
        "a",
        FRESH,
        &[packet(1, "2[\"second\"]"), piece(Lane::Events, 0, 5, end, true), Item::Ping(1)],
    );
    assert!(alone.events().is_empty());
    let output = items(&alone.sent_to("a"));
    let place = |number, offset| Place { number, offset };
    let expected = LaneState { next: place(0, 0), ahead: vec![(place(0, 5), place(2, 0))] };
    assert_eq!(states(&output)[0].lanes[0], expected);
    assert!(output.contains(&Item::Pong(1)));
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, start, false)]);
    assert_eq!(names(&alone.events()), ["first", "second"]);
}

#[test]
fn duplicate_bytes_in_other_records_and_on_another_path_are_dropped() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    let whole = flat("2[\"cut\"]", &[]);
    let cut = |from: usize, to: usize| {
        piece(Lane::Events, 0, from as u64, whole.slice(from..to), to == whole.len())
    };
    alone.receive_bundle("a", FRESH, &[cut(2, 6)]);
    alone.direct(channel, &[cut(0, 4), cut(4, 9)]);
    alone.receive_bundle("a", FRESH, &[cut(0, whole.len() - 1)]);
    assert!(alone.events().is_empty());
    alone.direct(channel, &[cut(7, whole.len()), cut(0, whole.len())]);
    assert_eq!(names(&alone.events()), ["cut"]);
}

#[test]
fn a_ping_is_answered_on_its_path_with_pong_and_state() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.receive_bundle("a", FRESH, &[Item::Ping(7)]);
    let on_relay = items(&alone.sent_to("a"));
    assert!(on_relay.contains(&Item::Pong(7)), "{on_relay:?}");
    assert_eq!(states(&on_relay)[0].lanes[0].next.number, 1);
    assert!(!items(&alone.written(channel)).contains(&Item::Pong(7)));
}

#[test]
fn records_on_the_channel_are_acknowledged_there_despite_an_answer_on_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    // The hub has lost "a", and earlier output of "a" arrives late.
    alone.receive(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    alone.wait(Duration::from_millis(20));
    let output = states(&items(&alone.written(channel)));
    assert!(output.iter().any(|state| state.lanes[0].next.number == 1), "{output:?}");
}

#[test]
fn records_on_an_unvalidated_channel_are_acknowledged_there() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.open_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.wait(Duration::from_millis(20));
    let output = states(&items(&alone.written(channel)));
    assert!(output.iter().any(|state| state.lanes[0].next.number == 1), "{output:?}");
}

#[test]
fn acknowledgements_owed_on_a_closed_channel_move_to_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    alone.direct(channel, &[packet(0, "2[\"x\"]")]);
    alone.session.handle_direct_closed(channel, "gone".into(), alone.now);
    let output = states(&items(&alone.sent_to("a")));
    assert!(output.iter().any(|state| state.lanes[0].next.number == 1), "{output:?}");
}

/// An application that emits a received packet again emits it with the ack id of the original sender.
#[test]
fn the_answer_to_a_forwarded_event_does_not_match_another_emit() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.receive_packet("b", FRESH, 0, r#"20["theirs"]"#);
    let theirs = alone.events().into_iter().find_map(|event| match event {
        Event::Received { packet, .. } => Some(packet),
        _ => None,
    });
    let question = Packet::event("ours", &()).unwrap();
    alone.session.emit_with_ack(id("a"), &question, None, alone.now).unwrap();
    alone.session.emit(id("a"), &theirs.unwrap(), alone.now).unwrap();
    let output = packets(&items(&alone.sent_to("a")));
    let heads: Vec<&str> = output.iter().map(|(_, head)| head.as_str()).collect();
    assert_eq!(heads, [r#"20["ours"]"#, r#"2["theirs"]"#]);
}
