//! Ways through neighbours: who knows whom, who is reached through whom, and what is passed on for others.
//!
//! A neighbour is a v1 peer with a channel that has proved itself. Each tells its neighbours about the others it
//! has; a link without a better path goes through one that knows its peer. What the two ends write to each other
//! is in `link::via`, the limits on what is passed on in `forwarder`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::forwarder::{Allowance, Forwarder, Forwarding, Refused};
use super::relay::open;
use super::{Closing, Session};
use crate::error::PeerError;
use crate::event::{Event, Path};
use crate::frame::Frame;
use crate::id::{ConnectionId, PeerId, Version};
use crate::link::Link;
use crate::link::control::Control;
use crate::link::via::{Dropped, End, MAX_BYTES, MIN_RATE, Neighbourly, Neighbours, Passed};
use crate::packet::Packet;
use crate::time::Time;

/// The most peers that a neighbour is told about.
const MAX_LISTED: usize = 64;

/// How long changes of neighbours gather before they are told.
const GATHER: Duration = Duration::from_millis(100);

/// The shortest time between two reports about what a neighbour passed on.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// After so many bytes of our own on a channel it is the turn of what is passed on, for one packet.
const PATIENCE: usize = 64 << 10;

/// What a session knows about neighbours.
#[derive(Debug, Default)]
pub(super) struct Neighbourhood {
    known: BTreeMap<PeerId, Neighbour>,
    /// The neighbours at the last look.
    verified: Vec<PeerId>,
    /// When they are told about each other.
    tell_at: Option<Time>,
    /// When a neighbour that failed may be a way again.
    retry_at: Option<Time>,
    /// Who is reached through whom now.
    users: BTreeMap<PeerId, Users>,
    forwarder: Forwarder,
    /// Our own bytes per channel since something else had its turn there.
    own_bytes: BTreeMap<PeerId, usize>,
}

/// A peer with a channel.
#[derive(Debug)]
struct Neighbour {
    connection: ConnectionId,
    /// Whom it knows.
    peers: BTreeSet<PeerId>,
    rate: u64,
    /// Whom it was told that we know.
    told: Vec<PeerId>,
    reported_at: Option<Time>,
}

/// The links that send through one neighbour.
#[derive(Debug, Default)]
struct Users {
    peers: Vec<PeerId>,
    /// Whose turn it is.
    turn: usize,
}

impl Neighbour {
    fn new(connection: ConnectionId) -> Self {
        Self { connection, peers: BTreeSet::new(), rate: 0, told: Vec::new(), reported_at: None }
    }
}

impl Neighbourhood {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.tell_at.into_iter().chain(self.retry_at).min()
    }

    pub(super) fn handle_clock_jump(&mut self, by: Duration) {
        for at in self.tell_at.iter_mut().chain(&mut self.retry_at) {
            *at = *at + by;
        }
    }

    pub(super) fn forwarding(&self) -> Forwarding {
        self.forwarder.counts()
    }

    /// Whether something that is not for this peer may wait for its channel.
    pub(super) fn has_work_for(&self, neighbour: &PeerId) -> bool {
        let none = self.users.is_empty() && self.forwarder.is_idle();
        !none && (self.users.contains_key(neighbour) || self.forwarder.waits_for(neighbour))
    }
}

impl Session {
    /// Takes in what neighbours said, and draws the consequences of every change that bears on ways.
    pub(super) fn settle_ways(&mut self, now: Time) {
        while let Some((peer, said)) = self.shared.out.neighbourly.pop_front() {
            match said {
                Neighbourly::Neighbours(neighbours) => self.note_neighbours(&peer, neighbours),
                Neighbourly::Passed(passed) => match passed.end.clone() {
                    End::To(to) => self.pass_on(&peer, &to, passed, now),
                    End::From(from) => self.handle_passed(&peer, &from, &passed, now),
                },
                Neighbourly::NoWay(to) => {
                    if let Some(link) = self.links.get_mut(&to) {
                        link.fail_way(&peer, &mut self.shared.context(now));
                    }
                }
            }
        }
        if std::mem::take(&mut self.shared.out.ways_changed) {
            self.review_neighbours(now);
            self.review_ways(now);
            self.shared.out.users_changed = true;
        }
        if std::mem::take(&mut self.shared.out.users_changed) {
            self.review_users();
        }
    }

    fn note_neighbours(&mut self, peer: &PeerId, Neighbours { peers, rate }: Neighbours) {
        if peers.len() > MAX_LISTED {
            let error = PeerError::Misbehaved("more neighbours than may be told");
            self.shared.out.events.push_back(Event::PeerError { peer: peer.clone(), error });
            return;
        }
        if let Some(neighbour) = self.neighbour(peer) {
            neighbour.peers = peers.into_iter().collect();
            neighbour.rate = rate.max(MIN_RATE);
            self.shared.out.ways_changed = true;
        }
    }

