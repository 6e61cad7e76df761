//! What a session tells: who is there, on which path, and what else follows from its events.

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Dialect, Event, LeaveReason, Path, PeerError, PeerId};

use super::{Breach, Invariant, Known, Model, Note, Weather, breach, place};

impl Model {
    /// A session told its application something.
    pub(in crate::sim) fn note(&mut self, node: usize, event: Event) -> Result<Note, Breach> {
        if self.views[node].closed {
            return breach(Invariant::Presence, "nothing after `Closed`", format!("{event:?}"));
        }
        match event {
            Event::Connected { id, resumed, .. } => {
                let view = &mut self.views[node];
                if view.id.as_ref() != Some(&id) {
                    let given = view.id.as_ref().map_or("none", PeerId::as_str);
                    return breach(Invariant::Identity, given, id.as_str());
                }
                if std::mem::replace(&mut view.heard, true) != resumed {
                    return breach(
                        Invariant::Identity,
                        "`resumed` with an identity of before, and only then",
                        format!("{resumed}"),
                    );
                }
                Ok(Note::Joined { resumed })
            }
            Event::PeerJoined { peer, dialect, .. } => self.joined(node, &peer, dialect),
            Event::PeerLeft { peer, reason, .. } => self.left(node, &peer, reason),
            Event::PeerAway { peer } => self.change_presence(node, &peer, true),
            Event::PeerBack { peer } => self.change_presence(node, &peer, false),
            Event::PathChanged { peer, path } => self.path_changed(node, &peer, path),
            Event::Writable { peer, lane } => {
                let known = self.known(node, &peer)?;
                if !std::mem::take(&mut known.blocked[place(lane)]) {
                    return breach(
                        Invariant::Pushback,
                        "`Writable` after `Blocked`",
                        format!("`Writable` for {peer} in {lane:?}, which was not blocked"),
                    );
                }
                Ok(Note::Writable(peer, lane))
            }
            Event::Received { from, packet, reply, path } => {
                self.received(node, &from, &packet, reply, path)
            }
            Event::Outcome { emit, peer, outcome } => {
                self.ended(node, emit.as_u64(), &peer, outcome)
            }
            Event::Ack { emit, from, packet } => {
                let peer = self.named(node, &from)?;
                let question = self.answered(node, emit.as_u64(), peer)?;
                question.answered.push(from);
                let number = question.number;
                let answer = packet.args::<(u64,)>().map(|(number,)| number);
                if answer.as_ref().ok() != Some(&number) && !self.views[peer].raw {
                    return breach(
                        Invariant::Answer,
                        format!("the answer {number}"),
                        format!("{answer:?}"),
                    );
                }
                self.answers += 1;
                Ok(Note::Nothing)
            }
            Event::NoAck { emit, peer, .. } => {
                let index = self.named(node, &peer)?;
                self.answered(node, emit.as_u64(), index)?.missing.push(peer);
                Ok(Note::Nothing)
            }
            Event::AcksComplete { emit, answered, missing } => {
                self.summed_up(node, emit.as_u64(), &answered, &missing)
            }
            Event::Closed => {
                let left = self.flows[node].iter().all(|flow| flow.known.is_none());
                if !left {
                    return breach(Invariant::Presence, "everybody gone before `Closed`", "not so");
                }
                self.views[node].closed = true;
                Ok(Note::Nothing)
            }
            Event::Refused(refusal) => self.refused(node, refusal.code.as_deref()),
            Event::PeerRenamed { from, to } => self.renamed(node, &from, to),
            Event::PeerUpdated { peer, .. } => self.known(node, &peer).map(|_| Note::Nothing),
            Event::PeerError { peer, error } => {
                if let Some(sender) = self.find_by(node, &peer)
                    && matches!(error, PeerError::Unfinished(_) | PeerError::NoRoom)
                {
                    self.flows[sender][node].stranded = true;
                }
                let raw = self.find(&peer).is_some_and(|peer| self.views[peer].raw);
                Ok(if raw { Note::Malice } else { Note::Nothing })
            }
            Event::Disconnected { .. }
            | Event::DirectChanged { .. }
            | Event::Ready
            | Event::Upgrade
            | Event::ServerEvent { .. }
            | Event::ServerAck { .. }
            | Event::NoServerAck { .. }
            | Event::ServerWritable
            | Event::TransferOpened { .. }
            | Event::TransferReadable { .. }
            | Event::TransferWritable { .. }
            | Event::TransferEnded { .. }
            | _ => Ok(Note::Nothing),
        }
    }

