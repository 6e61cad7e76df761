//! Negotiating and refusing connections.

use std::time::Duration;

use socketio_p2p_core::driver::{DirectCommand, DirectTransport as _};
use socketio_p2p_core::wire::{IceCandidate, IceServer, Signal};
use socketio_p2p_core::{ConnectionId, Frame};
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};

use crate::support::{
    ONE, PATIENCE, Pair, TWO, answer, connect, loopback, next_closed, next_open, next_signal,
    offer, receive, send, within,
};

fn split_candidates(sdp: &str) -> (String, Vec<IceCandidate>) {
    let (candidates, rest): (Vec<&str>, Vec<&str>) =
        sdp.lines().partition(|line| line.starts_with("a=candidate:"));
    let candidates = candidates.iter().map(|line| in_first_section(&line["a=".len()..]));
    let rest: Vec<&str> =
        rest.into_iter().filter(|line| !line.starts_with("a=end-of-candidates")).collect();
    (rest.join("\r\n") + "\r\n", candidates.collect())
}

fn candidate(text: &str) -> Signal {
    Signal::Candidate(in_first_section(text))
}

fn in_first_section(text: &str) -> IceCandidate {
    let mut candidate = IceCandidate::new(text);
    candidate.sdp_mid = Some("0".to_owned());
    candidate.sdp_mline_index = Some(0);
    candidate
}

#[tokio::test]
async fn session_descriptions_have_the_original_clients_format() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let offer = offer(&mut offerer, ONE).await;
    for line in [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=setup:actpass",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
    ] {
        assert!(offer.lines().any(|l| l == line), "{line} is missing");
    }
    assert!(offer.contains("127.0.0.1"), "the host candidate is in the offer");
    let answer = answer(&mut answerer, TWO, offer).await;
    assert!(answer.lines().any(|line| line == "a=setup:active"));
    assert!(answer.contains("127.0.0.1"), "the host candidate is in the answer");
}

#[tokio::test]
async fn both_ends_open_with_the_remotes_message_limit() {
    let mut small = loopback();
    small.max_message = 40_000;
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(small).unwrap();
    let sdp = offer(&mut offerer, ONE).await;
    let sdp = answer(&mut answerer, TWO, sdp).await;
    offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(sdp) });
    let (mut near, near_max) = next_open(&mut offerer).await;
    let (mut far, far_max) = next_open(&mut answerer).await;
    assert_eq!((near_max, far_max), (40_000, 40_000));
    send(&mut near, vec![7; 40_000]).await;
    assert_eq!(receive(&mut far).await.len(), 40_000);
}

#[tokio::test]
async fn a_remote_without_a_message_limit_gets_64_kib_and_may_send_more() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let sdp = offer(&mut offerer, ONE).await;
    let silent = sdp.replace("a=max-message-size:262144\r\n", "");
    assert_ne!(silent, sdp);
    let sdp = answer(&mut answerer, TWO, silent).await;
    let unlimited = sdp.replace("a=max-message-size:262144", "a=max-message-size:0");
    offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(unlimited) });
    let (mut near, near_max) = next_open(&mut offerer).await;
    let (mut far, far_max) = next_open(&mut answerer).await;
    assert_eq!(far_max, 65_536, "RFC 8841: an absent limit is 64 KiB");
    assert_eq!(near_max, 262_144, "RFC 8841: 0 means no limit; the local limit applies");
    send(&mut near, vec![7; 200_000]).await;
    assert_eq!(receive(&mut far).await.len(), 200_000);
}

#[tokio::test]
async fn connections_open_on_the_default_local_addresses() {
    let mut pair = Pair::open_with(WebRtcConfig::default()).await;
    send(&mut pair.near, "hello").await;
    assert_eq!(receive(&mut pair.far).await, Frame::from("hello"));
}

#[tokio::test]
async fn a_local_address_that_cannot_be_bound_is_named() {
    // TEST-NET-3 (RFC 5737): no machine has it.
    let config = WebRtcConfig::default().with_addresses(vec!["203.0.113.7".parse().unwrap()]);
    let mut transport = WebRtcTransport::new(config).unwrap();
    let (connection, ice_servers) = (ONE, Vec::new());
    transport.execute(DirectCommand::Offer { connection, ice_servers, datagrams: false });
    let (_, error) = next_closed(&mut transport).await;
    assert!(error.0.contains("cannot bind the local address 203.0.113.7"), "{error}");
}

#[tokio::test]
async fn candidates_before_the_answer_wait_for_it() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let (bare_offer, _) = split_candidates(&offer(&mut offerer, ONE).await);
    let (bare_answer, candidates) = split_candidates(&answer(&mut answerer, TWO, bare_offer).await);
    assert!(!candidates.is_empty());
    for candidate in candidates {
        let signal = Signal::Candidate(candidate);
        offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    }
    let signal = Signal::Answer(bare_answer);
    offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    let (_, _) = (next_open(&mut offerer).await, next_open(&mut answerer).await);
}

