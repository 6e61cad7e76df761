//! The future of a close.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::Closed;
use super::farewell::Undelivered;
use super::peer::Peer;

/// The future of [`Peer::close`].
#[derive(Debug)]
#[must_use = "it returns what was not delivered"]
pub struct Close<'a> {
    peer: &'a Peer,
}

impl<'a> Close<'a> {
    pub(super) const fn new(peer: &'a Peer) -> Self {
        Self { peer }
    }
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
