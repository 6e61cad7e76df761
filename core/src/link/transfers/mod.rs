//! Transfers: blobs that one side writes and the other reads as streams, each with a credit that the reading
//! application controls.
//!
//! A transfer is one long packet of a stream of its own: `size event-length event data`. The event that
//! announces the transfer needs no credit, the data does.

mod incoming;
mod outgoing;

use bytes::{BufMut as _, Bytes, BytesMut};

pub(crate) use self::incoming::{IncomingTransfers, News, TransferBounds};
pub(crate) use self::outgoing::{NotWritten, OutgoingTransfers, TransferPiece};
use crate::codec::Packet;
use crate::wire::Flat;

/// The bytes of size and event length.
const PREFIX: usize = size_of::<u64>() + size_of::<u32>();

/// The transfers of a link.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    /// Whether the bulk lane goes before transfers the next time that both wait.
    pub(crate) bulk_first: bool,
    pub(crate) outgoing: OutgoingTransfers,
    pub(crate) incoming: IncomingTransfers,
}

/// Writes the bytes before the data.
fn announcement(size: Option<u64>, event: &Packet) -> Bytes {
    let flat = Flat::new(event.clone());
    let len = usize::try_from(flat.len()).unwrap_or(usize::MAX);
    let mut buffer = BytesMut::with_capacity(PREFIX.saturating_add(len));
    buffer.put_u64(size.unwrap_or(u64::MAX));
    buffer.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    flat.put(0, flat.len(), &mut buffer);
    buffer.freeze()
}
