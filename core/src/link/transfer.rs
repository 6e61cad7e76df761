//! Transfers: blobs as streams over the bulk lane, with a window that the receiving application opens by
//! reading.
//!
//! Their messages are numbered packets of the bulk lane in the namespace of link control, so that order,
//! singleness and resumption are the lane's.

mod message;

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf as _, Bytes, BytesMut};
use serde::de::IgnoredAny;

use self::message::{Answer, Message, Opening};
use super::control::{Control, NAMESPACE};
use super::{Context, Link};
use crate::error::{EmitError, PeerError};
use crate::event::Event;
use crate::id::Version;
use crate::packet::{Packet, PacketType};
use crate::signal::{Lane, is_reserved_event};
use crate::transfer::{
    Direction, TransferError, TransferId, TransferOutcome, TransferProgress, TransferRead,
};

/// What a chunk costs beside its bytes, at most: a chunk is to fit into one fragment.
const CHUNK_OVERHEAD: usize = 128;

/// How many transfers that were refused are remembered.
const MAX_REFUSED_TRANSFERS: usize = 64;

/// All transfers of a link.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    opened: u64,
    outgoing: BTreeMap<u64, Outgoing>,
    incoming: BTreeMap<u64, Incoming>,
    /// One above the peer's latest.
    expected: u64,
    /// Of which the peer may not have heard that they are not wanted.
    refused: BTreeSet<u64>,
}

#[derive(Debug)]
struct Outgoing {
    size: Option<u64>,
    written: u64,
    /// Bytes that may be written in all, as the peer has allowed.
    credit: u64,
    /// Bytes that the peer has read.
    read: u64,
    finished: bool,
    /// A write was cut short: the application waits for `TransferWritable`.
    blocked: bool,
}

#[derive(Debug)]
struct Incoming {
    size: Option<u64>,
    received: u64,
    /// Bytes that the peer may send in all.
    granted: u64,
    read: u64,
    buffer: BytesMut,
    finished: bool,
    /// The application has found nothing and waits for `TransferReadable`.
    waiting: bool,
}

impl Link {
    /// Announces a transfer with an event.
    pub(crate) fn open_transfer(
        &mut self,
        event: Packet,
        size: Option<u64>,
        cx: &mut Context<'_>,
    ) -> Result<TransferId, EmitError> {
        if self.version == Version::V0 {
            let peer = self.peer.clone();
            return Err(EmitError::UnsupportedByPeer { peer, what: "a transfer" });
        }
        if self.transfers.outgoing.len() >= cx.config.max_transfers {
            return Err(EmitError::TooManyTransfers(self.transfers.outgoing.len()));
        }
        let number = self.transfers.opened;
        let packet = Message::Open { transfer: number, size, event }.to_packet()?;
        packet.validate(&cx.config.limits)?;
        self.emit(Lane::Bulk, packet, None, cx)?;
        self.transfers.opened += 1;
        let outgoing = Outgoing {
            size,
            written: 0,
            credit: 0,
            read: 0,
            finished: false,
            // The peer's first word opens the window, and the application is told.
            blocked: true,
        };
        self.transfers.outgoing.insert(number, outgoing);
        Ok(self.transfer_id(Direction::Outgoing, number))
    }