#[tokio::test]
async fn trickled_candidates_after_the_answer_are_used() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let (bare_offer, candidates) = split_candidates(&offer(&mut offerer, ONE).await);
    let (bare_answer, _) = split_candidates(&answer(&mut answerer, TWO, bare_offer).await);
    let signal = Signal::Answer(bare_answer);
    offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    for candidate in candidates {
        let signal = Signal::Candidate(candidate);
        answerer.execute(DirectCommand::Signal { connection: TWO, signal });
    }
    let (_, _) = (next_open(&mut offerer).await, next_open(&mut answerer).await);
}

#[tokio::test]
async fn mdns_tcp_and_end_of_candidates_are_skipped() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let sdp = offer(&mut offerer, ONE).await;
    let sdp = answer(&mut answerer, TWO, sdp).await;
    for text in [
        "candidate:1 1 udp 2122260223 0c1b7d9e-3c33-4a6c-9c0e-1de0ed3d2a51.local 54400 typ host",
        "candidate:2 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
        "candidate:3 1 tcp 1518280447 127.0.0.1 9 typ host tcptype passive",
        "",
    ] {
        offerer.execute(DirectCommand::Signal { connection: ONE, signal: candidate(text) });
    }
    offerer.execute(DirectCommand::Signal { connection: ONE, signal: Signal::Answer(sdp) });
    let (_, _) = (next_open(&mut offerer).await, next_open(&mut answerer).await);
}

#[tokio::test]
async fn an_ice_server_without_an_answer_delays_the_offer_by_gather_timeout_at_most() {
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = loopback();
    config.gather_timeout = Duration::from_millis(50);
    let mut transport = WebRtcTransport::new(config).unwrap();
    let url = format!("stun:{}", deaf.local_addr().unwrap());
    let server = IceServer::new([url]);
    transport.execute(DirectCommand::Offer {
        connection: ONE,
        ice_servers: vec![server],
        datagrams: false,
    });
    let Signal::Offer(sdp) = next_signal(&mut transport).await else { panic!("no offer") };
    assert!(sdp.contains("127.0.0.1"), "the offer contains the host candidate");
}

#[tokio::test]
async fn a_server_reflexive_candidate_is_in_the_offer_or_trickled() {
    for late in [false, true] {
        let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let url = format!("stun:{}", server.local_addr().unwrap());
        let mut config = loopback();
        config.gather_timeout = if late { Duration::from_millis(50) } else { PATIENCE };
        let mut transport = WebRtcTransport::new(config).unwrap();
        let ice_servers = vec![IceServer::new([url])];
        transport.execute(DirectCommand::Offer { connection: ONE, ice_servers, datagrams: false });
        if !late {
            answer_stun(&server).await;
        }
        let Signal::Offer(sdp) = next_signal(&mut transport).await else { panic!("no offer") };
        if late {
            assert!(!sdp.contains("203.0.113.5"));
            answer_stun(&server).await;
            let Signal::Candidate(candidate) = next_signal(&mut transport).await else {
                panic!("no candidate")
            };
            assert!(candidate.candidate.contains("203.0.113.5 4660 typ srflx"));
            assert_eq!(candidate.sdp_mid.as_deref(), Some("0"));
            assert_eq!(candidate.sdp_mline_index, Some(0));
        } else {
            assert!(sdp.contains("203.0.113.5 4660 typ srflx"));
        }
    }
}

/// Answers one STUN request with the mapped address 203.0.113.5:4660 (RFC 8489).
async fn answer_stun(server: &tokio::net::UdpSocket) {
    const COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
    let mut request = [0; 1_500];
    let (length, client) = within("a STUN request", server.recv_from(&mut request)).await.unwrap();
    assert!(length >= 20 && request[..2] == [0, 1] && request[4..8] == COOKIE);
    let mut response = vec![1, 1, 0, 12];
    response.extend_from_slice(&request[4..20]);
    // XOR-MAPPED-ADDRESS, 8 bytes, IPv4.
    response.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
    response.extend_from_slice(&(4660_u16 ^ 0x2112).to_be_bytes());
    response.extend(COOKIE.iter().zip([203, 0, 113, 5]).map(|(cookie, byte)| cookie ^ byte));
    server.send_to(&response, client).await.unwrap();
}

#[tokio::test]
async fn an_invalid_ice_server_url_closes_the_connection() {
    let mut transport = WebRtcTransport::new(loopback()).unwrap();
    let server = IceServer::new(["turn:"]).with_credential("user", "pa55");
    transport.execute(DirectCommand::Offer {
        connection: ONE,
        ice_servers: vec![server],
        datagrams: false,
    });
    let (_, error) = next_closed(&mut transport).await;
    assert!(error.0.starts_with("cannot use the ICE servers"), "{error}");
    assert!(!error.0.contains("pa55"), "{error}");
}

