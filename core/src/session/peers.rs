//! Membership: who is in the room, and who talks directly.

use std::collections::{BTreeMap, VecDeque};

use super::{Closing, Session};
use crate::config::Policy;
use crate::error::PeerError;
use crate::event::{Event, LeaveReason, Path};
use crate::id::{PeerId, Version};
use crate::link::{Link, Verdict};
use crate::signal::{Member, PeerSignal, RawSignal, Signal};
use crate::time::Time;

/// How many departed peers' epochs are remembered.
const MAX_STALE_EPOCHS: usize = 1024;

/// The epochs of peers that left: what still comes of them is stale.
#[derive(Debug, Default)]
pub(super) struct StaleEpochs {
    epochs: BTreeMap<PeerId, u32>,
    order: VecDeque<PeerId>,
}

impl StaleEpochs {
    fn get(&self, peer: &PeerId) -> u32 {
        self.epochs.get(peer).copied().unwrap_or(0)
    }

    fn insert(&mut self, peer: PeerId, epoch: u32) {
        if self.epochs.insert(peer.clone(), epoch).is_none() {
            self.order.push_back(peer);
        }
        if self.order.len() > MAX_STALE_EPOCHS
            && let Some(oldest) = self.order.pop_front()
        {
            self.epochs.remove(&oldest);
        }
    }
}

impl Session {
    /// A member is there, or back. `roster`: it was there before us, so that we offer.
    pub(super) fn handle_peer_join(&mut self, member: &Member, roster: bool, now: Time) {
        if self.id() == Some(&member.id) {
            return;
        }
        if self.links.get(&member.id).is_some_and(|link| link.version() != member.version) {
            self.remove(&member.id, LeaveReason::Restarted, now);
        }
        let known = self.links.contains_key(&member.id);
        if !known && !self.add(member, now) {
            return;
        }
        self.set_relay(&member.id, !member.away, now);
        let Some(link) = self.links.get_mut(&member.id) else { return };
        self.shared.out.ways_changed |= link.set_key(member.key.clone());
        if roster && !known {
            link.schedule_offer_now();
        } else {
            link.schedule_offer_after_patience(&self.shared.context(now));
        }
    }

    /// Opens the books on a member. `false`: there is no room for it.
    fn add(&mut self, member: &Member, now: Time) -> bool {
        let Member { id, version, key, .. } = member;
        let stale = self.stale_epochs.get(id);
        let mut link = Link::new(id.clone(), *version, self.next_epoch, stale, now);
        link.set_key(key.clone());
        self.insert(link)
    }

    fn insert(&mut self, link: Link) -> bool {
        if self.links.len() >= self.shared.config.max_members || self.closing != Closing::No {
            return false;
        }
        self.shared.out.ways_changed = true;
        self.next_epoch = self.next_epoch.max(link.epochs().epoch.saturating_add(1));
        let (peer, version) = (link.peer().clone(), link.version());
        self.links.insert(peer.clone(), link);
        self.shared.out.events.push_back(Event::PeerJoined { peer, version });
        true
    }

    pub(super) fn set_relay(&mut self, peer: &PeerId, up: bool, now: Time) {
        if let Some(link) = self.links.get_mut(peer) {
            link.set_relay(up, &mut self.shared.context(now));
        }
    }

    pub(super) fn handle_peer_disconnect(&mut self, peer: &PeerId, now: Time) {
        let Some(link) = self.links.get(peer) else { return };
        let through = matches!(link.sending(), Some(Path::Via(_)));
        if through || (link.is_verified() && link.version() == Version::V1) {
            // The hub may be wrong about a peer that we, or a neighbour, hear ourselves.
            self.set_relay(peer, false, now);
        } else {
            self.remove(peer, LeaveReason::Left, now);
        }
    }

    pub(super) fn remove(&mut self, peer: &PeerId, reason: LeaveReason, now: Time) {
        if let Some(link) = self.links.remove(peer) {
            self.stale_epochs.insert(peer.clone(), link.peer_epoch());
            link.leave(reason, &mut self.shared.context(now));
            self.shared.out.ways_changed = true;
        }
    }