    /// Takes bytes from the front of `data` as far as window and queue allow; tells how many.
    pub(crate) fn write_transfer(
        &mut self,
        id: &TransferId,
        data: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Result<usize, TransferError> {
        let Some(outgoing) = self.transfers.outgoing.get_mut(&id.number) else {
            return Err(TransferError::Unknown(id.clone()));
        };
        if outgoing.finished {
            return Err(TransferError::Finished(id.clone()));
        }
        let got = outgoing.written.saturating_add(data.len() as u64);
        if let Some(size) = outgoing.size.filter(|size| *size < got) {
            return Err(TransferError::BeyondSize { got, size });
        }
        let send = &mut self.lanes[Lane::Bulk.index()].send;
        let most = cx.config.fragment_bytes.saturating_sub(CHUNK_OVERHEAD).max(1);
        let mut taken = 0;
        while !data.is_empty() {
            let credit = usize::try_from(outgoing.credit - outgoing.written).unwrap_or(usize::MAX);
            let len = data.len().min(most).min(credit);
            let chunk = Message::Chunk { transfer: id.number, bytes: data.slice(..len) };
            // What we encode ourselves always fits.
            let chunk = chunk.to_packet().ok().filter(|chunk| {
                len > 0 && send.fits(chunk, cx.config.queue_bytes, cx.config.queue_packets)
            });
            let Some(chunk) = chunk else {
                outgoing.blocked = true;
                break;
            };
            send.push(chunk, None);
            data.advance(len);
            outgoing.written += len as u64;
            taken += len;
        }
        Ok(taken)
    }

    /// Says that everything has been written.
    pub(crate) fn finish_transfer(&mut self, id: &TransferId) -> Result<(), TransferError> {
        let Some(outgoing) = self.transfers.outgoing.get_mut(&id.number) else {
            return Err(TransferError::Unknown(id.clone()));
        };
        if outgoing.finished {
            return Err(TransferError::Finished(id.clone()));
        }
        let got = outgoing.written;
        if let Some(size) = outgoing.size.filter(|size| *size > got) {
            return Err(TransferError::Incomplete { got, size });
        }
        outgoing.finished = true;
        self.push_message(&Message::Finish(id.number));
        Ok(())
    }

    /// The next bytes that have come, all that there are.
    pub(crate) fn read_transfer(
        &mut self,
        id: &TransferId,
        cx: &mut Context<'_>,
    ) -> Result<TransferRead, TransferError> {
        let number = id.number;
        let Some(incoming) = self.transfers.incoming.get_mut(&number) else {
            return Err(TransferError::Unknown(id.clone()));
        };
        if incoming.buffer.is_empty() {
            if incoming.finished {
                self.transfers.incoming.remove(&number);
                self.push_answer(Answer::Done(number));
                return Ok(TransferRead::End);
            }
            incoming.waiting = true;
            return Ok(TransferRead::Pending);
        }
        let bytes = incoming.buffer.split().freeze();
        incoming.read += bytes.len() as u64;
        let window = cx.config.transfer_window as u64;
        // Told several times per window, not for each piece.
        if !incoming.finished && incoming.granted - incoming.read <= window - window / 4 {
            incoming.granted = incoming.read.saturating_add(window);
            let (read, granted) = (incoming.read, incoming.granted);
            self.push_answer(Answer::Credit { transfer: number, read, granted });
        }
        Ok(TransferRead::Data(bytes))
    }

    /// Breaks a transfer off, whichever way it goes.
    pub(crate) fn cancel_transfer(&mut self, id: &TransferId) -> Result<(), TransferError> {
        let number = id.number;
        let unknown = || TransferError::Unknown(id.clone());
        match id.direction {
            Direction::Outgoing => {
                self.transfers.outgoing.remove(&number).ok_or_else(unknown)?;
                self.push_message(&Message::Abort(number));
            }
            Direction::Incoming => {
                self.transfers.incoming.remove(&number).ok_or_else(unknown)?;
                self.note_unwanted(number);
                self.push_answer(Answer::Refuse(number));
            }
        }
        Ok(())
    }

    pub(crate) fn transfer_progress(&self, id: &TransferId) -> Option<TransferProgress> {
        let Transfers { outgoing, incoming, .. } = &self.transfers;
        match id.direction {
            Direction::Outgoing => outgoing.get(&id.number).map(|o| (o.read, o.size)),
            Direction::Incoming => incoming.get(&id.number).map(|i| (i.read, i.size)),
        }
        .map(|(read, size)| TransferProgress { read, size })
    }

    /// Breaks off what has not been written whole: the session closes.
    pub(crate) fn abort_unfinished_transfers(&mut self, cx: &mut Context<'_>) {
        let outgoing = &self.transfers.outgoing;
        let unfinished = outgoing.iter().filter(|(_, outgoing)| !outgoing.finished);
        for number in unfinished.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.transfers.outgoing.remove(&number);
            self.push_message(&Message::Abort(number));
            self.end_transfer(Direction::Outgoing, number, TransferOutcome::Aborted, cx);
        }
    }

