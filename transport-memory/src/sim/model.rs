//! The reference model: what sessions may tell their applications, given what the applications have done.
//!
//! It keeps the books on every emit and every peer, and is far simpler than what it judges: it knows no packets,
//! numbers or paths' protocols, only who emitted what to whom and what came of it. Each event costs it a few
//! comparisons, so that it can look at every one.

use std::collections::BTreeMap;

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, Outcome, Path, PeerId, ReplyToken, Time};

use super::shape::{Extent, Fit, Shape};
use crate::invariant::{Breach, Invariant};

/// What may come of emits in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    /// Everybody is waited for: all that was accepted arrives.
    Patient,
    /// Peers end and are given up: what was in flight ends one way or the other.
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
    /// The id under which it knows it.
    id: PeerId,
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
    /// Volatile events of this life that were turned away.
    dropped: u64,
    /// The bytes of volatile events taken at one moment.
    volatile: (Option<Time>, usize),
    /// Where the receiver stands, per lane: in which life, and what comes next.
    receiving: [(u32, u32); Lane::ALL.len()],
    /// The receiver has waited too long for the rest of a packet.
    stranded: bool,
    /// No channel that both use led from one to the other when ids were lost: the link ended, and what was in flight with
    /// it.
    shaken: bool,
    /// It was shaken once, and the two may have known each other under two ids.
    renewed: bool,
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
    /// Whom its ends have named, by the ids of then.
    answered: Vec<PeerId>,
    missing: Vec<PeerId>,
}

#[derive(Debug, Default)]
struct View {
    id: Option<PeerId>,
    /// The ids that it had before, and knew.
    former: Vec<PeerId>,
    /// It has heard that this is its id.
    heard: bool,
    /// The refusals that it may be told, by their codes.
    refusals: Vec<&'static str>,
    /// The server's application has removed it, once at least.
    dismissed: bool,
    /// Peers that it knows twice, under a former id too; each is somebody else to it under that.
    shadows: Vec<(PeerId, usize)>,
    /// Whose shadow this is.
    shadow_of: Option<usize>,
    /// It stands for an id that its node has never heard of.
    ghost: bool,
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
    /// The path changed; and whether events were in flight.
    PathChanged {
        mid_stream: bool,
        detour: bool,
    },
    /// Something of a raw node was noticed.
    Malice,
    /// The node is out of the room until it is called back.
    TurnedAway,
    /// A peer has a new id.
    Renamed(usize),
}

#[derive(Debug)]
pub(super) struct Model {
    weather: Weather,
    /// The hub has lost the key of its tokens.
    key_lost: bool,
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
            key_lost: false,
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

    /// The event that an emit of a node's is.
    pub(super) fn number_of(&self, node: usize, emit: u64) -> Option<u64> {
        *self.views[node].emits.get(usize::try_from(emit).ok()?)?
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

    /// How many events of a lane one has taken for another in the present life, of those that nobody may refuse.
    pub(super) fn accepted(&self, from: usize, to: usize, lane: Lane) -> u64 {
        u64::from(self.flows[from][to].accepted[place(lane)])
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

    /// The bytes that have arrived of a node's events, counted for each receiver, and of how many events. An original client
    /// may have left before what was sent to it came, and a receiver drops volatile events beyond its bound: that counts too.
    pub(super) fn arrived_of(&self, node: usize) -> (u64, u64) {
        let mine = self.emissions.iter().filter(|emission| emission.sender == node);
        mine.fold((0, 0), |(bytes, packets), emission| {
            let kept = |receiver| self.config(receiver).map_or(0, |config| config.volatile_bytes);
            let drops = |receiver| {
                emission.lane == Lane::Volatile && emission.extent.bytes > kept(receiver)
            };
            let come = |receipt: &&Receipt| {
                let receiver = receipt.receiver;
                receipt.arrived || self.is_original(receiver) || drops(receiver)
            };
            let come = emission.receipts.iter().filter(come).count() as u64;
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

    /// Which life each link is in.
    pub(super) fn lives(&self) -> Vec<Vec<u32>> {
        let lives = |flows: &Vec<Flow>| flows.iter().map(|flow| flow.life).collect();
        self.flows.iter().map(lives).collect()
    }

    /// Which life a node's link to a peer is in, or was.
    pub(super) fn life(&self, node: usize, peer: &PeerId) -> u32 {
        self.find_by(node, peer).map_or(0, |peer| self.flows[node][peer].life)
    }

    /// As [`life`](Self::life), of a link that is there.
    pub(super) fn life_now(&self, node: usize, peer: &PeerId) -> Option<u32> {
        let flow = &self.flows[node][self.find_by(node, peer)?];
        flow.known.is_some().then_some(flow.life)
    }

    /// Whether the event of a number has come to a node.
    pub(super) fn has_arrived(&self, number: u64, node: usize) -> bool {
        let emission = usize::try_from(number).ok().and_then(|index| self.emissions.get(index));
        let mut receipts = emission.into_iter().flat_map(|emission| &emission.receipts);
        receipts.any(|receipt| receipt.receiver == node && receipt.arrived)
    }

    /// Whether answers wait in the same queue as a node's events for a peer.
    pub(super) fn shares_lane(&self, node: usize, peer: &PeerId) -> bool {
        self.find_by(node, peer).is_none_or(|peer| self.flows[node][peer].replied > 0)
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
}

mod caps;
mod events;
mod names;
mod originals;
mod outcomes;
#[cfg(test)]
mod tests;
