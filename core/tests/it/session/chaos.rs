//! Random traffic under random faults: order, singleness and known ends hold for every seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{Config, Event, Outcome, Packet, PeerId, Policy, Target};
use socketio_p2p_transport_memory::{Latency, Mesh, Node};

const NODES: usize = 3;
const STEPS: usize = 150;

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
}

#[derive(Default)]
struct Books {
    /// The numbers that each node got, by sender.
    received: BTreeMap<(usize, PeerId), Vec<u64>>,
    /// What each accepted emit was, and for whom it has no end yet.
    open: BTreeMap<(usize, u64), (u64, BTreeSet<PeerId>)>,
    delivered: Vec<(usize, PeerId, u64)>,
    by_path: BTreeMap<String, usize>,
}

impl Books {
    fn note(&mut self, node: usize, event: &Event) {
        match event {
            Event::Received { from, packet, path, .. } => {
                let (number, _) = packet.args::<(u64, Option<Blob>)>().unwrap();
                self.received.entry((node, from.clone())).or_default().push(number);
                *self.by_path.entry(format!("{path:?}")).or_default() += 1;
            }
            Event::Outcome { emit, peer, outcome } => {
                let key = (node, emit.as_u64());
                let (number, waiting) = self.open.get_mut(&key).expect("an emit that was accepted");
                assert!(waiting.remove(peer), "two outcomes of one emit for one peer");
                if *outcome == Outcome::Delivered {
                    self.delivered.push((node, peer.clone(), *number));
                }
                if waiting.is_empty() {
                    self.open.remove(&key);
                }
            }
            Event::PeerLeft { peer, reason } => panic!("{peer} is given up: {reason}"),
            _ => {}
        }
    }
}

fn collect(mesh: &mut Mesh, nodes: &[Node], books: &mut Books) {
    for (index, node) in nodes.iter().enumerate() {
        for event in mesh.take_events(*node) {
            books.note(index, &event);
        }
    }
}

fn run(seed: u64) -> Books {
    let mut dice = Dice(seed);
    // Long enough that nobody is given up: everything must arrive.
    let patience = Duration::from_secs(3600);
    let mut mesh = Mesh::with_hub(seed, HubConfig::default().with_resume_window(patience));
    let millis = |dice: &mut Dice, most| Duration::from_millis(1 + dice.roll(most));
    mesh.set_latency(Latency { relay: millis(&mut dice, 80), direct: millis(&mut dice, 80) });
    let config = Config::default().with_resume_window(patience);
    let nodes: Vec<Node> = (0..NODES).map(|_| mesh.add(config.clone())).collect();
    mesh.run_for(Duration::from_secs(2));
    let mut books = Books::default();
    let mut number = 0;
    let mut server_up = true;
    for _ in 0..STEPS {
        let one = nodes[dice.roll(NODES as u64) as usize];
        let other = nodes[dice.roll(NODES as u64) as usize];
        match dice.roll(24) {
            0 => mesh.cut_signaling(one),
            1 => mesh.close_direct(one, other),
            2 => mesh.set_silent(one, other, true),
            3 | 4 => mesh.set_silent(one, other, false),
            5 => mesh.set_blocked(one, other, true),
            6 => mesh.set_blocked(one, other, false),
            7 if server_up => {
                mesh.stop_server();
                server_up = false;
            }
            7 | 8 if !server_up => {
                mesh.start_server();
                server_up = true;
            }
            9 => {
                let policies = [Policy::Automatic, Policy::Manual, Policy::RelayOnly];
                let policy = policies[dice.roll(3) as usize];
                mesh.with(one, |session, now| session.set_policy(policy, now));
            }
            10 => mesh.with(one, |session, now| session.upgrade(Target::All, now)).unwrap(),
            11 => mesh.set_reachable(one, false),
            12 => mesh.set_reachable(one, true),
            13 => mesh.run_for(millis(&mut dice, 20_000)),
            14 => mesh.jump_clock(millis(&mut dice, 100_000)),
            _ => {
                for _ in 0..=dice.roll(5) {
                    let blob = (dice.roll(8) == 0)
                        .then(|| Blob::from(vec![number as u8; dice.roll(200_000) as usize]));
                    let event = Packet::event("n", &(number, blob)).unwrap();
                    let emitted = mesh.emit(one, Target::All, &event).unwrap();
                    let index = nodes.iter().position(|node| *node == one).unwrap();
                    if !emitted.accepted.is_empty() {
                        let waiting = emitted.accepted.into_iter().collect();
                        books.open.insert((index, emitted.id.as_u64()), (number, waiting));
                    }
                    number += 1;
                }
            }
        }
        for _ in 0..dice.roll(6) {
            mesh.step();
        }
        if dice.roll(4) == 0 {
            mesh.run_for(millis(&mut dice, 500));
        }
        collect(&mut mesh, &nodes, &mut books);
    }
    // Everything heals.
    if !server_up {
        mesh.start_server();
    }
    for &one in &nodes {
        mesh.set_reachable(one, true);
        for &other in &nodes {
            mesh.set_silent(one, other, false);
            mesh.set_blocked(one, other, false);
        }
    }
    mesh.run_for(Duration::from_secs(120));
    mesh.run_until_quiet();
    collect(&mut mesh, &nodes, &mut books);
    books
}

#[test]
fn whatever_the_paths_do_every_event_arrives_once_and_in_order() {
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds() {
        let books = run(seed);
        assert!(books.open.is_empty(), "seed {seed}: emits without an end: {:?}", books.open);
        for ((node, from), numbers) in &books.received {
            let ordered = numbers.windows(2).all(|pair| pair[0] < pair[1]);
            assert!(ordered, "seed {seed}: node {node} got from {from}: {numbers:?}");
        }
        let received: usize = books.received.values().map(Vec::len).sum();
        assert_eq!(books.delivered.len(), received, "seed {seed}: delivered is not received");
        for (path, count) in books.by_path {
            *paths.entry(path).or_default() += count;
        }
    }
    assert!(paths.len() == 2 && paths.values().all(|count| *count > 100), "{paths:?}");
}

/// The seeds of this run; `CHAOS_SEEDS=from..to` asks for others.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("CHAOS_SEEDS").ok();
    let range = asked.as_deref().unwrap_or("0..60").split_once("..");
    let (from, to) = range.expect("CHAOS_SEEDS is from..to");
    from.parse().unwrap()..to.parse().unwrap()
}
