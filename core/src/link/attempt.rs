//! The direct path: offers, answers, the channel that comes of them, its proof and its loss.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::channel::Channel;
use super::state::{Input, Role, State};
use super::{Context, Remote};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::error::PeerError;
use crate::event::Event;
use crate::id::{ConnectionId, PeerId, Version};
use crate::signal::{AddressedOffer, ClientMessage, Decline, PeerSignal, RawSignal, Signal};
use crate::time::Time;

/// Bytes of an offer's name, written in hex as the original does.
const OFFER_ID_BYTES: usize = 20;

/// How long a channel that works has to prove that an offer is late.
const DOUBT: Duration = Duration::from_secs(1);

/// How many offers of the peer are taken up at once; then one in each of the shortest pauses between attempts, so
/// that each costs its sender as much patience as an attempt of ours costs us.
const OFFER_BURST: u32 = 16;

/// The most candidates that are kept for an offer in doubt.
const MAX_DOUBTED_SIGNALS: usize = 64;

/// The way to a direct path with one peer, and that path.
#[derive(Debug)]
pub(crate) struct Attempt {
    state: State,
    connection: Option<Connection>,
    doubted: Option<DoubtedOffer>,
    allowance: OfferAllowance,
    /// When an attempt is due (again).
    offer_at: Option<Time>,
    /// An attempt is due as soon as there is room for it.
    wants_offer: bool,
    /// `upgrade` was called.
    wanted: bool,
    /// The peer takes part in direct connections, as far as it has said.
    eligible: bool,
    attempts: u32,
    /// Whether this end made the offer of the latest attempt.
    offered: bool,
    /// We leave: that paths end now is no news.
    leaving: bool,
}

/// The transport's end of an attempt.
#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// The offerer's name for the offer: the signals of this attempt repeat it.
    offer_id: String,
    /// Until then it has to have come to something.
    until: Option<Time>,
    channel: Option<Channel>,
    /// The longest message of the second channel, while that is open.
    datagrams: Option<usize>,
}

/// An offer that came while the channel works: it is late, or the peer has lost its end of the channel.
#[derive(Debug)]
struct DoubtedOffer {
    offer_id: String,
    sdp: Sdp,
    signals: Vec<Signal>,
    /// Until then a pong dismisses it.
    until: Time,
}

/// A remote session description: never shown.
struct Sdp(String);

impl std::fmt::Debug for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sdp({} bytes)", self.0.len())
    }
}

/// How often the peer may offer still: a token bucket, kept as the point in time at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
struct OfferAllowance {
    allowed_at: Time,
    flooded: bool,
}

impl Default for Attempt {
    fn default() -> Self {
        Self {
            state: State::Relayed,
            connection: None,
            doubted: None,
            allowance: OfferAllowance::default(),
            offer_at: None,
            wants_offer: false,
            wanted: false,
            eligible: true,
            attempts: 0,
            offered: false,
            leaving: false,
        }
    }
}

impl Attempt {
    /// What a next incarnation of the link begins with: who begins anew again and again may not offer any more often.
    pub(crate) fn successor(&self) -> Self {
        Self { allowance: self.allowance, ..Self::default() }
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        self.connection.as_ref().map(|connection| connection.id)
    }

