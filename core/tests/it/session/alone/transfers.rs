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
