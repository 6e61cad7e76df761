//! Events of sessions about time: deadlines, windows, pauses.

use std::time::Duration;

use socketio_p2p_core::{
    Event, LeaveReason, Outcome, Path, PeerId, PeerInfo, Policy, SignalingError, Time,
};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Node};
use crate::sim::oracles::{Expected, Spans, asked_for};

/// What hearing of a farewell may take beside its way.
const UNHURRIED: Duration = Duration::from_millis(20);

/// A driver that takes output later than this may be too late for farewells.
const LATEST_DRIVER: Duration = Duration::from_millis(80);

impl Run<'_> {
    /// Something is done to a node's clock or process, or ends.
    pub(super) fn disturb(&mut self, node: Node) {
        let now = self.mesh.now();
        self.calm.disturb(node, now);
        self.forwarded.excuse(node.index());
        self.senders.excuse(node.index());
        self.refusals.excuse(node.index());
    }

    /// An application takes no events, or does again: what it is to do at once it does later.
    pub(super) fn set_receiving(&mut self, node: Node, receiving: bool) {
        if self.mesh.is_frozen(node) {
            // An application that stands still says nothing.
            return;
        }
        if !receiving {
            self.hit(Fault::Unread);
        }
        self.deaf.retain(|deaf| deaf.node != node);
        self.milestones.slow(node.index());
        self.disturb(node);
        if receiving {
            self.talks.resume(node.index());
        }
        self.mesh.set_receiving(node, receiving);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others promise nothing about time")]
    pub(super) fn note_promises(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        let (index, now) = (node.index(), self.mesh.now());
        match event {
            Event::Ack { emit, .. } => self.note_end_of_question(node, emit.as_u64(), false),
            Event::NoAck { emit, timed_out: true, .. } => {
                self.note_end_of_question(node, emit.as_u64(), true)
            }
            Event::NoAck { peer, timed_out: false, .. } => {
                if let Some(peer) = self.model.find(peer) {
                    self.questions_of.given_up(index, peer);
                }
                Ok(())
            }
            Event::PeerJoined { peer, .. } => {
                self.absences.joined(index, peer);
                Ok(())
            }
            Event::PeerAway { peer } => {
                self.absences.away(index, peer, now);
                self.stalls.excuse(index);
                Ok(())
            }
            Event::PeerBack { peer } => self.note_end_of_absence(node, peer, false),
            Event::PeerLeft { peer: id, reason, .. } => {
                let Some(peer) = self.model.find(id) else { return Ok(()) };
                self.questions_of.left(index, peer);
                let waits = self.talks.waits(index, peer) && !self.model.is_renewed(index, peer);
                if *reason == LeaveReason::Stalled && waits {
                    return Err(Breach::new(
                        Invariant::Waiting,
                        format!("{node:?} to wait for node {peer}, as it was told"),
                        "it gave it up",
                    ));
                }
                self.farewells.heard(node, Node::from_index(peer));
                self.note_stalled(node, peer, *reason)?;
                self.note_end_of_absence(node, id, *reason == LeaveReason::TimedOut)
            }
            Event::Connected { .. } => {
                self.reconnects.joined(index);
                Ok(())
            }
            Event::Disconnected { error, retry_in } => {
                self.stalls.excuse(index);
                self.note_lost(node, error, *retry_in)
            }
            Event::Outcome { emit, peer, outcome } => {
                self.check_sent(node, emit.as_u64(), peer, *outcome)
            }
            Event::PathChanged { peer, path: Path::Direct } => {
                self.check_proof(node, peer)?;
                self.check_switch(node, peer)
            }
            Event::PathChanged { path, .. } => {
                if matches!(path, Path::Via(_)) {
                    self.stalls.excuse(index);
                }
                self.milestones.review(index, &self.mesh, &self.model);
                Ok(())
            }
            Event::Closed => self.note_closed(node),
            _ => Ok(()),
        }
    }

    /// What ended as sent, or as not sent, was, or was not.
    fn check_sent(
        &mut self,
        node: Node,
        emit: u64,
        peer: &PeerId,
        outcome: Outcome,
    ) -> Result<(), Breach> {
        let as_sent = match outcome {
            // What a session has given half of is sent for it.
            Outcome::Unknown if !self.mesh.owes_body(node) => true,
            Outcome::NotSent => false,
            Outcome::Delivered | Outcome::Refused | Outcome::Unknown | _ => return Ok(()),
        };
        let peer = self.model.find(peer);
        if peer.is_none_or(|peer| self.model.is_original(peer)) {
            return Ok(());
        }
        let Some(number) = self.model.number_of(node.index(), emit) else { return Ok(()) };
        self.look_at_ways()?;
        self.ways.check_sent(number, as_sent, &self.model)
    }

    /// A path has become direct: not against the policy.
    fn check_switch(&self, node: Node, peer: &PeerId) -> Result<(), Breach> {
        let running = self.mesh.is_running(node);
        if !running || self.mesh.session(node).policy() != Policy::Manual {
            return Ok(());
        }
        let asked = self
            .upgraded
            .iter()
            .any(|(by, with)| *by == node && with.as_ref().is_none_or(|with| with == peer));
        if asked {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Manual,
            format!("{node:?} to stay on the relay with {peer} until `upgrade`"),
            "it went over to the direct path",
        ))
    }

    /// After `upgrade` each direct path that has proved itself is used.
    pub(super) fn check_upgraded(
        &mut self,
        node: Node,
        target: Option<PeerId>,
    ) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        let session = self.mesh.session(node);
        let meant = |peer: &PeerInfo| target.as_ref().is_none_or(|target| *target == peer.id);
        let late = session
            .peers()
            .find(|peer| meant(peer) && peer.validated && peer.path != Some(Path::Direct));
        if let Some(peer) = late.filter(|_| session.policy() != Policy::RelayOnly) {
            return Err(Breach::new(
                Invariant::Manual,
                format!("{node:?} to use its direct paths right after `upgrade`"),
                format!("{peer:?}"),
            ));
        }
        self.upgraded.push((node, target));
        Ok(())
    }

    /// A volatile event was turned away: that counts.
    pub(super) fn check_dropped(&mut self, node: Node, peer: &PeerId) -> Result<(), Breach> {
        let least = self.model.dropped(node.index(), peer);
        let told = self.mesh.session(node).peers().find(|known| known.id == *peer);
        match told {
            Some(told) if told.dropped < least && self.is_strict() => Err(Breach::new(
                Invariant::Getters,
                format!("at least {least} dropped events for {peer}"),
                format!("{}", told.dropped),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// What a session says that it has passed on has left it.
    pub(super) fn check_passed(&self, node: Node) -> Result<(), Breach> {
        let (said, left) =
            (self.mesh.session(node).forwarding().packets, self.mesh.passed_by(node));
        if said == left {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Getters,
            format!("{node:?} to have passed {left} packets on"),
            format!("{said}"),
        ))
    }

    /// A node is about to close.
    pub(super) fn note_parting(&mut self, node: Node) {
        if !self.is_strict() {
            return;
        }
        let reached = self.live().filter(|other| self.is_heard_by(node, *other)).collect();
        self.farewells.asked(node, self.mesh.now(), self.stirs, reached);
    }

    /// Whether a whole path leads from one node to another, which listens.
    fn is_heard_by(&self, node: Node, other: Node) -> bool {
        let mesh = &self.mesh;
        if other == node || !mesh.is_prompt(other) || !self.model.knows(other.index(), node.index())
        {
            return false;
        }
        let proved = |a: Node, b: Node| mesh.peer(a, b).is_some_and(|peer| peer.validated);
        let direct = mesh.is_clear(node, other) && proved(node, other) && proved(other, node);
        let by_hub =
            [node, other].iter().all(|one| mesh.hears_hub(*one) && mesh.session(*one).is_joined());
        direct || by_hub
    }

    fn note_closed(&mut self, node: Node) -> Result<(), Breach> {
        let Some(config) = self.model.config(node.index()) else { return Ok(()) };
        let Some(asked) = self.farewells.asked_at(node) else { return Ok(()) };
        let calm = self.calm.holds(node, asked, &self.mesh);
        let settings = &self.scenario.settings;
        let latency = settings.relay_latency.max(settings.direct_latency);
        let travel = latency * 4 + UNHURRIED;
        self.farewells.closed(node, config.close_timeout, calm, travel, self.mesh.now())
    }

    /// Who was reached when somebody closed, with nothing done since, has heard of it.
    pub(super) fn check_farewells(&mut self, now: Time) -> Result<(), Breach> {
        for expected in self.farewells.take_due(now) {
            let Expected { listener, gone, asked, stirs, .. } = expected;
            let late = self.mesh.drains_every(gone).is_some_and(|pause| pause >= LATEST_DRIVER);
            let calm = [listener, gone].iter().all(|one| self.calm.holds(*one, asked, &self.mesh));
            let excused = late || !calm || stirs != self.stirs;
            let listens = !self.model.is_closing(listener.index());
            if !excused && listens && self.model.knows(listener.index(), gone.index()) {
                return Err(Breach::new(
                    Invariant::Farewell,
                    format!("{listener:?} to hear that {gone:?} has left"),
                    format!("it has not, {:?} after `close`", now - asked),
                ));
            }
        }
        Ok(())
    }

    /// A node says that it has lost the hub, and when it tries again.
    fn note_lost(
        &mut self,
        node: Node,
        error: &SignalingError,
        retry_in: Duration,
    ) -> Result<(), Breach> {
        self.look_at_tries()?;
        let Some(config) = self.model.config(node.index()) else { return Ok(()) };
        let backoff = config.reconnect;
        let (mut asked, mut code) = (Duration::ZERO, None);
        if let SignalingError::PutOff(refusal) = error {
            // The last words of a hub that closes name their pause beside the text.
            let told = asked_for(&refusal.message);
            asked = if told.is_zero() { self.pause_of_hub() } else { told };
            code = refusal.code.as_deref();
        }
        if code == Some("too-many-joins") {
            self.mesh.effects_mut().strike(Fault::TooManyJoins);
        }
        self.reconnects.lost(node.index(), retry_in, asked, backoff, self.mesh.now())
    }

    /// Who has tried to reach the hub since the last look.
    pub(super) fn look_at_tries(&mut self) -> Result<(), Breach> {
        let mut tries = std::mem::take(&mut self.tries);
        self.mesh.take_tries(&mut tries);
        for (node, at) in tries.drain(..) {
            self.check_out(node)?;
            let Some(since) = self.reconnects.since(node.index()) else { continue };
            if self.calm.holds(node, since, &self.mesh) {
                self.reconnects.tried(node.index(), at)?;
            } else {
                self.reconnects.excuse(node.index());
            }
        }
        self.tries = tries;
        Ok(())
    }

    /// An event was taken for a peer that acknowledges nothing.
    pub(super) fn note_hoarded(&mut self, node: Node, accepted: &[PeerId]) {
        let Some(mallory) = self.mallory.as_ref().filter(|mallory| mallory.hoards) else { return };
        let hoarder = mallory.node.index();
        if !self.is_strict() || !accepted.iter().any(|id| self.model.find(id) == Some(hoarder)) {
            return;
        }
        // A neighbour may have nobody to pass it on to.
        let mut peers = self.mesh.session(node).peers();
        let peer = peers.find(|peer| self.model.find(&peer.id) == Some(hoarder));
        let path = peer.and_then(|peer| peer.path);
        let reached = path.is_some_and(|path| !matches!(path, Path::Via(_)));
        let Some(config) = self.model.config(node.index()) else { return };
        let now = self.mesh.now();
        self.stalls.sent(node.index(), hoarder, now, config.stall_timeout, reached);
    }

    /// A peer has left: where it acknowledged nothing, not too early, and a path led to it.
    fn note_stalled(&mut self, node: Node, peer: usize, reason: LeaveReason) -> Result<(), Breach> {
        let stalled = reason == LeaveReason::Stalled;
        let config = self.model.config(node.index()).filter(|_| stalled);
        let after = config.map(|config| config.stall_timeout);
        self.stalls.left((node.index(), peer), after, self.mesh.now())?;
        let away = self.model.path(node.index(), peer).is_some_and(|(_, away)| away);
        if stalled && away {
            return Err(Breach::new(
                Invariant::Stalled,
                format!("node {peer} to be given up as stalled while a path leads to it"),
                format!("{node:?} did while it was away"),
            ));
        }
        if stalled && self.mallory.as_ref().is_some_and(|mallory| mallory.node.index() == peer) {
            self.mesh.effects_mut().strike(Fault::SilentReceiver);
        }
        Ok(())
    }

    /// Who acknowledges nothing has been given up.
    pub(super) fn check_stalls(&mut self, now: Time) -> Result<(), Breach> {
        while let Some((index, peer, since)) = self.stalls.take_due(now) {
            let node = Node::from_index(index);
            let mallory = self.mallory.as_ref().filter(|mallory| mallory.node.index() == peer);
            let hoards = mallory.is_some_and(|mallory| mallory.hoards);
            let calm = self.mesh.is_running(node) && self.calm.holds(node, since, &self.mesh);
            let here = self.model.knows(index, peer) && !self.model.is_closing(index);
            if hoards && calm && here {
                return Err(Breach::new(
                    Invariant::Stalled,
                    format!("{node:?} to give up node {peer}, which acknowledges nothing"),
                    format!("it waits for {:?}", now - since),
                ));
            }
        }
        Ok(())
    }

    fn note_end_of_question(&self, node: Node, emit: u64, timed_out: bool) -> Result<(), Breach> {
        let Some(asked) = self.questions_of.asked_at(node.index(), emit) else { return Ok(()) };
        let calm = self.calm.holds(node, asked, &self.mesh);
        self.questions_of.ended((node.index(), emit), timed_out, self.mesh.now(), calm)
    }

    fn note_end_of_absence(
        &mut self,
        node: Node,
        peer: &PeerId,
        timed_out: bool,
    ) -> Result<(), Breach> {
        let index = node.index();
        let Some(since) = self.absences.since(index, peer) else { return Ok(()) };
        let Some(config) = self.model.config(index) else { return Ok(()) };
        let hub = self.scenario.settings.hub_resume_window;
        let (window, silence) = (config.resume_window.unwrap_or(hub), config.silence_timeout);
        let last_sign = Time::ZERO + (since - Time::ZERO).saturating_sub(silence * 2);
        let calm = self.calm.holds(node, last_sign, &self.mesh);
        let (spans, now) = (Spans { window, silence }, self.mesh.now());
        self.absences.over((index, peer), timed_out, spans, now, calm)
    }
}
