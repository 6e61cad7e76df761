//! Transfers of a peer that does not keep to the rules.

use super::*;

const OPEN: &str =
    r#"51-/socketio-p2p,["open",{"transfer":NUMBER},{"_placeholder":true,"num":0},[]]"#;

/// A transfer message of `peer`, as packet `seq` of its bulk lane.
fn transfer_message(alone: &mut Alone, peer: &str, seq: u64, head: &str, attachments: &[&[u8]]) {
    alone.hear_envelope(peer, &json!({"epoch": 1, "lane": 1, "seq": seq}), head, attachments);
}

fn open_transfer(alone: &mut Alone, peer: &str, number: u64) {
    let head = OPEN.replace("NUMBER", &number.to_string());
    transfer_message(alone, peer, number, &head, &[br#"2["file"]"#]);
}

#[test]
fn a_transfer_that_sends_more_than_was_granted_is_broken_off() {
    let config = relay_only().with_transfer_window(1000);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    open_transfer(&mut alone, "a", 0);
    let chunk = r#"51-/socketio-p2p,["chunk",0,{"_placeholder":true,"num":0}]"#;
    transfer_message(&mut alone, "a", 1, chunk, &[&[0; 600]]);
    transfer_message(&mut alone, "a", 2, chunk, &[&[0; 600]]);
    let events = alone.events();
    assert!(has(&events, |event| matches!(event, Event::TransferOpened { .. })));
    let broken = |event: &Event| {
        matches!(event, Event::TransferEnded { outcome: TransferOutcome::Aborted, .. })
    };
    assert!(has(&events, broken));
    let blamed =
        |event: &Event| matches!(event, Event::PeerError { error: PeerError::Misbehaved(_), .. });
    assert!(has(&events, blamed));
    alone.wait(Duration::from_secs(1));
    transfer_message(&mut alone, "a", 3, chunk, &[&[0; 600]]);
    assert!(!has(&alone.events(), |event| matches!(event, Event::PeerError { .. })));
}

#[test]
fn transfers_opened_and_broken_off_without_end_cost_a_bounded_number_of_answers() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    for number in 0..20_000 {
        let head = OPEN.replace("NUMBER", &number.to_string());
        transfer_message(&mut alone, "a", 2 * number, &head, &[br#"2["file"]"#]);
        let abort = format!(r#"2/socketio-p2p,["abort",{number}]"#);
        transfer_message(&mut alone, "a", 2 * number + 1, &abort, &[]);
    }
    let queued = alone.session.peers().next().unwrap().queued;
    assert!(queued < 1 << 20, "{queued} bytes of answers wait");
}

#[test]
fn transfer_messages_in_another_lane_or_without_a_number_are_none() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let head = OPEN.replace("NUMBER", "0");
    for header in [json!({"epoch": 1}), json!({"epoch": 1, "lane": 0, "seq": 0})] {
        alone.hear_envelope("a", &header, &head, &[br#"2["file"]"#]);
    }
    let inner = [&b"2/socketio-p2p,[\"ping\",1]"[..], b"2[\"p2p:relay\"]", b"31[]", b"2"];
    for (seq, inner) in inner.into_iter().enumerate() {
        let head = OPEN.replace("NUMBER", &seq.to_string());
        transfer_message(&mut alone, "a", seq as u64, &head, &[inner]);
    }
    let events = alone.events();
    assert!(!has(&events, |event| matches!(event, Event::TransferOpened { .. })), "{events:?}");
    assert!(!has(&events, |event| matches!(event, Event::Received { .. })), "{events:?}");
}

fn file() -> Packet {
    Packet::event("file", &()).unwrap()
}

fn transfer_ends(events: &[Event]) -> Vec<TransferOutcome> {
    let end = |event: &Event| match event {
        Event::TransferEnded { outcome, .. } => Some(*outcome),
        _ => None,
    };
    events.iter().filter_map(end).collect()
}

fn opened(events: &[Event]) -> Option<socketio_p2p_core::TransferId> {
    events.iter().find_map(|event| match event {
        Event::TransferOpened { transfer, .. } => Some(transfer.clone()),
        _ => None,
    })
}

type Envelopes = Vec<(Value, Vec<Bytes>)>;

/// The server says that they left and came back; what they sent before opens a transfer of theirs. Tells our first words
/// after that, and the transfer.
fn begin_anew(ours: &mut Alone, opening: &Envelopes) -> (Envelopes, socketio_p2p_core::TransferId) {
    ours.hear(r#"2["peer-disconnect",{"peerId":"a"}]"#);
    ours.hear(r#"2["peer-join",{"id":"a","v":1}]"#);
    ours.session.emit(Target::All, &numbered(1), ours.now).unwrap();
    let first = envelopes(&ours.sent());
    pass(opening, ours);
    (first, opened(&ours.events()).expect("it is opened"))
}

/// Both hear what the other has to say.
fn talk(ours: &mut Alone, theirs: &mut Alone) {
    for _ in 0..5 {
        let sent = envelopes(&theirs.sent());
        pass(&sent, ours);
        let sent = envelopes(&ours.sent());
        pass(&sent, theirs);
    }
}

/// Two sessions that keep to the rules, and a server that keeps the order each way. `ours` is removed from the room
/// and comes back while both say their first words.
#[test]
fn what_was_said_of_a_transfer_of_an_incarnation_that_is_over_says_nothing_of_the_next_ones() {
    let mut ours = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut theirs = Alone::with_members(relay_only(), &[("a", 1)]);
    // The first words of both cross.
    ours.session.emit(Target::All, &numbered(0), ours.now).unwrap();
    let first = envelopes(&ours.sent());
    theirs.session.open_transfer(&id("a"), &file(), None, theirs.now).unwrap();
    let opening = envelopes(&theirs.sent());
    let (second, transfer) = begin_anew(&mut ours, &opening);
    // Our application does not want it.
    ours.session.cancel_transfer(&transfer, ours.now).unwrap();
    let refusal = envelopes(&ours.sent());
    pass(&first, &mut theirs);
    pass(&second, &mut theirs);
    let events = theirs.events();
    assert_eq!(transfer_ends(&events), [TransferOutcome::Lost], "they begin anew: {events:?}");
    // Their application opens another transfer, which ours wants.
    theirs.session.open_transfer(&id("a"), &file(), None, theirs.now).unwrap();
    pass(&refusal, &mut theirs);
    talk(&mut ours, &mut theirs);
    assert!(opened(&ours.events()).is_some());
    let ends = transfer_ends(&theirs.events());
    assert!(ends.is_empty(), "nobody has refused this one: {ends:?}");
}

/// As above: an empty transfer that was read ends the next one as delivered, which nobody has read.
#[test]
fn a_transfer_is_not_delivered_because_one_of_an_incarnation_before_was() {
    let mut ours = Alone::with_members(relay_only(), &[("a", 1)]);
    let mut theirs = Alone::with_members(relay_only(), &[("a", 1)]);
    ours.session.emit(Target::All, &numbered(0), ours.now).unwrap();
    let first = envelopes(&ours.sent());
    let empty = |alone: &mut Alone| {
        let transfer = alone.session.open_transfer(&id("a"), &file(), None, alone.now).unwrap();
        alone.session.finish_transfer(&transfer, alone.now).unwrap();
    };
    empty(&mut theirs);
    let opening = envelopes(&theirs.sent());
    let (second, transfer) = begin_anew(&mut ours, &opening);
    ours.session.read_transfer(&transfer, ours.now).unwrap();
    let answers = envelopes(&ours.sent());
    pass(&first, &mut theirs);
    pass(&second, &mut theirs);
    theirs.events();
    empty(&mut theirs);
    pass(&answers, &mut theirs);
    talk(&mut ours, &mut theirs);
    let ends = transfer_ends(&theirs.events());
    assert!(ends.is_empty(), "our application has not read the second one: {ends:?}");
}

/// The good word that a transfer is broken off is queued, not sent, when the peer begins anew once more.
#[test]
fn a_transfer_that_was_opened_is_broken_off_however_often_the_peer_begins_anew() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
    let hello = |alone: &mut Alone, epoch: u32| {
        let header = json!({"epoch": epoch, "for": 1});
        alone.hear_envelope("a", &header, &control("hello", &json!({"epoch": epoch})), &[]);
    };
    hello(&mut alone, 5);
    alone.session.open_transfer(&id("a"), &file(), None, alone.now).unwrap();
    alone.sent();
    hello(&mut alone, 6);
    hello(&mut alone, 7);
    let said: Vec<String> = envelopes(&alone.sent())
        .iter()
        .map(|(_, parts)| String::from_utf8_lossy(&parts.concat()).into_owned())
        .collect();
    assert!(said.iter().any(|head| head.contains(r#"["open",{"transfer":0}"#)), "{said:?}");
    assert!(said.iter().any(|head| head.contains(r#"["abort",0]"#)), "it never ends: {said:?}");
}
