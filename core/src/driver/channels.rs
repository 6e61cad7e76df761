//! The channels of the direct connections.

use std::collections::BTreeMap;

use futures::{Sink, Stream};

use super::TransportError;
use super::exchange::{Exchange, Incoming, exchange};
use super::ready::{ReadyQueue, Source, SourceWaker};
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::session::DirectOutput;

/// What the live connections have open. Each channel is polled by itself.
#[derive(Debug)]
pub(super) struct Channels<T> {
    connections: BTreeMap<ConnectionId, Connection<T>>,
}

/// What one connection has open.
#[derive(Debug)]
struct Connection<T> {
    data: Option<Channel<T>>,
    /// It waits, when it is open first, until the data channel is.
    datagrams: Option<Channel<T>>,
    /// The longest message on either.
    max_message: usize,
}

#[derive(Debug)]
struct Channel<T> {
    frames: T,
    is_full: bool,
    waker: SourceWaker,
}

/// What came of polling a channel.
#[derive(Debug)]
pub(super) enum ChannelEvent {
    Nothing,
    Sent,
    Received(Frame),
    /// The channel is over, and forgotten already.
    Failed(TransportError),
}

impl<T> Channels<T> {
    pub(super) fn new() -> Self {
        Self { connections: BTreeMap::new() }
    }

    /// The data channel of a connection is open. Tells whether its datagram channel was open before.
    pub(super) fn open(
        &mut self,
        connection: ConnectionId,
        frames: T,
        max_message: usize,
        ready: &ReadyQueue,
    ) -> bool {
        let open = self.connections.entry(connection).or_insert_with(Connection::new);
        open.data = Some(Channel::new(frames, Source::Data(connection), ready));
        open.max_message = max_message;
        open.datagrams.as_ref().inspect(|datagrams| datagrams.waker.wake()).is_some()
    }

    /// The datagram channel of a connection is open. Gives the longest message, if the data channel was open before.
    pub(super) fn open_datagrams(
        &mut self,
        connection: ConnectionId,
        frames: T,
        ready: &ReadyQueue,
    ) -> Option<usize> {
        let open = self.connections.entry(connection).or_insert_with(Connection::new);
        open.datagrams = Some(Channel::new(frames, Source::Datagrams(connection), ready));
        open.data.is_some().then_some(open.max_message)
    }

    /// The connection is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// There may be something to send.
    pub(super) fn wake(&self, output: DirectOutput) {
        let Some(open) = self.connections.get(&output.connection) else { return };
        let data = open.data.iter().filter(|_| output.data);
        let datagrams = open.datagrams.iter().filter(|_| output.datagrams);
        // One that is full wakes us itself.
        let wanted = data.chain(datagrams).filter(|channel| !channel.is_full);
        wanted.for_each(|channel| channel.waker.wake());
    }
}

impl<T> Channels<T>
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    /// Moves what a data channel takes of what `next` gives, and one frame of what it has.
    pub(super) fn poll_data(
        &mut self,
        connection: ConnectionId,
        next: impl FnMut() -> Option<Frame>,
    ) -> ChannelEvent {
        let open = self.connections.get_mut(&connection);
        let Some(data) = open.and_then(|open| open.data.as_mut()) else {
            return ChannelEvent::Nothing;
        };
        let event = data.poll(next);
        if matches!(event, ChannelEvent::Failed(_)) {
            self.forget(connection);
        }
        event
    }

    /// The same for a datagram channel, while the data channel is open.
    pub(super) fn poll_datagrams(
        &mut self,
        connection: ConnectionId,
        next: impl FnMut() -> Option<Frame>,
    ) -> ChannelEvent {
        let Some(Connection { data: Some(_), datagrams, .. }) =
            self.connections.get_mut(&connection)
        else {
            return ChannelEvent::Nothing;
        };
        let event = datagrams.as_mut().map_or(ChannelEvent::Nothing, |channel| channel.poll(next));
        if matches!(event, ChannelEvent::Failed(_)) {
            *datagrams = None;
        }
        event
    }
}

impl<T> Connection<T> {
    fn new() -> Self {
        Self { data: None, datagrams: None, max_message: 0 }
    }
}

impl<T> Channel<T> {
    fn new(frames: T, source: Source, ready: &ReadyQueue) -> Self {
        Self { frames, is_full: false, waker: ready.register(source) }
    }
}

impl<T> Channel<T>
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    fn poll(&mut self, next: impl FnMut() -> Option<Frame>) -> ChannelEvent {
        let cx = &mut self.waker.context();
        let Exchange { has_sent, is_full, incoming } = exchange(&mut self.frames, next, cx);
        self.is_full = is_full;
        match incoming {
            Incoming::Nothing if has_sent => ChannelEvent::Sent,
            Incoming::Nothing => ChannelEvent::Nothing,
            Incoming::Frame(frame) => {
                self.waker.wake();
                ChannelEvent::Received(frame)
            }
            Incoming::Failed(error) => ChannelEvent::Failed(error),
        }
    }
}
