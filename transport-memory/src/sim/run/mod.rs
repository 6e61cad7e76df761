//! Running a scenario: the mesh below, the model beside it.
//!
//! - here: the state of a run, stepping
//! - `act`: the actions of the scenario; of these `emit` and `attack`
//! - `notes`: the events of sessions; `answers`: answers to questions
//! - `originals`: original clients
//! - `books`: the checks of strict scenarios, of these `attempts`, `hub` (the hub and offers), `caps` (bounds), `channels` (path
//!   validation), `direct_states`, `numbers`, `passages` (forwarding by neighbours), `promises` (deadlines), `writable`
//! - `knows`: what nodes know about each other, kicks, new ids; `operator`: the server's application
//! - `deaf`: dead direct paths
//! - `end`: after all faults; `economy`: the cost of a run

mod act;
mod answers;
mod attack;
mod attempts;
mod books;
mod caps;
mod channels;
mod deaf;
mod direct_states;
mod economy;
mod emit;
mod end;
mod hub;
mod knows;
mod notes;
mod numbers;
mod operator;
mod originals;
mod passages;
mod promises;
mod shares;
mod writable;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Event, PeerId, ReplyToken, Time};

use self::caps::Comebacks;
use self::deaf::Deaf;
use self::knows::Knows;
use super::mallory::Mallory;
use super::model::{Model, Weather};
use super::oracles::{
    Absences, Attempts, Calm, Channels, Deadlines, Desk, DirectStates, Farewells, Forwarded,
    LateOffers, Milestones, Numbers, Offers, Questions, Reconnects, Refusals, RoundTrips, Seals,
    Senders, Shares, Sharing, Stalls, Talks, Ways,
};
use super::original::Original;
use super::scenario::{Scenario, Timed};
use super::transfers::Transfers;
use super::violation::Violation;
use crate::dice::Dice;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Carried, Effects, Fault, Load, Mesh, Node, Place, Seen, TraceEntry, TraceEvent};

/// More inputs than this at one moment: something is due for ever.
const MAX_AT_ONCE: u32 = 5_000;

/// More steps than this: nothing comes to an end.
const MAX_STEPS: u64 = 1_000_000;

/// Of so many questions one is not answered.
const UNANSWERED: u64 = 4;

/// The statistics of a run without a violation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Inputs to sessions and hub, and actions.
    pub steps: u64,
    /// Events taken for reliable delivery, counted for each receiver.
    pub packets: u64,
    /// Events delivered.
    pub delivered: u64,
    /// Acks that arrived.
    pub answers: u64,
    /// Transfers that were read to their end.
    pub transfers: u64,
    /// Changes of the path on which events are sent to a peer.
    pub path_changes: u64,
    /// The virtual time of the run.
    pub span: Duration,
    /// The faults hit, and those that changed something.
    pub effects: Effects,
}

/// Runs a scenario to its end.
///
/// # Errors
/// The first [`Violation`] of an invariant.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    run_in(scenario, &mut Run::new(scenario))
}

/// Runs a scenario with a trace, up to its end or the first violation.
pub fn run_traced(scenario: &Scenario) -> (Result<Report, Violation>, Vec<TraceEntry>) {
    let mut run = Run::new(scenario);
    run.mesh.start_trace();
    let result = run_in(scenario, &mut run);
    (result, run.mesh.trace().to_vec())
}

/// The user of the sessions of a run in place of the scenario.
pub(super) trait Host {
    /// A node has been added.
    fn start(&mut self, place: usize, node: Node);

    /// The user of the node acts.
    fn turn(&mut self, node: Node, number: u32, mesh: &mut Mesh) -> Result<(), Breach>;

    /// A session tells something.
    fn event(&mut self, node: Node, event: Event, mesh: &mut Mesh) -> Result<(), Breach>;

    /// When a timer of a node that runs expires.
    fn next_timeout(&self, mesh: &Mesh) -> Option<Time>;

    /// Runs the timers that have expired. Tells whether any has.
    fn run_timers(&mut self, mesh: &mut Mesh) -> Result<bool, Breach>;

    /// Everything between the sessions has settled.
    fn settled(&mut self) -> Result<(), Breach>;
}

