//! Measures one connection over loopback: time to open, time until the remote sees the close, MB/s, messages/s and
//! round-trip time.
//!
//! `cargo bench -p socketio-p2p-transport-webrtc`, on an idle machine. Both peers run in one process, on two threads.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a bench prints, and fails by panicking"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, Frame};
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcConfig, WebRtcTransport};

const ONE: ConnectionId = ConnectionId::from_u64(1);
const RUNS: usize = 5;

fn main() {
    // `cargo test --all-targets` also runs benches, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return println!("nothing measured: run this with cargo bench");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut opens = Vec::new();
        let mut closes = Vec::new();
        for _ in 0..20 {
            let (open, close) = open_and_close().await;
            opens.push(open);
            closes.push(close);
        }
        println!("open                {}", spread(&mut opens));
        println!("close seen          {}", spread(&mut closes));
        for (length, total) in [(100, 20 << 20), (16 << 10, 200 << 20), (64 << 10, 200 << 20), (256 << 10, 200 << 20)] {
            let mut rates = Vec::new();
            for _ in 0..RUNS {
                rates.push(stream(length, total).await);
            }
            rates.sort_by(f64::total_cmp);
            println!(
                "{length:>6} B messages   {:>7.1} MB/s (median of {RUNS}; {:.1} to {:.1}), {:.0} messages/s",
                rates[RUNS / 2],
                rates[0],
                rates[RUNS - 1],
                rates[RUNS / 2] * 1e6 / length as f64
            );
        }
        println!("round trip of 100 B {}", spread(&mut round_trips(20_000).await));
    });
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    format!("p50 {:?}, p99 {:?}, most {:?}", at(50), at(99), at(100))
}

struct Pair {
    offerer: WebRtcTransport,
    answerer: WebRtcTransport,
    near: WebRtcChannel,
    far: WebRtcChannel,
}

async fn pair() -> Pair {
    let mut config = WebRtcConfig::default();
    config.addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let mut offerer = WebRtcTransport::new(config.clone()).unwrap();
    let mut answerer = WebRtcTransport::new(config).unwrap();
    offerer.execute(DirectCommand::Offer {
        connection: ONE,
        ice_servers: vec![],
        datagrams: false,
    });
    let (mut near, mut far) = (None, None);
    while near.is_none() || far.is_none() {
        tokio::select! {
            event = offerer.next() => match event.unwrap() {
                DirectEvent::Signal { signal: Signal::Offer(sdp), .. } => {
                    let ice_servers = vec![];
                    answerer.execute(DirectCommand::Answer { connection: ONE, ice_servers, sdp, datagrams: false });
                }
                DirectEvent::Open { channel, .. } => near = Some(channel),
                DirectEvent::Report { .. } => {}
                other => panic!("unexpected {other:?}"),
            },
            event = answerer.next() => match event.unwrap() {
                DirectEvent::Signal { signal, .. } => {
                    offerer.execute(DirectCommand::Signal { connection: ONE, signal });
                }
                DirectEvent::Open { channel, .. } => far = Some(channel),
                DirectEvent::Report { .. } => {}
                other => panic!("unexpected {other:?}"),
            },
        }
    }
    Pair { offerer, answerer, near: near.unwrap(), far: far.unwrap() }
}

async fn open_and_close() -> (Duration, Duration) {
    let start = Instant::now();
    let mut pair = pair().await;
    let open = start.elapsed();
    let start = Instant::now();
    pair.offerer.execute(DirectCommand::Close { connection: ONE });
    let (end, closed) = tokio::join!(pair.far.next(), pair.answerer.next());
    assert!(end.is_none() && matches!(closed, Some(DirectEvent::Closed { .. })));
    (open, start.elapsed())
}

/// MB/s from the first message sent to the last one received.
async fn stream(length: usize, total: usize) -> f64 {
    let Pair { mut near, mut far, offerer, answerer } = pair().await;
    let count = total / length;
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let bytes = bytes::Bytes::from(vec![7; length]);
        for _ in 0..count {
            near.feed(Frame::from(bytes.clone())).await.unwrap();
        }
        near.flush().await.unwrap();
        near
    });
    for _ in 0..count {
        assert_eq!(far.next().await.unwrap().unwrap().len(), length);
    }
    let seconds = start.elapsed().as_secs_f64();
    drop((sender.await.unwrap(), offerer, answerer));
    (count * length) as f64 / 1e6 / seconds
}

async fn round_trips(count: usize) -> Vec<Duration> {
    let Pair { mut near, mut far, offerer, answerer } = pair().await;
    tokio::spawn(async move {
        while let Some(Ok(frame)) = far.next().await {
            far.send(frame).await.unwrap();
        }
    });
    let frame = Frame::from(vec![7; 100]);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        near.send(frame.clone()).await.unwrap();
        near.next().await.unwrap().unwrap();
        times.push(start.elapsed());
    }
    drop((offerer, answerer));
    times
}