    /// Whether the transfer is one of this incarnation's.
    pub(crate) fn carries(&self, id: &TransferId) -> bool {
        id.epoch == self.sender_epoch(id.direction)
    }

    /// Whether a transfer of ours waits for the peer's application to read it.
    pub(super) fn awaits_readers(&self) -> bool {
        !self.transfers.outgoing.is_empty()
    }

    /// How many transfers the peer has opened, by their numbers.
    pub(super) fn opened_by_peer(&self) -> u64 {
        self.transfers.expected
    }

    /// Another incarnation had heard of the peer's transfers below this one, and took what it knew along.
    pub(super) fn disown_transfers(&mut self, below: u64) {
        self.transfers.expected = below;
        if below > 0 {
            self.push_answer(Answer::Lost(below));
        }
    }

    /// How many transfers have been opened to the peer, and the numbers of those that go on.
    pub(super) fn opened_to_peer(&self) -> (u64, Vec<u64>) {
        (self.transfers.opened, self.transfers.outgoing.keys().copied().collect())
    }

    /// Goes on after so many transfers, and breaks off what an incarnation before this one has left.
    pub(super) fn abort_transfers(&mut self, opened: u64, left: Vec<u64>) {
        self.transfers.opened = opened;
        left.into_iter().for_each(|number| self.push_message(&Message::Abort(number)));
    }

    /// Whether the packet is for the peer to know even when the application has nothing to do with it any more.
    pub(super) fn is_abort(packet: &Packet) -> bool {
        Control::is_control(packet) && packet.event_name().as_deref() == Some("abort")
    }

    /// A packet of the bulk lane came to the peer, and the peer could not take it.
    pub(super) fn handle_refused_message(&mut self, packet: &Packet, cx: &mut Context<'_>) {
        if !Control::is_control(packet) {
            return;
        }
        let number = match packet.event_name().as_deref() {
            Some("open") => {
                let args = packet.args::<(Opening, IgnoredAny, IgnoredAny)>();
                args.map(|(opening, ..)| opening.transfer)
            }
            Some("chunk") => packet.args::<(u64, IgnoredAny)>().map(|(number, _)| number),
            Some("finish") => packet.args::<(u64,)>().map(|(number,)| number),
            Some(_) | None => return,
        };
        if let Ok(number) = number
            && self.transfers.outgoing.remove(&number).is_some()
        {
            self.push_message(&Message::Abort(number));
            self.end_transfer(Direction::Outgoing, number, TransferOutcome::Refused, cx);
        }
    }

    /// The link ends.
    pub(super) fn lose_transfers(&mut self, cx: &mut Context<'_>) {
        let Transfers { outgoing, incoming, .. } = std::mem::take(&mut self.transfers);
        for number in outgoing.into_keys() {
            self.end_transfer(Direction::Outgoing, number, TransferOutcome::Lost, cx);
        }
        for number in incoming.into_keys() {
            self.end_transfer(Direction::Incoming, number, TransferOutcome::Lost, cx);
        }
    }

    /// Takes a numbered packet of the control namespace, in order.
    pub(super) fn handle_transfer_message(
        &mut self,
        packet: &Packet,
        cx: &mut Context<'_>,
    ) -> Result<(), PeerError> {
        let Some(message) = Message::from_packet(packet, cx)? else { return Ok(()) };
        match message {
            Message::Open { transfer, size, event } => {
                self.handle_transfer_open(transfer, size, event, cx)
            }
            Message::Chunk { transfer, bytes } => {
                self.handle_incoming(transfer, cx, |incoming| incoming.push(&bytes))
            }
            Message::Finish(transfer) => self.handle_incoming(transfer, cx, Incoming::finish),
            Message::Abort(transfer) => {
                self.transfers.refused.remove(&transfer);
                if self.transfers.incoming.remove(&transfer).is_some() {
                    let outcome = TransferOutcome::Aborted;
                    self.end_transfer(Direction::Incoming, transfer, outcome, cx);
                }
                Ok(())
            }
            // What is said of an incarnation of ours that is over is not about this one's transfers.
            Message::Back { epoch, .. } if epoch != self.epoch => Ok(()),
            Message::Back { answer, .. } => self.handle_transfer_answer(answer, cx),
        }
    }

