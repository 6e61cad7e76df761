//! Idle volatile events, milestones and the cost of a run, checked at its end.

use std::time::Duration;

use socketio_p2p_core::{Config, Path};

use super::Run;
use crate::invariant::{Breach, Invariant};
use crate::mesh::Node;
use crate::sim::profile::Profile;
use crate::sim::scenario::Manner;
use crate::sim::shape::Shape;

/// A volatile event that nobody acknowledged does not count as in flight any more then, and a moment beside.
const VOLATILE_AGE: Duration = Duration::from_millis(1_100);

/// The longest volatile event on an idle path.
const LONGEST_VOLATILE: usize = 1_900;

/// What an event has beside its blob.
const VOLATILE_BESIDE: usize = 100;

/// The maximum of bytes sent for each byte delivered, in percent.
const PERCENT: u64 = 140;

/// Beside it for each event.
const PER_EVENT: u64 = 1_200;

/// Beside it for each peer and second.
const PER_SECOND: u64 = 1_000;

/// Beside it at the beginning.
const AT_FIRST: u64 = 60_000;

impl Run<'_> {
    pub(super) fn check_milestones(&self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        self.live().try_for_each(|node| self.milestones.check_told(node, &self.mesh, &self.model))
    }

    /// Where nothing else is in flight, volatile events arrive, and the hub has nothing to do where all paths are direct.
    pub(super) fn check_idle_paths(&mut self) -> Result<(), Breach> {
        if !self.is_strict() {
            return Ok(());
        }
        let latency = self.scenario.settings.relay_latency + self.scenario.settings.direct_latency;
        let round = latency * 4 + Duration::from_millis(100);
        let before = self.mesh.uploads();
        let forgotten = self.last_volatile + VOLATILE_AGE;
        self.run_until(forgotten.max(self.mesh.now() + round))?;
        let quiet = self.mesh.uploads() == before && self.has_told_metadata();
        let shape = Shape::of_size(self.volatile_size());
        let mut numbers = Vec::new();
        for place in 0..self.places.len() {
            let Some(node) = self.places[place] else { continue };
            // The hub may name somebody late.
            let peers = self.mesh.session(node).peers().filter(|peer| peer.path.is_some());
            let reached: Vec<_> = peers.filter_map(|peer| self.model.find(&peer.id)).collect();
            numbers.push((self.model.next_number(), reached));
            self.emit(node, None, shape, Manner::Volatile)?;
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
            let stays = |node: &&Node| {
                let stays = same(sender, node.index()) && same(node.index(), sender);
                let twice = self.model.is_known_twice(sender, node.index());
                stays && !twice && !self.model.is_renewed(sender, node.index())
            };
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

    /// The bytes of a volatile event that everybody takes, and that fits only where few others count as in flight.
    fn volatile_size(&self) -> usize {
        let configs = self.live().filter_map(|node| self.model.config(node.index()));
        let size = |config: &Config| {
            let bytes = config.volatile_bytes.min(config.limits.max_packet_bytes / 2);
            if config.limits.max_attachments == 0 { 0 } else { bytes }
        };
        let least = configs.map(size).min().unwrap_or(0);
        least.saturating_sub(VOLATILE_BESIDE).min(LONGEST_VOLATILE)
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
