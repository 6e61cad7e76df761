//! Measures the server's CPU time per delivery of a relayed packet for two forms on the wire: a text EVENT with the
//! body as base64url, and a BINARY_EVENT with one attachment, which is two WebSocket messages. Prints a Markdown
//! table.
//!
//! `cargo bench -p socketio-p2p-transport-socketio --bench delivery_form`
//!
//! A separate process runs a Socket.IO server on one thread; the bench measures the CPU time of that thread, the
//! kernel's share included. Ten clients are connected by WebSocket. One uploads, with nine receivers in `to`; the
//! server splits the header and forwards the body unread. Both forms use the same handler. The last column is the
//! signalling server of this crate, whose envelopes are binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{SinkExt as _, StreamExt as _};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_transport_socketio::{SignalingServer, socket_io_builder};
use socketioxide::SocketIoBuilder;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::SocketRef;
use socketioxide::handler::{MessageHandler, Value};
use socketioxide::socket::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const MEMBERS: usize = 10;
const RECEIVERS: usize = MEMBERS - 1;
const BODIES: [usize; 5] = [64, 256, 1024, 4096, 16_384];
/// Maximum uploads in flight: 1, so that each delivery is flushed by itself, and 16.
const WINDOWS: [usize; 2] = [1, 16];
const UPLOADS: u32 = 2_000;
/// Rounds, in each of which every form takes its turn; the best round counts.
const ROUNDS: usize = 5;

fn main() {
    let role = std::env::args().nth(1).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match role.as_str() {
        "serve-bare" => runtime.block_on(serve_bare()),
        "serve-ours" => runtime.block_on(serve_ours()),
        _ => runtime.block_on(measure()),
    }
}

// ----- measuring -----

