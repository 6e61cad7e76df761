//! The future of a close.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::Closed;
use super::farewell::Undelivered;
use super::peer::Peer;

impl Peer {
    /// Closes the session: what was accepted is delivered within
    /// [`Config::close_timeout`](crate::Config::close_timeout). Emits that wait for room end with
    /// [`EmitError::Closed`](crate::EmitError::Closed). Returns what was not delivered, once the session and
    /// its signalling channel have closed. Every call returns the same report.
    ///
    /// # Errors
    /// [`Closed`](super::Closed) when [`Run`](super::Run) is dropped before.
    ///
    /// # Cancel safety
    /// The call itself begins to close: that goes on when the future is dropped.
    pub fn close(&self) -> Close<'_> {
        self.shared().call(|state, now| state.session.close(now));
        Close { peer: self }
    }
}

/// The future of [`Peer::close`].
#[derive(Debug)]
#[must_use = "it returns what was not delivered"]
pub struct Close<'a> {
    peer: &'a Peer,
}

impl Future for Close<'_> {
    type Output = Result<Undelivered, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.peer.shared().read(|state| {
            if state.has_ended() {
                return Poll::Ready(state.farewell.report().ok_or(Closed));
            }
            state.farewell.wait(cx.waker());
            Poll::Pending
        })
    }
}
