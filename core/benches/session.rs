//! The cost of an event and of a transfer in the core: at the sending session, at the hub, at the receiving
//! session. Prints Markdown tables, then the same numbers as lines of comma-separated values.
//!
//! `cargo bench -p socketio-p2p-core --bench session [FILTER]`: the filter selects the rows that contain it.
//!
//! Measured: at the sender `emit`, polling its frames and handling the incoming ones; at the hub everything
//! from the received frames to the sent ones, including decoding and encoding; at the receiver handling the
//! frames, polling the events, sending acknowledgements; all including the release of memory. After every input
//! the run loop is executed. Not measured: creating the event packets, reading them, and the transports.
//!
//! The room has one member more than the stated number of others. All members but sender and receiver have
//! joined at the hub and send nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

mod common;
#[path = "session/pair.rs"]
mod pair;
#[path = "session/table.rs"]
mod table;

use std::cell::Cell;
use std::hint::black_box;
use std::iter::Peekable;
use std::time::Duration;

use bytes::Bytes;
use socketio_p2p_core::codec::{Blob, Limits};
use socketio_p2p_core::{
    EmitError, Event, Packet, Path, PeerId, Session, Time, TransferOutcome, TransferRead,
};

use self::common::repeated;
use self::pair::{Pair, RECEIVER, SENDER};
use self::table::Table;

/// The numbers of other members in the room.
const OTHERS: [usize; 4] = [1, 10, 100, 1000];
/// The same in rooms that are full by the defaults of a hub and of a session.
const OTHERS_IN_FULL_ROOMS: [usize; 2] = [63, 1023];

/// Everything is measured in this number of passes, which distribute each case over the whole run, because a
/// shared machine is slow for seconds at a time. In a pass a case has its rounds, in which all rooms take
/// turns. The best round counts.
const PASSES: usize = 8;
const ROUNDS: usize = 6;

/// The bytes of a transfer, and of the application's buffer.
const TRANSFER: usize = 100_000_000;
const BLOCK: usize = 1 << 20;

/// The repetitions per round of a call without effect.
const REPEATS: u32 = 256;

/// After glibc has freed a block of this size, it keeps smaller ones: otherwise the rows of large events would
/// measure how often the end of the heap returns to the kernel.
const HEAP: usize = 30 << 20;

fn main() {
    drop(black_box(vec![0_u8; HEAP]));
    let events = KINDS.map(Work::Events);
    let work: Vec<Work> = events.into_iter().chain([Work::Transfer]).collect();
    let full = Group::new(&OTHERS_IN_FULL_ROOMS, &[Work::Calls]);
    let mut groups = [Group::new(&OTHERS, &work), full];
    for _ in 0..PASSES {
        groups.iter_mut().for_each(Group::measure);
    }
    groups.into_iter().for_each(Group::print);
}

/// The measured work.
#[derive(Clone, Copy)]
enum Work {
    Events(Kind),
    Transfer,
    Calls,
}

/// Events of one size.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    bytes: usize,
    /// Whether the bytes are an attachment; otherwise text.
    blob: bool,
    /// The number of events in flight at a time, and the number of batches per round.
    batch: usize,
    batches: usize,
}

const KINDS: [Kind; 5] = [
    Kind { name: "32 B", bytes: 32, blob: false, batch: 64, batches: 4 },
    Kind { name: "1 KiB", bytes: 1 << 10, blob: false, batch: 64, batches: 4 },
    Kind { name: "64 KiB", bytes: 64 << 10, blob: false, batch: 8, batches: 2 },
    Kind { name: "blob of 1 KiB", bytes: 1 << 10, blob: true, batch: 64, batches: 4 },
    Kind { name: "blob of 64 KiB", bytes: 64 << 10, blob: true, batch: 8, batches: 2 },
];

/// A table under construction.
struct Group {
    table: Table,
    /// The pairs in rooms of different sizes, per path, and their work.
    paths: [(Vec<Case>, Vec<Pair>); 2],
}

/// Work on a path, with the best value of each number so far, per room.
struct Case {
    name: String,
    work: Work,
    best: Vec<[f64; 3]>,
}

