//! Random traffic under random faults: order, singleness and known ends hold for every seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::signal::Lane;
use socketio_p2p_core::{
    Config, EmitError, Emitted, Event, LeaveReason, Outcome, Packet, Path, PeerId, Policy,
    ReplyToken, Target, Time,
};
use socketio_p2p_transport_memory::{Latency, Mesh, Node};

const STEPS: usize = 150;
const POLICIES: [Policy; 4] =
    [Policy::Automatic, Policy::Manual, Policy::RelayOnly, Policy::DirectOnly];

/// More wake-ups than this at one moment: something is due for ever.
const MOST_AT_ONCE: usize = 20_000;

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(1 + self.roll(most))
    }
}

/// What the faults may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Everybody is waited for: all that was accepted arrives.
    Patient,
    /// Peers crash and are given up: what was under way ends one way or the other.
    Harsh,
}

/// What one node believes about another, by its events.
struct Known {
    away: bool,
    path: Path,
    /// An emit was turned away and `Writable` has not come.
    blocked: bool,
}

/// The events of one node so far.
#[derive(Default)]
struct View {
    id: Option<PeerId>,
    peers: BTreeMap<PeerId, Known>,
    /// What each accepted emit was, and for whom it has no end yet.
    open: BTreeMap<u64, (u64, BTreeSet<PeerId>)>,
    /// Which answers are waited for.
    asked: BTreeMap<u64, (PeerId, u64)>,
    closed: bool,
}

#[derive(Default)]
struct Books {
    views: BTreeMap<Node, View>,
    /// The numbers that were accepted, by sender and receiver; one list per life of the sender's link.
    accepted: BTreeMap<(PeerId, PeerId), Vec<Vec<u64>>>,
    /// The numbers that arrived, by sender and receiver.
    received: BTreeMap<(PeerId, PeerId), Vec<u64>>,
    /// How emits ended, by sender and receiver.
    ended: BTreeMap<(PeerId, PeerId), Vec<(u64, Outcome)>>,
    answers: usize,
    by_path: BTreeMap<&'static str, usize>,
}

impl Books {
    fn note(&mut self, weather: Weather, node: Node, event: Event) -> Option<(ReplyToken, u64)> {
        let view = self.views.get_mut(&node).unwrap();
        assert!(!view.closed, "an event after the last: {event:?}");
        let me = view.id.clone();
        let pair = |from: &PeerId, to: &PeerId| (from.clone(), to.clone());
        match event {
            Event::Connected { id, .. } => {
                assert!(me.is_none_or(|me| me == id), "another identity");
                view.id = Some(id);
            }
            Event::PeerJoined { peer, .. } => {
                let known = Known { away: false, path: Path::Relay, blocked: false };
                assert!(view.peers.insert(peer.clone(), known).is_none(), "joined twice");
                self.accepted.entry((me.unwrap(), peer)).or_default().push(Vec::new());
            }
            Event::PeerLeft { peer, reason } => {
                assert!(view.peers.remove(&peer).is_some(), "left and never joined");
                let waits = view.open.values().any(|(_, waiting)| waiting.contains(&peer));
                assert!(!waits, "an emit without an end to a peer that left");
                assert!(!view.asked.values().any(|(asked, _)| *asked == peer), "NoAck is missing");
                let ended = matches!(reason, LeaveReason::Left | LeaveReason::Closed);
                assert!(weather == Weather::Harsh || ended, "{peer} is given up: {reason}");
            }
            Event::PeerAway { peer } => {
                let known = view.peers.get_mut(&peer).unwrap();
                assert!(!std::mem::replace(&mut known.away, true), "away twice");
            }
            Event::PeerBack { peer } => {
                let known = view.peers.get_mut(&peer).unwrap();
                assert!(std::mem::replace(&mut known.away, false), "back and never away");
            }
            Event::PathChanged { peer, path } => {
                let known = view.peers.get_mut(&peer).unwrap();
                assert_ne!(std::mem::replace(&mut known.path, path.clone()), path, "no change");
            }
            Event::Writable { peer, lane: Lane::Events } => {
                let known = view.peers.get_mut(&peer).unwrap();
                assert!(std::mem::replace(&mut known.blocked, false), "writable, never blocked");
            }
            Event::Received { from, packet, path, reply } => {
                assert!(view.peers.contains_key(&from), "an event of nobody");
                let (number, _) = packet.args::<(u64, Option<Blob>)>().unwrap();
                let numbers = self.received.entry(pair(&from, &me.unwrap())).or_default();
                assert!(numbers.last().is_none_or(|last| *last < number), "{number}: {numbers:?}");
                numbers.push(number);
                let path = match path {
                    Path::Relay => "relay",
                    Path::Direct => "direct",
                    Path::Via(_) => "via",
                    other => panic!("a path that the tests do not know: {other:?}"),
                };
                *self.by_path.entry(path).or_default() += 1;
                return reply.map(|token| (token, number));
            }
            Event::Outcome { emit, peer, outcome } => {
                let key = emit.as_u64();
                let (number, waiting) = view.open.get_mut(&key).expect("an emit that was accepted");
                let number = *number;
                assert!(waiting.remove(&peer), "two outcomes of one emit for one peer");
                if waiting.is_empty() {
                    view.open.remove(&key);
                }
                self.ended.entry((me.unwrap(), peer)).or_default().push((number, outcome));
            }
            Event::Ack { emit, from, packet } => {
                let asked = view.asked.remove(&emit.as_u64()).expect("one end of each question");
                assert_eq!((from, packet.args::<(u64,)>().unwrap().0), asked);
                self.answers += 1;
            }
            Event::NoAck { emit, peer, .. } => {
                let asked = view.asked.remove(&emit.as_u64()).expect("one end of each question");
                assert_eq!(asked.0, peer);
            }
            Event::Closed => {
                assert!(view.peers.is_empty(), "closed before everybody left");
                view.closed = true;
            }
            Event::Refused(refusal) => panic!("{refusal}"),
            _ => {}
        }
        None
    }

