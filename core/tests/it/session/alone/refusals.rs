//! Refused packets: the sender learns of each, whatever is lost.

use std::collections::BTreeSet;

use super::*;

/// An unacceptable event: its name is reserved for the dialect.
const BAD: &str = "2[\"offer\"]";

#[test]
fn a_malformed_packet_is_refused_and_the_lane_continues() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let heads = [
        "",
        "9",
        "2",
        "2[\"x\",",
        "0{}",
        "4{}",
        "2[\"offers\",1]",
        "2[\"p2p:relay\"]",
        "51-[\"x\"]",
    ];
    let mut bad: Vec<Bytes> = heads.iter().map(|head| flat(head, &[])).collect();
    bad.push(flat("2/socketio-p2p,[\"x\"]", &[]));
    bad.push(flat("2[\"x\"]", &[b"one blob too many"]));
    bad.extend(
        [&b""[..], b"\0\0\0", b"\0\0\0\x092[\"x\"]", b"\0\0\0\x01\xff"].map(Bytes::from_static),
    );
    let epochs = FRESH;
    for (seq, flat) in (0..).zip(&bad) {
        let numbers = Numbers { epochs, lane: Lane::Events, seq };
        alone.receive_record("a", numbers, Piece::WHOLE, flat.clone());
        let events = alone.events();
        let error = |event: &Event| matches!(event, Event::PeerError { .. });
        assert!(events.len() == 1 && has(&events, error), "{flat:?}: {events:?}");
    }
    alone.receive_packet("a", epochs, bad.len() as u64, "2[\"fine\"]");
    assert_eq!(names(&alone.events()), ["fine"]);
    alone.receive_bundle("a", epochs, &[Item::Ping(1)]);
    let output = states(&items(&alone.sent_to("a")));
    let refused: Vec<(Lane, u64)> =
        (0..bad.len() as u64).map(|number| (Lane::Events, number)).collect();
    assert_eq!(output.last().unwrap().refused, refused);
}

/// Checks that in each state, the refused packets below `next` are among the refusals or settled.
fn assert_all_are_told(states: &[State], settled: u64) {
    assert!(!states.is_empty());
    for state in states {
        let told: BTreeSet<u64> = state.refused.iter().map(|(_, number)| *number).collect();
        let next = state.lanes[0].next.number;
        let untold: Vec<u64> = (settled..next).filter(|number| !told.contains(number)).collect();
        assert!(untold.is_empty(), "acknowledged as delivered: {untold:?}");
        assert!(told.len() <= 64);
    }
}

#[test]
fn every_refused_packet_below_next_is_among_the_refusals() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for seq in 0..200 {
        alone.receive_packet("a", FRESH, seq, BAD);
    }
    let mut settled = 0;
    for ping in 0..10 {
        alone.receive_bundle("a", KNOWN, &[Item::Ping(ping)]);
        let output = states(&items(&alone.sent_to("a")));
        assert_all_are_told(&output, settled);
        let next = output.last().unwrap().lanes[0].next.number;
        assert!(next <= settled + 64, "{next} after {settled}");
        settled = next;
        let known = State { settled: [settled, 0], ..State::default() };
        alone.receive_bundle("a", KNOWN, &[Item::State(known)]);
    }
    assert_eq!(settled, 200);
}

#[test]
fn a_sender_that_knows_a_refusal_settles_it() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    let Item::State(has_it) = has_events(1) else { unreachable!() };
    let refusal = State { refused: vec![(Lane::Events, 0)], ..has_it.clone() };
    for _ in 0..2 {
        alone.receive_bundle("a", KNOWN, &[Item::State(refusal.clone())]);
        let output = states(&items(&alone.sent_to("a")));
        assert_eq!(output.len(), 1, "{output:?}");
        assert_eq!(output[0].settled, [1, 0]);
    }
    assert_eq!(outcomes(&alone.events()), [Outcome::Refused]);
    alone.receive_bundle("a", KNOWN, &[Item::State(has_it)]);
    assert!(alone.sent().is_empty());
}

