//! The checks beside the model, in strict scenarios.

use std::time::Duration;

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, Event, Path, PeerError, PeerId, Policy};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Line, Node, Seen};
use crate::sim::Profile;
use crate::sim::mallory::NEVER;
use crate::sim::model::Made;
use crate::sim::oracles::{Deadline, Rates};
use crate::sim::scenario::{Action, HubSettings};
use crate::sim::shape::Fit;

/// A rate at which nothing has to wait: that of paths that are not narrow.
const WIDE: u64 = 1_000_000;

/// Answers to bundles of incarnations that are over: this many may have been in flight before, or are the first.
const FIRST_ANSWERS: u32 = 2;

/// The interval of checks of caps, in steps.
const LOOK_AT_CAPS: u64 = 16;
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
        if policy == Policy::RelayOnly && self.model.has_lost_key() {
            // Its channels close while it may be the one under its new id that nobody knows yet.
            (0..self.model.nodes()).for_each(|other| self.model.shake(node.index(), other));
        }
        if matches!(policy, Policy::RelayOnly | Policy::DirectOnly) {
            self.model.forbid_paths(node.index());
        }
        let now = self.mesh.now();
        self.ways.set_policy(node.index(), policy, now);
        self.attempts.renew(node.index(), None);
        self.talks.upset(node.index(), None, now);
    }

    /// What sockets held back goes to the hub now: it is seen later than its sender sent it.
    pub(super) fn note_release(&mut self) {
        let now = self.mesh.now();
        let nodes: Vec<Node> = self.live().collect();
        nodes.into_iter().for_each(|node| self.talks.upset(node.index(), None, now));
    }

    /// Two nodes can connect again: either may have made its last attempt meanwhile.
    pub(super) fn note_unblocked(&mut self, a: Node, b: Node) {
        let is_exhausted = |node: &Node| {
            let config = self.model.config(node.index());
            config.is_some_and(|config| self.mesh.attempts(*node) >= config.max_attempts)
        };
        if [a, b].iter().any(is_exhausted) {
            self.milestones.try_in_vain(a.index(), b.index());
        }
    }

    pub(super) fn silence_of(&self, node: Node) -> Duration {
        let config = self.model.config(node.index());
        config.map_or(self.scenario.settings.silence, |config| config.silence_timeout)
    }

    /// Checks everything that has happened since the last look.
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
        self.look_at_offers()?;
        self.look_at_late_offers()?;
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
        self.note_full();
        if self.steps.is_multiple_of(LOOK_AT_CAPS) {
            self.live().try_for_each(|node| {
                self.check_caps(node)?;
                self.check_direct_states(node)
            })?;
            self.check_numbers()?;
        }
        self.check_all_writable()
    }

    fn look_at_talks(&mut self) -> Result<(), Breach> {
        let mut seen = std::mem::take(&mut self.seen);
        self.mesh.take_talks(&mut seen);
        let bounded = self.scenario.settings.hub != HubSettings::default();
        if bounded || self.mesh.effects().changes(Fault::RosterOmission) > 0 {
            self.talks.note_slow_hub();
        }
        for seen in seen.drain(..) {
            if seen.talk.freight.control.wait && seen.heard.is_none() {
                self.mesh.effects_mut().strike(Fault::Unread);
            }
            if !self.is_of_unknown(&seen) {
                self.talks.note(&seen, &self.model)?;
            }
            self.note_proof(&seen);
            self.note_share(&seen)?;
            if !seen.talk.freight.neighbourly.is_empty() {
                self.note_neighbourly(&seen)?;
            }
        }
        self.seen = seen;
        self.review_shares();
        Ok(())
    }

    /// Whether a bundle has come by the hub as of an id that its receiver does not know, or not yet for its sender's, so
    /// that the session drops it; or is one of two links between the same two.
    fn is_of_unknown(&self, seen: &Seen) -> bool {
        let talk = &seen.talk;
        let (from, to) = (talk.from.index(), talk.to.index());
        let by_hub = matches!(talk.line, Line::Relay(..) | Line::Orphan);
        let lost = self.model.has_former_ids(from) && seen.heard.is_some() && by_hub;
        let twice = self.model.is_known_twice(to, from) || self.model.is_known_twice(from, to);
        twice || lost && self.model.known_as(to, from) != self.model.id(from)
    }

    /// Notes the events of a session about its paths.
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
        let by_hub_again =
            matches!(event, Event::PeerBack { .. } | Event::PathChanged { path: Path::Relay, .. });
        if let Some(other) = other.filter(|_| by_hub_again) {
            self.comebacks.note(node.index(), other, self.mesh.now());
        }
        self.refusals.excuse(node.index());
        if peer.is_none() || other.is_some() {
            self.talks.upset(node.index(), other, self.mesh.now());
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are no trouble")]
    pub(super) fn note_strictly(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        self.note_promises(node, event)?;
        self.note_direct_state(node, event)?;
        self.note_link(node, event);
        if let Event::PeerError { peer, error } = event {
            self.note_report(node, peer, error)?;
        }
        self.note_ways(node, event);
        self.note_reasons(node, event);
        self.note_change(node, event);
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
}
