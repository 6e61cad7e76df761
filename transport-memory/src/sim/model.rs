//! The reference model: what sessions may tell their applications, given what the applications have done.
//!
//! It keeps the books on every emit and every peer, and is far simpler than what it judges: it knows no packets,
//! numbers or paths' protocols, only who emitted what to whom and what came of it. Each event costs it a few
//! comparisons, so that it can look at every one.

use std::collections::BTreeMap;

use socketio_p2p_core::codec::Limits;
use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{
    Config, Event, LeaveReason, Outcome, Packet, Path, PeerError, PeerId, ReplyToken, Time, Version,
};

use super::shape::{Extent, Fit, Shape};
use super::violation::{Breach, Invariant};

/// What may come of emits in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Everybody is waited for: all that was accepted arrives.
    Patient,
    /// Peers end and are given up: what was under way ends one way or the other.
    Harsh,
}

/// The state of one emit for one receiver.
#[derive(Clone, Copy, Debug)]
struct Receipt {
    receiver: usize,
    /// Which life of the sender's link, and which number within it.
    life: u32,
    index: u32,
    /// What the receiver's limits make of it.
    fit: Fit,
    arrived: bool,
    ended: Option<Outcome>,
}

#[derive(Debug)]
struct Emission {
    sender: usize,
    lane: Lane,
    shape: Shape,
    extent: Extent,
    receipts: Vec<Receipt>,
}

/// What one node believes about another, by its events.
#[derive(Clone, Debug)]
struct Known {
    away: bool,
    path: Path,
    /// An emit was turned away in a lane and `Writable` has not come.
    blocked: [bool; Lane::ALL.len()],
}

/// From one node to another.
#[derive(Clone, Debug, Default)]
struct Flow {
    known: Option<Known>,
    /// Which life of the link it is, from 1.
    life: u32,
    /// How many emits this life has taken, per lane.
    accepted: [u32; Lane::ALL.len()],
    /// Emits without an end, and questions without one.
    open: u32,
    asked: u32,
    /// The bytes and packets of those without an end, per lane.
    waiting: [(usize, usize); Lane::ALL.len()],
    /// Answers given: they wait in the same queue as events.
    replied: u32,
    /// The bytes of volatile events taken at one moment.
    volatile: (Option<Time>, usize),
    /// Where the receiver stands, per lane: in which life, and what comes next.
    receiving: [(u32, u32); Lane::ALL.len()],
    /// The receiver has waited too long for the rest of a packet.
    stranded: bool,
}

impl Flow {
    /// Whether the receiver, of this kind, may refuse what fits.
    const fn may_refuse(&self, receiver: &View) -> bool {
        self.stranded || receiver.choosy
    }
}

/// A question.
#[derive(Clone, Debug)]
struct Question {
    number: u64,
    /// Whether it was for all, so that a summary follows.
    all: bool,
    pending: Vec<usize>,
    answered: Vec<usize>,
    missing: Vec<usize>,
}

#[derive(Debug, Default)]
struct View {
    id: Option<PeerId>,
    /// It has heard that this is its id.
    heard: bool,
    /// It is no session: it says what it likes.
    raw: bool,
    /// It is an original client.
    original: bool,
    /// The settings of its session, where they are known.
    config: Option<Config>,
    gone: bool,
    closing: bool,
    closed: bool,
    /// Its policy has forbidden a path: what comes on that may be refused.
    choosy: bool,
    /// The number of each emit, by its id.
    emits: Vec<Option<u64>>,
    /// The question that each emit is, by its id.
    asked: Vec<Option<Box<Question>>>,
    /// Questions to all without their summary.
    summaries: u32,
}

/// What an event is to the run, beside a matter of the books.
#[derive(Debug)]
pub(super) enum Note {
    Nothing,
    /// The node has joined.
    Joined {
        resumed: bool,
    },
    /// A lane is writable again.
    Writable(PeerId, Lane),
    /// An event of this number has come, from a session or an original client, on this path.
    Received(u64, Path),
    /// An emit was refused, as it had to be.
    Refused(Fit),
    /// A peer waits for the answer to its event of this number.
    Question(ReplyToken, u64),
    /// The path changed; and whether events were under way.
    PathChanged {
        mid_stream: bool,
        detour: bool,
    },
    /// Something of a raw node was noticed.
    Malice,
}