impl Group {
    fn new(others: &[usize], work: &[Work]) -> Self {
        let table = Table::new(others);
        let paths = [(Path::Direct, "direct"), (Path::Relay, "relay")].map(|(path, name)| {
            let cases = work.iter().map(|work| Case::new(*work, name, others.len()));
            let cases: Vec<Case> = cases.filter(|case| table.wants(&case.name)).collect();
            let others = if cases.is_empty() { &[] } else { others };
            (cases, others.iter().map(|others| Pair::new(&path, *others)).collect())
        });
        Self { table, paths }
    }

    fn measure(&mut self) {
        for (cases, rooms) in &mut self.paths {
            cases.iter_mut().for_each(|case| case.measure(rooms));
        }
    }

    fn print(mut self) {
        for (cases, rooms) in self.paths {
            rooms.iter().for_each(Pair::check);
            cases.into_iter().for_each(|case| case.add_to(&mut self.table));
        }
        self.table.print();
    }
}

impl Case {
    fn new(work: Work, path: &str, rooms: usize) -> Self {
        let name = match work {
            Work::Events(kind) => kind.name,
            Work::Transfer => "1 KiB of 100 MB",
            Work::Calls => "one call",
        };
        Self { name: format!("{name}, {path}"), work, best: vec![[f64::INFINITY; 3]; rooms] }
    }

    fn measure(&mut self, rooms: &mut [Pair]) {
        let rounds = if matches!(self.work, Work::Transfer) { 1 } else { ROUNDS };
        for _ in 0..rounds {
            for (best, pair) in self.best.iter_mut().zip(&mut *rooms) {
                let nanos = match &self.work {
                    Work::Events(kind) => measure_events(pair, kind),
                    Work::Transfer => measure_transfer(pair),
                    Work::Calls => measure_calls(pair),
                };
                *best = std::array::from_fn(|index| best[index].min(nanos[index]));
            }
        }
    }

    fn add_to(self, table: &mut Table) {
        let labels = match self.work {
            Work::Events(_) | Work::Transfer => ["sender", "hub", "receiver"],
            Work::Calls => ["handle frame, poll event", "idle handle_timeout", "poll_timeout"],
        };
        table.add(&self.name, labels, &self.best);
        if matches!(self.work, Work::Transfer) {
            let per_second = |nanos: &[f64; 3]| [1024.0 * 1000.0 / nanos.iter().sum::<f64>()];
            let per_second: Vec<_> = self.best.iter().map(per_second).collect();
            table.add(&self.name, ["MB/s, all on one core"], &per_second);
        }
    }
}

impl Kind {
    /// Creates a batch of events that share their bytes, because new bytes would measure the allocator.
    fn packets(&self) -> Vec<Packet> {
        let packet = if self.blob {
            Packet::event("peer-msg", &(Blob::from(vec![7; self.bytes]),))
        } else {
            Packet::event("peer-msg", &("x".repeat(self.bytes),))
        };
        let packet = packet.unwrap();
        let anew = |_| {
            let (head, attachments) = (packet.head().clone(), packet.attachments().to_vec());
            Packet::from_head_and_attachments(head, attachments, &Limits::unbounded()).unwrap()
        };
        (0..self.batch).map(anew).collect()
    }
}

/// Returns the nanoseconds per event on each side.
fn measure_events(pair: &mut Pair, kind: &Kind) -> [f64; 3] {
    // Fills the caches, which the other rooms used before.
    send_batch(pair, kind);
    let before = pair.cpu();
    for _ in 0..kind.batches {
        send_batch(pair, kind);
    }
    per(pair.cpu(), before, kind.batch * kind.batches)
}

/// Emits a batch up to the capacity of the queue, delivers it, and repeats until all of it has arrived.
fn send_batch(pair: &mut Pair, kind: &Kind) {
    let to = pair.id_of(RECEIVER);
    let packets = kind.packets();
    let mut waiting = packets.iter().peekable();
    let received = Cell::new(0);
    let mut application = |_: &mut Session, event, _| {
        received.set(received.get() + usize::from(is_received(&event)));
    };
    while received.get() < kind.batch {
        if waiting.peek().is_some() {
            let emit = |session: &mut Session, now| emit(session, &to, &mut waiting, now);
            pair.act(SENDER, emit, &mut application);
        }
        pair.exchange(&mut application);
    }
}

