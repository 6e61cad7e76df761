//! The datagram channel: unordered and unreliable, and without effect on the data channel.

use std::time::Duration;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{DirectCommand, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcTransport};

use crate::lossy::LossyPath;
use crate::support::{
    ONE, TWO, answer_with, loopback, next_closed, next_datagrams, next_open, offer_with, receive,
    send, within,
};

/// The line of a description that states that its end opens the datagram channel.
const LINE: &str = "a=dcmap:101 label=\"socketio-p2p/volatile\";ordered=false;max-retr=0";

/// Two ends with both channels.
struct Both {
    offerer: WebRtcTransport,
    answerer: WebRtcTransport,
    near: End,
    far: End,
}

struct End {
    data: WebRtcChannel,
    datagrams: WebRtcChannel,
}

impl Both {
    async fn open() -> Self {
        Self::open_over(None).await
    }

    async fn open_over(mut path: Option<&mut LossyPath>) -> Self {
        let mut offerer = WebRtcTransport::new(loopback()).unwrap();
        let mut answerer = WebRtcTransport::new(loopback()).unwrap();
        let mut sdp = offer_with(&mut offerer, ONE, true).await;
        if let Some(path) = &mut path {
            sdp = path.offer(&sdp);
        }
        sdp = answer_with(&mut answerer, TWO, sdp, true).await;
        if let Some(path) = &mut path {
            sdp = path.answer(&sdp);
        }
        offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(sdp) });
        let (near, far) = tokio::join!(End::open(&mut offerer), End::open(&mut answerer));
        Self { offerer, answerer, near, far }
    }
}

impl End {
    async fn open(transport: &mut WebRtcTransport) -> Self {
        let (data, max_message) = next_open(transport).await;
        assert_eq!(max_message, 262_144);
        Self { data, datagrams: next_datagrams(transport).await }
    }
}

#[tokio::test]
async fn frames_pass_both_ways_on_data_and_datagram_channel() {
    let mut both = Both::open().await;
    let Both { near, far, .. } = &mut both;
    exchange(&mut near.data, &mut far.data).await;
    exchange(&mut far.data, &mut near.data).await;
    exchange(&mut near.datagrams, &mut far.datagrams).await;
    exchange(&mut far.datagrams, &mut near.datagrams).await;
}

async fn exchange(sender: &mut WebRtcChannel, receiver: &mut WebRtcChannel) {
    for frame in [
        Frame::from("2[\"peer-msg\",{\"textVal\":\"hi\"}]"),
        Frame::from(vec![0, 1, 254]),
        Frame::from(""),
        Frame::from(Vec::new()),
        Frame::from(vec![7; 262_144]),
    ] {
        let (_, received) = tokio::join!(send(sender, frame.clone()), receive(receiver));
        assert!(received == frame, "a frame of {} bytes arrived changed", frame.len());
    }
    let error = sender.send(Frame::from(vec![0; 262_145])).await.unwrap_err();
    assert!(error.0.contains("expected a message of at most"), "{error}");
}

#[tokio::test]
async fn the_datagram_channel_opens_only_if_both_ends_want_it() {
    for (offered, accepted) in [(false, false), (false, true), (true, false)] {
        let mut offerer = WebRtcTransport::new(loopback()).unwrap();
        let mut answerer = WebRtcTransport::new(loopback()).unwrap();
        let offer = offer_with(&mut offerer, ONE, offered).await;
        assert_eq!(offer.lines().any(|line| line == LINE), offered);
        let answer = answer_with(&mut answerer, TWO, offer, accepted).await;
        assert!(!answer.contains("dcmap"), "{offered} {accepted}");
        offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(answer) });
        let ((mut near, _), (mut far, _)) =
            tokio::join!(next_open(&mut offerer), next_open(&mut answerer));
        // A second channel would open before this round trip completes.
        send(&mut near, "there").await;
        receive(&mut far).await;
        send(&mut far, "back").await;
        receive(&mut near).await;
        for transport in [&mut offerer, &mut answerer] {
            assert!(transport.next().now_or_never().is_none(), "{offered} {accepted}");
        }
    }
}

