//! The polls that a wake-up of the driver causes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use futures::{FutureExt as _, StreamExt as _};
use socketio_p2p_core::{Event, Frame, Packet, Target};

use super::room::Room;

const CHANNELS: usize = 1000;

/// Counts the wake-ups of the driver's task.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls until the driver waits. Returns the events.
fn drain(room: &mut Room, waker: &Waker) -> Vec<Event> {
    std::iter::from_fn(|| room.poll(waker)).collect()
}

/// Returns the channels that were polled, and the maximum number of polls of one of them.
fn polled(room: &Room) -> (Vec<usize>, usize) {
    let polls = room.take_polls();
    let channels = (0..polls.len()).filter(|channel| polls[*channel] > 0).collect();
    (channels, polls.into_iter().max().unwrap_or(0))
}

fn hello() -> Frame {
    r#"2["peer-msg","hello"]"#.into()
}

#[test]
fn a_frame_on_one_of_1000_channels_polls_that_channel_alone() {
    let mut room = Room::new(CHANNELS);
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    assert!(drain(&mut room, &waker).is_empty());
    room.take_polls();
    for client in [0, 600, 999] {
        room.send(client, hello());
        assert_eq!(task.0.swap(0, Ordering::Relaxed), 1, "the task is woken once");
        let events = drain(&mut room, &waker);
        assert!(matches!(events[..], [Event::Received { .. }]), "{events:?}");
        let (channels, most) = polled(&room);
        assert_eq!((channels, most), (vec![client], 2), "for the frame, and for what follows it");
    }
}

#[test]
fn a_wake_up_without_a_cause_polls_no_channel() {
    let mut room = Room::new(CHANNELS);
    room.take_polls();
    assert!(drain(&mut room, Waker::noop()).is_empty());
    assert_eq!(polled(&room), (vec![], 0));
}

#[test]
fn an_emit_to_one_of_1000_peers_polls_its_channel_alone() {
    let mut room = Room::new(CHANNELS);
    room.take_polls();
    let peer = room.driver.session().peers().nth(321).expect("there are 1000").id;
    let event = Packet::event("peer-msg", &("hello",)).unwrap();
    room.driver.with(|session, now| session.emit(peer, &event, now)).unwrap();
    drain(&mut room, Waker::noop());
    let (channels, most) = polled(&room);
    assert_eq!((channels.len(), most), (1, 1));
    assert_eq!(room.clients[channels[0]].next().now_or_never(), Some(Some(Ok(hello()))));
}

#[test]
fn a_full_channel_is_polled_again_when_it_has_room() {
    let mut room = Room::new(1);
    let event = Packet::event("peer-msg", &("hello",)).unwrap();
    let emit = |room: &mut Room| {
        room.driver.with(|session, now| session.emit(Target::All, &event, now)).unwrap();
    };
    (0..100).for_each(|_| emit(&mut room));
    drain(&mut room, Waker::noop());
    room.take_polls();
    emit(&mut room);
    drain(&mut room, Waker::noop());
    assert_eq!(polled(&room), (vec![], 0), "it has no room");

    let mut received = 0;
    while let Some(Some(frame)) = room.clients[0].next().now_or_never() {
        assert_eq!(frame, Ok(hello()));
        received += 1;
        drain(&mut room, Waker::noop());
    }
    assert_eq!(received, 101);
}

#[test]
fn a_client_that_sends_without_pause_does_not_delay_others() {
    let mut room = Room::new(2);
    let talk = |room: &mut Room| (0..3).for_each(|_| room.send(0, hello()));
    talk(&mut room);
    room.send(1, hello());
    let mut senders = Vec::new();
    while let Some(Event::Received { from, .. }) = room.poll(Waker::noop()) {
        senders.push(from.as_str().to_owned());
    }
    assert_eq!(senders, ["c0000", "c0001", "c0000", "c0000"]);
}
