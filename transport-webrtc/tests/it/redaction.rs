//! `Debug` and errors show no session description, candidate or TURN credential.

use socketio_p2p_core::driver::{DirectCommand, DirectTransport as _};
use socketio_p2p_core::wire::{IceCandidate, IceServer, Signal};
use socketio_p2p_transport_webrtc::WebRtcTransport;

use super::support::{ONE, loopback, next, next_closed};

const MARKER: &str = "marker-of-a-secret";

fn assert_hidden(shown: &str) {
    assert!(!shown.contains(MARKER) && !shown.contains("a=ice-pwd"), "{shown}");
}

fn servers() -> Vec<IceServer> {
    vec![IceServer::new(["turn:127.0.0.1:9"]).with_credential(MARKER, MARKER)]
}

#[tokio::test]
async fn an_unusable_session_description_is_refused_without_being_quoted() {
    for sdp in [
        MARKER.to_owned(),
        format!("v=0\r\n{MARKER}\r\n"),
        format!("v=0\r\na=ice-pwd:{MARKER}\r\n"),
    ] {
        let mut transport = WebRtcTransport::new(loopback()).unwrap();
        let command =
            DirectCommand::Answer { connection: ONE, ice_servers: servers(), sdp, datagrams: true };
        assert_hidden(&format!("{command:?}"));
        transport.execute(command);
        assert_hidden(&format!("{transport:?}"));
        let (_, error) = next_closed(&mut transport).await;
        assert_hidden(&format!("{error} {error:?}"));
    }
}

#[tokio::test]
async fn a_connection_in_negotiation_shows_neither_its_description_nor_its_credentials() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let (connection, datagrams) = (ONE, true);
    transport.execute(DirectCommand::Offer { connection, ice_servers: servers(), datagrams });
    let offered = next(&mut transport).await;
    assert_hidden(&format!("{transport:?} {offered:?}"));
    let mut candidate = IceCandidate::new(MARKER);
    candidate.username_fragment = Some(MARKER.to_owned());
    let candidate = Signal::Candidate(candidate);
    transport.execute(DirectCommand::Signal { connection, signal: candidate });
    let answer = Signal::Answer(format!("v=0\r\na=ice-pwd:{MARKER}\r\n"));
    transport.execute(DirectCommand::Signal { connection, signal: answer });
    let (_, error) = next_closed(&mut transport).await;
    assert_hidden(&format!("{transport:?} {error} {error:?}"));
}
