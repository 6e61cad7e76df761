//! The progress of a transfer as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;

use super::shared::Shared;
use crate::transfer::{TransferId, TransferProgress};

/// The progress of a transfer: the current value at first, then each time that it has changed, the latest value
/// only. The last value of a transfer that was delivered is its length. Ends with the transfer or its handle.
///
/// # Cancel safety
/// `next()` loses nothing when it is dropped.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct Progress {
    shared: Arc<Shared>,
    watcher: u64,
}

impl Progress {
    pub(super) fn new(shared: Arc<Shared>, transfer: TransferId) -> Self {
        let watcher = shared.read(|state| state.streams.watch(transfer));
        Self { shared, watcher }
    }
}

impl Stream for Progress {
    type Item = TransferProgress;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TransferProgress>> {
        let watcher = self.watcher;
        self.shared.read(|state| {
            let next = match state.has_ended() {
                true => Some(None),
                false => state.streams.look(watcher, &state.session, cx.waker()),
            };
            next.map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.read(|state| state.streams.unwatch(self.watcher));
    }
}
