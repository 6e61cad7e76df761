//! The sender of transfers.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::announcement;
use crate::codec::Packet;
use crate::link::flight::{Fate, Sent};
use crate::link::progress::Progress;
use crate::link::sender::BeyondSent;
use crate::redacted::Redacted;
use crate::transfer::{TransferOutcome, TransferProgress};
use crate::wire::{Incoming, IncomingKind};

/// The range of a record that aborts a transfer: behind all bytes.
const ABORT: Range<u64> = u64::MAX..u64::MAX;

/// All transfers to one peer.
#[derive(Debug, Default)]
pub(crate) struct OutgoingTransfers {
    opened: u64,
    /// The open transfers, and ended ones whose abort the peer has not learnt.
    open: BTreeMap<u64, OutgoingTransfer>,
    /// The transfer that was sent last.
    turn: u64,
}

#[derive(Debug)]
struct OutgoingTransfer {
    announcement: Redacted<Bytes>,
    size: Option<u64>,
    /// The unacknowledged data, in pieces as written.
    data: Redacted<VecDeque<Bytes>>,
    /// The offset at which `data` begins.
    start: u64,
    /// The length of the announcement and the data so far.
    end: u64,
    /// The bytes below this offset may be sent (credit).
    granted: u64,
    /// The peer's application has read the bytes below this offset.
    read: u64,
    finished: bool,
    /// Whether the application waits for room.
    blocked: bool,
    aborted: Option<Abort>,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    /// The abort is to be sent or retransmitted.
    Due,
    InFlight,
}

/// A piece of a transfer to send next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferPiece {
    pub(crate) number: u64,
    /// The end of data counts as one byte behind the last one.
    pub(crate) bytes: Range<u64>,
    pub(crate) len: u64,
    pub(crate) end: bool,
    pub(crate) abort: bool,
}

/// A transfer that has ended.
pub(crate) type Ended = (u64, TransferOutcome);

/// The reason why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    Unknown,
    Finished,
    BeyondSize { got: u64, size: u64 },
    Incomplete { got: u64, size: u64 },
}

impl OutgoingTransfers {
    pub(crate) fn len(&self) -> usize {
        self.open.values().filter(|one| one.aborted.is_none()).count()
    }

    /// Opens a transfer, and returns its number.
    pub(crate) fn open(&mut self, event: &Packet, size: Option<u64>) -> u64 {
        let number = self.opened;
        self.opened += 1;
        let announcement = announcement(size, event);
        let end = announcement.len() as u64;
        let outgoing = OutgoingTransfer {
            announcement: Redacted(announcement),
            size,
            data: Redacted::default(),
            start: end,
            end,
            granted: end,
            read: end,
            finished: false,
            // The peer's first grant makes it writable, and is reported to the application.
            blocked: true,
            aborted: None,
            progress: Progress::default(),
        };
        self.open.insert(number, outgoing);
        number
    }

    /// Takes bytes from the front of `data`, as far as credit and `room` allow. Returns their number.
    pub(crate) fn write(
        &mut self,
        number: u64,
        data: &mut Bytes,
        room: usize,
    ) -> Result<usize, NotWritten> {
        let outgoing = self.live(number)?;
        if outgoing.finished {
            return Err(NotWritten::Finished);
        }
        let got = outgoing.written().saturating_add(data.len() as u64);
        if let Some(size) = outgoing.size.filter(|size| *size < got) {
            return Err(NotWritten::BeyondSize { got, size });
        }
        let taken = outgoing.room(room).min(data.len());
        if taken < data.len() {
            outgoing.blocked = true;
        }
        if taken > 0 {
            outgoing.data.push_back(data.split_to(taken));
            outgoing.end += taken as u64;
        }
        Ok(taken)
    }

    /// Marks the end of data.
    pub(crate) fn finish(&mut self, number: u64) -> Result<(), NotWritten> {
        let outgoing = self.live(number)?;
        if outgoing.finished {
            return Err(NotWritten::Finished);
        }
        let got = outgoing.written();
        if let Some(size) = outgoing.size.filter(|size| *size > got) {
            return Err(NotWritten::Incomplete { got, size });
        }
        outgoing.finished = true;
        Ok(())
    }

    /// Aborts a transfer. Returns `false` when it has ended.
    pub(crate) fn abort(&mut self, number: u64) -> bool {
        let Some(outgoing) = self.open.get_mut(&number).filter(|one| one.aborted.is_none()) else {
            return false;
        };
        outgoing.aborted = Some(Abort::Due);
        outgoing.data.clear();
        true
    }

