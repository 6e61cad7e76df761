//! What is acknowledged, where, and what is refused.

use std::collections::BTreeSet;

use super::*;

#[test]
fn an_envelope_that_is_no_packet_is_reported_and_the_stream_goes_on() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let header = |seq: u64| json!({"epoch": 1, "lane": 0, "seq": seq});
    let bad = [
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
    for (seq, head) in bad.iter().enumerate() {
        alone.hear_envelope("a", &header(seq as u64), head, &[]);
        let events = alone.events();
        assert!(
            events.len() == 1 && has(&events, |event| matches!(event, Event::PeerError { .. })),
            "{head:?}: {events:?}"
        );
    }
    alone.hear_envelope("a", &header(bad.len() as u64), "2[\"fine\"]", &[]);
    assert!(has(&alone.events(), |event| matches!(event, Event::Received { .. })));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_misbehaviour() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.events();
    let ack = r#"2/socketio-p2p,["ack",{"received":[18446744073709551615,0,0],"partial":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), ack, &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::PeerError { error: PeerError::Misbehaved(_), .. }
    )));
}

#[test]
fn numbers_at_the_end_of_their_range_do_no_harm() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let far = json!({"epoch": u32::MAX, "lane": 0, "seq": u64::MAX});
    alone.hear_envelope("a", &far, "2[\"x\"]", &[]);
    for head in [
        r#"51-/socketio-p2p,["x"]"#,
        r#"2/socketio-p2p,["ack",{"received":[18446744073709551615,18446744073709551615,0],"partial":[0,0,0]}]"#,
        r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#,
        r#"2/socketio-p2p,["unheard-of",1]"#,
    ] {
        alone.hear_envelope("a", &json!({"epoch": u32::MAX}), head, &[]);
    }
    let fragment = r#"51-/socketio-p2p,["fragment",{"lane":0,"seq":18446744073709551615,"offset":18446744073709551615,"total":18446744073709551615},{"_placeholder":true,"num":0}]"#;
    alone.hear_envelope("a", &json!({"epoch": u32::MAX}), fragment, &[b"x"]);
    alone.wait(Duration::from_secs(60));
    assert_eq!(alone.session.peers().count(), 1);
}

#[test]
fn fragments_are_acknowledged_within_the_delay_too() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let fragment = r#"51-/socketio-p2p,["fragment",{"lane":0,"seq":0,"offset":0,"total":9000},{"_placeholder":true,"num":0}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), fragment, &[&[7; 2000]]);
    let due = alone.session.poll_timeout().expect("an acknowledgement is planned");
    assert!(due - alone.now <= Duration::from_millis(20));
    alone.session.handle_timeout(due);
    let sent = alone.sent();
    assert_eq!(
        sent[0].attachments()[0],
        r#"2/socketio-p2p,["ack",{"received":[0,0,0],"partial":[2000,0,0]}]"#
    );
}

#[test]
fn an_acknowledgement_refuses_no_more_than_acknowledgements_do() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.sent();
    alone.events();
    let refused = vec![json!({"lane": 0, "seq": 5}); 1000];
    let ack = json!(["ack", {"received": [1, 0, 0], "partial": [0, 0, 0], "refused": refused}]);
    alone.hear_envelope("a", &json!({"epoch": 1}), &format!("2/socketio-p2p,{ack}"), &[]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(
        event,
        Event::PeerError { error: PeerError::Misbehaved(_), .. }
    )));
    assert!(outcomes(&events).is_empty());
}

