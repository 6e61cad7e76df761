//! The async side: what a transport looks like, and the loop that feeds a session from transports.
//!
//! Frames pass through [`Stream`] and [`Sink`], without a box each; `async_trait` methods are for control,
//! which happens a few times per connection. No runtime is assumed: transports and timers bring theirs.

mod channels;
mod exchange;
mod ready;
mod run;
mod signaling;
mod timer;

use std::time::Duration;

#[doc(no_inline)]
pub use async_trait::async_trait;
use futures::{Sink, Stream};

pub use self::run::Driver;
pub use crate::command::DirectCommand;
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::time::Time;
use crate::wire::Signal;

/// A transport that failed, in its own words.
///
/// The text goes to logs and to the application: it names what failed (an address, a step) and carries no
/// credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// The clock of a driver.
#[async_trait]
pub trait Clock: Send {
    /// The time now. Never goes back.
    fn now(&self) -> Time;

    /// Returns when at least `duration` has passed.
    async fn sleep(&self, duration: Duration);
}

/// A signalling channel: messages of one Socket.IO connection, below Engine.IO and above nothing of ours.
///
/// The sink takes a frame only when the wire below has room for it. The stream ends when the connection does.
pub trait SignalingChannel:
    Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Send + Unpin
{
}

impl<T> SignalingChannel for T where
    T: Stream<Item = Result<Frame, TransportError>>
        + Sink<Frame, Error = TransportError>
        + Send
        + Unpin
{
}

/// Opens signalling channels. When to try again is the session's decision, not the transport's.
#[async_trait]
pub trait Signaling: Send {
    /// What it opens.
    type Channel: SignalingChannel;

    /// Opens a channel.
    async fn connect(&mut self) -> Result<Self::Channel, TransportError>;
}

/// What a direct transport reports.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectEvent<C> {
    /// A signal for the remote end: the offer or answer asked for, or a candidate.
    Signal {
        /// The connection.
        connection: ConnectionId,
        /// The signal.
        signal: Signal,
    },
    /// The data channel is open.
    Open {
        /// The connection.
        connection: ConnectionId,
        /// The way for frames. Dropping it does not close the connection; `DirectCommand::Close` does.
        channel: C,
        /// The longest message, in bytes, that the remote end takes.
        max_message: usize,
    },
    /// The datagram channel of a connection is open: unordered and unreliable, beside the data channel. It may
    /// open before or after that one, or never.
    Datagrams {
        /// The connection.
        connection: ConnectionId,
        /// The way for datagrams, of messages as long as the data channel's at most. Its sink takes a message
        /// only while less than 64 KiB of its own are outstanding, so that a message that is late waits in front
        /// of it, where it can be dropped. When its stream ends or fails, the connection goes on without it.
        channel: C,
    },
    /// The connection could not be made or is over. The last event about it.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// What happened.
        error: TransportError,
    },
}

/// Makes direct connections: a stream of [`DirectEvent`]s that takes [`DirectCommand`]s.
///
/// Implementations work on their own tasks or within `poll_next`; `execute` returns at once. A stream that has
/// ended is polled again and must bear it.
pub trait DirectTransport: Stream<Item = DirectEvent<Self::Channel>> + Send + Unpin {
    /// The way for frames of one connection: whole messages, text and binary told apart, in order (but on the
    /// channel of [`DirectEvent::Datagrams`]). The sink is ready while the channel's outstanding bytes stay under
    /// the transport's limit.
    type Channel: Stream<Item = Result<Frame, TransportError>>
        + Sink<Frame, Error = TransportError>
        + Send
        + Unpin;

    /// Starts what the command asks for. Failures come back as [`DirectEvent::Closed`].
    fn execute(&mut self, command: DirectCommand);
}
