//! Running a scenario: the mesh below, the model beside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{Event, Path, PeerId, Policy, RoomName, Session, Target, Time};

use super::mallory::{self, Mallory};
use super::model::{self, Made, Model, Note, Weather};
use super::scenario::{Action, Manner, Scenario, Timed};
use super::transfers::Transfers;
use super::violation::{Breach, Invariant, Violation};
use crate::dice::Dice;
use crate::mesh::{Effects, Fault, Mesh, Node, Place, RosterFaults, Sight, SignalFaults, What};

/// More inputs than this at one moment: something is due for ever.
const MOST_AT_ONCE: u32 = 5_000;

/// More steps than this: nothing comes to an end.
const MOST_STEPS: u64 = 1_000_000;

/// How long everything may take to settle once faults are over, in silences.
const SETTLING: u32 = 60;

/// How often it is looked whether everything has settled, in steps.
const LOOK_EVERY: u32 = 12;

/// Of so many questions one is not answered.
const UNANSWERED: u64 = 4;

/// What a run without violation was like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Inputs to sessions and hub, and actions.
    pub steps: u64,
    /// Events taken for reliable delivery, counted for each receiver.
    pub packets: u64,
    /// Events that arrived.
    pub delivered: u64,
    /// Questions that were answered.
    pub answers: u64,
    /// Transfers that were read to their end.
    pub transfers: u64,
    /// Changes of the path on which events are sent to a peer.
    pub path_changes: u64,
    /// The virtual time that it took.
    pub span: Duration,
    /// The faults.
    pub effects: Effects,
}

/// Runs a scenario to its end.
///
/// # Errors
/// The first [`Violation`] of an invariant.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    run_in(scenario, &mut Run::new(scenario))
}

/// Runs a scenario and keeps a record of what happened, up to its end or the first violation.
pub fn run_recorded(scenario: &Scenario) -> (Result<Report, Violation>, Vec<Sight>) {
    let mut run = Run::new(scenario);
    run.mesh.record();
    let result = run_in(scenario, &mut run);
    (result, run.mesh.sights().to_vec())
}

/// Who uses the sessions of a run in place of the scenario, where somebody does.
pub(super) trait Host {
    /// A node has been added.
    fn start(&mut self, place: usize, node: Node);

    /// The node is to emit something.
    fn turn(&mut self, node: Node, dice: &mut Dice, mesh: &mut Mesh) -> Result<(), Breach>;

    /// A session tells something.
    fn event(&mut self, node: Node, event: &Event, mesh: &mut Mesh) -> Result<(), Breach>;

    /// Everything has settled.
    fn settled(&mut self) -> Result<(), Breach>;
}

/// Runs a scenario with somebody else on its sessions.
pub(super) fn run_hosted<'a>(
    scenario: &'a Scenario,
    host: impl Host + 'a,
) -> Result<Report, Violation> {
    let mut run = Run::new(scenario);
    run.host = Some(Box::new(host));
    run_in(scenario, &mut run)
}

fn run_in(scenario: &Scenario, run: &mut Run<'_>) -> Result<Report, Violation> {
    let result = catch_unwind(AssertUnwindSafe(|| run.run_all()));
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Breach::new(Invariant::Panic, "none", text.unwrap_or_else(|| "one".to_owned())))
    });
    match result {
        Ok(()) => Ok(run.report()),
        Err(breach) => Err(Violation {
            seed: scenario.seed,
            profile: scenario.profile,
            step: run.steps,
            at: run.mesh.now() - run.start,
            breach,
        }),
    }
}

struct Run<'a> {
    scenario: &'a Scenario,
    host: Option<Box<dyn Host + 'a>>,
    mesh: Mesh,
    model: Model,
    dice: Dice,
    /// The node in each place of the scenario; none while it is crashed or closed.
    places: Vec<Option<Node>>,
    closing: Vec<Node>,
    mallory: Option<Mallory>,
    last_attack: Option<Fault>,
    start: Time,
    steps: u64,
    moment: Time,
    at_once: u32,
    server_up: bool,
    hub_restarted: bool,
    /// Nodes that came back as somebody new and have not joined yet.
    restarted: Vec<Node>,
    /// What bounds the attempts at direct paths: how often there was a reason to begin anew.
    reasons: u32,
    events: Vec<Event>,
    /// What is told while nothing should be.
    quiet: Option<Vec<String>>,
    /// Direct paths on which a node hears nothing any more, and when it must have found out.
    deaf: Vec<Deaf>,
    transfers: Transfers,
}

