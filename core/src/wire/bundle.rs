//! One transport message between two v1 peers, and what is in it.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::seal::{Passed, SEAL_LEN, Seal};
use super::state::State;
use super::varint;
use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::signal::{Epochs, Lane, PeerLimits};

/// The most peers that a neighbour names.
pub const MAX_NEIGHBOURS: usize = 64;

const RECORD: u8 = 0x80;
const RECORD_END: u8 = 0x04;
const RECORD_OFFSET: u8 = 0x08;
const RECORD_ABORT: u8 = 0x10;

/// The types of control.
mod kind {
    pub(super) const PING: u8 = 1;
    pub(super) const PONG: u8 = 2;
    pub(super) const STATE: u8 = 3;
    pub(super) const BYE: u8 = 4;
    pub(super) const LIMITS: u8 = 5;
    pub(super) const GIVEN_UP: u8 = 6;
    pub(super) const NEIGHBOURS: u8 = 7;
    pub(super) const PASS: u8 = 8;
    pub(super) const PASSED: u8 = 9;
    pub(super) const NO_WAY: u8 = 10;
}

/// What records belong to: one of the lanes, or the transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Packets in order, or volatile ones.
    Lane(Lane),
    /// Each number is a transfer.
    Transfers,
}

impl Stream {
    const fn bits(self) -> u8 {
        match self {
            Self::Lane(lane) => lane.number(),
            Self::Transfers => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Lane(Lane::Events),
            1 => Self::Lane(Lane::Bulk),
            2 => Self::Lane(Lane::Volatile),
            _ => Self::Transfers,
        }
    }
}

/// A piece of a packet or of a transfer.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// What it belongs to.
    pub stream: Stream,
    /// The packet's number in its lane, or the transfer's.
    pub number: u64,
    /// Where in it the bytes belong.
    pub offset: u64,
    /// It ends with these bytes.
    pub end: bool,
    /// The transfer is broken off.
    pub abort: bool,
    /// The bytes.
    pub bytes: Bytes,
}

impl Record {
    /// The most bytes that a record takes beside its own.
    pub(crate) const HEAD: usize = 1 + 8 + 8 + 4;
}

/// Shows no byte of the application's.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stream, number, offset, end, abort, bytes } = self;
        write!(f, "Record({stream:?} {number} at {offset}, {} bytes", bytes.len())?;
        write!(f, "{}{})", if *end { ", end" } else { "" }, if *abort { ", abort" } else { "" })
    }
}

/// One thing that a bundle says.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A piece of a packet or of a transfer.
    Record(Record),
    /// To be answered at once.
    Ping(u64),
    /// The answer to the ping of this number.
    Pong(u64),
    /// What the sender has, and knows.
    State(State),
    /// The sender leaves.
    Bye,
    /// What the sender's application accepts.
    Limits(PeerLimits),
    /// This epoch of the receiver's is over.
    GivenUp(u32),
    /// Whom the sender passes bundles on to.
    Neighbours(Neighbours),
    /// To be passed on to this peer.
    Pass(PeerId, Passed),
    /// Passed on for this peer.
    Passed(PeerId, Passed),
    /// Nothing is passed on to this peer now.
    NoWay(PeerId),
}

/// Whom a neighbour passes bundles on to, and how many bytes per second from one peer to one other.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Whom.
    pub peers: Vec<PeerId>,
    /// Bytes per second.
    pub rate: u64,
}

/// A bundle that cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// It does not begin with two epochs.
    #[error("expected a bundle to begin with two epochs of 32 bits")]
    Epochs,
    /// The bytes of a record end before its length.
    #[error("expected a whole record, got one that is cut off")]
    Record,
    /// The bytes of a control item end before its length.
    #[error("expected a whole control item, got one that is cut off")]
    Control,
    /// The content of a control item is not what its type says.
    #[error("expected control of type {kind} to be well formed")]
    Content {
        /// The type.
        kind: u8,
    },
}

/// A bundle, read as far as its epochs: an iterator over what is in it. After an error there is nothing more.
#[derive(Clone)]
pub struct Bundle {
    /// Between which incarnations of the two ends it is; the receiver's is 0 when it is not known.
    pub epochs: Epochs,
    rest: Bytes,
}

/// Shows the epochs and the length of the rest.
impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundle({:?}, {} bytes)", self.epochs, self.rest.len())
    }
}

impl Bundle {
    /// Writes a bundle.
    #[must_use]
    pub fn write(epochs: Epochs, items: &[Item]) -> Bytes {
        let mut writer = Writer::new(epochs, 0);
        items.iter().for_each(|item| writer.item(item));
        writer.finish()
    }

