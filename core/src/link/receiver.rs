//! The receiving end of the lanes: puts packets together, and hands them out in order and once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::assembly::Assembly;
use crate::codec::{DecodeError, DecodeErrorKind, Limits};
use crate::error::PeerError;
use crate::event::Path;
use crate::packet::Packet;
use crate::signal::Lane;
use crate::time::Time;
use crate::wire::{LaneState, MAX_RANGES, MAX_REFUSED, Place, Record, flat_limit, unflatten};

/// What a packet costs beside its bytes while it waits: small ones are no way around the bounds.
const PACKET_COST: usize = 256;

/// So many new bytes are progress: less does not keep an unfinished packet alive.
const PROGRESS: usize = 1 << 10;

/// What a receiver may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) limits: &'a Limits,
    /// Bytes per lane ahead of their turn.
    pub(crate) ahead: usize,
    /// Bytes that are left of what the session may hold in all.
    pub(crate) left: usize,
    /// Bytes of one unfinished volatile event.
    pub(crate) volatile: usize,
    /// For how long an unfinished packet may make no progress.
    pub(crate) patience: Duration,
}

/// The lanes of one peer.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    lanes: [Queue; Lane::RELIABLE.len()],
    volatile: Volatile,
    refused: VecDeque<(Lane, u64)>,
    held: usize,
    /// When packets without progress are looked for.
    review_at: Option<Time>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The packet that is handed out next.
    next: u64,
    slots: BTreeMap<u64, Slot>,
    unfinished: usize,
    held: usize,
}

#[derive(Debug)]
enum Slot {
    Unfinished(Box<Unfinished>),
    /// What is handed out when its turn comes, or why it is not.
    Finished {
        path: Path,
        packet: Result<Packet, PeerError>,
        held: usize,
    },
}

/// A packet of which pieces are there.
#[derive(Debug, Default)]
struct Unfinished {
    assembly: Assembly,
    bytes: Vec<u8>,
    /// New bytes since `progressed_at`.
    news: usize,
    progressed_at: Time,
    path: Option<Path>,
}

#[derive(Debug, Default)]
struct Volatile {
    /// One above the highest number that ever came.
    seen: u64,
    /// Numbers below this are not handed out any more.
    next: u64,
    unfinished: Option<(u64, Box<Unfinished>)>,
    finished: VecDeque<(Path, Result<Packet, PeerError>)>,
}

impl Receiver {
    /// Takes a record of a lane that came in a message of `message` bytes. How many of its bytes are new; `None`: there is no
    /// room for it in the session.
    pub(crate) fn take(
        &mut self,
        lane: Lane,
        record: Record,
        path: &Path,
        message: usize,
        bounds: Bounds<'_>,
        now: Time,
    ) -> Option<usize> {
        let Some(queue) = self.lanes.get_mut(lane.index()) else {
            self.volatile.take(record, path, bounds, now);
            if self.volatile.unfinished.is_some() {
                self.review_at.get_or_insert(now + bounds.patience);
            }
            return Some(0);
        };
        let before = queue.held;
        let news = queue.take(record, path, message, bounds, now);
        if queue.unfinished > 0 {
            self.review_at.get_or_insert(now + bounds.patience);
        }
        self.held = self.held - before + queue.held;
        news
    }

    /// Gives a packet up before it is there: one ahead of its turn as long as no more than `ahead` bytes wait.
    pub(crate) fn refuse(
        &mut self,
        lane: Lane,
        number: u64,
        path: &Path,
        why: PeerError,
        ahead: usize,
    ) {
        if let Some(queue) = self.lanes.get_mut(lane.index()) {
            let before = queue.held;
            queue.refuse(number, path, why, ahead);
            self.held = self.held - before + queue.held;
        }
    }