#[derive(Debug)]
pub(super) struct Model {
    weather: Weather,
    views: Vec<View>,
    flows: Vec<Vec<Flow>>,
    emissions: Vec<Emission>,
    /// Emits without an end, to anyone but raw nodes.
    open: u64,
    packets: u64,
    delivered: u64,
    path_changes: u64,
    answers: u64,
    /// The largest blob so far.
    largest: usize,
    /// The highest number that came on a path from or to an original client, by sender, receiver, lane and path.
    marks: BTreeMap<(usize, usize, u8, bool), u64>,
}

fn breach<T>(
    invariant: Invariant,
    expected: impl Into<String>,
    came: impl Into<String>,
) -> Result<T, Breach> {
    Err(Breach::new(invariant, expected, came))
}

/// How an emit was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) lane: Lane,
    pub(super) shape: Shape,
    pub(super) extent: Extent,
    /// Whether it asks for answers.
    pub(super) asks: bool,
    /// Whether it was for everybody.
    pub(super) all: bool,
}

/// The place of a lane in arrays.
const fn place(lane: Lane) -> usize {
    lane.number() as usize
}

impl Model {
    pub(super) fn new(weather: Weather) -> Self {
        Self {
            weather,
            views: Vec::new(),
            flows: Vec::new(),
            emissions: Vec::new(),
            open: 0,
            packets: 0,
            delivered: 0,
            path_changes: 0,
            answers: 0,
            largest: 0,
            marks: BTreeMap::new(),
        }
    }

    pub(super) const fn largest(&self) -> usize {
        self.largest
    }

    pub(super) const fn nodes(&self) -> usize {
        self.views.len()
    }

    pub(super) fn add(&mut self, raw: bool) {
        self.views.push(View { raw, ..View::default() });
        for row in &mut self.flows {
            row.push(Flow::default());
        }
        self.flows.push(vec![Flow::default(); self.views.len()]);
    }

    /// The settings of a node's session.
    pub(super) fn set_config(&mut self, node: usize, config: Config) {
        self.views[node].config = Some(config);
    }

    /// An original client comes.
    pub(super) fn add_original(&mut self) {
        self.add(false);
        if let Some(view) = self.views.last_mut() {
            (view.original, view.heard) = (true, true);
        }
    }

    pub(super) fn is_original(&self, node: usize) -> bool {
        self.views[node].original
    }

    /// Who emitted the event of a number.
    pub(super) fn sender_of(&self, number: u64) -> Option<usize> {
        let emission = self.emissions.get(usize::try_from(number).ok()?)?;
        Some(emission.sender)
    }

    /// How many were to get the event of a number.
    pub(super) fn receivers_of(&self, number: u64) -> usize {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.emissions.get(index).map_or(0, |emission| emission.receipts.len())
    }

    /// The bytes of an event.
    pub(super) fn bytes_of(&self, number: u64) -> u64 {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.emissions.get(index).map_or(0, |emission| emission.extent.bytes as u64)
    }

    pub(super) fn max_peers(&self, node: usize) -> usize {
        self.views[node].config.as_ref().map_or(0, |config| config.max_peers)
    }

    /// A node takes nothing more on some path.
    pub(super) fn forbid_paths(&mut self, node: usize) {
        self.views[node].choosy = true;
    }

    /// Whether a node has taken nothing more on some path.
    pub(super) fn is_choosy(&self, node: usize) -> bool {
        self.views[node].choosy
    }

    pub(super) fn config(&self, node: usize) -> Option<&Config> {
        self.views[node].config.as_ref()
    }

    /// Whether both are sessions that are there and stay, so that one waits for what the other sends.
    pub(super) fn waits_for(&self, sender: usize, receiver: usize) -> bool {
        let stays = |node: usize| {
            let view = &self.views[node];
            !view.raw && !view.original && !view.gone && !view.closing
        };
        stays(sender) && stays(receiver) && self.flows[sender][receiver].known.is_some()
    }

    /// Who was to get the event of a number, and has not.
    pub(super) fn missing(&self, number: u64, receiver: usize) -> bool {
        let emission = usize::try_from(number).ok().and_then(|index| self.emissions.get(index));
        let mut receipts = emission.into_iter().flat_map(|emission| &emission.receipts);
        receipts.any(|receipt| {
            receipt.receiver == receiver && !receipt.arrived && receipt.fit == Fit::Fits
        })
    }

