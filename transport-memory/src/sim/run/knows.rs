//! What nodes know about each other, kicks, and new ids.

use std::time::Duration;

use serde_json::Value;
use socketio_p2p_core::{
    ClientId, Event, LeaveReason, MemberData, Packet, PeerId, ReplyToken, SignalingError, Time,
};

use super::Run;
use crate::dice::Dice;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Fault, Node};
use crate::server::BANNED;

/// The changes of metadata that a session tells at once.
pub(super) const UPDATE_BURST: u32 = 8;

/// The pause after which a session tells one more.
const UPDATE_PAUSE: Duration = Duration::from_secs(1);

/// The books about names, data and the server's application.
#[derive(Debug)]
pub(super) struct Knows {
    pub(super) dice: Dice,
    /// Who was refused or removed, and stays away until it is called back.
    pub(super) out: Vec<Node>,
    /// How often metadata has changed.
    pub(super) changes: u64,
    pub(super) changed_at: Time,
    pub(super) kicks: Vec<ExpectedKick>,
    /// The server's questions: to be answered now, later, and those of connections that are over.
    pub(super) fresh: Vec<(Node, ReplyToken, u64)>,
    pub(super) kept: Vec<(Node, ReplyToken, u64)>,
    pub(super) stale: Vec<(Node, ReplyToken, u64)>,
    /// The server's answers that are not given at once.
    pub(super) unanswered: Vec<(ClientId, u64, u64)>,
    /// The pause that clients of a hub that closes are told.
    pub(super) pause: Duration,
    /// The hub admits nobody any more.
    pub(super) is_closed: bool,
    /// The next hub has another token key.
    pub(super) loses_key: bool,
    /// How much had been done to the mesh when a hub with another key had started.
    pub(super) stirs: Option<u64>,
}

/// Who has to hear that a node was removed.
#[derive(Clone, Debug)]
pub(super) struct ExpectedKick {
    pub(super) observer: Node,
    pub(super) target: Node,
    pub(super) id: PeerId,
    pub(super) asked: Time,
    pub(super) due: Time,
    pub(super) stirs: u64,
    /// Whether a live path led from the observer to the target.
    pub(super) is_near: bool,
}

impl Knows {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::for_purpose(seed, 77),
            out: Vec::new(),
            changes: 0,
            changed_at: Time::ZERO,
            kicks: Vec::new(),
            fresh: Vec::new(),
            kept: Vec::new(),
            stale: Vec::new(),
            unanswered: Vec::new(),
            pause: Duration::ZERO,
            is_closed: false,
            loses_key: false,
            stirs: None,
        }
    }

    /// When somebody has to have heard of something.
    pub(super) fn next(&self) -> Option<Time> {
        self.kicks.iter().map(|kick| kick.due).min()
    }

    /// The hub is down.
    pub(super) const fn note_stop(&mut self) {
        self.is_closed = false;
    }
}

pub(super) fn number_in(packet: &Packet) -> Option<u64> {
    packet.args::<(u64,)>().ok().map(|(number,)| number)
}

