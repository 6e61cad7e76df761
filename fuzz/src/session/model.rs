//! What a session may tell and send, and what it must, whatever is done to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{
    Command, ConnectionId, DirectCommand, EmitId, Emitted, Event, LeaveReason, Outcome, Packet,
    Path, Peer, PeerId, ReplyToken, Session, TransferId, Version,
};

use super::book::{Parts, Sent, parts};
use super::remote::{LABEL, Label, Remote, pattern};

/// The connection to the server as the session has asked for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Channel {
    None,
    Connecting,
    Open,
}

/// One incarnation of the link to a peer.
#[derive(Debug)]
pub(super) struct LinkModel {
    pub(super) version: Version,
    pub(super) epoch: u32,
    /// How many incarnations of links there were before.
    pub(super) order: u32,
    away: bool,
    /// The path that was told last.
    path: Path,
    /// The emits whose outcome is to come, per lane, with their numbers where those are known.
    outcomes: [VecDeque<(EmitId, Option<u64>)>; 3],
    blocked: [bool; 3],
    /// An emit has ended as only those do whose peer leaves.
    leaving: bool,
    /// As far as the peer has acknowledged at most.
    pub(super) acknowledged: [u64; 3],
}

/// What one lane of one incarnation of a link has taken and sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) accepted: Vec<Parts>,
    pub(super) sent: Sent,
    /// Which packet has which number is not known any more.
    pub(super) uncertain: bool,
}

/// What a message of a peer says of incarnations.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) peer: PeerId,
    /// The session's, to which it speaks; 0 for none.
    pub(super) ours: u32,
    /// The session's that is over for it; 0 for none.
    pub(super) over: u32,
}

/// How far a lane of a link that goes on was handed out: what was is told as unknown, the rest as not sent.
#[derive(Clone, Copy, Debug, Default)]
struct HandedOut {
    at_least: u64,
    below: Option<u64>,
}

/// What the application waits for with one question.
#[derive(Debug)]
struct Question {
    to_all: bool,
    waiting: BTreeSet<PeerId>,
    answered: Vec<PeerId>,
    missing: Vec<PeerId>,
}

#[derive(Debug, Default)]
pub(super) struct TransferModel {
    pub(super) size: Option<u64>,
    pub(super) bytes: u64,
    pub(super) finished: bool,
    /// Where in the pattern the next byte is, as soon as one was read.
    place: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) channel: Channel,
    /// The server's answer to CONNECT has been sent, or may have been.
    pub(super) answered: bool,
    pub(super) id: Option<PeerId>,
    connected: bool,
    pub(super) closed: bool,
    pub(super) links: BTreeMap<PeerId, LinkModel>,
    /// How many epochs there have been: each has its number.
    epochs: u32,
    /// How many incarnations of links there have been.
    joins: u32,
    /// What is being said to the session.
    pub(super) claim: Option<Claim>,
    /// A peer that has begun anew and has taken the session's incarnation up: its epoch and numbers go on.
    renewed: Option<PeerId>,
    handed_out: [HandedOut; 3],
    kept: Option<LinkModel>,
    pub(super) outgoing: BTreeMap<(PeerId, u32, Lane), Outgoing>,
    pub(super) connections: BTreeSet<ConnectionId>,
    last_connection: Option<ConnectionId>,
    questions: BTreeMap<EmitId, Question>,
    /// The next number of each lane of each incarnation of a peer.
    received: BTreeMap<(PeerId, u32, u8), u64>,
    last_epoch: BTreeMap<PeerId, u32>,
    pub(super) transfers: BTreeMap<TransferId, TransferModel>,
    pub(super) tokens: Vec<(ReplyToken, u64, u32)>,
    /// Whether all that peers sent is in their books.
    pub(super) exact: bool,
}

