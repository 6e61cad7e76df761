//! Offers and their signals: glare, late offers, declines.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::{Attempt, Connection, report};
use crate::command::{Command, DirectCommand};
use crate::config::Policy;
use crate::connection_report::{ConnectionReport, DirectStage};
use crate::direct_state::Side;
use crate::error::{Misbehavior, PeerError};
use crate::id::{ConnectionId, Dialect, PeerId};
use crate::link::state::{Input, Role, State};
use crate::link::{Context, Remote};
use crate::redacted::Redacted;
use crate::time::Time;
use crate::wire::{AddressedOffer, ClientMessage, Decline, PeerSignal, RawSignal, Signal};

/// The bytes of an offer id, written in hex as the original does.
const OFFER_ID_BYTES: usize = 20;

/// The time in which a working channel must prove that an offer is late.
const DOUBT: Duration = Duration::from_secs(1);

/// The burst of the rate limit for the peer's offers. The rate is one offer in each of the shortest pauses
/// between attempts, so that an offer costs its sender as much time as an attempt costs this side.
const OFFER_BURST: u32 = 16;

/// The maximum number of candidates kept for a late offer.
const MAX_LATE_SIGNALS: usize = 64;

/// An offer that arrived while the channel works: it is late, or the peer has lost its end of the channel.
#[derive(Debug)]
pub(super) struct LateOffer {
    pub(super) offer_id: String,
    pub(super) sdp: Redacted<String>,
    pub(super) signals: Vec<Signal>,
    /// The time until which a pong dismisses the offer.
    pub(super) until: Time,
}

/// The rate limit for the peer's offers: a token bucket, stored as the time at which it is full again.
#[derive(Clone, Debug, Default)]
pub(super) struct OfferAllowance {
    allowed_at: Time,
    flooded: bool,
    /// The hashes of the latest accepted offer ids. A repeated offer is a late duplicate, which must not
    /// replace its own attempt or a later one.
    latest: VecDeque<u64>,
}

impl OfferAllowance {
    /// Returns whether an offer with this id was accepted recently.
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
    /// Starts an attempt. The caller has checked `max_peers`.
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

    /// Accepts the peer's offer, or declines it; `has_room`: `max_peers` allows another attempt. Returns `true`
    /// when the channel must prove that the offer is late.
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
            // The peer compares the same ids and answers our offer.
            Some(Decline::Glare)
        } else if !has_room && !self.state.is_active() {
            // The peer waits for our offer, which follows when `max_peers` allows it. Not at once: with offers
            // in a circle all peers would be full for one another again.
            self.declined = Some((Side::Local, Decline::Full));
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

    /// Returns whether the peer's offer is within the rate limit. An offer beyond it is not declined either:
    /// otherwise a flood of offers would cause a flood of declines to the hub.
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

    /// Answers the late offer, because the channel closed or brought no pong in time. Returns `false` when
    /// there is none.
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
        self.offered = false;
        let connection = self.begin(offer_id, cx);
        let ice_servers = cx.ice_servers.to_vec();
        let datagrams = peer.dialect == Dialect::V1;
        let command = DirectCommand::Answer { connection, ice_servers, sdp: sdp.0, datagrams };
        cx.out.commands.push_back(Command::Direct(command));
    }

    pub(super) fn begin(&mut self, offer_id: String, cx: &mut Context<'_>) -> ConnectionId {
        self.wants_offer = false;
        self.declined = None;
        self.attempts = self.attempts.saturating_add(1);
        self.tally.attempts = self.tally.attempts.saturating_add(1);
        self.offer_at = None;
        let id = ConnectionId(*cx.next_connection);
        *cx.next_connection += 1;
        let until = Some(cx.now + cx.config.negotiation_timeout);
        self.connection = Some(Connection {
            id,
            offer_id,
            until,
            stage: DirectStage::default(),
            report: ConnectionReport::default(),
            channel: None,
            datagrams: None,
        });
        id
    }

    /// Handles a signal of the peer other than an offer. A signal of an ended attempt is ignored.
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
        let Some(connection) = self.connection.as_mut().filter(|one| one.offer_id == offer_id)
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
                if matches!(signal, Signal::Answer(_)) {
                    connection.reach(DirectStage::Checking);
                }
                let command = DirectCommand::Signal { connection: connection.id, signal };
                cx.out.commands.push_back(Command::Direct(command));
            }
            Signal::Offer(_) => {}
        }
    }

    pub(super) fn handle_decline(&mut self, peer: &Remote, decline: Decline, cx: &mut Context<'_>) {
        match decline {
            // The peer's own offer follows, or the peer retries.
            Decline::Glare => {}
            Decline::Failed => {
                self.lose(
                    peer,
                    PeerError::DirectFailed("the peer could not use the offer".into()),
                    cx,
                );
            }
            Decline::Full | Decline::RelayOnly => {
                self.declined = Some((Side::Remote, decline));
                self.close_connection(cx);
                self.step(Input::Release);
            }
        }
    }

    /// Sends a signal of the direct transport to the peer.
    pub(crate) fn handle_local_signal(
        &mut self,
        peer: &Remote,
        signal: &Signal,
        cx: &mut Context<'_>,
    ) {
        if let Some(connection) = &mut self.connection {
            match signal {
                Signal::Offer(_) => connection.reach(DirectStage::Signaling),
                Signal::Answer(_) => connection.reach(DirectStage::Checking),
                Signal::Candidate(_) | Signal::Decline(_) => {}
            }
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