    /// How the event of a number ended for a receiver.
    pub(super) fn outcome(&self, number: u64, receiver: usize) -> Option<Outcome> {
        let emission = self.emissions.get(usize::try_from(number).ok()?)?;
        emission.receipts.iter().find(|receipt| receipt.receiver == receiver)?.ended
    }

    /// The bytes that have arrived of a node's events, counted for each receiver, and of how many events.
    pub(super) fn arrived_of(&self, node: usize) -> (u64, u64) {
        let mine = self.emissions.iter().filter(|emission| emission.sender == node);
        mine.fold((0, 0), |(bytes, packets), emission| {
            let come = emission.receipts.iter().filter(|receipt| receipt.arrived).count() as u64;
            (bytes + come * emission.extent.bytes as u64, packets + come)
        })
    }

    /// As [`arrived_of`](Self::arrived_of), of what came to a node.
    pub(super) fn come_to(&self, node: usize) -> (u64, u64) {
        let all = self.emissions.iter().flat_map(|emission| {
            let come = emission.receipts.iter();
            let come = come.filter(|receipt| receipt.arrived && receipt.receiver == node);
            come.map(|_| emission.extent.bytes as u64)
        });
        all.fold((0, 0), |(bytes, packets), more| (bytes + more, packets + 1))
    }

    /// Whether the event of a number has come to a node.
    /// Which life each link is in.
    pub(super) fn lives(&self) -> Vec<Vec<u32>> {
        let lives = |flows: &Vec<Flow>| flows.iter().map(|flow| flow.life).collect();
        self.flows.iter().map(lives).collect()
    }

    pub(super) fn has_arrived(&self, number: u64, node: usize) -> bool {
        let emission = usize::try_from(number).ok().and_then(|index| self.emissions.get(index));
        let mut receipts = emission.into_iter().flat_map(|emission| &emission.receipts);
        receipts.any(|receipt| receipt.receiver == node && receipt.arrived)
    }

    /// Whether answers wait in the same queue as a node's events for a peer.
    pub(super) fn shares_lane(&self, node: usize, peer: &PeerId) -> bool {
        self.find(peer).is_none_or(|peer| self.flows[node][peer].replied > 0)
    }

    /// The path on which a node says that it sends to another, and whether that is away.
    pub(super) fn path(&self, node: usize, peer: usize) -> Option<(&Path, bool)> {
        let known = self.flows[node][peer].known.as_ref()?;
        Some((&known.path, known.away))
    }

    /// A node has crashed.
    pub(super) fn forget(&mut self, node: usize) {
        self.views[node].gone = true;
        for flow in &mut self.flows[node] {
            self.open -= u64::from(flow.open);
            flow.open = 0;
            flow.waiting = Default::default();
        }
    }

    /// A node closes.
    pub(super) fn close(&mut self, node: usize) {
        self.views[node].closing = true;
    }

    /// The hub has given a node this id. If the node never hears of it (its socket breaks as it joins), it gets
    /// another one, and the others see somebody of the first one who says nothing.
    pub(super) fn set_id(&mut self, node: usize, id: PeerId) {
        let view = &mut self.views[node];
        let lost = view.id.replace(id.clone()).filter(|lost| !view.heard && *lost != id);
        if let Some(lost) = lost {
            self.add(true);
            let ghost = self.views.len() - 1;
            self.views[ghost].id = Some(lost);
            for sender in 0..ghost {
                let flow = std::mem::take(&mut self.flows[sender][node]);
                self.open -= u64::from(flow.open);
                self.flows[sender][ghost] = Flow { open: 0, ..flow };
            }
            let receipts = self.emissions.iter_mut().flat_map(|emission| &mut emission.receipts);
            for receipt in receipts.filter(|receipt| receipt.receiver == node) {
                receipt.receiver = ghost;
            }
            let questions = self.views.iter_mut().flat_map(|view| view.asked.iter_mut().flatten());
            for question in questions {
                let Question { pending, answered, missing, .. } = &mut **question;
                for peer in pending.iter_mut().chain(answered).chain(missing) {
                    if *peer == node {
                        *peer = ghost;
                    }
                }
            }
        }
    }

    pub(super) fn find(&self, id: &PeerId) -> Option<usize> {
        self.views.iter().position(|view| view.id.as_ref() == Some(id))
    }

