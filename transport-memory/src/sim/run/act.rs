//! The actions of a scenario.

use std::time::Duration;

use socketio_p2p_core::Policy;

use super::Run;
use crate::conditions::Conditions;
use crate::invariant::Breach;
use crate::mesh::{Fault, Node};
use crate::sim::scenario::Action;
use crate::sim::shape::Shape;
use crate::sim::transfers::Terms;

impl Run<'_> {
    /// Sees to it that nodes have the same numbers in mesh and model, which can know of more.
    pub(super) fn align(&mut self) {
        while self.mesh.nodes() < self.model.nodes() {
            self.mesh.add_raw();
        }
    }

    pub(super) fn add(&mut self, place: usize) -> Result<Node, Breach> {
        self.align();
        let config = self.scenario.settings.config_of(place);
        let node = self.mesh.add(config.clone());
        self.places[place] = Some(node);
        self.model.add(false);
        self.add_books(place, node, config);
        if self.scenario.settings.admission {
            self.give_ticket(node);
        }
        if let Some(host) = &mut self.host {
            host.start(place, node);
        }
        self.collect()?;
        Ok(node)
    }

    /// The node in a place, unless it has crashed, closed or is frozen.
    pub(super) fn active(&self, place: usize) -> Option<Node> {
        self.places.get(place).copied().flatten().filter(|node| !self.mesh.is_frozen(*node))
    }

    /// Whose way to the hub may break. Somebody whose welcome is lost comes back as somebody else, and the seat
    /// that it never knew of stays until the hub's window is over: where everybody is waited for, for ever.
    fn breakable(&self, place: usize) -> Option<Node> {
        let node = self.places.get(place).copied().flatten()?;
        let known = self.mesh.session(node).id().is_some();
        (known || !self.scenario.settings.patient).then_some(node)
    }

    pub(super) fn two(&self, a: usize, b: usize) -> Option<(Node, Node)> {
        let (a, b) = (*self.places.get(a)?, *self.places.get(b)?);
        Some((a?, b?)).filter(|(a, b)| a != b)
    }

    pub(super) fn hit(&mut self, fault: Fault) {
        self.mesh.effects_mut().hit(fault);
    }

    pub(super) fn act(&mut self, action: &Action) -> Result<(), Breach> {
        self.answer_unanswered();
        match action {
            Action::Turn { node, number } => {
                if let Some(node) = self.active(*node)
                    && let Some(host) = &mut self.host
                {
                    host.turn(node, *number, &mut self.mesh)?;
                }
            }
            Action::Emit { node, to, count, size, how } => {
                if let Some(node) = self.active(*node) {
                    for _ in 0..*count {
                        self.emit(node, *to, Shape::of_size(*size as usize), *how)?;
                    }
                    self.check_queues(node)?;
                }
            }
            Action::Transfer { node, to, size, enough, unannounced, late } => {
                let both = self.active(*node).zip(self.places[*to]).filter(|(a, b)| a != b);
                if let Some((node, to)) = both
                    && let Some(id) = self.model.known_as(node.index(), to.index()).cloned()
                {
                    let ends = [node, to].map(|node| self.model.config(node.index()));
                    let terms = Terms {
                        size: u64::from(*size),
                        enough: enough.map(u64::from),
                        unannounced: *unannounced,
                        late: Duration::from_millis(u64::from(*late)),
                        window: ends[1].map_or(1, |config| config.transfer_window as u64),
                        most: ends[0].map_or(usize::MAX, |config| config.max_transfers),
                        takes: ends[1].map_or(usize::MAX, |config| config.max_transfers),
                    };
                    let opened = self.transfers.open(&mut self.mesh, (node, to), &id, terms)?;
                    if let Err(error) = opened {
                        self.turned_away(node, Some(&id), None, &error)?;
                    }
                }
            }
            Action::CancelTransfer { node } => {
                if let Some(node) = self.active(*node) {
                    self.transfers.cancel(&mut self.mesh, node);
                }
            }
            Action::EmitShape { node, to, size, blobs, text, depth, how } => {
                if let Some(node) = self.active(*node) {
                    let shape = Shape {
                        size: *size as usize,
                        blobs: *blobs as usize,
                        text: *text as usize,
                        depth: *depth as usize,
                    };
                    self.emit(node, *to, shape, *how)?;
                }
            }
            Action::OriginalEmit { client, to, count, size } => {
                for _ in 0..*count {
                    self.emit_original(*client, *to, *size as usize);
                }
            }
            Action::OriginalHere { client, on } => self.set_original(*client, *on)?,
            Action::RefuseTransfer { node } => {
                if let Some(node) = self.active(*node) {
                    self.transfers.refuse(&mut self.mesh, node);
                }
            }
            Action::Break { node } => {
                if let Some(node) = self.breakable(*node) {
                    self.breaks += 1;
                    self.hit(Fault::BrokenSocket);
                    self.mesh.break_signaling(node);
                }
            }
            Action::Drain { node, pause } => {
                if let Some(node) = self.places[*node] {
                    if *pause > 0 {
                        self.hit(Fault::LateDriver);
                    }
                    let pause = (*pause > 0).then(|| Duration::from_millis(*pause));
                    self.deaf.clear();
                    self.disturb(node);
                    self.mesh.set_drain(node, pause);
                }
            }
            Action::Swallow { neighbour, from, to, on } => {
                let ends = (self.places[*neighbour], self.places[*from], self.places[*to]);
                if let (Some(neighbour), Some(from), Some(to)) = ends {
                    if *on {
                        self.hit(Fault::OneWayNeighbour);
                    }
                    self.swallows = *on;
                    self.deadlines.clear();
                    let of = self.model.id(from.index()).cloned().filter(|_| *on);
                    self.mesh.set_swallowed(neighbour, to, of);
                }
            }
            Action::Policy { node, policy } => {
                if let Some(node) = self.active(*node) {
                    self.reasons += 1;
                    let policy = Policy::from(*policy);
                    // What was sent before is judged by the policy of then.
                    self.look_at_ways()?;
                    self.note_policy(node, policy);
                    self.stalls.excuse(node.index());
                    self.mesh.with(node, |session, now| session.set_policy(policy, now));
                }
            }
            Action::Upgrade { node, to } => {
                if let Some(node) = self.active(*node) {
                    self.upgrade(node, *to)?;
                }
            }
            Action::Close { node } => {
                if let Some(node) = self.active(*node) {
                    self.close(node);
                }
            }
            Action::Crash { node } => self.crash(*node),
            Action::Restart { node } => {
                if self.places.get(*node).is_some_and(Option::is_none) {
                    self.hit(Fault::Restart);
                    let node = self.add(*node)?;
                    self.restarted.push(node);
                }
            }
            Action::Metadata { node, count, size } => {
                if let Some(node) = self.active(*node) {
                    self.change_metadata(node, *count, *size);
                }
            }
            Action::Report { node, ask } => {
                if let Some(node) = self.active(*node) {
                    self.emit_to_server(node, *ask)?;
                }
            }
            Action::Return { node } => {
                if let Some(node) = self.active(*node) {
                    self.call_back(node);
                }
            }
            Action::Server { operation } => self.operate(*operation)?,
            Action::HubStop => {
                self.hit(Fault::HubCrash);
                let mut there =
                    (0..self.places.len()).filter(|place| self.places[*place].is_some());
                if self.server_up && there.all(|place| self.breakable(place).is_some()) {
                    self.server_up = false;
                    self.mesh.effects_mut().change(Fault::HubCrash);
                    self.mesh.stop_server();
                    self.knows.note_stop();
                }
            }
            Action::HubStart => self.start_hub(),
            Action::Drop { node } => {
                if let Some(node) = self.breakable(*node) {
                    self.breaks += 1;
                    self.note_signaling_drop(node);
                    self.mesh.cut_signaling(node);
                }
            }
            Action::Reach { node, on } => {
                if let Some(node) = self.breakable(*node) {
                    if !on {
                        self.note_signaling_drop(node);
                    }
                    self.mesh.set_reachable(node, *on);
                }
            }
            Action::Mute { node, on } => {
                if let Some(node) = self.breakable(*node) {
                    if *on {
                        self.hit(Fault::HalfOpen);
                    }
                    self.mesh.set_mute(node, *on);
                    if !on {
                        self.note_release();
                    }
                }
            }
            Action::Silence { a, b, on } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    if *on {
                        self.hit(Fault::HalfOpen);
                    }
                    self.mesh.set_silent(a, b, *on);
                    self.set_deaf(a, b, *on);
                    self.set_deaf(b, a, *on);
                }
            }
            Action::Cut { from, to, on } => {
                if let Some((from, to)) = self.two(*from, *to) {
                    if *on {
                        self.hit(Fault::OneWayCut);
                    }
                    self.mesh.set_cut(from, to, *on);
                    self.set_deaf(to, from, *on);
                }
            }
            Action::Partition { island } => {
                self.hit(Fault::Partition);
                let island: Vec<Node> =
                    island.iter().filter_map(|place| self.breakable(*place)).collect();
                self.mesh.partition(&island);
            }
            Action::Heal => {
                self.hit(Fault::Heal);
                self.deaf.clear();
                self.mesh.heal();
                self.note_release();
            }
            Action::Block { a, b, on } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    if *on {
                        self.hit(Fault::UpgradeFails);
                    } else {
                        self.note_unblocked(a, b);
                    }
                    self.mesh.set_blocked(a, b, *on);
                }
            }
            Action::Flap { a, b, lasts } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    if *lasts > 0 {
                        self.milestones.try_in_vain(a.index(), b.index());
                        self.hit(Fault::UpgradeFlaps);
                    }
                    let lasts = (*lasts > 0).then(|| Duration::from_millis(*lasts));
                    self.mesh.set_flapping(a, b, lasts);
                }
            }
            Action::CloseDirect { a, b } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    self.hit(Fault::CloseMidBlob);
                    self.breaks += 1;
                    self.reasons += 1;
                    self.mesh.close_direct(a, b);
                }
            }
            Action::RelayPath { node, conditions } => {
                if let Some(node) = self.places[*node] {
                    self.hit_conditions(*conditions);
                    self.note_rate(node, None, conditions.rate);
                    self.mesh.set_relay_conditions(node, *conditions);
                }
            }
            Action::DirectPath { from, to, conditions } => {
                if let Some((from, to)) = self.two(*from, *to) {
                    self.hit_conditions(*conditions);
                    self.note_rate(from, Some(to), conditions.rate);
                    self.mesh.set_direct_conditions(from, to, *conditions);
                }
            }
            Action::Signals { faults } => {
                for (chance, fault) in [
                    (faults.lose_offer, Fault::OfferLost),
                    (faults.lose_answer, Fault::AnswerLost),
                    (faults.duplicate, Fault::SignalTwice),
                    (faults.late, Fault::SignalLate),
                ] {
                    if chance > 0 {
                        self.hit(fault);
                    }
                }
                self.mesh.set_signal_faults(*faults);
            }
            Action::Rosters { faults } => {
                for (chance, fault) in
                    [(faults.repeat, Fault::RosterRepeat), (faults.omit, Fault::RosterOmission)]
                {
                    if chance > 0 {
                        self.hit(fault);
                    }
                }
                self.mesh.set_roster_faults(*faults);
            }
            Action::Pace { node, pause } => {
                if let Some(node) = self.places[*node] {
                    if *pause > 0 {
                        self.hit(Fault::SlowConsumer);
                    }
                    let pause = (*pause > 0).then(|| Duration::from_millis(*pause));
                    // What it takes later than it comes is heard later.
                    self.deaf.retain(|deaf| deaf.node != node);
                    self.milestones.slow(node.index());
                    self.disturb(node);
                    self.mesh.set_pace(node, pause);
                }
            }
            Action::Freeze { node, on } => {
                if let Some(node) = self.places[*node] {
                    if *on {
                        self.hit(Fault::SlowConsumer);
                    }
                    self.deaf.retain(|deaf| deaf.node != node);
                    self.milestones.slow(node.index());
                    self.disturb(node);
                    self.mesh.set_frozen(node, *on);
                }
            }
            Action::Receive { node, on } => {
                if let Some(node) = self.places[*node] {
                    self.set_receiving(node, *on);
                }
            }
            Action::Jump { by } => {
                self.hit(Fault::ClockJump);
                // Nobody is blamed for time that did not pass.
                self.deaf.clear();
                self.mesh.jump_clock(Duration::from_millis(*by));
                self.moment = self.mesh.now();
                self.calm.jump(self.moment);
                // The scenario goes on from there.
                self.start = self.start + Duration::from_millis(*by);
            }
            Action::JumpNode { node, by } => {
                if let Some(node) = self.places[*node] {
                    self.hit(Fault::ClockJump);
                    self.deaf.clear();
                    self.disturb(node);
                    self.mesh.jump_node_clock(node, Duration::from_millis(*by));
                }
            }
            Action::Glare { a, b } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    self.hit(Fault::Glare);
                    self.mesh.close_direct(a, b);
                    self.run_until(self.mesh.now())?;
                    for (node, other) in [(a, b), (b, a)] {
                        if !self.mesh.is_frozen(node)
                            && self.model.knows(node.index(), other.index())
                        {
                            let id = self.model.known_as(node.index(), other.index()).cloned();
                            self.upgrade_with(node, id)?;
                        }
                    }
                }
            }
            Action::Attack { victim, attack, direct } => self.attack(*victim, *attack, *direct),
        }
        Ok(())
    }

    pub(super) fn hit_conditions(&mut self, conditions: Conditions) {
        let Conditions { delay, jitter, loss, duplicate, reorder, rate } = conditions;
        for (set, fault) in [
            (!delay.is_zero(), Fault::Delay),
            (!jitter.is_zero(), Fault::Jitter),
            (loss > 0, Fault::Loss),
            (duplicate > 0, Fault::Duplication),
            (reorder > 0, Fault::Reordering),
            (rate > 0, Fault::Bandwidth),
        ] {
            if set {
                self.hit(fault);
            }
        }
    }

    pub(super) fn note_signaling_drop(&mut self, node: Node) {
        self.hit(Fault::SignalingDrop);
        if self.mesh.session(node).is_joined() {
            self.mesh.effects_mut().change(Fault::SignalingDrop);
        }
    }

    pub(super) fn close(&mut self, node: Node) {
        for place in &mut self.places {
            if *place == Some(node) {
                *place = None;
            }
        }
        self.hit(Fault::CloseQueued);
        self.model.close(node.index());
        self.note_parting(node);
        self.mesh.with(node, |session, now| session.close(now));
        self.closing.push(node);
    }

    pub(super) fn crash(&mut self, place: usize) {
        let Some(node) = self.places[place].take() else { return };
        self.hit(Fault::Crash);
        let known = (0..self.model.nodes()).any(|other| self.model.knows(other, node.index()));
        if known {
            self.mesh.effects_mut().change(Fault::Crash);
        }
        self.mesh.crash(node);
        self.model.forget(node.index());
        self.transfers.forget(node);
    }

    pub(super) fn start_hub(&mut self) {
        if !self.server_up {
            self.server_up = true;
            self.hub_restarted = true;
            self.hit(Fault::HubRestart);
            self.mesh.start_server();
            self.note_start();
        }
    }
}