    fn handle_transfer_answer(
        &mut self,
        answer: Answer,
        cx: &mut Context<'_>,
    ) -> Result<(), PeerError> {
        match answer {
            Answer::Credit { transfer, read, granted } => {
                if let Some(outgoing) = self.transfers.outgoing.get_mut(&transfer) {
                    outgoing.read = outgoing.read.max(read.min(outgoing.written));
                    outgoing.credit = outgoing.credit.max(granted);
                    self.report_writable_transfers(cx);
                }
                Ok(())
            }
            Answer::Refuse(transfer) => {
                if self.transfers.outgoing.remove(&transfer).is_some() {
                    let outcome = TransferOutcome::Refused;
                    self.end_transfer(Direction::Outgoing, transfer, outcome, cx);
                }
                Ok(())
            }
            Answer::Lost(below) => {
                let kept = self.transfers.outgoing.split_off(&below);
                for number in std::mem::replace(&mut self.transfers.outgoing, kept).into_keys() {
                    self.end_transfer(Direction::Outgoing, number, TransferOutcome::Lost, cx);
                }
                Ok(())
            }
            Answer::Done(transfer) => {
                let outgoing = self.transfers.outgoing.get(&transfer);
                if outgoing.is_some_and(|outgoing| !outgoing.finished) {
                    return Err(PeerError::Misbehaved("the end of a transfer that goes on"));
                }
                if self.transfers.outgoing.remove(&transfer).is_some() {
                    let outcome = TransferOutcome::Delivered;
                    self.end_transfer(Direction::Outgoing, transfer, outcome, cx);
                }
                Ok(())
            }
        }
    }

    fn handle_transfer_open(
        &mut self,
        transfer: u64,
        size: Option<u64>,
        event: Packet,
        cx: &mut Context<'_>,
    ) -> Result<(), PeerError> {
        let is_event = matches!(event.packet_type(), PacketType::Event | PacketType::BinaryEvent);
        let reserved = event.event_name().is_none_or(|name| is_reserved_event(&name))
            || event.namespace().as_str() == NAMESPACE;
        if transfer < self.transfers.expected || transfer == u64::MAX || !is_event || reserved {
            return Err(PeerError::Misbehaved("a transfer that cannot be opened"));
        }
        self.transfers.expected = transfer + 1;
        let valid = event.validate(&cx.config.limits);
        if valid.is_err() || self.transfers.incoming.len() >= cx.config.max_transfers {
            self.refuse(transfer, cx);
            return valid.map_err(PeerError::BadPacket);
        }
        let granted = cx.config.transfer_window as u64;
        let incoming = Incoming {
            size,
            received: 0,
            granted,
            read: 0,
            buffer: BytesMut::new(),
            finished: false,
            waiting: true,
        };
        if !self.has_room_for_messages(cx) {
            return Err(PeerError::Misbehaved("transfers without an end, and no acknowledgement"));
        }
        self.transfers.incoming.insert(transfer, incoming);
        self.push_answer(Answer::Credit { transfer, read: 0, granted });
        let id = self.transfer_id(Direction::Incoming, transfer);
        let from = self.peer.clone();
        let opened = Event::TransferOpened { from, transfer: id, packet: event, size };
        cx.out.events.push_back(opened);
        Ok(())
    }

