//! The epochs of a peer's bundles, and its incarnations.

use super::*;

const fn from(epoch: u32, peer_epoch: u32) -> Epochs {
    Epochs { epoch, peer_epoch }
}

/// Returns the packets to `a` among the output, each with the epochs of its bundle.
fn numbered_packets(output: &[SentBundle]) -> Vec<(Epochs, u64, String)> {
    let of = |output: &SentBundle| {
        let epochs = output.epochs;
        packets(&output.items).into_iter().map(move |(number, head)| (epochs, number, head))
    };
    output.iter().flat_map(of).collect()
}

fn restarts(events: &[Event]) -> usize {
    let left =
        |event: &&Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Restarted, .. });
    events.iter().filter(left).count()
}

fn n(number: u64) -> String {
    format!("2[\"n\",{number}]")
}

#[test]
fn packets_of_an_ended_epoch_are_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_packet("a", from(5, 0), 0, "2[\"x\"]");
    assert_eq!(names(&alone.events()), ["x"]);
    for stale in [from(4, 0), from(4, 1), from(5, 77), from(6, 77)] {
        alone.receive_packet("a", stale, 1, "2[\"x\"]");
        alone.receive_bundle("a", stale, &[packet(1, "2[\"x\"]"), Item::Bye]);
        assert!(alone.events().is_empty(), "{stale:?}");
    }
}

#[test]
fn a_bundle_for_another_epoch_is_answered_with_the_current_one_once_a_second() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    alone.sent();
    for _ in 0..10 {
        let mut output = Vec::new();
        for _ in 0..100 {
            alone.receive_bundle("a", from(5, 77), &[Item::Ping(1)]);
            output.extend(alone.sent_to("a"));
        }
        assert_eq!(output.len(), 1, "{output:?}");
        assert_eq!((output[0].epochs, &output[0].items[..]), (from(1, 5), &[][..]));
        alone.wait(Duration::from_secs(1));
    }
}

#[test]
fn a_bundle_of_an_ended_epoch_is_answered_with_given_up_once_a_second() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    alone.receive(r#"2["peer-disconnect",{"peerId":"a"}]"#);
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    alone.sent();
    let mut output = Vec::new();
    for _ in 0..100 {
        alone.receive_bundle("a", from(5, 0), &[Item::Ping(1), packet(0, "2[\"x\"]")]);
        output.extend(alone.sent_to("a"));
    }
    assert_eq!(output, [SentBundle { epochs: from(2, 0), items: vec![Item::GivenUp(5)] }]);
    assert!(names(&alone.events()).is_empty());
    alone.receive_bundle("a", from(6, 0), &[packet(0, "2[\"x\"]")]);
    assert_eq!(names(&alone.events()), ["x"], "the next epoch is accepted");
}

#[test]
fn a_peer_that_begins_anew_without_our_epoch_gets_a_new_epoch() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.receive_bundle("a", from(6, 0), &[]);
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    let events = alone.events();
    assert_eq!((restarts(&events), outcomes(&events)), (1, vec![Outcome::Unknown]));
    assert_eq!(numbered_packets(&alone.sent_to("a")), [(from(2, 6), 0, n(1))]);
}

/// If a new incarnation of one side always caused one of the other, two crossing ones would repeat without end.
#[test]
fn a_peer_that_begins_anew_with_our_epoch_gets_the_unacknowledged_packets() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    alone.events();
    alone.receive_bundle("a", from(6, 1), &[]);
    let events = alone.events();
    assert_eq!(restarts(&events), 1);
    assert_eq!(outcomes(&events), [Outcome::Unknown, Outcome::NotSent]);
    alone.session.emit(Target::All, &numbered(2), alone.now).unwrap();
    let output = alone.sent_to("a");
    assert_eq!(numbered_packets(&output), [(from(1, 6), 1, n(2))]);
    // The packets that were sent before, and are missing, must be retransmitted.
    let asked = pings(&items(&output));
    alone.receive_bundle("a", from(6, 1), &[has_events(0), Item::Pong(asked[0])]);
    let again = numbered_packets(&alone.sent_to("a"));
    assert_eq!(again[0], (from(1, 6), 0, n(0)));
    alone.receive_bundle("a", from(6, 1), &[has_events(2)]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered], "the first one has ended before");
}

