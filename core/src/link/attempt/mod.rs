//! The direct path: offers, answers, the channel, its validation and its loss.

mod offers;
mod standing;

use rand_chacha::rand_core::Rng as _;

use self::offers::{LateOffer, OfferAllowance, send_decline};
use super::channel::Channel;
use super::state::{Input, Role, State};
use super::{Context, Remote};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::connection_report::{CandidatePair, ConnectionReport, DirectStage};
use crate::direct_state::{DirectFailure, Side};
use crate::error::PeerError;
use crate::event::Event;
use crate::id::{ConnectionId, Dialect};
use crate::time::{Time, earliest};
use crate::wire::Decline;

/// The attempts at a direct path with one peer, and that path.
#[derive(Debug)]
pub(crate) struct Attempt {
    state: State,
    connection: Option<Connection>,
    late_offer: Option<LateOffer>,
    allowance: OfferAllowance,
    /// When the next attempt is due.
    offer_at: Option<Time>,
    /// Whether an attempt is due as soon as `max_peers` allows it.
    wants_offer: bool,
    /// Whether `upgrade` was called.
    wanted: bool,
    /// Who declined the latest offer, and why. A peer that declined takes part in no attempt until it offers.
    declined: Option<(Side, Decline)>,
    attempts: u32,
    tally: Tally,
    /// The latest failure since the path last worked.
    failure: Option<Box<DirectFailure>>,
    /// Whether this side made the offer of the latest attempt.
    offered: bool,
    /// Whether this side is leaving, so that the end of a path is not reported.
    leaving: bool,
}

/// All attempts, and all failures of attempts and paths, of one incarnation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) attempts: u64,
    pub(crate) failures: u64,
}

/// The transport's connection of an attempt.
#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// The offerer's id of the attempt, which its signals repeat.
    offer_id: String,
    /// The deadline of the current phase.
    until: Option<Time>,
    /// How far the attempt has come.
    stage: DirectStage,
    /// The transport's latest report.
    report: ConnectionReport,
    channel: Option<Channel>,
    /// The maximum message of the datagram channel, while it is open.
    datagrams: Option<usize>,
}

impl Default for Attempt {
    fn default() -> Self {
        Self {
            state: State::Relayed,
            connection: None,
            late_offer: None,
            allowance: OfferAllowance::default(),
            offer_at: None,
            wants_offer: false,
            wanted: false,
            declined: None,
            attempts: 0,
            tally: Tally::default(),
            failure: None,
            offered: false,
            leaving: false,
        }
    }
}

impl Attempt {
    /// Creates the attempts of the next incarnation. The allowance of offers continues, so that a peer that
    /// begins anew repeatedly may not offer more often.
    pub(crate) fn successor(&self) -> Self {
        Self { allowance: self.allowance.clone(), ..Self::default() }
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        self.connection.as_ref().map(|connection| connection.id)
    }

    /// Returns the open channel, validated or not.
    pub(crate) fn channel(&self) -> Option<&Channel> {
        self.connection.as_ref()?.channel.as_ref()
    }

    pub(crate) fn channel_mut(&mut self) -> Option<&mut Channel> {
        self.connection.as_mut()?.channel.as_mut()
    }

    /// Returns the maximum message of the datagram channel, if it is open and the path is validated.
    pub(crate) fn datagrams(&self) -> Option<usize> {
        self.connection.as_ref()?.datagrams.filter(|_| self.state.is_validated())
    }

    pub(crate) fn set_datagrams(&mut self, max_message: Option<usize>) {
        if let Some(connection) = &mut self.connection {
            connection.datagrams = max_message;
        }
    }

    /// Returns whether the path must be validated before the session is `Ready`: not for a peer with which all
    /// attempts failed.
    pub(crate) fn counts_for_ready(&self) -> bool {
        let gave_up = self.state == State::Backoff && self.offer_at.is_none();
        !self.is_declined() && !gave_up
    }

    /// Returns whether the peer declined until further notice.
    const fn is_declined(&self) -> bool {
        matches!(self.declined, Some((Side::Remote, _)))
    }

    pub(crate) const fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns the kinds of the candidates in use.
    pub(crate) fn candidates(&self) -> Option<CandidatePair> {
        self.connection.as_ref()?.report.selected
    }

    /// Returns whether an attempt is due on this side.
    pub(crate) fn wants_offer(&self) -> bool {
        self.wants_offer && !self.is_declined() && self.state == State::Relayed
    }

    /// Schedules attempts, the first one at once.
    pub(crate) fn schedule_now(&mut self) {
        self.offer_at = None;
        self.wants_offer = true;
    }

    /// Schedules an attempt after the patience for the peer's offer.
    pub(crate) fn schedule_after_patience(&mut self, peer: &Remote, cx: &Context<'_>) {
        if peer.dialect == Dialect::V1 {
            self.offer_at.get_or_insert(cx.now + cx.config.offer_patience);
        }
    }

    /// Handles the application's `upgrade`.
    pub(crate) fn upgrade(&mut self, cx: &Context<'_>) {
        self.wanted = true;
        self.start_anew(cx);
    }

