//! The state that all handles share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::config::HandleConfig;
use super::error::RequestError;
use super::farewell::Farewell;
use super::lines::Lines;
use super::questions::Questions;
use super::server_questions::ServerQuestions;
use super::streams::Streams;
use super::unread::Unread;
use crate::driver::Clock;
use crate::event::Event;
use crate::session::Session;
use crate::time::Time;
#[cfg(feature = "tracing")]
use crate::trace::SessionSpan;

/// The session with everybody who waits for it. No lock is held while code of the application, of a transport
/// or of a waker runs, except for the closure of [`Peer::with`](super::Peer::with).
pub(super) struct Shared {
    clock: Arc<dyn Clock + Sync>,
    #[cfg(feature = "tracing")]
    pub(super) span: SessionSpan,
    state: Mutex<State>,
}

/// The state behind the lock. While the lock is free, the session has no event that was not passed on.
pub(super) struct State {
    pub(super) session: Session,
    pub(super) lines: Lines,
    pub(super) questions: Questions,
    pub(super) server_questions: ServerQuestions,
    pub(super) streams: Streams,
    pub(super) unread: Unread,
    pub(super) farewell: Farewell,
    /// The wakers to be called after the lock is released.
    pub(super) woken: Vec<Waker>,
    /// The time of the last step: clocks read by several threads arrive out of order.
    now: Time,
    /// The task of [`Run`](super::Run), while it waits.
    run: Option<Waker>,
    /// Whether a call may have changed the session since `Run` has served it.
    is_changed: bool,
    /// Whether the callers in line know that the session is closing.
    is_closing: bool,
    /// Whether `Run` has ended.
    has_ended: bool,
    #[cfg(feature = "tracing")]
    span: SessionSpan,
}

impl Shared {
    pub(super) fn new(
        session: Session,
        clock: Arc<dyn Clock + Sync>,
        config: HandleConfig,
        #[cfg(feature = "tracing")] span: SessionSpan,
    ) -> Self {
        let state = State {
            session,
            lines: Lines::default(),
            questions: Questions::default(),
            server_questions: ServerQuestions::default(),
            streams: Streams::default(),
            unread: Unread::new(config.unread_bytes),
            farewell: Farewell::default(),
            woken: Vec::new(),
            now: clock.now(),
            run: None,
            is_changed: true,
            is_closing: false,
            has_ended: false,
            #[cfg(feature = "tracing")]
            span: span.clone(),
        };
        Self {
            clock,
            #[cfg(feature = "tracing")]
            span,
            state: Mutex::new(state),
        }
    }

    /// Runs a call that may change the session, and wakes `Run`.
    pub(super) fn call<T>(&self, act: impl FnOnce(&mut State, Time) -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.span.enter();
        let now = self.clock.now();
        let mut state = self.lock();
        let now = state.advance(now);
        let result = act(&mut state, now);
        state.pass_events();
        state.is_changed = true;
        let run = state.run.take();
        release(state);
        if let Some(run) = run {
            run.wake();
        }
        result
    }

