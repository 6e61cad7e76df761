//! The `server` program.

use std::net::TcpListener;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use serde_json::json;

use super::process::{Peer, Process, Server, turn};
use crate::support::until;

#[tokio::test]
async fn server_prints_its_url_only() {
    let _turn = turn().await;
    let server = Server::start(&["--host", "127.0.0.1"]).await;
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    assert_ne!(server.port(), "0");
    assert_eq!(server.process.lines().len(), 1);
}

#[tokio::test]
async fn server_names_an_address_in_use() {
    let _turn = turn().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let mut process = Process::start("server", &["--port", &port]);
    process.ends_with(1).await;
    let errors = process.errors();
    assert!(errors.contains(&format!("127.0.0.1:{port}")) && errors.contains("in use"), "{errors}");
}

#[cfg(unix)]
#[tokio::test]
async fn server_tells_its_peers_that_it_ends_and_exits_cleanly_on_sigterm() {
    let _turn = turn().await;
    let mut server = Server::start(&[]).await;
    let peer = Peer::join(&server, &[]).await;
    server.process.terminate();
    server.process.ends_with(0).await;
    peer.error(&["try again later", "the server is closing"]).await;
}

#[tokio::test]
async fn server_warns_when_it_runs_without_a_token_key() {
    let _turn = turn().await;
    let server = Server::start(&[]).await;
    assert!(server.process.errors().contains("no token key"), "{}", server.process.errors());
}

#[tokio::test]
async fn server_prints_the_logs_that_rust_log_asks_for() {
    let _turn = turn().await;
    let server = Server::start_with("0", &[], &[("RUST_LOG", "socketio_p2p=info")]).await;
    let peer = Peer::join(&server, &[]).await;
    let joined = format!("INFO socketio_p2p::hub: joined client=0 room=lobby peer={}", peer.id);
    until("the log", || server.process.errors().contains(&joined)).await;

    let mut process = Process::start_with("server", &[], &[("RUST_LOG", "a=b=c")]);
    process.ends_with(1).await;
    assert!(process.errors().contains("RUST_LOG"), "{}", process.errors());
}

/// The status and the body that the server answers to GET.
async fn get(server: &Server, path: &str) -> (u16, String) {
    let mut http = TcpStream::connect(("127.0.0.1", server.port().parse().unwrap())).await.unwrap();
    let head = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    http.write_all(format!("GET {path} {head}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn server_answers_health_checks_and_scrapes() {
    let _turn = turn().await;
    let server = Server::start(&["--metrics"]).await;
    let peers = Peer::join_all(&server, 2, &[]).await;
    assert_eq!(get(&server, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, numbers) = get(&server, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "# TYPE socketio_p2p_hub_clients gauge",
        "socketio_p2p_hub_clients 2",
        "socketio_p2p_hub_rooms 1",
        "# TYPE socketio_p2p_hub_relayed_total counter",
    ] {
        assert!(numbers.lines().any(|one| one == line), "{line} is not in {numbers}");
    }
    for peer in peers {
        peer.quit().await;
    }
    let without = Server::start(&[]).await;
    assert_eq!(get(&without, "/metrics").await.0, 404);
}

#[tokio::test]
async fn an_invalid_command_line_of_server_is_a_usage_error() {
    let _turn = turn().await;
    for args in [&["--port", "nonsense"][..], &["--room-capacity", "0"], &["--what"]] {
        let mut process = Process::start("server", args);
        process.ends_with(2).await;
        assert!(process.errors().contains(args[0]), "{}", process.errors());
    }
}

#[tokio::test]
async fn an_unreadable_token_key_is_named_and_never_quoted() {
    let _turn = turn().await;
    let mut process = Process::start("server", &["--token-key-file", "no/such/key"]);
    process.ends_with(1).await;
    assert!(process.errors().contains("no/such/key"), "{}", process.errors());
    let secret = "5ec2e7".repeat(10);
    let env = [("SOCKETIO_P2P_TOKEN_KEY", secret.as_str())];
    let mut process = Process::start_with("server", &["--port", "0"], &env);
    process.ends_with(1).await;
    let errors = process.errors();
    assert!(errors.contains("SOCKETIO_P2P_TOKEN_KEY") && !errors.contains("5ec2e7"), "{errors}");
}

#[tokio::test]
async fn peers_keep_their_identity_over_a_server_restart_with_the_same_token_key() {
    let _turn = turn().await;
    let key = std::env::temp_dir().join(format!("processes-key-{}", std::process::id()));
    std::fs::write(&key, format!("{}\n", "0123456789abcdef".repeat(4))).unwrap();
    let args = ["--token-key-file", key.to_str().unwrap()];
    let mut server = Server::start(&args).await;
    let peers = Peer::join_all(&server, 2, &[]).await;
    peers[0].direct_to(&[&peers[1]]).await;
    peers[1].direct_to(&[&peers[0]]).await;
    server.process.kill().await;
    peers[0].error(&["server", "next try"]).await;
    let _server = Server::start_at(server.port(), &args).await;
    for peer in &peers {
        let connected = |events: &[serde_json::Value]| {
            let mut connected = events.iter().filter(|event| event["ev"] == "connected");
            connected.nth(1).cloned()
        };
        let again = peer.until("the second connection", connected).await;
        assert_eq!(again["id"], json!(peer.id));
        assert_eq!(peer.count("peer-left") + peer.count("peer-away"), 0);
    }
    std::fs::remove_file(&key).unwrap();
}