    /// Applies a change of the policy.
    pub(crate) fn apply_policy(&mut self, peer: &Remote, cx: &mut Context<'_>) {
        match cx.policy {
            Policy::RelayOnly => {
                self.wants_offer = false;
                self.wanted = false;
                self.offer_at = None;
                self.late_offer = None;
                if self.state == State::Negotiating(Role::Answerer)
                    && let Some(connection) = &self.connection
                {
                    // Tells the offerer, which otherwise waits for a time-out.
                    send_decline(peer, connection.offer_id.clone(), Decline::RelayOnly, cx);
                }
                if self.step(Input::Release) {
                    self.close_connection(cx);
                }
            }
            Policy::Automatic | Policy::Manual | Policy::DirectOnly => self.start_anew(cx),
        }
    }

    /// Resets earlier failures and declines.
    fn start_anew(&mut self, cx: &Context<'_>) {
        self.declined = None;
        self.attempts = 0;
        if matches!(self.state, State::Relayed | State::Backoff) {
            self.step(Input::Retry);
            self.schedule_now();
        }
        self.promote(cx);
    }

    /// Handles a pong on the channel: the channel works, so that a late offer is dismissed.
    pub(crate) fn handle_proof(&mut self, cx: &Context<'_>) {
        self.late_offer = None;
        if let Some(channel) = self.channel_mut() {
            channel.proved = true;
        }
        self.try_verify(cx);
    }

    /// Handles the first bundle of the right epochs on the channel.
    pub(crate) fn handle_greeting(&mut self, cx: &Context<'_>) {
        if let Some(channel) = self.channel_mut() {
            channel.greeted = true;
        }
        self.try_verify(cx);
    }

    /// Handles the opening of the data channel. Returns `false` when none was expected.
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
            connection.channel = Some(Channel::new(peer.dialect, max_message, limits, cx.now));
            connection.until = Some(cx.now + cx.config.validation_timeout);
            connection.stage = DirectStage::Validating;
        }
        self.try_verify(cx);
        true
    }

    /// Validates the channel once the peer's first bundle and a pong have arrived on it.
    fn try_verify(&mut self, cx: &Context<'_>) {
        let proved = self.channel().is_some_and(|channel| channel.greeted && channel.proved);
        if !proved || !self.step(Input::Validate) {
            return;
        }
        self.attempts = 0;
        self.failure = None;
        if let Some(connection) = &mut self.connection {
            connection.until = None;
            connection.stage = DirectStage::Validated;
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

    /// Ends the attempt or the path, and schedules another attempt.
    pub(crate) fn lose(&mut self, peer: &Remote, error: PeerError, cx: &mut Context<'_>) {
        if self.state == State::Negotiating(Role::Answerer)
            && let Some(connection) = &self.connection
        {
            // Tells the offerer, which otherwise waits for an answer.
            send_decline(peer, connection.offer_id.clone(), Decline::Failed, cx);
        }
        let failure = self.diagnose(&error);
        self.close_connection(cx);
        if !self.step(Input::Lose) || self.leaving {
            return;
        }
        self.failure = failure;
        self.tally.failures = self.tally.failures.saturating_add(1);
        report(peer, error, cx);
        if self.answer_doubted(peer, cx) {
            return;
        }
        if peer.dialect == Dialect::V1 && self.attempts < cx.config.max_attempts {
            let tried = self.attempts.saturating_sub(1);
            let mut pause = cx.config.retry.pause(tried, cx.rng.next_u32());
            if !self.offered {
                // Both sides see the loss: the previous offerer offers first.
                pause += cx.config.offer_patience;
            }
            self.offer_at = Some(cx.now + pause);
        }
    }

    /// Ignores the end of the path from now on.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.wants_offer = false;
        self.offer_at = None;
    }

    /// Closes the path, because the link to the peer ends.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) {
        self.close_connection(cx);
        self.step(Input::Close);
        self.late_offer = None;
        self.offer_at = None;
    }

    /// Closes the transport's connection, and frees the state of the attempt.
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

    /// Handles expired deadlines. Returns whether to probe the idle channel.
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
                State::Validating => cx.config.validation_timeout,
                State::Relayed
                | State::Negotiating(_)
                | State::Validated
                | State::Direct
                | State::Backoff
                | State::Closed => cx.config.negotiation_timeout,
            };
            self.lose(peer, PeerError::NegotiationTimedOut(after), cx);
        }
        if due(self.late_offer.as_ref().map(|late_offer| late_offer.until)) {
            self.answer_doubted(peer, cx);
        }
        if !self.watches(peer) {
            return false;
        }
        let Some(channel) = self.channel_mut() else { return false };
        let silent = cx.now - channel.heard_at;
        if silent >= cx.config.silence_timeout {
            self.lose(peer, PeerError::DirectSilent(silent), cx);
            return false;
        }
        channel.take_probe(cx.now, cx.config.probe_interval)
    }

    /// Returns whether the silence time-out applies to the channel.
    fn watches(&self, peer: &Remote) -> bool {
        self.state.is_validated() && peer.dialect == Dialect::V1
    }

    pub(crate) fn next_timeout(&self, peer: &Remote, cx: &Context<'_>) -> Option<Time> {
        let until = self.connection.as_ref().and_then(|connection| connection.until);
        let late_offer = self.late_offer.as_ref().map(|late_offer| late_offer.until);
        let channel = self.channel().filter(|_| self.watches(peer)).map(|channel| {
            let silence = channel.heard_at + cx.config.silence_timeout;
            silence.min(channel.probe_at(cx.config.probe_interval))
        });
        earliest([self.offer_at, until, late_offer, channel])
    }
}

fn report(peer: &Remote, error: PeerError, cx: &mut Context<'_>) {
    cx.out.events.push_back(Event::PeerError { peer: peer.id.clone(), error });
}