    /// Draws the consequence of what a link made of an input.
    pub(super) fn conclude(&mut self, peer: &PeerId, verdict: Verdict, now: Time) {
        match verdict {
            Verdict::Alive => {}
            Verdict::Left => self.remove(peer, LeaveReason::Left, now),
            Verdict::Restarted => self.restart(peer, LeaveReason::Restarted, now),
            Verdict::Renewed => self.renew(peer, now),
            Verdict::GivenUp => {
                let heard = self.links.get_mut(peer).map(Link::take_heard);
                self.restart(peer, LeaveReason::Restarted, now);
                if let (Some(link), Some(heard)) = (self.links.get_mut(peer), heard) {
                    link.keep_heard(heard);
                }
            }
        }
    }

    /// The link is over, the peer is not: a new incarnation begins.
    pub(super) fn restart(&mut self, peer: &PeerId, reason: LeaveReason, now: Time) {
        self.succeed(peer, self.next_epoch, reason, now);
    }

    /// The peer has begun anew and goes on with what we send.
    pub(super) fn renew(&mut self, peer: &PeerId, now: Time) {
        let Some(link) = self.links.get_mut(peer) else { return };
        let epoch = link.epochs().epoch;
        let said = link.take_said(&mut self.shared.context(now));
        self.succeed(peer, epoch, LeaveReason::Restarted, now);
        if let Some(link) = self.links.get_mut(peer) {
            link.keep_said(said, &self.shared.context(now));
        }
    }

    /// Ends a link and begins the next one to the same peer.
    fn succeed(&mut self, peer: &PeerId, epoch: u32, reason: LeaveReason, now: Time) {
        let Some(link) = self.links.get(peer) else { return };
        let (next, relay_up) = (link.successor(epoch, now), link.is_relay_up());
        self.remove(peer, reason, now);
        if self.insert(next) {
            self.set_relay(peer, relay_up, now);
            if let Some(link) = self.links.get_mut(peer) {
                link.schedule_offer_after_patience(&self.shared.context(now));
            }
        }
    }

    pub(super) fn handle_offer(
        &mut self,
        from: &PeerId,
        offer_id: String,
        offer: &RawSignal,
        now: Time,
    ) {
        let Some(own_id) = self.id().cloned() else { return };
        let has_room = self.active() < self.shared.config.max_peers;
        let Some(link) = self.links.get_mut(from) else { return };
        if let Ok(Signal::Offer(sdp)) = offer.parse() {
            let cx = &mut self.shared.context(now);
            link.handle_offer(&own_id, offer_id, sdp, has_room, cx);
        } else {
            self.report_bad_signal(from);
        }
    }

    pub(super) fn handle_peer_signal(&mut self, signal: &PeerSignal, now: Time) {
        let Some(from) = &signal.from_peer_id else { return };
        let Some(link) = self.links.get_mut(from) else { return };
        match signal.signal.parse() {
            Ok(parsed) => {
                link.handle_signal(&signal.offer_id, parsed, &mut self.shared.context(now));
            }
            Err(_) => self.report_bad_signal(from),
        }
    }

    fn report_bad_signal(&mut self, peer: &PeerId) {
        let event = Event::PeerError { peer: peer.clone(), error: PeerError::BadSignal };
        self.shared.out.events.push_back(event);
    }

    fn active(&self) -> usize {
        self.links.values().filter(|link| link.is_active()).count()
    }

    /// Starts the attempts that are due, as far as `max_peers` allows.
    pub(super) fn start_attempts(&mut self, now: Time) {
        let allowed = self.shared.policy != Policy::RelayOnly && self.closing == Closing::No;
        if !allowed || !self.is_joined() || !self.links.values().any(Link::can_offer) {
            return;
        }
        let mut room = self.shared.config.max_peers.saturating_sub(self.active());
        for link in self.links.values_mut().filter(|link| link.can_offer()) {
            if room == 0 {
                break;
            }
            link.offer(&mut self.shared.context(now));
            room -= 1;
        }
    }

    /// `Ready` and `Upgrade`, each time they become true.
    pub(super) fn announce_milestones(&mut self) {
        let (mut counted, mut verified, mut direct) = (0, 0, 0);
        for link in self.links.values() {
            counted += usize::from(link.counts_for_ready());
            verified += usize::from(link.is_verified());
            direct += usize::from(link.sending() == Some(&Path::Direct));
        }
        let expected = counted.min(self.shared.config.max_peers);
        let ready = expected > 0 && verified >= expected;
        if ready && !self.ready {
            self.shared.out.events.push_back(Event::Ready);
        }
        self.ready = ready;
        let upgraded = expected > 0 && direct >= expected;
        if upgraded && !self.upgraded {
            self.shared.out.events.push_back(Event::Upgrade);
        }
        self.upgraded = upgraded;
    }
}
