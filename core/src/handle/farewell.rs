//! What was not delivered when the session closed.

use std::task::Waker;

use crate::event::Outcome;
use crate::id::{EmitId, PeerId};
use crate::transfer::{TransferId, TransferOutcome};

/// What a session had accepted and did not deliver before it closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The emits with another outcome than [`Outcome::Delivered`], with the receiver.
    pub emits: Vec<(EmitId, PeerId, Outcome)>,
    /// The transfers with another outcome than [`TransferOutcome::Delivered`], in both directions.
    pub transfers: Vec<(TransferId, TransferOutcome)>,
}

impl Undelivered {
    /// Returns whether everything was delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.emits.is_empty() && self.transfers.is_empty()
    }
}

/// The report of a session that closes.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Present once the session is closing.
    report: Option<Undelivered>,
    is_closed: bool,
    waiting: Vec<Waker>,
}

impl Farewell {
    /// Begins the report.
    pub(super) fn begin(&mut self) {
        self.report.get_or_insert_default();
    }

    pub(super) fn note_emit(&mut self, emit: EmitId, peer: &PeerId, outcome: Outcome) {
        if let Some(report) = self.report.as_mut().filter(|_| outcome != Outcome::Delivered) {
            report.emits.push((emit, peer.clone(), outcome));
        }
    }

    pub(super) fn note_transfer(&mut self, transfer: &TransferId, outcome: TransferOutcome) {
        if let Some(report) = self.report.as_mut().filter(|_| outcome != TransferOutcome::Delivered)
        {
            report.transfers.push((transfer.clone(), outcome));
        }
    }

    pub(super) fn note_closed(&mut self) {
        self.is_closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns the report of a session that has closed.
    pub(super) fn report(&self) -> Option<Undelivered> {
        self.report.clone().filter(|_| self.is_closed)
    }

    pub(super) fn wait(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    pub(super) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.append(&mut self.waiting);
    }
}
