//! Deadlines of delivery on honest paths.
//!
//! Each node's uplink and downlink is one queue, at the rate of its slowest path: an accepted event is due when all
//! events accepted before it, and the event itself, could have passed through both, with a margin.

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::Time;
use socketio_p2p_core::wire::Lane;

use crate::invariant::{Breach, Invariant};
use crate::sim::model::Model;

/// What a packet may cost beside its bytes.
const PER_PACKET: u64 = 600;

/// What a path may carry beside events: pieces' headers, acknowledgements, probes.
const BURDEN: f64 = 1.5;

/// The share of a path that bulk has at least, one part of so many.
const BULK_SHARE: u64 = 8;

/// What everything may take beside its bytes' time.
const SLACK: Duration = Duration::from_secs(6);

/// What a socket that is cut costs: finding out, a pause, joining, going on.
const PER_CUT: Duration = Duration::from_secs(4);

/// An event up to this is small.
const SMALL: usize = 1024;

/// Something that is due.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Deadline {
    pub(in crate::sim) number: u64,
    pub(in crate::sim) sender: usize,
    pub(in crate::sim) receiver: usize,
    pub(in crate::sim) made: Time,
    pub(in crate::sim) due: Time,
    pub(in crate::sim) kind: Invariant,
    /// Whether the sender must know by then too.
    pub(in crate::sim) ended: bool,
}

/// How fast, and how well, a node's paths are.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Rates {
    /// Bytes per second.
    pub(in crate::sim) out: u64,
    pub(in crate::sim) back: u64,
    /// There and back, and whatever else each message waits for.
    pub(in crate::sim) delay: Duration,
    /// How often its sockets are cut.
    pub(in crate::sim) cut_every: Option<Duration>,
    pub(in crate::sim) behind_bulk: Duration,
}

/// When a queue is empty, for all, for events alone and for bulk alone.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    all: Time,
    events: Time,
    bulk: Time,
}

#[derive(Debug, Default)]
pub(in crate::sim) struct Deadlines {
    open: Vec<Deadline>,
    next: Option<Time>,
    out: BTreeMap<usize, Busy>,
    back: BTreeMap<usize, Busy>,
}

impl Busy {
    fn add(&mut self, lane: Lane, bytes: u64, rate: u64, now: Time) -> Self {
        let nanos = |bytes: u64, rate: u64| {
            Duration::from_secs_f64(bytes as f64 * BURDEN / rate.max(1) as f64)
        };
        let take = |until: &mut Time, rate| *until = now.max(*until) + nanos(bytes, rate);
        take(&mut self.all, rate);
        match lane {
            Lane::Bulk => take(&mut self.bulk, rate / BULK_SHARE),
            Lane::Events | Lane::Volatile => take(&mut self.events, rate),
        }
        *self
    }
}

impl Deadlines {
    pub(in crate::sim) const fn next(&self) -> Option<Time> {
        self.next
    }

    pub(in crate::sim) fn clear(&mut self) {
        self.open.clear();
        self.next = None;
    }

    pub(in crate::sim) fn push(&mut self, deadline: Deadline) {
        self.next = Some(self.next.map_or(deadline.due, |next| next.min(deadline.due)));
        self.open.push(deadline);
    }

    /// An event was taken for these receivers, on honest paths.
    pub(in crate::sim) fn emitted(
        &mut self,
        (number, sender, lane, bytes): (u64, usize, Lane, usize),
        receivers: &[usize],
        rates: Rates,
        now: Time,
    ) {
        let cost = bytes as u64 + PER_PACKET;
        let out = self.out.entry(sender).or_default();
        let mut there = *out;
        for _ in receivers {
            there = out.add(lane, cost, rates.out, now);
        }
        for &receiver in receivers {
            let back = self.back.entry(receiver).or_default();
            let here = back.add(lane, cost, rates.back, now);
            let mut dues = vec![(there.all.max(here.all) + SLACK, Invariant::Arrival)];
            if lane == Lane::Bulk {
                dues.push((there.bulk.max(here.bulk) + SLACK, Invariant::BulkShare));
            }
            if lane == Lane::Events && bytes <= SMALL && rates.cut_every.is_none() {
                let after = there.events.max(here.events) + rates.behind_bulk;
                dues.push((after, Invariant::BehindBulk));
            }
            for (due, kind) in dues {
                let span = due + rates.delay - now;
                let cuts = rates
                    .cut_every
                    .map_or(0, |every| 1 + (span.as_millis() / every.as_millis().max(1)) as u32);
                let due = now + span + (PER_CUT + span / 8) * cuts.min(64);
                let ended = false;
                self.push(Deadline { number, sender, receiver, made: now, due, kind, ended });
            }
        }
    }

    /// What is due by now must have come.
    pub(in crate::sim) fn check(&mut self, now: Time, model: &Model) -> Result<(), Breach> {
        if self.next.is_none_or(|next| now < next) {
            return Ok(());
        }
        let (due, later): (Vec<_>, Vec<_>) =
            self.open.drain(..).partition(|deadline| deadline.due <= now);
        self.open = later;
        self.next = self.open.iter().map(|deadline| deadline.due).min();
        for Deadline { number, sender, receiver, made, due, kind, ended } in due {
            let there = model.waits_for(sender, receiver);
            let missing = model.missing(number, receiver);
            let unknown = ended && model.outcome(number, receiver).is_none();
            if there && (missing || unknown) {
                let what = if missing { "it has not come" } else { "its sender does not know" };
                return Err(Breach::new(
                    kind,
                    format!(
                        "event {number} of node {sender} for node {receiver} within {:?}",
                        due - made
                    ),
                    what,
                ));
            }
        }
        Ok(())
    }
}
