//! The memory of a session for received data that cannot be delivered, and members that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const PEERS: usize = 32;

fn members() -> Vec<String> {
    (0..PEERS).map(|number| format!("p{number:02}")).collect()
}

fn held(alone: &Alone) -> usize {
    alone.session.peers().map(|peer| peer.held).sum()
}

#[test]
fn unfinished_packets_of_many_peers_stay_within_receive_bytes_and_are_refused() {
    const BUDGET: usize = 4 << 20;
    const PIECE: usize = 16 << 10;
    let names = members();
    let mut roster: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    roster.push(("small", 1));
    let config = relay_only().with_receive_bytes(BUDGET);
    let mut alone = Alone::with_members(config, &roster);
    alone.events();
    let mut most = 0;
    for number in 0..64 {
        for name in &names {
            for lane in Lane::RELIABLE {
                let record = piece(lane, 0, number * PIECE as u64, vec![0; PIECE], false);
                alone.receive_bundle(name, FRESH, &[record]);
            }
            most = most.max(held(&alone));
        }
    }
    assert!((BUDGET / 2..=BUDGET).contains(&most), "{most} bytes");
    // Another peer is not locked out: the largest unfinished packet is refused for it.
    for _ in 0..2 {
        alone.receive_packet("small", FRESH, 0, "2[\"small\"]");
        let long = "x".repeat(60_000);
        let whole = flat(&format!("2[\"long\",\"{long}\"]"), &[]);
        for (offset, bytes) in (0..).step_by(PIECE).zip(whole.chunks(PIECE)) {
            let end = offset as usize + bytes.len() == whole.len();
            let record = piece(Lane::Events, 1, offset, bytes.to_vec(), end);
            alone.receive_bundle("small", FRESH, &[record]);
        }
    }
    assert_eq!(names_of(&mut alone), ["small", "long"]);
    alone.wait(Duration::from_secs(31));
    assert!(held(&alone) < 100_000, "{} bytes after the time-out", held(&alone));
}

fn names_of(alone: &mut Alone) -> Vec<String> {
    names(&alone.events())
}

#[test]
fn records_out_of_order_without_room_are_dropped_and_retransmitted() {
    let mut alone = Alone::with_members(relay_only().with_queue_bytes(10_000), &[("a", 1)]);
    alone.events();
    let long = format!("2[\"x\",\"{}\"]", "x".repeat(3_000));
    for seq in 1..10 {
        alone.receive_packet("a", FRESH, seq, &long);
    }
    assert!(held(&alone) <= 10_000, "{}", held(&alone));
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    let output = states(&items(&alone.sent_to("a")));
    let ahead = &output[0].lanes[0].ahead;
    assert!(ahead.len() == 1 && ahead[0].1.number < 10, "{ahead:?}");
    alone.receive_packet("a", FRESH, 0, &long);
    let came = names_of(&mut alone).len() as u64;
    assert_eq!(came, ahead[0].1.number);
}

/// Tiny pieces with gaps between them cost more than their bytes.
#[test]
fn gaps_between_records_count_towards_the_memory_bound() {
    let mut alone = Alone::with_members(relay_only().with_receive_bytes(1 << 20), &[("a", 1)]);
    for number in 0..200_000 {
        alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 2 * number + 1, vec![0], false)]);
    }
    assert!(held(&alone) <= 1 << 20);
    for number in 1..100_000 {
        alone.receive_bundle("a", FRESH, &[piece(Lane::Bulk, number, 1, vec![0], false)]);
    }
    assert!(held(&alone) <= 1 << 20);
    let output = states(&items(&alone.sent_to("a")));
    assert!(output.iter().all(|state| state.lanes.iter().all(|lane| lane.ahead.len() <= 16)));
}

/// Numbers far ahead, each with an unacceptable packet.
#[test]
fn refusals_of_packets_out_of_order_are_bounded() {
    for policy in [Policy::RelayOnly, Policy::DirectOnly] {
        let config = Config::default().with_policy(policy).with_receive_bytes(2 << 20);
        let mut alone = Alone::with_members(config, &[("a", 1)]);
        for number in 1..20_000 {
            let bad = piece(Lane::Events, number, u64::from(u32::MAX), vec![0], true);
            alone.receive_bundle("a", FRESH, &[bad]);
        }
        assert!(held(&alone) <= 2 << 20, "{} bytes, {policy:?}", held(&alone));
    }
}

#[test]
fn a_member_that_ignores_offers_does_not_prevent_ready() {
    let mut alone = Alone::with_members(Config::default(), &[("ignores", 1), ("a", 1)]);
    let channel = alone.validated_channel("a");
    let mut ready = None;
    let start = alone.now;
    alone.wait_and(Duration::from_secs(120), |alone| {
        alone.answer_pings(channel);
        alone.sent();
        if has(&alone.events(), |event| matches!(event, Event::Ready)) {
            ready.get_or_insert(alone.now - start);
        }
    });
    assert_eq!(alone.session.peers().count(), 2, "the peer is in the room");
    assert!(ready.is_some());
}

