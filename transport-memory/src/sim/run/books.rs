//! What is looked at beside the model, where the scenario is strict.

use std::time::Duration;

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, EmitError, Event, Path, PeerError, PeerId, Policy};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, HubNews, Node};
use crate::sim::Profile;
use crate::sim::mallory::NEVER;
use crate::sim::model::Made;
use crate::sim::oracles::{Deadline, Rates};
use crate::sim::original::Original;
use crate::sim::scenario::{Action, HubSettings, Manner};
use crate::sim::shape::{Fit, Shape};
use crate::witness::{Declined, Refused};

/// A rate at which nothing has to wait: that of paths that are not narrow.
const WIDE: u64 = 1_000_000;

/// Answers to what is over: so many may have been under way before, or are the first.
const FIRST_ANSWERS: u32 = 2;

/// How often it is looked what sessions have, in steps.
const LOOK_AT_CAPS: u64 = 16;

/// What is sent for each byte that is delivered, in percent, and beside it for each event, for each peer and second, and
/// at the beginning.
const PERCENT: u64 = 140;
const PER_EVENT: u64 = 1_200;
const PER_SECOND: u64 = 1_000;
const AT_FIRST: u64 = 60_000;

impl Run<'_> {
    pub(super) fn is_strict(&self) -> bool {
        self.scenario.settings.strict && self.host.is_none()
    }

    /// Nothing is done to any path.
    fn is_calm(&self) -> bool {
        matches!(self.scenario.profile, Profile::Limits | Profile::Streams | Profile::Slopes)
    }

    pub(super) fn add_books(&mut self, place: usize, node: Node, config: Config) {
        self.note_policy(node, config.policy);
        // Somebody who has crashed takes a place for a while.
        // So does somebody who closed while the hub was down.
        let comes_back = |action: &Action| {
            matches!(action, Action::Restart { .. } | Action::Attack { .. } | Action::Close { .. })
        };
        let come_back = self.scenario.actions.iter().any(|timed| comes_back(&timed.action));
        let all = self.places.len() + self.scenario.settings.originals;
        if config.max_peers + 1 < all || come_back {
            self.milestones.reserve(node.index());
        }
        if let Some(bytes) = self.scenario.settings.node(place).outstanding {
            self.mesh.set_outstanding_of(node, bytes);
        }
        self.mesh.set_datagrams(node, self.scenario.settings.node(place).datagrams);
        self.model.set_config(node.index(), config);
    }

    pub(super) fn note_policy(&mut self, node: Node, policy: Policy) {
        if policy == Policy::RelayOnly {
            self.milestones.reserve(node.index());
        }
        if matches!(policy, Policy::RelayOnly | Policy::DirectOnly) {
            self.model.forbid_paths(node.index());
        }
        let now = self.mesh.now();
        self.ways.set_policy(node.index(), policy, now);
        self.talks.upset(node.index(), None, now);
    }

    pub(super) fn silence_of(&self, node: Node) -> Duration {
        let config = self.model.config(node.index());
        config.map_or(self.scenario.settings.silence, |config| config.silence_timeout)
    }

    /// What has happened since the last look: on the way, and to originals.
    pub(super) fn look(&mut self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        self.judge_hub()?;
        let mut carried = std::mem::take(&mut self.carried);
        self.mesh.take_carried(&mut carried);
        for carried in carried.drain(..) {
            self.sharing.note(&carried);
            self.ways.note(carried, &self.model)?;
        }
        self.carried = carried;
        self.check_windows()?;
        self.look_at_talks()?;
        self.look_at_channels()?;
        if std::mem::take(&mut self.ways.bound) > 0 {
            self.mesh.effects_mut().strike(Fault::PolicyBinds);
        }
        let now = self.mesh.now();
        self.deadlines.check(now, &self.model)?;
        self.look_at_tries()?;
        self.check_farewells(now)?;
        self.check_stalls(now)?;
        self.take_originals()?;
        if let Some(mallory) = &self.mallory
            && let Some(since) = mallory.stale_since
        {
            let seconds = (now - since).as_secs() as u32;
            let most = FIRST_ANSWERS + 2 * seconds;
            if mallory.answers > most {
                return Err(Breach::new(
                    Invariant::StaleAnswers,
                    format!("at most {most} answers in {seconds} s, one a second"),
                    format!("{}", mallory.answers),
                ));
            }
        }
        if self.mesh.astray() > 0 {
            return Err(Breach::new(
                Invariant::Astray,
                "answers to the offer of their own attempt",
                format!("{} to others", self.mesh.astray()),
            ));
        }
        if self.steps.is_multiple_of(LOOK_AT_CAPS) {
            self.live().try_for_each(|node| self.check_caps(node))?;
        }
        self.check_all_writable()
    }

    /// What the hub did wrong, or a session towards it.
    fn judge_hub(&mut self) -> Result<(), Breach> {
        for (node, offerer) in self.mesh.take_taken_up() {
            self.note_reply(node.index(), offerer.index())?;
        }
        let Some(HubNews { verdict, refused, declined }) = self.mesh.judge_hub() else {
            return Ok(());
        };
        if let Some(breach) = verdict {
            return Err(breach);
        }
        for Refused { from, why } in refused {
            let honest = |node| !self.model.is_raw(node) && !self.model.is_original(node);
            if self.model.find(&from).is_some_and(honest) {
                let expected = format!("{from} to say what the hub takes");
                return Err(Breach::new(Invariant::HubBounds, expected, why.to_string()));
            }
        }
        declined.iter().try_for_each(|declined| self.note_declined(declined))
    }

    /// A session has answered or declined an offer.
    fn note_reply(&mut self, node: usize, offerer: usize) -> Result<(), Breach> {
        let Some(config) = self.model.config(node) else { return Ok(()) };
        self.offers.note((node, offerer), config.retry.first, self.mesh.now())
    }

    fn note_declined(&mut self, Declined { by, of, glare }: &Declined) -> Result<(), Breach> {
        let (Some(node), Some(offerer)) = (self.model.find(by), self.model.find(of)) else {
            return Ok(());
        };
        if self.model.is_raw(node) {
            return Ok(());
        }
        if *glare && by > of {
            let expected = format!("the offer of {of} to stand, whose id is smaller");
            return Err(Breach::new(Invariant::Glare, expected, format!("{by} declines it")));
        }
        if self.model.is_raw(offerer) { self.note_reply(node, offerer) } else { Ok(()) }
    }

    fn look_at_talks(&mut self) -> Result<(), Breach> {
        let mut seen = std::mem::take(&mut self.seen);
        self.mesh.take_talks(&mut seen);
        let bounded = self.scenario.settings.hub != HubSettings::default();
        if bounded || self.mesh.effects().changes(Fault::RosterOmission) > 0 {
            self.talks.note_slow_hub();
        }
        for seen in seen.drain(..) {
            self.talks.note(&seen, &self.model)?;
            if !seen.talk.freight.neighbourly.is_empty() {
                self.note_neighbourly(&seen)?;
            }
        }
        self.seen = seen;
        Ok(())
    }

    /// What a session tells of its ways.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are about none")]
    fn note_ways(&mut self, node: Node, event: &Event) {
        let peer = match event {
            Event::PathChanged { path: Path::Direct, .. } => return,
            Event::PathChanged { peer, .. }
            | Event::PeerJoined { peer, .. }
            | Event::PeerAway { peer }
            | Event::PeerBack { peer }
            | Event::PeerLeft { peer, .. }
            | Event::PeerError { peer, .. } => Some(peer),
            Event::Disconnected { .. } => None,
            _ => return,
        };
        let other = peer.and_then(|peer| self.model.find(peer));
        if let (Event::PeerJoined { .. } | Event::PeerLeft { .. }, Some(other)) = (event, other) {
            self.seals.forget(node.index(), other);
        }
        self.refusals.excuse(node.index());
        self.forwarded.excuse(node.index());
        if peer.is_none() || other.is_some() {
            self.talks.upset(node.index(), other, self.mesh.now());
        }
    }

    pub(super) fn check_all_writable(&mut self) -> Result<(), Breach> {
        while let Some((node, peer, lane)) = self.writable.pop() {
            self.check_writable(node, &peer, lane)?;
        }
        Ok(())
    }

    /// After `Writable` a small event is taken.
    fn check_writable(&mut self, node: Node, peer: &PeerId, lane: Lane) -> Result<(), Breach> {
        let other = self.model.find(peer);
        let known = other.is_some_and(|other| self.model.knows(node.index(), other));
        if !known || !self.mesh.is_running(node) || self.mesh.is_frozen(node) {
            return Ok(());
        }
        if self.model.is_closing(node.index()) {
            return Ok(());
        }
        let shape = Shape::default();
        let number = self.model.next_number();
        let Some(event) = shape.event(number) else { return Ok(()) };
        let emitted = self.mesh.with(node, |session, now| match lane {
            Lane::Bulk => session.emit_bulk(peer, &event, now),
            Lane::Events | Lane::Volatile => session.emit(peer, &event, now),
        });
        let extent = shape.extent(&event);
        match emitted {
            Ok(emitted) => {
                let made = Made { lane, shape, extent, asks: false, all: false };
                let (index, emit) = (node.index(), emitted.id.as_u64());
                self.model.emitted(index, emit, made, &emitted.accepted)?;
                self.note_emitted(node, number, made, &emitted.accepted);
                Ok(())
            }
            // An answer or a transfer may have taken the room.
            Err(EmitError::Blocked { queued, .. })
                if !self.model.shares_lane(node.index(), peer) && !self.transfers.has_any(node) =>
            {
                Err(Breach::new(
                    Invariant::Writable,
                    format!("an event of {} bytes for {peer} to be taken", extent.bytes),
                    format!("`Blocked` right after `Writable`, with {queued} bytes queued"),
                ))
            }
            Err(error) => self.turned_away(node, Some(peer), Some(extent), &error),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are no trouble")]
    pub(super) fn note_strictly(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        self.note_promises(node, event)?;
        if let Event::PeerError { peer, error } = event {
            self.note_report(node, peer, error)?;
        }
        self.note_ways(node, event);
        if let Event::Received { from, packet, .. } = event
            && self.mallory.is_some()
            && packet.event_name().is_some_and(|name| name == NEVER)
        {
            return Err(Breach::new(
                Invariant::Datagrams,
                "nothing of a datagram but volatile events of the incarnation that is known",
                format!("{packet:?} of {from} at {node:?}"),
            ));
        }
        if matches!(event, Event::Ready | Event::Upgrade) {
            let upgrade = matches!(event, Event::Upgrade);
            let index = node.index();
            return self.milestones.note(index, upgrade, &self.mesh, &self.model);
        }
        if !self.is_calm() {
            return Ok(());
        }
        let kind =
            if self.scenario.settings.honest { Invariant::GivenUp } else { Invariant::Refusal };
        match event {
            Event::PeerError { peer, error } => {
                let own = Config::default().receive_bytes;
                let config = self.model.config(node.index());
                let tight = config.is_some_and(|config| config.receive_bytes < own);
                let refusal = match error {
                    PeerError::BadPacket(_) | PeerError::ForbiddenPath(_) => true,
                    PeerError::NoRoom => tight,
                    _ => false,
                };
                // One that stays on the relay from now on closes its channels.
                let stays = |peer| {
                    let choosy = [peer, node.index()].map(|one| self.model.is_choosy(one));
                    !self.model.is_closing(peer) && choosy == [false; 2]
                };
                let here = self.model.find(peer).is_some_and(stays);
                if !refusal && here && self.breaks == 0 {
                    let came = format!("{error} at {node:?}");
                    return Err(Breach::new(kind, "no trouble on a path that is whole", came));
                }
            }
            Event::Disconnected { error, .. } if self.breaks == 0 => {
                let expected = "nobody to lose the hub";
                return Err(Breach::new(kind, expected, format!("{error} at {node:?}")));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn note_received(
        &mut self,
        node: Node,
        number: u64,
        path: &Path,
    ) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        let sender = self.model.sender_of(number);
        if sender.is_some_and(|sender| self.model.is_original(sender)) {
            // The hub makes an envelope of what it says: its way is not that of the envelope.
            self.note_original(path == &Path::Direct);
            return Ok(());
        }
        if sender.is_some_and(|sender| self.is_slow(sender, node.index(), path)) {
            let direct = *path == Path::Direct;
            let fault = if direct { Fault::SlowChannel } else { Fault::SlowRelay };
            self.mesh.effects_mut().strike(fault);
        }
        self.look_at_ways()?;
        self.ways.check_path(number, node.index(), path, &self.model)
    }

    /// What was sent before this event was told.
    pub(super) fn look_at_ways(&mut self) -> Result<(), Breach> {
        let mut carried = Vec::new();
        self.mesh.take_carried(&mut carried);
        carried.into_iter().try_for_each(|carried| self.ways.note(carried, &self.model))
    }

    fn is_slow(&self, sender: usize, node: usize, path: &Path) -> bool {
        self.scenario.settings.honest
            && self.narrow.iter().any(|(from, to, _)| match to {
                Some(to) => *path == Path::Direct && (from.index(), to.index()) == (sender, node),
                None => *path == Path::Relay && [sender, node].contains(&from.index()),
            })
    }

    pub(super) fn note_refused(&mut self, fit: Fit) {
        let fault = match fit {
            Fit::Bytes => Fault::RefusedBytes,
            Fit::Attachments => Fault::RefusedAttachments,
            Fit::Depth => Fault::RefusedDepth,
            Fit::Fits | Fit::Close => return,
        };
        self.mesh.effects_mut().strike(fault);
    }

    /// A path is narrow from now on, or is not any more. One that is wider now counts as what it was: something may have
    /// been sent on it before.
    pub(super) fn note_rate(&mut self, from: Node, to: Option<Node>, rate: u32) {
        let before = self.narrow.iter().position(|(a, b, _)| (*a, *b) == (from, to));
        let before = before.map(|index| self.narrow.swap_remove(index).2);
        if rate > 0 {
            self.narrow.push((from, to, before.map_or(rate, |before| before.min(rate))));
        }
    }

    /// An event was taken: from when on it is late.
    pub(super) fn note_emitted(&mut self, node: Node, number: u64, made: Made, to: &[PeerId]) {
        let settings = &self.scenario.settings;
        if !self.is_strict() || made.lane == Lane::Volatile {
            return;
        }
        self.note_hoarded(node, to);
        let receivers: Vec<usize> = to.iter().filter_map(|id| self.model.find(id)).collect();
        let now = self.mesh.now();
        if settings.honest {
            let mine = |(a, b, _): &&(Node, Option<Node>, u32), out: bool| match b {
                None => *a == node || receivers.contains(&a.index()),
                Some(b) if out => *a == node && receivers.contains(&b.index()),
                Some(b) => *b == node && receivers.contains(&a.index()),
            };
            let slowest = |out: bool| {
                let rates = self.narrow.iter().filter(|narrow| mine(narrow, out));
                rates.map(|(_, _, rate)| u64::from(*rate)).min().unwrap_or(WIDE)
            };
            let rates = Rates {
                out: slowest(true),
                back: slowest(true).min(slowest(false)),
                delay: settings.relay_latency * 8 + Duration::from_millis(400),
                cut_every: (self.breaks > 0).then(|| Duration::from_secs(30)),
                behind_bulk: settings.behind_bulk,
            };
            let what = (number, node.index(), made.lane, made.extent.bytes);
            return self.deadlines.emitted(what, &receivers, rates, now);
        }
        if self.scenario.profile != Profile::Neighbours || made.lane != Lane::Events {
            return;
        }
        // Those that pass on little, or for few, promise nothing about time.
        let nodes = &settings.nodes;
        if nodes.iter().any(|node| node.forward_rate.or(node.forward_pairs.map(|_| 0)).is_some()) {
            return;
        }
        for receiver in receivers {
            let through =
                |a: usize, b: usize| matches!(self.model.path(a, b), Some((Path::Via(_), false)));
            if !through(node.index(), receiver) {
                continue;
            }
            // One that passes on everything does so at once; one that does not is left in time.
            let spans = if self.swallows { 10 } else { 2 };
            self.deadlines.push(Deadline {
                number,
                sender: node.index(),
                receiver,
                made: now,
                due: now + settings.silence * spans,
                kind: Invariant::Neighbour,
                ended: true,
            });
        }
    }

    // ----- original clients -----

    pub(super) fn set_original(&mut self, client: usize, on: bool) -> Result<(), Breach> {
        let Some(place) = self.originals.get_mut(client) else { return Ok(()) };
        match (on, place.take()) {
            (true, None) => {
                self.align();
                self.hit(Fault::Original);
                let original = Original::new(&mut self.mesh);
                self.model.add_original();
                self.milestones.reserve(original.node.index());
                self.originals[client] = Some(original);
            }
            (false, Some(mut original)) => {
                original.leave(&mut self.mesh);
                self.model.forget(original.node.index());
                let soon = self.mesh.now() + self.scenario.settings.relay_latency * 2;
                self.run_until(soon)?;
                self.mesh.crash(original.node);
                self.collect()?;
            }
            (_, before) => self.originals[client] = before,
        }
        Ok(())
    }

    pub(super) fn dismiss_originals(&mut self) -> Result<(), Breach> {
        for client in 0..self.originals.len() {
            self.set_original(client, false)?;
        }
        Ok(())
    }

    pub(super) fn emit_original(&mut self, client: usize, to: Option<usize>, size: usize) {
        let Some(Some(original)) = self.originals.get(client) else { return };
        let shape = Shape::of_size(size);
        let Some(event) = shape.event(self.model.next_number()) else { return };
        let receiver = match to {
            None => None,
            Some(place) => match self.places.get(place).copied().flatten() {
                Some(node) => Some(node),
                None => return,
            },
        };
        let id = receiver.and_then(|node| self.model.id(node.index()).cloned());
        if (to.is_some() && id.is_none()) || !original.can_emit(id.as_ref()) {
            return;
        }
        let to = receiver.map(Node::index);
        self.model.original_emitted(original.node.index(), to, shape, &event);
        original.emit(&mut self.mesh, id.as_ref(), &event);
    }

    fn take_originals(&mut self) -> Result<(), Breach> {
        let mut come = Vec::new();
        for client in 0..self.originals.len() {
            let Some(original) = &mut self.originals[client] else { continue };
            original.act(&mut self.mesh, &mut come);
            let node = original.node.index();
            for (packet, direct) in come.drain(..) {
                // Answers and offers are no events of applications.
                if packet.event_name().is_some_and(|name| name == "n" || name == "w") {
                    self.model.original_received(node, direct, &packet)?;
                    self.note_original(direct);
                }
            }
        }
        Ok(())
    }

    fn note_original(&mut self, direct: bool) {
        let fault = if direct { Fault::OriginalDirect } else { Fault::Original };
        self.mesh.effects_mut().strike(fault);
    }

    // ----- at the end -----

    pub(super) fn check_milestones(&self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        self.live().try_for_each(|node| self.milestones.check_told(node, &self.mesh, &self.model))
    }

    /// Where nothing else is under way, volatile events arrive, and the hub has nothing to do where all paths are direct.
    pub(super) fn check_idle_paths(&mut self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        let latency = self.scenario.settings.relay_latency + self.scenario.settings.direct_latency;
        let round = latency * 4 + Duration::from_millis(100);
        let before = self.mesh.uploads();
        self.run_until(self.mesh.now() + round)?;
        let quiet = self.mesh.uploads() == before;
        let mut numbers = Vec::new();
        for place in 0..self.places.len() {
            let Some(node) = self.places[place] else { continue };
            // The hub may name somebody late.
            let peers = self.mesh.session(node).peers().filter(|peer| peer.path.is_some());
            let reached: Vec<_> = peers.filter_map(|peer| self.model.find(&peer.id)).collect();
            numbers.push((self.model.next_number(), reached));
            self.emit(node, None, Shape::default(), Manner::Volatile)?;
            self.emit(node, None, Shape::default(), Manner::Event)?;
        }
        let (direct, uploads) = (quiet && self.is_all_direct(), self.mesh.uploads());
        let begun = self.model.lives();
        self.run_until(self.mesh.now() + round)?;
        // Neither events nor what is said about them goes by the hub then.
        let uploads = self.mesh.uploads() - uploads;
        if direct && self.is_all_direct() && uploads > 0 {
            return Err(Breach::new(
                Invariant::WayBack,
                "nothing through the hub while all paths are direct",
                format!("{uploads} messages"),
            ));
        }
        for (number, reached) in numbers {
            let Some(sender) = self.model.sender_of(number) else { continue };
            let receivers = self.live().filter(|node| reached.contains(&node.index()));
            let receivers: Vec<Node> = receivers.filter(|node| node.index() != sender).collect();
            let got = |node: &Node| self.model.has_arrived(number, node.index());
            // Who has just begun anew, or is about to, may miss what is sent once.
            let lives = self.model.lives();
            let same = |a: usize, b: usize| begun[a][b] == lives[a][b];
            let stays = |node: &&Node| same(sender, node.index()) && same(node.index(), sender);
            if let Some(node) = receivers.iter().filter(stays).find(|node| !got(node)) {
                return Err(Breach::new(
                    Invariant::IdleVolatile,
                    format!("a volatile event of node {sender} on the idle path to {node:?}"),
                    "it was dropped, or has not come",
                ));
            }
        }
        Ok(())
    }

    fn is_all_direct(&self) -> bool {
        let is_direct = |node| {
            let mut peers = self.mesh.session(node).peers();
            peers.all(|peer| peer.validated && peer.path == Some(Path::Direct))
        };
        self.live().all(is_direct) && self.originals.is_empty()
    }

    /// Where nothing was lost, not much more was sent than was delivered.
    pub(super) fn check_economy(&mut self) -> Result<(), Breach> {
        let honest = self.scenario.settings.honest || self.scenario.profile == Profile::Streams;
        if !self.is_strict() || !honest || self.breaks > 0 {
            return Ok(());
        }
        let seconds = (self.mesh.now() - self.start).as_secs() + 1;
        for node in self.live() {
            let (bytes, events) = self.model.arrived_of(node.index());
            let (_, come) = self.model.come_to(node.index());
            let bytes = bytes + self.transfers.read_of(node);
            let all = AT_FIRST
                + bytes * PERCENT / 100
                + (events + come + bytes / 256) * PER_EVENT / 4
                + (events + come) * PER_EVENT
                + PER_SECOND * seconds * self.places.len() as u64;
            let sent = self.mesh.sent_bytes(node);
            if sent > all {
                return Err(Breach::new(
                    Invariant::Economy,
                    format!("at most {all} bytes sent by {node:?}, for {bytes} in {events} events"),
                    format!("{sent}"),
                ));
            }
        }
        Ok(())
    }
}
