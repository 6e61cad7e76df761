//! The open channels of the direct connections.

use std::collections::BTreeMap;

use futures::{Sink, Stream};

use super::TransportError;
use super::exchange::{Exchange, Incoming, exchange};
use super::ready::{ReadyQueue, Source, SourceWaker};
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::session::DirectOutput;

/// The open channels of the live connections. Each channel is polled separately.
#[derive(Debug)]
pub(super) struct Channels<T> {
    connections: BTreeMap<ConnectionId, Connection<T>>,
}

/// The open channels of one connection.
#[derive(Debug)]
struct Connection<T> {
    data: Option<Channel<T>>,
    /// Not used before the data channel is open.
    datagrams: Option<Channel<T>>,
    /// The maximum message on either channel, in bytes.
    max_message: usize,
}

#[derive(Debug)]
struct Channel<T> {
    frames: T,
    is_full: bool,
    waker: SourceWaker,
}

/// The result of polling a channel.
#[derive(Debug)]
pub(super) enum ChannelEvent {
    Nothing,
    Sent,
    Received(Frame),
    /// The channel failed or closed, and has been removed.
    Failed(TransportError),
}

impl<T> Channels<T> {
    pub(super) fn new() -> Self {
        Self { connections: BTreeMap::new() }
    }

    /// Adds the data channel of a connection. Returns whether its datagram channel was open before.
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

    /// Adds the datagram channel of a connection. Returns the maximum message if the data channel was open
    /// before.
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

    /// Removes the channels of a connection.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    /// Schedules the channels that may have output.
    pub(super) fn wake(&self, output: DirectOutput) {
        let Some(open) = self.connections.get(&output.connection) else { return };
        let data = open.data.iter().filter(|_| output.data);
        let datagrams = open.datagrams.iter().filter(|_| output.datagrams);
        // A full channel wakes its source by itself.
        let wanted = data.chain(datagrams).filter(|channel| !channel.is_full);
        wanted.for_each(|channel| channel.waker.wake());
    }
}

impl<T> Channels<T>
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    /// Sends the frames of `next` for which the data channel has room, and receives one frame.
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

    /// The same for a datagram channel, once the data channel is open.
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