    /// The next packet of a lane, with its number and the path on which it came; or what made it unacceptable. Nothing of the
    /// reliable lanes while there is no room for another refusal.
    pub(crate) fn pop(&mut self, lane: Lane) -> Option<(u64, Path, Result<Packet, PeerError>)> {
        let Some(queue) = self.lanes.get_mut(lane.index()) else {
            let (path, packet) = self.volatile.finished.pop_front()?;
            return Some((self.volatile.next, path, packet));
        };
        let ready = matches!(queue.slots.get(&queue.next), Some(Slot::Finished { .. }));
        if !ready || self.refused.len() >= MAX_REFUSED {
            return None;
        }
        let Some(Slot::Finished { path, packet, held }) = queue.slots.remove(&queue.next) else {
            return None;
        };
        queue.held -= held;
        self.held -= held;
        queue.next += 1;
        Some((queue.next - 1, path, packet))
    }

    /// A packet that was handed out is not acceptable.
    pub(crate) fn note_refused(&mut self, lane: Lane, number: u64) {
        if lane != Lane::Volatile {
            self.refused.push_back((lane, number));
        }
    }

    /// The peer knows what became of its packets below these numbers. Whether that makes room for refusals.
    pub(crate) fn settle(&mut self, settled: [u64; Lane::RELIABLE.len()]) -> bool {
        let before = self.refused.len();
        self.refused.retain(|(lane, number)| *number >= settled[lane.index()]);
        before >= MAX_REFUSED && self.refused.len() < MAX_REFUSED
    }

    pub(crate) fn refusals(&self) -> Vec<(Lane, u64)> {
        self.refused.iter().copied().collect()
    }

    pub(crate) fn states(&self) -> [LaneState; Lane::RELIABLE.len()] {
        self.lanes.each_ref().map(Queue::state)
    }

    pub(crate) const fn seen(&self) -> u64 {
        self.volatile.seen
    }

    /// The memory that is held by what cannot be handed out yet.
    pub(crate) fn held(&self) -> usize {
        self.held + self.volatile.held()
    }

    pub(crate) const fn next_timeout(&self) -> Option<Time> {
        self.review_at
    }

    /// Gives up unfinished packets that make no progress. The time in which the path of a packet `is_down` does not count.
    pub(crate) fn handle_timeout(
        &mut self,
        patience: Duration,
        is_down: impl Fn(&Path) -> bool,
        now: Time,
    ) {
        if self.review_at.is_none_or(|at| now < at) {
            return;
        }
        self.review_at = None;
        let volatile = self.volatile.unfinished.as_ref();
        match volatile.map(|(_, unfinished)| unfinished.progressed_at + patience) {
            Some(due) if now < due => self.review_at = Some(due),
            Some(_) => self.volatile.unfinished = None,
            None => {}
        }
        let mut overdue = Vec::new();
        for (lane, queue) in Lane::RELIABLE.into_iter().zip(&mut self.lanes) {
            for (number, slot) in &mut queue.slots {
                let Slot::Unfinished(unfinished) = slot else { continue };
                if unfinished.path.as_ref().is_some_and(&is_down) {
                    unfinished.progressed_at = now;
                }
                let due = unfinished.progressed_at + patience;
                if due <= now {
                    overdue.push((lane, *number));
                } else {
                    self.review_at = Some(self.review_at.map_or(due, |at: Time| at.min(due)));
                }
            }
        }
        for (lane, number) in overdue {
            let why = PeerError::Misbehaved("a packet that does not go on");
            self.refuse(lane, number, &Path::Relay, why, usize::MAX);
        }
    }

    /// The lane and number of the unfinished packet that holds the most memory.
    pub(crate) fn largest_unfinished(&self) -> Option<(Lane, u64)> {
        let unfinished = Lane::RELIABLE.into_iter().zip(&self.lanes).flat_map(|(lane, queue)| {
            queue
                .slots
                .iter()
                .filter(|(_, slot)| slot.is_unfinished())
                .map(move |(number, slot)| (slot.held(), lane, *number))
        });
        unfinished.max_by_key(|(held, ..)| *held).map(|(_, lane, number)| (lane, number))
    }
}

impl Slot {
    const fn is_unfinished(&self) -> bool {
        matches!(self, Self::Unfinished(_))
    }