fn emit<'a>(
    session: &mut Session,
    to: &PeerId,
    packets: &mut Peekable<impl Iterator<Item = &'a Packet>>,
    now: Time,
) {
    while let Some(packet) = packets.peek() {
        match session.emit(to, packet, now) {
            Ok(emitted) => assert_eq!(emitted.accepted.len(), 1),
            Err(EmitError::Blocked { .. }) => return,
            Err(error) => panic!("{error}"),
        }
        packets.next();
    }
}

fn is_received(event: &Event) -> bool {
    matches!(event, Event::Received { .. })
}

/// Returns the nanoseconds per KiB on each side.
fn measure_transfer(pair: &mut Pair) -> [f64; 3] {
    let before = pair.cpu();
    transfer(pair);
    per(pair.cpu(), before, TRANSFER / 1024)
}

fn transfer(pair: &mut Pair) {
    let to = pair.id_of(RECEIVER);
    let block = Bytes::from(vec![7; BLOCK]);
    let (mut taken, mut data) = (0, Bytes::new());
    let (read, outcome) = (Cell::new(0), Cell::new(None));
    let mut application = |session: &mut Session, event, now| {
        if let Event::TransferWritable { transfer } = event {
            while taken < TRANSFER {
                if data.is_empty() {
                    data = block.slice(..BLOCK.min(TRANSFER - taken));
                }
                taken += session.write_transfer(&transfer, &mut data, now).unwrap();
                if !data.is_empty() {
                    return;
                }
            }
            session.finish_transfer(&transfer, now).unwrap();
        } else if let Event::TransferReadable { transfer } = event {
            while let TransferRead::Data(bytes) = session.read_transfer(&transfer, now).unwrap() {
                read.set(read.get() + bytes.len());
            }
        } else if let Event::TransferEnded { outcome: how, .. } = event {
            outcome.set(Some(how));
        }
    };
    let name = Packet::event("video", &("holiday.mp4",)).unwrap();
    let open = |session: &mut Session, now| {
        session.open_transfer(&to, &name, Some(TRANSFER as u64), now).map(drop).unwrap();
    };
    pair.act(SENDER, open, &mut application);
    while outcome.get().is_none() {
        pair.exchange(&mut application);
    }
    assert_eq!((outcome.get(), read.get()), (Some(TransferOutcome::Delivered), TRANSFER));
}

/// Returns the nanoseconds per incoming event, from its frame to the event only, and per call without effect.
fn measure_calls(pair: &mut Pair) -> [f64; 3] {
    send_batch(pair, &KINDS[0]);
    let (incoming, events) = receive_batch(pair, &KINDS[0]);
    let (session, now) = pair.session(RECEIVER);
    let timeout = repeated(|| session.handle_timeout(now))(REPEATS);
    let deadline = repeated(|| _ = black_box(session.poll_timeout()))(REPEATS);
    let repeats = f64::from(REPEATS);
    [nanos(incoming) / events as f64, nanos(timeout) / repeats, nanos(deadline) / repeats]
}

/// Sends a batch. Returns the receiver's time for the events that arrive at once, and their number.
fn receive_batch(pair: &mut Pair, kind: &Kind) -> (Duration, usize) {
    let to = pair.id_of(RECEIVER);
    let packets = kind.packets();
    let mut waiting = packets.iter().peekable();
    pair.act(SENDER, |session, now| emit(session, &to, &mut waiting, now), &mut |_, _, _| {});
    assert!(waiting.next().is_none(), "a batch fits the queue");
    pair.hand_over(SENDER);
    let mut received = 0;
    let mut count = |event: Event| received += usize::from(is_received(&event));
    let time = pair.take_in_bare(RECEIVER, &mut count);
    let at_once = received;
    while received < kind.batch {
        pair.exchange(&mut |_, event, _| received += usize::from(is_received(&event)));
    }
    (time, at_once)
}

/// Returns the nanoseconds per operation between two readings of the three clocks.
fn per(after: [Duration; 3], before: [Duration; 3], operations: usize) -> [f64; 3] {
    [0, 1, 2].map(|side| nanos(after[side] - before[side]) / operations as f64)
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
