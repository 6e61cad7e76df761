//! New peer ids for known peers, after the hub has lost its token key (`PROTOCOL.md` section 2).
//!
//! A welcome with a new id of this session ends all links but those with a validated channel, the *orphans*. A member
//! that the hub names meanwhile may be one of them under its new id, or not: it is a *stranger* until it has returned,
//! on the channel of an orphan, a nonce that was sent to it through the hub, or until its time is over. While it says to
//! be an orphan its time is that orphan's: one of both sides may know the other before the other does. An orphan that the
//! hub still names by its id is none: the hub has removed this session alone, and the link ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use super::Session;
use crate::event::{Event, LeaveReason};
use crate::id::{Dialect, PeerId};
use crate::link::Link;
use crate::time::Time;
use crate::wire::{ClientMessage, MAX_NUMBER, Member, PeerSignal, RawSignal};

/// The time for which a stranger can prove to be an orphan.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause after which a nonce is sent again.
const RETRY: Duration = Duration::from_millis(500);

/// The maximum number of former ids that are remembered, of this session and of peers each.
const MAX_FORMER: usize = 64;

/// The maximum number of own former ids that a signal names.
const MAX_NAMED: usize = 4;

/// The maximum bytes of a stranger's signals that wait until it is settled who it is, and their maximum number.
const MAX_WAITING: usize = 16 * 1024;
const MAX_WAITING_SIGNALS: usize = 64;

/// The peers that may be known under a former id.
#[derive(Debug, Default)]
pub(super) struct Renaming {
    /// The former ids of this session, the latest last.
    former: Vec<PeerId>,
    /// The peers that were known before this session's id changed.
    orphans: BTreeSet<PeerId>,
    strangers: BTreeMap<PeerId, Stranger>,
    /// The present id of each peer that was renamed, in the order of the renames.
    renamed: Vec<(PeerId, PeerId)>,
}

/// A member that may be an orphan.
#[derive(Debug)]
struct Stranger {
    member: Member,
    /// Whether it was in the room before this session.
    roster: bool,
    nonce: u64,
    /// When its nonce is sent next.
    ask_at: Time,
    /// When it is a new member after all. While it is away it can prove nothing, and is waited for.
    until: Time,
    /// The orphan that it says to be.
    claim: Option<PeerId>,
    /// Its latest offer, and what belongs to that: it may offer only once.
    waiting: Vec<Waiting>,
}

/// A signal that is handled when it is settled who its sender is.
#[derive(Debug)]
enum Waiting {
    Offer { offer_id: String, offer: RawSignal },
    Signal(PeerSignal),
}

impl Stranger {
    fn claims_any(&self, orphans: &BTreeSet<PeerId>) -> bool {
        self.claim.as_ref().is_some_and(|orphan| orphans.contains(orphan))
    }

    fn is_over(&self, orphans: &BTreeSet<PeerId>, now: Time) -> bool {
        let waits = self.member.away || now < self.until || self.claims_any(orphans);
        orphans.is_empty() || !waits
    }

    fn keep(&mut self, signal: Waiting) {
        if matches!(signal, Waiting::Offer { .. }) {
            self.waiting.clear();
        }
        let len = |signal: &Waiting| match signal {
            Waiting::Offer { offer_id, offer } => offer_id.len() + offer.as_json().len(),
            Waiting::Signal(PeerSignal { offer_id, signal, .. }) => {
                offer_id.len() + signal.as_json().len()
            }
        };
        let bytes: usize = self.waiting.iter().chain([&signal]).map(len).sum();
        if bytes <= MAX_WAITING && self.waiting.len() < MAX_WAITING_SIGNALS {
            self.waiting.push(signal);
        }
    }
}

