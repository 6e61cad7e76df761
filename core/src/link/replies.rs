//! Answers that are waited for.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::EmitId;
use crate::time::Time;

/// The emits to one peer that wait for an answer, and until when. Their numbers are their ack ids.
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

    /// The emit that this is the answer to; `None` for one that came too late or twice.
    pub(crate) fn resolve(&mut self, ack_id: u64) -> Option<EmitId> {
        let emit = EmitId(ack_id);
        let deadline = self.pending.remove(&emit)?;
        self.deadlines.remove(&(deadline, emit));
        Some(emit)
    }

    /// Takes one emit whose time is up.
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

    /// Gives all up.
    pub(crate) fn drain(&mut self) -> Vec<EmitId> {
        self.deadlines.clear();
        std::mem::take(&mut self.pending).into_keys().collect()
    }
}
