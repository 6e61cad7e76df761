//! The client against intact, faulty and missing servers.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::{Signaling as _, TransportError};
use socketio_p2p_transport_socketio::{SocketIoChannel, SocketIoSignaling};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::soon;

const OPEN: &str =
    r#"0{"sid":"x","upgrades":[],"pingInterval":60000,"pingTimeout":1,"maxPayload":1000}"#;

async fn connect(url: &str) -> Result<SocketIoChannel, TransportError> {
    let mut signaling = SocketIoSignaling::new(url).unwrap();
    soon("an answer", signaling.connect()).await
}

/// A connection to a server that the test controls below Socket.IO.
async fn scripted(open: &str) -> (SocketIoChannel, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::text(open)).await.unwrap();
        socket
    };
    let (channel, server) =
        soon("a connection", futures::future::join(connect(&url), server)).await;
    (channel.unwrap(), server)
}

#[tokio::test]
async fn connecting_to_a_missing_server_is_an_error_that_names_it() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = connect(&format!("http://user:secret@{free}/?token=secret")).await.unwrap_err().0;
    let expected = format!("cannot connect to ws://{free}/socket.io/: ");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("refused") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn connecting_to_a_silent_server_ends_after_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut signaling =
        SocketIoSignaling::new(&url).unwrap().with_connect_timeout(Duration::from_millis(50));
    let error = soon("the time-out", signaling.connect()).await.unwrap_err().0;
    assert!(error.ends_with("no answer within 50ms"), "{error}");
}

/// Answers each request with `answer`, and returns the request.
async fn http_server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, server)
}

#[tokio::test]
async fn the_error_of_a_server_without_socket_io_quotes_its_answer() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nno transport";
    let (url, _server) = http_server(answer).await;
    let error = connect(&url).await.unwrap_err().0;
    assert!(error.contains("the server answered 400 Bad Request no transport"), "{error}");
}

#[tokio::test]
async fn path_query_credentials_and_headers_reach_the_server() {
    let (url, server) = http_server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let url = format!("{}/app?room=x", url.replace("http://", "http://user:pw@"));
    let mut signaling =
        SocketIoSignaling::new(&url).unwrap().with_header("cookie", "session=1").unwrap();
    assert!(soon("an answer", signaling.connect()).await.is_err());
    let request = soon("the request", server).await.unwrap();
    assert!(
        request.starts_with("GET /app/?EIO=4&transport=websocket&room=x HTTP/1.1"),
        "{request}"
    );
    for header in ["authorization: Basic dXNlcjpwdw==", "cookie: session=1"] {
        assert!(request.contains(header), "{request}");
    }
    let shown = format!("{signaling:?}");
    assert!(!shown.contains("pw") && !shown.contains("session"), "{shown}");
}

