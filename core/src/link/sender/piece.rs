//! The unit of sending.

use std::ops::Range;

use crate::id::EmitId;
use crate::wire::Lane;

/// A piece of a packet to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) lane: Lane,
    pub(crate) number: u64,
    pub(crate) bytes: Range<u64>,
    /// Whether the packet ends with it.
    pub(crate) end: bool,
    /// The emit that other peers share, when none of these bytes was sent before.
    pub(crate) shared: Option<EmitId>,
}
