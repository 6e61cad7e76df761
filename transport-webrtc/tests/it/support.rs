//! Two transports in one process; the tests pass the signals between them.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::driver::{DirectCommand, DirectEvent, DirectTransport as _, TransportError};
use socketio_p2p_core::wire::Signal;
use socketio_p2p_core::{ConnectionId, Frame};
use socketio_p2p_transport_webrtc::{WebRtcChannel, WebRtcConfig, WebRtcTransport};

pub(crate) const ONE: ConnectionId = ConnectionId::from_u64(1);
pub(crate) const TWO: ConnectionId = ConnectionId::from_u64(2);

/// Time limit of each wait, far above what a working machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for `future`; panics after [`PATIENCE`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what}: nothing happened within {PATIENCE:?}"))
}

pub(crate) fn loopback() -> WebRtcConfig {
    let mut config = WebRtcConfig::default();
    config.addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    config
}

/// Returns the next event other than a report.
pub(crate) async fn next(transport: &mut WebRtcTransport) -> DirectEvent<WebRtcChannel> {
    loop {
        match next_or_report(transport).await {
            DirectEvent::Report { .. } => {}
            event => return event,
        }
    }
}

pub(crate) async fn next_or_report(transport: &mut WebRtcTransport) -> DirectEvent<WebRtcChannel> {
    within("an event of the transport", transport.next()).await.unwrap()
}

pub(crate) async fn next_signal(transport: &mut WebRtcTransport) -> Signal {
    match next(transport).await {
        DirectEvent::Signal { signal, .. } => signal,
        other => panic!("expected a signal, got {other:?}"),
    }
}

pub(crate) async fn next_open(transport: &mut WebRtcTransport) -> (WebRtcChannel, usize) {
    match next(transport).await {
        DirectEvent::Open { channel, max_message, .. } => (channel, max_message),
        other => panic!("expected an open channel, got {other:?}"),
    }
}

pub(crate) async fn next_closed(transport: &mut WebRtcTransport) -> (ConnectionId, TransportError) {
    match next(transport).await {
        DirectEvent::Closed { connection, error } => (connection, error),
        other => panic!("expected the end of a connection, got {other:?}"),
    }
}

pub(crate) async fn next_datagrams(transport: &mut WebRtcTransport) -> WebRtcChannel {
    match next(transport).await {
        DirectEvent::Datagrams { channel, .. } => channel,
        other => panic!("expected an open datagram channel, got {other:?}"),
    }
}

/// Makes an offer and returns its description.
pub(crate) async fn offer(transport: &mut WebRtcTransport, connection: ConnectionId) -> String {
    offer_with(transport, connection, false).await
}

pub(crate) async fn offer_with(
    transport: &mut WebRtcTransport,
    connection: ConnectionId,
    datagrams: bool,
) -> String {
    transport.execute(DirectCommand::Offer { connection, ice_servers: vec![], datagrams });
    match next_signal(transport).await {
        Signal::Offer(sdp) => sdp,
        other => panic!("expected an offer, got {other:?}"),
    }
}

/// Answers an offer and returns the description of the answer.
pub(crate) async fn answer(
    transport: &mut WebRtcTransport,
    connection: ConnectionId,
    sdp: String,
) -> String {
    answer_with(transport, connection, sdp, false).await
}

pub(crate) async fn answer_with(
    transport: &mut WebRtcTransport,
    connection: ConnectionId,
    sdp: String,
    datagrams: bool,
) -> String {
    transport.execute(DirectCommand::Answer { connection, ice_servers: vec![], sdp, datagrams });
    match next_signal(transport).await {
        Signal::Answer(sdp) => sdp,
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// Two transports with one open connection: `ONE` at the offerer, `TWO` at the answerer.
pub(crate) struct Pair {
    pub(crate) offerer: WebRtcTransport,
    pub(crate) answerer: WebRtcTransport,
    pub(crate) near: WebRtcChannel,
    pub(crate) far: WebRtcChannel,
}

impl Pair {
    pub(crate) async fn open() -> Self {
        Self::open_with(loopback()).await
    }

    pub(crate) async fn open_with(config: WebRtcConfig) -> Self {
        let mut offerer = WebRtcTransport::new(config.clone()).unwrap();
        let mut answerer = WebRtcTransport::new(config).unwrap();
        let (near, far) = connect(&mut offerer, ONE, &mut answerer, TWO).await;
        Self { offerer, answerer, near, far }
    }
}

/// Opens a connection between two transports.
pub(crate) async fn connect(
    offerer: &mut WebRtcTransport,
    one: ConnectionId,
    answerer: &mut WebRtcTransport,
    two: ConnectionId,
) -> (WebRtcChannel, WebRtcChannel) {
    let sdp = offer(offerer, one).await;
    let sdp = answer(answerer, two, sdp).await;
    offerer.execute(DirectCommand::Signal { connection: one, signal: Signal::Answer(sdp) });
    let ((near, _), (far, _)) = tokio::join!(next_open(offerer), next_open(answerer));
    (near, far)
}

pub(crate) async fn send(channel: &mut WebRtcChannel, frame: impl Into<Frame>) {
    within("sending a frame", channel.send(frame.into())).await.unwrap();
}

pub(crate) async fn receive(channel: &mut WebRtcChannel) -> Frame {
    within("a frame", channel.next()).await.expect("the channel ended").unwrap()
}

/// This test binary, as a command that runs one ignored test.
pub(crate) fn test_process(test: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// Runs one ignored test in its own process.
pub(crate) fn run_alone(test: &str) {
    let output = test_process(test).into_std().output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
