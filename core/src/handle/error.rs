//! The errors of the handle layer.

use std::io;

use thiserror::Error;

use crate::codec::PayloadError;
use crate::error::EmitError;
use crate::id::PeerId;
use crate::transfer::TransferError;

/// The end of the session before the call was complete: [`Run`](super::Run) was dropped, or the session closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session has ended")]
pub struct Closed;

/// The reason why a request got no answer from a peer or the server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The peer did not answer within the time-out, or its queue had no room for the question until then.
    #[error("peer {0} did not answer in time")]
    TimedOut(PeerId),
    /// The link to the peer ended before the answer came.
    #[error("peer {0} left before it answered")]
    PeerLeft(PeerId),
    /// The server's application did not answer within the time-out.
    #[error("the server did not answer in time")]
    ServerTimedOut,
    /// The connection to the server was lost before the answer came.
    #[error("the connection to the server was lost before it answered")]
    Disconnected,
    /// The question was not accepted for sending.
    #[error("the request was not accepted")]
    Emit(#[source] EmitError),
    /// The arguments of the answer are not of the expected type.
    #[error("the answer does not have the expected arguments")]
    Payload(#[from] PayloadError),
    /// The session ended before the answer came.
    #[error("the session has ended")]
    Closed,
}

impl RequestError {
    /// Converts the error of the question for `peer`.
    pub(super) fn new(error: EmitError) -> Self {
        match error {
            EmitError::Closed => Self::Closed,
            EmitError::UnknownPeer(peer) => Self::PeerLeft(peer),
            error @ (EmitError::Blocked { .. }
            | EmitError::Dropped(_)
            | EmitError::ReservedEvent(_)
            | EmitError::ReservedNamespace(_)
            | EmitError::NotAnEvent(_)
            | EmitError::Limits(_)
            | EmitError::Encode(_)
            | EmitError::UnsupportedByPeer { .. }
            | EmitError::BeyondPeerLimits(_)
            | EmitError::TooManyPendingAcks(_)
            | EmitError::TooManyTransfers(_)
            | EmitError::NotJoined
            | EmitError::ServerBlocked { .. }
            | EmitError::BeyondServerLimits { .. }) => Self::Emit(error),
        }
    }
}

/// The reason why a transfer could not continue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The transfer was not opened.
    #[error("the transfer was not opened")]
    Open(#[source] EmitError),
    /// The call was refused: the transfer has ended, or the bytes do not match the announced size.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The transfer has been accepted before.
    #[error("the transfer has been accepted before")]
    Accepted,
    /// The session ended.
    #[error("the session has ended")]
    Closed,
}

impl From<Closed> for StreamError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<StreamError> for io::Error {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Accepted
            | StreamError::Transfer(
                TransferError::BeyondSize { .. }
                | TransferError::Incomplete { .. }
                | TransferError::Finished(_),
            ) => io::ErrorKind::InvalidInput,
            StreamError::Transfer(TransferError::Unknown(_)) | StreamError::Open(_) => {
                io::ErrorKind::ConnectionAborted
            }
            StreamError::Closed => io::ErrorKind::NotConnected,
        };
        Self::new(kind, error)
    }
}
