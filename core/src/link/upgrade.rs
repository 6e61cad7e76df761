//! The way to a direct path and back: offers, answers, verification, loss.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::channel::{Channel, Connection};
use super::control::Control;
use super::state::{Input, Role, State};
use super::timer::Timer;
use super::{Context, Link};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::error::PeerError;
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

/// An offer that came while the channel works: it is late, or the peer has lost its end of the channel.
#[derive(Debug)]
pub(super) struct DoubtedOffer {
    offer_id: String,
    sdp: String,
    signals: Vec<Signal>,
    /// The probe whose answer proves that the channel lives at both ends.
    probe: u64,
}

/// How often the peer may offer still: a token bucket, kept as the point in time at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfferAllowance {
    allowed_at: Time,
    flooded: bool,
}

impl Link {
    /// Attempts are wanted from now on, the first one at once.
    pub(crate) fn schedule_offer_now(&mut self) {
        self.timers.clear(Timer::Offer);
        self.wants_offer = true;
    }

    /// The peer is expected to offer; this end does after a while.
    pub(crate) fn schedule_offer_after_patience(&mut self, cx: &Context<'_>) {
        if self.version == Version::V1 {
            self.timers.set_if_idle(Timer::Offer, cx.now + cx.config.offer_patience);
        }
    }

    pub(super) fn handle_offer_due(&mut self) {
        self.step(Input::Retry);
        self.wants_offer = true;
    }

    /// The application wants the direct path.
    pub(crate) fn upgrade(&mut self, cx: &mut Context<'_>) {
        self.wanted = true;
        self.start_anew(cx);
    }

    /// The policy has changed.
    pub(crate) fn apply_policy(&mut self, cx: &mut Context<'_>) {
        match cx.policy {
            Policy::RelayOnly => {
                self.wants_offer = false;
                self.wanted = false;
                self.timers.clear(Timer::Offer);
                self.doubted = None;
                self.timers.clear(Timer::Doubt);
                if self.step(Input::Release) {
                    self.close_connection(cx);
                }
            }
            Policy::Automatic | Policy::Manual | Policy::DirectOnly => self.start_anew(cx),
        }
        self.update_paths(cx);
    }

    /// Forgets earlier failures and declines.
    fn start_anew(&mut self, cx: &mut Context<'_>) {
        self.eligible = true;
        self.attempts = 0;
        if matches!(self.state, State::Relayed | State::Backoff) {
            self.step(Input::Retry);
            self.schedule_offer_now();
        }
        self.promote(cx);
    }

    /// Starts an attempt. The caller has seen that there is room for one.
    pub(crate) fn offer(&mut self, cx: &mut Context<'_>) {
        if !self.step(Input::Begin(Role::Offerer)) {
            return;
        }
        let mut bytes = [0; OFFER_ID_BYTES];
        cx.rng.fill_bytes(&mut bytes);
        let offer_id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.offered = true;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let command = DirectCommand::Offer { connection, ice_servers };
        cx.out.commands.push_back(Command::Direct(command));
    }

    /// Takes up the peer's offer, or not: `has_room` tells whether another attempt is allowed.
    pub(crate) fn handle_offer(
        &mut self,
        own_id: &PeerId,
        offer_id: String,
        sdp: String,
        has_room: bool,
        cx: &mut Context<'_>,
    ) {
        if !self.allows_offer(cx) {
            return;
        }
        if cx.policy == Policy::RelayOnly {
            return self.send_decline(offer_id, Decline::RelayOnly, cx);
        }
        if self.state == State::Negotiating(Role::Offerer) && *own_id < self.peer {
            // Glare. The peer sees the same two ids and yields.
            return self.send_decline(offer_id, Decline::Glare, cx);
        }
        if !has_room && !self.state.is_active() {
            // The peer waits for us from now on: it is told, and offered to when there is room. Not at once:
            // peers whose offers go round in a circle would all be full for one another again.
            self.eligible = true;
            let pause = cx.config.retry.pause(self.attempts.saturating_sub(1), cx.rng.next_u32());
            self.timers.set(Timer::Offer, cx.now + pause);
            return self.send_decline(offer_id, Decline::Full, cx);
        }
        if self.state.is_verified() && self.version == Version::V1 {
            return self.doubt(offer_id, sdp, cx);
        }
        self.answer(offer_id, sdp, cx);
    }

