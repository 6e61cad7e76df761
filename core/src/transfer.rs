//! Transfers, blobs that travel as streams: the types of the application's interface.

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
            /// The epoch of the sender.
            pub(crate) epoch: u32,
            pub(crate) number: u64,
        }

        impl $name {
            /// Returns the peer at the other end, under the id that it had when the link began.
            #[must_use]
            pub const fn peer(&self) -> &PeerId {
                &self.peer
            }

            /// Returns the number on the wire, for the simulator's judges.
            #[doc(hidden)]
            #[must_use]
            pub const fn number(&self) -> u64 {
                self.number
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
    /// The id of one transfer to a peer. Never used twice, so that a call with the id of an ended transfer has
    /// no effect.
    OutgoingTransferId,
    "to"
);

transfer_id!(
    /// The id of one transfer from a peer. Never used twice, so that a call with the id of an ended transfer
    /// has no effect.
    IncomingTransferId,
    "from"
);

/// The id of one transfer, in either direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferId {
    /// A transfer that this side sends.
    Outgoing(OutgoingTransferId),
    /// A transfer that this side receives.
    Incoming(IncomingTransferId),
}

impl TransferId {
    /// Returns the peer at the other end, under the id that it had when the link began.
    #[must_use]
    pub const fn peer(&self) -> &PeerId {
        match self {
            Self::Outgoing(id) => id.peer(),
            Self::Incoming(id) => id.peer(),
        }
    }

    /// Returns whether this side sends.
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

/// The progress of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// The bytes that the receiving application has read. On the sender's side: as of the peer's last `state`,
    /// several of which arrive per window.
    pub read: u64,
    /// The size in bytes, if the sender announced it.
    pub size: Option<u64>,
}

/// The result of [`read_transfer`](crate::Session::read_transfer).
#[derive(Clone, PartialEq, Eq)]
pub enum TransferRead {
    /// The next bytes.
    Data(Bytes),
    /// No bytes are available now. [`Event::TransferReadable`](crate::Event::TransferReadable) reports when
    /// there are.
    Pending,
    /// The end of data: the application has read everything. The transfer has ended, and the session reports
    /// that to the sender.
    End,
}

/// Prints the length of the data only.
impl fmt::Debug for TransferRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) => f.debug_tuple("Data").field(&Redacted(bytes)).finish(),
            Self::Pending => f.write_str("Pending"),
            Self::End => f.write_str("End"),
        }
    }
}

/// The outcome of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferOutcome {
    /// The receiving application has read everything. Reported to the sender.
    Delivered,
    /// The receiver refused or cancelled the transfer. Reported to the sender.
    Refused,
    /// The sender cancelled the transfer (reported to the receiver), or closed its session before it finished
    /// the transfer.
    Aborted,
    /// The link ended before the transfer. The sender does not know how much was read.
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

/// The reason why a call about a transfer had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The transfer has ended, or never existed.
    #[error("{0} has ended")]
    Unknown(TransferId),
    /// The transfer has been finished before.
    #[error("{0} has been finished already")]
    Finished(OutgoingTransferId),
    /// The call would write more bytes than the announced size.
    #[error("expected at most {size} bytes in the transfer, got {got}")]
    BeyondSize {
        /// The bytes written, including those of the call.
        got: u64,
        /// The announced size in bytes.
        size: u64,
    },
    /// The transfer was finished before the announced size was written.
    #[error("expected {size} bytes before the end of the transfer, got {got}")]
    Incomplete {
        /// The bytes written.
        got: u64,
        /// The announced size in bytes.
        size: u64,
    },
}
