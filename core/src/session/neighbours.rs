//! Paths through neighbours: the choice of each link's via, the lists of neighbours, and forwarding for others.
//!
//! A neighbour is a v1 peer with a validated channel. A session sends each neighbour the list of its other
//! neighbours. A link without a better path uses a neighbour that lists its peer. `link::seals` seals the
//! bundles between the two ends, `forwarder` limits the forwarded ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::forwarder::{ForwardLimits, Forwarder, Forwarding, Refused};
use super::{Closing, Session};
use crate::error::{Misbehavior, PeerError};
use crate::event::Event;
use crate::frame::Frame;
use crate::id::{ConnectionId, Dialect, MAX_PEER_ID, PeerId};
use crate::link::{Dropped, Link};
use crate::path::Path;
use crate::time::{Time, earliest};
use crate::wire::{Bundle, Item, MAX_NEIGHBOURS, Neighbours, Passed};

/// The maximum bytes of a forwarded bundle: a record and the control beside it.
const MAX_BYTES: usize = 20 << 10;

/// The overhead of a forwarded bundle on a channel: ids, number and seal.
const PASSING_BYTES: usize = 64;

/// The time in which changes of the neighbours are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(100);

/// The minimum interval of error reports about bundles that a neighbour forwarded.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The bytes of this session's own on a channel after which it carries one forwarded bundle.
const PATIENCE: usize = 64 << 10;

/// The state of all neighbours.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    known: BTreeMap<PeerId, Neighbour>,
    /// The neighbours at the last review.
    validated: Vec<PeerId>,
    /// When the neighbours are sent the lists of each other.
    tell_at: Option<Time>,
    /// When a neighbour that failed as a via may be chosen again.
    retry_at: Option<Time>,
    /// The links that use each neighbour as their via.
    users: BTreeMap<PeerId, Users>,
    forwarder: Forwarder,
    /// This session's own bytes per channel since the channel last carried a forwarded bundle.
    own_bytes: BTreeMap<PeerId, usize>,
}

/// A peer with a validated channel.
#[derive(Debug)]
struct Neighbour {
    connection: ConnectionId,
    /// The peers that it lists.
    peers: BTreeSet<PeerId>,
    rate: u64,
    /// The peers that were listed to it.
    listed: Vec<PeerId>,
    reported_at: Option<Time>,
}

/// The links that send through one neighbour.
#[derive(Debug, Default)]
struct Users {
    peers: Vec<PeerId>,
    /// The index of the link whose turn is next.
    turn: usize,
}

impl Neighbour {
    fn new(connection: ConnectionId) -> Self {
        Self { connection, peers: BTreeSet::new(), rate: 0, listed: Vec::new(), reported_at: None }
    }
}

impl Neighbourhood {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        earliest([self.tell_at, self.retry_at])
    }

    pub(super) fn forwarding(&self) -> Forwarding {
        self.forwarder.counts()
    }
}

impl Session {
    /// Returns whether bundles for other peers wait for this peer's channel.
    pub(super) fn has_work_for(&self, neighbour: &PeerId) -> bool {
        let Neighbourhood { users, forwarder, .. } = &self.neighbourhood;
        if self.links.totals().wanting_via == 0 && forwarder.is_idle() {
            return false;
        }
        let users = users.get(neighbour).into_iter().flat_map(|users| &users.peers);
        users.into_iter().any(|peer| self.links.wants_via(peer)) || forwarder.waits_for(neighbour)
    }