    /// What is known of a peer with a channel.
    fn neighbour(&mut self, peer: &PeerId) -> Option<&mut Neighbour> {
        let connection = self.links.get(peer)?.connection_id()?;
        let known = &mut self.neighbourhood.known;
        let neighbour = known.entry(peer.clone()).or_insert_with(|| Neighbour::new(connection));
        if neighbour.connection != connection {
            *neighbour = Neighbour::new(connection);
        }
        Some(neighbour)
    }

    /// Looks who has a channel that has proved itself, and plans to tell the others.
    fn review_neighbours(&mut self, now: Time) {
        let links = &self.links;
        let connection = |peer: &PeerId| links.get(peer).and_then(Link::connection_id);
        let known = &mut self.neighbourhood.known;
        known.retain(|peer, neighbour| connection(peer) == Some(neighbour.connection));
        let is_neighbour = |link: &Link| link.is_verified() && link.version() == Version::V1;
        let verified: Vec<PeerId> = links
            .values()
            .filter(|link| is_neighbour(link))
            .map(|link| link.peer().clone())
            .collect();
        for (peer, connection) in verified.iter().filter_map(|peer| Some((peer, connection(peer)?)))
        {
            known.entry(peer.clone()).or_insert_with(|| Neighbour::new(connection));
        }
        self.neighbourhood.own_bytes.retain(|peer, _| verified.binary_search(peer).is_ok());
        self.neighbourhood.forwarder.retain(|peer| verified.binary_search(peer).is_ok());
        if verified != self.neighbourhood.verified {
            self.neighbourhood.verified = verified;
            if self.shared.config.forward_pairs > 0 && self.closing == Closing::No {
                self.neighbourhood.tell_at.get_or_insert(now + GATHER);
            }
        }
    }

    /// Chooses the way of every link: the one it has while that is there, or the first.
    fn review_ways(&mut self, now: Time) {
        let Neighbourhood { known, verified, .. } = &self.neighbourhood;
        let mut changes = Vec::new();
        for link in self.links.values() {
            let leads = |neighbour: &&PeerId| {
                let knows =
                    known.get(*neighbour).is_some_and(|one| one.peers.contains(link.peer()));
                knows && link.accepts_neighbour(neighbour, now)
            };
            let present = link.way().map(|(neighbour, _)| neighbour);
            let present = present.filter(|neighbour| verified.binary_search(neighbour).is_ok());
            let way = present.filter(leads).or_else(|| verified.iter().find(leads));
            let way = way.and_then(|neighbour| Some((neighbour, known.get(neighbour)?.rate)));
            if way != link.way() {
                let way = way.map(|(neighbour, rate)| (neighbour.clone(), rate));
                changes.push((link.peer().clone(), way));
            }
        }
        for (peer, way) in changes {
            if let Some(link) = self.links.get_mut(&peer) {
                link.set_way(way, &mut self.shared.context(now));
            }
        }
        let retries = self.links.values().filter_map(|link| link.retry_way_at(now));
        self.neighbourhood.retry_at = retries.min();
    }

    pub(super) fn run_neighbour_timers(&mut self, now: Time) {
        if self.neighbourhood.tell_at.is_some_and(|at| at <= now) {
            self.neighbourhood.tell_at = None;
            self.tell_neighbours();
        }
        if self.neighbourhood.retry_at.is_some_and(|at| at <= now) {
            self.neighbourhood.retry_at = None;
            self.shared.out.ways_changed = true;
        }
    }

    fn review_users(&mut self) {
        self.neighbourhood.users.clear();
        for link in self.links.values().filter(|link| link.controls_via()) {
            if let Some((neighbour, _)) = link.way() {
                let users = self.neighbourhood.users.entry(neighbour.clone()).or_default();
                users.peers.push(link.peer().clone());
            }
        }
    }

    /// Tells every neighbour about the others, as far as it does not know.
    fn tell_neighbours(&mut self) {
        let Neighbourhood { known, verified, .. } = &mut self.neighbourhood;
        for peer in &*verified {
            let others = verified.iter().filter(|other| *other != peer);
            let others: Vec<PeerId> = others.take(MAX_LISTED).cloned().collect();
            let Some(neighbour) = known.get_mut(peer).filter(|one| one.told != others) else {
                continue;
            };
            neighbour.told.clone_from(&others);
            if let Some(link) = self.links.get_mut(peer) {
                link.tell_neighbours(others, self.shared.config.forward_rate);
            }
        }
    }

    /// Takes a packet of `from` that is to be passed on.
    fn pass_on(&mut self, from: &PeerId, to: &PeerId, passed: Passed, now: Time) {
        let config = &self.shared.config;
        let allowance = Allowance { pairs: config.forward_pairs, rate: config.forward_rate };
        let verified = &self.neighbourhood.verified;
        let is_neighbour = |peer| verified.binary_search(peer).is_ok();
        let forwarder = &mut self.neighbourhood.forwarder;
        if from == to || !is_neighbour(from) || !is_neighbour(to) {
            return forwarder.note_dropped();
        }
        let end = End::From(from.clone());
        let packet = Control::Via(Passed { end, ..passed }).to_packet();
        let Some(packet) = packet.ok().filter(|packet| packet.wire_len() <= MAX_BYTES) else {
            return forwarder.note_dropped();
        };
        let len = packet.wire_len();
        if forwarder.push(from, to, packet, len, allowance, now) == Err(Refused::Pairs)
            && let Some(link) = self.links.get_mut(from)
        {
            link.refuse_way(to.clone());
        }
    }