    /// An emit that was taken for these peers.
    fn accept(&mut self, node: Node, emit: u64, number: u64, peers: Vec<PeerId>) {
        let view = self.views.get_mut(&node).unwrap();
        for peer in &peers {
            let pair = (view.id.clone().unwrap(), peer.clone());
            self.accepted.get_mut(&pair).unwrap().last_mut().unwrap().push(number);
        }
        if !peers.is_empty() {
            view.open.insert(emit, (number, peers.into_iter().collect()));
        }
    }

    fn note_blocked(&mut self, node: Node, error: &EmitError) {
        if let EmitError::Blocked { peer, .. } = error {
            self.views.get_mut(&node).unwrap().peers.get_mut(peer).unwrap().blocked = true;
        }
    }

    /// What holds between the two ends of every pair.
    fn check(&self, weather: Weather) {
        let nothing = Vec::new();
        for (pair, lives) in &self.accepted {
            let received = self.received.get(pair).unwrap_or(&nothing);
            let arrived = |number: &u64| received.binary_search(number).is_ok();
            for life in lives {
                let prefix = life.iter().take_while(|number| arrived(number)).count();
                let rest = life[prefix..].iter().find(|number| arrived(number));
                assert_eq!(rest, None, "{pair:?}: a gap after {prefix} of {life:?}: {received:?}");
                assert!(weather == Weather::Harsh || prefix == life.len(), "{pair:?}: {life:?}");
            }
            for (number, outcome) in self.ended.get(pair).into_iter().flatten() {
                let possible = match outcome {
                    Outcome::Delivered => arrived(number),
                    Outcome::NotSent => !arrived(number),
                    Outcome::Unknown => weather == Weather::Harsh,
                    _ => false,
                };
                assert!(possible, "{pair:?}: {number} ended as {outcome:?}: {received:?}");
            }
        }
    }
}

struct Run {
    weather: Weather,
    dice: Dice,
    mesh: Mesh,
    books: Books,
    nodes: Vec<Node>,
    max_peers: usize,
    number: u64,
    server_up: bool,
}

impl Run {
    fn new(weather: Weather, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let window = match weather {
            // Long enough that nobody is given up: everything must arrive.
            Weather::Patient => Duration::from_secs(3600),
            Weather::Harsh => dice.millis(10_000),
        };
        let mut mesh = Mesh::with_hub(seed, HubConfig::default().with_resume_window(window));
        mesh.set_latency(Latency { relay: dice.millis(80), direct: dice.millis(80) });
        let max_peers = dice.pick(&[1, 5, 5]);
        let mut run = Self {
            weather,
            dice,
            mesh,
            books: Books::default(),
            nodes: Vec::new(),
            max_peers,
            number: 0,
            server_up: true,
        };
        for _ in 0..2 + run.dice.roll(3) {
            run.add();
        }
        run.run_for(Duration::from_secs(2));
        run.collect();
        run
    }

