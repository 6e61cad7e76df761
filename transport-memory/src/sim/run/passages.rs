//! Forwarding by neighbours: control and bundles are handed to the judges.

use socketio_p2p_core::{PeerError, PeerId, Time};

use super::Run;
use crate::freight::{Neighbourly, Sealed};
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Node, Seen, Talk};
use crate::sim::oracles::Forgery;

impl Run<'_> {
    /// Something was said, or heard, of which some is about others.
    pub(super) fn note_neighbourly(&mut self, seen: &Seen) -> Result<(), Breach> {
        let Seen { talk, heard } = seen;
        let (from, to) = (talk.from, talk.to);
        for word in &talk.freight.neighbourly {
            match (word, heard) {
                (Neighbourly::Pass(receiver, sealed), None) => {
                    self.note_given(talk, receiver, *sealed)?;
                }
                (Neighbourly::Pass(receiver, sealed), Some(heard)) => {
                    if let Some(receiver) = self.model.find(receiver) {
                        let way = (from.index(), to.index(), receiver);
                        self.forwarded.give(way, *sealed, heard.at);
                        self.check_refusal(way, talk.sent.at, heard.at)?;
                    }
                }
                (Neighbourly::Passed(sender, sealed), None) => {
                    if let Some(sender) = self.model.find(sender)
                        && let Some(config) = self.model.config(from.index())
                    {
                        let way = (sender, from.index(), to.index());
                        self.forwarded.pass(way, *sealed, config.forward_rate)?;
                        self.refusals.settle(way);
                    }
                }
                (Neighbourly::Passed(sender, sealed), Some(_)) => {
                    if self.model.is_raw(from.index()) {
                        self.check_seal(sender, from, to, *sealed)?;
                    }
                }
                (Neighbourly::NoWay(receiver), Some(heard)) => {
                    if let Some(receiver) = self.model.find(receiver) {
                        self.senders.refused((to.index(), from.index(), receiver), heard.at);
                    }
                }
                (Neighbourly::Knows(peers, rate), Some(_)) => {
                    let model = &self.model;
                    let knows = |node| peers.iter().any(|peer| model.find(peer) == Some(node));
                    self.senders.told((to.index(), from.index()), knows, *rate);
                }
                (Neighbourly::NoWay(receiver), None) => {
                    if let Some(receiver) = self.model.find(receiver) {
                        self.refusals.settle((to.index(), from.index(), receiver));
                    }
                }
                (Neighbourly::Knows(..), None) => self.refusals.excuse(from.index()),
            }
        }
        Ok(())
    }

    /// A neighbour has got more: with what it got before it has done something.
    fn check_refusal(
        &mut self,
        way: (usize, usize, usize),
        sent: Time,
        heard: Time,
    ) -> Result<(), Breach> {
        let (from, neighbour, to) = way;
        let honest = way_is(way, |node| self.model.config(node).is_some());
        let settings = &self.scenario.settings;
        let delayed = heard - sent > settings.direct_latency * 2;
        if !honest || delayed {
            self.refusals.settle(way);
            return Ok(());
        }
        let Some(since) = self.refusals.give(way, heard) else { return Ok(()) };
        let [from, neighbour, to] = [from, neighbour, to].map(Node::from_index);
        let mesh = &self.mesh;
        let calm =
            self.calm.holds(neighbour, since, mesh) && mesh.drains_every(neighbour).is_none();
        let open = |other| {
            let proved = |a, b| mesh.peer(a, b).is_some_and(|peer| peer.validated);
            let clear = mesh.is_clear(neighbour, other) && mesh.is_prompt(other);
            mesh.is_running(other) && clear && proved(neighbour, other)
        };
        if !calm || !mesh.is_running(neighbour) || !open(from) || !open(to) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::PassedOn,
            format!("{neighbour:?} to pass on what {from:?} has for {to:?}, or to say no"),
            format!("nothing for {:?}", heard - since),
        ))
    }

    /// Something is given to a neighbour.
    fn note_given(&mut self, talk: &Talk, receiver: &PeerId, sealed: Sealed) -> Result<(), Breach> {
        let Some(receiver) = self.model.find(receiver) else { return Ok(()) };
        let way = (talk.from.index(), talk.to.index(), receiver);
        if self.model.is_raw(talk.to.index()) {
            self.seals.give(way, sealed);
        }
        let epoch = sealed.epochs.map_or(0, |epochs| epochs.epoch);
        if self.model.is_raw(talk.from.index()) || !sealed.has_records {
            return Ok(());
        }
        let (calm, mesh) = (&self.calm, &self.mesh);
        let kept_time = |since| calm.holds(talk.from, since, mesh);
        self.senders.give(way, (talk.line, epoch), sealed, talk.sent.at, kept_time)
    }

    /// Something came through a malicious neighbour: where it is not what its sender gave, that is reported.
    fn check_seal(
        &mut self,
        sender: &PeerId,
        neighbour: Node,
        node: Node,
        sealed: Sealed,
    ) -> Result<(), Breach> {
        let Some(from) = self.model.find(sender) else { return Ok(()) };
        if self.model.is_raw(from) || from == node.index() || !self.mesh.is_running(node) {
            return Ok(());
        }
        // What comes under an id that the receiver does not know, or no more, is not looked at.
        if self.model.known_as(node.index(), from) != Some(sender) {
            return Ok(());
        }
        let way = (from, neighbour.index(), node.index());
        let between = self.talks.between(from, node.index());
        let Some(forgery) = self.seals.take(way, sealed, between) else { return Ok(()) };
        let index = node.index();
        if self.model.is_closing(index) || !self.model.knows(index, from) {
            return Ok(());
        }
        let takes = |id: &PeerId| {
            self.mesh.session(node).peers().any(|peer| peer.id == *id && peer.validated)
        };
        let now = self.mesh.now();
        // Where its clock has jumped, less time has passed for it.
        let lately = |(at, lately)| lately || !self.calm.holds(node, at, &self.mesh);
        let reported = self.seals.reported(index, neighbour.index(), now).is_some_and(lately);
        if reported || !self.model.id(neighbour.index()).is_some_and(takes) {
            return Ok(());
        }
        let what = match forgery {
            Forgery::Forged => "has not sealed",
            Forgery::Repeated => "has sent once, and that has come before",
        };
        Err(Breach::new(
            Invariant::Seals,
            format!("{node:?} to report {neighbour:?} for what node {from} {what}"),
            format!("nothing, {sealed:?}"),
        ))
    }

    /// A session reports somebody for what it has passed on: not somebody honest.
    pub(super) fn note_report(
        &mut self,
        node: Node,
        peer: &PeerId,
        error: &PeerError,
    ) -> Result<(), Breach> {
        let (PeerError::Forged { from } | PeerError::Replayed { from }) = error else {
            return Ok(());
        };
        let Some(neighbour) = self.model.find(peer) else { return Ok(()) };
        let sender = self.model.find(from);
        let malice = |node: usize| self.model.is_raw(node);
        // Where the hub has lost its key, the ends of a way take each other's new ids and keys at different times: what
        // one has sealed meanwhile is not sealed for the other.
        let agree = !self.model.has_lost_key();
        if agree && !malice(neighbour) && sender.is_some_and(|sender| !malice(sender)) {
            return Err(Breach::new(
                Invariant::Seals,
                format!("no trouble with node {neighbour}, which passes on what it gets"),
                format!("{error} at {node:?}"),
            ));
        }
        self.seals.report(node.index(), neighbour, self.mesh.now());
        Ok(())
    }
}

fn way_is(way: (usize, usize, usize), holds: impl Fn(usize) -> bool) -> bool {
    let (from, neighbour, to) = way;
    [from, neighbour, to].into_iter().all(holds)
}
