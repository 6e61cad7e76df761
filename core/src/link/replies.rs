//! Answers that are waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::EmitId;
use crate::time::Time;

/// The emits to one peer that wait for an answer, by ack id and by deadline.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    next_ack_id: u64,
    pending: BTreeMap<u64, (EmitId, Time)>,
    deadlines: BTreeSet<(Time, u64)>,
}

impl Replies {
    /// The ack id that [`expect`](Self::expect) will give out next.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.next_ack_id
    }

    pub(crate) fn expect(&mut self, emit: EmitId, deadline: Time) {
        self.pending.insert(self.next_ack_id, (emit, deadline));
        self.deadlines.insert((deadline, self.next_ack_id));
        self.next_ack_id += 1;
    }

    /// The emit that this is the answer to; `None` for one that came too late or twice.
    pub(crate) fn resolve(&mut self, ack_id: u64) -> Option<EmitId> {
        let (emit, deadline) = self.pending.remove(&ack_id)?;
        self.deadlines.remove(&(deadline, ack_id));
        Some(emit)
    }

    /// Takes one emit whose time is up.
    pub(crate) fn take_overdue(&mut self, now: Time) -> Option<EmitId> {
        let (deadline, ack_id) = self.deadlines.first().copied()?;
        (deadline <= now).then(|| self.resolve(ack_id)).flatten()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Moves every deadline: the clock jumped.
    pub(crate) fn shift(&mut self, by: Duration) {
        for (_, deadline) in self.pending.values_mut() {
            *deadline = *deadline + by;
        }
        let deadlines = std::mem::take(&mut self.deadlines).into_iter();
        self.deadlines = deadlines.map(|(deadline, ack_id)| (deadline + by, ack_id)).collect();
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Gives all up.
    pub(crate) fn drain(&mut self) -> Vec<EmitId> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending).into_values().map(|(emit, _)| emit).collect()
    }
}
