//! Reading the items of a bundle.

use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use super::item::{
    Item, MAX_NEIGHBOURS, Neighbours, RECORD, RECORD_ABORT, RECORD_END, RECORD_OFFSET, Record,
    Stream, kind,
};
use crate::id::PeerId;
use crate::wire::peer::seal::{Passed, SEAL_LEN, Seal};
use crate::wire::peer::state::State;
use crate::wire::peer::varint;
use crate::wire::{Epochs, PeerLimits};

/// The reason why a bundle is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBundle {
    /// The bundle does not begin with two epochs.
    #[error("expected a bundle to begin with two epochs of 32 bits")]
    Epochs,
    /// A record is shorter than its length says.
    #[error("expected a whole record, got a truncated one")]
    Record,
    /// A control item is shorter than its length says.
    #[error("expected a whole control item, got a truncated one")]
    Control,
    /// The content of a control item does not match its type.
    #[error("expected control of type {kind} to be well-formed, got other content")]
    Content {
        /// The type.
        kind: u8,
    },
}

/// A bundle whose epochs have been read: an iterator over its items. It is fused, and ends after an error.
#[derive(Clone)]
pub struct Bundle {
    /// The epochs of sender and receiver; the receiver's is 0 when unknown.
    pub epochs: Epochs,
    rest: Bytes,
}

/// Prints the epochs and the length of the rest.
impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundle({:?}, {} bytes)", self.epochs, self.rest.len())
    }
}

impl Bundle {
    /// Reads the epochs of a bundle. Iterate to read the items.
    ///
    /// # Errors
    /// [`BadBundle`] when the bundle does not begin with two epochs.
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

    /// Takes the bytes that follow their length.
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
                // A later version may have added the type.
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

/// Reads control; returns `Some(None)` for an unknown type.
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
        kind::WAIT => Item::Wait,
        kind::PROOF => {
            let asker = take_id(content)?;
            Item::Proof(asker, varint::take(content)?)
        }
        _ => return Some(None),
    }))
}

fn take_id(bytes: &mut Bytes) -> Option<PeerId> {
    let len = usize::try_from(varint::take(bytes)?).ok()?;
    if len > bytes.len() {
        return None;
    }
    // Copied, so that an id that is kept does not keep the whole message in memory.
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