impl Renaming {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let here = self.strangers.values().filter(|stranger| !stranger.member.away);
        let next = here.map(|stranger| match stranger.claims_any(&self.orphans) {
            true => stranger.ask_at,
            false => stranger.ask_at.min(stranger.until),
        });
        next.min()
    }

    /// Forgets the strangers, because the connection to the hub is lost: the next roster names them again.
    pub(super) fn forget_strangers(&mut self) {
        self.strangers.clear();
    }

    /// Returns the present id of a peer whose former id this is.
    pub(super) fn present_id(&self, former: &PeerId) -> Option<&PeerId> {
        self.renamed.iter().find(|(old, _)| old == former).map(|(_, new)| new)
    }

    fn note_renamed(&mut self, from: PeerId, to: &PeerId) {
        for (_, present) in &mut self.renamed {
            if *present == from {
                present.clone_from(to);
            }
        }
        if self.renamed.len() == MAX_FORMER {
            self.renamed.remove(0);
        }
        self.renamed.push((from, to.clone()));
    }

    fn note_former(&mut self, own: PeerId) {
        if self.former.len() == MAX_FORMER {
            self.former.remove(0);
        }
        self.former.push(own);
    }
}

impl Session {
    /// Handles a new peer id of this session: ends the links that cannot outlive it.
    pub(super) fn lose_identity(&mut self, former: PeerId, now: Time) {
        self.renaming.note_former(former);
        for peer in self.links.ids().cloned().collect::<Vec<_>>() {
            let link = self.links.get(&peer);
            if link.is_some_and(|link| link.is_validated() && link.dialect() == Dialect::V1) {
                self.renaming.orphans.insert(peer);
            } else {
                self.remove(&peer, LeaveReason::IdentityChanged, now);
            }
        }
    }

    /// Handles a member that the hub names: a known one, a stranger, or a new one.
    pub(super) fn meet(&mut self, member: &Member, roster: bool, now: Time) {
        // The hub still knows this peer, so that its token key is not lost: it has expelled this session, and the peer
        // takes the session's new id for somebody else.
        if self.renaming.orphans.remove(&member.id) {
            self.remove(&member.id, LeaveReason::IdentityChanged, now);
            return self.handle_peer_join(member, roster, now);
        }
        let is_known = self.links.key(&member.id).is_some() || self.id() == Some(&member.id);
        if is_known || member.dialect == Dialect::V0 || self.renaming.orphans.is_empty() {
            return self.handle_peer_join(member, roster, now);
        }
        if let Some(stranger) = self.renaming.strangers.get_mut(&member.id) {
            if stranger.member.away && !member.away {
                (stranger.ask_at, stranger.until) = (now, now + PATIENCE);
            }
            stranger.member.clone_from(member);
            return;
        }
        if self.renaming.strangers.len() >= self.shared.config.max_members {
            return;
        }
        let nonce = self.shared.rng.next_u64() % MAX_NUMBER;
        let stranger = Stranger {
            member: member.clone(),
            roster,
            nonce,
            ask_at: now,
            until: now + PATIENCE,
            claim: None,
            waiting: Vec::new(),
        };
        self.renaming.strangers.insert(member.id.clone(), stranger);
    }

    /// Keeps an offer of a stranger, until it is settled who that is.
    pub(super) fn keep_offer(&mut self, from: &PeerId, offer_id: String, offer: &RawSignal) {
        if let Some(stranger) = self.renaming.strangers.get_mut(from) {
            stranger.keep(Waiting::Offer { offer_id, offer: offer.clone() });
        }
    }

    /// Keeps another signal of a stranger.
    pub(super) fn keep_signal(&mut self, from: &PeerId, signal: &PeerSignal) {
        if let Some(stranger) = self.renaming.strangers.get_mut(from) {
            stranger.keep(Waiting::Signal(signal.clone()));
        }
    }

    fn handle_waiting(&mut self, from: &PeerId, waiting: Vec<Waiting>, now: Time) {
        for signal in waiting {
            match signal {
                Waiting::Offer { offer_id, offer } => {
                    self.handle_offer(from, offer_id, &offer, now);
                }
                Waiting::Signal(signal) => self.handle_peer_signal(&signal, now),
            }
        }
    }

    /// Changes what the hub says about a stranger. Returns `false` when the member is none.
    pub(super) fn change_stranger(
        &mut self,
        peer: &PeerId,
        change: impl FnOnce(&mut Member),
    ) -> bool {
        let stranger = self.renaming.strangers.get_mut(peer);
        stranger.map(|stranger| change(&mut stranger.member)).is_some()
    }

