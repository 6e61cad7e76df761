//! Slow readers make the sender wait and cost bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::SinkExt as _;
use socketio_p2p_core::Frame;

use crate::support::{ONE, Pair, loopback, next_closed, receive, within};

#[tokio::test]
async fn a_reader_that_stops_makes_the_sender_wait_and_nothing_is_lost() {
    const FRAMES: usize = 5_000;
    const LENGTH: usize = 4_096;
    // What the receiving side holds at most (768 messages and 1 MiB), and the sender's own share.
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
    // Nobody reads: the 20 MB must not go through, however long we wait.
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut sender).await.is_err());
    let held = accepted.load(Ordering::Relaxed);
    assert!(held <= HELD, "{held} bytes were accepted with nobody reading, at most {HELD} may be");
    for n in 0..FRAMES {
        let frame = receive(&mut far).await;
        assert_eq!(frame.as_bytes()[..8], n.to_le_bytes(), "frame {n}");
    }
    within("the sender", sender).await.unwrap();
    drop((offerer, answerer));
}

#[tokio::test]
async fn the_sink_is_not_ready_while_its_message_waits() {
    let mut pair = Pair::open().await;
    let frame = Frame::from(vec![0; 65_536]);
    let mut accepted = 0;
    // Feeding without a reader stops: the sink is then not ready until the reader goes on.
    while tokio::time::timeout(Duration::from_secs(1), pair.near.feed(frame.clone())).await.is_ok()
    {
        accepted += 1;
        assert!(accepted < 1_000, "65 MB were accepted with nobody reading");
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
async fn a_remote_that_sends_more_than_is_held_for_a_reader_is_cut_off() {
    let mut config = loopback();
    config.max_unread = 4 << 20;
    let Pair { mut near, far, mut answerer, offerer } = Pair::open_with(config).await;
    let sender =
        tokio::spawn(
            async move { while near.send(Frame::from(vec![0; 262_144])).await.is_ok() {} },
        );
    let (_, error) = next_closed(&mut answerer).await;
    assert!(error.0.ends_with("bytes are unread, at most 4194304 are held"), "{error}");
    within("the sender", sender).await.unwrap();
    assert_eq!(offerer.connections(), 1, "{ONE} is not asked for yet");
    drop(far);
}
