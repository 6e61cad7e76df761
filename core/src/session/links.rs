//! All links of a session, and an index of them, so that no input walks all links.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::noted::Noted;
use crate::direct_state::DirectState;
use crate::id::{ConnectionId, PeerId};
use crate::link::{Context, Link};
use crate::path::Path;
use crate::time::Time;

/// The index of a link, valid until the link is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(usize);

/// The indexed properties of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    /// Counts for `Ready`.
    counts: bool,
    validated: bool,
    /// Sends records directly.
    direct: bool,
    /// Counts for `max_peers`.
    active: bool,
    wants_offer: bool,
    wants_relay: bool,
    wants_direct: bool,
    wants_datagram: bool,
    wants_via: bool,
    may_join: bool,
    direct_path: Option<DirectState>,
    unflushed: bool,
    held: usize,
    connection: Option<ConnectionId>,
    deadline: Option<Time>,
}

/// The number of links with each property.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) counted: usize,
    pub(super) validated: usize,
    pub(super) direct: usize,
    pub(super) active: usize,
    pub(super) unflushed: usize,
    pub(super) wanting_via: usize,
    /// Bytes.
    pub(super) held: usize,
}

#[derive(Debug)]
struct Slot {
    link: Link,
    standing: Standing,
    /// The state of the direct path that was last reported to the application.
    told: Option<DirectState>,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<Slot>>,
    free: Vec<Key>,
    by_id: BTreeMap<PeerId, Key>,
    by_connection: BTreeMap<ConnectionId, Key>,
    deadlines: BTreeSet<(Time, Key)>,
    wanting_offers: BTreeSet<Key>,
    wanting_relay: BTreeSet<Key>,
    joining: BTreeSet<Key>,
    /// The links with output for their own channel that changed or were asked for.
    noted: Noted,
    /// The same, for the channel of a neighbour.
    noted_via: Noted,
    /// The links with a change of the direct path that may have to be reported.
    noted_news: Noted,
    totals: Totals,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    /// Iterates over the links in the order of the peers' ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_id.values().filter_map(|key| self.at(*key))
    }

    /// Returns the keys in the order of the peers' ids.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.by_id.values().copied().collect()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &PeerId> {
        self.by_id.keys()
    }

    pub(super) fn key(&self, peer: &PeerId) -> Option<Key> {
        self.by_id.get(peer).copied()
    }

    pub(super) fn key_of(&self, connection: ConnectionId) -> Option<Key> {
        self.by_connection.get(&connection).copied()
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Link> {
        self.at(self.key(peer)?)
    }

    pub(super) fn at(&self, key: Key) -> Option<&Link> {
        self.slots.get(key.0)?.as_ref().map(|slot| &slot.link)
    }

    fn standing(&self, key: Key) -> Option<&Standing> {
        self.slots.get(key.0)?.as_ref().map(|slot| &slot.standing)
    }

    /// The caller must call [`review`](Self::review) after it changed the link.
    pub(super) fn at_mut(&mut self, key: Key) -> Option<&mut Link> {
        self.slots.get_mut(key.0)?.as_mut().map(|slot| &mut slot.link)
    }

    pub(super) fn insert(&mut self, link: Link) -> Key {
        let key = self.free.pop().unwrap_or(Key(self.slots.len()));
        if key.0 == self.slots.len() {
            self.slots.push(None);
        }
        self.by_id.insert(link.peer().clone(), key);
        self.slots[key.0] = Some(Slot { link, standing: Standing::default(), told: None });
        key
    }

    pub(super) fn remove(&mut self, peer: &PeerId) -> Option<Link> {
        let key = self.by_id.remove(peer)?;
        self.enter(key, Standing::default());
        self.free.push(key);
        self.slots.get_mut(key.0)?.take().map(|slot| slot.link)
    }

    /// Updates the index after a change of a link.
    pub(super) fn review(&mut self, key: Key, cx: &Context<'_>) {
        if let Some(link) = self.at(key) {
            let standing = Standing::of(link, cx);
            self.enter(key, standing);
        }
    }

    fn enter(&mut self, key: Key, new: Standing) {
        if new.wants_direct || new.wants_datagram {
            self.noted.note(key.0);
        }
        if new.wants_via {
            self.noted_via.note(key.0);
        }
        let Some(slot) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { return };
        let old = std::mem::replace(&mut slot.standing, new);
        if old == new {
            return;
        }
        if old.direct_path != new.direct_path {
            self.noted_news.note(key.0);
        }
        let count = |total: &mut usize, old: bool, new: bool| {
            *total = *total + usize::from(new) - usize::from(old);
        };
        let totals = &mut self.totals;
        count(&mut totals.counted, old.counts, new.counts);
        count(&mut totals.validated, old.validated, new.validated);
        count(&mut totals.direct, old.direct, new.direct);
        count(&mut totals.active, old.active, new.active);
        count(&mut totals.unflushed, old.unflushed, new.unflushed);
        count(&mut totals.wanting_via, old.wants_via, new.wants_via);
        totals.held = totals.held + new.held - old.held;
        mark(&mut self.wanting_offers, key, old.wants_offer, new.wants_offer);
        mark(&mut self.wanting_relay, key, old.wants_relay, new.wants_relay);
        mark(&mut self.joining, key, old.may_join, new.may_join);
        if old.connection != new.connection {
            old.connection.map(|connection| self.by_connection.remove(&connection));
            new.connection.map(|connection| self.by_connection.insert(connection, key));
        }
        if old.deadline != new.deadline {
            old.deadline.map(|at| self.deadlines.remove(&(at, key)));
            new.deadline.map(|at| self.deadlines.insert((at, key)));
        }
    }

    /// Returns the earliest deadline of all links.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Returns the links whose deadline has passed.
    pub(super) fn due(&self, now: Time) -> Vec<Key> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, key)| *key).collect()
    }

    /// Returns the first link, in the order of ids, for which an attempt at a direct path is due.
    pub(super) fn first_wanting_offer(&self) -> Option<Key> {
        let ids = self.wanting_offers.iter().filter_map(|key| Some((self.at(*key)?.peer(), *key)));
        ids.min().map(|(_, key)| key)
    }

    /// Returns whether a link has output for its data channel.
    pub(super) fn wants_direct(&self, key: Key) -> bool {
        self.standing(key).is_some_and(|standing| standing.wants_direct)
    }

    /// Returns whether a link has output for its datagram channel.
    pub(super) fn wants_datagram(&self, key: Key) -> bool {
        self.standing(key).is_some_and(|standing| standing.wants_datagram)
    }

    /// Returns whether the link to a peer has output for a neighbour.
    pub(super) fn wants_via(&self, peer: &PeerId) -> bool {
        let standing = self.key(peer).and_then(|key| self.standing(key));
        standing.is_some_and(|standing| standing.wants_via)
    }

    /// Notes that a link has output for its channel.
    pub(super) fn note(&mut self, key: Key) {
        self.noted.note(key.0);
    }

    /// Notes all links with output for a neighbour, after a change of vias.
    pub(super) fn note_all_wanting_via(&mut self) {
        if self.totals.wanting_via > 0 {
            for (index, slot) in self.slots.iter().enumerate() {
                if slot.as_ref().is_some_and(|slot| slot.standing.wants_via) {
                    self.noted_via.note(index);
                }
            }
        }
    }

    /// Returns the next link whose direct path is in another state than last reported, and that state, which
    /// counts as reported from now on.
    pub(super) fn take_direct_news(&mut self) -> Option<(&Link, DirectState)> {
        let (key, state) = loop {
            let key = Key(self.noted_news.take()?);
            let Some(slot) = self.slots.get_mut(key.0).and_then(Option::as_mut) else { continue };
            let state = slot.standing.direct_path;
            if std::mem::replace(&mut slot.told, state) != state {
                break (key, state?);
            }
        };
        Some((self.at(key)?, state))
    }

    #[cfg(feature = "driver")]
    pub(super) fn take_noted(&mut self) -> Option<Key> {
        self.noted.take().map(Key)
    }

    #[cfg(feature = "driver")]
    pub(super) fn take_noted_via(&mut self) -> Option<Key> {
        self.noted_via.take().map(Key)
    }

    /// Returns whether any link has output for the relay.
    #[cfg(feature = "driver")]
    pub(super) fn any_wants_relay(&self) -> bool {
        !self.wanting_relay.is_empty()
    }

    /// Returns the link with output for the relay whose turn comes next after `last`.
    pub(super) fn next_wanting_relay(&self, last: Option<Key>) -> Option<Key> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.wanting_relay.range((after, Bound::Unbounded));
        behind.next().or_else(|| self.wanting_relay.first()).copied()
    }

    /// Returns the links that may share an envelope with others.
    pub(super) fn joining(&self) -> Vec<Key> {
        self.joining.iter().copied().collect()
    }

    /// Returns the links that hold undelivered data, in descending order of its size.
    pub(super) fn by_held(&self) -> Vec<Key> {
        let held = |key: &Key| self.standing(*key).map_or(0, |standing| standing.held);
        let mut keys = self.keys();
        keys.retain(|key| held(key) > 0);
        keys.sort_by_key(|key| std::cmp::Reverse(held(key)));
        keys
    }
}

impl Standing {
    fn of(link: &Link, cx: &Context<'_>) -> Self {
        Self {
            counts: link.counts_for_ready(),
            validated: link.is_validated(),
            direct: link.sending() == Some(&Path::Direct),
            active: link.is_active(),
            wants_offer: link.can_offer(),
            wants_relay: link.wants_relay(cx),
            wants_direct: link.wants_direct(cx),
            wants_datagram: link.wants_datagram(),
            wants_via: link.wants_via(cx),
            may_join: link.may_join_envelope(cx),
            direct_path: Some(link.direct_state(cx.policy)),
            unflushed: !link.is_flushed(),
            held: link.held_bytes(),
            connection: link.connection_id(),
            deadline: link.next_timeout(cx),
        }
    }
}

fn mark(set: &mut BTreeSet<Key>, key: Key, old: bool, new: bool) {
    if old != new {
        if new {
            set.insert(key)
        } else {
            set.remove(&key)
        };
    }
}
