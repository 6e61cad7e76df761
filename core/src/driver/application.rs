//! Running an application on a driver.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::FusedStream;
use futures::{FutureExt as _, Stream, StreamExt as _};

use super::maybe_send::{BoxFuture, boxed};
use super::run::Driver;
use super::transports::TURNS;
use super::{Clock, DirectTransport, Signaling};
use crate::application::Application;
use crate::event::Event;
use crate::time::Time;

impl<S, D, C> Driver<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    /// Runs an application until its session has closed, and returns it. The future depends on no runtime, and can
    /// be spawned.
    ///
    /// `inputs` are the application's inputs from outside: the receiver of a bounded channel, a stream of a user's
    /// lines, [`futures::stream::pending`] where there are none. One is taken at a time, between events. After
    /// their end the application goes on without; to end it, an input or an event makes it call
    /// [`Session::close`](crate::Session::close).
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use socketio_p2p_core::{Application, Config, Event, Session, Time};
    /// use socketio_p2p_core::driver::Driver;
    /// # use socketio_p2p_core::driver::{Clock, async_trait};
    /// # use socketio_p2p_core::hub::HubConfig;
    /// # use socketio_p2p_transport_memory::MemoryNetwork;
    /// # use std::time::Duration;
    /// # #[derive(Clone)]
    /// # struct TokioClock(tokio::time::Instant);
    /// # #[async_trait]
    /// # impl Clock for TokioClock {
    /// #     fn now(&self) -> Time {
    /// #         Time::ZERO + self.0.elapsed()
    /// #     }
    /// #     async fn sleep(&self, duration: Duration) {
    /// #         tokio::time::sleep(duration).await;
    /// #     }
    /// # }
    ///
    /// /// Joins the room, and leaves.
    /// #[derive(Default)]
    /// struct Visitor {
    ///     room: Option<String>,
    /// }
    ///
    /// impl Application for Visitor {
    ///     type Input = Infallible;
    ///
    ///     fn handle_event(&mut self, event: Event, session: &mut Session, now: Time) {
    ///         if let Event::Connected { room, .. } = event {
    ///             self.room = Some(room.to_string());
    ///             session.close(now);
    ///         }
    ///     }
    ///
    ///     fn handle_input(&mut self, input: Infallible, _: &mut Session, _: Time) {
    ///         match input {}
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), socketio_p2p_core::ConfigError> {
    /// # let clock = TokioClock(tokio::time::Instant::now());
    /// # let network = MemoryNetwork::new(HubConfig::default(), [0; 32], clock.clone());
    /// # let (signaling, direct) = (network.signaling(), network.direct());
    /// let driver = Driver::new(Config::default(), [1; 32], signaling, direct, clock)?;
    /// let visitor = driver.run(Visitor::default(), futures::stream::pending()).await;
    /// assert_eq!(visitor.room.as_deref(), Some("lobby"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run<A: Application>(
        mut self,
        mut application: A,
        inputs: impl Stream<Item = A::Input>,
    ) -> A {
        let mut inputs = pin!(inputs.fuse());
        let mut alarm = Alarm { clock: Arc::clone(self.clock()), sleep: None };
        let mut is_closed = false;
        poll_fn(|cx| {
            for _ in 0..TURNS {
                let mut is_idle = true;
                if !is_closed && alarm.poll(application.poll_timeout(), cx).is_ready() {
                    self.with(|session, now| application.handle_timeout(session, now));
                    is_idle = false;
                }
                if !is_closed
                    && !inputs.is_terminated()
                    && let Poll::Ready(Some(input)) = inputs.as_mut().poll_next(cx)
                {
                    self.with(|session, now| application.handle_input(input, session, now));
                    is_idle = false;
                }
                match self.poll_next_unpin(cx) {
                    Poll::Ready(Some(event)) => {
                        is_closed |= matches!(event, Event::Closed);
                        self.with(|session, now| application.handle_event(event, session, now));
                    }
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending if is_idle => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        application
    }
}

/// The timer of an application.
struct Alarm<C> {
    clock: Arc<C>,
    sleep: Option<(Time, BoxFuture<'static, ()>)>,
}

impl<C: Clock + Sync + 'static> Alarm<C> {
    /// Ready when the deadline has passed.
    fn poll(&mut self, deadline: Option<Time>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.sleep = None;
            return Poll::Pending;
        };
        loop {
            let now = self.clock.now();
            if deadline <= now {
                self.sleep = None;
                return Poll::Ready(());
            }
            // A sleep that ends before a deadline that has moved away is followed by another one.
            let sleep = self.sleep.take().filter(|(until, _)| *until <= deadline);
            let (until, mut sleeping) = sleep.unwrap_or_else(|| {
                let clock = Arc::clone(&self.clock);
                (deadline, boxed(async move { clock.sleep(deadline - now).await }))
            });
            if sleeping.poll_unpin(cx).is_pending() {
                self.sleep = Some((until, sleeping));
                return Poll::Pending;
            }
        }
    }
}
