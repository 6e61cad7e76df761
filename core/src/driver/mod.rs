//! The async part: the traits of transports, and the loop between a session and its transports.
//!
//! Frames pass through [`Stream`] and [`Sink`], without a boxed future each; the `async_trait` methods are for
//! control, with a few calls per connection. The driver depends on no runtime: transports and timers bring
//! theirs.
//!
//! On the web (`wasm32`) transports need not be [`Send`], nor their futures: [`MaybeSend`] asks for it elsewhere only.
//! An implementation of a trait with `async` methods says `#[async_trait(?Send)]` there.

mod application;
mod channels;
mod connector;
mod exchange;
mod framing;
mod maybe_send;
mod ready;
mod run;
mod signaling;
mod timer;
mod transports;

use std::time::Duration;

#[doc(no_inline)]
pub use async_trait::async_trait;
use futures::{Sink, Stream};

pub use self::connector::{Connections, Connector};
pub use self::framing::{ByteChannel, FrameCodec};
pub use self::maybe_send::{MaybeSend, MaybeSync};
pub(crate) use self::ready::Source;
pub use self::run::Driver;
pub(crate) use self::transports::{SessionAccess, TURNS, Transports};
use crate::auth::AuthPayload;
pub use crate::command::DirectCommand;
use crate::connection_report::ConnectionReport;
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::time::Time;
use crate::wire::Signal;

/// The failure of a transport.
///
/// The text goes to logs and to the application: it names what failed (an address, a step) and must not contain
/// a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// The clock of a driver. All handles of a peer share it, so that it is [`Send`] on the web too; its futures need not be.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Clock: Send {
    /// Returns the current time, which never decreases.
    fn now(&self) -> Time;

    /// Completes after at least `duration`.
    async fn sleep(&self, duration: Duration);
}

/// A signalling channel: the messages of one Socket.IO connection, each an Engine.IO message payload.
///
/// The sink accepts a frame only when the transport below has room for it. The stream ends when the connection
/// ends.
pub trait SignalingChannel:
    Stream<Item = Result<Frame, TransportError>>
    + Sink<Frame, Error = TransportError>
    + MaybeSend
    + Unpin
{
}

impl<T> SignalingChannel for T where
    T: Stream<Item = Result<Frame, TransportError>>
        + Sink<Frame, Error = TransportError>
        + MaybeSend
        + Unpin
{
}

/// The transport that opens signalling channels. The session decides when to reconnect.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Signaling: MaybeSend {
    /// The channel type.
    type Channel: SignalingChannel;

    /// Returns the application's auth payload for the next CONNECT, for example with a fresh access token. Called
    /// before each [`connect`](Self::connect). `None`, the default, leaves what
    /// [`Session::set_auth`](crate::Session::set_auth) has set.
    async fn auth(&mut self) -> Result<Option<AuthPayload>, TransportError> {
        Ok(None)
    }

    /// Opens a channel.
    async fn connect(&mut self) -> Result<Self::Channel, TransportError>;
}

/// An event of a direct transport.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectEvent<C> {
    /// A signal for the remote side: the requested offer or answer, or a candidate.
    Signal {
        /// The connection.
        connection: ConnectionId,
        /// The signal.
        signal: Signal,
    },
    /// What the transport knows about a connection, when that has changed. Optional: the session knows without
    /// reports which signals were exchanged and whether the channel is open.
    Report {
        /// The connection.
        connection: ConnectionId,
        /// The new report.
        report: ConnectionReport,
    },
    /// The data channel is open.
    Open {
        /// The connection.
        connection: ConnectionId,
        /// The channel for frames. Dropping it does not close the connection; `DirectCommand::Close` does.
        channel: C,
        /// The maximum message that the remote side accepts, in bytes.
        max_message: usize,
    },
    /// The datagram channel of a connection, unordered and unreliable, is open. It can open before the data
    /// channel, after it, or never.
    Datagrams {
        /// The connection.
        connection: ConnectionId,
        /// The channel for datagrams, with the same maximum message as the data channel. Its sink accepts a
        /// message only while less than 64 KiB of its own are outstanding, so that late messages wait in the
        /// session, which can drop them. When its stream ends or fails, the connection continues without it.
        channel: C,
    },
    /// The connection failed or closed. This is the last event about it.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// The cause.
        error: TransportError,
    },
}

/// A transport for direct connections: a stream of [`DirectEvent`]s that executes [`DirectCommand`]s. For a
/// transport that offers, answers and completes one connection at a time, [`Connector`] is enough.
///
/// # Contract
///
/// - Implementations work on their own tasks or within `poll_next`; `execute` returns at once. The driver polls
///   the stream after each command, also after its end: it must be fused, and it need not wake for a command.
/// - `Offer` leads to one [`DirectEvent::Signal`] with [`Signal::Offer`], then after the peer's answer to
///   `Open`. `Answer` leads to one `Signal` with [`Signal::Answer`], without which the offerer does not
///   complete, and to `Open`, in either order. Both sides may send candidates before and after.
/// - The texts of offer and answer may be anything that the other side's transport understands.
/// - [`DirectEvent::Report`] may come at any time before `Closed`, and once per change. The last one before a
///   failure is its diagnosis.
/// - A failure at any time is one [`DirectEvent::Closed`]; nothing follows about that connection. After
///   [`DirectCommand::Close`] nothing is reported about it either. Commands about unknown or closed connections
///   have no effect.
/// - A channel whose stream ends has been closed by the remote side, or the connection failed: the driver ends the
///   connection. Frames that the remote side flushed before an orderly close arrive before the end.
pub trait DirectTransport: Stream<Item = DirectEvent<Self::Channel>> + MaybeSend + Unpin {
    /// The channel of one connection: whole messages, either text or binary, in order (except on the channel of
    /// [`DirectEvent::Datagrams`]). The sink is ready while the channel's outstanding bytes are below the
    /// transport's limit.
    type Channel: Stream<Item = Result<Frame, TransportError>>
        + Sink<Frame, Error = TransportError>
        + MaybeSend
        + Unpin;

    /// Starts the execution of a command. Failures are reported as [`DirectEvent::Closed`].
    fn execute(&mut self, command: DirectCommand);
}