/// A node that hears nothing of another on their direct path.
#[derive(Clone, Copy, Debug)]
struct Deaf {
    node: Node,
    other: Node,
    until: Time,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let Scenario { seed, settings, .. } = scenario;
        let mut mesh = Mesh::with_hub(*seed, settings.hub_config());
        mesh.set_latency(settings.latency());
        mesh.set_ping_timeout(settings.ping_timeout);
        mesh.set_outstanding(settings.outstanding);
        let weather = if settings.patient { Weather::Patient } else { Weather::Harsh };
        let start = mesh.now();
        Self {
            scenario,
            host: None,
            mesh,
            model: Model::new(weather),
            dice: Dice::for_purpose(*seed, 12),
            places: vec![None; settings.peers],
            closing: Vec::new(),
            mallory: None,
            last_attack: None,
            start,
            steps: 0,
            moment: start,
            at_once: 0,
            server_up: true,
            hub_restarted: false,
            restarted: Vec::new(),
            reasons: 1,
            events: Vec::new(),
            quiet: None,
            deaf: Vec::new(),
            transfers: Transfers::default(),
        }
    }

    fn report(&self) -> Report {
        Report {
            steps: self.steps,
            packets: self.model.packets(),
            delivered: self.model.delivered(),
            answers: self.model.answers(),
            transfers: self.transfers.complete(),
            path_changes: self.model.path_changes(),
            span: self.mesh.now() - self.start,
            effects: self.mesh.effects().clone(),
        }
    }

    fn run_all(&mut self) -> Result<(), Breach> {
        for place in 0..self.places.len() {
            self.add(place)?;
        }
        for Timed { at, action } in &self.scenario.actions {
            let at = self.start + Duration::from_millis(*at);
            self.run_until(at)?;
            self.steps += 1;
            if self.mesh.is_recording() {
                let text = action.to_string();
                let what = if action.is_fault() { What::Done(text) } else { What::Asked(text) };
                self.mesh.note(Place::Hub, || what);
            }
            self.act(action)?;
            self.collect()?;
        }
        self.heal()?;
        self.settle()?;
        self.check_settled()?;
        if let Some(host) = &mut self.host {
            host.settled()?;
        }
        self.check_quiet()?;
        self.close_all()
    }

    // ----- stepping -----

    fn run_until(&mut self, time: Time) -> Result<(), Breach> {
        while self.step(time)? {}
        self.mesh.wait_until(time);
        Ok(())
    }

    fn step(&mut self, until: Time) -> Result<bool, Breach> {
        let limit = self.deaf.iter().map(|deaf| deaf.until).min().map_or(until, |at| at.min(until));
        if self.mesh.step_one(limit).is_none() {
            if limit == until {
                return Ok(false);
            }
            self.mesh.wait_until(limit);
            self.check_deaf(limit)?;
            return Ok(true);
        }
        self.steps += 1;
        let now = self.mesh.now();
        self.at_once = if now == self.moment { self.at_once + 1 } else { 0 };
        self.moment = now;
        if self.at_once > MOST_AT_ONCE || self.steps > MOST_STEPS {
            return Err(Breach::new(
                Invariant::Progress,
                "time to go on",
                format!("{} inputs at one moment, {} in all", self.at_once, self.steps),
            ));
        }
        self.collect()?;
        Ok(true)
    }

    /// `node` hears nothing of `other` from now on, or something again. It has to find out: what it heard last was
    /// before now.
    fn set_deaf(&mut self, node: Node, other: Node, deaf: bool) {
        self.deaf.retain(|deaf| (deaf.node, deaf.other) != (node, other));
        if deaf {
            let until = self.mesh.now() + self.scenario.settings.silence + Duration::from_millis(1);
            self.deaf.push(Deaf { node, other, until });
        }
    }

    /// A direct path on which nothing was heard for the silence timeout is not used any more.
    fn check_deaf(&mut self, now: Time) -> Result<(), Breach> {
        let (due, later) = self.deaf.iter().partition(|deaf| deaf.until <= now);
        self.deaf = later;
        for Deaf { node, other, .. } in due {
            let alive = |node: Node| self.mesh.is_running(node) && self.mesh.is_prompt(node);
            if alive(node)
                && let Some(id) = self.model.id(other.index())
                && let Some(peer) = self.mesh.session(node).peers().find(|peer| peer.id == *id)
                && (peer.path == Some(Path::Direct) || peer.verified)
            {
                let silence = self.scenario.settings.silence;
                return Err(Breach::new(
                    Invariant::Distress,
                    format!("{node:?} to give up a direct path that is dead for {silence:?}"),
                    format!("{peer:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Takes all events, and answers those that ask for it, mostly.
    fn collect(&mut self) -> Result<(), Breach> {
        for (node, id) in self.mesh.take_named() {
            self.model.set_id(node.index(), id);
        }
        while let Some(node) = self.mesh.take_noisy() {
            let mut events = std::mem::take(&mut self.events);
            self.mesh.drain_events(node, &mut events);
            for event in events.drain(..) {
                self.note(node, event)?;
            }
            self.events = events;
        }
        if let Some(mallory) = &mut self.mallory {
            mallory.act(&mut self.mesh);
            if self.mesh.has_noisy() {
                return self.collect();
            }
        }
        Ok(())
    }

    fn note(&mut self, node: Node, event: Event) -> Result<(), Breach> {
        // A volatile event can be the last thing that was under way.
        if let Some(told) = self.quiet.as_mut().filter(|_| !matches!(event, Event::Received { .. }))
        {
            told.push(format!("node {}: {event:?}", node.index()));
        }
        if let Some(host) = &mut self.host {
            if self.mesh.is_running(node) {
                host.event(node, &event, &mut self.mesh)?;
            }
            // What applications say to each other is their own business.
            if is_content(&event) {
                return Ok(());
            }
        }
        self.note_transfer(node, &event)?;
        match self.model.note(node.index(), event)? {
            Note::Nothing => {}
            Note::Joined { resumed } => {
                if resumed && self.hub_restarted {
                    self.mesh.effects_mut().strike(Fault::HubRestart);
                } else if resumed {
                    self.mesh.effects_mut().strike(Fault::Resume);
                }
                if let Some(index) = self.restarted.iter().position(|new| *new == node) {
                    self.restarted.swap_remove(index);
                    self.mesh.effects_mut().change(Fault::Restart);
                }
                self.reasons += 1;
            }
            Note::Question(token, number) => {
                if self.dice.roll(UNANSWERED) > 0 && !self.mesh.is_frozen(node) {
                    let answer =
                        |session: &mut Session, now| session.reply(&token, &(number,), now);
                    if let Err(error) = self.mesh.with(node, answer) {
                        self.turned_away(node, &error)?;
                    }
                }
            }
            Note::PathChanged { mid_stream, detour } => {
                self.reasons += 1;
                if detour {
                    self.mesh.effects_mut().strike(Fault::Detour);
                }
                if mid_stream {
                    self.mesh.effects_mut().strike(Fault::UpgradeMidStream);
                }
            }
            Note::Malice => self.note_malice(),
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are not about transfers")]
    fn note_transfer(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        let id = match event {
            Event::PeerLeft { peer, .. } => return self.transfers.check_left(node, peer),
            Event::TransferOpened { transfer, .. }
            | Event::TransferReadable { transfer }
            | Event::TransferWritable { transfer }
            | Event::TransferEnded { transfer, .. } => transfer,
            _ => return Ok(()),
        };
        let peer = self.model.find(id.peer());
        if peer.is_none_or(|peer| self.model.is_raw(peer)) || !self.mesh.is_running(node) {
            return Ok(());
        }
        let closing = |node: usize| self.model.is_closing(node);
        let ends = closing(node.index()) || peer.is_some_and(closing);
        let lost_is_possible = ends || !self.scenario.settings.patient;
        self.transfers.note(&mut self.mesh, node, event, lost_is_possible)
    }

    fn note_malice(&mut self) {
        if let Some(fault) = self.last_attack.take() {
            self.mesh.effects_mut().change(fault);
        }
    }

    fn turned_away(
        &mut self,
        node: Node,
        error: &socketio_p2p_core::EmitError,
    ) -> Result<(), Breach> {
        if self.model.turned_away(node.index(), error)? {
            self.mesh.effects_mut().strike(Fault::QueueFull);
        }
        Ok(())
    }

    // ----- acting -----

    /// Sees to it that nodes have the same numbers in mesh and model, which can know of more.
    fn align(&mut self) {
        while self.mesh.nodes() < self.model.nodes() {
            self.mesh.add_raw();
        }
    }

    fn add(&mut self, place: usize) -> Result<Node, Breach> {
        self.align();
        let node = self.mesh.add(self.scenario.settings.config());
        self.places[place] = Some(node);
        self.model.add(false);
        if let Some(host) = &mut self.host {
            host.start(place, node);
        }
        self.collect()?;
        Ok(node)
    }

    /// The node in a place, if it is there and does something.
    fn active(&self, place: usize) -> Option<Node> {
        self.places.get(place).copied().flatten().filter(|node| !self.mesh.is_frozen(*node))
    }

    fn two(&self, a: usize, b: usize) -> Option<(Node, Node)> {
        let (a, b) = (*self.places.get(a)?, *self.places.get(b)?);
        Some((a?, b?)).filter(|(a, b)| a != b)
    }

    fn hit(&mut self, fault: Fault) {
        self.mesh.effects_mut().hit(fault);
    }

    fn act(&mut self, action: &Action) -> Result<(), Breach> {
        match action {
            Action::Emit { node, to, count, size, how } => {
                if let Some(node) = self.active(*node) {
                    for _ in 0..*count {
                        self.emit(node, *to, *size as usize, *how)?;
                    }
                    self.check_queues(node)?;
                }
            }
            Action::Transfer { node, to, size, enough } => {
                let both = self.active(*node).zip(self.places[*to]).filter(|(a, b)| a != b);
                if let Some((node, to)) = both.filter(|_| self.host.is_none())
                    && self.model.knows(node.index(), to.index())
                    && let Some(id) = self.model.id(to.index()).cloned()
                {
                    let (size, enough) = (u64::from(*size), enough.map(u64::from));
                    let opened = self.transfers.open(&mut self.mesh, (node, to), &id, size, enough);
                    if let Err(error) = opened {
                        self.turned_away(node, &error)?;
                    }
                }
            }
            Action::CancelTransfer { node } => {
                if let Some(node) = self.active(*node) {
                    self.transfers.cancel(&mut self.mesh, node);
                }
            }
            Action::Policy { node, policy } => {
                if let Some(node) = self.active(*node) {
                    self.reasons += 1;
                    let policy = Policy::from(*policy);
                    self.mesh.with(node, |session, now| session.set_policy(policy, now));
                }
            }
            Action::Upgrade { node, to } => {
                if let Some(node) = self.active(*node) {
                    self.upgrade(node, *to);
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
            Action::HubStop => {
                self.hit(Fault::HubCrash);
                if self.server_up {
                    self.server_up = false;
                    self.mesh.effects_mut().change(Fault::HubCrash);
                    self.mesh.stop_server();
                }
            }
            Action::HubStart => self.start_hub(),
            Action::Drop { node } => {
                if let Some(node) = self.places[*node] {
                    self.note_signaling_drop(node);
                    self.mesh.cut_signaling(node);
                }
            }
            Action::Reach { node, on } => {
                if let Some(node) = self.places[*node] {
                    if !on {
                        self.note_signaling_drop(node);
                    }
                    self.mesh.set_reachable(node, *on);
                }
            }
            Action::Mute { node, on } => {
                if let Some(node) = self.places[*node] {
                    if *on {
                        self.hit(Fault::HalfOpen);
                    }
                    self.mesh.set_mute(node, *on);
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
                let there = island.iter().filter_map(|place| *self.places.get(*place)?);
                let island: Vec<Node> = there.collect();
                self.mesh.partition(&island);
            }
            Action::Heal => {
                self.hit(Fault::Heal);
                self.deaf.clear();
                self.mesh.heal();
            }
            Action::Block { a, b, on } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    if *on {
                        self.hit(Fault::UpgradeFails);
                    }
                    self.mesh.set_blocked(a, b, *on);
                }
            }
            Action::Flap { a, b, lasts } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    if *lasts > 0 {
                        self.hit(Fault::UpgradeFlaps);
                    }
                    let lasts = (*lasts > 0).then(|| Duration::from_millis(*lasts));
                    self.mesh.set_flapping(a, b, lasts);
                }
            }
            Action::CloseDirect { a, b } => {
                if let Some((a, b)) = self.two(*a, *b) {
                    self.hit(Fault::CloseMidBlob);
                    self.reasons += 1;
                    self.mesh.close_direct(a, b);
                }
            }
            Action::RelayPath { node, conditions } => {
                if let Some(node) = self.places[*node] {
                    self.hit_conditions(*conditions);
                    self.mesh.set_relay_conditions(node, *conditions);
                }
            }
            Action::DirectPath { from, to, conditions } => {
                if let Some((from, to)) = self.two(*from, *to) {
                    self.hit_conditions(*conditions);
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
                    self.mesh.set_pace(node, pause);
                }
            }
            Action::Freeze { node, on } => {
                if let Some(node) = self.places[*node] {
                    if *on {
                        self.hit(Fault::SlowConsumer);
                    }
                    self.deaf.retain(|deaf| deaf.node != node);
                    self.mesh.set_frozen(node, *on);
                }
            }
            Action::Jump { by } => {
                self.hit(Fault::ClockJump);
                // Nobody is blamed for time that did not pass.
                self.deaf.clear();
                self.mesh.jump_clock(Duration::from_millis(*by));
                self.moment = self.mesh.now();
                // The scenario goes on from there.
                self.start = self.start + Duration::from_millis(*by);
            }
            Action::JumpNode { node, by } => {
                if let Some(node) = self.places[*node] {
                    self.hit(Fault::ClockJump);
                    self.deaf.clear();
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
                            let id = self.model.id(other.index()).cloned();
                            self.upgrade_with(node, id);
                        }
                    }
                }
            }
            Action::Attack { victim, attack, direct } => {
                let fault = mallory::fault(*attack);
                self.hit(fault);
                if let Some(old) = self.mallory.take_if(|mallory| mallory.thrown_out) {
                    // It comes back as somebody else.
                    self.mesh.crash(old.node);
                }
                if self.mallory.is_none() {
                    self.align();
                    self.mallory = Some(Mallory::new(&mut self.mesh, self.scenario.seed));
                    self.model.add(true);
                }
                let victim = self.places[*victim].and_then(|node| self.model.id(node.index()));
                if let (Some(mallory), Some(victim)) = (&mut self.mallory, victim.cloned()) {
                    mallory.attack(&mut self.mesh, &victim, *attack, *direct);
                    self.last_attack = Some(fault);
                }
            }
        }
        Ok(())
    }

    fn hit_conditions(&mut self, conditions: crate::mesh::Conditions) {
        let crate::mesh::Conditions { delay, jitter, loss, duplicate, reorder, rate } = conditions;
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

    fn note_signaling_drop(&mut self, node: Node) {
        self.hit(Fault::SignalingDrop);
        if self.mesh.session(node).is_joined() {
            self.mesh.effects_mut().change(Fault::SignalingDrop);
        }
    }

    fn emit(
        &mut self,
        node: Node,
        to: Option<usize>,
        size: usize,
        how: Manner,
    ) -> Result<(), Breach> {
        if let Some(host) = &mut self.host {
            return host.turn(node, &mut self.dice, &mut self.mesh);
        }
        let index = node.index();
        let Some(event) = model::event(self.model.next_number(), size) else { return Ok(()) };
        let target = match to {
            Some(place) => {
                let receiver = self.places[place].filter(|other| *other != node);
                let known = receiver.filter(|other| self.model.knows(index, other.index()));
                let id = known.and_then(|receiver| self.model.id(receiver.index()));
                let Some(id) = id else { return Ok(()) };
                Target::Peer(id.clone())
            }
            None => Target::All,
        };
        let all = target == Target::All;
        let result = self.mesh.with(node, |session, now| match how {
            Manner::Event => session.emit(target, &event, now),
            Manner::Bulk => session.emit_bulk(target, &event, now),
            Manner::Volatile => session.emit_volatile(target, &event, now),
            Manner::Question => session.emit_with_ack(target, &event, None, now),
        });
        let emitted = match result {
            Ok(emitted) => emitted,
            Err(error) => return self.turned_away(node, &error),
        };
        let lane = match how {
            Manner::Event | Manner::Question => Lane::Events,
            Manner::Bulk => Lane::Bulk,
            Manner::Volatile => Lane::Volatile,
        };
        let made = Made { lane, size, asks: how == Manner::Question, all };
        self.model.emitted(index, emitted.id.as_u64(), made, &emitted.accepted)?;
        for (_, error) in &emitted.rejected {
            self.turned_away(node, error)?;
        }
        Ok(())
    }

    /// Nothing that waits for one peer is above the bound, one packet above it where nothing else waits; and pieces
    /// of packets go with their path.
    fn check_queues(&self, node: Node) -> Result<(), Breach> {
        if self.host.is_some() {
            return Ok(());
        }
        const OVERSIZED: usize = 1 << 10;
        let cap = self.scenario.settings.queue_bytes;
        let window = self.scenario.settings.config().transfer_window;
        let session = self.mesh.session(node);
        for peer in session.peers() {
            let largest = self.model.largest();
            // A lane each for events and for big things.
            let windows = self.transfers.open_of(node) * window;
            if peer.queued > 2 * cap.max(largest + OVERSIZED) + windows {
                return Err(Breach::new(
                    Invariant::QueueCap,
                    format!("at most {cap} bytes queued, or one packet"),
                    format!("{} for {}", peer.queued, peer.id),
                ));
            }
            if peer.held_direct > 0 && session.connection_of(&peer.id).is_none() {
                return Err(Breach::new(
                    Invariant::Leak,
                    format!("nothing left of what came directly from {}", peer.id),
                    format!("{} bytes", peer.held_direct),
                ));
            }
        }
        Ok(())
    }

    fn upgrade(&mut self, node: Node, to: Option<usize>) {
        let id = match to {
            Some(place) => {
                let other = self.places[place].filter(|other| *other != node);
                let other = other.filter(|other| self.model.knows(node.index(), other.index()));
                let Some(id) = other.and_then(|other| self.model.id(other.index())) else { return };
                Some(id.clone())
            }
            None => None,
        };
        self.upgrade_with(node, id);
    }

    fn upgrade_with(&mut self, node: Node, id: Option<PeerId>) {
        self.reasons += 1;
        let target = id.map_or(Target::All, Target::Peer);
        // The peer is known: the model says so, and is checked against the session all the time.
        let _unknown = self.mesh.with(node, |session, now| session.upgrade(target, now));
    }

    fn close(&mut self, node: Node) {
        for place in &mut self.places {
            if *place == Some(node) {
                *place = None;
            }
        }
        self.hit(Fault::CloseQueued);
        self.model.close(node.index());
        self.mesh.with(node, |session, now| session.close(now));
        self.closing.push(node);
    }

    fn crash(&mut self, place: usize) {
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

    fn start_hub(&mut self) {
        if !self.server_up {
            self.server_up = true;
            self.hub_restarted = true;
            self.hit(Fault::HubRestart);
            self.mesh.start_server();
        }
    }

    // ----- the end -----

    fn live(&self) -> impl Iterator<Item = Node> + '_ {
        self.places.iter().flatten().copied()
    }

    /// Every fault ends.
    fn heal(&mut self) -> Result<(), Breach> {
        self.mesh.remark(Place::Hub, "all faults end, everybody who is gone comes back");
        self.mesh.set_signal_faults(SignalFaults::default());
        self.mesh.set_roster_faults(RosterFaults::default());
        self.start_hub();
        self.deaf.clear();
        self.mesh.heal();
        if let Some(mut mallory) = self.mallory.take() {
            mallory.leave(&mut self.mesh);
            let soon = self.mesh.now() + self.scenario.settings.relay_latency * 2;
            self.run_until(soon)?;
            self.mesh.crash(mallory.node);
            self.collect()?;
        }
        for place in 0..self.places.len() {
            if self.places[place].is_none() {
                self.add(place)?;
            }
        }
        let nodes: Vec<Node> = self.live().chain(self.closing.iter().copied()).collect();
        for &node in &nodes {
            self.mesh.set_frozen(node, false);
            self.mesh.set_reachable(node, true);
            self.mesh.set_relay_conditions(node, crate::mesh::Conditions::default());
            for &other in &nodes {
                self.mesh.set_direct_conditions(node, other, crate::mesh::Conditions::default());
                self.mesh.set_blocked(node, other, false);
                self.mesh.set_flapping(node, other, None);
            }
            self.collect()?;
        }
        for node in self.live().collect::<Vec<_>>() {
            self.reasons += 1;
            self.mesh.with(node, |session, now| session.set_policy(Policy::Automatic, now));
            self.collect()?;
        }
        Ok(())
    }

    /// Waits until nothing is under way but probes.
    fn settle(&mut self) -> Result<(), Breach> {
        let end = self.mesh.now() + self.scenario.settings.silence * SETTLING;
        loop {
            for _ in 0..LOOK_EVERY {
                if !self.step(end)? {
                    return Ok(());
                }
            }
            // Signals that are late can still undo what has settled.
            let late = self.mesh.late_until() > self.mesh.now();
            let closed = self.closing.iter().all(|node| self.model.is_closed(node.index()));
            if !late
                && closed
                && self.transfers.are_over()
                && self.model.is_settled()
                && self.first_unsettled().is_none()
                && self.check_agreement().is_ok()
            {
                return Ok(());
            }
        }
    }

    /// The first pair that is not as it should be once faults are over, and why.
    fn first_unsettled(&self) -> Option<String> {
        let nodes: Vec<Node> = self.live().collect();
        let max_peers = self.scenario.settings.max_peers;
        let direct = |node: Node| {
            let peers = self.mesh.session(node).peers();
            peers.filter(|peer| peer.path == Some(Path::Direct)).count()
        };
        for &node in &nodes {
            let session = self.mesh.session(node);
            if !session.is_joined() {
                return Some(format!("{node:?} is not in the room"));
            }
            let mut known = 0;
            for peer in session.peers() {
                known += 1;
                let other = self.model.find(&peer.id).map(Node);
                let Some(other) = other.filter(|other| nodes.contains(other)) else {
                    return Some(format!("{node:?} knows {}, which is gone", peer.id));
                };
                if peer.away || peer.queued + peer.held > 0 {
                    return Some(format!("{node:?} has {peer:?}"));
                }
                let room = |node| direct(node) < max_peers;
                if peer.path != Some(Path::Direct) && room(node) && room(other) {
                    return Some(format!("{node:?} and {other:?} stay on the relay"));
                }
            }
            if known != nodes.len() - 1 {
                return Some(format!("{node:?} knows {known} of {} others", nodes.len() - 1));
            }
        }
        None
    }

    fn check_settled(&mut self) -> Result<(), Breach> {
        if let Some(what) = self.first_unsettled() {
            let expected = "everybody to find everybody, on the best path";
            return Err(Breach::new(Invariant::Convergence, expected, what));
        }
        self.model.check_delivery()?;
        if !self.transfers.are_over() {
            return Err(Breach::new(
                Invariant::Transfer,
                "all transfers to end once faults are over",
                format!("{:?}", self.transfers),
            ));
        }
        if !self.model.is_settled() {
            return Err(Breach::new(
                Invariant::Delivery,
                "no emit and no question without an end",
                "some",
            ));
        }
        self.check_roster()?;
        self.check_attempts()?;
        self.check_agreement()
    }

    fn check_roster(&self) -> Result<(), Breach> {
        let Some(hub) = self.mesh.hub() else { return Ok(()) };
        let lobby = RoomName::default();
        let members = hub.members(&lobby);
        let mut ids: Vec<PeerId> = members.map(|member| member.id).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        let mut there = self.live().filter_map(|node| self.model.id(node.index()));
        if ids.len() != all || !there.all(|id| ids.contains(id)) {
            return Err(Breach::new(
                Invariant::Roster,
                "each of those who are there, once",
                format!("{all} members, {} different ones", ids.len()),
            ));
        }
        Ok(())
    }

    /// Attempts come in bounded numbers for each reason to begin anew.
    fn check_attempts(&self) -> Result<(), Breach> {
        let per_reason = self.scenario.settings.config().max_attempts * 2 + 2;
        let peers = u32::try_from(self.places.len()).unwrap_or(u32::MAX) + 1;
        let most = self.reasons.saturating_mul(per_reason).saturating_mul(peers);
        for node in self.live() {
            let made = self.mesh.attempts(node);
            if made > most {
                return Err(Breach::new(
                    Invariant::Attempts,
                    format!("at most {most} attempts"),
                    format!("{made} of {node:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Each pair has one channel, the same one on both sides; the network holds no other.
    fn check_agreement(&self) -> Result<(), Breach> {
        let mut ends = 0;
        for node in self.live() {
            let session = self.mesh.session(node);
            for peer in session.peers().filter(|peer| peer.verified) {
                let other = self.model.find(&peer.id).map(Node);
                let end = session.connection_of(&peer.id);
                let far = end.and_then(|end| self.mesh.other_end(node, end));
                let own_id = session.id();
                let back = other.zip(own_id).and_then(|(other, own_id)| {
                    let connection = self.mesh.session(other).connection_of(own_id)?;
                    Some((other, connection))
                });
                if far.is_none() || far != back {
                    return Err(Breach::new(
                        Invariant::Agreement,
                        format!("one channel between {node:?} and {}", peer.id),
                        format!("{far:?} on one side, {back:?} on the other"),
                    ));
                }
                ends += 1;
            }
        }
        let (connections, _) = self.mesh.direct_connections();
        if connections * 2 != ends {
            return Err(Breach::new(
                Invariant::Leak,
                format!("{ends} ends of direct connections, as sessions use"),
                format!("{} in the network", connections * 2),
            ));
        }
        Ok(())
    }

    /// Nothing but probes happens from now on.
    fn check_quiet(&mut self) -> Result<(), Breach> {
        let before = self.steps;
        let config = self.scenario.settings.config();
        let span = config.probe_interval;
        let end = self.mesh.now() + span;
        // Where not everybody may talk directly, some try now and then.
        let crowded = self.scenario.settings.max_peers + 1 < self.places.len();
        self.quiet = (!crowded).then(Vec::new);
        self.run_until(end)?;
        let told = self.quiet.take().unwrap_or_default();
        let peers = self.places.len() as u64;
        // A probe or two of each end, their answers, and timers on the way.
        let most = peers * (peers - 1) * 16 + 64;
        if self.steps - before > most || !told.is_empty() {
            return Err(Breach::new(
                Invariant::Progress,
                format!("at most {most} inputs and no event once all is quiet"),
                format!("{} and {told:?}", self.steps - before),
            ));
        }
        Ok(())
    }

    /// All close, one after the other, with events under way; nothing is left.
    fn close_all(&mut self) -> Result<(), Breach> {
        self.mesh.note(Place::Hub, || What::Asked("all close, one after the other".to_owned()));
        let timeout = self.scenario.settings.config().close_timeout * 2;
        for place in 0..self.places.len() {
            let Some(node) = self.places[place] else { continue };
            self.act(&Action::Emit {
                node: place,
                to: None,
                count: 1,
                size: 0,
                how: Manner::Event,
            })?;
            self.collect()?;
            self.close(node);
            self.collect()?;
            if place == 0 {
                // What it has emitted arrives: nobody else closes at the same time.
                let end = self.mesh.now() + timeout;
                while !self.model.is_closed(node.index()) && self.step(end)? {}
            } else {
                let soon = self.mesh.now() + self.scenario.settings.relay_latency;
                self.run_until(soon)?;
            }
        }
        let end = self.mesh.now() + timeout;
        while self.step(end)? {}
        for node in &self.closing {
            self.model.check_closed(node.index())?;
            if let Some(at) = self.mesh.session(*node).poll_timeout() {
                return Err(Breach::new(
                    Invariant::Leak,
                    "no timer after `Closed`",
                    format!("one of {node:?} at {at:?}"),
                ));
            }
        }
        let hub = self.mesh.hub().map(|hub| (hub.rooms().count(), hub.poll_timeout()));
        let connections = self.mesh.direct_connections();
        if hub != Some((0, None)) || connections != (0, 0) {
            return Err(Breach::new(
                Invariant::Leak,
                "no room, timer or connection left once all have closed",
                format!("rooms and timers {hub:?}, connections {connections:?}"),
            ));
        }
        // What is still on its way, on a narrow path for one, finds nobody.
        let end = self.mesh.now() + Duration::from_secs(3600);
        while self.step(end)? {}
        match self.mesh.under_way() {
            0 => Ok(()),
            left => Err(Breach::new(Invariant::Leak, "no message left", format!("{left}"))),
        }
    }
}

/// Whether an event is about what applications say to each other, not about who is there and how.
const fn is_content(event: &Event) -> bool {
    matches!(
        event,
        Event::Received { .. }
            | Event::Outcome { .. }
            | Event::Ack { .. }
            | Event::NoAck { .. }
            | Event::AcksComplete { .. }
            | Event::Writable { .. }
            | Event::TransferOpened { .. }
            | Event::TransferReadable { .. }
            | Event::TransferWritable { .. }
            | Event::TransferEnded { .. }
    )
}
