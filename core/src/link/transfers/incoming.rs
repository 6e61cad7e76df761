//! The receiver of transfers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Buf as _, Bytes, BytesMut};

use super::PREFIX;
use crate::codec::{Limits, Packet, PacketType};
use crate::error::{Misbehavior, PeerError};
use crate::link::assembly::{Assembly, keep_apart};
use crate::redacted::Redacted;
use crate::transfer::{TransferProgress, TransferRead};
use crate::wire::{
    Incoming as IncomingState, IncomingKind, MAX_RANGES, Record, check_reserved, flat_limit,
    unflatten,
};

/// The maximum number of ended transfers whose outcome the sender has not learnt; further transfers wait.
const MAX_ENDED: usize = 64;

/// The maximum distance of transfer numbers, whose records are unordered among each other.
const MAX_UNSEEN: u64 = 64;

/// Pieces shorter than this are joined, so that the memory counted is the memory used.
const SHORT: usize = 1 << 10;

/// All transfers from one peer.
#[derive(Debug, Default)]
pub(crate) struct IncomingTransfers {
    /// One above the highest number received.
    expected: u64,
    /// The numbers below that of which nothing has arrived.
    unseen: BTreeSet<u64>,
    open: BTreeMap<u64, Incoming>,
    /// The ended transfers whose end the sender may not know.
    ended: BTreeMap<u64, IncomingKind>,
}

#[derive(Debug, Default)]
struct Incoming {
    assembly: Assembly,
    /// The bytes received before the announcement is complete.
    announcement: Redacted<Vec<u8>>,
    /// The offset of the data, once the application knows the transfer.
    data_at: Option<u64>,
    size: Option<u64>,
    /// The bytes below this offset may be sent (credit).
    granted: u64,
    /// The application has read the bytes below this offset.
    read: u64,
    buffer: Buffer,
    /// Whether the application found nothing to read and waits.
    waiting: bool,
}

/// Data that waits to be read.
#[derive(Debug, Default)]
struct Buffer {
    pieces: Redacted<VecDeque<Bytes>>,
    /// Short pieces at the end, joined.
    tail: Redacted<BytesMut>,
    len: usize,
}

/// A transfer that has been announced.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) packet: Packet,
    pub(crate) size: Option<u64>,
}

/// The consequences of a record.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) opened: Option<Opened>,
    /// Whether a transfer that had nothing to read has bytes or has ended.
    pub(crate) readable: bool,
    /// Whether a transfer that the application knew was aborted, by its sender or because of a violation.
    pub(crate) aborted: bool,
    /// Whether the sender must be sent a `state`.
    pub(crate) owes_state: bool,
    pub(crate) error: Option<PeerError>,
}

/// The bounds of received transfers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferBounds<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) window: usize,
    pub(crate) transfers: usize,
    /// The bytes that the session may still hold in all.
    pub(crate) left: usize,
    /// The bytes of the message that contained the record.
    pub(crate) message: usize,
}

impl IncomingTransfers {
    pub(crate) fn take(&mut self, record: Record, bounds: TransferBounds<'_>) -> News {
        let number = record.number;
        if !self.open.contains_key(&number) && !self.begin(number, &record, bounds) {
            return News::default();
        }
        if record.abort {
            let known = self.end(number, IncomingKind::Aborted);
            return News { aborted: known, owes_state: true, ..News::default() };
        }
        let Some(incoming) = self.open.get_mut(&number) else {
            return News { owes_state: true, ..News::default() };
        };
        let known = incoming.data_at.is_some();
        match incoming.take(record, bounds) {
            Ok(news) => news,
            Err(error) => {
                // The application does not know a transfer that this record would have opened.
                self.end(number, IncomingKind::Refused);
                News { aborted: known, owes_state: true, error: Some(error), ..News::default() }
            }
        }
    }