    /// The number of a node that an event names.
    fn named(&self, id: &PeerId) -> Result<usize, Breach> {
        match self.find(id) {
            Some(node) => Ok(node),
            None => breach(Invariant::Presence, "a peer that has joined the hub", id.as_str()),
        }
    }

    pub(super) fn knows(&self, node: usize, peer: usize) -> bool {
        self.flows[node][peer].known.is_some()
    }

    pub(super) fn id(&self, node: usize) -> Option<&PeerId> {
        self.views[node].id.as_ref()
    }

    pub(super) fn is_raw(&self, node: usize) -> bool {
        self.views[node].raw
    }

    pub(super) fn is_closing(&self, node: usize) -> bool {
        self.views[node].closing || self.views[node].gone
    }

    pub(super) fn is_closed(&self, node: usize) -> bool {
        self.views[node].closed
    }

    /// Whether nothing waits for anything: emits, questions, pushed-back senders, peers away.
    pub(super) fn is_settled(&self) -> bool {
        self.open == 0
            && self.flows.iter().enumerate().all(|(node, row)| {
                let view = &self.views[node];
                view.raw
                    || view.original
                    || view.gone
                    || view.summaries == 0
                        && row.iter().enumerate().all(|(peer, flow)| {
                            let quiet = |known: &Known| {
                                self.views[peer].raw || (!known.away && known.blocked == [false; 3])
                            };
                            flow.asked == 0 && flow.known.as_ref().is_none_or(quiet)
                        })
            })
    }