    /// Forgets a stranger that left. Returns `false` when the member is none.
    pub(super) fn forget_stranger(&mut self, peer: &PeerId) -> bool {
        self.renaming.strangers.remove(peer).is_some()
    }

    /// Asks the strangers, and ends what has taken too long.
    pub(super) fn settle_renaming(&mut self, now: Time) {
        if self.renaming.orphans.is_empty() && self.renaming.strangers.is_empty() {
            return;
        }
        // An orphan without a channel cannot be told from a new member.
        for peer in self.renaming.orphans.clone() {
            if !self.links.get(&peer).is_some_and(Link::is_validated) {
                self.renaming.orphans.remove(&peer);
                self.remove(&peer, LeaveReason::IdentityChanged, now);
            }
        }
        let Renaming { orphans, strangers, .. } = &mut self.renaming;
        let over = strangers.extract_if(.., |_, stranger| stranger.is_over(orphans, now));
        for (id, Stranger { member, roster, waiting, .. }) in over.collect::<Vec<_>>() {
            self.handle_peer_join(&member, roster, now);
            self.handle_waiting(&id, waiting, now);
        }
        let former = &self.renaming.former[self.renaming.former.len().saturating_sub(MAX_NAMED)..];
        for (id, stranger) in &mut self.renaming.strangers {
            if stranger.ask_at <= now
                && !stranger.member.away
                && let Ok(signal) = RawSignal::of_former_ids(former)
            {
                let nonce = format!("{:x}", stranger.nonce);
                let signal = PeerSignal::new(nonce, signal, id.clone());
                self.shared.out.push_signal(ClientMessage::Signal(signal));
            }
            if stranger.ask_at <= now {
                stranger.ask_at = now + RETRY;
            }
        }
    }

    /// Handles a member's question whether it is known: returns its nonce on the channel with each peer that it claims
    /// to have been, with the id under which the hub knows it: a member can have its own nonce returned, and no other's.
    pub(super) fn return_nonce(
        &mut self,
        from: &PeerId,
        former: &[PeerId],
        nonce: &str,
        now: Time,
    ) {
        let Ok(nonce) = u64::from_str_radix(nonce, 16) else { return };
        if nonce >= MAX_NUMBER {
            return;
        }
        let named = || former.iter().rev().take(MAX_NAMED);
        let Renaming { orphans, strangers, .. } = &mut self.renaming;
        if let Some(stranger) = strangers.get_mut(from) {
            stranger.claim = named().find(|id| orphans.contains(*id)).cloned();
        }
        for peer in std::iter::once(from).chain(named()) {
            self.with_peer(peer, now, |link, _| link.prove(from, nonce));
        }
    }

    /// Handles a nonce that a peer has returned on its channel: it is the stranger to whom this session has sent it. A
    /// stranger could pass the nonce on to an orphan as a question of its own, for which the orphan returns it as of that
    /// stranger.
    pub(super) fn handle_proof(&mut self, peer: &PeerId, asker: &PeerId, nonce: u64, now: Time) {
        if self.id() != Some(asker) || !self.renaming.orphans.contains(peer) {
            return;
        }
        let mut strangers = self.renaming.strangers.iter();
        let Some((new, _)) = strangers.find(|(_, stranger)| stranger.nonce == nonce) else {
            return;
        };
        let new = new.clone();
        let Some(stranger) = self.renaming.strangers.remove(&new) else { return };
        self.renaming.orphans.remove(peer);
        self.rename(peer, &stranger.member, now);
        self.handle_waiting(&new, stranger.waiting, now);
    }

    fn rename(&mut self, former: &PeerId, member: &Member, now: Time) {
        let Some(mut link) = self.links.remove(former) else { return };
        link.rename(member.id.clone());
        let key = self.links.insert(link);
        self.with_key(key, now, |_, _| ());
        self.renaming.note_renamed(former.clone(), &member.id);
        self.shared.out.vias_changed = true;
        let renamed = Event::PeerRenamed { from: former.clone(), to: member.id.clone() };
        self.shared.out.events.push_back(renamed);
        self.handle_peer_join(member, false, now);
    }
}