    /// Reads a bundle as far as its epochs. What is in it is read by iterating.
    ///
    /// # Errors
    /// [`BadBundle`] when it has no epochs.
    pub fn read(mut bytes: Bytes) -> Result<Self, BadBundle> {
        let mut epoch = || u32::try_from(varint::take(&mut bytes)?).ok();
        let (epoch, peer_epoch) = epoch().zip(epoch()).ok_or(BadBundle::Epochs)?;
        Ok(Self { epochs: Epochs { epoch, peer_epoch }, rest: bytes })
    }

    fn read_record(&mut self, kind: u8) -> Option<Record> {
        let number = varint::take(&mut self.rest)?;
        let offset = if kind & RECORD_OFFSET == 0 { 0 } else { varint::take(&mut self.rest)? };
        let bytes = self.take_counted()?;
        let (end, abort) = (kind & RECORD_END != 0, kind & RECORD_ABORT != 0);
        Some(Record { stream: Stream::from_bits(kind), number, offset, end, abort, bytes })
    }

    /// The bytes behind their length.
    fn take_counted(&mut self) -> Option<Bytes> {
        let len = usize::try_from(varint::take(&mut self.rest)?).ok()?;
        (len <= self.rest.len()).then(|| self.rest.split_to(len))
    }

    fn read_item(&mut self) -> Result<Option<Item>, BadBundle> {
        let kind = self.rest.get_u8();
        if kind & RECORD != 0 {
            let record = self.read_record(kind).ok_or(BadBundle::Record)?;
            return Ok(Some(Item::Record(record)));
        }
        let content = self.take_counted().ok_or(BadBundle::Control)?;
        read_control(kind, content).ok_or(BadBundle::Content { kind })
    }
}

