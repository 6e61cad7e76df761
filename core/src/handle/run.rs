//! The task that moves frames and timers.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::Shared;
use crate::driver::{Clock, DirectTransport, SessionAccess, Signaling, Source, TURNS, Transports};
use crate::session::Session;
use crate::time::{Time, earliest};

/// The task behind the handles: a future to spawn, which moves frames and timers until the session has closed.
///
/// It makes progress whether or not the application reads [`Events`](super::Events). Dropping it before its end
/// ends the session at once: everybody who waits gets a `Closed` error, and the peers notice the silence.
///
/// # Cancel safety
/// Polling it in several places one after the other is fine; dropping it ends the session.
#[derive(Debug)]
#[must_use = "nothing moves unless it is polled"]
pub struct Run<S: Signaling, D: DirectTransport, C> {
    transports: Transports<S, D, C>,
    access: Access,
    /// The sources that were woken and are not read, because too many events are unread.
    held: BTreeSet<Source>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// The signalling channel is closing.
    Ending,
    Ended,
}

/// The access of the loop to the session behind the lock.
#[derive(Debug)]
struct Access(Arc<Shared>);

impl SessionAccess for Access {
    fn step<T>(&mut self, act: impl FnOnce(&mut Session) -> T) -> T {
        self.0.step(None, |state, _| act(&mut state.session))
    }

    fn step_at<T>(&mut self, now: Time, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        self.0.step(Some(now), |state, now| act(&mut state.session, now))
    }

    fn next_deadline(&mut self) -> Option<Time> {
        self.0
            .read(|state| earliest([state.session.poll_timeout(), state.questions.next_deadline()]))
    }
}

impl<S: Signaling, D: DirectTransport, C> Run<S, D, C> {
    pub(super) fn new(transports: Transports<S, D, C>, shared: Arc<Shared>) -> Self {
        Self { transports, access: Access(shared), held: BTreeSet::new(), stage: Stage::Running }
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.access.0.call(|state, now| state.end(now));
    }
}

impl<S, D, C> Run<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    /// Returns the next source to poll. Channels are held aside while too many events are unread.
    fn next_source(&mut self, is_flooded: bool) -> Option<Source> {
        if !is_flooded && let Some(source) = self.held.pop_first() {
            return Some(source);
        }
        loop {
            let source = self.transports.next_source()?;
            match source {
                Source::Signaling | Source::Data(_) | Source::Datagrams(_) if is_flooded => {
                    self.held.insert(source);
                }
                Source::Signaling
                | Source::Data(_)
                | Source::Datagrams(_)
                | Source::Direct
                | Source::Timer => return Some(source),
            }
        }
    }
}

impl<S, D, C> Future for Run<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        #[cfg(feature = "tracing")]
        let span = this.access.0.span.clone();
        #[cfg(feature = "tracing")]
        let _entered = span.enter();
        this.transports.resume();
        let mut is_served = false;
        for _ in 0..TURNS {
            match this.stage {
                Stage::Running => {}
                Stage::Ending => {
                    std::task::ready!(this.transports.poll_end(cx));
                    this.end();
                    return Poll::Ready(());
                }
                Stage::Ended => return Poll::Ready(()),
            }
            let (is_changed, is_closed, is_flooded) = this.access.0.read(|state| {
                (state.take_changed(), state.farewell.is_closed(), state.unread.is_flooded())
            });
            if is_closed {
                this.transports.begin_end(&mut this.access);
                this.stage = Stage::Ending;
                continue;
            }
            if is_changed || !is_served {
                this.transports.serve(&mut this.access);
                is_served = true;
            }
            match this.next_source(is_flooded) {
                Some(source) => {
                    is_served = !this.transports.poll_source(source, &mut this.access);
                }
                None => {
                    let waits = this.transports.poll_ready(cx).is_pending();
                    if waits && this.access.0.step(None, |state, _| state.park(cx.waker())) {
                        return Poll::Pending;
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: Signaling, D: DirectTransport, C> Drop for Run<S, D, C> {
    fn drop(&mut self) {
        if self.stage != Stage::Ended {
            self.end();
        }
    }
}