#[test]
fn refusals_beyond_their_maximum_are_a_violation() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.events();
    // Next 1 and no ranges in the first lane, none in the second, nothing seen or settled; 65 refusals, no
    // transfers.
    let mut content = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 65];
    (0..65).for_each(|number| content.extend([0, number % 64]));
    content.extend([0, 0, 0]);
    let body = [&[1, 1, 3, 0x40, content.len() as u8][..], &content].concat();
    alone.receive_body("a", body.into());
    let events = alone.events();
    assert!(violated(&events) && outcomes(&events).is_empty(), "{events:?}");
}

/// The receiver accepts no attachments and the sender sends some: every event is refused, whatever the server
/// loses.
#[test]
fn a_refusal_is_reported_although_acknowledgements_are_lost() {
    let mut from = Alone::with_members(relay_only(), &[("a", 1)]);
    let limits = relay_only().limits.with_max_attachments(0);
    let mut to = Alone::with_members(relay_only().with_limits(limits), &[("a", 1)]);
    for _ in 0..128 {
        let event = Packet::event("x", &(Blob::from(vec![1]),)).unwrap();
        from.session.emit(Target::All, &event, from.now).unwrap();
    }
    for _ in 0..50 {
        pass(&from.sent(), &mut to);
        to.wait(Duration::from_millis(30));
        from.wait_and(Duration::from_millis(30), |_| ());
    }
    converse(&mut from, &mut to, Duration::from_secs(20));
    assert_eq!(outcomes(&from.events()), [Outcome::Refused; 128]);
    assert!(names(&to.events()).is_empty());
}

/// Nothing is lost: the channel is slow, and one acknowledgement replaces another that waits for it.
#[test]
fn a_refusal_is_reported_although_the_channel_is_full_for_a_time() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.validated_channel("a");
    for number in 0..128 {
        alone.direct(channel, &[packet(number, BAD), Item::Ping(number)]);
    }
    assert_all_are_told(&states(&items(&alone.written(channel))), 0);
}

#[test]
fn a_refusal_is_reported_by_the_next_incarnation() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for seq in 0..60 {
        alone.receive_packet("a", FRESH, seq, BAD);
    }
    // The peer reports that the session's epoch 1 is over, and keeps its own.
    alone.receive_bundle("a", FRESH, &[Item::GivenUp(1)]);
    for seq in 60..124 {
        alone.receive_packet("a", FRESH, seq, BAD);
    }
    let output = alone.sent_to("a");
    assert_eq!(output.last().unwrap().epochs, Epochs { epoch: 2, peer_epoch: 1 });
    assert_all_are_told(&states(&items(&output)), 0);
}

#[test]
fn a_packet_on_a_path_that_the_policy_forbids_is_refused() {
    let mut alone =
        Alone::with_newcomers(Config::default().with_policy(Policy::DirectOnly), &["a"]);
    alone.events();
    alone.receive_bundle("a", FRESH, &[packet(0, "2[\"x\"]")]);
    let events = alone.events();
    assert!(forbidden(&events) && names(&events).is_empty(), "{events:?}");
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output.last().unwrap().refused, [(Lane::Events, 0)], "so that the sender learns it");
    alone.receive_packet("a", FRESH, 1, "2[\"x\"]");
    assert!(names(&alone.events()).is_empty());
}

fn is_unfinished(event: &Event) -> bool {
    let after = Duration::from_secs(10);
    matches!(event, Event::PeerError { error: PeerError::Unfinished(it), .. } if *it == after)
}

#[test]
fn the_unfinished_timeout_excludes_the_time_in_which_the_peer_is_away() {
    let mut config = relay_only();
    config.unfinished_timeout = Duration::from_secs(10);
    config.resume_window = Some(Duration::from_secs(60));
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, vec![0; 2000], false)]);
    alone.wait(Duration::from_secs(6));
    alone.receive(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.wait(Duration::from_secs(30));
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    alone.wait(Duration::from_millis(3_900));
    assert!(!has(&alone.events(), is_unfinished));
    alone.wait(Duration::from_millis(200));
    assert!(has(&alone.events(), is_unfinished));
}