    /// Registers a transfer of which nothing arrived before. Returns `false` when the record is dropped.
    fn begin(&mut self, number: u64, record: &Record, bounds: TransferBounds<'_>) -> bool {
        if self.ended.contains_key(&number) {
            return false;
        }
        let new = number >= self.expected || self.unseen.contains(&number);
        let far = number.saturating_sub(self.expected) > MAX_UNSEEN;
        let unseen = (number.saturating_sub(self.expected)) as usize + self.unseen.len();
        if self.ended.len() >= MAX_ENDED || far || unseen > 2 * MAX_UNSEEN as usize {
            // Not acknowledged, so that the sender retransmits it.
            return false;
        }
        if number >= self.expected {
            self.unseen.extend(self.expected..number);
            self.expected = number + 1;
        } else {
            self.unseen.remove(&number);
        }
        if !new {
            // A late record, or one for an ended incarnation of this side.
            self.ended.insert(number, IncomingKind::Unknown);
        } else if record.abort {
            self.ended.insert(number, IncomingKind::Aborted);
        } else if self.open.len() >= bounds.transfers {
            self.ended.insert(number, IncomingKind::Refused);
        } else {
            self.open.insert(number, Incoming::default());
        }
        true
    }

    /// Notes the end of a transfer. Returns whether the application knew the transfer.
    fn end(&mut self, number: u64, kind: IncomingKind) -> bool {
        let Some(incoming) = self.open.remove(&number) else { return false };
        self.ended.insert(number, kind);
        incoming.data_at.is_some()
    }

    /// Returns the next bytes, and whether the sender must be sent a `state`; `None` when the transfer has
    /// ended.
    pub(crate) fn read(&mut self, number: u64, window: usize) -> Option<(TransferRead, bool)> {
        let incoming = self.open.get_mut(&number).filter(|one| one.data_at.is_some())?;
        let Some(bytes) = incoming.buffer.pop() else {
            if incoming.assembly.is_complete() {
                self.end(number, IncomingKind::Done);
                return Some((TransferRead::End, true));
            }
            incoming.waiting = true;
            return Some((TransferRead::Pending, false));
        };
        incoming.read += bytes.len() as u64;
        // Granted several times per window, not for each piece.
        let window = window as u64;
        let low = incoming.granted - incoming.read <= window - window / 4;
        let owes_state = incoming.assembly.len().is_none() && low;
        if owes_state {
            incoming.granted = incoming.granted.max(incoming.read.saturating_add(window));
        }
        Some((TransferRead::Data(bytes), owes_state))
    }

    /// Refuses the rest of a transfer. Returns `false` when it has ended.
    pub(crate) fn refuse(&mut self, number: u64) -> bool {
        self.end(number, IncomingKind::Refused)
    }

    pub(crate) fn progress(&self, number: u64) -> Option<TransferProgress> {
        let incoming = self.open.get(&number)?;
        Some(TransferProgress { read: incoming.read - incoming.data_at?, size: incoming.size })
    }

    /// Applies the sender's number of opened transfers and the list of open ones: it knows the outcome of all
    /// others. Returns whether there is room for further transfers.
    pub(crate) fn settle(&mut self, opened: u64, open: &[u64]) -> bool {
        let before = self.ended.len();
        self.ended.retain(|number, _| *number >= opened || open.contains(number));
        before >= MAX_ENDED && self.ended.len() < before
    }

    pub(crate) fn states(&self) -> Vec<IncomingState> {
        let open = self.open.iter().map(|(number, one)| (*number, one.state()));
        let ended = self.ended.iter().map(|(number, kind)| (*number, kind.clone()));
        open.chain(ended).map(|(number, kind)| IncomingState { number, kind }).collect()
    }

    pub(crate) fn held(&self) -> usize {
        self.open.values().map(Incoming::held).sum()
    }

    /// Ends all transfers with the link. Returns the numbers of those that the application knows. A sender that
    /// continues learns that they are unknown.
    pub(crate) fn disown(&mut self) -> Vec<u64> {
        let open = std::mem::take(&mut self.open);
        let known = |(number, one): (&u64, &Incoming)| one.data_at.map(|_| *number);
        let numbers = open.iter().filter_map(known).collect();
        self.ended.extend(open.into_keys().map(|number| (number, IncomingKind::Unknown)));
        numbers
    }
}

