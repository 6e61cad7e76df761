//! The cost of an emit of a small event by a call of the session, and by a handle: CPU time of the call alone, in
//! nanoseconds, the best round. The task is woken as in an application, but its work is not counted.
//!
//! `cargo bench -p socketio-p2p-core --bench handle`
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

#[allow(dead_code, reason = "this bench has no rows to select")]
mod common;
#[allow(dead_code, reason = "this bench sends nothing from the clients")]
#[path = "../tests/it/driver/room.rs"]
mod room;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use socketio_p2p_core::Packet;

use self::common::thread_time;
use self::room::Room;

/// The best round counts: a shared machine is slow for seconds at a time.
const ROUNDS: usize = 2000;
/// The emits of a round, which all find room; the frames leave between the rounds.
const EMITS: u32 = 100;

/// A waker with the work of a real one.
struct Task;

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

fn main() {
    let event = Packet::event("peer-msg", &("hello",)).unwrap();
    let mut room = Room::new(1);
    let peer = room.driver.session().peers().next().unwrap().id;
    let waker = Waker::from(Arc::new(Task));
    let mut rows = Vec::new();

    let best = (0..ROUNDS).map(|_| {
        let start = thread_time();
        for _ in 0..EMITS {
            let emitted = room.driver.with(|session, now| session.emit(&peer, &event, now));
            drop(emitted.unwrap());
        }
        let spent = thread_time() - start;
        while room.poll(&waker).is_some() {}
        while let Some(Some(_)) = futures::StreamExt::next(&mut room.clients[0]).now_or_never() {
            while room.poll(&waker).is_some() {}
        }
        spent
    });
    rows.push(("`Session::emit`", best.min().unwrap()));

    let Room { driver, mut clients, .. } = room;
    let (handle, events, run) = driver.split();
    drop(events);
    let mut run = pin!(run);
    let mut cx = Context::from_waker(&waker);
    let mut measure = |emit: &mut dyn FnMut()| -> Duration {
        let rounds = (0..ROUNDS).map(|_| {
            let start = thread_time();
            (0..EMITS).for_each(|_| emit());
            let spent = thread_time() - start;
            assert!(run.as_mut().poll(&mut cx).is_pending());
            while let Some(Some(_)) = futures::StreamExt::next(&mut clients[0]).now_or_never() {
                assert!(run.as_mut().poll(&mut cx).is_pending());
            }
            spent
        });
        rounds.min().unwrap()
    };
    rows.push(("`Peer::try_emit`", measure(&mut || drop(handle.try_emit(&peer, &event).unwrap()))));
    let emit = &mut || {
        let emitted = handle.emit(&peer, &event).poll_unpin(&mut Context::from_waker(&waker));
        let Poll::Ready(Ok(emitted)) = emitted else { panic!("{emitted:?}") };
        drop(emitted);
    };
    rows.push(("`Peer::emit`", measure(emit)));

    println!("| call | ns |\n|---|---:|");
    for (call, best) in rows {
        println!("| {call} | {} |", best.as_nanos() / u128::from(EMITS));
    }
}
