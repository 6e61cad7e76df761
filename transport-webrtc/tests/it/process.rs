//! A connection between two processes.

use std::process::Stdio;

use futures::StreamExt as _;
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{DirectCommand, DirectTransport as _};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_transport_webrtc::WebRtcTransport;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::support::{
    ONE, TWO, loopback, next_closed, next_open, next_signal, receive, send, test_process, within,
};

const MARK: &str = "signal: ";

#[tokio::test]
async fn two_processes_open_a_connection_and_exchange_frames() {
    let mut child = test_process("process::echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();

    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    transport.execute(DirectCommand::Offer {
        connection: ONE,
        ice_servers: vec![],
        datagrams: false,
    });
    let offer = serde_json::to_string(&next_signal(&mut transport).await).unwrap();
    input.write_all(format!("{offer}\n").as_bytes()).await.unwrap();
    let answer = within("the other process's answer", async {
        loop {
            let line = output.next_line().await.unwrap().expect("the other process ended");
            if let Some(start) = line.find(MARK) {
                return line[start + MARK.len()..].to_owned();
            }
        }
    })
    .await;
    let signal = serde_json::from_str(&answer).unwrap();
    transport.execute(DirectCommand::Signal { connection: ONE, signal });

    let (mut channel, _) = next_open(&mut transport).await;
    for frame in [Frame::from("hello"), Frame::from(vec![7; 100_000]), Frame::from("")] {
        send(&mut channel, frame.clone()).await;
        assert!(receive(&mut channel).await == frame, "the echo differs");
    }
    send(&mut channel, "bye").await;
    let (end, _) = tokio::join!(within("the end", channel.next()), next_closed(&mut transport));
    assert_eq!(end, None);
    assert!(within("the other process", child.wait()).await.unwrap().success());
}

/// The second process: answers the offer that it reads, and echoes frames.
#[tokio::test]
#[ignore = "runs in a process of its own, started by the test above"]
async fn echo() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let Ok(Signal::Offer(sdp)) = serde_json::from_str(&line) else { panic!("no offer") };
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    transport.execute(DirectCommand::Answer {
        connection: TWO,
        ice_servers: vec![],
        sdp,
        datagrams: false,
    });
    let answer = next_signal(&mut transport).await;
    println!("\n{MARK}{}", serde_json::to_string(&answer).unwrap());
    let (mut channel, _) = next_open(&mut transport).await;
    loop {
        let frame = receive(&mut channel).await;
        if frame == Frame::from("bye") {
            break;
        }
        send(&mut channel, frame).await;
    }
    transport.execute(DirectCommand::Close { connection: TWO });
    // The end of the test ends the runtime's tasks: wait until the remote has closed the channel.
    while within("the end", channel.next()).await.is_some() {}
}
