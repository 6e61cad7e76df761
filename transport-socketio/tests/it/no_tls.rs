//! A build without TLS.

use socketio_p2p_core::driver::Signaling as _;
use socketio_p2p_transport_socketio::SocketIoSignaling;

use crate::support::soon;

#[tokio::test]
async fn an_https_url_without_tls_support_is_an_error_that_names_the_reason() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut signaling = SocketIoSignaling::new(&url).unwrap();
    let error = soon("the refusal", signaling.connect()).await.unwrap_err().0;
    assert!(error.contains("TLS support not compiled in"), "{error}");
}