    /// The channel, proved or not, and whose it is.
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.connection.as_ref()?.channel.as_ref()
    }

    pub(crate) fn channel_mut(&mut self) -> Option<&mut Channel> {
        self.connection.as_mut()?.channel.as_mut()
    }

    /// The longest message of the channel for volatile events, if there is one and the path is proved.
    pub(crate) fn datagrams(&self) -> Option<usize> {
        self.connection.as_ref()?.datagrams.filter(|_| self.state.is_verified())
    }

    pub(crate) fn set_datagrams(&mut self, max_message: Option<usize>) {
        if let Some(connection) = &mut self.connection {
            connection.datagrams = max_message;
        }
    }

    /// Whether it has to be proved before the session is `Ready`: not for a peer with which all attempts came to nothing.
    pub(crate) fn counts_for_ready(&self) -> bool {
        let gave_up = self.state == State::Backoff && self.offer_at.is_none();
        self.eligible && !gave_up
    }

    /// Whether an attempt is due, as far as this end of it goes.
    pub(crate) fn wants_offer(&self) -> bool {
        self.wants_offer && self.eligible && self.state == State::Relayed
    }

    /// Attempts are wanted from now on, the first one at once.
    pub(crate) fn schedule_now(&mut self) {
        self.offer_at = None;
        self.wants_offer = true;
    }

    /// The peer is expected to offer; this end does after a while.
    pub(crate) fn schedule_after_patience(&mut self, peer: &Remote, cx: &Context<'_>) {
        if peer.version == Version::V1 {
            self.offer_at.get_or_insert(cx.now + cx.config.offer_patience);
        }
    }

    /// The application wants the direct path.
    pub(crate) fn upgrade(&mut self, cx: &Context<'_>) {
        self.wanted = true;
        self.start_anew(cx);
    }

    /// The policy has changed.
    pub(crate) fn apply_policy(&mut self, cx: &mut Context<'_>) {
        match cx.policy {
            Policy::RelayOnly => {
                self.wants_offer = false;
                self.wanted = false;
                self.offer_at = None;
                self.doubted = None;
                if self.step(Input::Release) {
                    self.close_connection(cx);
                }
            }
            Policy::Automatic | Policy::Manual | Policy::DirectOnly => self.start_anew(cx),
        }
    }

    /// Forgets earlier failures and declines.
    fn start_anew(&mut self, cx: &Context<'_>) {
        self.eligible = true;
        self.attempts = 0;
        if matches!(self.state, State::Relayed | State::Backoff) {
            self.step(Input::Retry);
            self.schedule_now();
        }
        self.promote(cx);
    }

    /// Starts an attempt. The caller has seen that there is room for one.
    pub(crate) fn offer(&mut self, peer: &Remote, cx: &mut Context<'_>) {
        if !self.step(Input::Begin(Role::Offerer)) {
            return;
        }
        let mut bytes = [0; OFFER_ID_BYTES];
        cx.rng.fill_bytes(&mut bytes);
        let offer_id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.offered = true;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let datagrams = peer.version == Version::V1;
        let command = DirectCommand::Offer { connection, ice_servers, datagrams };
        cx.out.commands.push_back(Command::Direct(command));
    }

    /// Takes up the peer's offer, or not: `has_room` tells whether another attempt is allowed. `true`: the channel has to
    /// prove that the offer is late.
    pub(crate) fn handle_offer(
        &mut self,
        peer: &Remote,
        own_id: &PeerId,
        (offer_id, sdp): (String, String),
        has_room: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.allows_offer(peer, cx) {
            return false;
        }
        let decline = if cx.policy == Policy::RelayOnly {
            Some(Decline::RelayOnly)
        } else if self.state == State::Negotiating(Role::Offerer) && *own_id < peer.id {
            // The peer sees the same two ids and yields.
            Some(Decline::Glare)
        } else if !has_room && !self.state.is_active() {
            // The peer waits for us from now on: it is told, and offered to when there is room. Not at once:
            // peers whose offers go round in a circle would all be full for one another again.
            self.eligible = true;
            let pause = cx.config.retry.pause(self.attempts.saturating_sub(1), cx.rng.next_u32());
            self.offer_at = Some(cx.now + pause);
            Some(Decline::Full)
        } else {
            None
        };
        if let Some(decline) = decline {
            send_decline(peer, offer_id, decline, cx);
            return false;
        }
        let sdp = Sdp(sdp);
        if self.state.is_verified() && peer.version == Version::V1 {
            let until = cx.now + DOUBT;
            self.doubted = Some(DoubtedOffer { offer_id, sdp, signals: Vec::new(), until });
            return true;
        }
        self.answer(peer, offer_id, sdp, cx);
        false
    }

    /// Whether the peer offers no more often than attempts are made. What is beyond is not even declined: a flood
    /// would make us one to the hub.
    fn allows_offer(&mut self, peer: &Remote, cx: &mut Context<'_>) -> bool {
        let pause = cx.config.retry.first;
        let allowed_at = self.allowance.allowed_at.max(cx.now) + pause;
        let allowed = allowed_at - cx.now <= pause.saturating_mul(OFFER_BURST);
        if allowed {
            self.allowance.allowed_at = allowed_at;
        } else if !self.allowance.flooded {
            let error = PeerError::Misbehaved("more offers than attempts are made");
            report(peer, error, cx);
        }
        self.allowance.flooded = !allowed;
        allowed
    }

    /// A pong has come on the channel: it works, and an offer in doubt was late.
    pub(crate) fn handle_proof(&mut self, cx: &Context<'_>) {
        self.doubted = None;
        if let Some(channel) = self.channel_mut() {
            channel.proved = true;
        }
        self.try_verify(cx);
    }

    /// A bundle of the right epochs has come on the channel.
    pub(crate) fn handle_greeting(&mut self, cx: &Context<'_>) {
        if let Some(channel) = self.channel_mut() {
            channel.greeted = true;
        }
        self.try_verify(cx);
    }

    /// The channel has not proved itself, or is gone: the peer meant its offer. `false`: there is none.
    fn answer_doubted(&mut self, peer: &Remote, cx: &mut Context<'_>) -> bool {
        let Some(DoubtedOffer { offer_id, sdp, signals, .. }) = self.doubted.take() else {
            return false;
        };
        self.answer(peer, offer_id.clone(), sdp, cx);
        for signal in signals {
            self.handle_signal(peer, &offer_id, signal, cx);
        }
        true
    }

    fn answer(&mut self, peer: &Remote, offer_id: String, sdp: Sdp, cx: &mut Context<'_>) {
        self.close_connection(cx);
        if !self.step(Input::Begin(Role::Answerer)) {
            return;
        }
        self.doubted = None;
        self.eligible = true;
        self.offered = false;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let datagrams = peer.version == Version::V1;
        let command = DirectCommand::Answer { connection, ice_servers, sdp: sdp.0, datagrams };
        cx.out.commands.push_back(Command::Direct(command));
    }

    fn begin(&mut self, offer_id: String, cx: &mut Context<'_>) -> ConnectionId {
        self.wants_offer = false;
        self.attempts = self.attempts.saturating_add(1);
        self.offer_at = None;
        let id = ConnectionId(*cx.next_connection);
        *cx.next_connection += 1;
        let until = Some(cx.now + cx.config.negotiation_timeout);
        self.connection = Some(Connection { id, offer_id, until, channel: None, datagrams: None });
        id
    }

    /// A signal of the peer other than an offer. One of an attempt that is over is ignored.
    pub(crate) fn handle_signal(
        &mut self,
        peer: &Remote,
        offer_id: &str,
        signal: Signal,
        cx: &mut Context<'_>,
    ) {
        if let Some(doubted) = self.doubted.as_mut().filter(|doubted| doubted.offer_id == offer_id)
        {
            if doubted.signals.len() < MAX_DOUBTED_SIGNALS {
                doubted.signals.push(signal);
            }
            return;
        }
        let Some(connection) = self.connection.as_ref().filter(|one| one.offer_id == offer_id)
        else {
            return;
        };
        match signal {
            Signal::Decline(decline) => {
                if self.state == State::Negotiating(Role::Offerer) {
                    self.handle_decline(peer, decline, cx);
                }
            }
            Signal::Answer(_) if self.state != State::Negotiating(Role::Offerer) => {}
            Signal::Answer(_) | Signal::Candidate(_) => {
                let command = DirectCommand::Signal { connection: connection.id, signal };
                cx.out.commands.push_back(Command::Direct(command));
            }
            Signal::Offer(_) => {}
        }
    }

    fn handle_decline(&mut self, peer: &Remote, decline: Decline, cx: &mut Context<'_>) {
        match decline {
            // The peer's own offer is on its way, or the peer will try again.
            Decline::Glare => {}
            Decline::Failed => {
                self.lose(peer, PeerError::DirectFailed("the peer could not answer".into()), cx);
            }
            Decline::Full | Decline::RelayOnly => {
                self.eligible = false;
                self.close_connection(cx);
                self.step(Input::Release);
            }
        }
    }

    /// The direct transport has a signal for the peer.
    pub(crate) fn handle_local_signal(&self, peer: &Remote, signal: &Signal, cx: &mut Context<'_>) {
        if let Some(connection) = &self.connection {
            send_signal(peer, connection.offer_id.clone(), signal, cx);
        }
    }

    /// The data channel is open. `false`: none was waited for.
    pub(crate) fn handle_open(
        &mut self,
        peer: &Remote,
        max_message: usize,
        cx: &Context<'_>,
    ) -> bool {
        if !self.step(Input::Open) {
            return false;
        }
        if let Some(connection) = &mut self.connection {
            let limits = &cx.config.limits;
            connection.channel = Some(Channel::new(peer.version, max_message, limits, cx.now));
            connection.until = Some(cx.now + cx.config.verification_timeout);
        }
        self.try_verify(cx);
        true
    }

    /// Takes a channel on which the peer has said who it is and a ping has come back for proved.
    fn try_verify(&mut self, cx: &Context<'_>) {
        let proved = self.channel().is_some_and(|channel| channel.greeted && channel.proved);
        if !proved || !self.step(Input::Verify) {
            return;
        }
        self.attempts = 0;
        if let Some(connection) = &mut self.connection {
            connection.until = None;
        }
        self.promote(cx);
    }

    fn promote(&mut self, cx: &Context<'_>) {
        let wanted = match cx.policy {
            Policy::Automatic | Policy::DirectOnly => true,
            Policy::Manual => self.wanted,
            Policy::RelayOnly => false,
        };
        if wanted {
            self.step(Input::Promote);
        }
    }

    /// Gives up the attempt or the path; another attempt is planned.
    pub(crate) fn lose(&mut self, peer: &Remote, error: PeerError, cx: &mut Context<'_>) {
        if self.state == State::Negotiating(Role::Answerer)
            && let Some(connection) = &self.connection
        {
            // The offerer need not wait for an answer that will not lead anywhere.
            send_decline(peer, connection.offer_id.clone(), Decline::Failed, cx);
        }
        self.close_connection(cx);
        if !self.step(Input::Lose) || self.leaving {
            return;
        }
        report(peer, error, cx);
        if self.answer_doubted(peer, cx) {
            return;
        }
        if peer.version == Version::V1 && self.attempts < cx.config.max_attempts {
            let tried = self.attempts.saturating_sub(1);
            let mut pause = cx.config.retry.pause(tried, cx.rng.next_u32());
            if !self.offered {
                // Both ends see the loss: the one that offered goes first.
                pause += cx.config.offer_patience;
            }
            self.offer_at = Some(cx.now + pause);
        }
    }

    /// Nothing is made of what happens to the path from now on.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.wants_offer = false;
        self.offer_at = None;
    }

    /// The peer is gone.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        self.close_connection(cx);
        self.step(Input::Close);
        self.doubted = None;
        self.offer_at = None;
    }

    /// Frees the transport's end of the attempt and everything that hangs on it.
    fn close_connection(&mut self, cx: &mut Context<'_>) {
        if let Some(Connection { id: connection, .. }) = self.connection.take() {
            cx.out.commands.push_back(Command::Direct(DirectCommand::Close { connection }));
        }
    }

    fn step(&mut self, input: Input) -> bool {
        let next = self.state.next(input);
        if let Some(next) = next {
            self.state = next;
        }
        next.is_some()
    }

    /// Runs what is due. Whether the quiet channel is to be probed.
    pub(crate) fn handle_timeout(&mut self, peer: &Remote, cx: &mut Context<'_>) -> bool {
        let now = cx.now;
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if due(self.offer_at) {
            self.offer_at = None;
            self.step(Input::Retry);
            self.wants_offer = true;
        }
        if due(self.connection.as_ref().and_then(|connection| connection.until)) {
            let after = match self.state {
                State::Verifying => cx.config.verification_timeout,
                State::Relayed
                | State::Negotiating(_)
                | State::Standby
                | State::Direct
                | State::Backoff
                | State::Closed => cx.config.negotiation_timeout,
            };
            self.lose(peer, PeerError::NegotiationTimedOut(millis(after)), cx);
        }
        if due(self.doubted.as_ref().map(|doubted| doubted.until)) {
            self.answer_doubted(peer, cx);
        }
        if !self.watches(peer) {
            return false;
        }
        let Some(channel) = self.channel_mut() else { return false };
        let silent = cx.now - channel.heard_at;
        if silent >= cx.config.silence_timeout {
            self.lose(peer, PeerError::DirectSilent(millis(silent)), cx);
            return false;
        }
        channel.take_probe(cx.now, cx.config.probe_interval)
    }

    /// Whether the channel is one that has to give signs of life.
    fn watches(&self, peer: &Remote) -> bool {
        self.state.is_verified() && peer.version == Version::V1
    }

    pub(crate) fn next_timeout(&self, peer: &Remote, cx: &Context<'_>) -> Option<Time> {
        let until = self.connection.as_ref().and_then(|connection| connection.until);
        let doubted = self.doubted.as_ref().map(|doubted| doubted.until);
        let channel = self.channel().filter(|_| self.watches(peer)).map(|channel| {
            let silence = channel.heard_at + cx.config.silence_timeout;
            silence.min(channel.probe_at(cx.config.probe_interval))
        });
        [self.offer_at, until, doubted, channel].into_iter().flatten().min()
    }
}

fn send_decline(peer: &Remote, offer_id: String, decline: Decline, cx: &mut Context<'_>) {
    if peer.version == Version::V1 {
        send_signal(peer, offer_id, &Signal::Decline(decline), cx);
    }
}

fn send_signal(peer: &Remote, offer_id: String, signal: &Signal, cx: &mut Context<'_>) {
    let Ok(raw) = RawSignal::try_from(signal) else { return };
    cx.out.push_signal(match signal {
        Signal::Offer(_) => ClientMessage::Offers(vec![AddressedOffer {
            offer_id,
            offer: raw,
            to_peer_id: Some(peer.id.clone()),
        }]),
        Signal::Answer(_) | Signal::Candidate(_) | Signal::Decline(_) => {
            ClientMessage::Signal(PeerSignal {
                signal: raw,
                offer_id,
                from_peer_id: None,
                to_peer_id: peer.id.clone(),
            })
        }
    });
}

fn report(peer: &Remote, error: PeerError, cx: &mut Context<'_>) {
    cx.out.events.push_back(Event::PeerError { peer: peer.id.clone(), error });
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
