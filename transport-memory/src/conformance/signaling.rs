//! The contract of signalling transports.

use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{Clock, Signaling};

use super::{Nonconformance, within};

/// Checks a signalling transport whose server has a hub that admits v0 clients in the namespace `/`: connections, one
/// after another and at the same time, on each of which a client joins, is counted, and leaves.
///
/// # Errors
/// [`Nonconformance`] for the first breach of the contract of [`Signaling`].
pub async fn signaling<S: Signaling>(
    mut signaling: S,
    clock: &impl Clock,
) -> Result<(), Nonconformance> {
    const CHECK: &str = "signalling";
    let mut first = join(&mut signaling, clock).await?;
    let second = join(&mut signaling, clock).await?;
    drop(second);
    let mut third = join(&mut signaling, clock).await?;
    let closed = within(clock, CHECK, "the channel to close", third.close()).await?;
    closed.map_err(|error| Nonconformance::new(CHECK, "an orderly close", error.to_string()))?;
    first.send(Frame::from("1")).await.map_err(|error| {
        Nonconformance::new(CHECK, "another connection to go on", error.to_string())
    })
}

/// Connects and joins as a v0 client.
async fn join<S: Signaling>(
    signaling: &mut S,
    clock: &impl Clock,
) -> Result<S::Channel, Nonconformance> {
    const CHECK: &str = "joining";
    let failed = |expected: &str, got: String| Nonconformance::new(CHECK, expected, got);
    let opened = within(clock, CHECK, "a connection", signaling.connect()).await?;
    let mut channel = opened.map_err(|error| failed("a connection", error.to_string()))?;
    let sent = within(clock, CHECK, "a frame to be sent", channel.send(Frame::from("0"))).await?;
    sent.map_err(|error| failed("CONNECT to be sent", error.to_string()))?;
    let (mut connected, mut counted) = (false, false);
    while !(connected && counted) {
        let expected = "CONNECT and `numClients`";
        match within(clock, CHECK, expected, channel.next()).await? {
            Some(Ok(Frame::Text(text))) if text.starts_with('0') => connected = true,
            Some(Ok(Frame::Text(text))) if text.starts_with("2[\"numClients\",") => counted = true,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(failed(expected, error.to_string())),
            None => return Err(failed(expected, "the end of the channel".to_owned())),
        }
    }
    Ok(channel)
}