    /// Handles control of neighbours, and the consequences of every change that affects vias.
    pub(super) fn settle_vias(&mut self, now: Time) {
        while let Some((peer, item)) = self.shared.out.neighbourly.pop_front() {
            match item {
                Item::Neighbours(neighbours) => self.note_neighbours(&peer, neighbours),
                Item::Pass(to, passed) => self.pass_on(&peer, &to, passed, now),
                Item::Passed(from, passed) => self.handle_passed(&peer, &from, &passed, now),
                Item::Proof(asker, nonce) => self.handle_proof(&peer, &asker, nonce, now),
                Item::NoWay(to) => {
                    self.with_peer(&to, now, |link, cx| link.fail_via(&peer, cx));
                }
                // Concerns the link to the peer itself, which has handled it.
                Item::Record(_)
                | Item::Ping(_)
                | Item::Pong(_)
                | Item::State(_)
                | Item::Bye
                | Item::Limits(_)
                | Item::GivenUp(_)
                | Item::Wait => {}
            }
        }
        if std::mem::take(&mut self.shared.out.vias_changed) {
            self.review_neighbours(now);
            self.review_vias(now);
            self.shared.out.users_changed = true;
        }
        if std::mem::take(&mut self.shared.out.users_changed) {
            self.review_users();
        }
    }

