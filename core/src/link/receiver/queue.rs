//! The receiver of a reliable lane: reassembly of packets, and delivery once and in order.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::unfinished::{Bounds, PACKET_COST, Unfinished, open, too_large};
use crate::codec::{Limits, Packet};
use crate::error::PeerError;
use crate::link::assembly::keep_apart;
use crate::path::Path;
use crate::time::Time;
use crate::wire::{LaneState, MAX_RANGES, Place, Record, flat_limit};

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The number of the next packet to deliver.
    pub(super) next: u64,
    pub(super) slots: BTreeMap<u64, Slot>,
    pub(super) unfinished: usize,
    pub(super) held: usize,
}

#[derive(Debug)]
pub(super) enum Slot {
    Unfinished(Box<Unfinished>),
    /// A complete packet, or the reason of its refusal.
    Finished {
        path: Path,
        packet: Result<Packet, PeerError>,
        held: usize,
    },
}

impl Slot {
    pub(super) fn unfinished_mut(&mut self) -> Option<&mut Unfinished> {
        match self {
            Self::Unfinished(unfinished) => Some(unfinished),
            Self::Finished { .. } => None,
        }
    }

    pub(super) const fn is_unfinished(&self) -> bool {
        matches!(self, Self::Unfinished(_))
    }

    pub(super) fn held(&self) -> usize {
        match self {
            Self::Unfinished(unfinished) => unfinished.held(),
            Self::Finished { held, .. } => *held,
        }
    }
}

impl Queue {
    pub(super) fn take(
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
        // A packet that is delivered at once needs no room.
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
        let news = unfinished.push(record, bounds.left, now);
        self.held += unfinished.held();
        match news {
            Ok(news) => {
                if unfinished.assembly.is_complete() {
                    let bytes = std::mem::take(&mut unfinished.bytes);
                    self.held -= bytes.capacity();
                    self.remove(number);
                    self.finish(number, path.clone(), bytes.0.into(), bounds.limits);
                }
                Some(news)
            }
            Err(why) => {
                self.refuse(number, path, why, bounds.ahead);
                Some(0)
            }
        }
    }

    pub(super) fn finish(&mut self, number: u64, path: Path, flat: Bytes, limits: &Limits) {
        let held = PACKET_COST + flat.len();
        self.held += held;
        self.slots.insert(number, Slot::Finished { path, packet: open(flat, limits), held });
    }

    pub(super) fn refuse(&mut self, number: u64, path: &Path, why: PeerError, ahead: usize) {
        let known = self.slots.get(&number);
        // A packet that is not refused now is refused when it arrives again.
        let fits = known.is_some() || number == self.next || self.held + PACKET_COST <= ahead;
        if number < self.next || !fits || matches!(known, Some(Slot::Finished { .. })) {
            return;
        }
        self.remove(number);
        self.held += PACKET_COST;
        let refused = Slot::Finished { path: path.clone(), packet: Err(why), held: PACKET_COST };
        self.slots.insert(number, refused);
    }

    pub(super) fn remove(&mut self, number: u64) {
        if let Some(slot) = self.slots.remove(&number) {
            self.held -= slot.held();
            self.unfinished -= usize::from(slot.is_unfinished());
        }
    }

    pub(super) fn state(&self) -> LaneState {
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