    /// Aborts all transfers, or all unfinished ones. Returns their numbers.
    pub(crate) fn abort_all(&mut self, unfinished_only: bool) -> Vec<u64> {
        let those = self
            .open
            .iter()
            .filter(|(_, one)| one.aborted.is_none() && !(unfinished_only && one.finished));
        let numbers: Vec<u64> = those.map(|(number, _)| *number).collect();
        numbers.iter().for_each(|number| {
            self.abort(*number);
        });
        numbers
    }

    pub(crate) fn progress(&self, number: u64) -> Option<TransferProgress> {
        let outgoing = self.open.get(&number).filter(|one| one.aborted.is_none())?;
        Some(TransferProgress { read: outgoing.read - outgoing.head(), size: outgoing.size })
    }

    /// Applies the peer's state of the transfers. Returns the number of newly acknowledged bytes, and the ended
    /// transfers.
    pub(crate) fn acknowledge(
        &mut self,
        incoming: &[Incoming],
        mut ended: impl FnMut(Ended),
    ) -> Result<u64, BeyondSent> {
        let mut news = 0;
        for Incoming { number, kind } in incoming {
            let Some(outgoing) = self.open.get_mut(number) else {
                if *number >= self.opened {
                    return Err(BeyondSent);
                }
                continue;
            };
            let outcome = match kind {
                IncomingKind::Open { .. } if outgoing.aborted.is_some() => continue,
                IncomingKind::Open { read, had, granted, ahead } => {
                    news += outgoing.acknowledge(*read, *had, *granted, ahead)?;
                    continue;
                }
                IncomingKind::Done if outgoing.has_sent_end() => TransferOutcome::Delivered,
                IncomingKind::Done | IncomingKind::Aborted if outgoing.aborted.is_none() => {
                    return Err(BeyondSent);
                }
                IncomingKind::Done | IncomingKind::Aborted | IncomingKind::Refused => {
                    TransferOutcome::Refused
                }
                IncomingKind::Unknown => TransferOutcome::Lost,
            };
            // An acknowledged abort counts as progress.
            news += 1;
            if self.open.remove(number).is_some_and(|one| one.aborted.is_none()) {
                ended((*number, outcome));
            }
        }
        Ok(news)
    }

    /// Returns the transfers whose application waits and that have room again, each once.
    pub(crate) fn take_writable(&mut self, room: usize) -> Vec<u64> {
        let mut writable = Vec::new();
        for (number, outgoing) in &mut self.open {
            if outgoing.blocked && outgoing.aborted.is_none() && outgoing.has_room(room) {
                outgoing.blocked = false;
                writable.push(*number);
            }
        }
        writable
    }

    pub(crate) fn waits(&self) -> bool {
        self.open.values().any(OutgoingTransfer::waits)
    }

    /// Returns the next piece, of the transfers in turn, at most `max` bytes.
    pub(crate) fn peek(&self, max: usize) -> Option<TransferPiece> {
        let behind = self.open.range(self.turn.saturating_add(1)..);
        let mut turns = behind.chain(self.open.range(..=self.turn));
        let (number, outgoing) = turns.find(|(_, one)| one.waits())?;
        if outgoing.aborted.is_some() {
            let (bytes, len) = (ABORT, 0);
            return Some(TransferPiece { number: *number, bytes, len, end: false, abort: true });
        }
        let bytes = outgoing.progress.next(outgoing.sendable(), max as u64)?;
        let end = bytes.end > outgoing.end;
        let len = bytes.end.min(outgoing.end) - bytes.start;
        Some(TransferPiece { number: *number, bytes, len, end, abort: false })
    }

    pub(crate) fn put(&self, piece: &TransferPiece, buffer: &mut BytesMut) {
        if let Some(outgoing) = self.open.get(&piece.number).filter(|_| !piece.abort) {
            outgoing.put(piece.bytes.start, piece.bytes.start + piece.len, buffer);
        }
    }

    /// Notes that a piece was sent. Returns whether it was sent before.
    pub(crate) fn note_sent(&mut self, piece: &TransferPiece) -> bool {
        self.turn = piece.number;
        let Some(outgoing) = self.open.get_mut(&piece.number) else { return false };
        if piece.abort {
            outgoing.aborted = Some(Abort::InFlight);
            return false;
        }
        let again = piece.bytes.start < outgoing.progress.sent();
        outgoing.progress.note_sent(piece.bytes.clone());
        again
    }

    /// Returns the fate of a record of a transfer that the peer has not ended.
    pub(crate) fn fate(&self, sent: &Sent) -> Fate {
        match self.open.get(&sent.number) {
            Some(OutgoingTransfer { aborted: Some(_), .. }) if sent.bytes != ABORT => Fate::Moot,
            Some(OutgoingTransfer { aborted: None, progress, .. })
                if progress.is_acked(&sent.bytes) =>
            {
                Fate::Arrived
            }
            Some(_) => Fate::Unknown,
            None => Fate::Arrived,
        }
    }

