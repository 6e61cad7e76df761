//! The loop between a session and its transports.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use serde::Serialize;

use super::channels::{Channels, Round, exchange};
use super::{Clock, DirectEvent, DirectTransport, Signaling, TransportError};
use crate::command::{Command, DirectCommand};
use crate::config::{Config, Policy};
use crate::config_error::ConfigError;
use crate::error::{EmitError, ReplyError, UpgradeError};
use crate::event::{Event, ReplyToken};
use crate::id::PeerId;
use crate::packet::Packet;
use crate::session::{Emitted, Session, Target};
use crate::time::Time;
use crate::transfer::{
    IncomingTransferId, OutgoingTransferId, TransferError, TransferId, TransferRead,
};

/// How many rounds without an event one poll makes before other tasks get their turn.
const TURNS: usize = 64;

/// How long the signalling channel may take to close after the last event.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session with its transports: a stream of [`Event`]s that takes commands in between.
///
/// Everything happens while the stream is polled: the session's frames move, its timers run. Commands
/// ([`emit`](Self::emit) and the others) are plain calls that take effect at once and leave with the next
/// poll, so the usual shape is one task with `select!` over `next()` and whatever else the application waits
/// for. As long as events are not taken, nothing is read from the transports: backpressure reaches the peers.
///
/// The stream ends after [`Event::Closed`], once the signalling channel has closed.
#[derive(Debug)]
pub struct Driver<S: Signaling, D: DirectTransport, C> {
    session: Session,
    clock: Arc<C>,
    signaling: SignalingSlot<S>,
    /// A channel that is being closed.
    closing: Option<S::Channel>,
    direct: D,
    channels: Channels<D::Channel>,
    sleep: Sleep,
    finished: bool,
}

/// The signalling transport and its channel. Opening a channel takes the transport along and brings it back.
enum SignalingSlot<S: Signaling> {
    Idle(S),
    Opening {
        opening: BoxFuture<'static, (S, Result<S::Channel, TransportError>)>,
        wanted: bool,
    },
    Open(S, S::Channel),
    /// Only between two of the others.
    Moved,
}

impl<S: Signaling> std::fmt::Debug for SignalingSlot<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle(_) => "Idle",
            Self::Opening { .. } => "Opening",
            Self::Open(..) => "Open",
            Self::Moved => "Moved",
        })
    }
}

/// The running wait for the session's next deadline.
#[derive(Default)]
struct Sleep {
    until: Option<Time>,
    waiting: Option<BoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep").field("until", &self.until).finish_non_exhaustive()
    }
}

