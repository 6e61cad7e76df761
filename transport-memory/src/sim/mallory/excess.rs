//! Attacks that exceed bounds: refusals, records far ahead of their turn, transfers beyond their credit and size, long
//! messages with little content.

use bytes::{BufMut as _, Bytes, BytesMut};
use socketio_p2p_core::PeerId;
use socketio_p2p_core::wire::{Bundle, Epochs, Item, Lane, Record, Stream};

use super::{EPOCH, Mallory, flat};
use crate::mesh::Mesh;

/// Packets that nobody can take: more than a receiver may list as refused.
const BAD: u64 = 200;

/// The bytes of a packet that is ahead of its turn, and the most of those.
pub(in crate::sim) const AHEAD: usize = 1_024;
const MAX_AHEAD: usize = 256;

/// Of those that come before, in long messages, this many are short.
pub(in crate::sim) const SHORT_AHEAD: u64 = MESSAGES;

/// The transfers: one that is longer than it says, one that goes beyond its credit, one with gaps.
pub(in crate::sim) const TOO_LONG: u64 = 0;
const BEYOND_CREDIT: u64 = 1;
const WITH_GAPS: u64 = 2;

/// Bytes of a transfer beyond its credit.
const BEYOND: usize = 20_000;

/// A message that is long for nothing, and how many of a kind there are.
const LONG: usize = 20_000;
const MESSAGES: u64 = 30;

/// What an envelope has beside its body.
const BESIDE: usize = 400;

/// The type of a control item that nobody knows.
const UNKNOWN: u8 = 0x70;

fn record(stream: Stream, number: u64, offset: u64, bytes: Bytes, end: bool) -> Item {
    Item::Record(Record { stream, number, offset, end, abort: false, bytes })
}

/// How a transfer begins.
fn announcement(size: u64) -> BytesMut {
    let event = flat(br#"2["n",0,null]"#, &[]);
    let mut bytes = BytesMut::new();
    bytes.put_u64(size);
    bytes.put_u32(event.len() as u32);
    bytes.put_slice(&event);
    bytes
}

impl Mallory {
    pub(super) fn exceed(&mut self, mesh: &mut Mesh, victim: &PeerId, direct: bool) {
        if self.exceeded.contains(victim) {
            return;
        }
        self.exceeded.push(victim.clone());
        let (room, window) = self.victims_bounds;
        let longest = (self.envelope_limit as usize).saturating_sub(BESIDE).min(60_000);
        let (events, bulk) = (Stream::Lane(Lane::Events), Stream::Lane(Lane::Bulk));
        let bad = |number| record(events, number, 0, Bytes::from_static(b"!"), true);
        let mut items: Vec<Item> = (0..BAD).map(bad).collect();
        items.extend(Self::false_transfers(window));
        self.say_in_parts(mesh, victim, direct, longest, items);
        let bits = Bytes::from_static(b"x");
        for at in 0..MESSAGES {
            let place = 2 * at + 500;
            for item in [
                record(bulk, at + 1, 0, bits.clone(), true),
                record(Stream::Lane(Lane::Volatile), 9, place, bits.clone(), false),
                record(Stream::Transfers, WITH_GAPS, place, bits.clone(), false),
            ] {
                self.say_at_length(mesh, victim, direct, longest.min(LONG), item);
            }
        }
        let count = (2 * room / AHEAD).min(MAX_AHEAD) as u64;
        let ahead = |at| record(bulk, MESSAGES + 1 + at, 0, Bytes::from(vec![b'x'; AHEAD]), true);
        self.say_in_parts(mesh, victim, direct, longest, (0..count).map(ahead).collect());
    }

    fn false_transfers(window: usize) -> Vec<Item> {
        let transfer = |number, offset, bytes: Bytes, end| {
            record(Stream::Transfers, number, offset, bytes, end)
        };
        let mut too_long = announcement(100);
        too_long.put_bytes(7, 150);
        let begins = announcement(u64::MAX).freeze();
        let step = AHEAD.min(window.max(1));
        let mut items = vec![
            transfer(TOO_LONG, 0, too_long.freeze(), true),
            transfer(BEYOND_CREDIT, 0, begins.clone(), false),
            transfer(WITH_GAPS, 0, begins.clone(), false),
        ];
        let reach = (window / step * step).min(1 << 18) + BEYOND;
        for at in (0..reach).step_by(step) {
            let offset = (begins.len() + at) as u64;
            items.push(transfer(BEYOND_CREDIT, offset, Bytes::from(vec![7; step]), false));
        }
        items
    }

    /// Says all that, in as many bundles as it takes.
    fn say_in_parts(
        &self,
        mesh: &mut Mesh,
        victim: &PeerId,
        direct: bool,
        longest: usize,
        items: Vec<Item>,
    ) {
        let mut part: Vec<Item> = Vec::new();
        let mut len = 0;
        for item in items {
            let size = if let Item::Record(record) = &item { record.bytes.len() + 24 } else { 24 };
            if len + size > longest && !part.is_empty() {
                self.tell(mesh, victim, direct, (EPOCH, 0), &std::mem::take(&mut part));
                len = 0;
            }
            len += size;
            part.push(item);
        }
        part.push(Item::Ping(7));
        self.tell(mesh, victim, direct, (EPOCH, 0), &part);
    }

    /// Says something in a message of that length.
    fn say_at_length(
        &self,
        mesh: &mut Mesh,
        victim: &PeerId,
        direct: bool,
        len: usize,
        item: Item,
    ) {
        let bundle = Bundle::write(Epochs { epoch: EPOCH, peer_epoch: 0 }, &[item]);
        let rest = len.saturating_sub(bundle.len());
        let mut body = BytesMut::from(&bundle[..]);
        body.put_u8(UNKNOWN);
        body.put_u32(0x8000_0000 | rest as u32);
        body.put_bytes(0, rest);
        self.tell_body(mesh, victim, direct, body.freeze());
    }
}
