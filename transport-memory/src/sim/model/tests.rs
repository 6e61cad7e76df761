//! The model can fail: what really happened passes, and every doctored history is found.

use std::time::Duration;

use socketio_p2p_core::wire::Lane;
use socketio_p2p_core::{Config, Dialect, Event, LeaveReason, Outcome, Path, PeerId, Target};

use super::{Made, Model, Shape, Weather};
use crate::invariant::Invariant;
use crate::mesh::{Mesh, Node};

/// What the model is told.
#[derive(Clone, Debug)]
enum Entry {
    Id(usize, PeerId),
    Emitted(usize, u64, Made, Vec<PeerId>),
    Told(usize, Event),
}

const ANN: usize = 0;
const BOB: usize = 1;

/// What happens when Ann and Bob meet, Ann emits three events, a bulk one, a volatile one and two questions, one of
/// them to all, Bob answers, and Ann closes.
fn history() -> Vec<Entry> {
    let mut mesh = Mesh::new(5);
    let mut entries = Vec::new();
    let (ann, _bob) = (mesh.add(Config::default()), mesh.add(Config::default()));
    run(&mut mesh, &mut entries, 3);
    let emits = [
        (Lane::Events, 0, false),
        (Lane::Events, 3000, false),
        (Lane::Events, 0, false),
        (Lane::Bulk, 70_000, false),
        (Lane::Volatile, 0, false),
        (Lane::Events, 0, true),
    ];
    for (number, (lane, size, asks)) in (0..).zip(emits) {
        let shape = Shape::of_size(size);
        let packet = shape.event(number).unwrap();
        let emitted = mesh.with(ann, |session, now| match (lane, asks) {
            (_, true) => session.emit_with_ack(Target::All, &packet, None, now),
            (Lane::Events, false) => session.emit(Target::All, &packet, now),
            (Lane::Bulk, false) => session.emit_bulk(Target::All, &packet, now),
            (Lane::Volatile, false) => session.emit_volatile(Target::All, &packet, now),
        });
        let emitted = emitted.unwrap();
        let extent = shape.extent(&packet);
        let made = Made { lane, shape, extent, asks, all: true };
        entries.push(Entry::Emitted(ANN, emitted.id.as_u64(), made, emitted.accepted));
    }
    run(&mut mesh, &mut entries, 3);
    mesh.with(ann, |session, now| session.close(now));
    run(&mut mesh, &mut entries, 10);
    entries
}

fn run(mesh: &mut Mesh, entries: &mut Vec<Entry>, seconds: u64) {
    let end = mesh.now() + Duration::from_secs(seconds);
    loop {
        entries.extend(mesh.take_named().into_iter().map(|(node, id)| Entry::Id(node.index(), id)));
        while let Some(node) = mesh.take_noisy() {
            for event in mesh.take_events(node) {
                if let Event::Received { packet, reply: Some(token), .. } = &event {
                    let (number, _) = packet.args::<(u64, Option<()>)>().unwrap();
                    let answer = |session: &mut socketio_p2p_core::Session, now| {
                        session.reply(token, &(number,), now)
                    };
                    mesh.with(node, answer).unwrap();
                }
                entries.push(Entry::Told(node.index(), event));
            }
        }
        if mesh.step_one(end).is_none() {
            return mesh.wait_until(end);
        }
    }
}

/// What the model makes of a history.
fn judge(entries: Vec<Entry>) -> Result<(), Invariant> {
    let mut model = Model::new(Weather::Patient);
    model.add(false);
    model.add(false);
    for entry in entries {
        let judged = match entry {
            Entry::Id(node, id) => {
                model.set_id(node, id);
                Ok(())
            }
            Entry::Emitted(node, emit, made, accepted) => {
                model.emitted(node, emit, made, &accepted)
            }
            Entry::Told(node, event) => model.note(node, event).map(|_| ()),
        };
        judged.map_err(|breach| breach.invariant)?;
    }
    model.check_closed(ANN).map_err(|breach| breach.invariant)?;
    let settled = model.is_settled();
    settled.then_some(()).ok_or(Invariant::Delivery)
}

/// The place of the `nth` entry of a kind.
fn nth(entries: &[Entry], nth: usize, is: impl Fn(usize, &Event) -> bool) -> usize {
    let told = |entry: &Entry| match entry {
        Entry::Told(node, event) => is(*node, event),
        Entry::Id(..) | Entry::Emitted(..) => false,
    };
    let places = entries.iter().enumerate().filter(|(_, entry)| told(entry));
    places.map(|(place, _)| place).nth(nth).expect("the history has such an entry")
}