#[test]
fn an_unfinished_packet_without_progress_is_refused_after_its_time_out() {
    let mut config = relay_only();
    config.unfinished_timeout = Duration::from_secs(10);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    let bytes = |len: usize| vec![0; len];
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, bytes(2000), false)]);
    alone.receive_bundle("a", FRESH, &[packet(1, "2[\"behind\"]")]);
    alone.events();
    // Less than 1 KiB in all is no progress; 1 KiB more is.
    for offset in 0..9 {
        alone.wait(Duration::from_secs(1));
        let more = piece(Lane::Events, 0, 2000 + 100 * offset, bytes(100), false);
        alone.receive_bundle("a", FRESH, &[more]);
    }
    assert!(alone.events().is_empty());
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 2900, bytes(1024), false)]);
    alone.wait(Duration::from_millis(9_900));
    assert!(alone.events().is_empty());
    assert!(alone.session.peers().next().unwrap().held > 3_900);
    alone.wait(Duration::from_millis(200));
    let events = alone.events();
    assert!(has(&events, is_unfinished), "{events:?}");
    assert_eq!(names(&events), ["behind"]);
    assert_eq!(alone.session.peers().next().unwrap().held, 0);
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output.last().unwrap().refused, [(Lane::Events, 0)]);
}

#[test]
fn a_packet_beyond_the_limits_is_refused_before_it_is_complete() {
    let config = relay_only();
    let limits = config.limits.clone().with_max_packet_bytes(10_000).with_max_attachments(0);
    let mut alone = Alone::with_members(config.with_limits(limits), &[("a", 1)]);
    alone.events();
    for number in 0..4 {
        let record = piece(Lane::Events, 0, 4_000 * number, vec![0; 4_000], false);
        alone.receive_bundle("a", FRESH, &[record]);
    }
    assert!(has(&alone.events(), |event| matches!(
        event,
        Event::PeerError { error: PeerError::BadPacket(_), .. }
    )));
    alone.receive_bundle("a", FRESH, &[Item::Ping(1), packet(1, "2[\"x\"]")]);
    assert_eq!(names(&alone.events()), ["x"]);
    let output = states(&items(&alone.sent_to("a")));
    assert_eq!(output.last().unwrap().refused, [(Lane::Events, 0)]);
}

#[test]
fn an_event_beyond_the_limits_is_refused_alone_on_a_channel_as_on_the_relay() {
    let config = Config::default();
    let limits = config.limits.clone().with_max_attachments(0).with_max_packet_bytes(2_000);
    let mut alone = Alone::with_newcomers(config.with_limits(limits), &["a"]);
    let channel = alone.validated_channel("a");
    let blob = flat(r#"51-["x",{"_placeholder":true,"num":0}]"#, &[b"blob"]);
    let long = flat(&format!("2[\"{}\"]", "x".repeat(3_000)), &[]);
    let huge = piece(Lane::Bulk, 0, 0, vec![0; 60_000], false);
    let items = [
        piece(Lane::Events, 0, 0, blob, true),
        piece(Lane::Events, 1, 0, long, true),
        packet(2, "2[\"fine\"]"),
        huge,
        piece(Lane::Bulk, 1, 0, flat("2[\"fine\"]", &[]), true),
    ];
    alone.direct(channel, &items);
    let events = alone.events();
    assert_eq!(names(&events), ["fine", "fine"]);
    let errors = events.iter().filter(|event| matches!(event, Event::PeerError { .. })).count();
    assert_eq!(errors, 3);
    let peer = alone.session.peers().next().unwrap();
    assert_eq!((peer.validated, peer.path), (true, Some(Path::Direct)));
    alone.direct(channel, &[Item::Ping(1)]);
    let output = states(&self::items(&alone.written(channel)));
    let refused = [(Lane::Events, 0), (Lane::Events, 1), (Lane::Bulk, 0)];
    assert_eq!(output.last().unwrap().refused, refused);
}

#[test]
fn a_packet_with_the_last_possible_number_is_a_violation() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let greatest = (1 << 62) - 1;
    for seq in [greatest, u64::MAX] {
        for lane in Lane::ALL {
            let numbers = Numbers { epochs: FRESH, lane, seq };
            alone.receive_record("a", numbers, Piece::WHOLE, flat("2[\"x\"]", &[]));
            let events = alone.events();
            assert!(events.len() == 1 && violated(&events), "{events:?}");
        }
    }
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    assert_eq!(states(&items(&alone.sent_to("a"))), [State::default()]);
}
