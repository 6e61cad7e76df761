//! Writing the items of a bundle.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::item::{
    Item, Neighbours, RECORD, RECORD_ABORT, RECORD_END, RECORD_OFFSET, Record, RecordHead, kind,
};
use super::read::Bundle;
use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::wire::peer::seal::{Passed, SEAL_LEN};
use crate::wire::peer::state::State;
use crate::wire::peer::varint;
use crate::wire::{Epochs, PeerLimits};

impl Bundle {
    /// Writes a bundle.
    #[must_use]
    pub fn write(epochs: Epochs, items: &[Item]) -> Bytes {
        let mut writer = Writer::new(epochs, 0);
        items.iter().for_each(|item| writer.item(item));
        writer.finish()
    }
}

/// A writer of a bundle.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Redacted<BytesMut>,
}

impl Writer {
    /// Begins a bundle with these epochs.
    pub(crate) fn new(epochs: Epochs, capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(capacity);
        varint::put(&mut buffer, u64::from(epochs.epoch));
        varint::put(&mut buffer, u64::from(epochs.peer_epoch));
        Self { buffer: Redacted(buffer) }
    }

    /// Returns the bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(crate) fn finish(self) -> Bytes {
        self.buffer.0.freeze()
    }

    pub(crate) fn item(&mut self, item: &Item) {
        match item {
            Item::Record(record) => {
                let Record { stream, number, offset, end, abort, ref bytes } = *record;
                let len = bytes.len() as u64;
                let head = RecordHead { stream, number, offset, end, abort, len };
                self.record(head, |buffer| buffer.put_slice(bytes));
            }
            Item::Ping(number) => self.ping(*number),
            Item::Pong(number) => self.pong(*number),
            Item::State(state) => self.state(state),
            Item::Bye => self.bye(),
            Item::Wait => self.wait(),
            Item::Limits(limits) => self.limits(limits),
            Item::GivenUp(epoch) => self.given_up(*epoch),
            Item::Neighbours(neighbours) => self.neighbours(neighbours),
            Item::Pass(to, passed) => self.put_passed(kind::PASS, to, passed),
            Item::Passed(from, passed) => self.put_passed(kind::PASSED, from, passed),
            Item::NoWay(peer) => self.no_way(peer),
            Item::Proof(asker, nonce) => self.proof(asker, *nonce),
        }
    }

    pub(crate) fn ping(&mut self, number: u64) {
        self.number(kind::PING, number);
    }

    pub(crate) fn pong(&mut self, number: u64) {
        self.number(kind::PONG, number);
    }

    pub(crate) fn given_up(&mut self, epoch: u32) {
        self.number(kind::GIVEN_UP, u64::from(epoch));
    }

    pub(crate) fn bye(&mut self) {
        self.buffer.put_slice(&[kind::BYE, 0]);
    }

    pub(crate) fn wait(&mut self) {
        self.buffer.put_slice(&[kind::WAIT, 0]);
    }

    pub(crate) fn state(&mut self, state: &State) {
        let mut content = BytesMut::with_capacity(64);
        state.write(&mut content);
        self.control(kind::STATE, &content);
    }

    pub(crate) fn limits(&mut self, limits: &PeerLimits) {
        let mut content = BytesMut::with_capacity(24);
        varint::put(&mut content, limits.packet_bytes);
        let PeerLimits { attachments, json_depth, event_name, namespace, .. } = *limits;
        for limit in [attachments, json_depth, event_name, namespace] {
            varint::put(&mut content, u64::from(limit));
        }
        self.control(kind::LIMITS, &content);
    }

    fn neighbours(&mut self, Neighbours { peers, rate }: &Neighbours) {
        let mut content = BytesMut::with_capacity(16 + peers.len() * 24);
        varint::put(&mut content, *rate);
        varint::put(&mut content, peers.len() as u64);
        peers.iter().for_each(|peer| put_id(&mut content, peer));
        self.control(kind::NEIGHBOURS, &content);
    }

    fn no_way(&mut self, peer: &PeerId) {
        let mut content = BytesMut::with_capacity(1 + peer.as_str().len());
        put_id(&mut content, peer);
        self.control(kind::NO_WAY, &content);
    }

    fn proof(&mut self, asker: &PeerId, nonce: u64) {
        let mut content = BytesMut::with_capacity(10 + asker.as_str().len());
        put_id(&mut content, asker);
        varint::put(&mut content, nonce);
        self.control(kind::PROOF, &content);
    }

    /// Writes a record of `len` bytes, which `put` writes.
    pub(crate) fn record(&mut self, head: RecordHead, put: impl FnOnce(&mut BytesMut)) {
        let RecordHead { stream, number, offset, end, abort, len } = head;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        self.buffer.put_u8(
            RECORD
                | stream.bits()
                | flag(end, RECORD_END)
                | flag(abort, RECORD_ABORT)
                | flag(offset > 0, RECORD_OFFSET),
        );
        varint::put(&mut self.buffer, number);
        if offset > 0 {
            varint::put(&mut self.buffer, offset);
        }
        varint::put(&mut self.buffer, len);
        put(&mut self.buffer);
    }

    fn number(&mut self, kind: u8, number: u64) {
        self.buffer.put_slice(&[kind, varint::len(number) as u8]);
        varint::put(&mut self.buffer, number);
    }

    pub(super) fn control(&mut self, kind: u8, content: &[u8]) {
        self.buffer.put_u8(kind);
        varint::put(&mut self.buffer, content.len() as u64);
        self.buffer.put_slice(content);
    }

    fn put_passed(&mut self, kind: u8, id: &PeerId, passed: &Passed) {
        let Passed { number, seal, bundle } = passed;
        let id_len = id.as_str().len();
        let len =
            varint::len(id_len as u64) + id_len + varint::len(*number) + SEAL_LEN + bundle.len();
        self.buffer.put_u8(kind);
        varint::put(&mut self.buffer, len as u64);
        put_id(&mut self.buffer, id);
        varint::put(&mut self.buffer, *number);
        self.buffer.put_slice(seal.as_bytes());
        self.buffer.put_slice(bundle);
    }
}

fn put_id(buffer: &mut BytesMut, id: &PeerId) {
    varint::put(buffer, id.as_str().len() as u64);
    buffer.put_slice(id.as_str().as_bytes());
}