fn is_received(node: usize, event: &Event) -> bool {
    node == BOB && matches!(event, Event::Received { .. })
}

fn is_outcome(node: usize, event: &Event) -> bool {
    node == ANN && matches!(event, Event::Outcome { .. })
}

fn is_ack(_: usize, event: &Event) -> bool {
    matches!(event, Event::Ack { .. })
}

fn is_summary(_: usize, event: &Event) -> bool {
    matches!(event, Event::AcksComplete { .. })
}

fn is_path(_: usize, event: &Event) -> bool {
    matches!(event, Event::PathChanged { .. })
}

fn is_joined(_: usize, event: &Event) -> bool {
    matches!(event, Event::PeerJoined { .. })
}

fn is_left(node: usize, event: &Event) -> bool {
    node == ANN && matches!(event, Event::PeerLeft { .. })
}

fn is_connected(_: usize, event: &Event) -> bool {
    matches!(event, Event::Connected { .. })
}

fn repeated(mut entries: Vec<Entry>, place: usize) -> Vec<Entry> {
    entries.insert(place, entries[place].clone());
    entries
}

fn without(mut entries: Vec<Entry>, place: usize) -> Vec<Entry> {
    entries.remove(place);
    entries
}

fn moved(mut entries: Vec<Entry>, from: usize, to: usize) -> Vec<Entry> {
    let entry = entries.remove(from);
    entries.insert(to, entry);
    entries
}

fn changed(mut entries: Vec<Entry>, place: usize, change: impl FnOnce(&mut Event)) -> Vec<Entry> {
    if let Entry::Told(_, event) = &mut entries[place] {
        change(event);
    }
    entries
}

#[test]
fn what_really_happened_passes() {
    assert_eq!(judge(history()), Ok(()));
    // The doctored histories below say something only if there is something to doctor.
    assert_eq!(history().iter().filter(|entry| matches!(entry, Entry::Emitted(..))).count(), 6);
}

#[test]
fn a_duplicate_a_gap_and_a_wrong_order_are_found() {
    let history = history();
    let received = |which| nth(&history, which, is_received);
    for which in 0..6 {
        let twice = repeated(history.clone(), received(which));
        assert_eq!(judge(twice), Err(Invariant::Singleness), "{which}");
    }
    assert_eq!(judge(without(history.clone(), received(0))), Err(Invariant::Order));
    let crossed = moved(history.clone(), received(1), received(0));
    assert_eq!(judge(crossed), Err(Invariant::Order));
}

#[test]
fn untrue_and_missing_outcomes_are_found() {
    let history = history();
    let outcome = |which| nth(&history, which, is_outcome);
    let first = nth(&history, 0, is_received);
    let early = moved(history.clone(), outcome(0), first);
    assert_eq!(judge(early), Err(Invariant::Outcome), "delivered before it was received");
    let twice = repeated(history.clone(), outcome(0));
    assert_eq!(judge(twice), Err(Invariant::Outcome));
    let missing = without(history.clone(), outcome(2));
    assert_eq!(judge(missing), Err(Invariant::Outcome), "the peer left before the emit ended");
    for wrong in [Outcome::NotSent, Outcome::Unknown, Outcome::Refused] {
        let change = |event: &mut Event| {
            if let Event::Outcome { outcome, .. } = event {
                *outcome = wrong;
            }
        };
        let lied = changed(history.clone(), outcome(1), change);
        assert_eq!(judge(lied), Err(Invariant::Outcome), "{wrong:?}");
    }
    // What has ended as not sent must not come.
    let place = nth(&history, 0, is_received);
    let change = |event: &mut Event| {
        if let Event::Outcome { outcome, .. } = event {
            *outcome = Outcome::NotSent;
        }
    };
    let late = moved(changed(history.clone(), outcome(0), change), outcome(0), place);
    assert_eq!(judge(late), Err(Invariant::Outcome));
}

