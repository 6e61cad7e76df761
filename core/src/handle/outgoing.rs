//! Transfers that this side sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::AsyncWrite;

use super::error::StreamError;
use super::peer::Peer;
use super::progress::Progress;
use crate::codec::Packet;
use crate::error::EmitError;
use crate::id::PeerId;
use crate::transfer::{OutgoingTransferId, TransferError, TransferId, TransferOutcome};

/// The maximum bytes that one write of a borrowed buffer copies.
const COPY: usize = 64 << 10;

impl Peer {
    /// Opens a transfer to a peer with an event that describes it, as
    /// [`Session::open_transfer`](crate::Session::open_transfer) does, at once. `size` is the length in bytes,
    /// if it is known.
    ///
    /// # Errors
    /// As [`emit`](Self::emit), and [`EmitError::TooManyTransfers`].
    pub fn open_transfer(
        &self,
        to: &PeerId,
        event: &Packet,
        size: Option<u64>,
    ) -> Result<OutgoingTransfer, EmitError> {
        let id = self.shared().call(|state, now| {
            let id = state.session.open_transfer(to, event, size, now)?;
            state.streams.insert(TransferId::from(&id), size);
            Ok::<_, EmitError>(id)
        })?;
        Ok(OutgoingTransfer { peer: self.clone(), id, is_finished: false })
    }
}

/// A transfer to a peer: a sink of bytes that accepts them at the pace of the peer's application.
///
/// Closing it marks the end of data, and does not wait for the delivery: [`finish`](Self::finish) does.
/// Dropping it before cancels the transfer. When it is dropped after its end was marked, the transfer goes on,
/// and [`Event::TransferEnded`](crate::Event::TransferEnded) reports its outcome.
///
/// It uses at most [`Config::queue_bytes`](crate::Config::queue_bytes) of memory on this side.
///
/// # Cancel safety
/// Writes through `AsyncWrite` accept what they return; [`send`](Self::send) is not cancel safe.
#[derive(Debug)]
#[must_use = "dropping it cancels the transfer"]
pub struct OutgoingTransfer {
    peer: Peer,
    id: OutgoingTransferId,
    is_finished: bool,
}

impl OutgoingTransfer {
    /// Returns the id.
    pub const fn id(&self) -> &OutgoingTransferId {
        &self.id
    }

    /// Returns the receiver.
    #[must_use]
    pub const fn peer(&self) -> &PeerId {
        self.id.peer()
    }

    /// Returns the progress of the peer's application, as a stream.
    pub fn progress(&self) -> Progress {
        Progress::new(self.peer.share(), (&self.id).into())
    }

    /// Takes bytes from the front of `data`, without a copy, and returns their number; none is taken from empty
    /// data only. Pending while the peer's application has to read first.
    ///
    /// # Errors
    /// [`StreamError::Transfer`] when the transfer has ended or was finished, or when `data` exceeds the
    /// announced size; [`StreamError::Closed`] after the end of the session.
    pub fn poll_send(
        &mut self,
        data: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, StreamError>> {
        self.peer.shared().call(|state, now| {
            if state.has_ended() {
                return Poll::Ready(Err(StreamError::Closed));
            }
            let empty = data.is_empty();
            let written = state.session.write_transfer(&self.id, data, now)?;
            let id = TransferId::from(&self.id);
            if written == 0 && !empty {
                state.streams.wait(&id, cx.waker());
                return Poll::Pending;
            }
            state.streams.note_moved(&id, written);
            Poll::Ready(Ok(written))
        })
    }

    /// Writes all of `data`, without a copy.
    ///
    /// # Errors
    /// As [`poll_send`](Self::poll_send).
    ///
    /// # Cancel safety
    /// Dropping the future loses the number of bytes that were accepted.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), StreamError> {
        while !data.is_empty() {
            std::future::poll_fn(|cx| self.poll_send(&mut data, cx)).await?;
        }
        Ok(())
    }

    /// Marks the end of data, and waits until the peer's application has read everything or the transfer has
    /// ended otherwise.
    ///
    /// # Errors
    /// [`StreamError::Transfer`] with [`TransferError::Incomplete`] when fewer bytes than the announced size
    /// were written, which cancels the transfer; [`StreamError::Closed`] after the end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future before its first poll cancels the transfer. Later the transfer goes on, and
    /// [`Event::TransferEnded`](crate::Event::TransferEnded) reports its outcome.
    pub async fn finish(mut self) -> Result<TransferOutcome, StreamError> {
        std::future::poll_fn(|cx| self.poll_finish(cx)).await
    }

    pub(super) fn poll_finish(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Result<TransferOutcome, StreamError>> {
        self.mark_end()?;
        let id = TransferId::from(&self.id);
        self.peer.shared().read(|state| match state.streams.outcome(&id) {
            Some(outcome) => Poll::Ready(Ok(outcome)),
            None if state.has_ended() => Poll::Ready(Err(StreamError::Closed)),
            None => {
                state.streams.wait(&id, cx.waker());
                Poll::Pending
            }
        })
    }

    /// Returns the outcome of a transfer that has ended.
    pub(super) fn outcome(&self) -> Option<TransferOutcome> {
        self.peer.shared().read(|state| state.streams.outcome(&(&self.id).into()))
    }

    fn mark_end(&mut self) -> Result<(), StreamError> {
        if self.is_finished || self.outcome().is_some() {
            return Ok(());
        }
        self.peer.shared().call(|state, now| {
            if state.has_ended() {
                return Err(StreamError::Closed);
            }
            Ok(state.session.finish_transfer(&self.id, now)?)
        })?;
        self.is_finished = true;
        Ok(())
    }
}

impl AsyncWrite for OutgoingTransfer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let part = buf.get(..COPY).unwrap_or(buf);
        self.poll_send(&mut Bytes::copy_from_slice(part), cx).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The session sends what it has accepted by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(outcome) = self.outcome().filter(|_| !self.is_finished)
            && outcome != TransferOutcome::Delivered
        {
            let unknown = TransferError::Unknown((&self.id).into());
            return Poll::Ready(Err(StreamError::from(unknown).into()));
        }
        Poll::Ready(self.mark_end().map_err(io::Error::from))
    }
}

impl Drop for OutgoingTransfer {
    fn drop(&mut self) {
        self.peer.shared().call(|state, now| {
            if !self.is_finished {
                drop(state.session.cancel_transfer(&self.id, now));
            }
            state.streams.remove(&(&self.id).into(), &mut state.woken);
        });
    }
}
