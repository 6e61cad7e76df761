//! The signalling transport and its channel.

use std::task::Poll;

use futures::{FutureExt as _, SinkExt as _};

use super::exchange::{Exchange, Incoming, exchange};
use super::maybe_send::{BoxFuture, boxed};
use super::ready::{ReadyQueue, Source, SourceWaker};
use super::{Signaling, TransportError};
use crate::auth::AuthPayload;
use crate::frame::Frame;

pub(super) struct SignalingSlot<S: Signaling> {
    /// Absent while a channel is being opened.
    transport: Option<S>,
    state: State<S>,
    /// A channel that is closing.
    closing: Option<S::Channel>,
    waker: SourceWaker,
}

enum State<S: Signaling> {
    Closed,
    Opening { opening: BoxFuture<'static, (S, Result<Opened<S>, TransportError>)>, is_wanted: bool },
    Open { channel: S::Channel, is_full: bool },
}

/// A channel, and the auth payload to connect with.
type Opened<S> = (<S as Signaling>::Channel, Option<AuthPayload>);

/// The result of polling the signalling transport.
#[derive(Debug)]
pub(super) enum SignalingEvent {
    Nothing,
    Sent,
    Opened(Option<AuthPayload>),
    Received(Frame),
    /// The channel could not be opened, or closed.
    Closed(TransportError),
}

impl<S: Signaling + 'static> SignalingSlot<S> {
    pub(super) fn new(transport: S, ready: &ReadyQueue) -> Self {
        let waker = ready.register(Source::Signaling);
        Self { transport: Some(transport), state: State::Closed, closing: None, waker }
    }

    /// Opens a channel, and drops the current one.
    pub(super) fn open(&mut self) {
        if let Some(mut transport) = self.transport.take() {
            let opening = async move {
                let opened = introduce_and_connect(&mut transport).await;
                (transport, opened)
            };
            self.state = State::Opening { opening: boxed(opening), is_wanted: true };
            self.waker.wake();
        } else if let State::Opening { is_wanted, .. } = &mut self.state {
            *is_wanted = true;
        }
    }

    /// Closes the channel after its remaining frames.
    pub(super) fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open { channel, .. } => {
                self.closing = Some(channel);
                self.waker.wake();
            }
            State::Opening { opening, .. } => {
                self.state = State::Opening { opening, is_wanted: false };
            }
            State::Closed => {}
        }
    }

    /// Schedules the transport because there may be output.
    pub(super) fn wake(&self) {
        if matches!(self.state, State::Open { is_full: false, .. }) {
            self.waker.wake();
        }
    }

    /// Continues to open, to send frames of `next`, to receive, or to close.
    pub(super) fn poll(&mut self, next: impl FnMut() -> Option<Frame>) -> SignalingEvent {
        let cx = &mut self.waker.context();
        if let Some(channel) = &mut self.closing
            && channel.poll_close_unpin(cx).is_ready()
        {
            self.closing = None;
        }
        match &mut self.state {
            State::Closed => SignalingEvent::Nothing,
            State::Opening { opening, is_wanted } => {
                let Poll::Ready((transport, opened)) = opening.poll_unpin(cx) else {
                    return SignalingEvent::Nothing;
                };
                let is_wanted = *is_wanted;
                self.transport = Some(transport);
                self.state = State::Closed;
                match opened {
                    _ if !is_wanted => SignalingEvent::Nothing,
                    Ok((channel, auth)) => {
                        self.state = State::Open { channel, is_full: false };
                        self.waker.wake();
                        SignalingEvent::Opened(auth)
                    }
                    Err(error) => SignalingEvent::Closed(error),
                }
            }
            State::Open { channel, is_full } => {
                let Exchange { has_sent, is_full: full, incoming } = exchange(channel, next, cx);
                *is_full = full;
                match incoming {
                    Incoming::Nothing if has_sent => SignalingEvent::Sent,
                    Incoming::Nothing => SignalingEvent::Nothing,
                    Incoming::Frame(frame) => {
                        self.waker.wake();
                        SignalingEvent::Received(frame)
                    }
                    Incoming::Failed(error) => {
                        self.state = State::Closed;
                        SignalingEvent::Closed(error)
                    }
                }
            }
        }
    }

    /// Returns whether a channel is still closing.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Drops a channel that is still closing.
    pub(super) fn abandon(&mut self) {
        self.closing = None;
    }
}

async fn introduce_and_connect<S: Signaling>(
    transport: &mut S,
) -> Result<Opened<S>, TransportError> {
    let auth = transport.auth().await?;
    Ok((transport.connect().await?, auth))
}

impl<S: Signaling> std::fmt::Debug for SignalingSlot<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::Closed => "Closed",
            State::Opening { .. } => "Opening",
            State::Open { .. } => "Open",
        };
        let is_closing = self.closing.is_some();
        f.debug_struct("SignalingSlot")
            .field("state", &state)
            .field("is_closing", &is_closing)
            .finish_non_exhaustive()
    }
}
