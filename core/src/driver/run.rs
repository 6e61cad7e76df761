//! The loop between a session and its transports.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _};

use super::channels::{ChannelEvent, Channels};
use super::ready::{ReadyQueue, Source, SourceWaker};
use super::signaling::{SignalingEvent, SignalingSlot};
use super::timer::Timer;
use super::{Clock, DirectEvent, DirectTransport, Signaling};
use crate::command::{Command, DirectCommand};
use crate::config::Config;
use crate::config_error::ConfigError;
use crate::event::Event;
use crate::id::ConnectionId;
use crate::session::Session;
use crate::time::Time;

/// The maximum number of turns without an event per poll, after which other tasks run.
const TURNS: usize = 64;

/// The time-out of closing the signalling channel after the last event.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session with its transports: a stream of [`Event`]s that takes commands between them.
///
/// All work happens while the stream is polled: the session's frames move, and its timers run. Commands are
/// calls on the session ([`with`](Self::with)) that take effect at once; their frames leave with the next poll.
/// The usual structure is one task with `select!` over `next()` and the application's other futures. While the
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
    clock: Arc<C>,
    ready: ReadyQueue,
    signaling: SignalingSlot<S>,
    direct: D,
    direct_waker: SourceWaker,
    channels: Channels<D::Channel>,
    timer: Timer<C>,
    finished: bool,
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
        let now = clock.now();
        let (clock, ready) = (Arc::new(clock), ReadyQueue::default());
        Ok(Self {
            session: Session::new(config, seed, now)?,
            signaling: SignalingSlot::new(signaling, &ready),
            direct,
            direct_waker: ready.register(Source::Direct),
            channels: Channels::new(),
            timer: Timer::new(Arc::clone(&clock), &ready),
            clock,
            ready,
            finished: false,
        })
    }

    /// Returns the session, for its getters.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the direct transport, for its methods beyond the trait.
    pub fn direct_mut(&mut self) -> &mut D {
        self.direct_waker.wake();
        &mut self.direct
    }

    /// Calls the session at the time of the driver's clock, for example `driver.with(|session, now|
    /// session.emit(Target::All, &event, now))`. The resulting frames leave with the next poll.
    ///
    /// Use it for calls of the application and getters only. The driver calls the inputs (`handle_*`) and
    /// outputs (`poll_*`) itself: further calls of them would bring session and transports out of step.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        act(&mut self.session, self.clock.now())
    }

    /// Executes the session's commands, and schedules the channels with output.
    fn serve_session(&mut self) {
        while let Some(command) = self.session.poll_command() {
            match command {
                Command::ConnectSignaling => self.signaling.open(),
                Command::CloseSignaling => self.signaling.close(),
                Command::Direct(command) => self.execute(command),
            }
        }
        if self.session.has_signaling_output() {
            self.signaling.wake();
        }
        while let Some(output) = self.session.poll_direct_output() {
            self.channels.wake(output);
        }
    }

    fn execute(&mut self, command: DirectCommand) {
        if let DirectCommand::Close { connection } = &command {
            self.channels.forget(*connection);
        }
        self.direct.execute(command);
        self.direct_waker.wake();
    }

    /// Polls a source that was woken. Returns whether the session got an input or gave an output.
    fn poll_source(&mut self, source: Source) -> bool {
        match source {
            Source::Signaling => self.poll_signaling(),
            Source::Direct => self.poll_direct(),
            Source::Timer => self.poll_timer(),
            Source::Data(connection) => self.poll_data(connection),
            Source::Datagrams(connection) => self.poll_datagrams(connection),
        }
    }

    fn poll_signaling(&mut self) -> bool {
        let Self { session, clock, signaling, .. } = self;
        let event = signaling.poll(|| session.poll_signaling_transmit(clock.now()));
        let now = clock.now();
        match event {
            SignalingEvent::Nothing => return false,
            SignalingEvent::Sent => {}
            SignalingEvent::Opened => session.handle_signaling_open(now),
            SignalingEvent::Received(frame) => session.handle_signaling_frame(frame, now),
            SignalingEvent::Closed(error) => {
                session.handle_signaling_closed(error.to_string(), now)
            }
        }
        true
    }

    fn poll_direct(&mut self) -> bool {
        let event = self.direct.poll_next_unpin(&mut self.direct_waker.context());
        let Poll::Ready(Some(event)) = event else { return false };
        self.direct_waker.wake();
        let Self { session, channels, ready, .. } = self;
        let now = self.clock.now();
        match event {
            DirectEvent::Signal { connection, signal } => {
                session.handle_direct_signal(connection, &signal, now);
            }
            DirectEvent::Open { connection, channel, max_message } => {
                let has_datagrams = session.is_live(connection)
                    && channels.open(connection, channel, max_message, ready);
                session.handle_direct_open(connection, max_message, now);
                if has_datagrams {
                    session.handle_datagrams_open(connection, max_message, now);
                }
            }
            DirectEvent::Datagrams { connection, channel } => {
                if session.is_live(connection)
                    && let Some(max) = channels.open_datagrams(connection, channel, ready)
                {
                    session.handle_datagrams_open(connection, max, now);
                }
            }
            DirectEvent::Closed { connection, error } => {
                channels.forget(connection);
                session.handle_direct_closed(connection, error.to_string(), now);
            }
        }
        true
    }

    fn poll_data(&mut self, connection: ConnectionId) -> bool {
        let Self { session, clock, channels, .. } = self;
        let next = || session.poll_direct_transmit(connection, clock.now());
        let event = channels.poll_data(connection, next);
        let now = clock.now();
        match event {
            ChannelEvent::Nothing => return false,
            ChannelEvent::Sent => {}
            ChannelEvent::Received(frame) => session.handle_direct_frame(connection, frame, now),
            ChannelEvent::Failed(error) => {
                session.handle_direct_closed(connection, error.to_string(), now);
                self.execute(DirectCommand::Close { connection });
            }
        }
        true
    }

    fn poll_datagrams(&mut self, connection: ConnectionId) -> bool {
        let Self { session, clock, channels, .. } = self;
        let next = || session.poll_datagram(connection, clock.now());
        let event = channels.poll_datagrams(connection, next);
        let now = clock.now();
        match event {
            ChannelEvent::Nothing => return false,
            ChannelEvent::Sent => {}
            ChannelEvent::Received(frame) => session.handle_datagram(connection, frame, now),
            ChannelEvent::Failed(_) => session.handle_datagrams_closed(connection, now),
        }
        true
    }

    fn poll_timer(&mut self) -> bool {
        if self.timer.poll().is_pending() {
            return false;
        }
        let now = self.clock.now();
        if self.session.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.session.handle_timeout(now);
        }
        true
    }

    /// Closes the signalling channel after the last event, within a time-out, so that its remaining frames are
    /// written.
    fn poll_end(&mut self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut is_over = false;
        while self.signaling.is_closing() && !is_over {
            match self.ready.pop() {
                Some(Source::Signaling) => drop(self.signaling.poll(|| None)),
                Some(Source::Timer) => is_over = self.timer.poll().is_ready(),
                Some(Source::Direct | Source::Data(_) | Source::Datagrams(_)) => {}
                None => std::task::ready!(self.ready.poll_ready(cx)),
            }
        }
        self.signaling.abandon();
        Poll::Ready(None)
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
        let this = &mut *self;
        this.ready.resume();
        // The application may have called commands since the last poll.
        let mut is_served = false;
        for _ in 0..TURNS {
            if let Some(event) = this.session.poll_event() {
                if matches!(event, Event::Closed) {
                    this.finished = true;
                    this.serve_session();
                    this.timer.restart(this.clock.now() + FAREWELL);
                }
                return Poll::Ready(Some(event));
            }
            if this.finished {
                return this.poll_end(cx);
            }
            if !is_served {
                this.serve_session();
                this.timer.set(this.session.poll_timeout());
                is_served = true;
            }
            match this.ready.pop() {
                Some(source) => {
                    is_served = !this.poll_source(source);
                    // A poll for a frame can complete a close, and so change the deadline.
                    this.timer.set(this.session.poll_timeout());
                }
                None if this.ready.poll_ready(cx).is_pending() => return Poll::Pending,
                None => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