#[test]
fn answers_that_are_missing_doubled_or_wrong_are_found() {
    let history = history();
    let (ack, summary) = (nth(&history, 0, is_ack), nth(&history, 0, is_summary));
    assert_eq!(judge(repeated(history.clone(), ack)), Err(Invariant::Answer));
    assert_eq!(judge(without(history.clone(), ack)), Err(Invariant::Answer));
    assert_eq!(judge(repeated(history.clone(), summary)), Err(Invariant::Answer));
    assert_eq!(
        judge(without(history.clone(), summary)),
        Err(Invariant::Outcome),
        "never summed up"
    );
    let wrong = changed(history.clone(), ack, |event| {
        if let Event::Ack { packet, .. } = event {
            *packet = socketio_p2p_core::Packet::ack(0, &(99,)).unwrap();
        }
    });
    assert_eq!(judge(wrong), Err(Invariant::Answer));
    let lied = changed(history, summary, |event| {
        if let Event::AcksComplete { answered, missing, .. } = event {
            std::mem::swap(answered, missing);
        }
    });
    assert_eq!(judge(lied), Err(Invariant::Answer));
}

#[test]
fn events_of_nobody_and_changed_events_are_found() {
    let history = history();
    let first = nth(&history, 0, is_received);
    let stranger = PeerId::new("stranger").unwrap();
    let forged = changed(history.clone(), first, |event| {
        if let Event::Received { from, .. } = event {
            *from = stranger.clone();
        }
    });
    assert_eq!(judge(forged), Err(Invariant::Presence));
    let invented = changed(history.clone(), first, |received| {
        if let Event::Received { packet, .. } = received {
            *packet = Shape::default().event(1000).unwrap();
        }
    });
    assert_eq!(judge(invented), Err(Invariant::Origin));
    let cut = changed(history.clone(), nth(&history, 1, is_received), |received| {
        if let Event::Received { packet, .. } = received {
            *packet = Shape::of_size(2999).event(1).unwrap();
        }
    });
    assert_eq!(judge(cut), Err(Invariant::Wholeness));
    let too_early = moved(history.clone(), first, nth(&history, 1, is_joined));
    assert!(judge(too_early).is_err(), "before it was emitted");
}

#[test]
fn presence_paths_and_identity_are_kept_books_on() {
    let history = history();
    let joined = nth(&history, 0, is_joined);
    assert_eq!(judge(repeated(history.clone(), joined)), Err(Invariant::Presence));
    let left = nth(&history, 0, is_left);
    assert_eq!(judge(repeated(history.clone(), left)), Err(Invariant::Presence));
    assert_eq!(judge(without(history.clone(), left)), Err(Invariant::Presence), "closed too soon");
    let given_up = changed(history.clone(), left, |event| {
        if let Event::PeerLeft { reason, .. } = event {
            *reason = LeaveReason::TimedOut;
        }
    });
    assert_eq!(judge(given_up), Err(Invariant::Presence));
    let path = nth(&history, 0, is_path);
    assert_eq!(judge(repeated(history.clone(), path)), Err(Invariant::Path));
    let same = changed(history.clone(), path, |event| {
        if let Event::PathChanged { path, .. } = event {
            *path = Path::Relay;
        }
    });
    assert_eq!(judge(same), Err(Invariant::Path));
    let connected = nth(&history, 0, is_connected);
    assert_eq!(judge(repeated(history.clone(), connected)), Err(Invariant::Identity));
    let old = changed(history.clone(), joined, |event| {
        if let Event::PeerJoined { dialect, .. } = event {
            *dialect = Dialect::V0;
        }
    });
    assert_eq!(judge(old), Err(Invariant::Presence));
}

#[test]
fn being_writable_without_having_been_blocked_is_found() {
    let mut history = history();
    let after = nth(&history, 0, is_outcome);
    let Entry::Told(node, Event::Outcome { peer, .. }) = history[after].clone() else {
        unreachable!("the entry is an outcome")
    };
    history.insert(after, Entry::Told(node, Event::Writable { peer, lane: Lane::Events }));
    assert_eq!(judge(history), Err(Invariant::Pushback));
}

#[test]
fn nothing_follows_the_end() {
    let mut history = history();
    history.push(Entry::Told(ANN, Event::Ready));
    assert_eq!(judge(history), Err(Invariant::Presence));
}

#[test]
fn nodes_are_numbered_from_zero() {
    let mut mesh = Mesh::new(1);
    assert_eq!(mesh.add(Config::default()), Node(ANN));
    assert_eq!(mesh.add(Config::default()), Node(BOB));
}
