//! The bundles between sessions, one by one, against section 5 of the protocol.
//!
//! - here: the ends of a bundle, and checks of single bundles
//! - `acks`: times of acknowledgements
//! - `pings`: numbers of pings
//! - `again`: retransmissions
//! - `excess`: states towards a peer that exceeds bounds
//! - `holdings`, `came`: acknowledged ranges
//! - `waits`: sessions that were told to wait

mod acks;
mod again;
mod came;
mod excess;
mod holdings;
mod pings;
mod waits;

use std::collections::BTreeMap;
use std::time::Duration;

use socketio_p2p_core::wire::{Epochs, Lane, Stream};
use socketio_p2p_core::{Config, Time};

use self::acks::Acks;
use self::again::Again;
use self::holdings::Holdings;
use self::pings::Pings;
use self::waits::Waits;
use crate::invariant::{Breach, Invariant};
use crate::mesh::{Hearing, Line, Seen, Talk};
use crate::sim::model::Model;

/// The longest record on relay and neighbour, and on a channel.
const INDIRECT_RECORD: usize = 16 << 10;
const DIRECT_RECORD: usize = 64 << 10;

/// What a bundle may take beside one record.
const BESIDE: usize = 64;

/// After so many bundles a session has said on a channel what it accepts.
const FIRST_BUNDLES: u32 = 2;

/// The times there and back of paths to which nothing is done.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct RoundTrips {
    pub(in crate::sim) relay: Duration,
    pub(in crate::sim) direct: Duration,
}

/// What all say to each other, by who says it to whom.
#[derive(Debug)]
pub(in crate::sim) struct Talks {
    round_trips: RoundTrips,
    sides: BTreeMap<(usize, usize), Side>,
    /// The hub names somebody late, to whom it leads nowhere until then, or lets less through than is said: when something is
    /// acknowledged through it does not count.
    hub_is_slow: bool,
    /// Whoever is no session sends nothing but what is too much.
    is_excess: bool,
}

/// What one says to one other.
#[derive(Debug, Default)]
struct Side {
    epochs: Option<Epochs>,
    /// There have been refusals or transfers: what they need is not counted.
    tells: bool,
    acks: Acks,
    pings: Pings,
    again: Again,
    holdings: Holdings,
    waits: Waits,
    introduction: Option<Introduction>,
}

/// What was said on a channel so far.
#[derive(Debug)]
struct Introduction {
    line: Line,
    bundles: u32,
    limits: bool,
}

impl Talks {
    pub(in crate::sim) const fn new(round_trips: RoundTrips) -> Self {
        Self { round_trips, sides: BTreeMap::new(), hub_is_slow: false, is_excess: false }
    }

    /// The hub does not do everything at once.
    pub(in crate::sim) const fn note_slow_hub(&mut self) {
        self.hub_is_slow = true;
    }

    /// The malicious peer sends more than it may, and nothing else.
    pub(in crate::sim) const fn note_excess(&mut self) {
        self.is_excess = true;
    }

    /// Something was said or heard.
    pub(in crate::sim) fn note(&mut self, seen: &Seen, model: &Model) -> Result<(), Breach> {
        let Seen { talk, heard } = seen;
        let (from, to) = (talk.from.index(), talk.to.index());
        if model.is_renewed(from, to) {
            return Ok(());
        }
        if let Some(heard) = heard {
            if model.config(to).is_some() {
                self.hear(talk, *heard, model);
            }
            return Ok(());
        }
        let Some(config) = model.config(from) else { return Ok(()) };
        check_records(talk, config)?;
        if let Some(state) = &talk.freight.state {
            excess::check_credit(talk, state)?;
        }
        if self.is_excess && model.is_raw(to) {
            excess::check(talk, config, model.is_choosy(from))?;
        }
        if model.config(to).is_none() {
            return Ok(());
        }
        check_datagram(talk)?;
        if talk.freight.control.tells {
            for ends in [(from, to), (to, from)] {
                self.sides.entry(ends).or_default().tells = true;
            }
        }
        if let Line::Via(_) = talk.line {
            let side = self.sides.entry((to, from)).or_default();
            side.holdings.hear(talk, None, false);
            side.waits.hear_later(talk);
        }
        let choosy = model.is_choosy(from) || self.hub_is_slow;
        let side = self.sides.entry((from, to)).or_default();
        side.say(talk, config, choosy, self.round_trips)?;
        side.holdings.say(talk, config, !model.is_closing(from))
    }

    /// The incarnations of which somebody hears something of another, as far as it has said so.
    pub(in crate::sim) fn between(&self, from: usize, to: usize) -> Option<Epochs> {
        let Epochs { epoch, peer_epoch } = self.sides.get(&(to, from))?.epochs?;
        Some(Epochs { epoch: peer_epoch, peer_epoch: epoch })
    }