    fn held(&self) -> usize {
        match self {
            Self::Unfinished(unfinished) => unfinished.held(),
            Self::Finished { held, .. } => *held,
        }
    }
}

impl Unfinished {
    fn held(&self) -> usize {
        PACKET_COST + self.bytes.capacity() + self.assembly.held()
    }

    /// Takes a piece; `left`: so much more may be held. `Err`: it makes no packet.
    fn push(&mut self, record: Record, left: usize, now: Time) -> Result<usize, PeerError> {
        let Self { assembly, bytes, .. } = self;
        let take = |piece: Bytes| {
            // Little more than what is there, so that what is counted is what is held.
            if bytes.capacity() - bytes.len() < piece.len() {
                bytes.reserve_exact(piece.len().max(left.min(bytes.len() / 4)));
            }
            bytes.extend_from_slice(&piece);
        };
        let news = assembly
            .push(record.offset, record.bytes, record.end, take)
            .map_err(|_| PeerError::Misbehaved("records that contradict each other"))?;
        self.news += news;
        if self.news >= PROGRESS {
            self.news = 0;
            self.progressed_at = now;
        }
        Ok(news)
    }
}

impl Queue {
    fn take(
        &mut self,
        mut record: Record,
        path: &Path,
        message: usize,
        bounds: Bounds<'_>,
        now: Time,
    ) -> Option<usize> {
        let number = record.number;
        let known = self.slots.get(&number);
        if number < self.next || matches!(known, Some(Slot::Finished { .. })) {
            return Some(0);
        }
        let (in_turn, news) = (number == self.next, record.bytes.len());
        let fits_in_lane = in_turn || self.held + news + PACKET_COST <= bounds.ahead;
        let fits = news + PACKET_COST <= bounds.left;
        if record.offset.saturating_add(news as u64) > flat_limit(bounds.limits) {
            self.refuse(number, path, too_large(bounds.limits), bounds.ahead);
            return Some(news);
        }
        let whole = record.offset == 0 && record.end && known.is_none();
        if !fits_in_lane {
            return Some(0);
        }
        // What is handed out at once needs no room.
        let at_once = whole && in_turn;
        if !(fits || at_once) {
            return None;
        }
        if whole {
            if !in_turn {
                keep_apart(&mut record.bytes, message);
            }
            self.finish(number, path.clone(), record.bytes, bounds.limits);
            return Some(news);
        }
        keep_apart(&mut record.bytes, message);
        let slot = self.slots.entry(number).or_insert_with(|| {
            self.held += PACKET_COST;
            self.unfinished += 1;
            Slot::Unfinished(Box::new(Unfinished { progressed_at: now, ..Unfinished::default() }))
        });
        let Slot::Unfinished(unfinished) = slot else { return Some(0) };
        self.held -= unfinished.held();
        unfinished.path = Some(path.clone());
        let news = unfinished.push(record, bounds.left, now);
        self.held += unfinished.held();
        match news {
            Ok(news) => {
                if unfinished.assembly.is_complete() {
                    let bytes = std::mem::take(&mut unfinished.bytes);
                    self.held -= bytes.capacity();
                    self.remove(number);
                    self.finish(number, path.clone(), bytes.into(), bounds.limits);
                }
                Some(news)
            }
            Err(why) => {
                self.refuse(number, path, why, bounds.ahead);
                Some(0)
            }
        }
    }

    fn finish(&mut self, number: u64, path: Path, flat: Bytes, limits: &Limits) {
        let held = PACKET_COST + flat.len();
        self.held += held;
        self.slots.insert(number, Slot::Finished { path, packet: open(flat, limits), held });
    }

    fn refuse(&mut self, number: u64, path: &Path, why: PeerError, ahead: usize) {
        let known = self.slots.get(&number);
        // What is not told now is refused when it comes again.
        let fits = known.is_some() || number == self.next || self.held + PACKET_COST <= ahead;
        if number < self.next || !fits || matches!(known, Some(Slot::Finished { .. })) {
            return;
        }
        self.remove(number);
        self.held += PACKET_COST;
        let refused = Slot::Finished { path: path.clone(), packet: Err(why), held: PACKET_COST };
        self.slots.insert(number, refused);
    }

