//! A peer in a page of headless Chromium, built by the step `web` of `.ci/run`, against a native one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::{get, post};
use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::handle::{Events, Peer};
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::{Event, LeaveReason, Packet, Path, ReplyToken, Target};
use socketio_p2p_transport_socketio::{Listener, SignalingServer, join};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::chromium::{self, Chromium};
use crate::support::{next_event, soon, until};

/// The folder into which `wasm-bindgen` has put the page.
const BUILT: &str = "SOCKETIO_P2P_PAGE";

#[tokio::test]
async fn a_page_talks_to_a_native_peer_by_the_same_core() {
    let Some(mut page) = Page::serve("a_page_talks_to_a_native_peer_by_the_same_core").await else {
        return;
    };
    let url = page.url();
    let (peer, mut events) = join(&url).room("page").unwrap().await.unwrap();
    page.open("talk", &url);
    page.with(talk(&peer, &mut events)).await;
    page.server.close().await;
}

#[tokio::test]
async fn a_page_waits_for_a_slow_server_and_names_the_end_of_a_connection() {
    let test = "a_page_waits_for_a_slow_server_and_names_the_end_of_a_connection";
    let Some(mut page) = Page::serve(test).await else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    page.open("fill", &format!("http://{}", listener.local_addr().unwrap()));
    page.with(async {
        let mut first = accept(&listener).await;
        // The page opens it when the first is full.
        let mut second = accept(&listener).await;
        let mut bytes = 0;
        loop {
            match soon("a message", first.next()).await.unwrap().unwrap() {
                Message::Binary(message) => bytes += message.len(),
                last => {
                    assert_eq!(last, Message::text("4the last"));
                    break;
                }
            }
        }
        assert!(bytes > 0);
        second.send(Message::binary(vec![0; 2_000_000])).await.unwrap();
        let policy = CloseFrame { code: CloseCode::Policy, reason: "enough".into() };
        first.close(Some(policy)).await.unwrap();
        // Until the browser has answered the close.
        while let Some(Ok(_)) = soon("the end", first.next()).await {}
    })
    .await;
    page.server.close().await;
}

/// A connection of the page, after the handshake of Engine.IO.
async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    const OPEN: &str =
        r#"0{"sid":"x","upgrades":[],"pingInterval":60000,"pingTimeout":1,"maxPayload":1000000}"#;
    let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    socket.send(Message::text(OPEN)).await.unwrap();
    socket
}

/// Sends blobs back, answers a question, asks one, and sees the page leave.
async fn talk(peer: &Peer, events: &mut Events) {
    let joined = next_event(events, |event| matches!(event, Event::PeerJoined { .. })).await;
    let Event::PeerJoined { peer: page, .. } = joined else { panic!("{joined:?}") };
    for length in [0, 1, 100_000] {
        let (packet, _) = received(events, "blob").await;
        let (announced, blob) = packet.args::<(usize, Blob)>().unwrap();
        assert_eq!((announced, blob.len()), (length, length));
        let echo = Packet::event("blob", &(length, blob)).unwrap();
        assert!(peer.emit(Target::from(page.clone()), &echo).await.unwrap().rejected.is_empty());
    }
    let (question, reply) = received(events, "add").await;
    let (a, b) = question.args::<(i32, i32)>().unwrap();
    peer.reply(&reply.unwrap(), &(a + b,)).await.unwrap();
    let question = Packet::event("multiply", &(6, 7)).unwrap();
    assert_eq!(peer.request(&page, &question).args::<(i32,)>().await.unwrap(), (42,));
    let left = next_event(events, |event| matches!(event, Event::PeerLeft { .. })).await;
    assert!(matches!(left, Event::PeerLeft { reason: LeaveReason::Left, .. }), "{left:?}");
}

async fn received(events: &mut Events, name: &str) -> (Packet, Option<ReplyToken>) {
    let event = next_event(events, |event| matches!(event, Event::Received { .. })).await;
    let Event::Received { packet, reply, path, .. } = event else { panic!("{event:?}") };
    assert_eq!((packet.event_name().as_deref(), path), (Some(name), Path::Relay));
    (packet, reply)
}

/// The page on a server, and its report.
struct Page {
    test: &'static str,
    program: String,
    chromium: Option<Chromium>,
    server: Listener,
    report: Arc<Mutex<String>>,
}

impl Page {
    /// Serves the page, or returns `None` after saying what is missing.
    async fn serve(test: &'static str) -> Option<Self> {
        let Some(built) = std::env::var_os(BUILT) else {
            println!("skipped {test}: expected {BUILT}, which `.ci/run web` sets");
            return None;
        };
        let program = chromium::find(test)?;
        let report = Arc::<Mutex<String>>::default();
        let routes = routes(built.into(), Arc::clone(&report));
        let server = SignalingServer::new(HubConfig::default());
        let server = server.listen_with("127.0.0.1:0", routes).await.unwrap();
        Some(Self { test, program, chromium: None, server, report })
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.local_addr())
    }

    /// Opens the page, which calls this function of its program.
    fn open(&mut self, function: &str, url: &str) {
        let page = format!("{}/?do={function}&url={url}", self.url());
        self.chromium = Some(Chromium::open(&self.program, self.test, &[], &page));
    }

    /// Does what the page needs, and expects that the page reports success.
    async fn with(&self, act: impl Future<Output = ()>) {
        let reported = async {
            until("the report of the page", || !self.report.lock().unwrap().is_empty()).await;
            let report = self.report.lock().unwrap().clone();
            assert_eq!(report, "done");
        };
        tokio::join!(act, reported);
    }
}

/// The page, its program, and the place for its report.
fn routes(built: PathBuf, report: Arc<Mutex<String>>) -> Router {
    let file = |name: &str, kind: &'static str| {
        let bytes = std::fs::read(built.join(name)).unwrap();
        get(async move || ([(CONTENT_TYPE, kind)], bytes.clone()))
    };
    Router::new()
        .route("/", get(async || Html(include_str!("../page/index.html"))))
        .route("/page.js", file("page.js", "text/javascript"))
        .route("/page_bg.wasm", file("page_bg.wasm", "application/wasm"))
        .route("/report", post(async move |text: String| *report.lock().unwrap() = text))
}
