//! The stream of events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::FusedStream;

use super::peer::Owner;
use crate::event::Event;

/// The events of the session, in order, except for those that the handles consume: `Writable`, the answers to
/// requests of [`Peer`](super::Peer), and what concerns its transfers.
///
/// An application that does not read for a while loses nothing. When more than
/// [`unread_bytes`](super::HandleConfig::unread_bytes) are unread, the session tells the peers to wait;
/// timers, paths and transfers go on; answers to requests, which keep the order of events, wait too. Events of
/// original clients and of the server cannot be held back: beyond four times that bound, or 16,384 unread events,
/// the transports are not read.
///
/// The stream ends after [`Event::Closed`], or when [`Run`](super::Run) is dropped. Dropping it discards all
/// further events, and refuses transfers that peers open.
///
/// # Cancel safety
/// `next()` loses no event when it is dropped.
#[derive(Debug)]
#[must_use = "unread events make the peers wait"]
pub struct Events {
    owner: Arc<Owner>,
    has_ended: bool,
}

impl Events {
    pub(super) const fn new(owner: Arc<Owner>) -> Self {
        Self { owner, has_ended: false }
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let (next, changes) = self.owner.shared().read(|state| {
            let next = match state.unread.pop() {
                Some(next) => Some(next),
                None if state.has_ended() => return (Poll::Ready(None), false),
                None => {
                    state.unread.wait(cx.waker());
                    None
                }
            };
            let relief = next.as_ref().is_some_and(|(_, relief)| *relief);
            let changes = relief || state.unread.may_receive_again();
            (next.map_or(Poll::Pending, |(event, _)| Poll::Ready(Some(event))), changes)
        });
        if changes {
            self.owner.shared().call(|_, _| ());
        }
        self.has_ended = matches!(next, Poll::Ready(None | Some(Event::Closed)));
        next
    }
}

impl FusedStream for Events {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let discarded = self.owner.shared().call(|state, now| {
            let discarded = state.unread.discard();
            for event in &discarded {
                if let Event::TransferOpened { transfer, .. } = event {
                    drop(state.session.cancel_transfer(transfer, now));
                }
            }
            discarded
        });
        drop(discarded);
    }
}