impl TransferModel {
    pub(super) fn new(size: Option<u64>) -> Self {
        Self { size, ..Self::default() }
    }
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            channel: Channel::None,
            answered: false,
            id: None,
            connected: false,
            closed: false,
            links: BTreeMap::new(),
            epochs: 0,
            joins: 0,
            claim: None,
            renewed: None,
            handed_out: Default::default(),
            kept: None,
            outgoing: BTreeMap::new(),
            connections: BTreeSet::new(),
            last_connection: None,
            questions: BTreeMap::new(),
            received: BTreeMap::new(),
            last_epoch: BTreeMap::new(),
            transfers: BTreeMap::new(),
            tokens: Vec::new(),
            exact: true,
        }
    }

    fn link(&mut self, peer: &PeerId) -> &mut LinkModel {
        self.links.get_mut(peer).unwrap_or_else(|| panic!("{peer} is not there"))
    }

    pub(super) fn outgoing(&mut self, peer: &PeerId, epoch: u32, lane: Lane) -> &mut Outgoing {
        self.outgoing.entry((peer.clone(), epoch, lane)).or_default()
    }

    // ----- what the application did -----

    /// The session took an event for some peers.
    ///
    /// `mixed`: the peers in whose bulk lane may be more than the application's events.
    pub(super) fn note_emitted(
        &mut self,
        lane: Lane,
        event: &Packet,
        emitted: &Emitted,
        mixed: &BTreeSet<PeerId>,
    ) {
        for peer in &emitted.accepted {
            let epoch = self.link(peer).epoch;
            let seq = self.note_accepted(peer, epoch, lane, event);
            if lane != Lane::Volatile {
                let certain = !self.outgoing(peer, epoch, lane).uncertain;
                let certain = certain && (lane != Lane::Bulk || !mixed.contains(peer));
                let number = certain.then_some(seq);
                self.link(peer).outcomes[usize::from(lane.number())]
                    .push_back((emitted.id, number));
            }
        }
    }

    /// The session took a packet for a peer; its number, if nothing else is in the lane.
    pub(super) fn note_accepted(
        &mut self,
        peer: &PeerId,
        epoch: u32,
        lane: Lane,
        packet: &Packet,
    ) -> u64 {
        let outgoing = self.outgoing(peer, epoch, lane);
        outgoing.accepted.push(parts(packet));
        outgoing.accepted.len() as u64 - 1
    }

    pub(super) fn note_blocked(&mut self, peer: &PeerId, lane: Lane) {
        self.link(peer).blocked[usize::from(lane.number())] = true;
    }

    pub(super) fn note_question(&mut self, to_all: bool, emitted: &Emitted) {
        let waiting = emitted.accepted.iter().cloned().collect();
        let question = Question { to_all, waiting, answered: Vec::new(), missing: Vec::new() };
        assert!(self.questions.insert(emitted.id, question).is_none(), "an emit id comes twice");
        if !to_all && emitted.accepted.is_empty() {
            self.questions.remove(&emitted.id);
        }
    }

    pub(super) fn questions(&self) -> Vec<u64> {
        self.questions.keys().map(|emit| emit.as_u64()).collect()
    }

    // ----- what the session tells -----

    /// Looks ahead whether what is told begins with a link that goes on with its numbers.
    pub(super) fn note_claim(&mut self, events: &[Event]) {
        (self.renewed, self.kept, self.handed_out) = (None, None, Default::default());
        let Some(Claim { peer: from, ours, over }) = &self.claim else { return };
        let link = self.links.get(from);
        let Some(link) = link.filter(|link| link.epoch == *ours) else { return };
        let restarted = |event: &&Event| matches!(event, Event::PeerLeft { peer, reason: LeaveReason::Restarted } if peer == from);
        let restarts = events.iter().filter(restarted).count();
        // Of a link that is over for the peer a new one begins, whether or not it went on before.
        if restarts > usize::from(*over == link.epoch) {
            self.renewed = Some(from.clone());
        }
    }

    pub(super) fn note_event(&mut self, event: &Event, remotes: &mut [Remote]) {
        assert!(!self.closed, "{event:?} after the end");
        self.check_leaving(event);
        match event {
            Event::Connected { id, resumed, .. } => {
                assert_eq!(self.channel, Channel::Open);
                assert_eq!(*resumed, self.id.as_ref() == Some(id));
                assert!(*resumed || self.links.is_empty(), "links outlive the identity");
                self.id = Some(id.clone());
                self.connected = true;
            }
            Event::Disconnected { .. } | Event::Refused(_) => self.connected = false,
            Event::PeerJoined { peer, version } => self.join(peer, *version),
            Event::PeerLeft { peer, reason } => self.leave(peer, *reason),
            Event::PeerAway { peer } => {
                let away = std::mem::replace(&mut self.link(peer).away, true);
                assert!(!away, "{peer} is away twice");
            }
            Event::PeerBack { peer } => {
                let away = std::mem::replace(&mut self.link(peer).away, false);
                assert!(away, "{peer} is back and was never away");
            }
            Event::PathChanged { peer, path } => {
                if let Path::Via(neighbour) = path {
                    self.link(neighbour);
                }
                let before = std::mem::replace(&mut self.link(peer).path, path.clone());
                assert_ne!(before, *path, "the path to {peer} does not change");
            }
            Event::Ready | Event::Upgrade => assert!(!self.links.is_empty()),
            Event::PeerError { peer, .. } => {
                self.link(peer);
            }
            Event::Received { from, path: _, packet, reply } => {
                assert_ne!(packet.event_name().as_deref(), Some("forged"));
                let order = self.link(from).order;
                self.receive(from, packet, remotes);
                if let Some(token) = reply {
                    assert_eq!(token.peer(), from);
                    self.tokens.push((token.clone(), packet.ack_id().unwrap(), order));
                }
            }
            Event::Ack { emit, from, .. } => self.answer(*emit, from, true),
            Event::NoAck { emit, peer, .. } => self.answer(*emit, peer, false),
            Event::AcksComplete { emit, answered, missing } => {
                let question = self.questions.remove(emit).expect("a question was asked");
                assert!(question.to_all && question.waiting.is_empty());
                assert_eq!((answered, missing), (&question.answered, &question.missing));
            }
            Event::Outcome { emit, peer, outcome } => self.end_emit(*emit, peer, *outcome),
            Event::Writable { peer, lane } => {
                let blocked = &mut self.link(peer).blocked[usize::from(lane.number())];
                assert!(std::mem::take(blocked), "{peer} was not blocked");
            }
            Event::TransferOpened { from, transfer, size, .. } => {
                assert!(transfer.peer() == from && !transfer.is_outgoing());
                let model = TransferModel::new(*size);
                let before = self.transfers.insert(transfer.clone(), model);
                assert!(before.is_none(), "{transfer} is opened twice");
            }
            Event::TransferReadable { transfer } => {
                assert!(self.transfers.contains_key(transfer) && !transfer.is_outgoing());
            }
            Event::TransferWritable { transfer } => {
                assert!(self.transfers.contains_key(transfer) && transfer.is_outgoing());
            }
            Event::TransferEnded { transfer, .. } => {
                assert!(self.transfers.remove(transfer).is_some(), "{transfer} ends twice");
            }
            Event::ServerEvent { .. } => {}
            Event::Closed => {
                assert!(self.links.is_empty() && self.questions.is_empty());
                assert!(self.transfers.is_empty());
                self.closed = true;
            }
            other => panic!("an event that nobody here knows: {other:?}"),
        }
    }

    /// Between the outcome of an emit that is lost and the departure of its peer nothing else is told.
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
        assert!(fits, "{leaving} is leaving, and {event:?}");
    }

    fn join(&mut self, peer: &PeerId, version: Version) {
        let kept = self.kept.take();
        self.epochs += u32::from(kept.is_none());
        self.joins += 1;
        let link = LinkModel {
            version,
            epoch: kept.as_ref().map_or(self.epochs, |kept| kept.epoch),
            order: self.joins,
            away: false,
            path: Path::Relay,
            outcomes: Default::default(),
            blocked: [false; 3],
            leaving: false,
            acknowledged: kept.map_or([0; 3], |kept| kept.acknowledged),
        };
        assert!(self.links.insert(peer.clone(), link).is_none(), "{peer} joins twice");
        assert_ne!(Some(peer), self.id.as_ref(), "the session joins itself");
    }

    fn leave(&mut self, peer: &PeerId, reason: LeaveReason) {
        let link = self.links.remove(peer).expect("who leaves was there");
        let open: usize = link.outcomes.iter().map(VecDeque::len).sum();
        assert_eq!(open, 0, "{peer} has left ({reason}) and emits to it have no end");
        assert!(!self.questions.values().any(|question| question.waiting.contains(peer)));
        assert!(!self.transfers.keys().any(|transfer| transfer.peer() == peer));
        if self.renewed.take_if(|renewed| renewed == peer).is_some() {
            for lane in Lane::RELIABLE {
                // What was never sent is forgotten, its numbers are for others. Of answers nothing is told.
                let HandedOut { at_least, below } = self.handed_out[usize::from(lane.number())];
                let outgoing = self.outgoing(peer, link.epoch, lane);
                let accepted = outgoing.accepted.len() as u64;
                let (at_least, below) =
                    (at_least.max(outgoing.sent.end()), below.unwrap_or(accepted));
                outgoing.uncertain |= at_least < below;
                outgoing.accepted.truncate(usize::try_from(at_least).unwrap());
            }
            self.kept = Some(link);
        }
    }

    fn answer(&mut self, emit: EmitId, peer: &PeerId, answered: bool) {
        self.link(peer);
        let question = self.questions.get_mut(&emit).expect("a question was asked");
        assert!(question.waiting.remove(peer), "{peer} answers twice, or was not asked");
        let list = if answered { &mut question.answered } else { &mut question.missing };
        list.push(peer.clone());
        if !question.to_all && question.waiting.is_empty() {
            self.questions.remove(&emit);
        }
    }

    fn end_emit(&mut self, emit: EmitId, peer: &PeerId, outcome: Outcome) {
        let exact = self.exact;
        let link = self.link(peer);
        let lanes = Lane::RELIABLE.map(Lane::number).map(usize::from);
        let lane = lanes
            .into_iter()
            .find(|lane| link.outcomes[*lane].front().is_some_and(|(front, _)| *front == emit));
        let lane = lane.expect("outcomes come once and in the order of their emits");
        let (_, number) = link.outcomes[lane].pop_front().unwrap();
        let (version, epoch, acknowledged) = (link.version, link.epoch, link.acknowledged[lane]);
        let lost = matches!(outcome, Outcome::Unknown | Outcome::NotSent);
        link.leaving |= lost && version == Version::V1;
        if version == Version::V0 {
            assert!(lost, "an original client cannot acknowledge");
            return;
        }
        if let Some(number) = number
            && self.renewed.as_ref() == Some(peer)
        {
            let HandedOut { at_least, below } = &mut self.handed_out[lane];
            match outcome {
                Outcome::NotSent => *below = Some(below.map_or(number, |below| below.min(number))),
                _ => *at_least = (*at_least).max(number + 1),
            }
        }
        let Some(number) = number.filter(|_| exact) else { return };
        if outcome == Outcome::NotSent {
            let outgoing = self.outgoing(peer, epoch, Lane::ALL[lane]);
            assert!(!outgoing.sent.contains(number), "packet {number} was sent");
        }
        if !lost {
            assert!(number < acknowledged, "packet {number} was not acknowledged");
        }
    }

    fn receive(&mut self, from: &PeerId, packet: &Packet, remotes: &mut [Remote]) {
        if packet.event_name().as_deref() != Some(LABEL) {
            return;
        }
        let (epoch, lane, seq, _) = match packet.attachments() {
            [] => packet.args::<(Label,)>().unwrap().0,
            _ => packet.args::<(Label, serde::de::IgnoredAny)>().unwrap().0,
        };
        let last = self.last_epoch.entry(from.clone()).or_default();
        if self.links[from].version == Version::V1 {
            assert!(epoch >= *last, "an event of epoch {epoch} after one of {last}");
            *last = epoch;
        }
        let next = self.received.entry((from.clone(), epoch, lane)).or_default();
        assert!(seq >= *next, "event {seq} of {from} (lane {lane}, epoch {epoch}) comes twice");
        let expected = std::mem::replace(next, seq + 1);
        if self.exact && lane != Lane::Volatile.number() && epoch != 0 {
            let remote = remotes.iter_mut().find(|remote| remote.id == *from).unwrap();
            let stream = remote.stream(epoch, Lane::ALL[usize::from(lane)]);
            for skipped in expected..seq {
                assert!(stream.may_be_skipped(skipped), "event {skipped} of {from} is lost");
            }
        }
    }

    /// As far as an acknowledgement to a peer may go now: what the application has, and what it never gets.
    pub(super) fn handed_over(&self, remote: &mut Remote, epoch: u32, lane: Lane) -> u64 {
        let key = (remote.id.clone(), epoch, lane.number());
        let mut next = self.received.get(&key).copied().unwrap_or(0);
        while remote.stream(epoch, lane).may_be_skipped(next) {
            next += 1;
        }
        next
    }

    /// Bytes of a peer's transfer were read.
    pub(super) fn note_read(&mut self, transfer: &TransferId, bytes: &[u8], exact: bool) {
        let model = self.transfers.get_mut(transfer).expect("what is read is open");
        model.bytes += bytes.len() as u64;
        assert!(model.size.is_none_or(|size| model.bytes <= size));
        for byte in bytes {
            let place = model.place.unwrap_or(usize::from(*byte));
            assert!(!exact || *byte == pattern(place), "{transfer} has a hole");
            model.place = Some(place + 1);
        }
    }

    // ----- what the session asks for -----

    pub(super) fn note_command(&mut self, command: &Command) {
        match command {
            Command::ConnectSignaling => {
                assert_eq!(self.channel, Channel::None, "a second channel is asked for");
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
                assert!(self.last_connection < Some(*connection), "{connection} comes again");
                self.last_connection = Some(*connection);
                self.connections.insert(*connection);
            }
            Command::Direct(DirectCommand::Signal { connection, .. }) => {
                assert!(self.connections.contains(connection), "{connection} is not there");
            }
            Command::Direct(DirectCommand::Close { connection }) => {
                assert!(self.connections.remove(connection), "{connection} is not there");
            }
            other => panic!("a command that nobody here knows: {other:?}"),
        }
    }

    // ----- what the getters say -----

    /// Compares what the session says of itself with what it has told.
    pub(super) fn check(&self, session: &Session, max_queued: usize) {
        let of_links: BTreeSet<_> =
            self.links.keys().filter_map(|peer| session.connection_of(peer)).collect();
        assert_eq!(of_links, self.connections);
        let peers: Vec<Peer> = session.peers().collect();
        assert_eq!(peers.len(), self.links.len());
        for (peer, (id, link)) in peers.iter().zip(&self.links) {
            assert_eq!(peer.id, *id);
            assert_eq!((peer.version, peer.away), (link.version, link.away), "{id}");
            assert!(peer.path.as_ref().is_none_or(|path| *path == link.path), "{peer:?}, {link:?}");
            assert!(peer.queued <= max_queued, "{} bytes wait for {id}", peer.queued);
            assert!(!link.leaving, "an emit to {id} was lost and it has not left");
        }
        assert_eq!(session.id(), self.id.as_ref());
        assert!(!session.is_joined() || (self.connected && self.channel == Channel::Open));
        if self.closed {
            assert!(session.poll_timeout().is_none() && self.connections.is_empty());
            assert_eq!(self.channel, Channel::None);
        }
    }
}