impl Iterator for Bundle {
    type Item = Result<Item, BadBundle>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.read_item() {
                Ok(Some(item)) => return Some(Ok(item)),
                // A later version may have added it.
                Ok(None) => {}
                Err(error) => {
                    self.rest.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// `Some(None)` for control of a type that is not known.
fn read_control(kind: u8, mut content: Bytes) -> Option<Option<Item>> {
    let content = &mut content;
    Some(Some(match kind {
        kind::PING => Item::Ping(varint::take(content)?),
        kind::PONG => Item::Pong(varint::take(content)?),
        kind::STATE => Item::State(State::read(content)?),
        kind::BYE => Item::Bye,
        kind::LIMITS => {
            let packet_bytes = varint::take(content)?;
            let mut next = || u32::try_from(varint::take(content)?).ok();
            Item::Limits(PeerLimits {
                packet_bytes,
                attachments: next()?,
                json_depth: next()?,
                event_name: next()?,
                namespace: next()?,
            })
        }
        kind::GIVEN_UP => Item::GivenUp(u32::try_from(varint::take(content)?).ok()?),
        kind::NEIGHBOURS => {
            let rate = varint::take(content)?;
            let count = usize::try_from(varint::take(content)?).ok()?;
            if count > MAX_NEIGHBOURS {
                return None;
            }
            let peers = (0..count).map(|_| take_id(content)).collect::<Option<_>>()?;
            Item::Neighbours(Neighbours { peers, rate })
        }
        kind::PASS => {
            let (to, passed) = take_passed(content)?;
            Item::Pass(to, passed)
        }
        kind::PASSED => {
            let (from, passed) = take_passed(content)?;
            Item::Passed(from, passed)
        }
        kind::NO_WAY => Item::NoWay(take_id(content)?),
        _ => return Some(None),
    }))
}

fn take_id(bytes: &mut Bytes) -> Option<PeerId> {
    let len = usize::try_from(varint::take(bytes)?).ok()?;
    if len > bytes.len() {
        return None;
    }
    // Copied: a name that is kept must not keep the message that it came in.
    let id = ByteString::try_from(Bytes::copy_from_slice(&bytes.split_to(len))).ok()?;
    PeerId::new(id).ok()
}

fn take_passed(bytes: &mut Bytes) -> Option<(PeerId, Passed)> {
    let id = take_id(bytes)?;
    let number = varint::take(bytes)?;
    let seal = Seal::new(*bytes.first_chunk::<SEAL_LEN>()?);
    bytes.advance(SEAL_LEN);
    Some((id, Passed { number, seal, bundle: bytes.split_off(0) }))
}

/// Writes a bundle.
#[derive(Debug)]
pub(crate) struct Writer {
    buffer: Redacted<BytesMut>,
}

impl Writer {
    /// Begins a bundle of these epochs.
    pub(crate) fn new(epochs: Epochs, capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(capacity);
        varint::put(&mut buffer, u64::from(epochs.epoch));
        varint::put(&mut buffer, u64::from(epochs.peer_epoch));
        Self { buffer: Redacted(buffer) }
    }

    /// The bytes so far.
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
            Item::Limits(limits) => self.limits(limits),
            Item::GivenUp(epoch) => self.given_up(*epoch),
            Item::Neighbours(neighbours) => self.neighbours(neighbours),
            Item::Pass(to, passed) => self.put_passed(kind::PASS, to, passed),
            Item::Passed(from, passed) => self.put_passed(kind::PASSED, from, passed),
            Item::NoWay(peer) => self.no_way(peer),
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

    fn control(&mut self, kind: u8, content: &[u8]) {
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

/// A record without its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordHead {
    pub(crate) stream: Stream,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) end: bool,
    pub(crate) abort: bool,
    pub(crate) len: u64,
}

fn put_id(buffer: &mut BytesMut, id: &PeerId) {
    varint::put(buffer, id.as_str().len() as u64);
    buffer.put_slice(id.as_str().as_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{BadBundle, Bundle, Item, Neighbours, Passed, Record, Stream, Writer};
    use crate::signal::{Epochs, Lane, PeerLimits};
    use crate::wire::Seal;

    const EPOCHS: Epochs = Epochs { epoch: 70_000, peer_epoch: 0 };

    fn items(bytes: Bytes) -> Result<Vec<Item>, BadBundle> {
        let bundle = Bundle::read(bytes)?;
        assert_eq!(bundle.epochs, EPOCHS);
        bundle.collect()
    }

    fn number() -> impl Strategy<Value = u64> {
        (0_u32..62).prop_map(|bits| (1 << bits) - 1)
    }

    fn item() -> impl Strategy<Value = Item> {
        let stream = prop_oneof![
            Just(Stream::Transfers),
            prop::sample::select(&Lane::ALL[..]).prop_map(Stream::Lane),
        ];
        let bytes = || prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let peer = || "[a-z]{1,30}".prop_map(|id| id.parse().unwrap());
        let record = (stream, number(), number(), any::<bool>(), any::<bool>(), bytes());
        let passed = || {
            (number(), any::<[u8; 32]>(), bytes()).prop_map(|(number, seal, bundle)| Passed {
                number,
                seal: Seal::new(seal),
                bundle,
            })
        };
        prop_oneof![
            4 => record.prop_map(|(stream, number, offset, end, abort, bytes)| {
                Item::Record(Record { stream, number, offset, end, abort, bytes })
            }),
            1 => number().prop_map(Item::Ping),
            1 => number().prop_map(Item::Pong),
            1 => Just(Item::Bye),
            1 => any::<u32>().prop_map(Item::GivenUp),
            1 => (number(), any::<[u32; 4]>()).prop_map(|(packet_bytes, rest)| {
                let [attachments, json_depth, event_name, namespace] = rest;
                Item::Limits(PeerLimits {
                    packet_bytes, attachments, json_depth, event_name, namespace,
                })
            }),
            1 => (number(), prop::collection::vec(peer(), 0..5))
                .prop_map(|(rate, peers)| Item::Neighbours(Neighbours { peers, rate })),
            1 => (peer(), passed()).prop_map(|(to, passed)| Item::Pass(to, passed)),
            1 => (peer(), passed()).prop_map(|(from, passed)| Item::Passed(from, passed)),
            1 => peer().prop_map(Item::NoWay),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(all in prop::collection::vec(item(), 0..8)) {
            prop_assert_eq!(items(Bundle::write(EPOCHS, &all)), Ok(all));
        }

        /// Cut anywhere, a bundle gives a beginning of what is in it, and an error unless the cut is between two items.
        #[test]
        fn what_is_cut_off_is_an_error(all in prop::collection::vec(item(), 1..5), cut in any::<prop::sample::Index>()) {
            let mut writer = Writer::new(EPOCHS, 0);
            let mut ends = vec![writer.buffer.len()];
            for item in &all {
                writer.item(item);
                ends.push(writer.buffer.len());
            }
            let bytes = writer.finish();
            let cut = ends[0] + cut.index(bytes.len() - ends[0]);
            match items(bytes.slice(..cut)) {
                Ok(read) => prop_assert!(ends.contains(&cut) && all.starts_with(&read)),
                Err(_) => prop_assert!(!ends.contains(&cut)),
            }
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(bundle) = Bundle::read(bytes.into()) {
                let errors = bundle.filter(Result::is_err).count();
                prop_assert!(errors <= 1);
            }
        }
    }

    #[test]
    fn control_of_a_type_that_is_not_known_is_passed_over() {
        let mut writer = Writer::new(EPOCHS, 0);
        writer.control(0x7f, b"later");
        writer.bye();
        assert_eq!(items(writer.finish()), Ok(vec![Item::Bye]));
    }
}