/// Runs a scenario of turns with somebody else on its sessions. The trace is empty unless it is asked for.
pub(super) fn run_hosted<'a>(
    scenario: &'a Scenario,
    host: impl Host + 'a,
    is_traced: bool,
) -> (Result<Report, Violation>, Vec<TraceEntry>) {
    let mut run = Run::new(scenario);
    run.host = Some(Box::new(host));
    if is_traced {
        run.mesh.start_trace();
    }
    let result = run_in(scenario, &mut run);
    (result, run.mesh.trace().to_vec())
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
    was_attacked: bool,
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
    /// Questions that are to be answered, and their numbers.
    questions: VecDeque<Answer>,
    /// What is told while nothing should be.
    quiet: Option<Vec<String>>,
    /// Direct paths on which a node hears nothing any more, and when it must have found out.
    deaf: Vec<Deaf>,
    transfers: Transfers,
    ways: Ways,
    deadlines: Deadlines,
    milestones: Milestones,
    offers: Offers,
    attempts: Attempts,
    late_offers: LateOffers,
    calm: Calm,
    questions_of: Questions,
    desk: Desk,
    knows: Knows,
    absences: Absences,
    farewells: Farewells,
    reconnects: Reconnects,
    tries: Vec<(Node, Time)>,
    stalls: Stalls,
    sharing: Sharing,
    shares: Shares,
    late_answers: Vec<LateAnswer>,
    /// All faults are over.
    is_healed: bool,
    /// How late answers are.
    answer_dice: Dice,
    /// How often something was done to the mesh.
    stirs: u64,
    /// Who has asked for direct paths, and with whom; with all where nobody is named.
    upgraded: Vec<(Node, Option<PeerId>)>,
    carried: Vec<Carried>,
    loads: Vec<Load>,
    /// How often more was in flight than a window.
    overloads: u32,
    comebacks: Comebacks,
    talks: Talks,
    channels: Channels,
    direct_states: DirectStates,
    numbers: Numbers,
    seals: Seals,
    forwarded: Forwarded,
    senders: Senders,
    refusals: Refusals,
    seen: Vec<Seen>,
    /// Lanes that are writable again, each with who may write.
    writable: Vec<(Node, PeerId, Lane)>,
    originals: Vec<Option<Original>>,
    /// What paths between nodes and the hub, and from node to node, are like: of those that are narrow.
    narrow: Vec<(Node, Option<Node>, u32)>,
    /// Somebody passes on in one direction only.
    swallows: bool,
    /// When the last volatile event was sent.
    last_volatile: Time,
    /// How often sockets and channels were broken on purpose.
    breaks: u32,
}

/// An answer that is to be given.
#[derive(Debug)]
struct Answer {
    node: Node,
    token: ReplyToken,
    number: u64,
    /// Which life of its link it is for.
    life: u32,
}