    /// Emits, counted once for each receiver that took them.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) const fn path_changes(&self) -> u64 {
        self.path_changes
    }

    pub(super) const fn answers(&self) -> u64 {
        self.answers
    }

    /// The number that the next emit carries.
    pub(super) const fn next_number(&self) -> u64 {
        self.emissions.len() as u64
    }

    /// An emit of the next number was made, and for these peers taken.
    pub(super) fn emitted(
        &mut self,
        node: usize,
        emit: u64,
        made: Made,
        accepted: &[PeerId],
    ) -> Result<(), Breach> {
        let Made { lane, shape, extent, asks, all } = made;
        if let Some(config) = &self.views[node].config
            && extent.fit(&config.limits).is_over()
        {
            return breach(
                Invariant::OwnLimits,
                format!(
                    "an event beyond the session's own limits to be turned away: {:?}",
                    config.limits
                ),
                format!("one of {extent:?} taken"),
            );
        }
        let number = self.next_number();
        if lane != Lane::Volatile {
            self.largest = self.largest.max(shape.size + shape.text);
        }
        let mut receipts = Vec::with_capacity(accepted.len());
        for id in accepted {
            let receiver = self.named(id)?;
            let flow = &mut self.flows[node][receiver];
            if flow.known.is_none() {
                return breach(
                    Invariant::Presence,
                    "emits taken for known peers only",
                    id.as_str(),
                );
            }
            let limits = self.views[receiver].config.as_ref().map(|config| &config.limits);
            let fit = limits.map_or(Fit::Fits, |limits: &Limits| extent.fit(limits));
            // It has heard of the limits with the name.
            if fit.is_over() && !self.views[receiver].raw {
                return breach(
                    Invariant::OwnLimits,
                    format!("an event beyond the limits of {id} to be turned away: {limits:?}"),
                    format!("one of {extent:?} taken"),
                );
            }
            let accepted = &mut flow.accepted[place(lane)];
            let (life, index) = (flow.life, *accepted);
            receipts.push(Receipt { receiver, life, index, fit, arrived: false, ended: None });
            // What may be refused has no place of its own in the order.
            *accepted += u32::from(fit == Fit::Fits);
            if !self.views[receiver].raw && lane != Lane::Volatile {
                flow.open += 1;
                self.open += 1;
                self.packets += 1;
            }
            if asks {
                flow.asked += 1;
            }
            let waiting = &mut flow.waiting[place(lane)];
            *waiting = (waiting.0 + extent.bytes, waiting.1 + 1);
            // For an original client an emit ends as soon as it is sent.
            if let Some(config) = &self.views[node].config
                && !self.views[receiver].original
            {
                caps::check(flow, lane, extent, config)?;
            }
        }
        let view = &mut self.views[node];
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        if index < view.emits.len() {
            return breach(Invariant::Outcome, "a name for each emit", format!("{emit} again"));
        }
        view.emits.resize(index, None);
        view.asked.resize(index, None);
        view.emits.push(Some(number));
        view.summaries += u32::from(asks && all);
        view.asked.push(asks.then(|| {
            let pending = receipts.iter().map(|receipt| receipt.receiver).collect();
            let (answered, missing) = (Vec::new(), Vec::new());
            Box::new(Question { number, all, pending, answered, missing })
        }));
        self.emissions.push(Emission { sender: node, lane, shape, extent, receipts });
        Ok(())
    }

    /// A session told its application something.
    pub(super) fn note(&mut self, node: usize, event: Event) -> Result<Note, Breach> {
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
            Event::PeerJoined { peer, version } => self.joined(node, &peer, version),
            Event::PeerLeft { peer, reason } => self.left(node, &peer, reason),
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
                let peer = self.named(&from)?;
                let question = self.answered(node, emit.as_u64(), peer)?;
                question.answered.push(peer);
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
                let peer = self.named(&peer)?;
                self.answered(node, emit.as_u64(), peer)?.missing.push(peer);
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
            Event::Refused(refusal) => {
                breach(Invariant::Identity, "to be let in", refusal.to_string())
            }
            Event::PeerError { peer, error } => {
                if let Some(sender) = self.find(&peer)
                    && matches!(error, PeerError::Unfinished(_) | PeerError::NoRoom)
                {
                    self.flows[sender][node].stranded = true;
                }
                let raw = self.find(&peer).is_some_and(|peer| self.views[peer].raw);
                Ok(if raw { Note::Malice } else { Note::Nothing })
            }
            Event::Disconnected { .. }
            | Event::Ready
            | Event::Upgrade
            | Event::ServerEvent { .. }
            | Event::TransferOpened { .. }
            | Event::TransferReadable { .. }
            | Event::TransferWritable { .. }
            | Event::TransferEnded { .. }
            | _ => Ok(Note::Nothing),
        }
    }

    fn known(&mut self, node: usize, peer: &PeerId) -> Result<&mut Known, Breach> {
        let index = self.named(peer)?;
        match &mut self.flows[node][index].known {
            Some(known) => Ok(known),
            None => breach(
                Invariant::Presence,
                "events about peers that have joined",
                format!("one about {peer}"),
            ),
        }
    }

    fn joined(&mut self, node: usize, peer: &PeerId, version: Version) -> Result<Note, Breach> {
        let index = self.named(peer)?;
        let expected = if self.views[index].original { Version::V0 } else { Version::V1 };
        if version != expected && !self.views[index].raw {
            return breach(Invariant::Presence, format!("{expected:?}"), format!("{version:?}"));
        }
        let flow = &mut self.flows[node][index];
        let known = Known { away: false, path: Path::Relay, blocked: [false; Lane::ALL.len()] };
        if flow.known.replace(known).is_some() {
            return breach(Invariant::Presence, "a peer to join once", format!("{peer} again"));
        }
        flow.life += 1;
        flow.accepted = [0; Lane::ALL.len()];
        flow.waiting = Default::default();
        Ok(Note::Nothing)
    }

    fn left(&mut self, node: usize, peer: &PeerId, reason: LeaveReason) -> Result<Note, Breach> {
        let index = self.named(peer)?;
        let raw = self.views[index].raw;
        let flow = &mut self.flows[node][index];
        if flow.known.take().is_none() {
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
        let ended = matches!(reason, LeaveReason::Left | LeaveReason::Closed);
        if self.weather == Weather::Patient && !ended && !raw {
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
        let index = self.named(peer)?;
        Ok(Note::PathChanged { mid_stream: self.flows[node][index].open > 0, detour })
    }

    fn received(
        &mut self,
        node: usize,
        from: &PeerId,
        packet: &Packet,
        reply: Option<ReplyToken>,
        path: Path,
    ) -> Result<Note, Breach> {
        let sender = self.named(from)?;
        if self.flows[node][sender].known.is_none() {
            return breach(
                Invariant::Presence,
                "events of peers that are there",
                format!("one of {from}"),
            );
        }
        if self.views[sender].raw {
            return Ok(Note::Malice);
        }
        let Some(number) = Shape::number(packet) else {
            return breach(
                Invariant::Origin,
                format!("an event of {from}'s"),
                format!("one with other arguments: {packet:?}"),
            );
        };
        if self.views[sender].original {
            let direct = path == Path::Direct;
            self.came_at_most_once(sender, node, number, direct, packet)?;
            return Ok(Note::Received(number, path));
        }
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let emission = self.emissions.get_mut(index).filter(|emission| emission.sender == sender);
        let receipt = emission.and_then(|emission| {
            let receipts = &mut emission.receipts;
            let receipt = receipts.iter_mut().find(|receipt| receipt.receiver == node)?;
            Some((emission.lane, emission.shape, receipt))
        });
        let Some((lane, shape, receipt)) = receipt else {
            return breach(
                Invariant::Origin,
                format!("an event that {from} has emitted to node {node}"),
                format!("event {number}"),
            );
        };
        if !shape.is_whole(packet, number) {
            return breach(
                Invariant::Wholeness,
                format!("event {number} as {shape:?}"),
                format!("{} bytes as {packet:?}", packet.wire_len()),
            );
        }
        if receipt.fit.is_over() {
            return breach(
                Invariant::Refusal,
                format!("event {number} not to be handed out: {:?}", receipt.fit),
                "it was",
            );
        }
        if std::mem::replace(&mut receipt.arrived, true) {
            return breach(Invariant::Singleness, "each event once", format!("{number} again"));
        }
        if let Some(outcome) = receipt.ended
            && outcome != Outcome::Unknown
        {
            return breach(
                Invariant::Outcome,
                format!("event {number} not to come after it has ended as {outcome:?}"),
                "it came",
            );
        }
        let came = (receipt.life, receipt.index);
        let flow = &self.flows[sender][node];
        let (life, next) = flow.receiving[place(lane)];
        let in_order = match lane {
            Lane::Volatile => came >= (life, next),
            // What is left out has to end as refused: its outcome tells.
            Lane::Events | Lane::Bulk if flow.may_refuse(&self.views[node]) => came >= (life, next),
            Lane::Events | Lane::Bulk if came.0 == life => came.1 == next,
            Lane::Events | Lane::Bulk => came.0 > life && came.1 == 0,
        };
        let fits = receipt.fit == Fit::Fits;
        if !in_order {
            return breach(
                Invariant::Order,
                format!("number {next} of life {life} of {lane:?} from {from}, or a new life"),
                format!("number {} of life {} (event {number})", came.1, came.0),
            );
        }
        let next = came.1 + u32::from(fits);
        self.flows[sender][node].receiving[place(lane)] = (came.0, next);
        self.delivered += 1;
        Ok(reply.map_or(Note::Received(number, path), |token| Note::Question(token, number)))
    }

    fn ended(
        &mut self,
        node: usize,
        emit: u64,
        peer: &PeerId,
        outcome: Outcome,
    ) -> Result<Note, Breach> {
        let receiver = self.named(peer)?;
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let number = self.views[node].emits.get(index).copied().flatten();
        let emission = number.and_then(|number| {
            let emission = self.emissions.get_mut(usize::try_from(number).ok()?)?;
            Some(emission).filter(|emission| emission.lane != Lane::Volatile)
        });
        let receipt = emission.and_then(|emission| {
            let Emission { lane, extent, receipts, .. } = emission;
            let receipt = receipts.iter_mut().find(|receipt| receipt.receiver == receiver)?;
            Some((*lane, extent.bytes, receipt))
        });
        let Some((lane, bytes, receipt)) = receipt else {
            return breach(
                Invariant::Outcome,
                "outcomes of reliable emits that were taken",
                format!("one of emit {emit} for {peer}"),
            );
        };
        if let Some(before) = receipt.ended.replace(outcome) {
            return breach(
                Invariant::Outcome,
                "one end of each emit",
                format!("{outcome:?} for {peer} after {before:?}"),
            );
        }
        let waiting = &mut self.flows[node][receiver].waiting[place(lane)];
        *waiting = (waiting.0.saturating_sub(bytes), waiting.1.saturating_sub(1));
        if self.views[receiver].raw {
            return Ok(Note::Nothing);
        }
        self.flows[node][receiver].open -= 1;
        self.open -= 1;
        let original = self.views[receiver].original;
        let truthful = match outcome {
            Outcome::Delivered => receipt.arrived && !original,
            Outcome::NotSent => !receipt.arrived,
            Outcome::Unknown => {
                self.weather == Weather::Harsh || self.views[receiver].closing || original
            }
            Outcome::Refused => {
                let may_be = receipt.fit != Fit::Fits
                    || self.flows[node][receiver].may_refuse(&self.views[receiver]);
                may_be && !receipt.arrived
            }
            _ => false,
        };
        if !truthful {
            let came = if receipt.arrived { "has arrived" } else { "has not arrived" };
            return breach(
                Invariant::Outcome,
                "outcomes that are true",
                format!(
                    "{outcome:?} of event {} for {peer}, where it {came} and {:?}",
                    number.unwrap_or(0),
                    receipt.fit
                ),
            );
        }
        let refused = outcome == Outcome::Refused;
        Ok(if refused { Note::Refused(receipt.fit) } else { Note::Nothing })
    }

    fn answered(&mut self, node: usize, emit: u64, peer: usize) -> Result<&mut Question, Breach> {
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let question = self.views[node].asked.get_mut(index).and_then(Option::as_deref_mut);
        let waits = |question: &Question| question.pending.iter().position(|one| *one == peer);
        match question.and_then(|question| Some((waits(question)?, question))) {
            Some((at, question)) => {
                question.pending.remove(at);
                self.flows[node][peer].asked -= 1;
                Ok(question)
            }
            None => breach(
                Invariant::Answer,
                "one end of each question for each of those it was for",
                format!("another one of emit {emit}, from node {peer}"),
            ),
        }
    }

    fn summed_up(
        &mut self,
        node: usize,
        emit: u64,
        answered: &[PeerId],
        missing: &[PeerId],
    ) -> Result<Note, Breach> {
        let named = |ids: &[PeerId]| ids.iter().filter_map(|id| self.find(id)).collect::<Vec<_>>();
        let (answered, missing) = (named(answered), named(missing));
        let index = usize::try_from(emit).unwrap_or(usize::MAX);
        let view = &mut self.views[node];
        let question = view.asked.get_mut(index).and_then(Option::take);
        let right = question.as_ref().is_some_and(|question| {
            question.all
                && question.pending.is_empty()
                && question.answered == answered
                && question.missing.len() == missing.len()
                && question.missing.iter().all(|peer| missing.contains(peer))
        });
        if !right {
            return breach(
                Invariant::Answer,
                "one summary of each question to all, after its ends, that says what they said",
                format!("{answered:?} answered and {missing:?} not, where it was {question:?}"),
            );
        }
        view.summaries -= 1;
        Ok(Note::Nothing)
    }

    /// What holds when nothing is under way any more: all that was accepted in the present lives has arrived.
    pub(super) fn check_delivery(&self) -> Result<(), Breach> {
        for emission in &self.emissions {
            let sender = &self.views[emission.sender];
            if sender.gone || sender.closing || emission.lane == Lane::Volatile {
                continue;
            }
            for receipt in &emission.receipts {
                let receiver = &self.views[receipt.receiver];
                if receiver.raw || receiver.original {
                    continue;
                }
                let flow = &self.flows[emission.sender][receipt.receiver];
                let current = flow.known.is_some() && flow.life == receipt.life;
                let must = current || (self.weather == Weather::Patient && !receiver.closing);
                let right = match receipt.ended {
                    Some(Outcome::Delivered) => true,
                    Some(Outcome::Refused) => receipt.fit != Fit::Fits || flow.may_refuse(receiver),
                    _ => false,
                };
                if must && !right {
                    return breach(
                        Invariant::Delivery,
                        "all that was accepted to arrive once faults are over",
                        format!(
                            "an emit of node {} for node {} that ended as {:?}",
                            emission.sender, receipt.receiver, receipt.ended
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    /// What holds when a node has closed: nothing of its is without an end.
    pub(super) fn check_closed(&self, node: usize) -> Result<(), Breach> {
        if !self.views[node].closed {
            return breach(Invariant::Leak, "a session that closes in time", "it is still open");
        }
        let open: u32 = self.flows[node].iter().map(|flow| flow.open + flow.asked).sum();
        let open = open + self.views[node].summaries;
        if open > 0 {
            return breach(
                Invariant::Outcome,
                "nothing without an end after `Closed`",
                format!("{open} emits or questions of node {node}"),
            );
        }
        Ok(())
    }
}

mod caps;
mod originals;
#[cfg(test)]
mod tests;
