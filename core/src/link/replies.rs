//! Pending acknowledgements of the peer's application.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::EmitId;
use crate::time::Time;

/// The emits to one peer that wait for an acknowledgement, and their deadlines. Their numbers are their ack
/// ids.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    pending: BTreeMap<EmitId, Time>,
    deadlines: BTreeSet<(Time, EmitId)>,
}

impl Replies {
    pub(crate) fn expect(&mut self, emit: EmitId, deadline: Time) {
        self.pending.insert(emit, deadline);
        self.deadlines.insert((deadline, emit));
    }

    /// Returns the emit that this ack id answers; `None` for a late or duplicate answer.
    pub(crate) fn resolve(&mut self, ack_id: u64) -> Option<EmitId> {
        let emit = EmitId(ack_id);
        let deadline = self.pending.remove(&emit)?;
        self.deadlines.remove(&(deadline, emit));
        Some(emit)
    }

    /// Removes and returns one emit whose deadline has passed.
    pub(crate) fn take_overdue(&mut self, now: Time) -> Option<EmitId> {
        let (deadline, emit) = self.deadlines.first().copied()?;
        (deadline <= now).then(|| self.resolve(emit.as_u64())).flatten()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Removes and returns all emits.
    pub(crate) fn drain(&mut self) -> Vec<EmitId> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending).into_keys().collect()
    }
}