    /// Whether the peer offers no more often than attempts are made. What is beyond is not even declined: a flood
    /// would make us one to the hub.
    fn allows_offer(&mut self, cx: &mut Context<'_>) -> bool {
        let pause = cx.config.retry.first;
        let allowed_at = self.offers.allowed_at.max(cx.now) + pause;
        let allowed = allowed_at - cx.now <= pause.saturating_mul(OFFER_BURST);
        if allowed {
            self.offers.allowed_at = allowed_at;
        } else if !self.offers.flooded {
            self.report(PeerError::Misbehaved("more offers than attempts are made"), cx);
        }
        self.offers.flooded = !allowed;
        allowed
    }

    /// Asks the channel whether the peer can mean an offer.
    fn doubt(&mut self, offer_id: String, sdp: String, cx: &Context<'_>) {
        self.probe(cx);
        let probe = self.open_channel().map_or(0, |channel| channel.probe);
        self.doubted = Some(DoubtedOffer { offer_id, sdp, signals: Vec::new(), probe });
        self.timers.set(Timer::Doubt, cx.now + DOUBT);
    }

    /// The answer to a probe has come.
    pub(super) fn handle_pong(&mut self, number: u64, cx: &mut Context<'_>) {
        if let Some(channel) = self.open_channel_mut() {
            channel.proved |= number <= channel.probe;
        }
        if self.doubted.as_ref().is_some_and(|doubted| doubted.probe <= number) {
            self.doubted = None;
            self.timers.clear(Timer::Doubt);
        }
        self.try_verify(cx);
    }

    /// The channel has not proved itself, or is gone: the peer meant its offer. `false`: there is none.
    pub(super) fn answer_doubted(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(DoubtedOffer { offer_id, sdp, signals, .. }) = self.doubted.take() else {
            return false;
        };
        self.answer(offer_id.clone(), sdp, cx);
        for signal in signals {
            self.handle_signal(&offer_id, signal, cx);
        }
        true
    }

    fn answer(&mut self, offer_id: String, sdp: String, cx: &mut Context<'_>) {
        self.close_connection(cx);
        if !self.step(Input::Begin(Role::Answerer)) {
            return;
        }
        self.doubted = None;
        self.timers.clear(Timer::Doubt);
        self.eligible = true;
        self.offered = false;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let command = DirectCommand::Answer { connection, ice_servers, sdp };
        cx.out.commands.push_back(Command::Direct(command));
        self.update_paths(cx);
    }

    fn begin(&mut self, offer_id: String, cx: &mut Context<'_>) -> ConnectionId {
        self.wants_offer = false;
        self.attempts = self.attempts.saturating_add(1);
        self.timers.clear(Timer::Offer);
        self.timers.set(Timer::Attempt, cx.now + cx.config.negotiation_timeout);
        let id = ConnectionId(*cx.next_connection);
        *cx.next_connection += 1;
        self.connection = Some(Connection { id, offer_id, channel: None });
        id
    }

    fn send_decline(&self, offer_id: String, decline: Decline, cx: &mut Context<'_>) {
        if self.version == Version::V1 {
            self.send_signal(offer_id, &Signal::Decline(decline), cx);
        }
    }

    fn send_signal(&self, offer_id: String, signal: &Signal, cx: &mut Context<'_>) {
        let Ok(raw) = RawSignal::try_from(signal) else { return };
        cx.out.push_signal(match signal {
            Signal::Offer(_) => ClientMessage::Offers(vec![AddressedOffer {
                offer_id,
                offer: raw,
                to_peer_id: Some(self.peer.clone()),
            }]),
            Signal::Answer(_) | Signal::Candidate(_) | Signal::Decline(_) => {
                ClientMessage::Signal(PeerSignal {
                    signal: raw,
                    offer_id,
                    from_peer_id: None,
                    to_peer_id: self.peer.clone(),
                })
            }
        });
    }

