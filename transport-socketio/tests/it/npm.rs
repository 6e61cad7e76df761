//! Interoperability with the JavaScript libraries: their clients with our server, our client with their server.

use std::path::PathBuf;
use std::process::Stdio;

use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::codec::Blob;
use socketio_p2p_core::driver::Signaling as _;
use socketio_p2p_core::{Packet, PacketType};
use socketio_p2p_transport_socketio::SocketIoSignaling;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use crate::support::{Client, serve_default, soon};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/npm")
}

/// Whether Node and the npm packages are available. Without them a test is skipped and its name printed; with
/// `CI=true` it fails.
async fn node(test: &str) -> bool {
    static READY: OnceCell<Result<(), String>> = OnceCell::const_new();
    match READY.get_or_init(install).await {
        Ok(()) => true,
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("{test}: expected Node.js and npm: {why}")
        }
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}. Install Node.js 20 or later with npm.");
            false
        }
    }
}

async fn install() -> Result<(), String> {
    let node = Command::new("node").arg("--version").stdin(Stdio::null()).output().await;
    node.map_err(|error| format!("node does not start: {error}"))?;
    let modified = |path: &str| folder().join(path).metadata().and_then(|file| file.modified());
    let installed = modified("node_modules/.package-lock.json");
    let locked = modified("package-lock.json").map_err(|error| error.to_string())?;
    if installed.is_ok_and(|installed| installed >= locked) {
        return Ok(());
    }
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder())
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("npm does not start: {error}"))?;
    if npm.status.success() {
        Ok(())
    } else {
        Err(format!("`npm ci` failed: {}", String::from_utf8_lossy(&npm.stderr)))
    }
}

async fn v0_scenario(test: &str, version: &str, transports: &str) {
    if !node(test).await {
        return;
    }
    let server = serve_default().await;
    let script = Command::new("node")
        .arg(folder().join("v0.mjs"))
        .args([&server.url(), version, transports])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = soon("the script", script).await.unwrap();
    let (said, failed) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{said}\n{failed}");
    crate::support::until("all clients have left", || server.signaling().stats().hub.clients == 0)
        .await;
    server.close().await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_4_over_websocket() {
    v0_scenario("original_clients_on_socket_io_4_over_websocket", "4", "websocket").await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_4_over_polling() {
    v0_scenario("original_clients_on_socket_io_4_over_polling", "4", "polling").await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_4_with_upgrade() {
    v0_scenario("original_clients_on_socket_io_4_with_upgrade", "4", "polling,websocket").await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_2_over_websocket() {
    v0_scenario("original_clients_on_socket_io_2_over_websocket", "2", "websocket").await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_2_over_polling() {
    v0_scenario("original_clients_on_socket_io_2_over_polling", "2", "polling").await;
}

#[tokio::test]
async fn v0_clients_on_socket_io_2_with_upgrade() {
    v0_scenario("original_clients_on_socket_io_2_with_upgrade", "2", "polling,websocket").await;
}

/// The reference server. Dropping this ends it.
struct Reference {
    _process: Child,
    url: String,
}

async fn reference(test: &str) -> Option<Reference> {
    if !node(test).await {
        return None;
    }
    let mut process = Command::new("node")
        .arg(folder().join("server.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = soon("the port of the server", lines.next_line()).await.unwrap().unwrap();
    Some(Reference { _process: process, url: format!("http://127.0.0.1:{port}") })
}

#[tokio::test]
async fn our_client_exchanges_events_with_the_reference_server() {
    let Some(server) = reference("our_client_exchanges_events_with_the_reference_server").await
    else {
        return;
    };
    let url = format!("{}/?room=7", server.url);
    let auth = serde_json::json!({"key": "é"});
    let (mut client, answer) = Client::connect_with(&url, Some(&auth)).await;
    assert_eq!(answer.packet_type(), PacketType::Connect);
    assert!(answer.payload().starts_with(r#"{"sid":""#), "{}", answer.payload());
    assert_eq!(client.packet().await.payload(), r#"["hello",{"key":"é"},"7"]"#);

    // Acknowledgements both ways.
    client.send(&Packet::event("ask", &("a", 1)).unwrap().with_ack_id(17)).await;
    let ack = client.packet().await;
    assert_eq!((ack.packet_type(), ack.ack_id()), (PacketType::Ack, Some(17)));
    assert_eq!(ack.payload(), r#"["a",1]"#);
    client.emit("ask-me", &()).await;
    let question = client.packet().await;
    let id = question.ack_id().unwrap();
    client.send(&Packet::ack(id, &("yes",)).unwrap()).await;
    assert_eq!(client.packet().await.payload(), r#"["heard","yes"]"#);

    // Three attachments, nested, one of them empty.
    let blobs = [vec![0, 255, 30], vec![], vec![7; 100_000]].map(Blob::from);
    let [a, b, c] = &blobs;
    client.emit("echo", &(a, serde_json::json!({"x": [1.5]}), vec![b, c])).await;
    let echo = client.packet().await;
    assert_eq!(echo.packet_type(), PacketType::BinaryEvent);
    let (first, json, rest): (Blob, serde_json::Value, Vec<Blob>) = echo.args().unwrap();
    assert_eq!(json, serde_json::json!({"x": [1.5]}));
    assert_eq!([first, rest[0].clone(), rest[1].clone()], blobs);

    // Pings continue during the pause.
    client.emit("ping-count", &()).await;
    assert_eq!(client.packet().await.payload(), r#"["pongs",3]"#);

    client.emit("cut", &()).await;
    client.end().await;
    let (mut again, _) = Client::connect_with(&url, None).await;
    assert_eq!(again.packet().await.payload(), r#"["hello",{},"7"]"#);
}

#[tokio::test]
async fn a_connect_error_of_the_reference_server_has_its_code() {
    let Some(server) = reference("a_connect_error_of_the_reference_server_has_its_code").await
    else {
        return;
    };
    let auth = serde_json::json!({"refused": true});
    let (_, answer) = Client::connect_with(&server.url, Some(&auth)).await;
    assert_eq!(answer.packet_type(), PacketType::ConnectError);
    assert_eq!(answer.payload(), r#"{"message":"refused","data":{"code":"no"}}"#);
}

#[tokio::test]
async fn a_message_over_the_reference_servers_limit_is_not_sent() {
    let Some(server) = reference("what_the_reference_server_would_not_take_is_not_sent").await
    else {
        return;
    };
    let mut signaling = SocketIoSignaling::new(&server.url).unwrap();
    let mut channel = soon("a connection", signaling.connect()).await.unwrap();
    assert_eq!(channel.max_payload(), 1_000_000);
    let error = channel.send(vec![0; 1_000_001].into()).await.unwrap_err().0;
    assert!(
        error.contains(
            "expected a message of at most 1000000 bytes (the server's limit), got 1000001"
        ),
        "{error}"
    );
    channel.send(socketio_p2p_core::Frame::from("0")).await.unwrap();
    assert!(soon("an answer", channel.next()).await.unwrap().is_ok(), "the connection is intact");
}

#[tokio::test]
async fn the_error_of_a_wrong_path_quotes_the_reference_server() {
    let Some(server) = reference("a_wrong_path_is_an_error_with_the_reference_servers_words").await
    else {
        return;
    };
    let url = format!("{}/?transport=carrier-pigeon", server.url);
    let mut signaling = SocketIoSignaling::new(&url).unwrap();
    let error = soon("an answer", signaling.connect()).await.unwrap_err().0;
    assert!(error.contains("the server answered 400"), "{error}");
}
