//! The server with our own client at the other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::{
    AddressedOffer, ClientMessage, EPOCH_BLOCK, Epochs, Lane, Numbers, PeerLimits, PeerSignal,
    Piece, RawSignal, ServerMessage,
};
use socketio_p2p_core::{Dialect, Packet, PacketType, PeerId, RoomName};
use socketio_p2p_transport_socketio::{ListenError, SignalingServer, V0Client};
use socketioxide::SocketIo;
use socketioxide::extract::SocketRef;
use socketioxide::handler::ConnectHandler as _;

use crate::support::{Client, auth, flat, serve, serve_default, soon, until};

fn raw(json: &str) -> RawSignal {
    RawSignal::from_json(json.to_owned()).unwrap()
}

/// Unwraps the expected variant, or panics with the value that came.
macro_rules! expect {
    ($client:expr, $pattern:pat => $value:expr) => {
        match $client.message().await {
            $pattern => $value,
            other => panic!("expected {}, got {other:?}", stringify!($pattern)),
        }
    };
}

#[tokio::test]
async fn v1_peers_meet_signal_and_relay() {
    let server = serve_default().await;
    let (mut a, a_is) = Client::v1(&server.url(), "x", None).await;
    let (mut b, b_is) = Client::v1(&server.url(), "x", None).await;
    assert_eq!(b_is.roster.len(), 1);
    assert_eq!(b_is.roster[0].id, a_is.id);
    let member = expect!(a, ServerMessage::PeerJoin(member) => member);
    assert_eq!((&member.id, member.dialect), (&b_is.id, Dialect::V1));

    let offers = vec![AddressedOffer::new(
        "o".to_owned(),
        raw(r#"{"type":"offer","sdp":"s\n"}"#),
        Some(a_is.id.clone()),
    )];
    b.say(ClientMessage::Offers(offers)).await;
    let (from, offer) = expect!(a, ServerMessage::Offer { from, offer, .. } => (from, offer));
    assert_eq!(from, b_is.id);
    assert_eq!(offer.as_json(), r#"{"type":"offer","sdp":"s\n"}"#);
    a.say(ClientMessage::Signal(PeerSignal::new(
        "o".to_owned(),
        raw(r#"{"type":"answer","sdp":"t"}"#),
        b_is.id.clone(),
    )))
    .await;
    let signal = expect!(b, ServerMessage::Signal(signal) => signal);
    assert_eq!(signal.from_peer_id, Some(a_is.id.clone()));

    let parts = vec![
        Bytes::from_static(b"52-[\"x\",{\"_placeholder\":true,\"num\":0}]"),
        Bytes::from(vec![0, 255, 10, 30]),
        Bytes::new(),
    ];
    a.relay(&[(&b_is.id, 7)], &parts).await;
    let download = expect!(b, ServerMessage::Relay(download) => download);
    assert_eq!(download.from, a_is.id);
    let epochs = Epochs { epoch: 3, peer_epoch: 4 };
    assert_eq!(download.numbers, Some(Numbers { epochs, lane: Lane::Bulk, seq: 7 }));
    assert_eq!(download.piece, Some(Piece::WHOLE));
    assert_eq!(download.body, flat(&parts));

    let members = server.signaling().members(&RoomName::new("x").unwrap());
    assert_eq!(members.len(), 2);
    a.send(&Packet::disconnect()).await;
    let gone = expect!(b, ServerMessage::PeerDisconnect { peer, .. } => peer);
    assert_eq!(gone, a_is.id);
    server.close().await;
}

#[tokio::test]
async fn v0_and_v1_members_exchange_text_and_binary_events() {
    let server = serve_default().await;
    let room = RoomName::default();
    let (mut new, new_is) = Client::v1(&server.url(), room.as_str(), None).await;
    let mut old = Client::v0(&server.url()).await;
    let others = expect!(old, ServerMessage::NumClients { others, welcome: None } => others);
    assert_eq!(others, 1);
    let old_is = expect!(new, ServerMessage::PeerJoin(member) => member);
    assert_eq!(old_is.dialect, Dialect::V0);

    let nested = Packet::event(
        "file",
        &(
            serde_json::json!({"b": 1, "a": [1.5, null, "ü\u{1}"]}),
            vec![Blob::from(vec![1, 2]), Blob::from(vec![])],
            Blob::from(vec![3]),
        ),
    )
    .unwrap();
    let parts: Vec<_> = nested.frames().map(|frame| frame.as_bytes().clone()).collect();
    new.relay(&[(&old_is.id, 0)], &parts).await;
    let event = expect!(old, ServerMessage::Event(event) => event);
    assert_eq!(event.event_name().as_deref(), Some("file"));
    let (json, blobs, last): (serde_json::Value, Vec<Blob>, Blob) = event.args().unwrap();
    assert_eq!(json, serde_json::json!({"b": 1, "a": [1.5, null, "ü\u{1}"]}));
    assert_eq!(blobs, [Blob::from(vec![1, 2]), Blob::from(vec![])]);
    assert_eq!(last, Blob::from(vec![3]));

    let text = Bytes::from_static(b"2[\"chat\",{\"b\":1,\"a\":\"\\u00fc\"}, 1.50]");
    new.relay(&[(&old_is.id, 1)], &[text]).await;
    let event = expect!(old, ServerMessage::Event(event) => event);
    assert_eq!(
        event.payload(),
        r#"["chat",{"b":1,"a":"\u00fc"}, 1.50]"#,
        "the text is forwarded unchanged"
    );

    old.send(&nested).await;
    let download = expect!(new, ServerMessage::Relay(download) => download);
    assert_eq!((&download.from, download.numbers), (&old_is.id, None));
    assert_eq!((download.piece, download.body), (Some(Piece::WHOLE), flat(&parts)));

    drop(old);
    let gone = expect!(new, ServerMessage::PeerDisconnect { peer, .. } => peer);
    assert_eq!(gone, old_is.id);
    assert_ne!(new_is.id, gone);
}

#[tokio::test]
async fn an_envelope_without_valid_json_never_reaches_a_v0_client() {
    let server = serve_default().await;
    let (mut new, _) = Client::v1(&server.url(), RoomName::default().as_str(), None).await;
    let mut old = Client::v0(&server.url()).await;
    expect!(old, ServerMessage::NumClients { .. } => ());
    let id = expect!(new, ServerMessage::PeerJoin(member) => member.id);
    for (seq, bad) in [&b"2[\"chat\",nonsense]"[..], b"2[\"chat\",{}}]"].into_iter().enumerate() {
        new.relay(&[(&id, seq as u64)], &[Bytes::from_static(bad)]).await;
    }
    new.relay(&[(&id, 2)], &[Bytes::from_static(b"2[\"chat\",\"good\"]")]).await;
    let event = expect!(old, ServerMessage::Event(event) => event);
    assert_eq!(event.payload(), r#"["chat","good"]"#);
    assert_eq!(server.signaling().stats().undeliverable, 2);
}

#[tokio::test]
async fn a_full_room_refuses_the_join_and_the_connection_stays_usable() {
    let server = serve(SignalingServer::new(HubConfig::default().with_room_capacity(1))).await;
    let (first, _) = Client::v1(&server.url(), "x", None).await;
    let (mut second, refused) = Client::connect_with(&server.url(), Some(&auth("x", None))).await;
    assert_eq!(refused.packet_type(), PacketType::ConnectError);
    assert_eq!(
        refused.payload(),
        r#"{"message":"room-full: room \"x\" has the maximum of 1 members"}"#
    );
    drop(first);
    // The refused connection may join another room.
    second.send(&Packet::connect(Some(&auth("y", None))).unwrap()).await;
    assert_eq!(second.packet().await.packet_type(), PacketType::Connect);
    expect!(second, ServerMessage::NumClients { welcome: Some(_), .. } => ());
}

#[tokio::test]
async fn too_many_resumed_joins_are_refused_with_the_time_to_wait() {
    let server = serve(SignalingServer::new(HubConfig::default().with_resume_rate(1, 1))).await;
    let (_first, is) = Client::v1(&server.url(), "x", None).await;
    let (_second, is) = Client::v1(&server.url(), "x", Some(&is.token)).await;
    let auth = auth("x", Some(&is.token));
    let (_, refused) = Client::connect_with(&server.url(), Some(&auth)).await;
    assert_eq!(refused.packet_type(), PacketType::ConnectError);
    let wait = refused.payload().strip_prefix(r#"{"message":"too-many-joins: try again in "#);
    let wait = wait.and_then(|text| text.split_once(" ms: ")).map(|(wait, _)| wait.parse::<u64>());
    assert!(matches!(wait, Some(Ok(1..=1_000))), "{}", refused.payload());
    assert_eq!(server.signaling().stats().hub.joins_refused, 1);
}

#[tokio::test]
async fn peer_limits_and_epoch_base_reach_the_members() {
    let server = serve_default().await;
    let limits = {
        let mut limits = PeerLimits::unbounded();
        (limits.packet_bytes, limits.attachments) = (5_000_000_000, 1);
        (limits.json_depth, limits.event_name, limits.namespace) = (2, 3, 4);
        limits
    };
    let (mut first, is) = Client::v1(&server.url(), "x", None).await;
    let auth = serde_json::json!({"p2p": {"v": 1, "room": "x", "limits": limits}});
    let (_second, connected) = Client::connect_with(&server.url(), Some(&auth)).await;
    assert_eq!(connected.packet_type(), PacketType::Connect);
    let member = expect!(first, ServerMessage::PeerJoin(member) => member);
    assert_eq!(member.limits, Some(limits));
    let (_first, again) = Client::v1(&server.url(), "x", Some(&is.token)).await;
    assert_eq!(again.roster.first().map(|member| member.limits), Some(Some(limits)));
    assert_eq!((is.epoch_base, again.epoch_base), (0, EPOCH_BLOCK));
}

#[tokio::test]
async fn an_invalid_auth_payload_is_refused_with_a_code() {
    let server = serve_default().await;
    for auth in [
        serde_json::json!({"p2p": {"v": "one"}}),
        serde_json::json!({"p2p": {"v": 1, "room": ""}}),
        serde_json::json!({"p2p": 7}),
    ] {
        let (_, refused) = Client::connect_with(&server.url(), Some(&auth)).await;
        assert_eq!(refused.packet_type(), PacketType::ConnectError);
        assert!(
            refused.payload().starts_with(r#"{"message":"bad-auth: "#),
            "{}",
            refused.payload()
        );
    }
    assert_eq!(server.signaling().stats().hub.clients, 0);
}

#[tokio::test]
async fn a_peer_with_a_cut_connection_resumes_with_its_token() {
    let server = serve_default().await;
    let (mut stays, _) = Client::v1(&server.url(), "x", None).await;
    let (cut, first) = Client::v1(&server.url(), "x", None).await;
    expect!(stays, ServerMessage::PeerJoin(_) => ());
    drop(cut);
    let away = expect!(stays, ServerMessage::PeerAway(away) => away);
    assert_eq!(away, first.id);
    let (_back, second) = Client::v1(&server.url(), "x", Some(&first.token)).await;
    assert_eq!(second.id, first.id);
    let member = expect!(stays, ServerMessage::PeerJoin(member) => member);
    assert_eq!((member.id, member.away), (first.id, false));
}

#[tokio::test]
async fn an_away_peer_has_left_after_the_resume_window() {
    let window = std::time::Duration::from_millis(50);
    let server = serve(SignalingServer::new(HubConfig::default().with_resume_window(window))).await;
    let (mut stays, _) = Client::v1(&server.url(), "x", None).await;
    let (cut, first) = Client::v1(&server.url(), "x", None).await;
    expect!(stays, ServerMessage::PeerJoin(_) => ());
    drop(cut);
    expect!(stays, ServerMessage::PeerAway(_) => ());
    let gone = expect!(stays, ServerMessage::PeerDisconnect { peer, .. } => peer);
    assert_eq!(gone, first.id);
}

#[tokio::test]
async fn a_peer_id_on_two_connections_stays_with_the_newer_one() {
    let server = serve_default().await;
    let (mut old, first) = Client::v1(&server.url(), "x", None).await;
    let (mut new, second) = Client::v1(&server.url(), "x", Some(&first.token)).await;
    assert_eq!(second.id, first.id);
    assert_eq!(old.packet().await.packet_type(), PacketType::Disconnect);
    let (_, third) = Client::v1(&server.url(), "x", None).await;
    let member = expect!(new, ServerMessage::PeerJoin(member) => member);
    assert_eq!(member.id, third.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_event_of_each_of_a_thousand_connections_arrives() {
    const CLIENTS: usize = 1000;
    let server = SignalingServer::new(HubConfig::default().with_room_capacity(CLIENTS))
        .with_room_for_v0(|client| {
            let query = client.request().uri.query().unwrap_or_default();
            let room = query.rsplit_once("room=").map_or("none", |(_, room)| room);
            RoomName::new(room.to_owned()).unwrap()
        });
    let server = serve(server).await;
    let clients = futures::stream::iter(0..CLIENTS).map(|number| {
        let url = format!("{}/?room=r{}", server.url(), number % 50);
        async move {
            let mut client = Client::v0(&url).await;
            client.emit("first", &(number,)).await;
            client
        }
    });
    let clients: Vec<_> = clients.buffer_unordered(100).collect().await;
    until("every first event at the hub", || {
        server.signaling().stats().hub.relayed == CLIENTS as u64
    })
    .await;
    assert_eq!(server.signaling().stats().hub.clients, clients.len());
    assert_eq!(server.signaling().rooms().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_client_keep_their_order() {
    const EVENTS: u64 = 3000;
    let server = serve_default().await;
    let (mut a, _) = Client::v1(&server.url(), "x", None).await;
    let (mut b, b_is) = Client::v1(&server.url(), "x", None).await;
    let sending = tokio::spawn(async move {
        for seq in 0..EVENTS {
            a.relay(&[(&b_is.id, seq)], &[Bytes::from_static(b"2[\"x\"]")]).await;
        }
        a
    });
    for expected in 0..EVENTS {
        let download = expect!(b, ServerMessage::Relay(download) => download);
        assert_eq!(download.numbers.unwrap().seq, expected);
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backpressure_evicts_a_client_that_does_not_read_and_keeps_the_others() {
    const EVENTS: u64 = 600;
    let server = SignalingServer::new(HubConfig::default()).with_queue_bytes(2 * 1024 * 1024);
    let server = serve(server).await;
    let (mut sender, _) = Client::v1(&server.url(), "x", None).await;
    let (_stuck, stuck_is) = Client::v1(&server.url(), "x", None).await;
    let (mut reader, reader_is) = Client::v1(&server.url(), "x", None).await;
    let payload = Bytes::from(vec![7; 60 * 1024]);
    let reading = tokio::spawn(async move {
        let (mut next, mut away) = (0, None);
        while next < EVENTS || away.is_none() {
            match reader.message().await {
                ServerMessage::Relay(download) => {
                    assert_eq!(download.numbers.unwrap().seq, next);
                    next += 1;
                }
                ServerMessage::PeerAway(id) => away = Some(id),
                other => panic!("expected an envelope, got {other:?}"),
            }
        }
        (reader, away)
    });
    for seq in 0..EVENTS {
        let to = [(&stuck_is.id, seq), (&reader_is.id, seq)];
        let parts = vec![Bytes::from_static(b"51-[\"x\"]"), payload.clone()];
        sender.relay(&to, &parts).await;
    }
    let (_reader, away) = soon("all events at the reader", reading).await.unwrap();
    assert_eq!(away.as_ref(), Some(&stuck_is.id));
    let stats = server.signaling().stats();
    assert_eq!(stats.evicted, 1);
    assert_eq!((stats.hub.clients, stats.hub.away), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backpressure_keeps_all_events_in_order_for_a_client_that_reads_late() {
    const EVENTS: u64 = 2000;
    let server = serve_default().await;
    let (mut a, _) = Client::v1(&server.url(), "x", None).await;
    let (mut b, b_is) = Client::v1(&server.url(), "x", None).await;
    // More than the sockets and the server's 128 packets hold, less than the client's queue.
    let payload = Bytes::from(vec![7; 4096]);
    for seq in 0..EVENTS {
        let parts = vec![Bytes::from_static(b"51-[\"x\"]"), payload.clone()];
        a.relay(&[(&b_is.id, seq)], &parts).await;
    }
    until("all events at the hub", || server.signaling().stats().hub.relayed == EVENTS).await;
    for expected in 0..EVENTS {
        let download = expect!(b, ServerMessage::Relay(download) => download);
        assert_eq!(download.numbers.unwrap().seq, expected);
    }
    assert_eq!(server.signaling().stats().evicted, 0);
}

#[tokio::test]
async fn a_client_that_keeps_sending_invalid_messages_is_closed() {
    let server = serve(SignalingServer::new(HubConfig::default().with_signal_rate(5, 1))).await;
    let (mut abuser, _) = Client::v1(&server.url(), "x", None).await;
    for _ in 0..11 {
        abuser.emit("offers", &("no offers",)).await;
    }
    assert_eq!(abuser.packet().await.packet_type(), PacketType::Disconnect);
    assert_eq!(server.signaling().stats().hub.clients, 0);
    assert_eq!(server.signaling().stats().hub.refused, 11);
}

#[tokio::test]
async fn the_application_chooses_the_room_of_a_v0_client() {
    let server = SignalingServer::default().with_room_for_v0(|client: &V0Client<'_>| {
        let auth = client.auth().unwrap_or_default();
        RoomName::new(if auth.contains("red") { "red" } else { "blue" }).unwrap()
    });
    let server = serve(server).await;
    let red = serde_json::json!({"team": "red"});
    // The room that a v0 client states itself is ignored.
    let claims = serde_json::json!({"p2p": {"v": 0, "room": "red-room"}});
    let _a = Client::connect_with(&server.url(), Some(&red)).await;
    let _b = Client::connect_with(&server.url(), None).await;
    let _c = Client::connect_with(&server.url(), Some(&claims)).await;
    let members =
        |room: &'static str| server.signaling().members(&RoomName::new(room).unwrap()).len();
    assert_eq!((members("red"), members("blue"), members("red-room")), (2, 1, 0));
}

#[tokio::test]
async fn the_application_keeps_its_own_events_and_middleware() {
    let (layer, io) = SocketIo::new_layer();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let on_connect = async move |socket: SocketRef| {
        socket.on("ask", async move |socket: SocketRef| {
            counted.fetch_add(1, Ordering::SeqCst);
            socket.emit("answer", &42).unwrap();
        });
    };
    let door = async |socket: SocketRef| match socket.req_parts().uri.query() {
        Some(query) if query.contains("key=1") => Ok(()),
        _ => Err("no key"),
    };
    let signaling =
        SignalingServer::default().attach_with(&io, "/", on_connect.with(door)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?key=1", listener.local_addr().unwrap());
    let stranger = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().layer(layer);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let (_, refused) = Client::connect_with(&stranger, Some(&auth("x", None))).await;
    assert_eq!(refused.payload(), r#"{"message":"no key"}"#);
    assert_eq!(signaling.stats().hub.clients, 0);

    let mut a = Client::v0(&url).await;
    expect!(a, ServerMessage::NumClients { others: 0, .. } => ());
    let mut b = Client::v0(&url).await;
    expect!(b, ServerMessage::NumClients { others: 1, .. } => ());
    a.emit("ask", &()).await;
    assert_eq!(a.packet().await.payload(), r#"["answer",42]"#);
    a.emit("chat", &("hi",)).await;
    assert_eq!(b.packet().await.payload(), r#"["chat","hi"]"#, "`ask` was not broadcast");
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // The server announces 100 kB, so the hub takes no more.
    let (_, welcome) = Client::v1(&url, "x", None).await;
    assert_eq!(welcome.limits.max_envelope, 100_000);
    serving.abort();
}

#[tokio::test]
async fn v0_and_v1_clients_join_on_another_namespace() {
    let (layer, io) = SocketIo::new_layer();
    // Clients of Socket.IO 2.x go through the main namespace.
    io.ns("/", async || {});
    SignalingServer::default().attach(&io, "/mesh").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().layer(layer);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let mesh = socketio_p2p_core::Namespace::new("/mesh").unwrap();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::open(&url).await;
        client.send(&Packet::connect::<()>(None).unwrap().in_namespace(&mesh)).await;
        assert_eq!(client.packet().await.packet_type(), PacketType::Connect);
        let number = client.packet().await;
        assert_eq!(number.namespace(), mesh);
        assert_eq!(number.event_name().as_deref(), Some("numClients"));
        clients.push(client);
    }
    let [a, b] = &mut clients[..] else { panic!("two clients") };
    let event = Packet::event("chat", &(Blob::from(vec![1]),)).unwrap().in_namespace(&mesh);
    a.send(&event).await;
    assert_eq!(b.packet().await.head(), event.head());
    serving.abort();
}

#[tokio::test]
async fn listening_at_an_address_in_use_is_an_error_that_names_it() {
    let server = serve_default().await;
    let address = server.local_addr().to_string();
    match SignalingServer::default().listen(address.clone()).await {
        Err(error @ ListenError::Bind { .. }) => {
            assert_eq!(error.to_string(), format!("cannot listen at {address}"));
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("in use"), "{source}");
        }
        other => panic!("expected an error, got {other:?}"),
    }
}

#[test]
fn attaching_without_a_tokio_runtime_is_an_error() {
    let (_layer, io) = SocketIo::new_layer();
    let error = SignalingServer::default().attach(&io, "/").unwrap_err();
    assert_eq!(
        error.to_string(),
        "attach() expects a tokio runtime, got none: call it from async code"
    );
}

#[tokio::test]
async fn closing_the_listener_ends_all_connections() {
    let server = serve_default().await;
    let (mut a, _) = Client::v1(&server.url(), "x", None).await;
    let (mut b, _) = Client::v1(&server.url(), "x", None).await;
    let address = server.local_addr();
    soon("the close", server.close()).await;
    for client in [&mut a, &mut b] {
        client.end().await;
    }
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn resume_tokens_outlive_a_server_restart_with_the_same_key() {
    let config = || HubConfig::default().with_token_key([5; 32]);
    let server = serve(SignalingServer::new(config())).await;
    let (_, first) = Client::v1(&server.url(), "x", None).await;
    server.close().await;
    let server = serve(SignalingServer::new(config())).await;
    let (_, second) = Client::v1(&server.url(), "x", Some(&first.token)).await;
    assert_eq!(second.id, first.id);
    let nobody: Option<&PeerId> = None;
    assert_eq!(second.roster.first().map(|member| &member.id), nobody);
}