async fn measure() {
    println!("µs of server CPU per delivery, room of {MEMBERS}, best of {ROUNDS}\n");
    println!(
        "| body | uploads in flight | text, base64url | binary | text : binary | our server, binary |"
    );
    println!("|--:|--:|--:|--:|--:|--:|");
    let mut bare = Room::open("serve-bare").await;
    let mut ours = Room::open("serve-ours").await;
    for window in WINDOWS {
        for body in BODIES {
            let mut best = [f64::INFINITY; 3];
            for _ in 0..ROUNDS {
                let [text, binary, of_ours] = &mut best;
                *text = text.min(bare.run(Form::Text, body, window).await);
                *binary = binary.min(bare.run(Form::Binary, body, window).await);
                *of_ours = of_ours.min(ours.run(Form::Binary, body, window).await);
            }
            let [text, binary, of_ours] = best;
            let ratio = text / binary;
            println!("| {body} | {window} | {text:.2} | {binary:.2} | {ratio:.2} | {of_ours:.2} |");
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Text,
    Binary,
}

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server and its clients; the last client uploads.
struct Room {
    server: Child,
    clients: Vec<WebSocket>,
    ids: Vec<String>,
}

impl Room {
    async fn open(role: &str) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut server =
            Command::new(this).arg(role).stdout(Stdio::piped()).spawn().expect("no server");
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", address.trim());
        let (mut clients, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..MEMBERS {
            let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
            socket.send(Message::text(r#"40{"p2p":{"v":1}}"#)).await.unwrap();
            ids.push(read_id(&mut socket).await);
            clients.push(socket);
        }
        Self { server, clients, ids }
    }

    /// Microseconds per delivery.
    async fn run(&mut self, form: Form, body: usize, window: usize) -> f64 {
        let body: Vec<u8> = (0..body).map(|at| (at * 167 + at / 256) as u8).collect();
        let ids = &self.ids[..RECEIVERS];
        let (receivers, sender) = self.clients.split_at_mut(RECEIVERS);
        let permits = Semaphore::new(window * RECEIVERS);
        let send = async {
            for number in 0..UPLOADS {
                permits.acquire_many(RECEIVERS as u32).await.unwrap().forget();
                for message in upload(form, ids, number, &body) {
                    sender[0].feed(message).await.unwrap();
                }
                sender[0].flush().await.unwrap();
            }
        };
        let receive = receivers.iter_mut().map(|receiver| receive(receiver, form, &permits));
        let before = cpu_nanos(&self.server);
        futures::join!(send, futures::future::join_all(receive));
        let spent = cpu_nanos(&self.server) - before;
        spent as f64 / 1e3 / f64::from(UPLOADS) / RECEIVERS as f64
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The scheduler's CPU time of the server's only busy thread, in nanoseconds.
fn cpu_nanos(server: &Child) -> u64 {
    let counted = std::fs::read_to_string(format!("/proc/{}/schedstat", server.id()))
        .expect("the CPU time of another process is read as on Linux");
    counted.split_whitespace().next().unwrap().parse().unwrap()
}

/// Returns the peer id in the welcome.
async fn read_id(socket: &mut WebSocket) -> String {
    loop {
        let message = next(socket).await;
        let text = message.to_text().unwrap_or_default();
        if let Some((_, rest)) = text.split_once(r#""id":""#) {
            return rest.split('"').next().unwrap().to_owned();
        }
    }
}

fn upload(form: Form, ids: &[String], number: u32, body: &[u8]) -> Vec<Message> {
    let recipient = |id: &String| {
        format!(r#"{{"id":"{id}","epoch":41,"for":87,"lane":0,"seq":{}}}"#, 1000 + number)
    };
    let to: Vec<_> = ids.iter().map(recipient).collect();
    let to = to.join(",");
    match form {
        Form::Text => {
            let body = URL_SAFE_NO_PAD.encode(body);
            vec![Message::text(format!(r#"42["p2p:relay",{{"to":[{to}]}},"{body}"]"#))]
        }
        Form::Binary => {
            let head =
                format!(r#"451-["p2p:relay",{{"to":[{to}]}},{{"_placeholder":true,"num":0}}]"#);
            vec![Message::text(head), Message::binary(body.to_vec())]
        }
    }
}

async fn receive(socket: &mut WebSocket, form: Form, permits: &Semaphore) {
    for _ in 0..UPLOADS {
        loop {
            let message = next(socket).await;
            let delivered = match form {
                Form::Text => {
                    message.to_text().is_ok_and(|text| text.starts_with("42[\"p2p:relay"))
                }
                Form::Binary => message.is_binary(),
            };
            if delivered {
                break;
            }
        }
        permits.add_permits(1);
    }
}

async fn next(socket: &mut WebSocket) -> Message {
    socket.next().await.unwrap().unwrap()
}

// ----- the servers -----

async fn serve_ours() {
    let (layer, io) = builder().build_layer();
    let _handle = SignalingServer::new(HubConfig::default()).attach(&io, "/").unwrap();
    serve(Router::new().layer(layer)).await;
}

/// A server that handles an upload as ours does, without rooms and queues.
async fn serve_bare() {
    let (layer, io) = builder().build_layer();
    let sockets: Sockets = Arc::default();
    io.ns("/", async move |socket: SocketRef| {
        let id = format!("{:0>22}", socket.id.as_str());
        socket.emit("welcome", &Id { id: &id }).unwrap();
        socket.on_fallback(Relay { sockets: Arc::clone(&sockets), from: id.clone() });
        sockets.lock().unwrap().insert(id, socket);
    });
    serve(Router::new().layer(layer)).await;
}

/// A builder with long ping intervals: clients that are not measured at the time answer no ping.
fn builder() -> SocketIoBuilder {
    let long = Duration::from_secs(24 * 3600);
    socket_io_builder(&HubConfig::default()).ping_interval(long).ping_timeout(long)
}

async fn serve(app: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, app).await.unwrap();
}

type Sockets = Arc<Mutex<BTreeMap<String, SocketRef>>>;

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

struct Relay {
    sockets: Sockets,
    from: String,
}

#[derive(Deserialize)]
struct UploadHeader<'a> {
    #[serde(borrow)]
    to: Vec<Recipient<'a>>,
}

#[derive(Deserialize)]
struct Recipient<'a> {
    id: &'a str,
    epoch: u32,
    #[serde(rename = "for")]
    peer_epoch: u32,
    lane: u8,
    seq: u64,
}

#[derive(Serialize)]
struct DownloadHeader<'a> {
    from: &'a str,
    epoch: u32,
    #[serde(rename = "for")]
    peer_epoch: u32,
    lane: u8,
    seq: u64,
}

struct Part<'a>(&'a [u8]);

impl Serialize for Part<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl MessageHandler<LocalAdapter, Self> for Relay {
    fn call(&self, _: Arc<Socket>, value: Value, _: Option<i64>) {
        let Value::Str(payload, attachments) = value else { panic!("binary payload") };
        match attachments {
            None => {
                let (_, header, body): (&str, UploadHeader<'_>, &RawValue) =
                    serde_json::from_str(&payload).unwrap();
                self.pass(header, &body);
            }
            Some(attachments) => {
                let (_, header, IgnoredAny): (&str, UploadHeader<'_>, IgnoredAny) =
                    serde_json::from_str(&payload).unwrap();
                self.pass(header, &Part(&attachments[0]));
            }
        }
    }
}

impl Relay {
    fn pass<B: Serialize>(&self, header: UploadHeader<'_>, body: &B) {
        let sockets = self.sockets.lock().unwrap();
        for Recipient { id, epoch, peer_epoch, lane, seq } in header.to {
            let header = DownloadHeader { from: &self.from, epoch, peer_epoch, lane, seq };
            sockets[id].emit("p2p:relay", &(header, body)).unwrap();
        }
    }
}