impl<S, D, C> Driver<S, D, C>
where
    S: Signaling + Unpin + 'static,
    D: DirectTransport,
    C: Clock + Sync + 'static,
{
    /// Puts a session together with its transports. `seed` is the session's only source of randomness: fresh
    /// random bytes in production, a constant in tests.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting cannot be: see [`Config::validate`].
    pub fn new(
        config: Config,
        seed: [u8; 32],
        signaling: S,
        direct: D,
        clock: C,
    ) -> Result<Self, ConfigError> {
        let now = clock.now();
        Ok(Self {
            session: Session::new(config, seed, now)?,
            clock: Arc::new(clock),
            signaling: SignalingSlot::Idle(signaling),
            closing: None,
            direct,
            channels: Channels::new(),
            sleep: Sleep::default(),
            finished: false,
        })
    }

    /// The session, to look at.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The direct transport, for what it offers beside the trait.
    pub fn direct_mut(&mut self) -> &mut D {
        &mut self.direct
    }

    /// As [`Session::emit`].
    ///
    /// # Errors
    /// As [`Session::emit`].
    pub fn emit(&mut self, to: impl Into<Target>, event: &Packet) -> Result<Emitted, EmitError> {
        self.session.emit(to, event, self.clock.now())
    }

    /// As [`Session::emit_bulk`].
    ///
    /// # Errors
    /// As [`Session::emit_bulk`].
    pub fn emit_bulk(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
    ) -> Result<Emitted, EmitError> {
        self.session.emit_bulk(to, event, self.clock.now())
    }

    /// As [`Session::emit_volatile`].
    ///
    /// # Errors
    /// As [`Session::emit_volatile`].
    pub fn emit_volatile(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
    ) -> Result<Emitted, EmitError> {
        self.session.emit_volatile(to, event, self.clock.now())
    }

    /// As [`Session::emit_with_ack`].
    ///
    /// # Errors
    /// As [`Session::emit_with_ack`].
    pub fn emit_with_ack(
        &mut self,
        to: impl Into<Target>,
        event: &Packet,
        timeout: Option<Duration>,
    ) -> Result<Emitted, EmitError> {
        self.session.emit_with_ack(to, event, timeout, self.clock.now())
    }

    /// As [`Session::reply`].
    ///
    /// # Errors
    /// As [`Session::reply`].
    pub fn reply<T: Serialize + ?Sized>(
        &mut self,
        token: &ReplyToken,
        args: &T,
    ) -> Result<(), ReplyError> {
        self.session.reply(token, args, self.clock.now())
    }

    /// As [`Session::open_transfer`].
    ///
    /// # Errors
    /// As [`Session::open_transfer`].
    pub fn open_transfer(
        &mut self,
        to: &PeerId,
        event: &Packet,
        size: Option<u64>,
    ) -> Result<OutgoingTransferId, EmitError> {
        self.session.open_transfer(to, event, size, self.clock.now())
    }

    /// As [`Session::write_transfer`].
    ///
    /// # Errors
    /// As [`Session::write_transfer`].
    pub fn write_transfer(
        &mut self,
        id: &OutgoingTransferId,
        data: &mut Bytes,
    ) -> Result<usize, TransferError> {
        self.session.write_transfer(id, data, self.clock.now())
    }

    /// As [`Session::finish_transfer`].
    ///
    /// # Errors
    /// As [`Session::finish_transfer`].
    pub fn finish_transfer(&mut self, id: &OutgoingTransferId) -> Result<(), TransferError> {
        self.session.finish_transfer(id, self.clock.now())
    }

    /// As [`Session::read_transfer`].
    ///
    /// # Errors
    /// As [`Session::read_transfer`].
    pub fn read_transfer(
        &mut self,
        id: &IncomingTransferId,
    ) -> Result<TransferRead, TransferError> {
        self.session.read_transfer(id, self.clock.now())
    }

    /// As [`Session::cancel_transfer`].
    ///
    /// # Errors
    /// As [`Session::cancel_transfer`].
    pub fn cancel_transfer(&mut self, id: impl Into<TransferId>) -> Result<(), TransferError> {
        self.session.cancel_transfer(id, self.clock.now())
    }

    /// As [`Session::upgrade`].
    ///
    /// # Errors
    /// As [`Session::upgrade`].
    pub fn upgrade(&mut self, to: impl Into<Target>) -> Result<(), UpgradeError> {
        self.session.upgrade(to, self.clock.now())
    }

    /// As [`Session::set_policy`].
    pub fn set_policy(&mut self, policy: Policy) {
        self.session.set_policy(policy, self.clock.now());
    }

    /// As [`Session::reconnect`].
    pub fn reconnect(&mut self) {
        self.session.reconnect(self.clock.now());
    }

    /// As [`Session::close`].
    pub fn close(&mut self) {
        self.session.close(self.clock.now());
    }

    /// One round over everything. `true`: something moved.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = self.run_commands();
        progress |= self.poll_opening(cx);
        progress |= self.poll_signaling(cx);
        progress |= self.poll_direct_events(cx);
        progress |= self.poll_channels(cx);
        progress |= self.poll_timer(cx);
        self.poll_closing(cx);
        progress
    }

    fn run_commands(&mut self) -> bool {
        let mut progress = false;
        while let Some(command) = self.session.poll_command() {
            progress = true;
            match command {
                Command::ConnectSignaling => self.open_signaling(),
                Command::CloseSignaling => self.close_signaling(),
                Command::Direct(command) => {
                    if let DirectCommand::Close { connection } = &command {
                        self.channels.forget(*connection);
                    }
                    self.direct.execute(command);
                }
            }
        }
        progress
    }

    fn open_signaling(&mut self) {
        self.signaling = match std::mem::replace(&mut self.signaling, SignalingSlot::Moved) {
            SignalingSlot::Idle(mut signaling) | SignalingSlot::Open(mut signaling, _) => {
                let opening = async move {
                    let channel = signaling.connect().await;
                    (signaling, channel)
                };
                SignalingSlot::Opening { opening: opening.boxed(), wanted: true }
            }
            SignalingSlot::Opening { opening, .. } => {
                SignalingSlot::Opening { opening, wanted: true }
            }
            SignalingSlot::Moved => SignalingSlot::Moved,
        };
    }

    fn close_signaling(&mut self) {
        self.signaling = match std::mem::replace(&mut self.signaling, SignalingSlot::Moved) {
            SignalingSlot::Open(signaling, channel) => {
                self.closing = Some(channel);
                SignalingSlot::Idle(signaling)
            }
            SignalingSlot::Opening { opening, .. } => {
                SignalingSlot::Opening { opening, wanted: false }
            }
            other @ (SignalingSlot::Idle(_) | SignalingSlot::Moved) => other,
        };
    }

    fn poll_opening(&mut self, cx: &mut Context<'_>) -> bool {
        let SignalingSlot::Opening { opening, wanted } = &mut self.signaling else { return false };
        let Poll::Ready((signaling, channel)) = opening.poll_unpin(cx) else { return false };
        let wanted = *wanted;
        let now = self.clock.now();
        self.signaling = match channel {
            Ok(channel) if wanted => {
                self.session.handle_signaling_open(now);
                SignalingSlot::Open(signaling, channel)
            }
            Ok(_) => SignalingSlot::Idle(signaling),
            Err(error) => {
                if wanted {
                    self.session.handle_signaling_closed(error.to_string(), now);
                }
                SignalingSlot::Idle(signaling)
            }
        };
        true
    }

    fn poll_signaling(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { session, clock, signaling, .. } = self;
        let SignalingSlot::Open(_, channel) = signaling else { return false };
        let flow = exchange(channel, || session.poll_signaling_transmit(clock.now()), cx);
        if let Some(frame) = flow.received {
            session.handle_signaling_frame(frame, clock.now());
        }
        let Some(error) = flow.broken else { return flow.progress };
        self.drop_signaling_channel();
        self.session.handle_signaling_closed(error.to_string(), self.clock.now());
        true
    }

    fn drop_signaling_channel(&mut self) {
        self.close_signaling();
        self.closing = None;
    }

    fn poll_direct_events(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(Some(event)) = self.direct.poll_next_unpin(cx) else { return false };
        let now = self.clock.now();
        match event {
            DirectEvent::Signal { connection, signal } => {
                self.session.handle_direct_signal(connection, &signal, now);
            }
            DirectEvent::Open { connection, channel, max_message } => {
                self.channels.open(connection, channel, max_message, &mut self.session, now);
            }
            DirectEvent::Datagrams { connection, channel } => {
                self.channels.open_datagrams(connection, channel, &mut self.session, now);
            }
            DirectEvent::Closed { connection, error } => {
                self.channels.forget(connection);
                self.session.handle_direct_closed(connection, error.to_string(), now);
            }
        }
        true
    }

    fn poll_channels(&mut self, cx: &mut Context<'_>) -> bool {
        let Round { progress, broken } =
            self.channels.poll(&mut self.session, self.clock.as_ref(), cx);
        for (connection, error) in broken {
            self.session.handle_direct_closed(connection, error.to_string(), self.clock.now());
            self.direct.execute(DirectCommand::Close { connection });
        }
        progress
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.session.poll_timeout() else {
            self.sleep = Sleep::default();
            return false;
        };
        let now = self.clock.now();
        if deadline <= now {
            self.sleep = Sleep::default();
            self.session.handle_timeout(now);
            return true;
        }
        if self.sleep.until != Some(deadline) {
            self.sleep_until(deadline);
        }
        self.poll_sleep(cx)
    }

    fn sleep_until(&mut self, deadline: Time) {
        let clock = Arc::clone(&self.clock);
        let span = deadline - clock.now();
        let waiting = async move { clock.sleep(span).await };
        self.sleep = Sleep { until: Some(deadline), waiting: Some(waiting.boxed()) };
    }

    fn poll_sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let waiting = self.sleep.waiting.as_mut();
        let over = waiting.is_some_and(|waiting| waiting.poll_unpin(cx).is_ready());
        if over {
            self.sleep = Sleep::default();
        }
        over
    }

    /// After the last event: the channel writes what it still has and closes, but not for ever.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_closing(cx);
        if self.closing.is_some() && !self.poll_sleep(cx) {
            return Poll::Pending;
        }
        self.closing = None;
        Poll::Ready(None)
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) {
        if let Some(channel) = &mut self.closing
            && channel.poll_close_unpin(cx).is_ready()
        {
            self.closing = None;
        }
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
        for _ in 0..TURNS {
            if let Some(event) = self.session.poll_event() {
                if matches!(event, Event::Closed) {
                    self.finished = true;
                    self.run_commands();
                    let latest = self.clock.now() + FAREWELL;
                    self.sleep_until(latest);
                }
                return Poll::Ready(Some(event));
            }
            if self.finished {
                return self.poll_end(cx);
            }
            if !self.turn(cx) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
