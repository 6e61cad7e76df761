//! The direct path: offers, answers, the channel that comes of them, its proof and its loss.

mod offers;

use rand_chacha::rand_core::Rng as _;

use self::offers::{LateOffer, OfferAllowance, send_decline};
use super::channel::Channel;
use super::state::{Input, Role, State};
use super::{Context, Remote};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::error::PeerError;
use crate::event::Event;
use crate::id::{ConnectionId, Dialect};
use crate::time::{Time, earliest};
use crate::wire::Decline;

/// The way to a direct path with one peer, and that path.
#[derive(Debug)]
pub(crate) struct Attempt {
    state: State,
    connection: Option<Connection>,
    late_offer: Option<LateOffer>,
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
        Self { allowance: self.allowance.clone(), ..Self::default() }
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
        self.connection.as_ref()?.datagrams.filter(|_| self.state.is_validated())
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
        if peer.dialect == Dialect::V1 {
            self.offer_at.get_or_insert(cx.now + cx.config.offer_patience);
        }
    }

    /// The application wants the direct path.
    pub(crate) fn upgrade(&mut self, cx: &Context<'_>) {
        self.wanted = true;
        self.start_anew(cx);
    }

    /// The policy has changed.
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
                    // The offerer need not wait until its time is up.
                    send_decline(peer, connection.offer_id.clone(), Decline::RelayOnly, cx);
                }
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

    /// A pong has come on the channel: it works, and an offer in doubt was late.
    pub(crate) fn handle_proof(&mut self, cx: &Context<'_>) {
        self.late_offer = None;
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
            connection.channel = Some(Channel::new(peer.dialect, max_message, limits, cx.now));
            connection.until = Some(cx.now + cx.config.validation_timeout);
        }
        self.try_verify(cx);
        true
    }

    /// Takes a channel on which the peer has said who it is and a ping has come back for proved.
    fn try_verify(&mut self, cx: &Context<'_>) {
        let proved = self.channel().is_some_and(|channel| channel.greeted && channel.proved);
        if !proved || !self.step(Input::Validate) {
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
        if peer.dialect == Dialect::V1 && self.attempts < cx.config.max_attempts {
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
        self.late_offer = None;
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

    /// Whether the channel is one that has to give signs of life.
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