#[tokio::test]
async fn the_error_of_an_invalid_header_names_it() {
    let signaling = SocketIoSignaling::new("http://localhost").unwrap();
    let error = signaling.with_header("x-key", "secret\n").unwrap_err().to_string();
    assert_eq!(error, r#"the request header "x-key" has an invalid name or value"#);
}

#[tokio::test]
async fn the_error_of_an_invalid_engine_io_handshake_names_the_packet() {
    for (open, expected) in [
        ("hello", "expected an Engine.IO open packet, got packet type 'h'"),
        ("0{}", "the Engine.IO open packet is invalid"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.send(Message::text(open)).await.unwrap();
            socket
        };
        let (refused, _server) = futures::future::join(connect(&url), server).await;
        let error = refused.unwrap_err().0;
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn text_and_binary_frames_pass_both_ways() {
    let (mut channel, mut server) = scripted(OPEN).await;
    assert_eq!(channel.max_payload(), 1000);
    channel.send(Frame::from("2[\"é\"]")).await.unwrap();
    channel.send(Frame::from(vec![1, 2])).await.unwrap();
    channel.send(Frame::from(Bytes::new())).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("42[\"é\"]"));
    assert_eq!(server.next().await.unwrap().unwrap(), Message::binary(vec![1, 2]));
    assert_eq!(server.next().await.unwrap().unwrap(), Message::binary(vec![]));
    for message in [Message::text("42[\"ö\"]"), Message::text("4"), Message::binary(vec![3])] {
        server.send(message).await.unwrap();
    }
    for frame in [Frame::from("2[\"ö\"]"), Frame::from(""), Frame::from(vec![3])] {
        assert_eq!(soon("a frame", channel.next()).await, Some(Ok(frame)));
    }
}

#[tokio::test]
async fn pings_are_answered_while_the_application_only_reads() {
    let (mut channel, mut server) = scripted(OPEN).await;
    let reading = tokio::spawn(async move { channel.next().await });
    for _ in 0..3 {
        server.send(Message::text("2")).await.unwrap();
        let pong = soon("a pong", server.next()).await.unwrap().unwrap();
        assert_eq!(pong, Message::text("3"));
    }
    server.send(Message::text("4x")).await.unwrap();
    assert_eq!(soon("a frame", reading).await.unwrap(), Some(Ok(Frame::from("x"))));
}

#[tokio::test]
async fn pings_are_answered_while_the_stream_and_the_sink_are_on_two_tasks() {
    let (channel, mut server) = scripted(OPEN).await;
    let (mut sink, mut stream) = channel.split();
    let reading = tokio::spawn(async move { while stream.next().await.is_some() {} });
    let writing = tokio::spawn(async move {
        for _ in 0..20_000 {
            sink.feed(Frame::from(vec![7; 999])).await.unwrap();
        }
        sink.flush().await.unwrap();
    });
    // The server does not read, so that the writer is blocked when the ping comes.
    server.send(Message::text("2")).await.unwrap();
    let (mut blobs, mut pongs) = (0, 0);
    while blobs < 20_000 || pongs < 1 {
        match soon("everything", server.next()).await.unwrap().unwrap() {
            Message::Binary(_) => blobs += 1,
            Message::Text(text) if text == "3" => pongs += 1,
            other => panic!("expected a blob or a pong, got {other}"),
        }
    }
    soon("the writer", writing).await.unwrap();
    drop(server);
    soon("the reader", reading).await.unwrap();
}

#[tokio::test]
async fn a_server_silent_beyond_its_ping_interval_and_timeout_is_an_error() {
    let open = r#"0{"sid":"x","pingInterval":60,"pingTimeout":40}"#;
    let (mut channel, _server) = scripted(open).await;
    let error = soon("the time-out", channel.next()).await.unwrap().unwrap_err().0;
    assert!(error.contains("expected a ping of the server within"), "{error}");
    assert_eq!(channel.next().await, None);
}

#[tokio::test]
async fn a_close_by_the_server_ends_the_stream() {
    let (mut channel, mut server) = scripted(OPEN).await;
    server.send(Message::text("1")).await.unwrap();
    assert_eq!(soon("the end", channel.next()).await, None);
    let (mut channel, mut server) = scripted(OPEN).await;
    server.close(None).await.unwrap();
    assert_eq!(soon("the end", channel.next()).await, None);
}

#[tokio::test]
async fn a_broken_connection_is_an_error_and_then_ends_the_stream() {
    let (mut channel, server) = scripted(OPEN).await;
    drop(server);
    let error = soon("the error", channel.next()).await.unwrap().unwrap_err().0;
    assert!(error.starts_with("the connection to ws://127.0.0.1:"), "{error}");
    assert_eq!(channel.next().await, None);
}

#[tokio::test]
async fn an_unexpected_engine_io_packet_is_an_error() {
    let (mut channel, mut server) = scripted(OPEN).await;
    server.send(Message::text("5")).await.unwrap();
    let error = soon("the error", channel.next()).await.unwrap().unwrap_err().0;
    assert!(error.contains("got packet type '5'"), "{error}");
}

#[tokio::test]
async fn messages_over_the_message_limit_are_errors_in_both_directions() {
    let (mut channel, _server) = scripted(OPEN).await;
    let fits = Frame::from("x".repeat(999));
    channel.send(fits).await.unwrap();
    let error = channel.send(Frame::from("x".repeat(1000))).await.unwrap_err().0;
    assert!(
        error.contains("expected a message of at most 1000 bytes (the server's limit), got 1001"),
        "{error}"
    );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::text(OPEN)).await.unwrap();
        socket.send(Message::binary(vec![0; 101])).await.unwrap();
        socket
    };
    let mut signaling = SocketIoSignaling::new(&url).unwrap().with_max_message(100);
    let (channel, _server) = futures::future::join(signaling.connect(), server).await;
    let error = soon("the error", channel.unwrap().next()).await.unwrap().unwrap_err().0;
    assert!(error.contains("Message too long: 101 > 100"), "{error}");
}