#[test]
fn no_packet_is_acknowledged_whose_refusal_is_not_told() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for seq in 0..200 {
        alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": seq}), "2[\"offer\"]", &[]);
    }
    let mut told = BTreeSet::new();
    let (mut received, mut last) = (0, 0);
    for _ in 0..10 {
        for envelope in alone.sent() {
            let head = std::str::from_utf8(&envelope.attachments()[0]).unwrap();
            let Some(ack) = head.strip_prefix("2/socketio-p2p,[\"ack\",") else { continue };
            let ack: Value = serde_json::from_str(ack.strip_suffix(']').unwrap()).unwrap();
            received = ack["received"][0].as_u64().unwrap();
            let refused = ack["refused"].as_array().unwrap().iter();
            told.extend(refused.map(|refused| refused["seq"].as_u64().unwrap()));
            assert!((0..received).all(|seq| told.contains(&seq)), "{received}: {told:?}");
        }
        assert!(told.len() <= received as usize && received < last + 65, "{received} after {last}");
        last = received;
        let known =
            json!(["ack", {"received": [0, 0, 0], "partial": [0, 0, 0], "told": [last, 0, 0]}]);
        let known = format!("2/socketio-p2p,{known}");
        alone.hear_envelope("a", &json!({"epoch": 1}), &known, &[]);
        let Some(due) = alone.session.poll_timeout() else { continue };
        alone.now = due;
        alone.session.handle_timeout(due);
    }
    assert_eq!(received, 200);
}

#[test]
fn who_has_heard_of_a_refusal_says_so() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    let ack = |refused: Value| {
        let ack = json!(["ack", {"received": [1, 0, 0], "partial": [0, 0, 0], "refused": refused}]);
        format!("2/socketio-p2p,{ack}")
    };
    let refusal = ack(json!([{"lane": 0, "seq": 0}]));
    for _ in 0..2 {
        alone.hear_envelope("a", &json!({"epoch": 1}), &refusal, &[]);
        let said = alone.sent();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(
            said[0].attachments()[0],
            r#"2/socketio-p2p,["ack",{"received":[0,0,0],"partial":[0,0,0],"told":[1,0,0]}]"#
        );
    }
    assert_eq!(outcomes(&alone.events()), [Outcome::Refused]);
    alone.hear_envelope("a", &json!({"epoch": 1}), &ack(json!([])), &[]);
    assert!(alone.sent().is_empty());
}

#[test]
fn a_resume_acknowledges_no_packet_without_its_refusal() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &Packet::event("x", &()).unwrap(), alone.now).unwrap();
    alone.sent();
    alone.hear_envelope("a", &json!({"epoch": 1, "lane": 0, "seq": 0}), "2[\"offer\"]", &[]);
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let heads: Vec<Bytes> =
        alone.sent().iter().map(|envelope| envelope.attachments()[0].clone()).collect();
    assert_eq!(
        heads,
        [r#"2/socketio-p2p,["resume",{"received":[1,0,0],"refused":[{"lane":0,"seq":0}]}]"#]
    );
}

