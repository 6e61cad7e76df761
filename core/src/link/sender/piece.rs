//! What goes out of a lane at once.

use std::ops::Range;

use crate::id::EmitId;
use crate::wire::Lane;

/// What goes out next of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) lane: Lane,
    pub(crate) number: u64,
    pub(crate) bytes: Range<u64>,
    /// The packet ends with it.
    pub(crate) end: bool,
    /// The emit that others have too, when none of these bytes has gone out before.
    pub(crate) shared: Option<EmitId>,
}
