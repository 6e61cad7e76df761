//! The transports of a session, and the movement between them and the session.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;

use super::channels::{ChannelEvent, Channels};
use super::ready::{ReadyQueue, Source, SourceWaker};
use super::signaling::{SignalingEvent, SignalingSlot};
use super::timer::Timer;
use super::{Clock, DirectEvent, DirectTransport, Signaling};
use crate::command::{Command, DirectCommand};
use crate::id::ConnectionId;
use crate::session::Session;
use crate::time::Time;

/// The maximum number of turns without an event per poll, after which other tasks run.
pub(crate) const TURNS: usize = 64;

/// The time-out of closing the signalling channel after the last event.
const FAREWELL: Duration = Duration::from_secs(2);

/// The access of the loop to the session, one step at a time. No code of a transport runs within a step.
pub(crate) trait SessionAccess {
    /// Runs a step.
    fn step<T>(&mut self, act: impl FnOnce(&mut Session) -> T) -> T;

    /// Runs a step that takes the time, at `now` or later.
    fn step_at<T>(&mut self, now: Time, act: impl FnOnce(&mut Session, Time) -> T) -> T;

    /// Returns when the loop is to run next, unless a source is woken before.
    fn next_deadline(&mut self) -> Option<Time>;
}

impl SessionAccess for Session {
    fn step<T>(&mut self, act: impl FnOnce(&mut Session) -> T) -> T {
        act(self)
    }

    fn step_at<T>(&mut self, now: Time, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        act(self, now)
    }

    fn next_deadline(&mut self) -> Option<Time> {
        self.poll_timeout()
    }
}

/// The transports of a session, with the queue of those that were woken.
pub(crate) struct Transports<S: Signaling, D: DirectTransport, C> {
    clock: Arc<C>,
    ready: ReadyQueue,
    signaling: SignalingSlot<S>,
    direct: D,
    direct_waker: SourceWaker,
    channels: Channels<D::Channel>,
    timer: Timer<C>,
}