    /// A signal of the peer other than an offer. One of an attempt that is over is ignored.
    pub(crate) fn handle_signal(&mut self, offer_id: &str, signal: Signal, cx: &mut Context<'_>) {
        if let Some(doubted) = self.doubted.as_mut().filter(|doubted| doubted.offer_id == offer_id)
        {
            if doubted.signals.len() < MAX_DOUBTED_SIGNALS {
                doubted.signals.push(signal);
            }
            return;
        }
        let Some(connection) = &self.connection else { return };
        if connection.offer_id != offer_id {
            return;
        }
        match signal {
            Signal::Decline(decline) => {
                if self.state == State::Negotiating(Role::Offerer) {
                    self.handle_decline(decline, cx);
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

    fn handle_decline(&mut self, decline: Decline, cx: &mut Context<'_>) {
        match decline {
            // The peer's own offer is on its way, or the peer will try again.
            Decline::Glare => {}
            Decline::Failed => {
                self.lose_direct(PeerError::DirectFailed("the peer could not answer".into()), cx);
            }
            Decline::Full | Decline::RelayOnly => {
                self.eligible = false;
                self.close_connection(cx);
                self.step(Input::Release);
                self.update_paths(cx);
            }
        }
    }

    /// The direct transport has a signal for the peer.
    pub(crate) fn handle_local_signal(&mut self, signal: &Signal, cx: &mut Context<'_>) {
        if let Some(connection) = &self.connection {
            self.send_signal(connection.offer_id.clone(), signal, cx);
        }
    }

    /// The data channel is open.
    pub(crate) fn handle_open(&mut self, max_message: usize, cx: &mut Context<'_>) {
        if !self.step(Input::Open) {
            return;
        }
        let mut channel = Channel::new(self.version, max_message, &cx.config.limits);
        if self.version == Version::V1 {
            channel.push_control(Control::Hello(self.epochs()));
            channel.push_control(Control::Ping(channel.probe));
        }
        if let Some(connection) = &mut self.connection {
            connection.channel = Some(channel);
        }
        self.last_heard = cx.now;
        self.timers.set(Timer::Attempt, cx.now + cx.config.verification_timeout);
        self.try_verify(cx);
    }

    /// Promotes a channel on which the peer has said who it is and a probe has come back.
    pub(super) fn try_verify(&mut self, cx: &mut Context<'_>) {
        let proved = self.open_channel().is_some_and(|channel| channel.greeted && channel.proved);
        if !proved || !self.step(Input::Verify) {
            return;
        }
        self.attempts = 0;
        self.timers.clear(Timer::Attempt);
        if self.version == Version::V1 {
            self.heard(cx);
            // What came on the channel until now was acknowledged on the relay, where it may have been lost.
            self.ack_due |= self.received().iter().any(|received| *received > 0);
        }
        self.promote(cx);
        self.update_paths(cx);
    }

    fn promote(&mut self, cx: &mut Context<'_>) {
        let wanted = match cx.policy {
            Policy::Automatic | Policy::DirectOnly => true,
            Policy::Manual => self.wanted,
            Policy::RelayOnly => false,
        };
        if wanted && self.step(Input::Promote) {
            self.update_paths(cx);
        }
    }

    /// A sign of life on the channel.
    pub(super) fn heard(&mut self, cx: &Context<'_>) {
        self.last_heard = cx.now;
        if self.state.is_verified() && self.version == Version::V1 {
            self.timers.set(Timer::Probe, cx.now + cx.config.probe_interval);
            self.timers.set(Timer::Silence, cx.now + cx.config.silence_timeout);
        }
    }

    pub(super) fn probe(&mut self, cx: &Context<'_>) {
        if let Some(channel) = self.open_channel_mut() {
            channel.probe += 1;
            let probe = Control::Ping(channel.probe);
            channel.push_control(probe);
            self.timers.set(Timer::Probe, cx.now + cx.config.probe_interval);
        }
    }

    pub(super) fn handle_attempt_timeout(&mut self, cx: &mut Context<'_>) {
        let after = match self.state {
            State::Verifying => cx.config.verification_timeout,
            State::Relayed
            | State::Negotiating(_)
            | State::Standby
            | State::Direct
            | State::Backoff
            | State::Closed => cx.config.negotiation_timeout,
        };
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.lose_direct(PeerError::NegotiationTimedOut(millis), cx);
    }

    /// The transport says that the connection is over.
    pub(crate) fn handle_direct_closed(&mut self, error: String, cx: &mut Context<'_>) {
        self.lose_direct(PeerError::DirectFailed(error), cx);
    }

    /// Gives up the attempt or the path; events go back to the relay, another attempt is planned.
    pub(super) fn lose_direct(&mut self, error: PeerError, cx: &mut Context<'_>) {
        if self.state == State::Negotiating(Role::Answerer)
            && let Some(connection) = &self.connection
        {
            // The offerer need not wait for an answer that will not lead anywhere.
            self.send_decline(connection.offer_id.clone(), Decline::Failed, cx);
        }
        self.close_connection(cx);
        if !self.step(Input::Lose) || self.leaving {
            return;
        }
        self.report(error, cx);
        if self.answer_doubted(cx) {
            return;
        }
        if self.version == Version::V1 && self.attempts < cx.config.max_attempts {
            let mut pause =
                cx.config.retry.pause(self.attempts.saturating_sub(1), cx.rng.next_u32());
            if !self.offered {
                // Both ends see the loss: the one that offered goes first.
                pause += cx.config.offer_patience;
            }
            self.timers.set(Timer::Offer, cx.now + pause);
        }
        self.update_paths(cx);
    }
}