    /// Takes a packet that `neighbour` passes on as from `from`.
    fn handle_passed(&mut self, neighbour: &PeerId, from: &PeerId, passed: &Passed, now: Time) {
        let Some(own_id) = self.id().cloned() else { return };
        let Some(link) = self.links.get(from) else { return };
        match link.check_seal(&own_id, neighbour, passed) {
            Ok(()) => {}
            Err(Dropped::NoKey) => return,
            Err(Dropped::Forged) => {
                return self.report_not_genuine(neighbour, from, "did not send", now);
            }
        }
        if !self.admit(from, passed.epochs, now) {
            return;
        }
        let Some(link) = self.links.get_mut(from) else { return };
        if !link.is_first(neighbour, passed.number) {
            return self.report_not_genuine(neighbour, from, "sent once and that came before", now);
        }
        // It is sealed: what cannot be read is the sender's fault.
        let Some(packet) = open(&passed.parts, &self.shared.config.limits) else {
            let error = PeerError::Misbehaved("an envelope whose head is not UTF-8");
            self.shared.out.events.push_back(Event::PeerError { peer: from.clone(), error });
            return;
        };
        let path = Path::Via(neighbour.clone());
        self.handle_enclosed(from, path, passed.sequence, packet, now);
    }

    /// Reports what a neighbour passed on, not more often than anyone can read.
    fn report_not_genuine(&mut self, peer: &PeerId, from: &PeerId, what: &'static str, now: Time) {
        let Some(neighbour) = self.neighbour(peer) else { return };
        if neighbour.reported_at.is_some_and(|at| now - at < REPORT_INTERVAL) {
            return;
        }
        neighbour.reported_at = Some(now);
        let error = PeerError::NotGenuine { from: from.clone(), what };
        self.shared.out.events.push_back(Event::PeerError { peer: peer.clone(), error });
    }

    /// The next frame for a channel that is not for `peer` alone: what is for it first, and after so much of that
    /// one packet that goes on through it, or has come for it.
    pub(super) fn next_shared_frame(&mut self, peer: &PeerId, now: Time) -> Option<Frame> {
        let own_bytes = self.neighbourhood.own_bytes.get(peer).copied().unwrap_or(0);
        if own_bytes >= PATIENCE {
            self.write_passed(peer, now);
        }
        let link = self.links.get_mut(peer)?;
        if let Some(frame) = link.poll_direct(&mut self.shared.context(now)) {
            *self.neighbourhood.own_bytes.entry(peer.clone()).or_default() += frame.len();
            return Some(frame);
        }
        self.write_passed(peer, now);
        self.links.get_mut(peer)?.poll_direct(&mut self.shared.context(now))
    }

    /// Puts one packet that only goes through `neighbour` on its channel.
    fn write_passed(&mut self, neighbour: &PeerId, now: Time) {
        self.neighbourhood.own_bytes.remove(neighbour);
        let packet = self.next_passed(neighbour, now);
        if let Some(packet) = packet
            && let Some(link) = self.links.get_mut(neighbour)
            && !link.push_passed(packet)
        {
            self.neighbourhood.forwarder.note_dropped();
        }
    }

    /// Of our own links' and of others' in turn.
    fn next_passed(&mut self, neighbour: &PeerId, now: Time) -> Option<Packet> {
        let max_message = self.links.get(neighbour)?.max_message()?;
        let Neighbourhood { users, forwarder, .. } = &mut self.neighbourhood;
        let own_id = self.signaling.id()?;
        let mut nobody = Users::default();
        let Users { peers, turn } = users.get_mut(neighbour).unwrap_or(&mut nobody);
        // One turn more than there are links: that of the others.
        let turns = peers.len() + 1;
        for _ in 0..turns {
            let user = peers.get(*turn);
            *turn = (*turn + 1) % turns;
            let packet = match user {
                None => forwarder.pop(neighbour),
                Some(user) => self.links.get_mut(user).and_then(|link| {
                    link.poll_via(own_id, max_message, &mut self.shared.context(now))
                }),
            };
            if packet.is_some() {
                return packet;
            }
        }
        None
    }

    /// Says good-bye to those that are reached through a neighbour, before it is said to the neighbour.
    pub(super) fn say_goodbye_through_neighbours(&mut self, now: Time) {
        let Neighbourhood { users, .. } = &self.neighbourhood;
        let ways = users.iter().map(|(neighbour, users)| (neighbour.clone(), users.peers.clone()));
        for (neighbour, peers) in ways.collect::<Vec<_>>() {
            for peer in peers {
                if let Some(link) = self.links.get_mut(&peer) {
                    link.say_goodbye();
                }
            }
            let last = |session: &mut Self| session.next_passed(&neighbour, now);
            while let Some(packet) = last(self) {
                if let Some(link) = self.links.get_mut(&neighbour) {
                    link.push_passed(packet);
                }
            }
        }
    }
}
