//! Offers and the signals that belong to them: whose counts, which is in doubt, what is declined.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::{Attempt, Connection, report};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::error::{Misbehavior, PeerError};
use crate::id::{ConnectionId, Dialect, PeerId};
use crate::link::state::{Input, Role, State};
use crate::link::{Context, Remote};
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{AddressedOffer, ClientMessage, Decline, PeerSignal, RawSignal, Signal};

/// Bytes of an offer's name, written in hex as the original does.
const OFFER_ID_BYTES: usize = 20;

/// How long a channel that works has to prove that an offer is late.
const DOUBT: Duration = Duration::from_secs(1);

/// How many offers of the peer are taken up at once; then one in each of the shortest pauses between attempts, so
/// that each costs its sender as much patience as an attempt of ours costs us.
const OFFER_BURST: u32 = 16;

/// The most candidates that are kept for an offer in doubt.
const MAX_LATE_SIGNALS: usize = 64;

/// An offer that came while the channel works: it is late, or the peer has lost its end of the channel.
#[derive(Debug)]
pub(super) struct LateOffer {
    pub(super) offer_id: String,
    pub(super) sdp: Redacted<String>,
    pub(super) signals: Vec<Signal>,
    /// Until then a pong dismisses it.
    pub(super) until: Time,
}

/// How often the peer may offer still: a token bucket, kept as the point in time at which it is full again.
#[derive(Clone, Debug, Default)]
pub(super) struct OfferAllowance {
    allowed_at: Time,
    flooded: bool,
    /// The names of the latest offers that were allowed, as hashes: the same offer again is a late duplicate, and must not
    /// take the place of the attempt that came of it or of a later one.
    latest: VecDeque<u64>,
}

impl OfferAllowance {
    /// Whether an offer of this name was allowed lately.
    fn is_duplicate(&self, offer_id: &str) -> bool {
        self.latest.contains(&hash(offer_id))
    }

    fn note(&mut self, offer_id: &str) {
        if self.latest.len() == OFFER_BURST as usize {
            self.latest.pop_front();
        }
        self.latest.push_back(hash(offer_id));
    }
}

fn hash(offer_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    offer_id.hash(&mut hasher);
    hasher.finish()
}

impl Attempt {
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
        let datagrams = peer.dialect == Dialect::V1;
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
        if self.allowance.is_duplicate(&offer_id) || !self.allows_offer(peer, cx) {
            return false;
        }
        self.allowance.note(&offer_id);
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
        let sdp = Redacted(sdp);
        if self.state.is_validated() && peer.dialect == Dialect::V1 {
            let until = cx.now + DOUBT;
            self.late_offer = Some(LateOffer { offer_id, sdp, signals: Vec::new(), until });
            return true;
        }
        self.answer(peer, offer_id, sdp, cx);
        false
    }

    /// Whether the peer offers no more often than attempts are made. What is beyond is not even declined: a flood
    /// would make us one to the hub.
    pub(super) fn allows_offer(&mut self, peer: &Remote, cx: &mut Context<'_>) -> bool {
        let pause = cx.config.retry.first;
        let allowed_at = self.allowance.allowed_at.max(cx.now) + pause;
        let allowed = allowed_at - cx.now <= pause.saturating_mul(OFFER_BURST);
        if allowed {
            self.allowance.allowed_at = allowed_at;
        } else if !self.allowance.flooded {
            report(peer, Misbehavior::TooManyOffers.into(), cx);
        }
        self.allowance.flooded = !allowed;
        allowed
    }

    /// The channel has not proved itself, or is gone: the peer meant its offer. `false`: there is none.
    pub(super) fn answer_doubted(&mut self, peer: &Remote, cx: &mut Context<'_>) -> bool {
        let Some(LateOffer { offer_id, sdp, signals, .. }) = self.late_offer.take() else {
            return false;
        };
        self.answer(peer, offer_id.clone(), sdp, cx);
        for signal in signals {
            self.handle_signal(peer, &offer_id, signal, cx);
        }
        true
    }

    pub(super) fn answer(
        &mut self,
        peer: &Remote,
        offer_id: String,
        sdp: Redacted<String>,
        cx: &mut Context<'_>,
    ) {
        self.close_connection(cx);
        if !self.step(Input::Begin(Role::Answerer)) {
            return;
        }
        self.late_offer = None;
        self.eligible = true;
        self.offered = false;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let datagrams = peer.dialect == Dialect::V1;
        let command = DirectCommand::Answer { connection, ice_servers, sdp: sdp.0, datagrams };
        cx.out.commands.push_back(Command::Direct(command));
    }

    pub(super) fn begin(&mut self, offer_id: String, cx: &mut Context<'_>) -> ConnectionId {
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
        if let Some(late_offer) =
            self.late_offer.as_mut().filter(|late_offer| late_offer.offer_id == offer_id)
        {
            if late_offer.signals.len() < MAX_LATE_SIGNALS {
                late_offer.signals.push(signal);
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

    pub(super) fn handle_decline(&mut self, peer: &Remote, decline: Decline, cx: &mut Context<'_>) {
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
}

pub(super) fn send_decline(
    peer: &Remote,
    offer_id: String,
    decline: Decline,
    cx: &mut Context<'_>,
) {
    if peer.dialect == Dialect::V1 {
        send_signal(peer, offer_id, &Signal::Decline(decline), cx);
    }
}

pub(super) fn send_signal(peer: &Remote, offer_id: String, signal: &Signal, cx: &mut Context<'_>) {
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