/// An answer that is not given at once.
#[derive(Debug)]
struct LateAnswer {
    at: Time,
    answer: Answer,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let Scenario { seed, settings, .. } = scenario;
        let mut mesh = Mesh::with_hub(*seed, settings.hub_config());
        mesh.set_latency(settings.latency());
        mesh.set_ping_timeout(settings.ping_timeout);
        mesh.set_outstanding(settings.outstanding);
        let waits = settings.patient || settings.honest;
        let weather = if waits { Weather::Patient } else { Weather::Harsh };
        if settings.strict {
            mesh.watch();
        }
        if settings.admission {
            mesh.admit_by_node();
        }
        // A moment of the spans of the defaults.
        let moment = settings.silence / 5;
        let start = mesh.now();
        let round_trips =
            RoundTrips { relay: settings.relay_latency * 4, direct: settings.direct_latency * 2 };
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
            was_attacked: false,
            start,
            steps: 0,
            moment: start,
            at_once: 0,
            server_up: true,
            hub_restarted: false,
            restarted: Vec::new(),
            reasons: 1,
            events: Vec::new(),
            questions: VecDeque::new(),
            quiet: None,
            deaf: Vec::new(),
            transfers: Transfers::default(),
            ways: Ways::new(moment),
            deadlines: Deadlines::default(),
            milestones: Milestones::default(),
            offers: Offers::default(),
            attempts: Attempts::default(),
            late_offers: LateOffers::default(),
            calm: Calm::default(),
            questions_of: Questions::default(),
            desk: Desk::default(),
            knows: Knows::new(*seed),
            absences: Absences::default(),
            farewells: Farewells::default(),
            reconnects: Reconnects::default(),
            tries: Vec::new(),
            stalls: Stalls::default(),
            sharing: Sharing::default(),
            shares: Shares::default(),
            late_answers: Vec::new(),
            is_healed: false,
            answer_dice: Dice::for_purpose(*seed, 13),
            stirs: 0,
            upgraded: Vec::new(),
            carried: Vec::new(),
            loads: Vec::new(),
            overloads: 0,
            comebacks: Comebacks::default(),
            talks: Talks::new(round_trips),
            channels: Channels::default(),
            direct_states: DirectStates::default(),
            numbers: Numbers::default(),
            seals: Seals::default(),
            forwarded: Forwarded::default(),
            senders: Senders::default(),
            refusals: Refusals::default(),
            seen: Vec::new(),
            writable: Vec::new(),
            originals: Vec::new(),
            narrow: Vec::new(),
            swallows: false,
            last_volatile: start,
            breaks: 0,
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
        self.originals.resize_with(self.scenario.settings.originals, || None);
        for Timed { at, action } in &self.scenario.actions {
            let at = self.start + Duration::from_millis(*at);
            self.run_until(at)?;
            self.steps += 1;
            self.stirs += u64::from(action.is_fault());
            if action.is_fault() {
                self.refusals.upset(self.mesh.now() + self.scenario.settings.silence);
            }
            if self.mesh.is_tracing() {
                let text = action.to_string();
                let what = if action.is_fault() {
                    TraceEvent::Fault(text)
                } else {
                    TraceEvent::Command(text)
                };
                self.mesh.note(Place::Hub, || what);
            }
            self.act(action)?;
            self.collect()?;
        }
        self.heal()?;
        self.settle()?;
        self.check_settled()?;
        self.settle_host()?;
        self.check_idle_paths()?;
        self.check_economy()?;
        self.check_quiet()?;
        self.close_all()
    }

    fn run_until(&mut self, time: Time) -> Result<(), Breach> {
        while self.step(time)? {}
        self.mesh.wait_until(time);
        Ok(())
    }

    fn step(&mut self, until: Time) -> Result<bool, Breach> {
        let deaf = self.deaf.iter().map(|deaf| deaf.until).min();
        let alarms = deaf.into_iter().chain(self.transfers.next()).chain(self.deadlines.next());
        let alarms = alarms.chain(self.farewells.next()).chain(self.stalls.next());
        let alarms = alarms.chain(self.knows.next());
        let alarms = alarms.chain(self.late_answers.iter().map(|late| late.at).min());
        let timer = self.host.as_ref().and_then(|host| host.next_timeout(&self.mesh));
        let alarms = alarms.chain(timer);
        let limit = alarms.min().map_or(until, |at| at.min(until));
        if self.mesh.step_one(limit).is_none() {
            // Alarms of this very moment are handled too.
            let alarm = self.transfers.next().into_iter().chain(timer).any(|at| at <= limit);
            if limit == until && !alarm {
                return Ok(false);
            }
            self.mesh.wait_until(limit);
            self.check_deaf(limit)?;
            self.deadlines.check(limit, &self.model)?;
            self.check_farewells(limit)?;
            self.check_stalls(limit)?;
            self.check_kicks(limit)?;
            self.answer_late(limit)?;
            self.transfers.read_late(&mut self.mesh)?;
            if let Some(host) = &mut self.host
                && host.run_timers(&mut self.mesh)?
            {
                self.count_step()?;
            }
            self.collect()?;
            return Ok(true);
        }
        self.count_step()?;
        self.collect()?;
        Ok(true)
    }

    /// Nothing is due for ever, and everything comes to an end.
    fn count_step(&mut self) -> Result<(), Breach> {
        self.steps += 1;
        let now = self.mesh.now();
        self.at_once = if now == self.moment { self.at_once + 1 } else { 0 };
        self.moment = now;
        if self.at_once > MAX_AT_ONCE || self.steps > MAX_STEPS {
            return Err(Breach::new(
                Invariant::Progress,
                "time to go on",
                format!("{} inputs at one moment, {} in all", self.at_once, self.steps),
            ));
        }
        Ok(())
    }
}