    /// Returns whether a transfer is open, as far as this side knows.
    pub(crate) fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    pub(crate) fn lose(&mut self, sent: &Sent) {
        let Some(outgoing) = self.open.get_mut(&sent.number) else { return };
        match outgoing.aborted {
            Some(_) => outgoing.aborted = Some(Abort::Due),
            None => outgoing.progress.lose(sent.bytes.clone()),
        }
    }

    /// Returns the number of opened transfers, and the open ones.
    pub(crate) fn told(&self) -> (u64, Vec<u64>) {
        (self.opened, self.open.keys().copied().collect())
    }

    /// Returns whether any transfer has data that was sent and is not acknowledged.
    pub(crate) fn has_sent(&self) -> bool {
        let has_sent = |one: &OutgoingTransfer| match one.aborted {
            Some(abort) => abort == Abort::InFlight,
            None => one.progress.acked() < one.progress.sent(),
        };
        self.open.values().any(has_sent)
    }

    /// Returns whether no transfer waits for the peer's application to read it.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Ends all transfers with the link. Returns the numbers of the open ones.
    pub(crate) fn drain(&mut self) -> Vec<u64> {
        let open = std::mem::take(&mut self.open).into_iter();
        open.filter(|(_, one)| one.aborted.is_none()).map(|(number, _)| number).collect()
    }

    /// Returns the bytes that are queued or not acknowledged.
    pub(crate) fn bytes(&self) -> usize {
        self.open.values().flat_map(|one| one.data.iter()).map(Bytes::len).sum()
    }

    fn live(&mut self, number: u64) -> Result<&mut OutgoingTransfer, NotWritten> {
        let outgoing = self.open.get_mut(&number).filter(|one| one.aborted.is_none());
        outgoing.ok_or(NotWritten::Unknown)
    }
}

impl OutgoingTransfer {
    /// Returns whether the end of data was sent, which counts as one byte.
    fn has_sent_end(&self) -> bool {
        self.finished && self.progress.sent() > self.end
    }

    /// Returns the length of the announcement.
    fn head(&self) -> u64 {
        self.announcement.len() as u64
    }

    fn written(&self) -> u64 {
        self.end - self.head()
    }

    /// Returns how many bytes may be written, when at most `max` are held.
    fn room(&self, max: usize) -> usize {
        let credit = usize::try_from(self.granted.saturating_sub(self.end)).unwrap_or(usize::MAX);
        let held = usize::try_from(self.end - self.start).unwrap_or(usize::MAX);
        credit.min(max.saturating_sub(held))
    }

    fn has_room(&self, max: usize) -> bool {
        let held = usize::try_from(self.end - self.start).unwrap_or(usize::MAX);
        self.granted > self.end && held <= max / 2
    }

    /// Returns the offset up to which bytes may be sent, with the end of data as one more.
    fn sendable(&self) -> u64 {
        self.end + u64::from(self.finished)
    }

    fn waits(&self) -> bool {
        match self.aborted {
            Some(abort) => abort == Abort::Due,
            None => self.progress.has_lost() || self.progress.sent() < self.sendable(),
        }
    }

    fn acknowledge(
        &mut self,
        read: u64,
        had: u64,
        granted: u64,
        ahead: &[(u64, u64)],
    ) -> Result<u64, BeyondSent> {
        let sent = self.progress.sent();
        if had > sent || read > had || ahead.iter().any(|(_, to)| *to > sent) {
            return Err(BeyondSent);
        }
        let mut news = self.progress.acknowledge(had);
        for (from, to) in ahead {
            news += self.progress.acknowledge_ahead(*from..*to);
        }
        self.read = self.read.max(read.min(self.end));
        self.granted = self.granted.max(granted);
        while let Some(first) = self.data.front() {
            let end = self.start + first.len() as u64;
            if end > self.progress.acked() {
                break;
            }
            self.start = end;
            self.data.pop_front();
        }
        Ok(news)
    }

    /// Writes the bytes `start..end`.
    fn put(&self, start: u64, end: u64, buffer: &mut BytesMut) {
        let mut put = |at: u64, bytes: &Bytes| {
            let len = bytes.len() as u64;
            let from = start.saturating_sub(at).min(len) as usize;
            let to = end.saturating_sub(at).min(len) as usize;
            if from < to {
                buffer.put_slice(&bytes.chunk()[from..to]);
            }
            at + len
        };
        put(0, &self.announcement);
        self.data.iter().fold(self.start, put);
    }
}
