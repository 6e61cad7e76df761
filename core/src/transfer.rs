//! Blobs that travel as streams: what an application sees of them.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::id::PeerId;
use crate::redacted::Redacted;

macro_rules! transfer_id {
    ($(#[$doc:meta])* $name:ident, $way:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[must_use = "without its id a transfer can neither be used nor cancelled"]
        pub struct $name {
            pub(crate) peer: PeerId,
            /// Of the end that sends.
            pub(crate) epoch: u32,
            pub(crate) number: u64,
        }

        impl $name {
            /// The other end.
            #[must_use]
            pub const fn peer(&self) -> &PeerId {
                &self.peer
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("transfer {} ", $way, " {}"), self.number, self.peer)
            }
        }
    };
}

transfer_id!(
    /// One transfer to a peer. Never used again, so that calls about one that is over have no effect.
    OutgoingTransferId,
    "to"
);

transfer_id!(
    /// One transfer from a peer. Never used again, so that calls about one that is over have no effect.
    IncomingTransferId,
    "from"
);

/// One transfer, whichever way it goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferId {
    /// This end sends.
    Outgoing(OutgoingTransferId),
    /// This end receives.
    Incoming(IncomingTransferId),
}

impl TransferId {
    /// The other end.
    #[must_use]
    pub const fn peer(&self) -> &PeerId {
        match self {
            Self::Outgoing(id) => id.peer(),
            Self::Incoming(id) => id.peer(),
        }
    }

    /// Whether this end sends.
    #[must_use]
    pub const fn is_outgoing(&self) -> bool {
        matches!(self, Self::Outgoing(_))
    }
}

impl From<OutgoingTransferId> for TransferId {
    fn from(id: OutgoingTransferId) -> Self {
        Self::Outgoing(id)
    }
}

impl From<IncomingTransferId> for TransferId {
    fn from(id: IncomingTransferId) -> Self {
        Self::Incoming(id)
    }
}

impl From<&OutgoingTransferId> for TransferId {
    fn from(id: &OutgoingTransferId) -> Self {
        Self::Outgoing(id.clone())
    }
}

impl From<&IncomingTransferId> for TransferId {
    fn from(id: &IncomingTransferId) -> Self {
        Self::Incoming(id.clone())
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outgoing(id) => id.fmt(f),
            Self::Incoming(id) => id.fmt(f),
        }
    }
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// Bytes that the receiving application has read; at the sending end as far as the peer has told, which
    /// it does several times per window.
    pub read: u64,
    /// Bytes in all, where the sender has said so.
    pub size: Option<u64>,
}

/// What [`read_transfer`](crate::Session::read_transfer) finds.
#[derive(Clone, PartialEq, Eq)]
pub enum TransferRead {
    /// The next bytes.
    Data(Bytes),
    /// Nothing at the moment. [`Event::TransferReadable`](crate::Event::TransferReadable) tells when there is.
    Pending,
    /// Everything has been read. The transfer is over, the sender is told.
    End,
}

/// Shows the length of the data only.
impl fmt::Debug for TransferRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => f.debug_tuple("Data").field(&Redacted(bytes)).finish(),
            Self::Pending => f.write_str("Pending"),
            Self::End => f.write_str("End"),
        }
    }
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferOutcome {
    /// The receiving application has read everything. Reported at the sending end.
    Delivered,
    /// The receiver did not want it, or no more of it. Reported at the sending end.
    Refused,
    /// The sender broke it off: reported at the receiving end. Or the sending session closed before it was
    /// finished.
    Aborted,
    /// The link ended before the transfer did. At the sending end it is not known how much was read.
    Lost,
}

impl fmt::Display for TransferOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Aborted => "aborted",
            Self::Lost => "lost",
        })
    }
}

/// A call about a transfer that had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// It is over.
    #[error("{0} is over")]
    Unknown(TransferId),
    /// It was finished before.
    #[error("{0} has been finished")]
    Finished(OutgoingTransferId),
    /// More bytes than the size that was announced.
    #[error("{got} bytes in a transfer of {size}")]
    BeyondSize {
        /// With these bytes.
        got: u64,
        /// The size announced.
        size: u64,
    },
    /// Finished before the size that was announced.
    #[error("finished after {got} bytes of {size}")]
    Incomplete {
        /// Bytes written.
        got: u64,
        /// The size announced.
        size: u64,
    },
}
