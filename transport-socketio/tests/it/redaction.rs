//! `Debug` and errors show no password, header or key.

use futures::SinkExt as _;
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::Signaling as _;
use socketio_p2p_core::hub::HubConfig;
use socketio_p2p_core::wire::IceServer;
use socketio_p2p_transport_socketio::{SignalingServer, SocketIoSignaling};

use super::support::serve;

const MARKER: &str = "marker-of-a-secret";
const KEY: [u8; 32] = *b"marker-of-a-secret-and-32-bytes.";

fn assert_hidden(shown: &str) {
    let shown: String = shown.chars().filter(|char| !char.is_whitespace()).collect();
    let list: Vec<String> = KEY[..8].iter().map(u8::to_string).collect();
    assert!(!shown.contains(MARKER) && !shown.contains(&list.join(",")), "{shown}");
}

#[tokio::test]
async fn a_client_shows_neither_password_nor_query_nor_header() {
    // No server listens at this port.
    let url = format!("http://user:{MARKER}@127.0.0.1:9/?token={MARKER}");
    let signaling = SocketIoSignaling::new(&url).unwrap();
    let mut signaling = signaling.with_header("cookie", MARKER).unwrap();
    assert_hidden(&format!("{signaling:?} {signaling:#?}"));
    let error = signaling.connect().await.unwrap_err();
    assert_hidden(&format!("{error} {error:?}"));
    for url in [
        format!("ftp://user:{MARKER}@host"),
        format!("http://{MARKER}:{MARKER}@"),
        format!("http://[{MARKER}"),
    ] {
        let error = SocketIoSignaling::new(&url).unwrap_err();
        assert_hidden(&format!("{error} {error:?}"));
    }
}

#[tokio::test]
async fn a_server_shows_neither_its_keys_nor_turn_credentials() {
    let turn = IceServer::new(["turn:turn.example.org"]).with_credential(MARKER, MARKER);
    let config = HubConfig::default().with_token_key(KEY).with_ice_servers(vec![turn]);
    let server = SignalingServer::new(config).with_seed(KEY);
    assert_hidden(&format!("{server:?} {server:#?}"));
    let listener = serve(server).await;
    assert_hidden(&format!("{listener:?} {listener:#?}"));
    listener.close().await;
}

#[tokio::test]
async fn a_channel_shows_nothing_of_its_buffers() {
    let listener = serve(SignalingServer::default()).await;
    let mut signaling = SocketIoSignaling::new(&listener.url()).unwrap();
    let mut channel = signaling.connect().await.unwrap();
    channel.feed(Frame::from(format!("2[\"e\",\"{MARKER}\"]"))).await.unwrap();
    channel.feed(Frame::from(KEY.to_vec())).await.unwrap();
    assert_hidden(&format!("{channel:?} {channel:#?}"));
    listener.close().await;
}
