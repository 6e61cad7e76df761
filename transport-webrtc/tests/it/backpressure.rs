//! Backpressure: a slow reader stops the sender, and memory stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::SinkExt as _;
use socketio_p2p_core::Frame;

use crate::support::{ONE, Pair, loopback, next_closed, receive, within};

#[tokio::test]
async fn backpressure_stops_the_sender_while_the_reader_pauses_and_loses_nothing() {
    const FRAMES: usize = 5_000;
    const LENGTH: usize = 4_096;
    // The maximum that the receiving side holds (768 messages and 1 MiB), and the sender's buffer.
    const HELD: usize = 768 * LENGTH + (1 << 20) + (256 << 10) + 2 * LENGTH;

    let Pair { mut near, mut far, offerer, answerer } = Pair::open().await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    let mut sender = tokio::spawn(async move {
        for n in 0..FRAMES {
            let mut bytes = vec![0; LENGTH];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            near.send(Frame::from(bytes)).await.unwrap();
            counter.fetch_add(LENGTH, Ordering::Relaxed);
        }
        near.close().await.unwrap();
    });
    // The application does not read: the 20 MB must not pass, whatever the time.
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut sender).await.is_err());
    let held = accepted.load(Ordering::Relaxed);
    assert!(held <= HELD, "expected at most {HELD} bytes accepted without a reader, got {held}");
    for n in 0..FRAMES {
        let frame = receive(&mut far).await;
        assert_eq!(frame.as_bytes()[..8], n.to_le_bytes(), "frame {n}");
    }
    within("the sender", sender).await.unwrap();
    drop((offerer, answerer));
}

#[tokio::test]
async fn backpressure_keeps_the_sink_unready_while_its_message_waits() {
    let mut pair = Pair::open().await;
    let frame = Frame::from(vec![0; 65_536]);
    let mut accepted = 0;
    // Without a reader the sink stops taking messages until the reader resumes.
    while tokio::time::timeout(Duration::from_secs(1), pair.near.feed(frame.clone())).await.is_ok()
    {
        accepted += 1;
        assert!(accepted < 1_000, "65 MB were accepted without a reader");
    }
    let (_, ready) = tokio::join!(
        async {
            for _ in 0..accepted {
                receive(&mut pair.far).await;
            }
        },
        within("the sink", pair.near.feed(frame))
    );
    ready.unwrap();
}

#[tokio::test]
async fn exceeding_max_unread_ends_the_connection() {
    let mut config = loopback();
    config.max_unread = 4 << 20;
    let Pair { mut near, far, mut answerer, offerer } = Pair::open_with(config).await;
    let sender =
        tokio::spawn(
            async move { while near.send(Frame::from(vec![0; 262_144])).await.is_ok() {} },
        );
    let (_, error) = next_closed(&mut answerer).await;
    assert!(error.0.starts_with("expected at most 4194304 unread bytes, got "), "{error}");
    within("the sender", sender).await.unwrap();
    assert_eq!(offerer.connections(), 1, "the session has not closed {ONE}");
    drop(far);
}