#[tokio::test]
async fn malformed_session_descriptions_close_the_connection_and_are_not_quoted() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    let good = offer(&mut offerer, ONE).await;
    let without = |prefix: &str| {
        let lines = good.lines().filter(|line| !line.starts_with(prefix));
        lines.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let many: String = (0..65)
        .map(|n| format!("a=candidate:{n} 1 udp 1 127.0.0.1 {} typ host\r\n", 1000 + n))
        .collect();
    let cases = [
        (String::new(), "expected \"v=0\""),
        ("garbage".to_owned(), "expected \"v=0\""),
        ("v=0\r\n".to_owned(), "expected a data channel section"),
        (without("m="), "expected a data channel section"),
        (without("a=fingerprint"), "expected a certificate fingerprint"),
        (without("a=ice-ufrag"), "expected an ICE user name fragment"),
        (without("a=ice-pwd"), "expected an ICE password"),
        (without("o="), "cannot be used"),
        (good.replace("a=fingerprint:sha-256 ", "a=fingerprint:"), "cannot be used"),
        (good.replace("a=ice-pwd:", "ice-pwd:s3cret\r\na=ice-pwd:"), "malformed"),
        (format!("{good}a=candidate:broken\r\n"), "cannot be used"),
        (format!("{good}{many}"), "at most 64 candidates"),
        (format!("{good}{}", "m=audio 9 X 0\r\n".repeat(20)), "at most 16 media sections"),
        (format!("v=0\r\n{}", "a=x\r\n".repeat(200_000)), "got 1000005"),
    ];
    for (n, (sdp, expected)) in cases.into_iter().enumerate() {
        let mut answerer = WebRtcTransport::new(loopback()).unwrap();
        answerer.execute(DirectCommand::Answer {
            connection: TWO,
            ice_servers: vec![],
            sdp,
            datagrams: false,
        });
        let (connection, error) = next_closed(&mut answerer).await;
        assert_eq!(connection, TWO);
        assert!(error.0.contains(expected), "case {n}: {error}");
        assert!(!error.0.contains("s3cret"), "case {n}: {error}");
        assert_eq!(answerer.connections(), 0);
    }
}

#[tokio::test]
async fn a_malformed_answer_closes_the_connection() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    offer(&mut offerer, ONE).await;
    let signal = Signal::Answer("v=0".to_owned());
    offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    let (_, error) = next_closed(&mut offerer).await;
    assert!(error.0.starts_with("the remote answer cannot be used"), "{error}");
}

#[tokio::test]
async fn a_malformed_candidate_closes_the_connection() {
    let mut pair = Pair::open().await;
    let signal = candidate("candidate:not one at all");
    pair.offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    drop(pair.near);
    let (_, error) = next_closed(&mut pair.offerer).await;
    assert!(error.0.starts_with("a remote candidate cannot be used"), "{error}");
}

#[tokio::test]
async fn a_flood_of_candidates_closes_the_connection() {
    let mut offerer = WebRtcTransport::new(loopback()).unwrap();
    offer(&mut offerer, ONE).await;
    for n in 0..200 {
        let signal = candidate(&format!("candidate:{n} 1 udp 1 127.0.0.1 {} typ host", 2000 + n));
        offerer.execute(DirectCommand::Signal { connection: ONE, signal });
    }
    let (connection, _) = next_closed(&mut offerer).await;
    assert_eq!(connection, ONE);
}

#[tokio::test]
async fn an_offer_without_an_answer_closes_after_open_timeout() {
    let mut config = loopback();
    config.open_timeout = Duration::from_millis(200);
    let mut offerer = WebRtcTransport::new(config).unwrap();
    offer(&mut offerer, ONE).await;
    let (_, error) = next_closed(&mut offerer).await;
    assert_eq!(error.0, "no data channel was open after 0.2 s");
}

#[tokio::test]
async fn offers_beyond_max_connections_are_refused() {
    let mut config = loopback();
    config.max_connections = 2;
    let mut offerer = WebRtcTransport::new(config).unwrap();
    let mut answerer = WebRtcTransport::new(loopback()).unwrap();
    let three = ConnectionId::from_u64(3);
    let (_first, _) = connect(&mut offerer, ONE, &mut answerer, ONE).await;
    let (_second, _) = connect(&mut offerer, TWO, &mut answerer, TWO).await;
    offerer.execute(DirectCommand::Offer {
        connection: three,
        ice_servers: vec![],
        datagrams: false,
    });
    let (connection, error) = next_closed(&mut offerer).await;
    assert_eq!(connection, three);
    assert!(error.0.contains("expected at most 2 connections"), "{error}");
    offerer.execute(DirectCommand::Close { connection: ONE });
    let (_third, _) = connect(&mut offerer, three, &mut answerer, three).await;
    assert_eq!(offerer.connections(), 2);
}