impl Incoming {
    fn take(&mut self, record: Record, bounds: TransferBounds<'_>) -> Result<News, PeerError> {
        let Record { offset, mut bytes, end, .. } = record;
        let until = offset.saturating_add(bytes.len() as u64);
        let most = match self.data_at {
            Some(_) => self.granted,
            None => announcement_limit(bounds.limits),
        };
        if until > most {
            return Err(Misbehavior::TransferWindow { granted: most, until }.into());
        }
        // The bytes that the application waits for are always accepted; otherwise the bytes behind them would
        // be held for ever.
        let awaited = offset <= self.assembly.had() && self.buffer.len == 0;
        if bytes.len() > bounds.left && !awaited {
            return Ok(News::default());
        }
        keep_apart(&mut bytes, bounds.message);
        let Self { assembly, announcement, buffer, data_at, .. } = self;
        let opened = data_at.is_some();
        let take = |piece: Bytes| {
            if opened {
                buffer.push(piece);
            } else {
                announcement.extend_from_slice(&piece);
            }
        };
        assembly.push(offset, bytes, end, take).map_err(|_| Misbehavior::TransferContradiction)?;
        let opened = if opened { None } else { self.open(bounds)? };
        if let Some(len) = self.assembly.len()
            && let (Some(announced), Some(data_at)) = (self.size, self.data_at)
            && len - data_at.min(len) != announced
        {
            let got = len - data_at.min(len);
            return Err(Misbehavior::TransferSize { announced, got }.into());
        }
        let to_read =
            self.data_at.is_some() && (self.buffer.len > 0 || self.assembly.is_complete());
        let readable = to_read && std::mem::take(&mut self.waiting);
        Ok(News { owes_state: opened.is_some(), opened, readable, ..News::default() })
    }

    /// Parses the announcement once it is complete.
    fn open(&mut self, bounds: TransferBounds<'_>) -> Result<Option<Opened>, PeerError> {
        let bad = || PeerError::from(Misbehavior::TransferAnnouncement);
        let mut head = &self.announcement[..];
        if head.len() < PREFIX {
            return if self.assembly.is_complete() { Err(bad()) } else { Ok(None) };
        }
        let (size, len) = (head.get_u64(), head.get_u32() as usize);
        if len as u64 > announcement_limit(bounds.limits) {
            return Err(bad());
        }
        if head.len() < len {
            return if self.assembly.is_complete() { Err(bad()) } else { Ok(None) };
        }
        let mut announcement = Bytes::from(std::mem::take(&mut *self.announcement));
        let data = announcement.split_off(PREFIX + len);
        let (head, attachments) = unflatten(announcement.slice(PREFIX..)).ok_or_else(bad)?;
        let packet = Packet::from_head_and_attachments(head, attachments, bounds.limits)
            .and_then(|packet| packet.validate(bounds.limits).map(|()| packet))
            .map_err(PeerError::BadPacket)?;
        let is_event = matches!(packet.packet_type(), PacketType::Event | PacketType::BinaryEvent);
        if !is_event || check_reserved(&packet).is_err() {
            return Err(bad());
        }
        let data_at = (PREFIX + len) as u64;
        self.data_at = Some(data_at);
        self.size = (size != u64::MAX).then_some(size);
        self.read = data_at;
        self.granted = data_at.saturating_add(bounds.window as u64);
        // Bytes behind a gap count too: they become readable as soon as the gap is filled.
        if self.assembly.reach() > self.granted {
            return Err(bad());
        }
        self.waiting = true;
        self.buffer.push(data);
        Ok(Some(Opened { packet, size: self.size }))
    }

    fn state(&self) -> IncomingKind {
        IncomingKind::Open {
            read: self.read,
            had: self.assembly.had() + u64::from(self.assembly.is_complete()),
            granted: self.granted,
            ahead: self.assembly.ahead(MAX_RANGES),
        }
    }

    fn held(&self) -> usize {
        self.announcement.capacity() + self.assembly.held() + self.buffer.held()
    }
}

impl Buffer {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SHORT {
            self.tail.extend_from_slice(&piece);
        } else {
            self.close_tail();
            self.pieces.push_back(piece);
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.close_tail();
        }
        let piece = self.pieces.pop_front()?;
        self.len -= piece.len();
        Some(piece)
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }

    fn held(&self) -> usize {
        self.len + self.pieces.len() * size_of::<Bytes>()
    }
}

/// Returns the maximum length of an announcement that may be within the limits.
fn announcement_limit(limits: &Limits) -> u64 {
    flat_limit(limits).saturating_add(PREFIX as u64)
}
