//! A peer in a page: it says to the peer of the test what that expects, and to the page what went wrong.

#![cfg(target_family = "wasm")]

use std::time::Duration;

use futures::future::{Either, select};
use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::driver::{Clock as _, Signaling as _};
use socketio_p2p_core::handle::Events;
use socketio_p2p_core::{Event, Frame, Packet, ReplyToken, Target};
use socketio_p2p_transport_socketio::{SocketIoSignaling, WebClock, join};
use wasm_bindgen::prelude::*;

/// Joins the room of the test, sends blobs and expects them back, asks, answers, and leaves.
///
/// # Errors
/// What went wrong.
#[wasm_bindgen]
pub async fn talk(url: String) -> Result<(), JsError> {
    let joining = join(&url).room("page")?.wait_for_server(Duration::from_secs(10));
    let (peer, mut events) = joining.await?;
    let other = match peer.peers().into_iter().next() {
        Some(member) => member.id,
        None => {
            next(&mut events, |event| match event {
                Event::PeerJoined { peer, .. } => Some(peer),
                _ => None,
            })
            .await?
        }
    };
    for length in [0, 1, 100_000] {
        let blob: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
        let packet = Packet::event("blob", &(length, Blob::from(blob.clone())))?;
        let emitted = peer.emit(Target::from(other.clone()), &packet).await?;
        check(emitted.rejected.is_empty(), "the blob to be accepted")?;
        let echo = next_packet(&mut events, "blob").await?;
        let (again, back) = echo.0.args::<(u32, Blob)>()?;
        check(again == length && *back == *blob, "the same blob back")?;
    }
    let question = Packet::event("add", &(2, 3))?;
    let (sum,) = peer.request(&other, &question).args::<(i32,)>().await?;
    check(sum == 5, "2 + 3 to be 5")?;
    let (question, reply) = next_packet(&mut events, "multiply").await?;
    let (a, b) = question.args::<(i32, i32)>()?;
    let reply = reply.ok_or_else(|| JsError::new("expected a question, got an event"))?;
    peer.reply(&reply, &(a * b,)).await?;
    let undelivered = peer.close().await?;
    check(undelivered.is_empty(), "the close to leave nothing behind")
}

/// Sends to a server that does not read, opens a second connection when the first one is full, and expects that the
/// server reads on then, sends too much on the second, and closes the first with the code 1008.
///
/// # Errors
/// What went wrong.
#[wasm_bindgen]
pub async fn fill(url: String) -> Result<(), JsError> {
    let mut signaling = SocketIoSignaling::new(&url)?.with_max_message(1_000_000);
    let mut channel = signaling.connect().await?;
    let clock = WebClock::new();
    loop {
        let frame = Frame::from(vec![0; 100_000]);
        let feed = channel.feed(frame);
        match select(feed, clock.sleep(Duration::from_secs(1))).await {
            Either::Left((fed, _)) => fed?,
            Either::Right(_) => break,
        }
    }
    let mut second = signaling.connect().await?;
    channel.send(Frame::from("the last")).await?;
    let flood = second.next().await;
    let error = flood.and_then(Result::err).map(|error| error.0).unwrap_or_default();
    check(error.contains("at most 1000000 bytes"), &format!("an overflow, not {error:?},"))?;
    let end = channel.next().await;
    let error = end.and_then(Result::err).map(|error| error.0).unwrap_or_default();
    check(error.contains("1008 (policy violation)"), &format!("the code, not {error:?},"))?;
    check(channel.next().await.is_none(), "the end")?;
    check(channel.send(Frame::from("more")).await.is_err(), "no message after the end to be sent")
}

async fn next_packet(
    events: &mut Events,
    name: &str,
) -> Result<(Packet, Option<ReplyToken>), JsError> {
    next(events, |event| match event {
        Event::Received { packet, reply, .. } if packet.event_name().as_deref() == Some(name) => {
            Some((packet, reply))
        }
        _ => None,
    })
    .await
}

async fn next<T>(
    events: &mut Events,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> Result<T, JsError> {
    while let Some(event) = events.next().await {
        if let Some(picked) = pick(event) {
            return Ok(picked);
        }
    }
    Err(JsError::new("expected an event, got the end of the session"))
}

fn check(holds: bool, expected: &str) -> Result<(), JsError> {
    if holds { Ok(()) } else { Err(JsError::new(&format!("expected {expected}"))) }
}