    fn note_neighbours(&mut self, peer: &PeerId, Neighbours { peers, rate }: Neighbours) {
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.peers = peers.into_iter().collect();
            neighbour.rate = rate;
            self.shared.out.vias_changed = true;
        }
    }

    /// Returns the state of a neighbour.
    fn neighbour(&mut self, peer: &PeerId) -> Option<&mut Neighbour> {
        let connection = self.links.get(peer)?.connection_id()?;
        let known = &mut self.neighbourhood.known;
        let neighbour = known.entry(peer.clone()).or_insert_with(|| Neighbour::new(connection));
        if neighbour.connection != connection {
            *neighbour = Neighbour::new(connection);
        }
        Some(neighbour)
    }

    /// Reviews which peers have a validated channel, and schedules the lists.
    fn review_neighbours(&mut self, now: Time) {
        let links = &self.links;
        let connection = |peer: &PeerId| links.get(peer).and_then(Link::connection_id);
        let known = &mut self.neighbourhood.known;
        known.retain(|peer, neighbour| connection(peer) == Some(neighbour.connection));
        let is_neighbour = |link: &Link| link.is_validated() && link.dialect() == Dialect::V1;
        let validated = links.iter().filter(|link| is_neighbour(link));
        let validated: Vec<PeerId> = validated.map(|link| link.peer().clone()).collect();
        for (peer, connection) in
            validated.iter().filter_map(|peer| Some((peer, connection(peer)?)))
        {
            known.entry(peer.clone()).or_insert_with(|| Neighbour::new(connection));
        }
        self.neighbourhood.own_bytes.retain(|peer, _| validated.binary_search(peer).is_ok());
        let is_there = |peer: &PeerId| validated.binary_search(peer).is_ok();
        self.neighbourhood.forwarder.retain(is_there, now);
        if validated != self.neighbourhood.validated {
            self.neighbourhood.validated = validated;
            if self.shared.config.forward_pairs > 0 && self.closing == Closing::No {
                self.neighbourhood.tell_at.get_or_insert(now + GATHER);
            }
        }
    }

    /// Chooses the via of every link: the current one while it leads to the peer, otherwise the first that
    /// does.
    fn review_vias(&mut self, now: Time) {
        let Neighbourhood { known, validated, .. } = &self.neighbourhood;
        let mut changes = Vec::new();
        for link in self.links.iter() {
            let leads = |neighbour: &&PeerId| {
                let knows =
                    known.get(*neighbour).is_some_and(|one| one.peers.contains(link.peer()));
                knows && link.accepts_neighbour(neighbour, now)
            };
            let present = link.via().map(|(neighbour, _)| neighbour);
            let present = present.filter(|neighbour| validated.binary_search(neighbour).is_ok());
            let via = present.filter(leads).or_else(|| validated.iter().find(leads));
            let via = via.and_then(|neighbour| Some((neighbour, known.get(neighbour)?.rate)));
            let ended = link.heard_via().filter(|heard| validated.binary_search(heard).is_err());
            if via != link.via() || ended.is_some() {
                let via = via.map(|(neighbour, rate)| (neighbour.clone(), rate));
                changes.push((link.peer().clone(), via, ended.is_some()));
            }
        }
        for (peer, via, forget) in changes {
            self.with_peer(&peer, now, |link, cx| {
                if forget {
                    link.forget_heard_via();
                }
                link.set_via(via, cx);
            });
        }
        let retries = self.links.iter().filter_map(|link| link.retry_way_at(now));
        self.neighbourhood.retry_at = retries.min();
    }

    pub(super) fn run_neighbour_timers(&mut self, now: Time) {
        if self.neighbourhood.tell_at.is_some_and(|at| at <= now) {
            self.neighbourhood.tell_at = None;
            self.tell_neighbours(now);
        }
        if self.neighbourhood.retry_at.is_some_and(|at| at <= now) {
            self.neighbourhood.retry_at = None;
            self.shared.out.vias_changed = true;
        }
    }

    fn review_users(&mut self) {
        let Neighbourhood { users, validated, .. } = &mut self.neighbourhood;
        users.clear();
        for link in
            self.links.iter().filter(|link| link.via().is_some() || link.heard_via().is_some())
        {
            for neighbour in validated.iter().filter(|neighbour| link.uses(neighbour)) {
                users.entry(neighbour.clone()).or_default().peers.push(link.peer().clone());
            }
        }
        self.links.note_all_wanting_via();
    }

    /// Sends every neighbour the list of the others, if it has changed.
    fn tell_neighbours(&mut self, now: Time) {
        let rate = self.shared.config.forward_rate;
        for peer in self.neighbourhood.validated.clone() {
            let Neighbourhood { known, validated, .. } = &mut self.neighbourhood;
            let others = validated.iter().filter(|other| **other != peer);
            let others: Vec<PeerId> = others.take(MAX_NEIGHBOURS).cloned().collect();
            let Some(neighbour) = known.get_mut(&peer).filter(|one| one.listed != others) else {
                continue;
            };
            neighbour.listed.clone_from(&others);
            self.with_peer(&peer, now, |link, _| link.tell_neighbours(others, rate));
        }
    }

    /// Queues a packet of `from` for forwarding.
    fn pass_on(&mut self, from: &PeerId, to: &PeerId, passed: Passed, now: Time) {
        let config = &self.shared.config;
        let allowance = ForwardLimits { pairs: config.forward_pairs, rate: config.forward_rate };
        let validated = &self.neighbourhood.validated;
        let is_neighbour = |peer| validated.binary_search(peer).is_ok();
        let forwarder = &mut self.neighbourhood.forwarder;
        if from == to || !is_neighbour(from) || !is_neighbour(to) {
            return forwarder.note_dropped();
        }
        let takes = self.links.get(to).and_then(Link::max_message).unwrap_or(0);
        if passed.bundle.len() > MAX_BYTES.min(takes.saturating_sub(2 * MAX_PEER_ID)) {
            return forwarder.note_dropped();
        }
        let len = passed.bundle.len() + PASSING_BYTES;
        match forwarder.push(from, to, passed, len, allowance, now) {
            Ok(()) => {
                if let Some(key) = self.links.key(to) {
                    self.links.note(key);
                }
            }
            Err(Refused::Pairs) => {
                self.with_peer(from, now, |link, _| link.refuse_pass(to.clone()));
            }
            Err(Refused::Rate) => {}
        }
    }

    /// Handles a bundle that `neighbour` forwarded, as sent by `from`.
    fn handle_passed(&mut self, neighbour: &PeerId, from: &PeerId, passed: &Passed, now: Time) {
        let Some(own_id) = self.id().cloned() else { return };
        let Some(link) = self.links.get(from) else { return };
        match link.check_seal(&own_id, neighbour, passed) {
            Ok(()) => {}
            Err(Dropped::NoKey) => return,
            Err(Dropped::Forged) => {
                let error = PeerError::Forged { from: from.clone() };
                return self.report_not_genuine(neighbour, error, now);
            }
        }
        // The MAC is right: a malformed bundle is the sender's fault.
        let bundle = match Bundle::read(passed.bundle.clone()) {
            Ok(bundle) => bundle,
            Err(error) => return self.report(from, Misbehavior::from(error).into()),
        };
        if !self.admit(from, bundle.epochs, now) {
            return;
        }
        let first = self.with_peer(from, now, |link, _| link.is_first(neighbour, passed.number));
        if first != Some(true) {
            let error = PeerError::Replayed { from: from.clone() };
            return self.report_not_genuine(neighbour, error, now);
        }
        let path = Path::Via(neighbour.clone());
        self.handle_admitted(from, &path, bundle, passed.bundle.len(), now);
    }

    /// Reports a bundle with a wrong MAC or number, at a limited rate.
    fn report_not_genuine(&mut self, peer: &PeerId, error: PeerError, now: Time) {
        let Some(neighbour) = self.neighbour(peer) else { return };
        if neighbour.reported_at.is_some_and(|at| now - at < REPORT_INTERVAL) {
            return;
        }
        neighbour.reported_at = Some(now);
        self.shared.out.events.push_back(Event::PeerError { peer: peer.clone(), error });
    }

    /// Returns the next frame for the channel to `peer`: the frames of its own link first, and after a bound of
    /// their bytes one bundle that is forwarded, or that uses `peer` as its via.
    pub(super) fn next_shared_frame(&mut self, peer: &PeerId, now: Time) -> Option<Frame> {
        let own = |session: &mut Self| {
            session.with_peer(peer, now, |link, cx| link.poll_direct(cx)).flatten()
        };
        let own_bytes = self.neighbourhood.own_bytes.get(peer).copied().unwrap_or(0);
        if own_bytes >= PATIENCE {
            self.write_passed(peer, now);
        }
        if let Some(frame) = own(self) {
            *self.neighbourhood.own_bytes.entry(peer.clone()).or_default() += frame.len();
            return Some(frame);
        }
        self.write_passed(peer, now);
        own(self)
    }

    /// Writes one bundle for another peer to the channel of `neighbour`.
    fn write_passed(&mut self, neighbour: &PeerId, now: Time) {
        self.neighbourhood.own_bytes.remove(neighbour);
        if let Some(item) = self.next_passed(neighbour, now)
            && self.with_peer(neighbour, now, |link, _| link.push_passed(item)) != Some(true)
        {
            self.neighbourhood.forwarder.note_dropped();
        }
    }

    /// Alternates between this session's links and forwarded bundles.
    fn next_passed(&mut self, neighbour: &PeerId, now: Time) -> Option<Item> {
        let max_message = self.links.get(neighbour)?.max_message()?;
        let own_id = self.id()?.clone();
        let peers = self.neighbourhood.users.get(neighbour).map_or(0, |users| users.peers.len());
        // One turn more than there are links: the last is that of forwarded bundles.
        let turns = peers + 1;
        for _ in 0..turns {
            let users = self.neighbourhood.users.get_mut(neighbour);
            let user = users.and_then(|users| {
                let user = users.peers.get(users.turn).cloned();
                users.turn = (users.turn + 1) % turns;
                user
            });
            let item = match user {
                None => {
                    let passed = self.neighbourhood.forwarder.pop(neighbour);
                    passed.map(|(from, passed)| Item::Passed(from, passed))
                }
                Some(user) => {
                    let passed = self.with_peer(&user, now, |link, cx| {
                        link.poll_via(&own_id, neighbour, max_message, cx)
                    });
                    passed.flatten().map(|passed| Item::Pass(user, passed))
                }
            };
            if item.is_some() {
                return item;
            }
        }
        None
    }

    /// Says good-bye to the peers reached through neighbours, before it says good-bye to the neighbours.
    pub(super) fn say_goodbye_through_neighbours(&mut self, now: Time) {
        let Neighbourhood { users, .. } = &self.neighbourhood;
        let ways = users.iter().map(|(neighbour, users)| (neighbour.clone(), users.peers.clone()));
        for (neighbour, peers) in ways.collect::<Vec<_>>() {
            for peer in peers {
                self.with_peer(&peer, now, |link, _| link.say_goodbye());
            }
            while let Some(item) = self.next_passed(&neighbour, now) {
                self.with_peer(&neighbour, now, |link, _| link.push_passed(item));
            }
        }
    }
}