impl<S, D, C> Transports<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    pub(crate) fn new(signaling: S, direct: D, clock: C) -> Self {
        let (clock, ready) = (Arc::new(clock), ReadyQueue::default());
        Self {
            signaling: SignalingSlot::new(signaling, &ready),
            direct,
            direct_waker: ready.register(Source::Direct),
            channels: Channels::new(),
            timer: Timer::new(Arc::clone(&clock), &ready),
            clock,
            ready,
        }
    }

    pub(crate) const fn clock(&self) -> &Arc<C> {
        &self.clock
    }

    pub(crate) fn direct_mut(&mut self) -> &mut D {
        self.direct_waker.wake();
        &mut self.direct
    }

    /// Notes that the task is running and needs no wake-up.
    pub(crate) fn resume(&self) {
        self.ready.resume();
    }

    /// Returns the next source that was woken.
    pub(crate) fn next_source(&self) -> Option<Source> {
        self.ready.pop()
    }

    /// Ready when a source was woken. Otherwise the next wake-up of a source wakes the task.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        self.ready.poll_ready(cx)
    }

    /// Executes the session's commands, schedules the channels with output, and sets the timer.
    pub(crate) fn serve(&mut self, session: &mut impl SessionAccess) {
        while let Some(command) = session.step(Session::poll_command) {
            match command {
                Command::ConnectSignaling => self.signaling.open(),
                Command::CloseSignaling => self.signaling.close(),
                Command::Direct(command) => self.execute(command),
            }
        }
        if session.step(|session| session.has_signaling_output()) {
            self.signaling.wake();
        }
        while let Some(output) = session.step(Session::poll_direct_output) {
            self.channels.wake(output);
        }
        self.timer.set(session.next_deadline());
    }

    fn execute(&mut self, command: DirectCommand) {
        if let DirectCommand::Close { connection } = &command {
            self.channels.forget(*connection);
        }
        self.direct.execute(command);
        self.direct_waker.wake();
    }

    /// Polls a source that was woken. Returns whether the session got an input or gave an output.
    pub(crate) fn poll_source(&mut self, source: Source, session: &mut impl SessionAccess) -> bool {
        let moved = match source {
            Source::Signaling => self.poll_signaling(session),
            Source::Direct => self.poll_direct(session),
            Source::Timer => self.poll_timer(session),
            Source::Data(connection) => self.poll_data(connection, session),
            Source::Datagrams(connection) => self.poll_datagrams(connection, session),
        };
        // A poll for a frame can complete a close, and so change the deadline.
        self.timer.set(session.next_deadline());
        moved
    }

    fn poll_signaling(&mut self, session: &mut impl SessionAccess) -> bool {
        let Self { clock, signaling, .. } = self;
        let event = signaling.poll(|| {
            session.step_at(clock.now(), |session, now| session.poll_signaling_transmit(now))
        });
        let now = clock.now();
        session.step_at(now, |session, now| match event {
            SignalingEvent::Nothing => false,
            SignalingEvent::Sent => true,
            SignalingEvent::Opened(auth) => {
                if let Some(auth) = auth {
                    session.set_auth(Some(auth));
                }
                session.handle_signaling_open(now);
                true
            }
            SignalingEvent::Received(frame) => {
                session.handle_signaling_frame(frame, now);
                true
            }
            SignalingEvent::Closed(error) => {
                session.handle_signaling_closed(error.to_string(), now);
                true
            }
        })
    }

    fn poll_direct(&mut self, session: &mut impl SessionAccess) -> bool {
        let event = self.direct.poll_next_unpin(&mut self.direct_waker.context());
        let Poll::Ready(Some(event)) = event else { return false };
        self.direct_waker.wake();
        let Self { channels, ready, .. } = self;
        let now = self.clock.now();
        match event {
            DirectEvent::Signal { connection, signal } => {
                session.step_at(now, |session, now| {
                    session.handle_direct_signal(connection, &signal, now)
                });
            }
            DirectEvent::Report { connection, report } => {
                session.step_at(now, |session, now| {
                    session.handle_direct_report(connection, report, now)
                });
            }
            DirectEvent::Open { connection, channel, max_message } => {
                let has_datagrams = session.step(|session| session.is_live(connection))
                    && channels.open(connection, channel, max_message, ready);
                session.step_at(now, |session, now| {
                    session.handle_direct_open(connection, max_message, now);
                    if has_datagrams {
                        session.handle_datagrams_open(connection, max_message, now);
                    }
                });
            }
            DirectEvent::Datagrams { connection, channel } => {
                if session.step(|session| session.is_live(connection))
                    && let Some(max) = channels.open_datagrams(connection, channel, ready)
                {
                    session.step_at(now, |session, now| {
                        session.handle_datagrams_open(connection, max, now)
                    });
                }
            }
            DirectEvent::Closed { connection, error } => {
                channels.forget(connection);
                let error = error.to_string();
                session.step_at(now, |session, now| {
                    session.handle_direct_closed(connection, error, now)
                });
            }
        }
        true
    }

    fn poll_data(&mut self, connection: ConnectionId, session: &mut impl SessionAccess) -> bool {
        let Self { clock, channels, .. } = self;
        let event = channels.poll_data(connection, || {
            session
                .step_at(clock.now(), |session, now| session.poll_direct_transmit(connection, now))
        });
        let now = clock.now();
        match event {
            ChannelEvent::Nothing => return false,
            ChannelEvent::Sent => {}
            ChannelEvent::Received(frame) => {
                session.step_at(now, |session, now| {
                    session.handle_direct_frame(connection, frame, now)
                });
            }
            ChannelEvent::Failed(error) => {
                let error = error.to_string();
                session.step_at(now, |session, now| {
                    session.handle_direct_closed(connection, error, now)
                });
                self.execute(DirectCommand::Close { connection });
            }
        }
        true
    }

    fn poll_datagrams(
        &mut self,
        connection: ConnectionId,
        session: &mut impl SessionAccess,
    ) -> bool {
        let Self { clock, channels, .. } = self;
        let event = channels.poll_datagrams(connection, || {
            session.step_at(clock.now(), |session, now| session.poll_datagram(connection, now))
        });
        let now = clock.now();
        match event {
            ChannelEvent::Nothing => return false,
            ChannelEvent::Sent => {}
            ChannelEvent::Received(frame) => {
                session
                    .step_at(now, |session, now| session.handle_datagram(connection, frame, now));
            }
            ChannelEvent::Failed(_) => {
                session
                    .step_at(now, |session, now| session.handle_datagrams_closed(connection, now));
            }
        }
        true
    }

    fn poll_timer(&mut self, session: &mut impl SessionAccess) -> bool {
        if self.timer.poll().is_pending() {
            return false;
        }
        let now = self.clock.now();
        session.step_at(now, |session, now| {
            if session.poll_timeout().is_some_and(|deadline| deadline <= now) {
                session.handle_timeout(now);
            }
        });
        true
    }

    /// Prepares for [`poll_end`](Self::poll_end), after the session's last event.
    pub(crate) fn begin_end(&mut self, session: &mut impl SessionAccess) {
        self.serve(session);
        self.timer.restart(self.clock.now() + FAREWELL);
    }

    /// Closes the signalling channel after the last event, within a time-out, so that its remaining frames are
    /// written.
    pub(crate) fn poll_end(&mut self, cx: &Context<'_>) -> Poll<()> {
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
        Poll::Ready(())
    }
}

impl<S: Signaling, D: DirectTransport, C> std::fmt::Debug for Transports<S, D, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transports").field("ready", &self.ready).finish_non_exhaustive()
    }
}
