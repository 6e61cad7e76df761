//! Joining in one call, and the contract of the signalling transport.

use std::time::{Duration, Instant};

use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{Event, Packet, Path, SignalingError, Target};
use socketio_p2p_transport_memory::conformance;
use socketio_p2p_transport_socketio::{
    JoinFailure, SignalingServer, SocketIoSignaling, TokioClock, join,
};
use socketio_p2p_transport_webrtc::{WebRtcConfig, WebRtcTransport};

use crate::support::{next_event, serve, serve_default, soon};

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_join_in_one_call_each_and_talk_by_relay_and_directly() {
    let server = serve_default().await;
    let url = format!("http://{}", server.local_addr());
    let relayed = join(&url).room("one").unwrap();
    let (ann, mut ann_events) = soon("Ann joins", relayed.into_future()).await.unwrap();
    let (bob, mut bob_events) = join(&url).room("one").unwrap().await.unwrap();
    next_event(&mut ann_events, |event| matches!(event, Event::PeerJoined { .. })).await;
    let question = Packet::event("add", &(1, 2)).unwrap();
    let asked = ann.request(&bob.id().unwrap(), &question);
    let answer = async {
        let event =
            next_event(&mut bob_events, |event| matches!(event, Event::Received { .. })).await;
        let Event::Received { packet, reply, path, .. } = event else { panic!("{event:?}") };
        assert_eq!(path, Path::Relay);
        let (a, b) = packet.args::<(i32, i32)>().unwrap();
        bob.reply(&reply.unwrap(), &(a + b,)).await.unwrap();
    };
    let (sum, ()) = futures::join!(asked.args::<(i32,)>(), answer);
    assert_eq!(sum.unwrap(), (3,));

    let direct = || WebRtcTransport::new(WebRtcConfig::default()).unwrap();
    let (cid, mut cid_events) = join(&url).room("two").unwrap().direct(direct()).await.unwrap();
    let (dan, mut dan_events) = join(&url).room("two").unwrap().direct(direct()).await.unwrap();
    let is_direct = |event: &Event| matches!(event, Event::PathChanged { path: Path::Direct, .. });
    next_event(&mut cid_events, is_direct).await;
    let emitted = cid.emit(Target::All, &Packet::event("hi", &()).unwrap()).await.unwrap();
    assert!(emitted.rejected.is_empty());
    let hi = next_event(&mut dan_events, |event| matches!(event, Event::Received { .. })).await;
    assert!(matches!(hi, Event::Received { path: Path::Direct, .. }), "{hi:?}");
    for peer in [&ann, &bob, &cid, &dan] {
        assert!(soon("the close", peer.close()).await.unwrap().is_empty());
    }
    server.close().await;
}

#[tokio::test]
async fn a_refusal_and_an_unreachable_server_are_errors_of_the_call() {
    let full = SignalingServer::new(HubConfig::default().with_room_capacity(1));
    let server = serve(full).await;
    let url = format!("http://{}", server.local_addr());
    let (first, _events) = join(&url).await.unwrap();
    match join(&url).await {
        Err(JoinFailure::Refused(refusal)) => {
            assert_eq!(refusal.code.as_deref(), Some("room-full"));
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    server.close().await;
    match join(&url).await {
        Err(JoinFailure::Server(SignalingError::Transport(text))) => {
            assert!(text.contains("cannot connect"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(join("localhost:3000").await, Err(JoinFailure::Address(_))));
    assert!(join(&url).room("").is_err());
}

/// An address at which nobody listens yet.
fn vacant() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_join_that_is_told_to_waits_for_its_server() {
    let address = vacant();
    let url = format!("http://{address}");
    let joining = tokio::spawn(join(&url).wait_for_server(Duration::from_secs(60)).into_future());
    // No server yet: several attempts fail.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!joining.is_finished());
    let server = SignalingServer::new(HubConfig::default().with_room_capacity(1));
    let server = server.listen(address).await.unwrap();
    let (peer, _events) = soon("the join", joining).await.unwrap().unwrap();
    assert!(peer.is_joined());
    // A refusal is one at once.
    match soon("the refusal", join(&url).wait_for_server(Duration::MAX).into_future()).await {
        Err(JoinFailure::Refused(refusal)) => {
            assert_eq!(refusal.code.as_deref(), Some("room-full"));
        }
        other => panic!("{other:?}"),
    }
    server.close().await;
}

#[tokio::test]
async fn a_join_waits_no_longer_than_it_is_told_to_and_says_what_failed_last() {
    let (url, start) = (format!("http://{}", vacant()), Instant::now());
    match join(&url).wait_for_server(Duration::from_secs(2)).await {
        Err(JoinFailure::Server(SignalingError::Transport(text))) => {
            assert!(text.contains("cannot connect"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!((2..10).contains(&start.elapsed().as_secs()));
    // A server that accepts the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    match join(&url).wait_for_server(Duration::from_millis(300)).await {
        Err(JoinFailure::Server(SignalingError::NoWelcome { within })) => {
            assert_eq!(within, Duration::from_millis(300));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_that_starts_without_a_server_tells_of_its_attempts() {
    let address = vacant();
    let (peer, mut events) = join(&format!("http://{address}")).start().unwrap();
    assert!(!peer.is_joined());
    next_event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    let server = SignalingServer::new(HubConfig::default()).listen(address).await.unwrap();
    next_event(&mut events, |event| matches!(event, Event::Connected { .. })).await;
    assert!(matches!(join("localhost:3000").start(), Err(JoinFailure::Address(_))));
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signalling_transport_conforms_to_the_contract() {
    let server = serve_default().await;
    let signaling = SocketIoSignaling::new(&format!("http://{}", server.local_addr())).unwrap();
    conformance::signaling(signaling, &TokioClock::new()).await.unwrap();
    soon("the close", server.close()).await;
}
