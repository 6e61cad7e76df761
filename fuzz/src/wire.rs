//! Fuzzes the reader of bundles between two v1 peers.

#![allow(clippy::expect_used, reason = "a fuzz target fails by panicking")]

use bytes::Bytes;
use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::wire::{
    Bundle, IncomingKind, Item, MAX_NEIGHBOURS, MAX_RANGES, MAX_REFUSED, State, flatten, unflatten,
};
use socketio_p2p_core::{Packet, PeerId};

/// Reads any bytes as a bundle. The items take no more memory than the bytes account for, writing and reading them
/// again gives the same items, and `Debug` shows no application data.
pub fn bundle(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(mut bundle) = Bundle::read(bytes.clone()) else { return };
    let epochs = bundle.epochs;
    let (mut items, mut failed) = (Vec::new(), false);
    for item in bundle.by_ref() {
        assert!(!failed, "an item follows an error");
        match item {
            Ok(item) => items.push(item),
            Err(_) => failed = true,
        }
    }
    assert!(bundle.next().is_none(), "an item follows the end");
    let cost: usize = items.iter().map(cost).sum();
    // An item has at least two bytes, an entry of a list one.
    assert!(cost <= COST_PER_BYTE * data.len(), "{cost} bytes of memory for {}", data.len());
    for item in &items {
        check(item, &bytes);
    }
    let written = Bundle::write(epochs, &items);
    let again = Bundle::read(written.clone()).expect("a written bundle is well-formed");
    assert_eq!(again.epochs, epochs);
    let again: Result<Vec<Item>, _> = again.collect();
    let again = again.expect("a written bundle is well-formed");
    assert_eq!(again, items);
    assert_eq!(Bundle::write(epochs, &again), written);
}

const COST_PER_BYTE: usize = 2 * size_of::<Item>();

/// The memory of an item, without the bytes that it shares with its message.
fn cost(item: &Item) -> usize {
    let id = |id: &PeerId| id.as_str().len() + 64;
    let more = match item {
        Item::State(State { lanes, refused, incoming, open, .. }) => {
            let ranges: usize = lanes.iter().map(|lane| lane.ahead.capacity() * 32).sum();
            let incoming = incoming.iter().map(|one| match &one.kind {
                IncomingKind::Open { ahead, .. } => 64 + ahead.capacity() * 16,
                IncomingKind::Done
                | IncomingKind::Refused
                | IncomingKind::Aborted
                | IncomingKind::Unknown => 64,
            });
            ranges + refused.capacity() * 16 + incoming.sum::<usize>() + open.capacity() * 8
        }
        Item::Neighbours(neighbours) => neighbours.peers.iter().map(id).sum(),
        Item::Pass(to, _) | Item::Passed(to, _) | Item::NoWay(to) | Item::Proof(to, _) => id(to),
        Item::Record(_)
        | Item::Ping(_)
        | Item::Pong(_)
        | Item::Bye
        | Item::Limits(_)
        | Item::GivenUp(_)
        | Item::Wait => 0,
    };
    size_of::<Item>() + more
}

/// Checks that lists are within their bounds, and that bytes are shared with the message.
fn check(item: &Item, message: &Bytes) {
    let is_shared =
        |bytes: &Bytes| bytes.is_empty() || message.as_ptr_range().contains(&bytes.as_ptr());
    match item {
        Item::Record(record) => {
            assert!(is_shared(&record.bytes), "the bytes are a copy of the message's");
            read_packet(&record.bytes);
        }
        Item::State(state) => {
            assert!(state.refused.len() <= MAX_REFUSED);
            assert!(state.lanes.iter().all(|lane| lane.ahead.len() <= MAX_RANGES));
        }
        Item::Neighbours(neighbours) => assert!(neighbours.peers.len() <= MAX_NEIGHBOURS),
        Item::Pass(_, passed) | Item::Passed(_, passed) => assert!(is_shared(&passed.bundle)),
        Item::Ping(_)
        | Item::Pong(_)
        | Item::Bye
        | Item::Limits(_)
        | Item::GivenUp(_)
        | Item::NoWay(_)
        | Item::Proof(..)
        | Item::Wait => {}
    }
}

/// Reads a record as a packet, if it is one: flattening that gives the same bytes.
fn read_packet(bytes: &Bytes) {
    let Some((head, attachments)) = unflatten(bytes.clone()) else { return };
    let unbounded = Limits::unbounded();
    if let Ok(packet) = Packet::from_head_and_attachments(head, attachments, &unbounded) {
        assert_eq!(flatten(&packet), bytes, "a flattened packet has one form");
    }
}