    fn remove(&mut self, number: u64) {
        if let Some(slot) = self.slots.remove(&number) {
            self.held -= slot.held();
            self.unfinished -= usize::from(slot.is_unfinished());
        }
    }

    fn state(&self) -> LaneState {
        let mut next = Place { number: self.next, offset: 0 };
        let mut ahead: Vec<(Place, Place)> = Vec::new();
        let mut add = |from: Place, to: Place| {
            if let Some((_, last)) = ahead.last_mut().filter(|(_, last)| *last == from) {
                *last = to;
            } else if from < to {
                ahead.push((from, to));
            }
        };
        for (&number, slot) in &self.slots {
            let at = |offset| Place { number, offset };
            // An envelope can carry any number.
            let behind = Place { number: number.saturating_add(1), offset: 0 };
            match slot {
                Slot::Finished { .. } => add(at(0), behind),
                Slot::Unfinished(unfinished) => {
                    let assembly = &unfinished.assembly;
                    if number == self.next {
                        next.offset = assembly.had();
                    } else {
                        add(at(0), at(assembly.had()));
                    }
                    for (from, to) in assembly.ahead(MAX_RANGES) {
                        let whole = assembly.len() == Some(to);
                        add(at(from), if whole { behind } else { at(to) });
                    }
                }
            }
        }
        ahead.truncate(MAX_RANGES);
        LaneState { next, ahead }
    }
}

impl Volatile {
    fn take(&mut self, record: Record, path: &Path, bounds: Bounds<'_>, now: Time) {
        let number = record.number;
        self.seen = self.seen.max(number.saturating_add(1));
        if number < self.next {
            return;
        }
        if record.offset == 0 && record.end {
            return self.finish(number, path, record.bytes, bounds.limits);
        }
        let until = record.offset.saturating_add(record.bytes.len() as u64);
        let newer = self.unfinished.as_ref().is_none_or(|(latest, _)| *latest < number);
        if newer && until <= bounds.volatile as u64 {
            let unfinished = Unfinished { progressed_at: now, ..Unfinished::default() };
            self.unfinished = Some((number, Box::new(unfinished)));
        }
        let Some((latest, unfinished)) = &mut self.unfinished else { return };
        if number != *latest || until > bounds.volatile as u64 {
            return;
        }
        if unfinished.push(record, bounds.left, now).is_ok() && unfinished.assembly.is_complete() {
            let bytes = std::mem::take(&mut unfinished.bytes);
            self.finish(number, path, bytes.into(), bounds.limits);
        }
    }

    fn finish(&mut self, number: u64, path: &Path, flat: Bytes, limits: &Limits) {
        self.next = number.saturating_add(1);
        if self.unfinished.as_ref().is_some_and(|(latest, _)| *latest <= number) {
            self.unfinished = None;
        }
        self.finished.push_back((path.clone(), open(flat, limits)));
    }

    fn held(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |(_, unfinished)| unfinished.held())
    }
}

fn too_large(limits: &Limits) -> PeerError {
    let too_large = DecodeErrorKind::PacketTooLarge { max: limits.max_packet_bytes };
    PeerError::BadPacket(DecodeError::in_frame(too_large, 0))
}

fn open(flat: Bytes, limits: &Limits) -> Result<Packet, PeerError> {
    let (head, attachments) =
        unflatten(flat).ok_or(PeerError::Misbehaved("records that make no packet"))?;
    Packet::from_head_and_attachments(head, attachments, limits).map_err(PeerError::BadPacket)
}

/// What waits must not keep a message much longer than itself in memory.
fn keep_apart(bytes: &mut Bytes, message: usize) {
    if bytes.len() < message / 2 {
        *bytes = Bytes::copy_from_slice(bytes);
    }
}
