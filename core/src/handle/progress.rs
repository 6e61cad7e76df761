//! The progress of a transfer as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::SelectAll;
use futures::{Stream, StreamExt as _};

use super::shared::Shared;
use crate::id::PeerId;
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

/// The progress of the transfers of one source to several receivers, each as in [`Progress`]:
/// [`SendTransfer::progress`](super::SendTransfer::progress). Ends with the last transfer.
///
/// # Cancel safety
/// `next()` loses nothing when it is dropped.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct ProgressOfAll {
    receivers: SelectAll<ProgressOf>,
}

/// The progress of one receiver.
#[derive(Debug)]
struct ProgressOf {
    peer: PeerId,
    progress: Progress,
}

impl ProgressOfAll {
    pub(super) fn new(receivers: impl Iterator<Item = (PeerId, Progress)>) -> Self {
        let receivers = receivers.map(|(peer, progress)| ProgressOf { peer, progress }).collect();
        Self { receivers }
    }
}

impl Stream for ProgressOfAll {
    type Item = (PeerId, TransferProgress);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receivers.poll_next_unpin(cx)
    }
}

impl Stream for ProgressOf {
    type Item = (PeerId, TransferProgress);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let progress = std::task::ready!(self.progress.poll_next_unpin(cx));
        Poll::Ready(progress.map(|progress| (self.peer.clone(), progress)))
    }
}
