//! The events that a session may report, whatever its inputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use socketio_p2p_core::wire::{Epochs, Lane};
use socketio_p2p_core::{
    Command, ConnectionId, Dialect, DirectCommand, DirectState, EmitId, Emitted, Event,
    LeaveReason, Outcome, Packet, Path, PeerError, PeerId, PeerInfo, ReplyToken, Session,
    TransferId, TransferOutcome,
};

use super::come::ReceivedStreams;
use super::desk::Desk;
use super::remote::{Remote, file_label, label};
use super::sent::SentStreams;
use super::standing::Standing;

/// Both lanes: packets ahead of their turn, and the one in its turn; transfers; an unfinished volatile event.
const MAX_HELD: usize = 2 * (2_000 + 40_000) + 2 * 40_000 + 1_000;

/// The largest single input, and its cost.
const MAX_RECORD: usize = 6_000;

/// The connection to the server, as far as the session has asked for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Channel {
    None,
    Connecting,
    Open,
}

/// One incarnation of the link to a peer.
#[derive(Debug)]
pub(super) struct LinkModel {
    pub(super) dialect: Dialect,
    pub(super) standing: Standing,
    away: bool,
    /// The last path reported.
    path: Path,
    /// The last state of the direct path reported.
    pub(super) direct: Option<DirectState>,
    blocked: [bool; 3],
    /// An emit has ended with an outcome that only a departing peer causes.
    leaving: bool,
    /// Epochs of the peer that addressed an incarnation that is over: the session may tell each its current epoch.
    pub(super) astray: BTreeSet<u32>,
}

/// An emit with an ack: the answers that the application waits for.
#[derive(Debug)]
struct Question {
    to_all: bool,
    waiting: BTreeSet<PeerId>,
    answered: Vec<PeerId>,
    missing: Vec<PeerId>,
}

