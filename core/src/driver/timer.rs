//! The driver's deadline timer.

use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt as _;

use super::Clock;
use super::maybe_send::{BoxFuture, boxed};
use super::ready::{ReadyQueue, Source, SourceWaker};
use crate::time::Time;

pub(super) struct Timer<C> {
    clock: Arc<C>,
    sleep: Option<Sleep>,
    waker: SourceWaker,
}

struct Sleep {
    until: Time,
    sleeping: BoxFuture<'static, ()>,
}

impl<C: Clock + Sync + 'static> Timer<C> {
    pub(super) fn new(clock: Arc<C>, ready: &ReadyQueue) -> Self {
        Self { clock, sleep: None, waker: ready.register(Source::Timer) }
    }

    /// Sets the deadline. Deadlines mostly move away with each frame: a sleep that ends before the new deadline
    /// continues, and the driver asks for the deadline again when it ends.
    pub(super) fn set(&mut self, deadline: Option<Time>) {
        match deadline {
            None => self.sleep = None,
            Some(deadline) if self.sleep.as_ref().is_none_or(|sleep| deadline < sleep.until) => {
                self.restart(deadline);
            }
            Some(_) => {}
        }
    }

    /// Sets the deadline, and replaces a sleep that would end before it.
    pub(super) fn restart(&mut self, deadline: Time) {
        let clock = Arc::clone(&self.clock);
        let span = deadline - clock.now();
        let sleeping = async move { clock.sleep(span).await };
        self.sleep = Some(Sleep { until: deadline, sleeping: boxed(sleeping) });
        self.waker.wake();
    }

    /// Ready when a sleep has ended.
    pub(super) fn poll(&mut self) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        std::task::ready!(sleep.sleeping.poll_unpin(&mut self.waker.context()));
        self.sleep = None;
        Poll::Ready(())
    }
}

impl<C> std::fmt::Debug for Timer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let until = self.sleep.as_ref().map(|sleep| sleep.until);
        f.debug_struct("Timer").field("until", &until).finish_non_exhaustive()
    }
}
