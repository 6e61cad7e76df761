//! Incarnations of a peer, as the epochs of its envelopes tell them.

use super::*;

#[test]
fn packets_of_an_epoch_that_is_over_are_ignored() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_envelope("a", &json!({"epoch": 5, "lane": 0, "seq": 0}), "2[\"x\"]", &[]);
    assert!(has(&alone.events(), |event| matches!(event, Event::Received { .. })));
    for stale in [
        json!({"epoch": 4, "lane": 0, "seq": 1}),
        json!({"epoch": 5, "for": 77, "lane": 0, "seq": 1}),
    ] {
        alone.hear_envelope("a", &stale, "2[\"x\"]", &[]);
        assert!(alone.events().is_empty(), "{stale}");
    }
}

/// An envelope of `a` with this epoch of its own, and with ours as far as it knows it.
fn hear_hello(alone: &mut Alone, epoch: u32, ours: Option<u32>) {
    let mut header = json!({"epoch": epoch});
    if let Some(ours) = ours {
        header["for"] = json!(ours);
    }
    alone.hear_envelope("a", &header, r#"2/socketio-p2p,["hello",{"epoch":0}]"#, &[]);
}

/// The numbered packets among what was sent to `a`, whole or the piece of a fragment, each behind its envelope's
/// header.
fn numbered_envelopes(sent: &[Packet]) -> Vec<String> {
    let numbered = |packet: &Packet| {
        let (_, header) = packet.head().split_once(r#"{"to":[{"id":"a","#)?;
        let (header, _) = header.split_once("}]")?;
        let inner = String::from_utf8_lossy(packet.attachments().last()?);
        header.contains("seq").then(|| format!("{header} {inner}"))
    };
    sent.iter().filter_map(numbered).collect()
}

fn restarts(events: &[Event]) -> usize {
    let left =
        |event: &&Event| matches!(event, Event::PeerLeft { reason: LeaveReason::Restarted, .. });
    events.iter().filter(left).count()
}

#[test]
fn a_peer_that_begins_anew_and_does_not_know_us_gets_a_new_stream() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    hear_hello(&mut alone, 5, Some(1));
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    hear_hello(&mut alone, 6, None);
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    let events = alone.events();
    assert_eq!((restarts(&events), outcomes(&events)), (1, vec![Outcome::Unknown]));
    assert_eq!(
        numbered_envelopes(&alone.sent()),
        [r#""epoch":2,"for":6,"lane":0,"seq":0 2["n",1]"#],
    );
}

/// If both ends began anew each time that the other does, two that cross would never come to an end of it.
#[test]
fn a_peer_that_begins_anew_and_has_taken_us_up_gets_the_rest_of_our_stream() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    hear_hello(&mut alone, 5, Some(1));
    alone.session.emit(Target::All, &numbered(0), alone.now).unwrap();
    alone.sent();
    alone.session.emit(Target::All, &numbered(1), alone.now).unwrap();
    alone.events();
    hear_hello(&mut alone, 6, Some(1));
    let events = alone.events();
    assert_eq!(restarts(&events), 1);
    assert_eq!(outcomes(&events), [Outcome::Unknown, Outcome::NotSent]);
    alone.session.emit(Target::All, &numbered(2), alone.now).unwrap();
    assert_eq!(
        numbered_envelopes(&alone.sent()),
        [
            r#""epoch":1,"for":6,"lane":0,"seq":0 2["n",0]"#,
            r#""epoch":1,"for":6,"lane":0,"seq":1 2["n",2]"#,
        ],
    );
    let ack = r#"2/socketio-p2p,["ack",{"received":[2,0,0],"partial":[0,0,0]}]"#;
    alone.hear_envelope("a", &json!({"epoch": 6, "for": 1}), ack, &[]);
    assert_eq!(outcomes(&alone.events()), [Outcome::Delivered], "the first had its end");
}

#[test]
fn what_a_peer_sent_before_it_began_anew_is_forgotten() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    alone.hear_envelope("a", &json!({"epoch": 5, "lane": 0, "seq": 0}), r#"27["ask"]"#, &[]);
    alone.hear_envelope("a", &json!({"epoch": 5, "lane": 0, "seq": 2}), r#"2["held"]"#, &[]);
    let question = alone.events().into_iter().find_map(|event| match event {
        Event::Received { reply, .. } => reply,
        _ => None,
    });
    let renewed = |seq: u64| json!({"epoch": 6, "for": 1, "lane": 0, "seq": seq});
    alone.hear_envelope("a", &renewed(1), r#"2["second"]"#, &[]);
    alone.hear_envelope("a", &renewed(0), r#"2["first"]"#, &[]);
    let received: Vec<_> = alone
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Received { packet, .. } => packet.event_name().map(|name| name.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(received, ["first", "second"]);
    let answer = alone.session.reply(&question.expect("a question"), &(1,), alone.now);
    assert!(matches!(answer, Err(EmitError::ReplyExpired(_))), "{answer:?}");
}

#[test]
fn transfers_end_when_the_peer_begins_anew_and_their_numbers_are_not_used_again() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    hear_hello(&mut alone, 5, Some(1));
    let file = Packet::event("file", &()).unwrap();
    let first = alone.session.open_transfer(&id("a"), &file, None, alone.now).unwrap();
    alone.sent();
    alone.events();
    hear_hello(&mut alone, 6, Some(1));
    let lost = Event::TransferEnded { transfer: first.clone(), outcome: TransferOutcome::Lost };
    assert!(has(&alone.events(), |event| format!("{event:?}") == format!("{lost:?}")));
    let second = alone.session.open_transfer(&id("a"), &file, None, alone.now).unwrap();
    assert_ne!(first, second);
    let sent = numbered_envelopes(&alone.sent());
    let told = |what: &str| sent.iter().any(|packet| packet.contains(what));
    assert!(told(r#"2/socketio-p2p,["abort",0]"#), "{sent:?}");
    assert!(told(r#"["open",{"transfer":1}"#), "{sent:?}");
    let theirs = r#"51-/socketio-p2p,["open",{"transfer":0},{"_placeholder":true,"num":0},[]]"#;
    let opened = |alone: &mut Alone, epoch: u32| {
        let header = json!({"epoch": epoch, "for": 1, "lane": 1, "seq": 0});
        alone.hear_envelope("a", &header, theirs, &[br#"2["file"]"#]);
        let opened = |event| match event {
            Event::TransferOpened { transfer, .. } => Some(transfer),
            _ => None,
        };
        alone.events().into_iter().find_map(opened).expect("it opens a transfer")
    };
    assert_ne!(opened(&mut alone, 6), opened(&mut alone, 7), "each of an incarnation of its own");
}

/// Five announcements go into the void because the relay comes and goes.
#[test]
fn a_new_incarnation_is_announced_after_the_relay_has_come_and_gone_five_times() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let hello = control("hello", &json!({"epoch": 1}));
    alone.hear_envelope("a", &json!({"epoch": 1, "for": 1}), &hello, &[]);
    alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
    alone.wait(Duration::from_secs(9));
    assert_eq!(alone.session.peers().count(), 0, "it is given up");
    for _ in 0..5 {
        alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
        alone.sent();
        alone.wait(Duration::from_millis(100));
        alone.hear(r#"2["peer-away",{"peerId":"a"}]"#);
        alone.wait(Duration::from_secs(1));
    }
    alone.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    let mut said = alone.sent().len();
    for _ in 0..100 {
        let Some(due) = alone.session.poll_timeout() else { break };
        alone.now = due;
        alone.session.handle_timeout(due);
        said += envelopes(&alone.sent()).len();
    }
    assert!(said > 0, "nothing tells the peer that the incarnation it knows is over");
}