    /// What a node knows about a peer, under this id.
    pub(super) fn known(&mut self, node: usize, peer: &PeerId) -> Result<&mut Known, Breach> {
        let index = self.named(node, peer)?;
        match &mut self.flows[node][index].known {
            Some(known) if known.id == *peer => Ok(known),
            Some(_) | None => breach(
                Invariant::Presence,
                "events about peers that have joined",
                format!("one about {peer}"),
            ),
        }
    }

    fn joined(&mut self, node: usize, peer: &PeerId, dialect: Dialect) -> Result<Note, Breach> {
        let index = self.named(node, peer)?;
        let expected = if self.views[index].original { Dialect::V0 } else { Dialect::V1 };
        if dialect != expected && !self.views[index].raw {
            return breach(Invariant::Presence, format!("{expected:?}"), format!("{dialect:?}"));
        }
        if self.flows[node][index].known.as_ref().is_some_and(|known| known.id != *peer) {
            self.add_shadow(node, index)?;
        }
        let flow = &mut self.flows[node][index];
        let (id, blocked) = (peer.clone(), [false; Lane::ALL.len()]);
        let known = Known { id, away: false, path: Path::Relay, blocked };
        if flow.known.replace(known).is_some() {
            return breach(Invariant::Presence, "a peer to join once", format!("{peer} again"));
        }
        flow.life += 1;
        flow.accepted = [0; Lane::ALL.len()];
        flow.waiting = Default::default();
        flow.dropped = 0;
        Ok(Note::Nothing)
    }

    fn left(&mut self, node: usize, peer: &PeerId, reason: LeaveReason) -> Result<Note, Breach> {
        let index = self.named(node, peer)?;
        let raw = self.views[index].raw;
        let dismissed = [node, index].iter().any(|one| self.views[*one].dismissed) || raw;
        if reason == LeaveReason::Kicked && !dismissed {
            let expected = format!("{peer} not to be removed by anybody");
            return breach(Invariant::Presence, expected, format!("so at node {node}"));
        }
        if reason == LeaveReason::IdentityChanged && !self.key_lost && !self.views[node].dismissed {
            let expected = format!("node {node} to keep its id");
            return breach(Invariant::Identity, expected, format!("{peer} is lost by a change"));
        }
        let flow = &mut self.flows[node][index];
        if flow.known.take().is_none_or(|known| known.id != *peer) {
            return breach(Invariant::Presence, "a peer that leaves to have joined", peer.as_str());
        }
        if flow.open > 0 {
            let open = flow.open;
            return breach(
                Invariant::Outcome,
                format!("all emits to {peer} to end before it has left"),
                format!("{open} without an end"),
            );
        }
        if flow.asked > 0 {
            let asked = flow.asked;
            return breach(
                Invariant::Answer,
                format!("all questions to {peer} to end before it has left"),
                format!("{asked} without an end"),
            );
        }
        let ended = matches!(reason, LeaveReason::Left | LeaveReason::Lost | LeaveReason::Closed);
        if self.weather == Weather::Patient && !ended && !raw && !flow.shaken {
            return breach(
                Invariant::Presence,
                "everybody to be waited for",
                format!("{peer} is given up: {reason}"),
            );
        }
        Ok(Note::Nothing)
    }

    fn change_presence(&mut self, node: usize, peer: &PeerId, away: bool) -> Result<Note, Breach> {
        let known = self.known(node, peer)?;
        if std::mem::replace(&mut known.away, away) == away {
            let (expected, came) = if away {
                ("a peer that goes away to have been there", "away twice")
            } else {
                ("a peer that comes back to have been away", "back twice")
            };
            return breach(Invariant::Presence, expected, came);
        }
        Ok(Note::Nothing)
    }

    fn path_changed(&mut self, node: usize, peer: &PeerId, path: Path) -> Result<Note, Breach> {
        let known = self.known(node, peer)?;
        if known.path == path {
            return breach(Invariant::Path, "another path", format!("{path:?} again"));
        }
        let detour = matches!(path, Path::Via(_));
        known.path = path;
        self.path_changes += 1;
        let index = self.named(node, peer)?;
        Ok(Note::PathChanged { mid_stream: self.flows[node][index].open > 0, detour })
    }
}
