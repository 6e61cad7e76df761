//! The channels of the direct connections: frames move between them and the session.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};

use super::{Clock, TransportError};
use crate::frame::Frame;
use crate::id::ConnectionId;
use crate::session::Session;
use crate::time::Time;

/// What the live connections have open.
#[derive(Debug)]
pub(super) struct Channels<T> {
    connections: BTreeMap<ConnectionId, Open<T>>,
}

/// What one connection has open.
#[derive(Debug)]
struct Open<T> {
    data: Option<T>,
    /// It waits, when it is open first, until the data channel is.
    datagrams: Option<T>,
    /// The longest message on either.
    max_message: usize,
}

/// What a round over the channels did.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Something moved.
    pub(super) progress: bool,
    /// Connections whose data channel has failed. They are forgotten already.
    pub(super) broken: Vec<(ConnectionId, TransportError)>,
}

impl<T> Channels<T> {
    pub(super) fn new() -> Self {
        Self { connections: BTreeMap::new() }
    }

    /// The data channel of a connection is open.
    pub(super) fn open(
        &mut self,
        connection: ConnectionId,
        channel: T,
        max_message: usize,
        session: &mut Session,
        now: Time,
    ) {
        let mut has_datagrams = false;
        if session.is_live(connection) {
            let open = self.connections.entry(connection).or_insert_with(Open::new);
            open.data = Some(channel);
            open.max_message = max_message;
            has_datagrams = open.datagrams.is_some();
        }
        session.handle_direct_open(connection, max_message, now);
        if has_datagrams {
            session.handle_datagrams_open(connection, max_message, now);
        }
    }

    /// The datagram channel of a connection is open.
    pub(super) fn open_datagrams(
        &mut self,
        connection: ConnectionId,
        channel: T,
        session: &mut Session,
        now: Time,
    ) {
        if !session.is_live(connection) {
            return;
        }
        let open = self.connections.entry(connection).or_insert_with(Open::new);
        open.datagrams = Some(channel);
        if open.data.is_some() {
            session.handle_datagrams_open(connection, open.max_message, now);
        }
    }

    /// The connection is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }
}

impl<T> Channels<T>
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    /// Moves what the channels take and one frame of what each has.
    pub(super) fn poll(
        &mut self,
        session: &mut Session,
        clock: &impl Clock,
        cx: &mut Context<'_>,
    ) -> Round {
        let mut round = Round::default();
        for (&connection, open) in &mut self.connections {
            let Some(data) = &mut open.data else { continue };
            let next = || session.poll_direct_transmit(connection, clock.now());
            let flow = exchange(data, next, cx);
            round.progress |= flow.progress;
            if let Some(frame) = flow.received {
                session.handle_direct_frame(connection, frame, clock.now());
            } else if let Some(error) = flow.broken {
                round.broken.push((connection, error));
                continue;
            }
            let Some(datagrams) = &mut open.datagrams else { continue };
            let next = || session.poll_datagram(connection, clock.now());
            let flow = exchange(datagrams, next, cx);
            round.progress |= flow.progress;
            if let Some(frame) = flow.received {
                session.handle_datagram(connection, frame, clock.now());
            } else if flow.broken.is_some() {
                open.datagrams = None;
                session.handle_datagrams_closed(connection, clock.now());
                round.progress = true;
            }
        }
        for (connection, _) in &round.broken {
            self.connections.remove(connection);
            round.progress = true;
        }
        round
    }
}

impl<T> Open<T> {
    fn new() -> Self {
        Self { data: None, datagrams: None, max_message: 0 }
    }
}

/// What a channel did when it was polled.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Something moved.
    pub(super) progress: bool,
    /// The next frame of the other end's.
    pub(super) received: Option<Frame>,
    /// What is wrong with it. Along with a frame: it takes nothing any more, and more frames may follow.
    pub(super) broken: Option<TransportError>,
}

/// Moves frames of `next` into a channel as long as it has room, flushes, and takes one frame out.
pub(super) fn exchange<T>(
    channel: &mut T,
    next: impl FnMut() -> Option<Frame>,
    cx: &mut Context<'_>,
) -> Flow
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame, Error = TransportError> + Unpin,
{
    let mut flow = Flow::default();
    flow.broken = send(channel, next, &mut flow.progress, cx).err();
    match channel.poll_next_unpin(cx) {
        Poll::Pending => {}
        Poll::Ready(Some(Ok(frame))) => {
            flow.progress = true;
            flow.received = Some(frame);
        }
        Poll::Ready(Some(Err(error))) => flow.broken = Some(error),
        Poll::Ready(None) => {
            flow.broken = Some(TransportError("the other end closed the channel".into()));
        }
    }
    flow
}

fn send<T: Sink<Frame, Error = TransportError> + Unpin>(
    channel: &mut T,
    mut next: impl FnMut() -> Option<Frame>,
    progress: &mut bool,
    cx: &mut Context<'_>,
) -> Result<(), TransportError> {
    loop {
        match channel.poll_ready_unpin(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(ready) => ready?,
        }
        let Some(frame) = next() else { break };
        channel.start_send_unpin(frame)?;
        *progress = true;
    }
    match channel.poll_flush_unpin(cx) {
        Poll::Ready(flushed) => flushed,
        Poll::Pending => Ok(()),
    }
}
