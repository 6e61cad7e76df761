//! The receiver of the volatile lane, which delivers the newest complete packet.

use std::collections::VecDeque;

use bytes::Bytes;

use super::unfinished::{Bounds, Unfinished, open};
use crate::codec::{Limits, Packet};
use crate::error::PeerError;
use crate::link::assembly::keep_apart;
use crate::path::Path;
use crate::time::Time;
use crate::wire::Record;

#[derive(Debug, Default)]
pub(super) struct Volatile {
    /// One above the highest number received.
    pub(super) seen: u64,
    /// Packets with a number below this are not delivered.
    pub(super) next: u64,
    pub(super) unfinished: Option<(u64, Box<Unfinished>)>,
    pub(super) finished: VecDeque<(Path, Result<Packet, PeerError>)>,
}

impl Volatile {
    pub(super) fn take(
        &mut self,
        mut record: Record,
        path: &Path,
        message: usize,
        bounds: Bounds<'_>,
        now: Time,
    ) {
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
        keep_apart(&mut record.bytes, message);
        if unfinished.push(record, bounds.left, now).is_ok() && unfinished.assembly.is_complete() {
            let bytes = std::mem::take(&mut unfinished.bytes);
            self.finish(number, path, bytes.0.into(), bounds.limits);
        }
    }

    pub(super) fn finish(&mut self, number: u64, path: &Path, flat: Bytes, limits: &Limits) {
        self.next = number.saturating_add(1);
        if self.unfinished.as_ref().is_some_and(|(latest, _)| *latest <= number) {
            self.unfinished = None;
        }
        self.finished.push_back((path.clone(), open(flat, limits)));
    }

    pub(super) fn held(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |(_, unfinished)| unfinished.held())
    }
}
