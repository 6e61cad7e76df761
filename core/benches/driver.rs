//! The cost of a driver's wake-up by the number of open channels: a message arrives on one of them, and the
//! driver is polled until it has returned the event and waits again. Prints nanoseconds of CPU time, including
//! the session's.
//!
//! `cargo bench -p socketio-p2p-core --bench driver`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

#[allow(dead_code, reason = "this bench has no rows to select")]
mod common;
#[path = "../tests/it/driver/room.rs"]
mod room;

use std::task::Waker;
use std::time::Duration;

use socketio_p2p_core::{Event, Frame};

use self::common::thread_time;
use self::room::Room;

const CHANNELS: [usize; 3] = [1, 100, 1000];

/// The best round counts: a shared machine is slow for seconds at a time.
const ROUNDS: usize = 20;
const WAKE_UPS: usize = 1000;

fn main() {
    println!("| open channels | ns per wake-up |\n|---:|---:|");
    for channels in CHANNELS {
        let mut room = Room::new(channels);
        let best = (0..ROUNDS).map(|_| round(&mut room)).min().unwrap_or_default();
        println!("| {channels} | {} |", best.as_nanos() / WAKE_UPS as u128);
    }
}

fn round(room: &mut Room) -> Duration {
    let mut spent = Duration::ZERO;
    for wake_up in 0..WAKE_UPS {
        let client = wake_up % room.clients.len();
        room.send(client, Frame::from(r#"2["peer-msg","hi"]"#));
        let start = thread_time();
        let mut events = std::iter::from_fn(|| room.poll(Waker::noop()));
        assert!(events.any(|event| matches!(event, Event::Received { .. })));
        assert_eq!(events.count(), 0);
        spent += thread_time() - start;
    }
    spent
}
