//! What the transport logs about its connections.

use socketio_p2p_core::driver::{DirectCommand, DirectTransport as _};
use socketio_p2p_transport_webrtc::WebRtcTransport;

use crate::logs::Logs;
use crate::support::{ONE, Pair, TWO, answer, loopback, next_closed, next_signal, offer};

/// A part of each session description, of each candidate, and of each password.
const SECRETS: [&str; 4] = ["v=0", "candidate:", "ice-pwd", "fingerprint"];

#[tokio::test]
async fn a_connection_is_logged_from_its_beginning_to_its_end_without_descriptions() {
    let (logs, _guard) = Logs::collect();
    let mut pair = Pair::open().await;
    pair.offerer.execute(DirectCommand::Close { connection: ONE });
    let (_, error) = next_closed(&mut pair.answerer).await;
    assert!(logs.has("connection begun", &[("connection", "1"), ("side", "offerer")]));
    assert!(logs.has("connection begun", &[("connection", "2"), ("side", "answerer")]));
    for connection in ["1", "2"] {
        let connection = ("connection", connection);
        for stage in ["checking", "DTLS", "channel"] {
            assert!(logs.has("connection report", &[connection, ("stage", stage)]), "{stage}");
        }
        assert!(logs.has("connection open", &[connection, ("datagrams", "false")]));
    }
    assert!(logs.has("connection closed", &[("connection", "1")]));
    let ended = [("connection", "2"), ("error", &error.to_string())];
    assert!(logs.has("connection ended", &ended));
    logs.check_complete();
    logs.check(&SECRETS);
}

#[tokio::test]
async fn a_failure_is_logged_with_its_cause_and_not_with_the_remote_description() {
    let (logs, _guard) = Logs::collect();
    let mut config = loopback();
    config.max_connections = 1;
    let mut transport = WebRtcTransport::new(config).unwrap();
    let sdp = offer(&mut transport, ONE).await;
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    answer(&mut answerer, TWO, sdp.clone()).await;
    transport.execute(DirectCommand::Answer {
        connection: TWO,
        ice_servers: vec![],
        sdp: sdp.clone(),
        datagrams: false,
    });
    next_closed(&mut transport).await;
    let many = "expected at most 1 connections, got one more";
    assert!(logs.has("connection ended", &[("connection", "2"), ("error", many)]));
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let sdp = format!("{sdp}a=ice-pwd:short\r\nm=nonsense\r\n");
    transport.execute(DirectCommand::Answer {
        connection: ONE,
        ice_servers: vec![],
        sdp,
        datagrams: false,
    });
    let (_, error) = next_closed(&mut transport).await;
    assert!(logs.has("connection ended", &[("connection", "1"), ("error", &error.to_string())]));
    logs.check(&SECRETS);
}

#[tokio::test]
async fn what_a_connection_logs_belongs_to_the_span_in_which_it_was_opened() {
    let (logs, _guard) = Logs::collect();
    let span = tracing::info_span!(target: "socketio_p2p::session", "session", session = "ann");
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let (connection, ice_servers, datagrams) = (ONE, vec![], false);
    let offer = DirectCommand::Offer { connection, ice_servers, datagrams };
    span.in_scope(|| transport.execute(offer));
    next_signal(&mut transport).await;
    for message in ["connection begun", "connection report"] {
        assert_eq!(logs.of(message)[0].spans[0]["session"], "ann", "{message}");
    }
}