#[test]
fn a_peer_that_resumes_on_the_relay_is_answered_there() {
    let mut alone = Alone::with_members(Config::default(), &[]);
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let channel = alone.verified_channel("a");
    alone.sent();
    alone.sent_directly(channel);
    let resume = r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), resume, &[]);
    let sent = alone.sent();
    let answer = &sent[0].attachments()[0];
    assert!(answer.starts_with(br#"2/socketio-p2p,["ack","#), "{sent:?}");
}

#[test]
fn a_peer_that_takes_and_never_acknowledges_is_given_up_and_the_others_go_on() {
    let mut alone = Alone::with_members(relay_only(), &[("deaf", 1), ("fine", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    alone.hear_envelope("fine", &json!({"epoch": 1}), ack, &[]);
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

#[test]
fn what_came_on_the_channel_is_acknowledged_there_whatever_was_answered_on_the_relay() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.verified_channel("a");
    alone.sent_directly(connection);
    // Our hub has lost "a", and what it said before comes late.
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.direct(connection, r#"2/socketio-p2p,["begin",{"next":0}]"#);
    alone.direct(connection, r#"2["n",0]"#);
    let resume = r#"2/socketio-p2p,["resume",{"received":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 1}), resume, &[]);
    let sent = alone.sent_directly(connection);
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    assert!(sent.iter().any(|frame| text(frame) == ack), "{sent:?}");
}

#[test]
fn what_came_on_a_channel_before_it_proved_itself_is_acknowledged_when_it_does() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let connection = alone.open_channel("a");
    alone.direct(connection, r#"2/socketio-p2p,["hello",{"epoch":1}]"#);
    alone.direct(connection, r#"2/socketio-p2p,["begin",{"next":0}]"#);
    alone.direct(connection, r#"2["n",0]"#);
    alone.wait(Duration::from_millis(100));
    alone.sent_directly(connection);
    // The acknowledgement on the relay may be lost.
    alone.direct(connection, r#"2/socketio-p2p,["pong",0]"#);
    let sent = alone.sent_directly(connection);
    let ack = r#"2/socketio-p2p,["ack",{"received":[1,0,0],"partial":[0,0,0]}]"#;
    assert!(sent.iter().any(|frame| text(frame) == ack), "{sent:?}");
}

/// A receiver that takes no attachments, a sender that sends some: every event is refused, whatever the server loses.
#[test]
fn a_refusal_is_told_although_an_acknowledgement_is_lost() {
    let mut from = Alone::with_members(relay_only(), &[("a", 1)]);
    let limits = relay_only().limits.with_max_attachments(0);
    let mut to = Alone::with_members(relay_only().with_limits(limits), &[("a", 1)]);
    for _ in 0..128 {
        let event = Packet::event("x", &(Blob::from(vec![1]),)).unwrap();
        from.session.emit(Target::All, &event, from.now).unwrap();
    }
    let sent = envelopes(&from.sent());
    assert_eq!(sent.len(), 128);
    for (index, envelope) in sent.iter().enumerate() {
        pass(std::slice::from_ref(envelope), &mut to);
        let answers = envelopes(&to.sent());
        if index > 64 {
            pass(&answers, &mut from);
        }
    }
    to.wait_and_pass(&mut from);
    let ends = outcomes(&from.events());
    assert!(!ends.contains(&Outcome::Delivered), "none was handed out: {ends:?}");
}

impl Alone {
    /// Lets timers run and passes on what comes of it.
    fn wait_and_pass(&mut self, to: &mut Alone) {
        for _ in 0..20 {
            let Some(due) = self.session.poll_timeout() else { return };
            self.now = due;
            self.session.handle_timeout(due);
            let sent = envelopes(&self.sent());
            pass(&sent, to);
        }
    }
}

/// What the acknowledgements among these packets acknowledge, they refuse.
fn assert_all_are_refused<'a>(heads: impl Iterator<Item = &'a str>) {
    let mut told = BTreeSet::new();
    let mut received = 0;
    for head in heads {
        let Some(ack) = head.strip_prefix(r#"2/socketio-p2p,["ack","#) else { continue };
        let ack: Value = serde_json::from_str(ack.strip_suffix(']').unwrap()).unwrap();
        received = ack["received"][0].as_u64().unwrap();
        let refused = ack["refused"].as_array().unwrap().iter();
        told.extend(refused.map(|refused| refused["seq"].as_u64().unwrap()));
    }
    assert!(received > 0);
    let untold: Vec<u64> = (0..received).filter(|seq| !told.contains(seq)).collect();
    assert!(untold.is_empty(), "acknowledged as delivered: {untold:?}");
}

/// Nothing is lost here: the channel is slow, and one acknowledgement replaces another that waits for it.
#[test]
fn a_refusal_is_told_although_the_channel_takes_nothing_for_a_while() {
    let mut alone = Alone::with_members(Config::default(), &[("a", 1)]);
    let channel = alone.verified_channel("a");
    alone.sent_directly(channel);
    alone.direct(channel, control("begin", &json!({"next": 0})));
    for _ in 0..2 {
        for _ in 0..64 {
            alone.direct(channel, r#"2["offer"]"#);
        }
        alone.direct(channel, control("resume", &json!({"received": [0, 0, 0]})));
    }
    let sent = alone.sent_directly(channel);
    assert_all_are_refused(sent.iter().map(text));
}

/// As `no_packet_is_acknowledged_whose_refusal_is_not_told`, with an incarnation of ours that ends in between.
#[test]
fn a_refusal_is_told_by_the_next_incarnation() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let bad = |alone: &mut Alone, seqs: std::ops::Range<u64>| {
        for seq in seqs {
            let header = json!({"epoch": 1, "lane": 0, "seq": seq});
            alone.hear_envelope("a", &header, "2[\"offer\"]", &[]);
        }
    };
    bad(&mut alone, 0..60);
    // The peer says that our incarnation 1 is over, and goes on with its own.
    let over = control("hello", &json!({"epoch": 1, "for": 1}));
    alone.hear_envelope("a", &json!({"epoch": 1}), &over, &[]);
    bad(&mut alone, 60..124);
    let sent = envelopes(&alone.sent());
    assert_all_are_refused(sent.iter().map(|(_, parts)| std::str::from_utf8(&parts[0]).unwrap()));
}

/// What a session sends through the server for a hundred small envelopes of a peer, while a window of its own is under
/// way to that peer.
fn sent_for_a_hundred(envelope: impl Fn(u32) -> (Value, String)) -> usize {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_envelope(
        "a",
        &json!({"epoch": 5, "for": 1}),
        &control("hello", &json!({"epoch": 5})),
        &[],
    );
    for _ in 0..4 {
        let event = Packet::event("n", &("x".repeat(60_000),)).unwrap();
        alone.session.emit(id("a"), &event, alone.now).unwrap();
    }
    alone.sent();
    let mut bytes = 0;
    for number in 0..100 {
        let (header, head) = envelope(number);
        alone.hear_envelope("a", &header, &head, &[]);
        bytes += alone.sent().iter().map(Packet::wire_len).sum::<usize>();
    }
    bytes
}

#[test]
fn a_peer_that_begins_anew_all_the_time_does_not_make_us_send_everything_each_time() {
    let bytes = sent_for_a_hundred(|number| {
        let epoch = 6 + number;
        (json!({"epoch": epoch, "for": 1}), control("hello", &json!({"epoch": epoch})))
    });
    assert!(bytes < 2_000_000, "{bytes} bytes for 100 envelopes of 100 bytes, in no time");
}

#[test]
fn a_peer_that_resumes_all_the_time_does_not_make_us_send_everything_each_time() {
    let resume = control("resume", &json!({"received": [0, 0, 0]}));
    let bytes = sent_for_a_hundred(|_| (json!({"epoch": 5, "for": 1}), resume.clone()));
    assert!(bytes < 2_000_000, "{bytes} bytes for 100 envelopes of 100 bytes, in no time");
}

/// A peer that repeats that it has one byte of a packet acknowledges nothing.
#[test]
fn a_peer_that_acknowledges_the_same_piece_again_and_again_is_given_up() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    let ack = control("ack", &json!({"received": [0, 0, 0], "partial": [0, 1, 0]}));
    for _ in 0..60 {
        alone.hear_envelope("a", &json!({"epoch": 1}), &ack, &[]);
        alone.wait(Duration::from_secs(10));
    }
    assert_eq!(outcomes(&alone.events()), [Outcome::Unknown], "after ten minutes");
}

/// An application that passes an event on sends what it has received: with the ack id of whoever asked first.
#[test]
fn the_answer_to_an_event_that_is_passed_on_is_not_taken_for_the_answer_to_another() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1)]);
    alone.hear_envelope("b", &json!({"epoch": 1, "lane": 0, "seq": 0}), r#"20["theirs"]"#, &[]);
    let theirs = alone.events().into_iter().find_map(|event| match event {
        Event::Received { packet, .. } => Some(packet),
        _ => None,
    });
    let question = Packet::event("ours", &()).unwrap();
    alone.session.emit_with_ack(id("a"), &question, None, alone.now).unwrap();
    alone.session.emit(id("a"), &theirs.unwrap(), alone.now).unwrap();
    let sent = envelopes(&alone.sent());
    let heads: Vec<&[u8]> = sent.iter().map(|(_, parts)| &parts[0][..]).collect();
    assert_eq!(heads, [&br#"20["ours"]"#[..], br#"2["theirs"]"#]);
}