#[test]
fn a_peer_that_begins_anew_discards_our_receiving_state() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_packet("a", from(5, 0), 0, r#"27["ask"]"#);
    alone.receive_packet("a", from(5, 0), 2, r#"2["held"]"#);
    alone.receive_bundle("a", from(5, 0), &[piece(Lane::Events, 1, 0, vec![0; 100], false)]);
    let question = alone.events().into_iter().find_map(|event| match event {
        Event::Received { reply, .. } => reply,
        _ => None,
    });
    alone.receive_packet("a", from(6, 1), 1, r#"2["second"]"#);
    alone.receive_packet("a", from(6, 1), 0, r#"2["first"]"#);
    assert_eq!(names(&alone.events()), ["first", "second"]);
    let answer = alone.session.reply(&question.expect("a question"), &(1,), alone.now);
    assert!(matches!(answer, Err(ReplyError::Expired(_))), "{answer:?}");
    assert_eq!(alone.session.peers().next().unwrap().held, 0);
}

#[test]
fn a_session_whose_epoch_is_given_up_begins_anew_and_keeps_its_receiving_state() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_packet("a", from(5, 1), 0, "2[\"first\"]");
    alone.receive_packet("a", from(5, 1), 2, "2[\"third\"]");
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    assert_eq!(names(&alone.events()), ["first"]);
    alone.receive_bundle("a", from(5, 0), &[Item::GivenUp(77)]);
    assert!(alone.events().is_empty(), "not an epoch of the session");
    alone.receive_bundle("a", from(5, 0), &[Item::GivenUp(1)]);
    let events = alone.events();
    assert_eq!((restarts(&events), outcomes(&events)), (1, vec![Outcome::Unknown]));
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    let output = alone.sent_to("a");
    assert_eq!(numbered_packets(&output), [(from(2, 5), 0, n(1))]);
    alone.receive_packet("a", from(5, 2), 1, "2[\"second\"]");
    assert_eq!(names(&alone.events()), ["second", "third"]);
    // A duplicate: the session's epoch 1 is not the current one any more.
    alone.receive_bundle("a", from(5, 0), &[Item::GivenUp(1)]);
    assert!(alone.events().is_empty());
}

#[test]
fn the_epochs_of_a_session_begin_above_the_epoch_base() {
    let mut alone = Alone::with_members(relay_only(), &[]);
    let welcome = json!(["numClients", 1, {
        "v": 1, "id": "me", "token": "t", "room": "lobby", "roster": [{"id": "a", "v": 1}],
        "limits": {"maxEnvelope": 65536, "maxAttachments": 16}, "epochBase": 4000,
    }]);
    alone.receive(&format!("2{welcome}"));
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    assert_eq!(numbered_packets(&alone.sent_to("a")), [(from(4001, 0), 0, n(0))]);
}

#[test]
fn a_channel_belongs_to_the_epochs_of_its_first_bundles() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.validated_channel("a");
    alone.direct_frame(channel, Bundle::write(from(1, 7), &[packet(0, "2[\"x\"]")]));
    let events = alone.events();
    assert!(names(&events).is_empty() && violated(&events), "{events:?}");
    let closes = |command: &Command| matches!(command, Command::Direct(DirectCommand::Close { connection }) if *connection == channel);
    assert!(alone.commands().iter().any(closes));
}

#[test]
fn transfers_end_when_the_peer_begins_anew_and_their_numbers_are_not_used_again() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    let file = Packet::event("file", &()).unwrap();
    let first = alone.session.open_transfer(&id("a"), &file, None, alone.now).unwrap();
    alone.sent();
    alone.events();
    alone.receive_bundle("a", from(6, 1), &[]);
    let outcome = TransferOutcome::Lost;
    let lost = Event::TransferEnded { transfer: first.clone().into(), outcome };
    assert!(has(&alone.events(), |event| format!("{event:?}") == format!("{lost:?}")));
    let second = alone.session.open_transfer(&id("a"), &file, None, alone.now).unwrap();
    assert_ne!(first, second);
    let output = records(&items(&alone.sent_to("a")));
    let of = |number| output.iter().find(|record| record.number == number).expect("a record");
    assert!(of(0).abort && !of(1).abort && of(1).offset == 0, "{output:?}");
}

/// Five announcements are lost because the relay comes and goes.
#[test]
fn a_new_incarnation_is_announced_after_the_relay_has_come_and_gone_five_times() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.receive_bundle("a", KNOWN, &[]);
    alone.receive(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.wait(Duration::from_secs(9));
    assert_eq!(alone.session.peers().count(), 0, "the link has ended");
    for _ in 0..5 {
        alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
        alone.sent();
        alone.wait(Duration::from_millis(100));
        alone.receive(r#"2["peer-away",{"peerId":"a"}]"#);
        alone.wait(Duration::from_secs(1));
    }
    alone.receive(r#"2["peer-join",{"id":"a","v":1}]"#);
    let mut output = alone.sent_to("a");
    alone.wait_and(Duration::from_secs(60), |alone| output.extend(alone.sent_to("a")));
    assert!(
        !pings(&items(&output)).is_empty(),
        "no control tells the peer that the epoch it knows is over"
    );
    assert!(output.len() < 12, "{}", output.len());
}

#[test]
fn blocked_emits_of_an_earlier_incarnation_get_no_writable() {
    let mut alone = Alone::with_members(relay_only().with_queue_bytes(40), &[("a", 1)]);
    alone.receive_bundle("a", from(5, 1), &[]);
    let event = Packet::event("x", &("a text of some length",)).unwrap();
    alone.session.emit(id("a"), &event, alone.now).unwrap();
    let blocked = alone.session.emit(id("a"), &event, alone.now);
    assert!(matches!(blocked, Err(EmitError::Blocked { .. })), "{blocked:?}");
    alone.events();
    alone.receive_bundle("a", from(6, 1), &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(event, Event::PeerJoined { .. })), "{events:?}");
    assert!(!has(&events, |event| matches!(event, Event::Writable { .. })), "{events:?}");
}

#[test]
fn a_datagram_of_a_peer_with_unknown_epoch_is_ignored() {
    let mut alone = Alone::with_newcomers(Config::default(), &["a"]);
    let channel = alone.open_channel("a");
    alone.session.handle_datagrams_open(channel, 1_200, alone.now);
    alone.events();
    for epoch in [0, 3] {
        let items = [piece(Lane::Volatile, 0, 0, flat("2[\"x\"]", &[]), true)];
        let bundle = Bundle::write(from(epoch, 1), &items);
        alone.session.handle_datagram(channel, bundle.into(), alone.now);
        assert_eq!(names(&alone.events()), [""; 0], "epoch {epoch}");
    }
}
