//! The end of a run: all faults stop, the mesh comes to rest, all sessions close.

use std::time::Duration;

use socketio_p2p_core::{DirectState, Path, PeerId, PeerInfo, Policy, RoomName};

use super::Run;
use crate::conditions::{Conditions, RosterFaults, SignalFaults};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Node, Place, TraceEvent};
use crate::sim::scenario::{Action, Manner};

/// How long everything may take to settle once faults are over, in silences.
const SETTLING: u32 = 60;

/// How long credit waits to be told, beside the way there and back.
const CREDIT_LAG: Duration = Duration::from_millis(100);

/// How often it is looked whether everything has settled, in steps.
const LOOK_EVERY: u32 = 12;

impl Run<'_> {
    pub(super) fn live(&self) -> impl Iterator<Item = Node> + '_ {
        self.places.iter().flatten().copied()
    }

    /// Every fault ends.
    pub(super) fn heal(&mut self) -> Result<(), Breach> {
        self.mesh.remark(Place::Hub, "all faults end, everybody who is gone comes back");
        self.is_healed = true;
        self.stirs += 1;
        // Those who asked find out.
        self.late_answers.clear();
        self.mesh.set_signal_faults(SignalFaults::default());
        self.mesh.set_roster_faults(RosterFaults::default());
        if self.is_hub_closed() && self.server_up {
            self.server_up = false;
            self.mesh.stop_server();
            self.knows.note_stop();
        }
        self.start_hub();
        self.call_all_back();
        self.deaf.clear();
        self.mesh.heal();
        self.note_release();
        if let Some(mut mallory) = self.mallory.take() {
            mallory.leave(&mut self.mesh);
            let soon = self.mesh.now() + self.scenario.settings.relay_latency * 2;
            self.run_until(soon)?;
            mallory.nodes().for_each(|node| self.mesh.crash(node));
            self.collect()?;
        }
        self.deadlines.clear();
        self.dismiss_originals()?;
        for place in 0..self.places.len() {
            if self.places[place].is_none() {
                self.add(place)?;
            }
        }
        let nodes: Vec<Node> = self.live().chain(self.closing.iter().copied()).collect();
        for &node in &nodes {
            if !self.mesh.is_prompt(node) {
                self.disturb(node);
            }
            self.mesh.set_frozen(node, false);
            if !self.mesh.is_receiving(node) {
                self.set_receiving(node, true);
            }
            self.mesh.set_reachable(node, true);
            self.mesh.set_relay_conditions(node, Conditions::default());
            self.mesh.set_drain(node, None);
            for &other in &nodes {
                self.mesh.set_direct_conditions(node, other, Conditions::default());
                self.mesh.set_blocked(node, other, false);
                self.mesh.set_flapping(node, other, None);
                self.mesh.set_swallowed(node, other, None);
            }
            self.collect()?;
        }
        for node in self.live().collect::<Vec<_>>() {
            self.reasons += 1;
            self.note_policy(node, Policy::Automatic);
            self.mesh.with(node, |session, now| session.set_policy(Policy::Automatic, now));
            self.collect()?;
        }
        Ok(())
    }

    /// How many windows of the narrowest kind wait in the longest queue.
    fn queues(&self) -> u32 {
        let queue = |node: Node| {
            let window = self.model.config(node.index()).map_or(1, |config| config.relay_window);
            let peers = self.mesh.session(node).peers();
            let queued = peers.map(|peer| peer.queued).max().unwrap_or(0);
            u32::try_from(2 * queued / window.max(1)).unwrap_or(u32::MAX)
        };
        self.live().map(queue).max().unwrap_or(0)
    }

    /// Waits until nothing is in flight but probes.
    pub(super) fn settle(&mut self) -> Result<(), Breach> {
        let settings = &self.scenario.settings;
        let round = (settings.relay_latency + settings.direct_latency) * 4 + CREDIT_LAG;
        let patience = self.transfers.patience(round) + self.queues() * round;
        let end = self.mesh.now() + settings.silence * SETTLING + patience;
        // Until its next probe is answered, a path that was broken can still be given up as silent.
        let round_trip = settings.direct_latency * 2;
        let probes = settings.configs().map(|config| config.probe_interval).max();
        let proved = self.mesh.now() + probes.unwrap_or_default() + round_trip;
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
                && self.mesh.now() > proved
                && closed
                && self.transfers.are_over()
                && self.model.is_settled()
                && self.first_unsettled(true).is_none()
                && self.first_ignorant().is_none()
                && self.desk.is_settled()
                && self.check_agreement().is_ok()
            {
                return Ok(());
            }
        }
    }

    /// Waits until the host has settled too. What is at rest can still change when a timer of the host expires.
    pub(super) fn settle_host(&mut self) -> Result<(), Breach> {
        let end = self.mesh.now() + self.scenario.settings.silence * SETTLING;
        while let Some(host) = &mut self.host {
            let Err(breach) = host.settled() else { break };
            let Some(timer) = host.next_timeout(&self.mesh).filter(|at| *at <= end) else {
                return Err(breach);
            };
            self.run_until(timer)?;
            self.settle()?;
            self.check_settled()?;
        }
        Ok(())
    }

    /// The first pair that is not as it should be once faults are over, and why. `idle`: nothing is to be in flight.
    pub(super) fn first_unsettled(&self, idle: bool) -> Option<String> {
        let nodes: Vec<Node> = self.live().collect();
        let most = |node: Node| self.model.max_peers(node.index());
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
                let other = self.model.find(&peer.id).map(Node);
                if other.is_some_and(|other| self.is_kept_ghost(other, &peer)) {
                    continue;
                }
                known += 1;
                let Some(other) = other.filter(|other| nodes.contains(other)) else {
                    return Some(format!("{node:?} knows {}, which is gone", peer.id));
                };
                if peer.away || idle && peer.queued + peer.held > 0 {
                    return Some(format!("{node:?} has {peer:?}"));
                }
                if peer.direct == DirectState::NoSignaling {
                    return Some(format!("{node:?} has not heard that {other:?} is in the room"));
                }
                let room = |node| direct(node) < most(node);
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

    /// The hub keeps a seat for who never heard of its id, as long as for all others.
    pub(super) fn is_kept_ghost(&self, other: Node, peer: &PeerInfo) -> bool {
        peer.away && self.scenario.settings.patient && self.model.is_ghost(other.index())
    }

    pub(super) fn check_settled(&mut self) -> Result<(), Breach> {
        // Applications may go on talking.
        if let Some(what) = self.first_unsettled(self.host.is_none()) {
            let expected = "everybody to find everybody, on the best path";
            return Err(Breach::new(Invariant::Convergence, expected, what));
        }
        self.model.check_delivery()?;
        if !self.transfers.are_over() {
            return Err(Breach::new(
                Invariant::Transfer,
                "all transfers to end once faults are over",
                self.transfers.describe_open(),
            ));
        }
        if !self.model.is_settled() {
            return Err(Breach::new(
                Invariant::Delivery,
                "no emit and no question without an end",
                "some",
            ));
        }
        self.check_knowledge()?;
        self.check_roster()?;
        self.check_attempts()?;
        self.check_agreement()?;
        self.check_explained()?;
        self.check_milestones()
    }

    pub(super) fn check_roster(&self) -> Result<(), Breach> {
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
    pub(super) fn check_attempts(&self) -> Result<(), Breach> {
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
    pub(super) fn check_agreement(&self) -> Result<(), Breach> {
        let mut ends = 0;
        for node in self.live() {
            let session = self.mesh.session(node);
            for peer in session.peers().filter(|peer| peer.validated) {
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
    pub(super) fn check_quiet(&mut self) -> Result<(), Breach> {
        let before = self.steps;
        let probes = self.scenario.settings.configs().map(|config| config.probe_interval);
        let span = probes.max().unwrap_or_default();
        let end = self.mesh.now() + span;
        // Where not everybody may talk directly, some try now and then.
        let mut most = self.scenario.settings.configs().map(|config| config.max_peers);
        let crowded = most.any(|most| most + 1 < self.places.len());
        self.quiet = (!crowded).then(Vec::new);
        self.run_until(end)?;
        let told = self.quiet.take().unwrap_or_default();
        let peers = self.places.len() as u64;
        // A probe or two of each end, their answers, and timers on the way.
        let most = peers * (peers - 1) * 16 + 64;
        let too_many = self.host.is_none() && self.steps - before > most;
        if too_many || !told.is_empty() {
            return Err(Breach::new(
                Invariant::Progress,
                format!("at most {most} inputs and no event once all is quiet"),
                format!("{} and {told:?}", self.steps - before),
            ));
        }
        Ok(())
    }

    /// What a node does before it closes.
    fn last_act(&self, place: usize) -> Action {
        if self.host.is_none() {
            return Action::Emit { node: place, to: None, count: 1, size: 0, how: Manner::Event };
        }
        // A number that no turn of the scenario has.
        let number = u32::MAX - u32::try_from(place).unwrap_or(0);
        Action::Turn { node: place, number }
    }

    /// All close, one after the other, with events in flight; nothing is left.
    pub(super) fn close_all(&mut self) -> Result<(), Breach> {
        self.mesh
            .note(Place::Hub, || TraceEvent::Command("all close, one after the other".to_owned()));
        let timeout = self.scenario.settings.config().close_timeout * 2;
        for place in 0..self.places.len() {
            let Some(node) = self.places[place] else { continue };
            self.act(&self.last_act(place))?;
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
        // The seat of who never heard of its id is kept for longer than the run.
        let is_kept = self.scenario.settings.patient && self.model.has_ghosts();
        if (hub != Some((0, None)) && !is_kept) || connections != (0, 0) {
            return Err(Breach::new(
                Invariant::Leak,
                "no room, timer or connection left once all have closed",
                format!("rooms and timers {hub:?}, connections {connections:?}"),
            ));
        }
        // What is still on its way, on a narrow path for one, finds nobody.
        let end = self.mesh.now() + Duration::from_secs(3600);
        while self.step(end)? {}
        match self.mesh.in_flight() {
            0 => Ok(()),
            left => Err(Breach::new(Invariant::Leak, "no message left", format!("{left}"))),
        }
    }
}
