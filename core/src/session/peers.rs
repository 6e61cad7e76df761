//! Membership: the members of the room, and the attempts at direct paths.

use std::collections::{BTreeMap, VecDeque};

use super::{Closing, Session};
use crate::config::Policy;
use crate::error::PeerError;
use crate::event::{Event, LeaveReason};
use crate::id::{Dialect, PeerId};
use crate::link::{Link, LinkChange, Profile};
use crate::path::Path;
use crate::time::Time;
use crate::wire::{Member, MemberData, PeerSignal, RawSignal, Signal};

/// The maximum number of departed peers whose epochs are remembered.
const MAX_STALE_EPOCHS: usize = 1024;

/// The last epochs of peers that left: bundles of these epochs are stale.
#[derive(Debug, Default)]
pub(super) struct StaleEpochs {
    epochs: BTreeMap<PeerId, u32>,
    order: VecDeque<PeerId>,
}

impl StaleEpochs {
    fn get(&self, peer: &PeerId) -> Option<u32> {
        self.epochs.get(peer).copied()
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
    /// Handles a member that joined or resumed. `roster`: the member was in the room before this session, which
    /// therefore makes the offer.
    pub(super) fn handle_peer_join(&mut self, member: &Member, roster: bool, now: Time) {
        if self.id() == Some(&member.id) {
            return;
        }
        if self.links.get(&member.id).is_some_and(|link| link.dialect() != member.dialect) {
            self.remove(&member.id, LeaveReason::Restarted, now);
        }
        let known = self.links.key(&member.id).is_some();
        if !known {
            let before = self.stale_epochs.get(&member.id);
            if !self.insert(Link::new(member, self.next_epoch, before, now), now) {
                return;
            }
        }
        if known {
            self.set_profile(&member.id, Profile::of(member), now);
        }
        let changed = self.with_peer(&member.id, now, |link, cx| {
            link.set_relay(!member.away, cx);
            if roster && !known {
                link.schedule_offer_now();
            } else {
                link.schedule_offer_after_patience(cx);
            }
            link.set_membership(member.limits, member.key.clone(), cx)
        });
        self.shared.out.vias_changed |= changed == Some(true);
    }

    /// Adds a link to a peer. Returns `false` when `max_members` is reached.
    fn insert(&mut self, link: Link, now: Time) -> bool {
        if self.links.len() >= self.shared.config.max_members || self.closing != Closing::No {
            return false;
        }
        self.shared.out.vias_changed = true;
        self.next_epoch = self.next_epoch.max(link.epochs().epoch.saturating_add(1));
        let (peer, dialect) = (link.peer().clone(), link.dialect());
        let Profile { user, metadata } = link.profile().clone();
        let joined = Event::PeerJoined { peer, dialect, user, metadata };
        self.shared.out.events.push_back(joined);
        self.counters.note_joined();
        let key = self.links.insert(link);
        self.with_key(key, now, |_, _| ());
        true
    }

    pub(super) fn handle_peer_update(
        &mut self,
        peer: &PeerId,
        metadata: Option<MemberData>,
        now: Time,
    ) {
        if self.change_stranger(peer, |member| member.metadata.clone_from(&metadata)) {
            return;
        }
        let user = self.links.get(peer).and_then(|link| link.profile().user.clone());
        self.set_profile(peer, Profile { user, metadata }, now);
    }

    fn set_profile(&mut self, peer: &PeerId, profile: Profile, now: Time) {
        let Profile { user, metadata } = profile.clone();
        if self.with_peer(peer, now, |link, _| link.set_profile(profile)) == Some(true) {
            let event = Event::PeerUpdated { peer: peer.clone(), user, metadata };
            self.shared.out.events.push_back(event);
        }
    }

    pub(super) fn set_relay(&mut self, peer: &PeerId, up: bool, now: Time) {
        self.with_peer(peer, now, |link, cx| link.set_relay(up, cx));
    }

    pub(super) fn handle_peer_disconnect(&mut self, peer: &PeerId, kicked: bool, now: Time) {
        if self.forget_stranger(peer) {
            return;
        }
        let Some(link) = self.links.get(peer) else { return };
        if kicked {
            return self.remove(peer, LeaveReason::Kicked, now);
        }
        let through = matches!(link.sending(), Some(Path::Via(_)));
        if through || (link.is_validated() && link.dialect() == Dialect::V1) {
            // The hub may be wrong about a peer with a direct path or a via.
            self.set_relay(peer, false, now);
        } else {
            // The hub reports a lost connection (`peer-away`) before it removes the seat.
            let is_reported = link.is_relay_up() || link.dialect() == Dialect::V0;
            let reason = if is_reported { LeaveReason::Left } else { LeaveReason::Lost };
            self.remove(peer, reason, now);
        }
    }

    pub(super) fn remove(&mut self, peer: &PeerId, reason: LeaveReason, now: Time) {
        if let Some(mut link) = self.links.remove(peer) {
            self.stale_epochs.insert(peer.clone(), link.last_heard());
            self.counters.note_left(&link);
            link.leave(reason, &mut self.shared.context(self.links.totals().held, now));
            self.shared.out.vias_changed = true;
        }
    }

    /// Handles the change that an input caused on a link.
    pub(super) fn conclude(&mut self, peer: &PeerId, verdict: LinkChange, now: Time) {
        match verdict {
            LinkChange::Alive => {}
            LinkChange::Left => self.remove(peer, LeaveReason::Left, now),
            LinkChange::Restarted | LinkChange::Renewed | LinkChange::GivenUp => {
                self.succeed(peer, verdict, LeaveReason::Restarted, now);
            }
        }
    }

    /// Ends a link whose peer stays in the room, and begins a new incarnation.
    pub(super) fn restart(&mut self, peer: &PeerId, reason: LeaveReason, now: Time) {
        self.succeed(peer, LinkChange::Restarted, reason, now);
    }

    /// Ends a link and begins its successor to the same peer, with the state that `verdict` keeps.
    pub(super) fn succeed(
        &mut self,
        peer: &PeerId,
        verdict: LinkChange,
        reason: LeaveReason,
        now: Time,
    ) {
        let Some(mut link) = self.links.remove(peer) else { return };
        let held = self.links.totals().held;
        let epoch = self.next_epoch;
        let next = link.succeed(epoch, verdict, reason, &mut self.shared.context(held, now));
        self.counters.note_left(&link);
        self.stale_epochs.insert(peer.clone(), link.last_heard());
        // A closing session begins no new link.
        self.shared.out.vias_changed = true;
        if self.insert(next, now) {
            self.with_peer(peer, now, |link, cx| {
                link.settle(cx);
                link.schedule_offer_after_patience(cx);
            });
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
        let has_room = self.links.totals().active < self.shared.config.max_peers;
        if self.links.key(from).is_none() {
            return self.keep_offer(from, offer_id, offer);
        }
        let Ok(Signal::Offer(sdp)) = offer.parse() else {
            return self.report(from, PeerError::BadSignal);
        };
        self.with_peer(from, now, |link, cx| {
            link.handle_offer(&own_id, (offer_id, sdp), has_room, cx);
        });
    }

    pub(super) fn handle_peer_signal(&mut self, signal: &PeerSignal, now: Time) {
        let Some(from) = &signal.from_peer_id else { return };
        match signal.signal.parse() {
            Ok(parsed) if self.links.key(from).is_some() => {
                self.with_peer(from, now, |link, cx| {
                    link.handle_signal(&signal.offer_id, parsed, cx);
                });
            }
            Ok(_) => self.keep_signal(from, signal),
            Err(_) => match signal.signal.former_ids() {
                Some(former) => self.return_nonce(from, &former, &signal.offer_id, now),
                None if self.links.key(from).is_some() => self.report(from, PeerError::BadSignal),
                None => {}
            },
        }
    }

    /// Starts the attempts that are due, within `max_peers`.
    pub(super) fn start_attempts(&mut self, now: Time) {
        let allowed = self.shared.policy != Policy::RelayOnly && self.closing == Closing::No;
        while allowed
            && self.is_joined()
            && self.links.totals().active < self.shared.config.max_peers
            && let Some(key) = self.links.first_wanting_offer()
        {
            self.with_key(key, now, |link, cx| link.offer(cx));
        }
    }

    /// Reports `Ready` and `Upgrade`, each time their condition becomes true.
    pub(super) fn announce_milestones(&mut self) {
        let totals = self.links.totals();
        let expected = totals.counted.min(self.shared.config.max_peers);
        let ready = expected > 0 && totals.validated >= expected;
        if ready && !self.ready {
            self.shared.out.events.push_back(Event::Ready);
        }
        self.ready = ready;
        let upgraded = expected > 0 && totals.direct >= expected;
        if upgraded && !self.upgraded {
            self.shared.out.events.push_back(Event::Upgrade);
        }
        self.upgraded = upgraded;
    }
}
