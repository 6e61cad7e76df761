//! The transfers with a handle, and who waits for them.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::session::Session;
use crate::transfer::{TransferId, TransferOutcome, TransferProgress};

/// All transfers with a handle.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<TransferId, Stream>,
    watchers: BTreeMap<u64, Watcher>,
    next_watcher: u64,
}

#[derive(Debug, Default)]
struct Stream {
    waker: Option<Waker>,
    outcome: Option<TransferOutcome>,
    /// The bytes that this side has written or read.
    moved: u64,
    size: Option<u64>,
}

/// A stream of the progress of a transfer.
#[derive(Debug)]
struct Watcher {
    transfer: TransferId,
    shown: Option<TransferProgress>,
    /// Present when the transfer has ended: the last value, if it was delivered.
    last: Option<Option<TransferProgress>>,
    waker: Option<Waker>,
}

impl Streams {
    pub(super) fn insert(&mut self, transfer: TransferId, size: Option<u64>) {
        self.open.insert(transfer, Stream { size, ..Stream::default() });
    }

    pub(super) fn contains(&self, transfer: &TransferId) -> bool {
        self.open.contains_key(transfer)
    }

    pub(super) fn remove(&mut self, transfer: &TransferId, woken: &mut Vec<Waker>) {
        self.end_watchers_of(transfer, woken);
        self.open.remove(transfer);
    }

    /// Wakes the owner of a transfer. Returns whether there is one.
    pub(super) fn wake(&mut self, transfer: &TransferId, woken: &mut Vec<Waker>) -> bool {
        let stream = self.open.get_mut(transfer);
        let is_owned = stream.is_some();
        woken.extend(stream.and_then(|stream| stream.waker.take()));
        is_owned
    }

    pub(super) fn wait(&mut self, transfer: &TransferId, waker: &Waker) {
        if let Some(stream) = self.open.get_mut(transfer) {
            stream.waker = Some(waker.clone());
        }
    }

    /// Notes bytes that were written or read.
    pub(super) fn note_moved(&mut self, transfer: &TransferId, bytes: usize) {
        if let Some(stream) = self.open.get_mut(transfer) {
            stream.moved += bytes as u64;
        }
    }

    /// Notes the end of a transfer. Returns whether it has an owner.
    pub(super) fn end(
        &mut self,
        transfer: &TransferId,
        outcome: TransferOutcome,
        woken: &mut Vec<Waker>,
    ) -> bool {
        if let Some(stream) = self.open.get_mut(transfer) {
            stream.outcome.get_or_insert(outcome);
        }
        self.end_watchers_of(transfer, woken);
        self.wake(transfer, woken)
    }

    pub(super) fn outcome(&self, transfer: &TransferId) -> Option<TransferOutcome> {
        self.open.get(transfer)?.outcome
    }

    // ----- progress -----

    pub(super) fn watch(&mut self, transfer: TransferId) -> u64 {
        let watcher = self.next_watcher;
        self.next_watcher += 1;
        self.watchers.insert(watcher, Watcher { transfer, shown: None, last: None, waker: None });
        watcher
    }

    pub(super) fn unwatch(&mut self, watcher: u64) {
        self.watchers.remove(&watcher);
    }

    /// Returns the progress if it is news for the watcher; `Some(None)` at the end.
    pub(super) fn look(
        &mut self,
        watcher: u64,
        session: &Session,
        waker: &Waker,
    ) -> Option<Option<TransferProgress>> {
        let Some(watcher) = self.watchers.get_mut(&watcher) else { return Some(None) };
        if let Some(last) = &mut watcher.last {
            return Some(last.take().filter(|last| watcher.shown != Some(*last)));
        }
        // A transfer without a handle, or one that ended before its progress was asked for.
        let Some(now) = session.transfer_progress(watcher.transfer.clone()) else {
            return Some(None);
        };
        if watcher.shown == Some(now) {
            watcher.waker = Some(waker.clone());
            return None;
        }
        watcher.shown = Some(now);
        Some(Some(now))
    }

    /// Wakes the watchers for which there is news.
    pub(super) fn wake_watchers(&mut self, session: &Session, woken: &mut Vec<Waker>) {
        for watcher in self.watchers.values_mut().filter(|watcher| watcher.waker.is_some()) {
            if session.transfer_progress(watcher.transfer.clone()) != watcher.shown {
                woken.extend(watcher.waker.take());
            }
        }
    }

    /// Notes the last value of the watchers of a transfer that has ended, or has no handle any more.
    fn end_watchers_of(&mut self, transfer: &TransferId, woken: &mut Vec<Waker>) {
        let delivered = Some(TransferOutcome::Delivered);
        let stream = self.open.get(transfer).filter(|stream| stream.outcome == delivered);
        let last = stream.map(|stream| TransferProgress { read: stream.moved, size: stream.size });
        for watcher in self.watchers.values_mut().filter(|one| one.transfer == *transfer) {
            watcher.last.get_or_insert(last);
            woken.extend(watcher.waker.take());
        }
    }

    /// Wakes everybody.
    pub(super) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.open.values_mut().filter_map(|stream| stream.waker.take()));
        woken.extend(self.watchers.values_mut().filter_map(|watcher| watcher.waker.take()));
    }
}