impl Run<'_> {
    // ----- events -----

    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are no matter of these")]
    pub(super) fn note_knowledge(&mut self, node: Node, event: &Event) -> Result<(), Breach> {
        let index = node.index();
        match event {
            Event::PeerJoined { peer, user, metadata, .. } => {
                self.check_data(node, peer, user.as_ref(), metadata.as_ref())
            }
            Event::PeerUpdated { peer, user, metadata } => {
                self.mesh.effects_mut().strike(Fault::Metadata);
                self.check_data(node, peer, user.as_ref(), metadata.as_ref())
            }
            Event::PeerLeft { peer, reason, .. } => self.note_loss(node, peer, *reason),
            Event::Connected { .. } => {
                let (stale, kept) = std::mem::take(&mut self.knows.kept)
                    .into_iter()
                    .partition(|(asked, ..)| *asked == node);
                self.knows.kept = kept;
                let stale: Vec<_> = stale;
                self.knows.stale.extend(stale);
                Ok(())
            }
            Event::Refused(refusal) => {
                self.mesh.effects_mut().strike(match refusal.code.as_deref() {
                    Some(BANNED) => Fault::TurnedAway,
                    Some("room-closed") => Fault::RoomClosed,
                    _ => Fault::Kick,
                });
                self.desk_is_clear(node)
            }
            Event::Disconnected { error: SignalingError::PutOff(refusal), .. } => {
                match refusal.code.as_deref() {
                    Some("closing") => self.mesh.effects_mut().strike(Fault::HubClosing),
                    Some("busy") => self.mesh.effects_mut().strike(Fault::PutOff),
                    _ => {}
                }
                self.desk_is_clear(node)
            }
            Event::Disconnected { .. } => self.desk_is_clear(node),
            Event::ServerEvent { packet, reply } => {
                let number = number_in(packet);
                if let (Some(token), Some(number)) = (reply, number) {
                    self.knows.fresh.push((node, token.clone(), number));
                }
                self.desk.came_down(index, number)
            }
            Event::ServerAck { emit, packet } => {
                self.mesh.effects_mut().strike(Fault::ServerAnswer);
                self.desk.ended(index, emit.as_u64(), Some(number_in(packet)))
            }
            Event::NoServerAck { emit, .. } => self.desk.ended(index, emit.as_u64(), None),
            _ => Ok(()),
        }
    }

    /// A connection is over, and no question to the server is left.
    fn desk_is_clear(&self, node: Node) -> Result<(), Breach> {
        match self.desk.open_of(node.index()) {
            0 => Ok(()),
            open => Err(Breach::new(
                Invariant::ServerTalk,
                format!("questions of {node:?} to the server to end with the connection"),
                format!("{open} are open"),
            )),
        }
    }

    /// A link has ended: not because of a new id where a channel led on, and not otherwise where its peer was kicked.
    fn note_loss(&mut self, node: Node, peer: &PeerId, reason: LeaveReason) -> Result<(), Breach> {
        let Some(other) = self.model.find(peer) else { return Ok(()) };
        if reason == LeaveReason::IdentityChanged {
            self.mesh.effects_mut().strike(Fault::IdentityLost);
        }
        if reason == LeaveReason::Kicked {
            self.mesh.effects_mut().strike(Fault::Kick);
        }
        let quiet = self.knows.stirs == Some(self.stirs) && self.is_strict();
        let stays = |one: usize| self.model.config(one).is_some() && !self.model.is_closing(one);
        let is_session = stays(other) && stays(node.index());
        // A link under a former id may end beside it, and a link may begin anew for want of progress.
        let is_present = self.model.known_as(node.index(), other) == Some(peer);
        let anew = matches!(reason, LeaveReason::Stalled | LeaveReason::Restarted);
        let outlives = is_present && !anew;
        if quiet && is_session && outlives && !self.model.is_shaken(node.index(), other) {
            return Err(Breach::new(
                Invariant::Identity,
                format!("the link of {node:?} to node {other} to outlive the loss of the key"),
                format!("it ended: {reason}"),
            ));
        }
        let kick =
            self.knows.kicks.iter().find(|kick| {
                kick.observer == node && kick.target.index() == other && kick.id == *peer
            });
        // What can end a link before the news of the kick has come.
        let ends_first = |kick: &ExpectedKick| match reason {
            LeaveReason::Restarted | LeaveReason::Stalled => true,
            LeaveReason::Lost | LeaveReason::TimedOut => !kick.is_near,
            LeaveReason::Left
            | LeaveReason::Kicked
            | LeaveReason::IdentityChanged
            | LeaveReason::Closed
            | _ => false,
        };
        let wrong = |kick: &ExpectedKick| !ends_first(kick) && self.is_undisturbed(kick);
        if reason != LeaveReason::Kicked && is_session && kick.is_some_and(wrong) {
            return Err(Breach::new(
                Invariant::Dismissal,
                format!("the link of {node:?} to {peer} to end because of the kick"),
                format!("it ended: {reason}"),
            ));
        }
        Ok(())
    }

    fn is_undisturbed(&self, kick: &ExpectedKick) -> bool {
        let calm = [kick.observer, kick.target].iter().all(|one| {
            !self.mesh.is_running(*one) || self.calm.holds(*one, kick.asked, &self.mesh)
        });
        calm && kick.stirs == self.stirs && !self.is_healed
    }

    /// Who was kicked has gone for all who heard of it, and is out itself.
    pub(super) fn check_kicks(&mut self, now: Time) -> Result<(), Breach> {
        let (due, later) =
            std::mem::take(&mut self.knows.kicks).into_iter().partition(|kick| kick.due <= now);
        self.knows.kicks = later;
        let due: Vec<ExpectedKick> = due;
        for kick in due {
            let ExpectedKick { observer, target, id, .. } = &kick;
            let here = !self.model.is_closing(observer.index());
            let heard = match observer == target {
                true => self.knows.out.contains(target),
                false => self.model.known_as(observer.index(), target.index()) != Some(id),
            };
            if !heard && here && self.is_undisturbed(&kick) {
                return Err(Breach::new(
                    Invariant::Dismissal,
                    format!("{observer:?} to hear that {target:?} was kicked"),
                    format!("it has not, {:?} after that", now - kick.asked),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn note_turned_away(&mut self, node: Node) {
        self.knows.out.push(node);
        self.reconnects.excuse(node.index());
    }

    pub(super) fn note_renamed(&mut self, node: Node, peer: usize) {
        self.mesh.effects_mut().strike(Fault::Renamed);
        // Its link goes on as it is, with the leave to become direct.
        if let Some(id) = self.model.known_as(node.index(), peer).cloned() {
            let asked = |(by, with): &(Node, Option<PeerId>)| {
                *by == node && with.as_ref().and_then(|with| self.model.find(with)) == Some(peer)
            };
            if self.upgraded.iter().any(asked) {
                self.upgraded.push((node, Some(id)));
            }
        }
        // What was sealed under former ids is not under the new ones.
        self.seals.forget(node.index(), peer);
        self.talks.upset(node.index(), Some(peer), self.mesh.now());
    }

    /// Somebody tries to reach the hub: not by itself once it is out.
    pub(super) fn check_out(&self, node: Node) -> Result<(), Breach> {
        if self.knows.out.contains(&node) {
            return Err(Breach::new(
                Invariant::Dismissal,
                format!("{node:?} to stay away until it is called back"),
                "it tries to reach the hub",
            ));
        }
        Ok(())
    }

    pub(super) const fn pause_of_hub(&self) -> Duration {
        self.knows.pause
    }

    // ----- data -----

    /// Whether no session has a change of metadata left to tell.
    pub(super) fn has_told_metadata(&self) -> bool {
        self.knows.changes == 0 || self.mesh.now() > self.knows.changed_at + UPDATE_PAUSE
    }

    /// What a node is told about a peer is about that peer.
    fn check_data(
        &self,
        node: Node,
        peer: &PeerId,
        user: Option<&MemberData>,
        metadata: Option<&MemberData>,
    ) -> Result<(), Breach> {
        let other = self.model.find(peer);
        let Some(other) = other.filter(|other| self.model.config(*other).is_some()) else {
            return Ok(());
        };
        let owner = |data: &MemberData| data.read::<Value>().ok()?.get("node")?.as_u64();
        let right =
            |data: Option<&MemberData>| data.is_none_or(|data| owner(data) == Some(other as u64));
        let known = user.is_some() || !self.scenario.settings.admission;
        if known && right(user) && right(metadata) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Knowledge,
            format!("{node:?} to be told about {peer} what is about node {other}"),
            format!("{:?} and {:?}", user.map(MemberData::as_json), metadata.map(owner)),
        ))
    }

    /// Who knows something else about a peer than that says about itself, and of what the server has told it.
    pub(super) fn first_ignorant(&self) -> Option<String> {
        let nodes: Vec<Node> = self.live().collect();
        for &node in &nodes {
            for peer in self.mesh.session(node).peers() {
                let Some(other) = self.model.find(&peer.id) else { continue };
                let other = Node::from_index(other);
                if !nodes.contains(&other) {
                    continue;
                }
                let session = self.mesh.session(other);
                let says = (session.user(), session.metadata());
                let known = (peer.user.as_ref(), peer.metadata.as_ref());
                if says != known {
                    let text = |data: Option<&MemberData>| {
                        data.map(|data| data.as_json().chars().take(40).collect::<String>())
                    };
                    return Some(format!(
                        "{node:?} knows {:?} and {:?} of {other:?}, which says {:?} and {:?}",
                        text(known.0),
                        text(known.1),
                        text(says.0),
                        text(says.1)
                    ));
                }
            }
        }
        None
    }

    pub(super) fn check_knowledge(&self) -> Result<(), Breach> {
        if let Some(what) = self.first_ignorant() {
            let expected = "all to know what their peers say about themselves";
            return Err(Breach::new(Invariant::Knowledge, expected, what));
        }
        Ok(())
    }
}