#[tokio::test]
async fn an_answer_contains_the_datagram_line_only_if_the_offer_does() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let offer = offer_with(&mut offerer, ONE, true).await;
    let answer = answer_with(&mut answerer, TWO, offer, true).await;
    assert!(answer.lines().any(|line| line == LINE), "{answer}");
}

const LAST: &str = "the last";

/// The numbers of the frames that come before [`LAST`].
async fn numbers(channel: &mut WebRtcChannel) -> Vec<u32> {
    let mut numbers = Vec::new();
    loop {
        let frame = receive(channel).await;
        if frame == Frame::from(LAST) {
            return numbers;
        }
        numbers.push(u32::from_le_bytes(frame.as_bytes()[..4].try_into().unwrap()));
    }
}

/// Sends numbered frames of 200 bytes on both channels of one end over a faulty path; returns what arrived on each.
async fn through(path: &LossyPath, one: &mut End, other: &mut End) -> (Vec<u32>, Vec<u32>) {
    const FRAMES: u32 = 500;
    let numbered = |n: u32| {
        let mut bytes = vec![0; 200];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        Frame::from(bytes)
    };
    let (done, wait) = tokio::sync::oneshot::channel();
    let send_all = async {
        for n in 0..FRAMES {
            send(&mut one.datagrams, numbered(n)).await;
            send(&mut one.data, numbered(n)).await;
            // Separate packets, with time for those that come back.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        send(&mut one.data, LAST).await;
        wait.await.unwrap();
        path.lose_one_in(0);
        path.swap_one_in(0);
        send(&mut one.datagrams, LAST).await;
    };
    let data = async {
        let came = numbers(&mut other.data).await;
        done.send(()).unwrap();
        came
    };
    let ((), data, datagrams) = tokio::join!(send_all, data, numbers(&mut other.datagrams));
    assert!(data.iter().copied().eq(0..FRAMES), "the data channel lost or reordered frames");
    (data, datagrams)
}

#[tokio::test]
async fn lost_packets_are_retransmitted_on_the_data_channel_only() {
    let mut path = LossyPath::new().await;
    let mut both = Both::open_over(Some(&mut path)).await;
    for from_answerer in [false, true] {
        path.lose_one_in(10);
        let (one, other) = match from_answerer {
            false => (&mut both.near, &mut both.far),
            true => (&mut both.far, &mut both.near),
        };
        let (data, datagrams) = through(&path, one, other).await;
        assert!(path.lost() > 0, "the path lost nothing");
        assert!(
            !datagrams.is_empty() && datagrams.len() < data.len(),
            "{} of {} datagrams arrived, from the answerer: {from_answerer}",
            datagrams.len(),
            data.len()
        );
    }
}

#[tokio::test]
async fn datagrams_are_delivered_out_of_order() {
    let mut path = LossyPath::new().await;
    let mut both = Both::open_over(Some(&mut path)).await;
    for from_answerer in [false, true] {
        path.swap_one_in(10);
        let (one, other) = match from_answerer {
            false => (&mut both.near, &mut both.far),
            true => (&mut both.far, &mut both.near),
        };
        let (_, datagrams) = through(&path, one, other).await;
        assert!(
            datagrams.windows(2).any(|pair| pair[0] > pair[1]),
            "all in order, from the answerer: {from_answerer}"
        );
    }
}

/// Fragments of abandoned messages must not fill the receive window.
#[tokio::test]
async fn lost_fragmented_datagrams_do_not_fill_the_receive_window() {
    let mut path = LossyPath::new().await;
    let mut both = Both::open_over(Some(&mut path)).await;
    lose_long_datagrams(&path, &mut both.near, &mut both.far).await;
    lose_long_datagrams(&path, &mut both.far, &mut both.near).await;
}

/// Loses a packet of nearly every message until more bytes than the receive window are lost.
async fn lose_long_datagrams(path: &LossyPath, one: &mut End, other: &mut End) {
    const WINDOW: usize = 1 << 20;
    const LENGTH: usize = 65_536;
    path.lose_one_in(20);
    let flood = async {
        for _ in 0..2 * WINDOW / LENGTH {
            send(&mut one.datagrams, vec![0; LENGTH]).await;
        }
    };
    tokio::select! {
        () = flood => {}
        () = async { while other.datagrams.next().await.is_some() {} } => panic!("it ended"),
    }
    path.lose_one_in(0);
    send(&mut one.data, "still there").await;
    assert_eq!(receive(&mut other.data).await, Frame::from("still there"));
    // An earlier datagram may still arrive.
    within("room for a datagram", one.datagrams.close()).await.unwrap();
    send(&mut one.datagrams, "small").await;
    while receive(&mut other.datagrams).await != Frame::from("small") {}
}

#[tokio::test]
async fn the_datagram_sink_is_ready_below_64_kib_outstanding() {
    const LENGTH: usize = 16_384;
    let mut path = LossyPath::new().await;
    let mut both = Both::open_over(Some(&mut path)).await;
    path.lose_one_in(1);
    let mut taken = 0;
    // No datagram is acknowledged or abandoned within a second.
    let fill = async {
        loop {
            both.near.datagrams.feed(Frame::from(vec![0; LENGTH])).await.unwrap();
            taken += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(300), fill).await.is_err());
    assert_eq!(taken * LENGTH, 65_536);
    within("room for the data channel", both.near.data.feed(Frame::from("x"))).await.unwrap();
    path.lose_one_in(0);
    within("room again", both.near.datagrams.feed(Frame::from("x"))).await.unwrap();
}

#[tokio::test]
async fn a_full_datagram_sink_fails_when_the_connection_ends() {
    let mut path = LossyPath::new().await;
    let mut both = Both::open_over(Some(&mut path)).await;
    path.lose_one_in(1);
    for _ in 0..4 {
        send(&mut both.near.datagrams, vec![0; 16_384]).await;
    }
    both.offerer.execute(DirectCommand::Close { connection: ONE });
    let error = within("an error", both.near.datagrams.send(Frame::from("x"))).await.unwrap_err();
    assert!(error.0.starts_with("the data channel cannot send"), "{error}");
}

#[tokio::test]
async fn unread_datagrams_do_not_delay_the_end_of_the_data_channel() {
    let mut both = Both::open().await;
    let flood = async {
        for _ in 0..100 {
            send(&mut both.near.datagrams, vec![0; 16_384]).await;
        }
    };
    let drain = async { while both.far.datagrams.next().await.is_some() {} };
    tokio::select! {
        () = flood => {}
        () = drain => panic!("the datagram channel ended"),
    }
    for n in 0..100_u32 {
        send(&mut both.near.data, format!("{n}")).await;
    }
    both.offerer.execute(DirectCommand::Close { connection: ONE });
    // The remaining datagrams stay unread.
    let read = async {
        for n in 0..100_u32 {
            assert_eq!(receive(&mut both.far.data).await, Frame::from(format!("{n}")));
        }
        assert_eq!(within("the end", both.far.data.next()).await, None);
    };
    let ((), (connection, _)) = tokio::join!(read, next_closed(&mut both.answerer));
    assert_eq!(connection, TWO);
    within("the end", async { while both.far.datagrams.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn dropping_the_datagram_channel_keeps_the_data_channel_open() {
    let mut both = Both::open().await;
    drop(both.far.datagrams);
    // More than the crate's queues hold.
    for _ in 0..2_000 {
        send(&mut both.near.datagrams, vec![0; 1_000]).await;
    }
    send(&mut both.near.data, "still there").await;
    assert_eq!(receive(&mut both.far.data).await, Frame::from("still there"));
    assert_eq!((both.offerer.connections(), both.answerer.connections()), (1, 1));
}
