//! TLS with a self-signed certificate.

use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use socketio_p2p_core::Frame;
use socketio_p2p_core::driver::Signaling as _;
use socketio_p2p_transport_socketio::SocketIoSignaling;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use crate::support::soon;

const OPEN: &str = r#"0{"sid":"x","pingInterval":60000,"pingTimeout":1}"#;

fn server_config() -> (TlsAcceptor, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

fn client_config(trusted: Option<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = trusted {
        roots.add(certificate).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[tokio::test]
async fn a_server_with_a_trusted_certificate_is_reached_over_tls() {
    let (acceptor, certificate) = server_config();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = acceptor.accept(stream).await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        socket.send(Message::text(OPEN)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("40"));
        socket
    };
    let mut signaling =
        SocketIoSignaling::new(&url).unwrap().with_tls(client_config(Some(certificate)));
    let client = async {
        let mut channel = signaling.connect().await.unwrap();
        channel.send(Frame::from("0")).await.unwrap();
        channel
    };
    soon("the exchange", futures::future::join(client, server)).await;
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_is_refused() {
    let (acceptor, _) = server_config();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stream).await.is_err());
    };
    let mut signaling = SocketIoSignaling::new(&url).unwrap().with_tls(client_config(None));
    let both = futures::future::join(signaling.connect(), server);
    let (refused, ()) = soon("the refusal", both).await;
    let error = refused.unwrap_err().0;
    assert!(error.contains("invalid peer certificate"), "{error}");
}