    /// Reads the state, or takes what is ready.
    pub(super) fn read<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.lock())
    }

    /// Runs a step of `Run`, which is in the session's span.
    pub(super) fn step<T>(&self, now: Option<Time>, act: impl FnOnce(&mut State, Time) -> T) -> T {
        let mut state = self.lock();
        let now = state.advance(now.unwrap_or(Time::ZERO));
        let result = act(&mut state, now);
        state.pass_events();
        release(state);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn release(mut state: MutexGuard<'_, State>) {
    let woken = std::mem::take(&mut state.woken);
    drop(state);
    woken.into_iter().for_each(Waker::wake);
}

impl State {
    fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns whether nothing new is accepted for sending.
    pub(super) fn is_over(&self) -> bool {
        self.has_ended || self.session.is_closing()
    }

    /// Returns whether nothing moves any more.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Keeps the waker of `Run`. Returns `false` when the session has changed.
    pub(super) fn park(&mut self, run: &Waker) -> bool {
        self.streams.wake_watchers(&self.session, &mut self.woken);
        if !self.is_changed {
            self.run = Some(run.clone());
        }
        !self.is_changed
    }

    /// Ends everything, because `Run` has ended.
    pub(super) fn end(&mut self, now: Time) {
        self.session.close(now);
        self.has_ended = true;
        self.wake_all();
        self.unread.wake(&mut self.woken);
        self.farewell.wake(&mut self.woken);
    }

    fn wake_all(&mut self) {
        self.lines.end_all(&mut self.woken);
        self.questions.wake_all(&mut self.woken);
        self.server_questions.wake_all(&mut self.woken);
        self.streams.wake_all(&mut self.woken);
    }

    /// Passes the session's events to those who wait for them, and the others to the application.
    pub(super) fn pass_events(&mut self) {
        if self.session.is_closing() {
            self.farewell.begin();
        }
        loop {
            while let Some(event) = self.session.poll_event() {
                #[cfg(feature = "tracing")]
                self.span.note(&event);
                self.pass(event);
            }
            let Some(receiving) = self.unread.take_change() else { break };
            self.session.set_receiving(receiving, self.now);
            self.is_changed = true;
        }
        self.questions.expire(self.now, &mut self.woken);
        if self.session.is_closing() && !std::mem::replace(&mut self.is_closing, true) {
            self.wake_all();
        }
    }

    fn pass(&mut self, event: Event) {
        let Self { lines, questions, server_questions, streams, woken, .. } = self;
        match event {
            Event::Writable { peer, lane } => return lines.wake_head(&peer, lane, woken),
            Event::Ack { emit, from, packet } if questions.contains(emit) => {
                drop(questions.answer(emit, (from, Ok(packet)), woken));
                return;
            }
            Event::NoAck { emit, peer, timed_out } if questions.contains(emit) => {
                let error = match timed_out {
                    true => RequestError::TimedOut(peer.clone()),
                    false if self.session.is_closing() => RequestError::Closed,
                    false => RequestError::PeerLeft(peer.clone()),
                };
                drop(questions.answer(emit, (peer, Err(error)), woken));
                return;
            }
            Event::ServerAck { emit, packet } if server_questions.contains(emit) => {
                return server_questions.answer(emit, Ok(packet), woken);
            }
            Event::NoServerAck { emit, timed_out } if server_questions.contains(emit) => {
                let error = match timed_out {
                    true => RequestError::ServerTimedOut,
                    false if self.session.is_closing() => RequestError::Closed,
                    false => RequestError::Disconnected,
                };
                return server_questions.answer(emit, Err(error), woken);
            }
            Event::TransferReadable { ref transfer } => {
                if streams.wake(&transfer.into(), woken) {
                    return;
                }
            }
            Event::TransferWritable { ref transfer } => {
                if streams.wake(&transfer.into(), woken) {
                    return;
                }
            }
            Event::TransferEnded { ref transfer, outcome } => {
                self.farewell.note_transfer(transfer, outcome);
                if streams.end(transfer, outcome, woken) {
                    return;
                }
            }
            // Nobody will read it.
            Event::TransferOpened { ref transfer, .. } if self.unread.is_unwanted() => {
                drop(self.session.cancel_transfer(transfer, self.now));
            }
            Event::PeerLeft { ref peer, .. } => lines.end(peer, woken),
            Event::Outcome { emit, ref peer, outcome } => {
                self.farewell.note_emit(emit, peer, outcome);
            }
            Event::PeerRenamed { ref from, ref to } => {
                lines.rename(from, to);
                questions.rename(from, to);
            }
            Event::Closed => self.farewell.note_closed(),
            Event::Connected { .. }
            | Event::Disconnected { .. }
            | Event::Refused(_)
            | Event::PeerJoined { .. }
            | Event::PeerAway { .. }
            | Event::PeerBack { .. }
            | Event::PathChanged { .. }
            | Event::DirectChanged { .. }
            | Event::Ready
            | Event::Upgrade
            | Event::PeerError { .. }
            | Event::Received { .. }
            | Event::Ack { .. }
            | Event::NoAck { .. }
            | Event::AcksComplete { .. }
            | Event::TransferOpened { .. }
            | Event::PeerUpdated { .. }
            | Event::ServerEvent { .. }
            | Event::ServerAck { .. }
            | Event::NoServerAck { .. }
            | Event::ServerWritable => {}
        }
        self.unread.push(event, &mut self.woken);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