    /// Something came for a transfer of the peer's.
    fn handle_incoming(
        &mut self,
        transfer: u64,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Incoming) -> Result<(), PeerError>,
    ) -> Result<(), PeerError> {
        let Some(incoming) = self.transfers.incoming.get_mut(&transfer) else {
            // Of an incarnation of ours that is over, or refused and not yet known to be.
            self.refuse(transfer, cx);
            return Ok(());
        };
        if let Err(error) = take(incoming) {
            self.transfers.incoming.remove(&transfer);
            self.refuse(transfer, cx);
            self.end_transfer(Direction::Incoming, transfer, TransferOutcome::Aborted, cx);
            return Err(error);
        }
        let readable = incoming.finished || !incoming.buffer.is_empty();
        if readable && std::mem::take(&mut incoming.waiting) {
            let transfer = self.transfer_id(Direction::Incoming, transfer);
            cx.out.events.push_back(Event::TransferReadable { transfer });
        }
        Ok(())
    }

    /// Tells the peer, once, that a transfer is not wanted.
    fn refuse(&mut self, transfer: u64, cx: &Context<'_>) {
        if self.note_unwanted(transfer) && self.has_room_for_messages(cx) {
            self.push_answer(Answer::Refuse(transfer));
        }
    }

    /// `false`: that was known.
    fn note_unwanted(&mut self, transfer: u64) -> bool {
        let refused = &mut self.transfers.refused;
        let new = refused.insert(transfer);
        if refused.len() > MAX_REFUSED_TRANSFERS {
            refused.pop_first();
        }
        new
    }

    /// Tells the applications of writes that were cut short that there is room again.
    pub(super) fn report_writable_transfers(&mut self, cx: &mut Context<'_>) {
        let send = &self.lanes[Lane::Bulk.index()].send;
        if !send.has_room(cx.config.queue_bytes, cx.config.queue_packets) {
            return;
        }
        for (&number, outgoing) in &mut self.transfers.outgoing {
            if outgoing.blocked && outgoing.written < outgoing.credit {
                outgoing.blocked = false;
                let transfer = TransferId {
                    peer: self.peer.clone(),
                    epoch: self.epoch,
                    direction: Direction::Outgoing,
                    number,
                };
                cx.out.events.push_back(Event::TransferWritable { transfer });
            }
        }
    }

    /// Messages may go beyond the cap of the lane: they are few and small, unless the peer makes us send them
    /// and never acknowledges any.
    fn has_room_for_messages(&self, cx: &Context<'_>) -> bool {
        self.lanes[Lane::Bulk.index()].send.len() < 2 * cx.config.queue_packets
    }

    fn push_answer(&mut self, answer: Answer) {
        self.push_message(&Message::Back { epoch: self.peer_epoch, answer });
    }

    fn push_message(&mut self, message: &Message) {
        // What we encode ourselves always fits.
        if let Ok(packet) = message.to_packet() {
            self.lanes[Lane::Bulk.index()].send.push(packet, None);
        }
    }

    fn end_transfer(
        &self,
        direction: Direction,
        number: u64,
        outcome: TransferOutcome,
        cx: &mut Context<'_>,
    ) {
        let transfer = self.transfer_id(direction, number);
        cx.out.events.push_back(Event::TransferEnded { transfer, outcome });
    }

    fn sender_epoch(&self, direction: Direction) -> u32 {
        match direction {
            Direction::Outgoing => self.epoch,
            Direction::Incoming => self.peer_epoch,
        }
    }

    fn transfer_id(&self, direction: Direction, number: u64) -> TransferId {
        TransferId {
            peer: self.peer.clone(),
            epoch: self.sender_epoch(direction),
            direction,
            number,
        }
    }
}

impl Incoming {
    fn push(&mut self, bytes: &Bytes) -> Result<(), PeerError> {
        let received = self.received.saturating_add(bytes.len() as u64);
        if self.finished || received > self.granted.min(self.size.unwrap_or(u64::MAX)) {
            return Err(PeerError::Misbehaved("more bytes of a transfer than were allowed"));
        }
        self.received = received;
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), PeerError> {
        if self.finished || self.size.is_some_and(|size| size != self.received) {
            return Err(PeerError::Misbehaved("a transfer that ends before its size"));
        }
        self.finished = true;
        Ok(())
    }
}
