//! One source to several receivers.

use std::io;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt as _};

use super::error::StreamError;
use super::outgoing::OutgoingTransfer;
use super::peer::Peer;
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
    /// Sends one source to several receivers, each by a transfer of its own. Reads the source once, at the pace
    /// of the slowest receiver that is still there. Returns the outcome per receiver, in the order of `to`,
    /// when all transfers have ended; stops reading the source when no receiver is left.
    ///
    /// It holds one piece of at most 64 KiB, beside the queues of the transfers.
    ///
    /// # Errors
    /// The error of the source, which cancels all transfers. The outcome of a receiver is an error when its
    /// transfer could not be opened, or when the length is not the announced size.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the transfers, except for those whose source has ended.
    pub async fn send_transfer(
        &self,
        to: impl IntoIterator<Item = PeerId>,
        event: &Packet,
        size: Option<u64>,
        mut source: impl AsyncRead + Unpin,
    ) -> io::Result<Vec<Sent>> {
        let open = |peer: PeerId| {
            let state = match self.open_transfer(&peer, event, size) {
                Ok(transfer) => BranchState::Open(transfer),
                Err(error) => BranchState::Ended(Err(StreamError::Open(error))),
            };
            Branch { peer, state, rest: Bytes::new() }
        };
        let mut branches: Vec<_> = to.into_iter().map(open).collect();
        let mut buffer = BytesMut::new();
        while branches.iter().any(Branch::is_open) {
            buffer.resize(PIECE, 0);
            let read = source.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            let piece = buffer.split_to(read).freeze();
            branches.iter_mut().for_each(|branch| branch.rest = piece.clone());
            drop(piece);
            wait_for_all(&mut branches, Branch::poll_send).await;
        }
        wait_for_all(&mut branches, Branch::poll_finish).await;
        let outcome = |Branch { peer, state, .. }| match state {
            BranchState::Open(_) => (peer, Err(StreamError::Closed)),
            BranchState::Ended(outcome) => (peer, outcome),
        };
        Ok(branches.into_iter().map(outcome).collect())
    }
}

/// Waits until all branches are ready.
async fn wait_for_all(
    branches: &mut [Branch],
    poll: impl Fn(&mut Branch, &mut Context<'_>) -> Poll<()>,
) {
    std::future::poll_fn(|cx| {
        let mut waits = false;
        for branch in &mut *branches {
            waits |= poll(branch, cx).is_pending();
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
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
}