#[test]
fn bulk_to_all_is_sent_in_records_despite_a_v0_peer() {
    let mut alone = Alone::with_members(relay_only(), &[("a", 1), ("b", 1), ("old", 0)]);
    let bulk = Packet::event("x", &(Blob::from(vec![7; 40_000]),)).unwrap();
    alone.session.emit_bulk(Target::All, &bulk, alone.now).unwrap();
    let mut got = 0;
    for _ in 0..20 {
        let sent = alone.sent();
        got += downloads("old", &sent).len();
        for (peer, peer_epoch) in [("a", 1), ("b", 2)] {
            let output = items(&bundles_to(peer, &sent));
            assert!(records(&output).iter().all(|record| record.bytes.len() <= 16 << 10));
            let Some(last) = records(&output).pop() else { continue };
            let end = last.offset + last.bytes.len() as u64;
            let next = if last.end {
                Place { number: 1, offset: 0 }
            } else {
                Place { number: 0, offset: end }
            };
            let bulk = LaneState { next, ..LaneState::default() };
            let state = State { lanes: [LaneState::default(), bulk], ..State::default() };
            let pongs = pings(&output).into_iter().map(Item::Pong);
            let answer: Vec<Item> = std::iter::once(Item::State(state)).chain(pongs).collect();
            alone.now = alone.now + Duration::from_millis(10);
            alone.receive_bundle(peer, Epochs { epoch: 1, peer_epoch }, &answer);
        }
    }
    assert_eq!(got, 1, "whole, the only form for a v0 peer");
    assert_eq!(
        outcomes(&alone.events()).iter().filter(|end| **end == Outcome::Delivered).count(),
        2
    );
}

#[test]
fn refusals_of_packets_out_of_order_stay_within_the_memory_bound() {
    let config = relay_only().with_policy(Policy::DirectOnly).with_queue_bytes(8 << 10);
    let mut alone = Alone::with_members(config, &[("a", 1)]);
    let too_far = 1 << 40;
    for number in (1..2_000).rev() {
        // On a path that the policy forbids; then also beyond the limits of any packet.
        alone.receive_bundle("a", FRESH, &[piece(Lane::Events, number, 0, vec![0; 9], true)]);
        alone.session.set_policy(Policy::RelayOnly, alone.now);
        alone.receive_bundle("a", FRESH, &[piece(Lane::Bulk, number, too_far, vec![0; 9], true)]);
        alone.session.set_policy(Policy::DirectOnly, alone.now);
    }
    let most = Lane::RELIABLE.len() * (8 << 10);
    assert!((most / 2..=most).contains(&held(&alone)), "{}", held(&alone));
    // The dropped records are retransmitted.
    alone.session.set_policy(Policy::RelayOnly, alone.now);
    for number in 0..2_000 {
        alone.receive_packet("a", FRESH, number, "2[\"x\"]");
    }
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    let output = states(&items(&alone.sent_to("a")));
    assert!(output.last().unwrap().lanes[0].next.number >= 32, "{:?}", output.last());
}

/// Packets out of order fill the bound; packets in order need no room, also behind another one in the same
/// bundle.
#[test]
fn packets_in_order_are_accepted_while_packets_out_of_order_fill_the_memory_bound() {
    let mut alone = Alone::with_members(relay_only().with_queue_bytes(2_048), &[("a", 1)]);
    let packets = |numbers: std::ops::Range<u64>| -> Vec<Item> {
        numbers.map(|number| packet(number, &format!("2[\"n\",{number}]"))).collect()
    };
    alone.receive_bundle("a", FRESH, &packets(10..40));
    assert!(names(&alone.events()).is_empty());
    alone.receive_bundle("a", FRESH, &packets(0..10));
    let received =
        alone.events().into_iter().filter(|event| matches!(event, Event::Received { .. })).count();
    assert!((11..40).contains(&received), "{received}");
}

/// Delivers packets of `from` from number 1 on, until there is no room for another one. Returns the first number
/// that was dropped.
fn fill_behind_gap(alone: &mut Alone, from: &str, budget: usize) -> u64 {
    let long = format!("2[\"later\",\"{}\"]", "x".repeat(1_500));
    for number in 1.. {
        let before = held(alone);
        alone.receive_packet(from, FRESH, number, &long);
        if held(alone) == before {
            assert!(before > budget - 2_000, "{before} bytes");
            return number;
        }
    }
    unreachable!("the memory is bounded");
}

fn refused_for_room(events: &[Event]) -> Vec<PeerId> {
    let refused = events.iter().filter_map(|event| match event {
        Event::PeerError { peer, error: PeerError::NoRoom } => Some(peer.clone()),
        _ => None,
    });
    refused.collect()
}

