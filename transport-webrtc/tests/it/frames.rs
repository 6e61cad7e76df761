//! Frames arrive whole, in order, and as text or binary as they were sent.

use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::Frame;

use crate::support::{Pair, receive, send, within};

#[tokio::test]
async fn text_binary_and_empty_frames_pass_both_ways_in_order() {
    let mut pair = Pair::open().await;
    let frames = [
        Frame::from("2[\"peer-msg\",{\"textVal\":\"hi\"}]"),
        Frame::from(vec![0, 1, 254, 255]),
        Frame::from(String::new()),
        Frame::from("ünïcödé ✓"),
        Frame::from(Vec::new()),
        Frame::from("0"),
        Frame::from(vec![0]),
        Frame::from("last"),
    ];
    for (sender, receiver) in [(&mut pair.near, &mut pair.far)].into_iter().chain([]) {
        exchange(&frames, sender, receiver).await;
    }
    exchange(&frames, &mut pair.far, &mut pair.near).await;
}

async fn exchange(
    frames: &[Frame],
    sender: &mut socketio_p2p_transport_webrtc::WebRtcChannel,
    receiver: &mut socketio_p2p_transport_webrtc::WebRtcChannel,
) {
    for frame in frames {
        send(sender, frame.clone()).await;
    }
    for frame in frames {
        assert_eq!(&receive(receiver).await, frame);
    }
}

#[tokio::test]
async fn frames_up_to_the_message_limit_arrive_whole() {
    let mut pair = Pair::open().await;
    for length in [65_536, 262_144] {
        let bytes: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let sent = Frame::from(bytes);
        let (_, received) =
            tokio::join!(send(&mut pair.near, sent.clone()), receive(&mut pair.far));
        assert!(received == sent, "{length} bytes arrived changed");
        let text = Frame::from("é".repeat(length as usize / 2));
        let (_, received) =
            tokio::join!(send(&mut pair.far, text.clone()), receive(&mut pair.near));
        assert!(received == text, "{length} bytes of text arrived changed");
    }
}

#[tokio::test]
async fn a_frame_over_the_message_limit_is_an_error_and_keeps_the_connection() {
    let mut pair = Pair::open().await;
    let error = pair.near.send(Frame::from(vec![0; 262_145])).await.unwrap_err();
    assert_eq!(
        error.0,
        "expected a message of at most 262144 bytes (the remote's limit), got 262145"
    );
    send(&mut pair.near, "next").await;
    assert_eq!(receive(&mut pair.far).await, Frame::from("next"));
}

#[tokio::test]
async fn closing_the_sink_waits_until_all_is_acknowledged_and_keeps_the_connection() {
    let mut pair = Pair::open().await;
    for _ in 0..8 {
        within("room", pair.near.feed(Frame::from(vec![1; 16_384]))).await.unwrap();
    }
    within("the acknowledgement", pair.near.close()).await.unwrap();
    for _ in 0..8 {
        assert_eq!(receive(&mut pair.far).await.len(), 16_384);
    }
    send(&mut pair.far, "still here").await;
    assert_eq!(within("a frame", pair.near.next()).await, Some(Ok(Frame::from("still here"))));
}
