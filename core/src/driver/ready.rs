//! The queue of the driver's sources that were woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::id::ConnectionId;

/// A source that the driver polls, with its own waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Signaling,
    /// The events of the direct transport.
    Direct,
    Timer,
    /// The data channel of a connection.
    Data(ConnectionId),
    /// The datagram channel of a connection.
    Datagrams(ConnectionId),
}

/// The sources that were woken, in order, each at most once.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: VecDeque<Arc<Entry>>,
    /// The driver's task, while it waits.
    task: Option<Waker>,
}

/// The entry of one source in the queue.
#[derive(Debug)]
struct Entry {
    source: Source,
    is_queued: AtomicBool,
    shared: Weak<Mutex<Shared>>,
}

/// The waker of a source, with which the source or the driver queues it.
#[derive(Debug)]
pub(super) struct SourceWaker {
    entry: Arc<Entry>,
    waker: Waker,
}

impl ReadyQueue {
    /// Creates the waker of a source, which is queued for its first turn.
    pub(super) fn register(&self, source: Source) -> SourceWaker {
        let shared = Arc::downgrade(&self.shared);
        let entry = Arc::new(Entry { source, is_queued: AtomicBool::new(false), shared });
        let waker = SourceWaker { waker: Arc::clone(&entry).into(), entry };
        waker.wake();
        waker
    }

    /// Returns the next source. From here on it can be woken again.
    pub(super) fn pop(&self) -> Option<Source> {
        let entry = lock(&self.shared).queue.pop_front()?;
        entry.is_queued.swap(false, Ordering::AcqRel);
        Some(entry.source)
    }

    /// Ready when a source is queued. Otherwise the next wake-up of a source wakes the task.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut shared = lock(&self.shared);
        if !shared.queue.is_empty() {
            return Poll::Ready(());
        }
        shared.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Notes that the task is running and needs no wake-up.
    pub(super) fn resume(&self) {
        drop(lock(&self.shared).task.take());
    }
}

impl SourceWaker {
    /// Queues the source, unless it is queued.
    pub(super) fn wake(&self) {
        self.entry.wake_by_ref();
    }

    /// Returns a context for polling the source.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(shared) = self.shared.upgrade() else { return };
        let mut shared = lock(&shared);
        shared.queue.push_back(Arc::clone(self));
        let task = shared.task.take();
        drop(shared);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A poisoned lock is usable: no update can be interrupted half-way.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the wake-ups of the task.
    #[derive(Default)]
    struct Task(std::sync::atomic::AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn data(connection: u64) -> Source {
        Source::Data(ConnectionId::from_u64(connection))
    }

    #[test]
    fn woken_sources_are_polled_in_order_and_once_each() {
        let ready = ReadyQueue::default();
        let [first, second] = [1, 2].map(|connection| ready.register(data(connection)));
        second.wake();
        first.wake();
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(data(1)), Some(data(2)), None]);
        second.wake();
        first.wake();
        second.wake();
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(data(2)), Some(data(1)), None]);
    }

    #[test]
    fn a_waiting_task_is_woken_once_and_a_running_task_is_not() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let (ready, cx) = (ReadyQueue::default(), Context::from_waker(&waker));
        let woken = || task.0.swap(0, Ordering::Relaxed);
        let [first, second] = [1, 2].map(|connection| ready.register(data(connection)));
        assert!(ready.poll_ready(&cx).is_ready(), "both wait for their first turn");
        while ready.pop().is_some() {}
        first.wake();
        assert_eq!((woken(), ready.pop()), (0, Some(data(1))));

        assert!(ready.poll_ready(&cx).is_pending());
        first.context().waker().wake_by_ref();
        second.context().waker().wake_by_ref();
        assert_eq!(woken(), 1);
        while ready.pop().is_some() {}

        assert!(ready.poll_ready(&cx).is_pending());
        ready.resume();
        first.wake();
        assert_eq!(woken(), 0);
    }
}