/// Acknowledged packets behind a gap cannot be dropped, and the packet in the gap comes in pieces, which need
/// room.
#[test]
fn a_missing_packet_is_refused_when_complete_packets_behind_it_leave_no_room_for_its_pieces() {
    const BUDGET: usize = 20_000;
    let mut alone = Alone::with_members(relay_only().with_receive_bytes(BUDGET), &[("a", 1)]);
    alone.events();
    let dropped = fill_behind_gap(&mut alone, "a", BUDGET);
    let events = alone.events();
    assert!(refused_for_room(&events).is_empty(), "the missing packet may still come whole");
    let first = flat(&format!("2[\"first\",\"{}\"]", "x".repeat(2_000)), &[]).slice(..1_900);
    alone.receive_bundle("a", FRESH, &[piece(Lane::Events, 0, 0, first, false)]);
    let events = alone.events();
    assert_eq!(refused_for_room(&events), [id("a")]);
    assert_eq!(names(&events).len() as u64, dropped - 1);
    assert_eq!(held(&alone), 0);
    alone.receive_bundle("a", FRESH, &[Item::Ping(1)]);
    let output = states(&items(&alone.sent_to("a")));
    let state = output.last().unwrap();
    assert_eq!(state.lanes[0].next, Place { number: dropped, offset: 0 });
    assert_eq!(state.refused, [(Lane::Events, 0)]);
}

#[test]
fn a_peer_whose_packets_wait_behind_a_gap_does_not_lock_out_another_peer() {
    const BUDGET: usize = 20_000;
    let members = [("a", 1), ("b", 1)];
    let mut alone = Alone::with_members(relay_only().with_receive_bytes(BUDGET), &members);
    alone.events();
    fill_behind_gap(&mut alone, "a", BUDGET);
    let whole = flat(&format!("2[\"small\",\"{}\"]", "x".repeat(3_000)), &[]);
    let first = piece(Lane::Events, 0, 0, whole.slice(..2_000), false);
    let rest = piece(Lane::Events, 0, 2_000, whole.slice(2_000..), true);
    alone.receive_bundle("b", FRESH, std::slice::from_ref(&first));
    assert_eq!(refused_for_room(&alone.events()), [id("a")]);
    // The record that was dropped comes again.
    alone.receive_bundle("b", FRESH, &[first, rest]);
    assert_eq!(names_of(&mut alone), ["small"]);
}

/// A message that is counted for as long as a part of it is held.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

#[test]
fn waiting_short_records_do_not_keep_their_long_messages_in_memory() {
    const LONG: usize = 20_000;
    let volatile = |at| piece(Lane::Volatile, 0, 2 * at + 1, vec![0], false);
    let ahead = |at| piece(Lane::Bulk, at + 1, 0, vec![0; 9], true);
    let transfer = |at| {
        let bytes = Bytes::from_static(b"x");
        let (stream, offset) = (Stream::Transfers, 2 * at + 1);
        Item::Record(Record { stream, number: 0, offset, end: false, abort: false, bytes })
    };
    let kinds: [&dyn Fn(u64) -> Item; 3] = [&volatile, &ahead, &transfer];
    for (kind, item) in kinds.into_iter().enumerate() {
        let mut alone = Alone::with_members(relay_only(), &[("a", 1)]);
        let kept = Arc::new(AtomicUsize::new(0));
        for at in 0..100 {
            // An unknown control type, which is ignored.
            let mut body = Bundle::write(FRESH, &[item(at)]).to_vec();
            body.extend_from_slice(&[0x70, 0x80, 0, (LONG >> 8) as u8, (LONG & 0xff) as u8]);
            body.extend(std::iter::repeat_n(0, LONG));
            kept.fetch_add(body.len(), Ordering::Relaxed);
            let body = Bytes::from_owner(Counted(body, Arc::clone(&kept)));
            alone.receive_body("a", body);
        }
        assert!(held(&alone) > 0, "kind {kind}: nothing waits");
        let kept = kept.load(Ordering::Relaxed);
        assert!(kept <= 2 * LONG, "kind {kind}: {kept} bytes for {}", held(&alone));
    }
}

/// All records of one bundle are received in one input.
#[test]
fn the_records_of_one_bundle_together_stay_within_receive_bytes() {
    const BUDGET: usize = 40_000;
    let mut alone = Alone::with_members(relay_only().with_receive_bytes(BUDGET), &[("a", 1)]);
    alone.events();
    let records: Vec<Item> = (0..8)
        .flat_map(|number| Lane::RELIABLE.map(|lane| (lane, number)))
        .map(|(lane, number)| piece(lane, number, 4_000, vec![0; 4_000], false))
        .collect();
    alone.receive_bundle("a", FRESH, &records);
    assert!((BUDGET / 2..=BUDGET).contains(&held(&alone)), "{} bytes", held(&alone));
}
