//! Transfers: blobs that are written and read as streams.

use bytes::Bytes;

use super::Session;
use crate::codec::Packet;
use crate::error::EmitError;
use crate::id::PeerId;
use crate::link::{Context, Link};
use crate::time::Time;
use crate::transfer::{
    IncomingTransferId, OutgoingTransferId, TransferError, TransferId, TransferProgress,
    TransferRead,
};

impl Session {
    /// Opens a transfer to a peer with an event that describes it. `size` is the length in bytes, if it is
    /// known. Calls of [`write_transfer`](Self::write_transfer) and [`finish_transfer`](Self::finish_transfer)
    /// follow. Transfers and [`emit_bulk`](Self::emit_bulk) share the part of the window that the events lane
    /// leaves. A transfer is not ordered among other packets, and continues across path changes. It uses at
    /// most [`Config::queue_bytes`](crate::Config::queue_bytes) of memory on this side and
    /// [`Config::transfer_window`](crate::Config::transfer_window) on the peer's, whatever its size.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use socketio_p2p_core::{Config, Event, Packet, TransferOutcome, TransferRead};
    /// use socketio_p2p_transport_memory::Mesh;
    ///
    /// let mut mesh = Mesh::new(7);
    /// let (ann, bob) = (mesh.add(Config::default()), mesh.add(Config::default()));
    /// mesh.run_until_direct(ann, bob);
    ///
    /// let mut video = Bytes::from(vec![7; 2_000_000]);
    /// let (to, name) = (mesh.id(bob), Packet::event("video", &("holiday.mp4",))?);
    /// let ours = mesh.with(ann, |ann, now| ann.open_transfer(&to, &name, Some(2_000_000), now))?;
    /// let mut read = 0;
    /// let outcome = loop {
    ///     mesh.step();
    ///     for event in mesh.take_events(bob) {
    ///         let Event::TransferReadable { transfer } = event else { continue };
    ///         while let TransferRead::Data(bytes) =
    ///             mesh.with(bob, |bob, now| bob.read_transfer(&transfer, now))?
    ///         {
    ///             read += bytes.len();
    ///         }
    ///     }
    ///     let events = mesh.take_events(ann);
    ///     if let Some(Event::TransferEnded { outcome, .. }) = events.last() {
    ///         break *outcome;
    ///     }
    ///     if events.iter().any(|event| matches!(event, Event::TransferWritable { .. })) {
    ///         mesh.with(ann, |ann, now| ann.write_transfer(&ours, &mut video, now))?;
    ///         if video.is_empty() {
    ///             mesh.with(ann, |ann, now| ann.finish_transfer(&ours, now))?;
    ///         }
    ///     }
    /// };
    /// assert_eq!((outcome, read), (TransferOutcome::Delivered, 2_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`emit`](Self::emit), and [`EmitError::TooManyTransfers`].
    pub fn open_transfer(
        &mut self,
        to: &PeerId,
        event: &Packet,
        size: Option<u64>,
        now: Time,
    ) -> Result<OutgoingTransferId, EmitError> {
        let now = self.advance(now);
        self.check_event(event)?;
        let opened = self.with_peer(to, now, |link, cx| link.open_transfer(event, size, cx));
        opened.unwrap_or_else(|| Err(EmitError::UnknownPeer(to.clone())))
    }

    /// Takes bytes from the front of `data` up to the free capacity, and returns their number.
    /// [`Event::TransferWritable`](crate::Event::TransferWritable) reports when the transfer accepts bytes for
    /// the first time, and again after a call that left some in `data`.
    ///
    /// # Errors
    /// [`TransferError::Unknown`] when the transfer has ended, [`TransferError::Finished`],
    /// [`TransferError::BeyondSize`]. A call that fails takes nothing.
    pub fn write_transfer(
        &mut self,
        id: &OutgoingTransferId,
        data: &mut Bytes,
        now: Time,
    ) -> Result<usize, TransferError> {
        self.with_transfer(&id.into(), now, |link, cx| link.write_transfer(id, data, cx))
    }

    /// Marks the end of data. [`Event::TransferEnded`](crate::Event::TransferEnded) reports when the peer has
    /// read all of it.
    ///
    /// # Errors
    /// [`TransferError::Unknown`] when the transfer has ended, [`TransferError::Finished`],
    /// [`TransferError::Incomplete`].
    pub fn finish_transfer(
        &mut self,
        id: &OutgoingTransferId,
        now: Time,
    ) -> Result<(), TransferError> {
        self.with_transfer(&id.into(), now, |link, _| link.finish_transfer(id))
    }

    /// Returns the next bytes of a peer's transfer; more can follow at once. Reading grants the peer further
    /// credit.
    ///
    /// # Errors
    /// [`TransferError::Unknown`] when the transfer has ended.
    pub fn read_transfer(
        &mut self,
        id: &IncomingTransferId,
        now: Time,
    ) -> Result<TransferRead, TransferError> {
        self.with_transfer(&id.into(), now, |link, cx| link.read_transfer(id, cx))
    }

    /// Cancels a transfer in either direction. The session reports that to the peer, and nothing further to the
    /// application.
    ///
    /// # Errors
    /// [`TransferError::Unknown`] when the transfer has ended.
    pub fn cancel_transfer(
        &mut self,
        id: impl Into<TransferId>,
        now: Time,
    ) -> Result<(), TransferError> {
        let id = id.into();
        self.with_transfer(&id, now, |link, cx| match &id {
            TransferId::Outgoing(id) => link.cancel_outgoing(id),
            TransferId::Incoming(id) => link.cancel_incoming(id, cx),
        })
    }

    /// Returns the progress of a transfer; `None` when it has ended.
    #[must_use]
    pub fn transfer_progress(&self, id: impl Into<TransferId>) -> Option<TransferProgress> {
        let id = id.into();
        let link = self.links.at(self.find(id.peer())?).filter(|link| link.carries(&id))?;
        link.transfer_progress(&id)
    }

    fn with_transfer<T>(
        &mut self,
        id: &TransferId,
        now: Time,
        act: impl FnOnce(&mut Link, &mut Context<'_>) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let now = self.advance(now);
        let unknown = || Err(TransferError::Unknown(id.clone()));
        let done = self.with_peer(id.peer(), now, |link, cx| {
            if link.carries(id) { act(link, cx) } else { unknown() }
        });
        done.unwrap_or_else(unknown)
    }
}
