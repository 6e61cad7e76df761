//! Transfers that this side receives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures::{AsyncBufRead, AsyncRead};

use super::error::StreamError;
use super::peer::Peer;
use super::progress::Progress;
use crate::id::PeerId;
use crate::redacted::Redacted;
use crate::transfer::{
    IncomingTransferId, TransferError, TransferId, TransferOutcome, TransferRead,
};

impl Peer {
    /// Accepts the transfer of [`Event::TransferOpened`](crate::Event::TransferOpened), at once.
    ///
    /// A transfer that is neither accepted nor [refused](Self::refuse) waits, and so does its sender: dropping
    /// the event answers nothing. It counts as one of [`Config::max_transfers`](crate::Config::max_transfers).
    ///
    /// # Errors
    /// [`StreamError::Transfer`] when the transfer has ended, [`StreamError::Accepted`] when it has been
    /// accepted before, [`StreamError::Closed`] after the end of the session.
    pub fn accept(&self, id: IncomingTransferId) -> Result<IncomingTransfer, StreamError> {
        let size = self.shared().call(|state, _| {
            let transfer = TransferId::from(&id);
            if state.has_ended() {
                return Err(StreamError::Closed);
            }
            if state.streams.contains(&transfer) {
                return Err(StreamError::Accepted);
            }
            let progress = state.session.transfer_progress(&id);
            let progress = progress.ok_or_else(|| TransferError::Unknown(transfer.clone()))?;
            state.streams.insert(transfer, progress.size);
            Ok(progress.size)
        })?;
        let buffer = Redacted(Bytes::new());
        Ok(IncomingTransfer { peer: self.clone(), id, size, buffer, has_ended: false })
    }

    /// Refuses the transfer of [`Event::TransferOpened`](crate::Event::TransferOpened), at once: it ends for the
    /// sender with [`TransferOutcome::Refused`]. A reason, if the sender needs one, is an event of the
    /// application.
    ///
    /// # Errors
    /// As [`accept`](Self::accept); dropping the [`IncomingTransfer`] refuses one that was accepted.
    pub fn refuse(&self, id: &IncomingTransferId) -> Result<(), StreamError> {
        self.shared().call(|state, now| {
            if state.has_ended() {
                return Err(StreamError::Closed);
            }
            if state.streams.contains(&id.into()) {
                return Err(StreamError::Accepted);
            }
            Ok(state.session.cancel_transfer(id, now)?)
        })
    }
}

/// A transfer from a peer: a source of bytes. Reading lets the peer send more.
///
/// The end of data means that the peer has sent everything, and tells the peer so. Dropping it before cancels
/// the transfer. It uses at most [`Config::transfer_window`](crate::Config::transfer_window) of memory.
///
/// # Cancel safety
/// Reads lose nothing when they are dropped.
#[derive(Debug)]
#[must_use = "dropping it cancels the transfer"]
pub struct IncomingTransfer {
    peer: Peer,
    id: IncomingTransferId,
    size: Option<u64>,
    /// The rest of the last piece.
    buffer: Redacted<Bytes>,
    has_ended: bool,
}

impl IncomingTransfer {
    /// Returns the id.
    pub const fn id(&self) -> &IncomingTransferId {
        &self.id
    }

    /// Returns the sender.
    #[must_use]
    pub const fn peer(&self) -> &PeerId {
        self.id.peer()
    }

    /// Returns the size in bytes, if the sender announced it.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the progress of this side's reading, as a stream.
    pub fn progress(&self) -> Progress {
        Progress::new(self.peer.share(), (&self.id).into())
    }

    /// Reads the next bytes, without a copy; `None` at the end of data.
    ///
    /// # Errors
    /// [`StreamError::Transfer`] when the sender cancelled the transfer or its link ended;
    /// [`StreamError::Closed`] after the end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        std::future::poll_fn(|cx| self.poll_piece(cx)).await
    }

    fn poll_piece(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        if !self.buffer.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut *self.buffer))));
        }
        if self.has_ended {
            return Poll::Ready(Ok(None));
        }
        let id = TransferId::from(&self.id);
        let piece = self.peer.shared().call(|state, now| {
            if state.has_ended() {
                return Poll::Ready(Err(StreamError::Closed));
            }
            match state.session.read_transfer(&self.id, now)? {
                TransferRead::Data(bytes) => {
                    state.streams.note_moved(&id, bytes.len());
                    Poll::Ready(Ok(Some(bytes)))
                }
                TransferRead::Pending => {
                    state.streams.wait(&id, cx.waker());
                    Poll::Pending
                }
                TransferRead::End => {
                    state.streams.end(&id, TransferOutcome::Delivered, &mut state.woken);
                    Poll::Ready(Ok(None))
                }
            }
        });
        self.has_ended = matches!(piece, Poll::Ready(Ok(None)));
        piece
    }
}

impl AsyncBufRead for IncomingTransfer {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if let Some(piece) = std::task::ready!(this.poll_piece(cx))? {
            *this.buffer = piece;
        }
        Poll::Ready(Ok(&this.buffer))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        let amount = amount.min(self.buffer.len());
        self.buffer.advance(amount);
    }
}

impl AsyncRead for IncomingTransfer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let available = std::task::ready!(self.as_mut().poll_fill_buf(cx))?;
        let read = available.len().min(buf.len());
        if let (Some(into), Some(from)) = (buf.get_mut(..read), available.get(..read)) {
            into.copy_from_slice(from);
        }
        self.consume(read);
        Poll::Ready(Ok(read))
    }
}

impl Drop for IncomingTransfer {
    fn drop(&mut self) {
        self.peer.shared().call(|state, now| {
            if !self.has_ended {
                drop(state.session.cancel_transfer(&self.id, now));
            }
            state.streams.remove(&(&self.id).into(), &mut state.woken);
        });
    }
}
