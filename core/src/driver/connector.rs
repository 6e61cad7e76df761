//! The small form of a direct transport: how to offer, answer and complete one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::{FutureExt as _, Sink, Stream};

use super::maybe_send::{BoxFuture, MaybeSend, MaybeSync, boxed};
use super::{DirectEvent, DirectTransport, TransportError};
use crate::command::DirectCommand;
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::wire::Signal;

/// How a transport makes one connection between two peers: the offerer prepares it and describes it in a text,
/// the answerer connects and describes its end in another text, and with that the offerer completes.
/// [`Connections`] makes a [`DirectTransport`] of it.
///
/// The texts travel through the signalling server, and may contain anything that the other side's connector
/// understands, up to 64 KiB each. The server and the peer can read and change them: a connector that needs to
/// know who connects puts a secret or a key's fingerprint into them.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Connector: MaybeSend + MaybeSync + 'static {
    /// The channel of one connection, under the contract of [`DirectTransport::Channel`].
    type Channel: Stream<Item = Result<Frame, TransportError>>
        + Sink<Frame, Error = TransportError>
        + MaybeSend
        + Unpin
        + 'static;

    /// What an offer keeps until it is answered, such as a listener. Dropping it withdraws the offer.
    type Offered: MaybeSend + 'static;

    /// Prepares a connection. Returns its description for the peer.
    async fn offer(&self) -> Result<(String, Self::Offered), TransportError>;

    /// Answers the offer of a peer. Returns the description of this end, and the channel: frames that are sent
    /// before the offerer has completed must not be lost.
    async fn answer(&self, offer: String) -> Result<(String, Self::Channel), TransportError>;

    /// Completes a connection with the peer's answer.
    async fn complete(
        &self,
        offered: Self::Offered,
        answer: String,
    ) -> Result<Self::Channel, TransportError>;

    /// Returns the maximum message of a channel, in bytes. Default: 64 KiB and 256 bytes, the longest that a link
    /// sends.
    fn max_message(&self) -> usize {
        (64 << 10) + 256
    }
}

/// The result of a step of one connection.
enum Step<C: Connector> {
    Offered(String, C::Offered),
    Answered(String, C::Channel),
    Completed(C::Channel),
    Failed(TransportError),
}

/// A [`DirectTransport`] whose connections a [`Connector`] makes. It runs within `poll_next`, without tasks of its
/// own.
pub struct Connections<C: Connector> {
    connector: Arc<C>,
    steps: FuturesUnordered<BoxFuture<'static, (ConnectionId, Step<C>)>>,
    /// The connections that are being made or open.
    live: BTreeSet<ConnectionId>,
    offered: BTreeMap<ConnectionId, C::Offered>,
    /// The channel that opens after the answer has been reported.
    opening: Option<(ConnectionId, C::Channel)>,
}

impl<C: Connector> Connections<C> {
    /// Creates a transport without connections.
    pub fn new(connector: C) -> Self {
        Self {
            connector: Arc::new(connector),
            steps: FuturesUnordered::new(),
            live: BTreeSet::new(),
            offered: BTreeMap::new(),
            opening: None,
        }
    }

    fn start(
        &mut self,
        connection: ConnectionId,
        step: impl Future<Output = Result<Step<C>, TransportError>> + MaybeSend + 'static,
    ) {
        self.live.insert(connection);
        let step = step.map(move |step| (connection, step.unwrap_or_else(Step::Failed)));
        self.steps.push(boxed(step));
    }

    fn open(&self, connection: ConnectionId, channel: C::Channel) -> DirectEvent<C::Channel> {
        DirectEvent::Open { connection, channel, max_message: self.connector.max_message() }
    }

    /// Applies the result of a step. Returns nothing when the connection has been closed meanwhile.
    fn note(&mut self, connection: ConnectionId, step: Step<C>) -> Option<DirectEvent<C::Channel>> {
        if !self.live.contains(&connection) {
            return None;
        }
        Some(match step {
            Step::Offered(sdp, offered) => {
                self.offered.insert(connection, offered);
                DirectEvent::Signal { connection, signal: Signal::Offer(sdp) }
            }
            Step::Answered(sdp, channel) => {
                self.opening = Some((connection, channel));
                DirectEvent::Signal { connection, signal: Signal::Answer(sdp) }
            }
            Step::Completed(channel) => self.open(connection, channel),
            Step::Failed(error) => {
                self.live.remove(&connection);
                DirectEvent::Closed { connection, error }
            }
        })
    }
}

impl<C: Connector> fmt::Debug for Connections<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, offered, steps, .. } = self;
        f.debug_struct("Connections")
            .field("live", live)
            .field("offered", &offered.len())
            .field("steps", &steps.len())
            .finish_non_exhaustive()
    }
}

impl<C: Connector> Stream for Connections<C>
where
    C::Offered: Unpin,
{
    type Item = DirectEvent<C::Channel>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((connection, channel)) = self.opening.take()
            && self.live.contains(&connection)
        {
            return Poll::Ready(Some(self.open(connection, channel)));
        }
        while let Poll::Ready(Some((connection, step))) = self.steps.poll_next_unpin(cx) {
            if let Some(event) = self.note(connection, step) {
                return Poll::Ready(Some(event));
            }
        }
        // The driver polls again after each command, also when no step was left.
        Poll::Pending
    }
}

impl<C: Connector> DirectTransport for Connections<C>
where
    C::Offered: Unpin,
{
    type Channel = C::Channel;

    fn execute(&mut self, command: DirectCommand) {
        let connector = Arc::clone(&self.connector);
        match command {
            DirectCommand::Offer { connection, .. } => self.start(connection, async move {
                let (sdp, offered) = connector.offer().await?;
                Ok(Step::Offered(sdp, offered))
            }),
            DirectCommand::Answer { connection, sdp, .. } => self.start(connection, async move {
                let (sdp, channel) = connector.answer(sdp).await?;
                Ok(Step::Answered(sdp, channel))
            }),
            DirectCommand::Signal { connection, signal: Signal::Answer(answer) } => {
                if let Some(offered) = self.offered.remove(&connection) {
                    self.start(connection, async move {
                        Ok(Step::Completed(connector.complete(offered, answer).await?))
                    });
                }
            }
            DirectCommand::Signal { .. } => {}
            DirectCommand::Close { connection } => {
                self.live.remove(&connection);
                self.offered.remove(&connection);
            }
        }
    }
}