    /// The ways of a node to another, or to all, are others now than they were.
    pub(in crate::sim) fn upset(&mut self, node: usize, other: Option<usize>, now: Time) {
        for ((from, to), side) in &mut self.sides {
            if *from == node && other.is_none_or(|other| other == *to) {
                side.acks.doubt();
                side.again.upset(now);
                side.pings.begin(now);
            }
        }
    }

    /// A node delivers again. What came meanwhile may not be there: it had no room beside what waited.
    pub(in crate::sim) fn resume(&mut self, node: usize) {
        let of_node = self.sides.iter_mut().filter(|((from, _), _)| *from == node);
        of_node.for_each(|(_, side)| side.holdings.doubt());
    }

    /// Whether a node was told by another to wait.
    pub(in crate::sim) fn waits(&self, node: usize, other: usize) -> bool {
        self.sides.get(&(node, other)).is_some_and(|side| side.waits.is_told())
    }

    fn hear(&mut self, talk: &Talk, heard: Hearing, model: &Model) {
        let (from, to) = (talk.from.index(), talk.to.index());
        for other in talk.freight.passed_on.iter().filter_map(|id| model.find(id)) {
            self.sides.entry((to, other)).or_default().pings.begin(heard.at);
        }
        // The refusals of a sender whose socket has closed are seen here first.
        if matches!(talk.line, Line::Orphan) {
            self.sides.entry((from, to)).or_default().holdings.note_refusals(talk);
        }
        let side = self.sides.entry((to, from)).or_default();
        side.pings.begin(heard.at);
        let Epochs { epoch, peer_epoch } = talk.freight.epochs;
        let mutual = side.epochs == Some(Epochs { epoch: peer_epoch, peer_epoch: epoch });
        if model.config(from).is_some() {
            side.holdings.hear(talk, Some(heard), mutual);
        }
        if mutual {
            side.waits.hear(talk, heard);
        }
        if !(self.hub_is_slow && matches!(talk.line, Line::Relay(..))) {
            side.acks.hear(talk, heard, mutual);
        }
    }
}

impl Side {
    fn say(
        &mut self,
        talk: &Talk,
        config: &Config,
        choosy: bool,
        round_trips: RoundTrips,
    ) -> Result<(), Breach> {
        if self.epochs != Some(talk.freight.epochs) {
            self.epochs = Some(talk.freight.epochs);
            self.acks.doubt();
            self.again.forget();
            self.holdings.doubt();
            self.waits = Waits::default();
        }
        self.introduce(talk)?;
        self.waits.say(talk)?;
        // What comes on a path that is forbidden is refused at once.
        self.acks.say(talk, self.tells || choosy)?;
        self.pings.say(talk, config, self.tells)?;
        self.again.say(talk, round_trips)
    }

    /// On a channel a session says among the first what it accepts.
    fn introduce(&mut self, talk: &Talk) -> Result<(), Breach> {
        if !matches!(talk.line, Line::Direct(..)) {
            return Ok(());
        }
        let introduction = self.introduction.take().filter(|before| before.line == talk.line);
        let mut introduction =
            introduction.unwrap_or(Introduction { line: talk.line, bundles: 0, limits: false });
        introduction.bundles += 1;
        introduction.limits |= talk.freight.control.limits;
        let Introduction { bundles, limits, .. } = introduction;
        self.introduction = Some(introduction);
        if limits || (bundles <= FIRST_BUNDLES && talk.freight.records.is_empty()) {
            return Ok(());
        }
        Err(Breach::new(
            Invariant::Introduction,
            format!("{:?} to begin a channel to {:?} with its limits", talk.from, talk.to),
            format!("{bundles} bundles without"),
        ))
    }
}

/// No record is longer than it may be.
fn check_records(talk: &Talk, config: &Config) -> Result<(), Breach> {
    let most = match talk.line {
        Line::Relay(..) | Line::Orphan | Line::Via(_) => {
            config.record_bytes.clamp(1, INDIRECT_RECORD)
        }
        Line::Direct(..) | Line::Datagrams(..) => DIRECT_RECORD,
    };
    match talk.freight.records.iter().find(|part| part.len > most) {
        None => Ok(()),
        Some(part) => Err(Breach::new(
            Invariant::RecordLength,
            format!("records of at most {most} bytes from {:?} on {:?}", talk.from, talk.line),
            format!("{part:?}"),
        )),
    }
}

/// A volatile event that fits goes over the channel for those, where there is one.
fn check_datagram(talk: &Talk) -> Result<(), Breach> {
    let (Line::Direct(..), Some(longest)) = (talk.line, talk.datagrams) else { return Ok(()) };
    let volatile = Stream::Lane(Lane::Volatile);
    let fits = |len: usize| len + BESIDE <= longest;
    let mut records = talk.freight.records.iter();
    match records.find(|part| part.stream == volatile && part.at == 0 && part.end && fits(part.len))
    {
        None => Ok(()),
        Some(part) => Err(Breach::new(
            Invariant::Datagrams,
            format!("volatile events up to {longest} bytes to be datagrams"),
            format!("{part:?} from {:?} to {:?} on the first channel", talk.from, talk.to),
        )),
    }
}