/// A transfer of a peer: its epoch and number, and the offset up to which the application has read.
#[derive(Debug)]
pub(super) struct IncomingModel {
    pub(super) label: Option<(u32, u64)>,
    pub(super) size: Option<u64>,
    pub(super) read: u64,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) channel: Channel,
    /// The server's answer to CONNECT has been sent, or may have been.
    pub(super) answered: bool,
    pub(super) id: Option<PeerId>,
    connected: bool,
    pub(super) closing: bool,
    /// Whether the application takes events.
    pub(super) receiving: bool,
    pub(super) closed: bool,
    pub(super) links: BTreeMap<PeerId, LinkModel>,
    /// The session's next epoch.
    pub(super) next_epoch: u32,
    /// The epoch base of the last welcome.
    pub(super) epoch_base: u32,
    /// Per peer without a link: its last epoch that is over.
    stale: BTreeMap<PeerId, u32>,
    /// Incarnations that follow from the input, and the one that begins now.
    pub(super) expected: VecDeque<(PeerId, Standing)>,
    successor: Option<(PeerId, Dialect, Standing)>,
    /// Emits that a peer's limits end.
    pub(super) refused: BTreeSet<(PeerId, EmitId)>,
    pub(super) outgoing: BTreeMap<(PeerId, u32), SentStreams>,
    pub(super) connections: BTreeSet<ConnectionId>,
    last_connection: Option<ConnectionId>,
    questions: BTreeMap<EmitId, Question>,
    /// What has come from the peers.
    pub(super) heard: ReceivedStreams,
    pub(super) incoming: BTreeMap<TransferId, IncomingModel>,
    /// The session's transfers, by peer, epoch and number.
    pub(super) own_transfers: BTreeMap<TransferId, (PeerId, u32, usize)>,
    pub(super) tokens: Vec<(ReplyToken, u64, Epochs)>,
    pub(super) desk: Desk,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            channel: Channel::None,
            answered: false,
            id: None,
            connected: false,
            closing: false,
            receiving: true,
            closed: false,
            links: BTreeMap::new(),
            next_epoch: 1,
            epoch_base: 0,
            stale: BTreeMap::new(),
            expected: VecDeque::new(),
            successor: None,
            refused: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            connections: BTreeSet::new(),
            last_connection: None,
            questions: BTreeMap::new(),
            heard: ReceivedStreams::default(),
            incoming: BTreeMap::new(),
            own_transfers: BTreeMap::new(),
            tokens: Vec::new(),
            desk: Desk::default(),
        }
    }

    fn link(&mut self, peer: &PeerId) -> &mut LinkModel {
        self.links.get_mut(peer).unwrap_or_else(|| panic!("{peer} has no link"))
    }

    pub(super) fn epochs(&self, peer: &PeerId) -> Option<Epochs> {
        self.links.get(peer).map(|link| link.standing.epochs)
    }

    /// What goes to a peer in the session's current epoch.
    pub(super) fn outgoing(&mut self, peer: &PeerId) -> &mut SentStreams {
        let epoch = self.epochs(peer).map_or(0, |epochs| epochs.epoch);
        self.outgoing.entry((peer.clone(), epoch)).or_default()
    }

    pub(super) fn own_transfer(&mut self, id: &TransferId) -> &mut super::sent::Transfer {
        let (peer, epoch, number) = self.own_transfers[id].clone();
        &mut self.outgoing.get_mut(&(peer, epoch)).unwrap().transfers[number]
    }

    // ----- commands of the application -----

    /// Notes an event that the session accepted for some peers.
    pub(super) fn note_emitted(&mut self, lane: Lane, event: &Packet, emitted: &Emitted) {
        for peer in &emitted.accepted {
            self.link(peer);
            let emit = (lane != Lane::Volatile).then_some(emitted.id);
            self.outgoing(peer).push(lane, event, emit);
        }
    }

    pub(super) fn note_blocked(&mut self, peer: &PeerId, lane: Lane) {
        self.link(peer).blocked[usize::from(lane.number())] = true;
    }

    pub(super) fn note_question(&mut self, to_all: bool, emitted: &Emitted) {
        let waiting = emitted.accepted.iter().cloned().collect();
        let question = Question { to_all, waiting, answered: Vec::new(), missing: Vec::new() };
        assert!(self.questions.insert(emitted.id, question).is_none(), "an emit id is used twice");
        if !to_all && emitted.accepted.is_empty() {
            self.questions.remove(&emitted.id);
        }
    }

    pub(super) fn questions(&self) -> Vec<u64> {
        self.questions.keys().map(|emit| emit.as_u64()).collect()
    }

    // ----- events -----

    pub(super) fn note_event(&mut self, event: &Event, remotes: &[Remote]) {
        assert!(!self.closed, "{event:?} after the session has closed");
        self.check_leaving(event);
        let successor = self.successor.take();
        self.desk.note_event(event);
        match event {
            Event::Connected { id, resumed, .. } => {
                assert_eq!(self.channel, Channel::Open);
                assert_eq!(*resumed, self.id.as_ref() == Some(id));
                // Nobody proves to be one of them under another id: the nonces are secrets.
                let outlives = |peer| self.desk.validated.contains(peer);
                let begins = *resumed || self.id.is_none();
                assert!(begins || self.links.keys().all(outlives), "links of a former identity");
                self.id = Some(id.clone());
                self.connected = true;
                self.next_epoch = self.next_epoch.max(self.epoch_base.saturating_add(1));
            }
            Event::Disconnected { .. } | Event::Refused(_) => self.connected = false,
            Event::PeerJoined { peer, dialect, .. } => self.join(peer, *dialect, successor),
            Event::PeerLeft { peer, reason, .. } => self.leave(peer, *reason),
            Event::PeerAway { peer } => {
                self.heard.note_word(peer);
                let away = std::mem::replace(&mut self.link(peer).away, true);
                assert!(!away, "{peer} is already away");
            }
            Event::PeerBack { peer } => {
                self.heard.note_word(peer);
                let away = std::mem::replace(&mut self.link(peer).away, false);
                assert!(away, "{peer} is back and was not away");
            }
            Event::PathChanged { peer, path } => {
                self.heard.note_word(peer);
                if let Path::Via(neighbour) = path {
                    self.link(neighbour);
                }
                let before = std::mem::replace(&mut self.link(peer).path, path.clone());
                assert_ne!(before, *path, "the path to {peer} has not changed");
            }
            Event::DirectChanged { peer, state, failure } => {
                self.note_direct(peer, *state, failure.as_deref());
            }
            Event::Ready | Event::Upgrade => assert!(!self.links.is_empty()),
            Event::PeerError { peer, error } => {
                if matches!(error, PeerError::NoRoom) {
                    self.heard.note_no_room(peer);
                }
                self.link(peer);
            }
            Event::Received { from, path: _, packet, reply } => {
                let waits = self.links.get(from).is_some_and(|link| link.dialect == Dialect::V1);
                assert!(self.receiving || !waits, "{from} was to wait");
                self.receive(from, packet, remotes);
                if let Some(token) = reply {
                    assert_eq!(token.peer(), Some(from));
                    let epochs = self.current(from);
                    self.tokens.push((token.clone(), packet.ack_id().unwrap(), epochs));
                }
            }
            Event::Ack { emit, from, .. } => self.answer(*emit, from, true),
            Event::NoAck { emit, peer, .. } => self.answer(*emit, peer, false),
            Event::AcksComplete { emit, answered, missing } => {
                let question = self.questions.remove(emit).expect("an emit asked for an answer");
                assert!(question.to_all && question.waiting.is_empty());
                assert_eq!((answered, missing), (&question.answered, &question.missing));
            }
            Event::Outcome { emit, peer, outcome } => self.end_emit(*emit, peer, *outcome),
            Event::Writable { peer, lane } => {
                let blocked = &mut self.link(peer).blocked[usize::from(lane.number())];
                assert!(std::mem::take(blocked), "{peer} was not blocked");
            }
            Event::TransferOpened { from, transfer, size, packet } => {
                assert_eq!(transfer.peer(), from);
                let theirs = self.current(from).peer_epoch;
                let label = file_label(packet).filter(|(epoch, _)| *epoch == theirs);
                assert!(
                    label.is_some() || self.heard.is_spoiled(from, theirs),
                    "the event was never sent"
                );
                let model = IncomingModel { label, size: *size, read: 0 };
                let before = self.incoming.insert(transfer.into(), model);
                assert!(before.is_none(), "{transfer} is opened twice");
            }
            Event::TransferReadable { transfer } => {
                assert!(self.incoming.contains_key(&transfer.into()));
            }
            Event::TransferWritable { transfer } => {
                assert!(self.own_transfers.contains_key(&transfer.into()));
            }
            Event::TransferEnded { transfer, outcome } => self.end_transfer(transfer, *outcome),
            Event::PeerUpdated { peer, .. } => {
                self.link(peer);
            }
            Event::ServerEvent { .. }
            | Event::ServerAck { .. }
            | Event::NoServerAck { .. }
            | Event::ServerWritable => {}
            Event::Closed => {
                assert!(self.links.is_empty() && self.questions.is_empty());
                assert!(self.incoming.is_empty() && self.own_transfers.is_empty());
                self.closed = true;
            }
            other => panic!("expected an event known to the model, got {other:?}"),
        }
    }

    /// Checks that no event comes between an outcome that a departing peer causes and its departure.
    fn check_leaving(&self, event: &Event) {
        let leaving = self.links.iter().find(|(_, link)| link.leaving).map(|(peer, _)| peer);
        let Some(leaving) = leaving else { return };
        let fits = match event {
            Event::Outcome { peer, .. }
            | Event::NoAck { peer, .. }
            | Event::PeerLeft { peer, .. } => peer == leaving,
            Event::TransferEnded { transfer, .. } => transfer.peer() == leaving,
            Event::AcksComplete { .. } => true,
            _ => false,
        };
        assert!(fits, "expected the departure of {leaving}, got {event:?}");
    }

    fn join(
        &mut self,
        peer: &PeerId,
        dialect: Dialect,
        successor: Option<(PeerId, Dialect, Standing)>,
    ) {
        let standing = match successor {
            Some((of, before, standing)) if of == *peer && before == dialect => standing,
            _ => {
                let over = self.stale.get(peer).copied().unwrap_or(0);
                let epochs = Epochs { epoch: self.next_epoch, peer_epoch: 0 };
                Standing { epochs, over }
            }
        };
        self.next_epoch = self.next_epoch.max(standing.epochs.epoch.saturating_add(1));
        let link = LinkModel {
            dialect,
            standing,
            away: false,
            path: Path::Relay,
            direct: None,
            blocked: [false; 3],
            leaving: false,
            astray: BTreeSet::new(),
        };
        assert!(self.links.insert(peer.clone(), link).is_none(), "{peer} joins twice");
        assert_ne!(Some(peer), self.id.as_ref(), "the session joins itself");
    }

    fn leave(&mut self, peer: &PeerId, reason: LeaveReason) {
        let link = self.links.remove(peer).expect("a departing peer had a link");
        self.heard.note_word(peer);
        let Standing { epochs, over } = link.standing;
        let outgoing = self.outgoing.entry((peer.clone(), epochs.epoch)).or_default();
        let open = outgoing.pending();
        assert_eq!(open, 0, "{peer} has left ({reason}) and emits to it have no outcome");
        assert!(!self.questions.values().any(|question| question.waiting.contains(peer)));
        assert!(!self.own_transfers.keys().any(|transfer| transfer.peer() == peer));
        assert!(!self.incoming.keys().any(|transfer| transfer.peer() == peer));
        let next = self.expected.front().filter(|(of, _)| of == peer).map(|(_, next)| *next);
        let next = match (reason, next) {
            (LeaveReason::Restarted, Some(next)) => {
                self.expected.pop_front();
                Some(next)
            }
            (LeaveReason::Stalled, _) => {
                let epochs = Epochs { epoch: self.next_epoch, peer_epoch: 0 };
                let over = link.standing.last_heard();
                self.heard.forget_numbers(peer);
                Some(Standing { epochs, over })
            }
            _ => {
                self.heard.forget_numbers(peer);
                None
            }
        };
        self.stale.insert(peer.clone(), epochs.peer_epoch.max(over));
        self.successor = next.map(|standing| (peer.clone(), link.dialect, standing));
    }

    fn answer(&mut self, emit: EmitId, peer: &PeerId, answered: bool) {
        self.link(peer);
        let question = self.questions.get_mut(&emit).expect("an emit asked for an answer");
        assert!(question.waiting.remove(peer), "{peer} answers twice, or owes no answer");
        let list = if answered { &mut question.answered } else { &mut question.missing };
        list.push(peer.clone());
        if !question.to_all && question.waiting.is_empty() {
            self.questions.remove(&emit);
        }
    }

    fn end_emit(&mut self, emit: EmitId, peer: &PeerId, outcome: Outcome) {
        let link = self.link(peer);
        let lost = matches!(outcome, Outcome::Unknown | Outcome::NotSent);
        let dialect = link.dialect;
        link.leaving |= lost && dialect == Dialect::V1;
        if self.refused.remove(&(peer.clone(), emit)) {
            assert_eq!(outcome, Outcome::Refused, "beyond the limits of {peer}");
            return;
        }
        if dialect == Dialect::V0 {
            assert!(lost, "an original client cannot acknowledge");
            return self.outgoing(peer).end_original(emit);
        }
        self.outgoing(peer).end(emit, outcome);
    }

    fn end_transfer(&mut self, transfer: &TransferId, outcome: TransferOutcome) {
        if !transfer.is_outgoing() {
            assert!(matches!(outcome, TransferOutcome::Aborted | TransferOutcome::Lost));
            assert!(self.incoming.remove(transfer).is_some(), "{transfer} ends twice");
            return;
        }
        let closing = self.closing;
        assert!(self.own_transfers.contains_key(transfer), "{transfer} ends twice");
        let model = self.own_transfer(transfer);
        assert!(model.fits(outcome, closing), "{transfer} ends as {outcome:?}: {model:?}");
        model.aborted |= outcome == TransferOutcome::Aborted;
        let leaving = outcome == TransferOutcome::Lost && !model.is_lost();
        if leaving {
            self.link(transfer.peer()).leaving = true;
        }
        self.own_transfers.remove(transfer);
    }

    fn receive(&mut self, from: &PeerId, packet: &Packet, remotes: &[Remote]) {
        let (dialect, theirs) = (self.link(from).dialect, self.current(from).peer_epoch);
        let Some((epoch, lane, number)) = label(packet) else {
            assert!(self.heard.is_spoiled(from, theirs), "{from} has not sent {:?}", packet.head());
            return;
        };
        let remote = remotes.iter().find(|remote| remote.id == *from).unwrap();
        if dialect == Dialect::V0 {
            assert_eq!(epoch, 0);
            return self.heard.receive_unnumbered(from, number);
        }
        assert_eq!(epoch, theirs, "an event of another epoch of {from}");
        self.heard.receive(remote, epoch, Lane::ALL[usize::from(lane)], number, packet);
    }

    // ----- commands of the session -----

    pub(super) fn note_command(&mut self, command: &Command) {
        match command {
            Command::ConnectSignaling => {
                assert_eq!(self.channel, Channel::None, "a second signalling channel is requested");
                self.channel = Channel::Connecting;
            }
            Command::CloseSignaling => {
                assert_ne!(self.channel, Channel::None, "there is no channel to close");
                self.channel = Channel::None;
                self.connected = false;
            }
            Command::Direct(
                DirectCommand::Offer { connection, .. } | DirectCommand::Answer { connection, .. },
            ) => {
                assert!(self.last_connection < Some(*connection), "{connection} is used twice");
                self.last_connection = Some(*connection);
                self.connections.insert(*connection);
            }
            Command::Direct(DirectCommand::Signal { connection, .. }) => {
                assert!(self.connections.contains(connection), "{connection} does not exist");
            }
            Command::Direct(DirectCommand::Close { connection }) => {
                assert!(self.connections.remove(connection), "{connection} does not exist");
            }
            other => panic!("expected a command known to the model, got {other:?}"),
        }
    }

    // ----- getters -----

    /// Compares the session's getters with the events that it has reported.
    pub(super) fn check(&self, session: &Session, max_queued: usize, max_held: usize) {
        let of_links: BTreeSet<_> =
            self.links.keys().filter_map(|peer| session.connection_of(peer)).collect();
        assert_eq!(of_links, self.connections);
        let peers: Vec<PeerInfo> = session.peers().collect();
        assert_eq!(peers.len(), self.links.len());
        self.check_direct(session, &peers, self.connected && !session.is_joined());
        for (peer, (id, link)) in peers.iter().zip(&self.links) {
            assert_eq!(peer.id, *id);
            assert_eq!((peer.dialect, peer.away), (link.dialect, link.away), "{id}");
            assert!(peer.path.as_ref().is_none_or(|path| *path == link.path), "{peer:?}, {link:?}");
            assert!(peer.queued <= max_queued, "{} bytes wait for {id}", peer.queued);
            assert!(!link.leaving, "an emit to {id} ended as lost, and the peer has not left");
            assert!(peer.held <= MAX_HELD, "{} bytes of {id} are held", peer.held);
        }
        let held: usize = peers.iter().map(|peer| peer.held).sum();
        assert!(
            held <= max_held + MAX_RECORD,
            "expected at most {max_held} bytes held, got {held}"
        );
        assert!(
            self.expected.is_empty(),
            "expected new incarnations, missing: {:?}",
            self.expected
        );
        assert!(self.refused.is_empty(), "{:?} were not refused", self.refused);
        for (peer, link) in self.links.iter().filter(|(_, link)| link.dialect == Dialect::V1) {
            let key = (peer.clone(), link.standing.epochs.epoch);
            self.outgoing.get(&key).into_iter().for_each(SentStreams::check_over);
        }
        assert_eq!(session.id(), self.id.as_ref());
        assert!(!session.is_joined() || (self.connected && self.channel == Channel::Open));
        if self.closed {
            assert!(session.poll_timeout().is_none() && self.connections.is_empty());
            assert_eq!(self.channel, Channel::None);
        }
    }
}