    fn add(&mut self) {
        let window = match self.weather {
            Weather::Patient => Duration::from_secs(3600),
            Weather::Harsh => self.dice.millis(8_000),
        };
        let policy = self.dice.pick(&POLICIES);
        let config = Config::default().with_resume_window(window).with_max_peers(self.max_peers);
        let config = match self.weather {
            Weather::Patient => config.with_stall_timeout(window),
            Weather::Harsh => config,
        };
        let node = self.mesh.add(config.with_policy(policy));
        self.books.views.insert(node, View::default());
        self.nodes.push(node);
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.mesh.now() + span;
        let (mut moment, mut times) = (Time::ZERO, 0);
        let done = self.mesh.run_until(span, |mesh| {
            times = if mesh.now() == moment { times + 1 } else { 0 };
            moment = mesh.now();
            assert!(times < MOST_AT_ONCE, "something is due for ever at {moment:?}");
            false
        });
        assert!(!done);
        let left = end - self.mesh.now();
        self.mesh.run_for(left);
    }

    /// Takes all events, and answers those that ask for it, mostly.
    fn collect(&mut self) {
        for node in self.nodes.clone() {
            for event in self.mesh.take_events(node) {
                let question = self.books.note(self.weather, node, event);
                let Some((token, number)) = question.filter(|_| self.dice.roll(4) > 0) else {
                    continue;
                };
                let reply = |session: &mut socketio_p2p_core::Session, now| {
                    session.reply(&token, &(number,), now)
                };
                if let Err(error) = self.mesh.with(node, reply) {
                    self.books.note_blocked(node, &error);
                }
            }
        }
    }

    fn emit(&mut self, node: Node) {
        self.collect();
        let number = self.number;
        self.number += 1;
        let blob = (self.dice.roll(8) == 0)
            .then(|| Blob::from(vec![number as u8; self.dice.roll(200_000) as usize]));
        let event = Packet::event("n", &(number, blob)).unwrap();
        let peers: Vec<PeerId> = self.books.views[&node].peers.keys().cloned().collect();
        if self.dice.roll(4) == 0 && !peers.is_empty() {
            let peer = peers[self.dice.roll(peers.len() as u64) as usize].clone();
            let patience = Some(self.dice.millis(20_000));
            let asked = self
                .mesh
                .with(node, |session, now| session.emit_with_ack(&peer, &event, patience, now));
            match asked {
                Ok(Emitted { id: emit, .. }) => {
                    let view = self.books.views.get_mut(&node).unwrap();
                    view.asked.insert(emit.as_u64(), (peer.clone(), number));
                    self.books.accept(node, emit.as_u64(), number, vec![peer]);
                }
                Err(error) => self.books.note_blocked(node, &error),
            }
        } else {
            let emitted = self.mesh.emit(node, Target::All, &event).unwrap();
            for (_, error) in &emitted.rejected {
                self.books.note_blocked(node, error);
            }
            self.books.accept(node, emitted.id.as_u64(), number, emitted.accepted);
        }
    }

    fn something_happens(&mut self) {
        let one = self.dice.pick(&self.nodes);
        let other = self.dice.pick(&self.nodes);
        let Self { mesh, dice, .. } = self;
        match dice.roll(26) {
            0 => mesh.cut_signaling(one),
            1 => mesh.close_direct(one, other),
            2 => mesh.set_silent(one, other, true),
            3 | 4 => mesh.set_silent(one, other, false),
            5 => mesh.set_blocked(one, other, true),
            6 => mesh.set_blocked(one, other, false),
            7 if self.server_up => {
                mesh.stop_server();
                self.server_up = false;
            }
            7 | 8 if !self.server_up => {
                mesh.start_server();
                self.server_up = true;
            }
            9 | 10 => {
                let policy = dice.pick(&POLICIES);
                mesh.with(one, |session, now| session.set_policy(policy, now));
            }
            11 => mesh.with(one, |session, now| session.upgrade(Target::All, now)).unwrap(),
            12 => mesh.set_reachable(one, false),
            13 => mesh.set_reachable(one, true),
            14 => {
                let span = dice.millis(20_000);
                self.run_for(span);
            }
            15 => {
                let by = dice.millis(100_000);
                mesh.jump_clock(by);
            }
            16 => mesh.set_latency(Latency { relay: dice.millis(500), direct: dice.millis(100) }),
            17 if self.weather == Weather::Harsh => {
                self.collect();
                self.mesh.crash(one);
                self.collect();
                self.nodes.retain(|node| *node != one);
                self.add();
            }
            _ => {
                for _ in 0..=self.dice.roll(5) {
                    self.emit(one);
                }
            }
        }
        for _ in 0..self.dice.roll(6) {
            self.mesh.step();
        }
        if self.dice.roll(4) == 0 {
            let span = self.dice.millis(500);
            self.run_for(span);
        }
        self.collect();
    }

