//! The paths to a peer.

use std::fmt;

use crate::id::PeerId;

/// A path to a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Path {
    /// Through the signalling server.
    Relay,
    /// Over a data channel.
    Direct,
    /// Over data channels through this neighbour, which forwards bundles. The neighbour can read and drop
    /// bundles, but not change or forge them.
    Via(PeerId),
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay => f.write_str("relay"),
            Self::Direct => f.write_str("direct"),
            Self::Via(neighbour) => write!(f, "via {neighbour}"),
        }
    }
}
