//! The end of a connection: closed by the session, by the remote, or by a lost path.

use std::time::Duration;

use futures::StreamExt as _;
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, Frame};
use socketio_p2p_transport_webrtc::WebRtcTransport;

use crate::support::{
    ONE, Pair, TWO, connect, loopback, next, next_closed, offer, receive, run_alone, send, within,
};

#[tokio::test]
async fn closing_delivers_frames_in_flight_and_then_ends_the_remote_stream() {
    let mut pair = Pair::open().await;
    for n in 0..100_u32 {
        send(&mut pair.near, format!("{n}")).await;
    }
    pair.offerer.execute(DirectCommand::Close { connection: ONE });
    let read = async {
        for n in 0..100_u32 {
            assert_eq!(receive(&mut pair.far).await, Frame::from(format!("{n}")));
        }
        assert_eq!(within("the end", pair.far.next()).await, None);
    };
    let ((), (connection, error)) = tokio::join!(read, next_closed(&mut pair.answerer));
    assert_eq!(connection, TWO);
    assert!(!error.0.is_empty());
    assert_eq!(pair.answerer.connections(), 0);
    assert_eq!(within("the end", pair.far.next()).await, None, "the stream stays ended");
}

#[tokio::test]
async fn frames_stay_readable_after_the_closed_event() {
    let mut pair = Pair::open().await;
    for n in 0..10_u32 {
        send(&mut pair.near, format!("{n}")).await;
    }
    pair.offerer.execute(DirectCommand::Close { connection: ONE });
    // Reported without the stream being read, and long before `path_timeout`.
    let (_, error) = next_closed(&mut pair.answerer).await;
    assert_eq!(error.0, "the data channel was closed");
    for n in 0..10_u32 {
        assert_eq!(receive(&mut pair.far).await, Frame::from(format!("{n}")));
    }
    assert_eq!(within("the end", pair.far.next()).await, None);
}

#[tokio::test]
async fn no_event_follows_a_close_command() {
    let mut pair = Pair::open().await;
    let three = ConnectionId::from_u64(3);
    pair.answerer.execute(DirectCommand::Close { connection: TWO });
    pair.offerer.execute(DirectCommand::Close { connection: ONE });
    for transport in [&mut pair.offerer, &mut pair.answerer] {
        transport.execute(DirectCommand::Offer {
            connection: three,
            ice_servers: vec![],
            datagrams: false,
        });
        match next(transport).await {
            DirectEvent::Signal { connection, .. } => assert_eq!(connection, three),
            other => panic!("expected the next offer, got {other:?}"),
        }
        assert_eq!(transport.connections(), 1);
    }
}

#[tokio::test]
async fn the_closed_event_of_a_refused_offer_is_dropped_after_a_close_command() {
    let mut config = loopback();
    config.max_connections = 0;
    let mut transport = WebRtcTransport::new(config).unwrap();
    for connection in [ONE, TWO] {
        transport.execute(DirectCommand::Offer {
            connection,
            ice_servers: vec![],
            datagrams: false,
        });
    }
    transport.execute(DirectCommand::Close { connection: ONE });
    let (connection, _) = next_closed(&mut transport).await;
    assert_eq!(connection, TWO);
}

#[tokio::test]
async fn commands_for_unknown_connections_are_ignored() {
    let mut pair = Pair::open().await;
    let three = ConnectionId::from_u64(3);
    let answer = || Signal::Answer("v=0".to_owned());
    pair.offerer.execute(DirectCommand::Signal { connection: three, signal: answer() });
    pair.offerer.execute(DirectCommand::Close { connection: three });
    pair.offerer.execute(DirectCommand::Signal { connection: ONE, signal: answer() });
    assert!(!pair.offerer.cut(three));
    send(&mut pair.near, "still here").await;
    assert_eq!(receive(&mut pair.far).await, Frame::from("still here"));
}

#[tokio::test]
async fn sending_on_a_closed_channel_is_an_error() {
    use futures::SinkExt as _;

    let mut pair = Pair::open().await;
    pair.answerer.execute(DirectCommand::Close { connection: TWO });
    assert_eq!(within("the end", pair.near.next()).await, None);
    next_closed(&mut pair.offerer).await;
    let error = within("an error", pair.near.send(Frame::from("x"))).await.unwrap_err();
    assert!(error.0.starts_with("the data channel cannot send"), "{error}");
    within("the sink's end", pair.near.close()).await.unwrap();
}

#[tokio::test]
async fn dropping_the_transport_closes_its_connections() {
    let Pair { offerer, mut answerer, near, mut far } = Pair::open().await;
    drop(offerer);
    drop(near);
    let (end, _) = tokio::join!(within("the end", far.next()), next_closed(&mut answerer));
    assert_eq!(end, None);
}

#[tokio::test]
async fn a_cut_path_ends_both_ends_after_path_timeout_and_a_new_connection_opens() {
    let mut config = loopback();
    config.path_timeout = Duration::from_secs(2);
    let mut pair = Pair::open_with(config).await;
    assert!(pair.offerer.cut(ONE));
    // Closes the sender's end only: the packets that notify the other side are dropped.
    send(&mut pair.near, "lost").await;
    let near_end = async {
        assert_eq!(within("the end", pair.near.next()).await, None);
    };
    let far_end = async {
        assert_eq!(within("the end", pair.far.next()).await, None);
    };
    let ((), (), (_, near), (_, far)) = tokio::join!(
        near_end,
        far_end,
        next_closed(&mut pair.offerer),
        next_closed(&mut pair.answerer)
    );
    for error in [near, far] {
        assert_eq!(error.0, "ICE failed: no candidate pair works");
    }
    let (three, four) = (ConnectionId::from_u64(3), ConnectionId::from_u64(4));
    let (mut near, mut far) = connect(&mut pair.offerer, three, &mut pair.answerer, four).await;
    send(&mut near, "again").await;
    assert_eq!(receive(&mut far).await, Frame::from("again"));
}

#[test]
fn fifty_closed_connections_leave_no_socket_and_no_task() {
    run_alone("close::fifty_connections");
}

/// Runs in its own process, because it counts the process's file descriptors.
#[test]
#[ignore = "runs in a process of its own, started by the test above"]
fn fifty_connections() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let mut offerer = WebRtcTransport::new(loopback()).unwrap();
        let mut answerer = WebRtcTransport::new(loopback()).unwrap();
        let descriptors = open_descriptors();
        for n in 0..50 {
            let (one, two) = (ConnectionId::from_u64(2 * n), ConnectionId::from_u64(2 * n + 1));
            if n % 5 == 4 {
                // Closed before it opens.
                offer(&mut offerer, one).await;
                offerer.execute(DirectCommand::Close { connection: one });
                continue;
            }
            let (mut near, mut far) = connect(&mut offerer, one, &mut answerer, two).await;
            assert!(open_descriptors() > descriptors, "a connection has sockets");
            send(&mut near, "hello").await;
            receive(&mut far).await;
            offerer.execute(DirectCommand::Close { connection: one });
            if n % 2 == 0 {
                answerer.execute(DirectCommand::Close { connection: two });
            } else {
                let (end, _) = tokio::join!(far.next(), next_closed(&mut answerer));
                assert_eq!(end, None);
            }
        }
        assert_eq!((offerer.connections(), answerer.connections()), (0, 0));
        within("the last socket closing and the last task ending", async {
            while open_descriptors() > descriptors || handle.metrics().num_alive_tasks() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    });
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