    /// Every fault ends: everybody finds everybody, all that waits arrives, nobody stays on the relay who need
    /// not.
    fn heal(&mut self) {
        if !self.server_up {
            self.mesh.start_server();
        }
        for &one in &self.nodes {
            self.mesh.set_reachable(one, true);
            for &other in &self.nodes {
                self.mesh.set_silent(one, other, false);
                self.mesh.set_blocked(one, other, false);
            }
            self.mesh.with(one, |session, now| session.set_policy(Policy::Automatic, now));
        }
        self.run_for(Duration::from_secs(180));
        self.collect();
        let direct = |mesh: &Mesh, node: Node| {
            mesh.session(node).peers().filter(|peer| peer.path == Some(Path::Direct)).count()
        };
        for &one in &self.nodes {
            let view = &self.books.views[&one];
            assert_eq!(view.peers.len(), self.nodes.len() - 1, "{one:?} does not know everybody");
            assert!(view.open.is_empty(), "{one:?}: emits without an end: {:?}", view.open);
            assert!(view.asked.is_empty(), "{one:?}: questions without an end: {:?}", view.asked);
            for (peer, known) in &view.peers {
                assert!(!known.away && !known.blocked, "{one:?}: {peer}");
            }
            for &other in self.nodes.iter().filter(|other| **other != one) {
                let room = |node| direct(&self.mesh, node) < self.max_peers;
                let peer = self.mesh.peer(one, other).unwrap();
                let settled = peer.path == Some(Path::Direct) || !(room(one) && room(other));
                assert!(settled, "{one:?} and {other:?} stay on the relay: {peer:?}");
            }
        }
    }

    /// All close, one after the other, with events under way.
    fn close(&mut self) {
        for (turn, node) in self.nodes.clone().into_iter().enumerate() {
            for _ in 0..self.dice.roll(4) {
                self.emit(node);
            }
            self.mesh.with(node, |session, now| session.close(now));
            if turn == 0 {
                // Those that stay get everything.
                self.run_for(Duration::from_secs(6));
                let known = self.books.ended.len();
                self.collect();
                let view = &self.books.views[&node];
                assert!(view.closed && view.open.is_empty(), "{node:?} does not close");
                let me = view.id.clone().unwrap();
                let ended = self.books.ended.iter().filter(|((from, _), _)| *from == me);
                if self.weather == Weather::Patient {
                    let delivered = |(_, outcome): &(u64, Outcome)| *outcome == Outcome::Delivered;
                    assert!(ended.flat_map(|(_, ended)| ended).all(delivered), "{known}");
                }
            } else {
                let span = self.dice.millis(300);
                self.run_for(span);
                self.collect();
            }
        }
        self.run_for(Duration::from_secs(6));
        self.collect();
        for (node, view) in &self.books.views {
            if self.nodes.contains(node) {
                assert!(view.closed && view.open.is_empty() && view.asked.is_empty(), "{node:?}");
            }
        }
    }
}

fn run(weather: Weather, seed: u64) -> Books {
    let mut run = Run::new(weather, seed);
    for _ in 0..STEPS {
        run.something_happens();
    }
    run.heal();
    run.books.check(weather);
    run.close();
    run.books.check(Weather::Harsh);
    run.books
}

fn run_all(weather: Weather) {
    let mut paths: BTreeMap<&str, usize> = BTreeMap::new();
    let mut answers = 0;
    let mut failed = Vec::new();
    for seed in seeds() {
        let Ok(books) = std::panic::catch_unwind(|| run(weather, seed)) else {
            failed.push(seed);
            continue;
        };
        answers += books.answers;
        for (path, count) in books.by_path {
            *paths.entry(path).or_default() += count;
        }
    }
    assert!(failed.is_empty(), "{weather:?}: seeds {failed:?}");
    assert!(answers > 100, "{answers}");
    assert!(paths.len() == 3 && paths.values().all(|count| *count > 50), "{paths:?}");
}

#[test]
fn whatever_the_paths_do_every_event_arrives_once_and_in_order() {
    run_all(Weather::Patient);
}

#[test]
fn whoever_is_given_up_every_event_has_one_end_and_none_arrives_out_of_order() {
    run_all(Weather::Harsh);
}

/// The seeds of this run; `CHAOS_SEEDS=from..to` asks for others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("CHAOS_SEEDS").ok();
    let range = asked.as_deref().unwrap_or("0..24").split_once("..");
    let (from, to) = range.expect("CHAOS_SEEDS is from..to");
    from.parse().unwrap()..to.parse().unwrap()
}
