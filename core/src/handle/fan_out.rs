//! One source to several receivers.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::AsyncRead;

use super::error::StreamError;
use super::outgoing::OutgoingTransfer;
use super::peer::Peer;
use super::progress::ProgressOfAll;
use crate::codec::Packet;
use crate::id::PeerId;
use crate::transfer::TransferOutcome;

/// The bytes read from the source at a time.
const PIECE: usize = 64 << 10;

/// The outcome of a transfer to one of several receivers.
pub type Sent = (PeerId, Result<TransferOutcome, StreamError>);

/// The transfer to one receiver.
struct Branch {
    peer: PeerId,
    state: BranchState,
    /// The rest of the current piece.
    rest: Bytes,
}

enum BranchState {
    Open(OutgoingTransfer),
    Ended(Result<TransferOutcome, StreamError>),
}

impl Peer {
    /// Sends one source to several receivers, each by a transfer of its own, which this call opens. Awaiting it
    /// reads the source once, at the pace of the slowest receiver that is still there, and returns the outcome
    /// per receiver, in the order of `to`, when all transfers have ended; it stops reading the source when no
    /// receiver is left. [`progress`](SendTransfer::progress) shows how far each receiver is.
    ///
    /// It holds one piece of at most 64 KiB, beside the queues of the transfers.
    ///
    /// # Errors
    /// The error of the source, which cancels all transfers. The outcome of a receiver is an error when its
    /// transfer could not be opened, or when the length is not the announced size.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the transfers, except for those whose source has ended.
    pub fn send_transfer<S: AsyncRead + Unpin>(
        &self,
        to: impl IntoIterator<Item = PeerId>,
        event: &Packet,
        size: Option<u64>,
        source: S,
    ) -> SendTransfer<S> {
        let open = |peer: PeerId| {
            let state = match self.open_transfer(&peer, event, size) {
                Ok(transfer) => BranchState::Open(transfer),
                Err(error) => BranchState::Ended(Err(StreamError::Open(error))),
            };
            Branch { peer, state, rest: Bytes::new() }
        };
        let branches = to.into_iter().map(open).collect();
        SendTransfer { branches, source, buffer: vec![0; PIECE], stage: Stage::Reading }
    }
}

/// The transfers of one source to several receivers: [`Peer::send_transfer`].
///
/// # Cancel safety
/// Dropping it cancels the transfers, except for those whose source has ended.
#[must_use = "the source is not read unless it is awaited"]
pub struct SendTransfer<S> {
    branches: Vec<Branch>,
    source: S,
    buffer: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Reading,
    /// Each receiver gets the piece.
    Sending,
    /// The source has ended.
    Finishing,
}

impl<S> SendTransfer<S> {
    /// Returns the progress of the receivers whose transfers are open, as a stream. It goes to another task, or is
    /// polled beside this future.
    pub fn progress(&self) -> ProgressOfAll {
        let open = self.branches.iter().filter_map(|branch| match &branch.state {
            BranchState::Open(transfer) => Some((branch.peer.clone(), transfer.progress())),
            BranchState::Ended(_) => None,
        });
        ProgressOfAll::new(open)
    }

    /// Polls all branches. Pending while one is.
    fn poll_all(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl Fn(&mut Branch, &mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let mut waits = false;
        for branch in &mut self.branches {
            waits |= poll(branch, cx).is_pending();
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl<S: AsyncRead + Unpin> SendTransfer<S> {
    /// Reads a piece for all branches. Returns whether there is one.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let read = Pin::new(&mut self.source).poll_read(cx, &mut self.buffer);
        let read = std::task::ready!(read)?;
        let piece = Bytes::copy_from_slice(self.buffer.get(..read).unwrap_or_default());
        self.branches.iter_mut().for_each(|branch| branch.rest = piece.clone());
        Poll::Ready(Ok(read > 0))
    }
}

impl<S: AsyncRead + Unpin> Future for SendTransfer<S> {
    type Output = io::Result<Vec<Sent>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.stage = match this.stage {
                Stage::Reading if !this.branches.iter().any(Branch::is_open) => Stage::Finishing,
                Stage::Reading => match std::task::ready!(this.poll_read(cx)) {
                    Ok(true) => Stage::Sending,
                    Ok(false) => Stage::Finishing,
                    Err(error) => {
                        this.branches.clear();
                        return Poll::Ready(Err(error));
                    }
                },
                Stage::Sending => {
                    std::task::ready!(this.poll_all(cx, Branch::poll_send));
                    Stage::Reading
                }
                Stage::Finishing => {
                    std::task::ready!(this.poll_all(cx, Branch::poll_finish));
                    let branches = std::mem::take(&mut this.branches);
                    return Poll::Ready(Ok(branches.into_iter().map(Branch::outcome).collect()));
                }
            }
        }
    }
}

/// Prints nothing of the source.
impl<S> fmt::Debug for SendTransfer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receivers: Vec<_> = self.branches.iter().map(|branch| &branch.peer).collect();
        f.debug_struct("SendTransfer")
            .field("receivers", &receivers)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Branch {
    const fn is_open(&self) -> bool {
        matches!(self.state, BranchState::Open(_))
    }

    /// Sends the rest of the piece.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { state, rest, .. } = self;
        while let BranchState::Open(transfer) = state
            && !rest.is_empty()
        {
            if let Err(error) = std::task::ready!(transfer.poll_send(rest, cx)) {
                let outcome = transfer.outcome().ok_or(error);
                *state = BranchState::Ended(outcome);
            }
        }
        Poll::Ready(())
    }

    /// Marks the end of data, and waits for the outcome.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let BranchState::Open(transfer) = &mut self.state {
            let outcome = std::task::ready!(transfer.poll_finish(cx));
            self.state = BranchState::Ended(outcome);
        }
        Poll::Ready(())
    }

    fn outcome(self) -> Sent {
        match self.state {
            BranchState::Open(_) => (self.peer, Err(StreamError::Closed)),
            BranchState::Ended(outcome) => (self.peer, outcome),
        }
    }
}
