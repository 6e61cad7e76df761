//! The loop between a session and its transports.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;

use super::transports::{TURNS, Transports};
use super::{Clock, DirectTransport, Signaling};
use crate::config::Config;
use crate::config_error::ConfigError;
use crate::event::Event;
use crate::session::Session;
use crate::time::Time;
#[cfg(feature = "tracing")]
use crate::trace::SessionSpan;

/// A session with its transports: a stream of [`Event`]s that takes commands between them.
///
/// All work happens while the stream is polled: the session's frames move, and its timers run. Commands are
/// calls on the session ([`with`](Self::with)) that take effect at once; their frames leave with the next poll.
/// The usual structure is one task with `select!` over `next()` and the application's other futures;
/// [`run`](Self::run) is such a loop for an [`Application`](crate::Application). While the
/// application takes no events, the driver reads nothing from the transports, so that backpressure reaches the
/// peers.
///
/// The cost of a wake-up does not depend on the number of peers: the driver polls only the sources that were
/// woken, and the channels for which the session has frames.
///
/// The stream ends after [`Event::Closed`], once the signalling channel has closed.
#[derive(Debug)]
pub struct Driver<S: Signaling, D: DirectTransport, C> {
    session: Session,
    transports: Transports<S, D, C>,
    finished: bool,
    #[cfg(feature = "tracing")]
    span: SessionSpan,
}

impl<S, D, C> Driver<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    /// Creates a driver of a session and its transports. `seed` is the session's only source of randomness:
    /// fresh random bytes in production, a constant in tests.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting is invalid: see [`Config::validate`].
    pub fn new(
        config: Config,
        seed: [u8; 32],
        signaling: S,
        direct: D,
        clock: C,
    ) -> Result<Self, ConfigError> {
        #[cfg(feature = "tracing")]
        let span = SessionSpan::new(&config.room);
        let session = Session::new(config, seed, clock.now())?;
        let transports = Transports::new(signaling, direct, clock);
        Ok(Self {
            session,
            transports,
            finished: false,
            #[cfg(feature = "tracing")]
            span,
        })
    }

    /// Returns the session, for its getters.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the direct transport, for its methods beyond the trait.
    pub fn direct_mut(&mut self) -> &mut D {
        self.transports.direct_mut()
    }

    /// Calls the session at the time of the driver's clock, for example `driver.with(|session, now|
    /// session.emit(Target::All, &event, now))`. The resulting frames leave with the next poll.
    ///
    /// Use it for calls of the application and getters only. The driver calls the inputs (`handle_*`) and
    /// outputs (`poll_*`) itself: further calls of them would bring session and transports out of step.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        act(&mut self.session, self.transports.clock().now())
    }

    pub(super) const fn clock(&self) -> &Arc<C> {
        self.transports.clock()
    }

    #[cfg(feature = "tracing")]
    pub(crate) const fn span(&self) -> &SessionSpan {
        &self.span
    }

    pub(crate) fn into_parts(self) -> (Session, Transports<S, D, C>) {
        (self.session, self.transports)
    }
}

impl<S, D, C> Stream for Driver<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Self {
            session,
            transports,
            finished,
            #[cfg(feature = "tracing")]
            span,
        } = &mut *self;
        #[cfg(feature = "tracing")]
        let _entered = span.enter();
        transports.resume();
        // The application may have called commands since the last poll.
        let mut is_served = false;
        for _ in 0..TURNS {
            if let Some(event) = session.poll_event() {
                #[cfg(feature = "tracing")]
                span.note(&event);
                if matches!(event, Event::Closed) {
                    *finished = true;
                    transports.begin_end(session);
                }
                return Poll::Ready(Some(event));
            }
            if *finished {
                return transports.poll_end(cx).map(|()| None);
            }
            if !is_served {
                transports.serve(session);
                is_served = true;
            }
            match transports.next_source() {
                Some(source) => is_served = !transports.poll_source(source, session),
                None if transports.poll_ready(cx).is_pending() => return Poll::Pending,
                None => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
