//! The server's application: admission, removal, events and questions in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use socketio_p2p_core::handle::{Events, Peer, RequestError, Router};
use socketio_p2p_core::hub::{Admission, HubConfig};
use socketio_p2p_core::{
    AuthPayload, EmitError, Event, LeaveReason, MemberData, Packet, PeerId, RoomName,
    SignalingError, Target,
};
use socketio_p2p_transport_socketio::{
    AskError, JoinFailure, JoinRequest, PeerEvent, Rejection, SignalingServer, join,
};
use tokio::sync::mpsc;

use crate::support::{next_event, serve, serve_default, soon};

fn data(text: &str) -> MemberData {
    MemberData::new(text).unwrap()
}

async fn enter(url: &str) -> (Peer, Events, PeerId) {
    let (peer, events) = soon("joining", join(url).into_future()).await.unwrap();
    let id = peer.id().unwrap();
    (peer, events, id)
}

/// Admits who has a ticket, under the name on it.
async fn by_ticket(client: JoinRequest) -> Result<Admission, Rejection> {
    let auth = client.read_auth::<serde_json::Value>()?;
    match auth["ticket"].as_str() {
        Some(name) => {
            let room = RoomName::new(format!("room-of-{name}")).unwrap();
            Ok(Admission::default().with_user(data(name)).with_room(room).with_capacity(2))
        }
        None => Err(Rejection::new("no-ticket", "buy one first")?),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_sees_the_auth_payload_and_decides_who_the_client_is() {
    let server = serve(SignalingServer::new(HubConfig::default()).with_admission(by_ticket)).await;
    let (url, asked) = (server.url(), Arc::new(AtomicUsize::default()));
    let ticket = |name: &'static str| {
        let asked = Arc::clone(&asked);
        move || {
            asked.fetch_add(1, Ordering::Relaxed);
            async move { AuthPayload::new(&json!({ "ticket": name })) }
        }
    };
    let first = join(&url).auth(ticket("ann")).metadata(data("blue"));
    let (ann, mut ann_events) = soon("joining", first.into_future()).await.unwrap();
    assert_eq!(ann.user(), Some(data("ann")));
    let (other, mut events) = join(&url).auth(ticket("ann")).await.unwrap();
    let joined = next_event(&mut events, |event| matches!(event, Event::PeerJoined { .. })).await;
    let Event::PeerJoined { user, metadata, .. } = joined else { panic!("{joined:?}") };
    assert_eq!((user, metadata), (Some(data("ann")), Some(data("blue"))));
    ann.set_metadata(Some(data("green")));
    let updated = next_event(&mut events, |event| matches!(event, Event::PeerUpdated { .. })).await;
    let Event::PeerUpdated { metadata, .. } = updated else { panic!("{updated:?}") };
    assert_eq!(metadata, Some(data("green")));
    let room = RoomName::new("room-of-ann").unwrap();
    assert_eq!(server.signaling().members(&room).len(), 2);

    match soon("a refusal", join(&url).auth(ticket("ann")).into_future()).await {
        Err(JoinFailure::Refused(why)) => assert_eq!(why.code.as_deref(), Some("room-full")),
        other => panic!("{other:?}"),
    }
    match soon("a refusal", join(&url).into_future()).await {
        Err(JoinFailure::Refused(why)) => {
            assert_eq!(why.code.as_deref(), Some("no-ticket"));
            assert!(why.message.ends_with("buy one first"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    // Each connection asks for a payload of its own.
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    server.signaling().socket_of(&room, &ann.id().unwrap()).unwrap().disconnect().unwrap();
    let back = |event: &Event| matches!(event, Event::Connected { .. });
    next_event(&mut ann_events, back).await;
    assert_eq!(asked.load(Ordering::Relaxed), 4);
    drop(other);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_that_hangs_is_cut_off_with_a_code_and_a_time_to_return() {
    let hangs = async |_: JoinRequest| std::future::pending().await;
    let server = SignalingServer::new(HubConfig::default())
        .with_admission(hangs)
        .with_admission_timeout(Duration::from_millis(50));
    let server = serve(server).await;
    match soon("the end", join(&server.url()).into_future()).await {
        Err(JoinFailure::Server(SignalingError::PutOff(why))) => {
            assert_eq!(why.code.as_deref(), Some("admission-timeout"));
            assert!(why.message.contains("try again in 2000 ms"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(server.signaling().stats().hub.clients, 0);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auth_provider_that_fails_or_hangs_ends_the_attempt_with_its_text() {
    let server = serve_default().await;
    let failing =
        join(&server.url()).auth(async || Err::<AuthPayload, _>("the account server is down"));
    let hanging = join(&server.url())
        .auth(std::future::pending::<Result<AuthPayload, String>>)
        .signaling(|signaling| Ok(signaling.with_connect_timeout(Duration::from_millis(50))))
        .unwrap();
    for (attempt, text) in [(failing, "the account server is down"), (hanging, "none within 50ms")]
    {
        match soon("the end", attempt.into_future()).await {
            Err(JoinFailure::Server(SignalingError::Transport(error))) => {
                assert!(error.contains(text), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_a_peer_send_to_and_ask_each_other() {
    let (came, mut events_of_peers) = mpsc::unbounded_channel::<PeerEvent>();
    let server = SignalingServer::new(HubConfig::default())
        .with_on_event(move |event| came.send(event).unwrap());
    let server = serve(server).await;
    let (signaling, room) = (server.signaling(), RoomName::default());
    let (ann, mut ann_events, ann_id) = enter(&server.url()).await;
    let (_bob, mut bob_events, bob_id) = enter(&server.url()).await;

    let news = Packet::event("news", &("sunny",)).unwrap();
    assert!(signaling.emit(&room, &ann_id, &news).unwrap());
    signaling.broadcast(&room, &news).unwrap();
    for (events, times) in [(&mut ann_events, 2), (&mut bob_events, 1)] {
        for _ in 0..times {
            let event =
                next_event(events, |event| matches!(event, Event::ServerEvent { .. })).await;
            let Event::ServerEvent { packet, reply } = event else { panic!("{event:?}") };
            assert_eq!(packet.args::<(String,)>().unwrap().0, "sunny");
            assert!(reply.is_none());
        }
    }
    let stranger = PeerId::new("stranger").unwrap();
    assert!(!signaling.emit(&room, &stranger, &news).unwrap());
    let reserved = Packet::event("peer-join", &()).unwrap();
    assert!(matches!(signaling.broadcast(&room, &reserved), Err(EmitError::ReservedEvent(_))));

    // The server asks.
    let question = Packet::event("ready?", &()).unwrap();
    let second = Duration::from_secs(1);
    let asked = signaling.request::<String>(&room, &ann_id, &question, second);
    let answers = async {
        let event =
            next_event(&mut ann_events, |event| matches!(event, Event::ServerEvent { .. })).await;
        let Event::ServerEvent { reply: Some(token), .. } = event else { panic!("{event:?}") };
        ann.reply(&token, &("yes",)).await.unwrap();
    };
    let (answer, ()) = soon("the answer", futures::future::join(asked, answers)).await;
    assert_eq!(answer.unwrap(), "yes");
    let tenth = Duration::from_millis(100);
    let unanswered = signaling.request::<String>(&room, &bob_id, &question, tenth).await;
    assert!(matches!(unanswered, Err(AskError::NoAnswer { .. })), "{unanswered:?}");
    let unknown = signaling.request::<String>(&room, &stranger, &question, tenth).await;
    assert!(matches!(unknown, Err(AskError::NotPresent(_))), "{unknown:?}");

    // A peer asks.
    let vote = Packet::event("vote", &(7,)).unwrap();
    let _emitted = ann.emit(Target::Server, &vote).await.unwrap();
    let asking = ann.request_server(&vote).args::<(u32,)>();
    let answering = async {
        let event = events_of_peers.recv().await.unwrap();
        assert!(event.reply.is_none());
        let event = events_of_peers.recv().await.unwrap();
        assert_eq!((&event.peer, &event.room), (&ann_id, &room));
        let (number,) = event.packet.args::<(u32,)>().unwrap();
        event.reply.unwrap().send(&(number + 1,)).unwrap();
    };
    let (answer, ()) = soon("the answer", futures::future::join(asking, answering)).await;
    assert_eq!(answer.unwrap(), (8,));
    let late = ann.request_server(&vote).timeout(tenth);
    assert!(matches!(late.await, Err(RequestError::ServerTimedOut)));
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_has_handlers_of_the_servers_events_and_questions_apart_from_those_of_peers() {
    let server = serve_default().await;
    let (signaling, room) = (server.signaling(), RoomName::default());
    let (ann, events, ann_id) = enter(&server.url()).await;
    let (came, mut routed) = mpsc::unbounded_channel::<String>();
    let (errors, others) = (came.clone(), came.clone());
    let router = Router::new()
        .on("news", |_, (): ()| panic!("no event of a peer"))
        .on_server("news", move |(text,): (String,)| came.send(text).unwrap())
        .answer("double", |_, (number,): (u32,)| (number,))
        .answer_server("double", |(number,): (u32,)| (2 * number,))
        .otherwise(move |event| {
            if let Event::ServerEvent { packet, .. } = event {
                others.send(packet.event_name().unwrap().into_owned()).unwrap();
            }
        })
        .on_error(move |error| errors.send(error.to_string()).unwrap());
    tokio::spawn(router.run(ann, events));
    for (name, argument) in [("news", json!("sunny")), ("news", json!(7)), ("other", json!(0))] {
        let event = Packet::event(name, &(argument,)).unwrap();
        assert!(signaling.emit(&room, &ann_id, &event).unwrap());
    }
    let double = Packet::event("double", &(21,)).unwrap();
    let second = Duration::from_secs(1);
    let answer =
        soon("the answer", signaling.request::<u32>(&room, &ann_id, &double, second)).await;
    assert_eq!(answer.unwrap(), 42);
    for expected in ["sunny", "event \"news\" of the server", "other"] {
        assert_eq!(soon("an event", routed.recv()).await.unwrap(), expected);
    }
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_peer_is_told_and_a_closed_room_is_empty() {
    let server = serve_default().await;
    let (signaling, room) = (server.signaling(), RoomName::default());
    let (ann, mut ann_events, ann_id) = enter(&server.url()).await;
    let (_bob, mut bob_events, bob_id) = enter(&server.url()).await;
    let socket = signaling.socket_of(&room, &ann_id).unwrap();
    assert_eq!(signaling.peer_of(socket.id), Some((room.clone(), ann_id.clone())));
    assert!(signaling.kick(&room, &ann_id));
    assert!(!signaling.kick(&room, &ann_id));
    let left = next_event(&mut bob_events, |event| matches!(event, Event::PeerLeft { .. })).await;
    assert!(matches!(left, Event::PeerLeft { reason: LeaveReason::Kicked, .. }), "{left:?}");
    let refused = next_event(&mut ann_events, |event| matches!(event, Event::Refused(_))).await;
    let Event::Refused(why) = refused else { panic!("{refused:?}") };
    assert_eq!(why.code.as_deref(), Some("kicked"));
    assert_eq!(signaling.peer_of(socket.id), None);
    ann.reconnect();
    let back = next_event(&mut ann_events, |event| matches!(event, Event::Connected { .. })).await;
    assert!(matches!(back, Event::Connected { resumed: false, .. }), "{back:?}");

    assert_eq!(signaling.close_room(&room), 2);
    for events in [&mut ann_events, &mut bob_events] {
        let refused = next_event(events, |event| matches!(event, Event::Refused(_))).await;
        let Event::Refused(why) = refused else { panic!("{refused:?}") };
        assert_eq!(why.code.as_deref(), Some("room-closed"));
    }
    assert!(signaling.members(&room).is_empty());
    assert_eq!(signaling.socket_of(&room, &bob_id).map(|socket| socket.id), None);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_tells_its_peers_when_to_return_and_lets_nobody_in() {
    let server = serve_default().await;
    let url = server.url();
    let (_ann, mut ann_events, _) = enter(&url).await;
    let pause = Duration::from_secs(3);
    assert!(server.signaling().drain(pause, Duration::from_secs(2)).await);
    let gone =
        next_event(&mut ann_events, |event| matches!(event, Event::Disconnected { .. })).await;
    let Event::Disconnected { error: SignalingError::PutOff(why), retry_in } = gone else {
        panic!("{gone:?}")
    };
    assert_eq!((why.code.as_deref(), retry_in), (Some("closing"), pause));
    match soon("a refusal", join(&url).into_future()).await {
        Err(JoinFailure::Server(SignalingError::PutOff(why))) => {
            assert_eq!(why.code.as_deref(), Some("closing"));
        }
        other => panic!("{other:?}"),
    }
    server.close().await;
}
