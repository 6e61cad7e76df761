//! A build without TLS.

use socketio_p2p_transport_socketio::{AddressError, SocketIoSignaling};

#[test]
fn an_https_url_without_tls_support_is_an_error_that_names_the_features() {
    for scheme in ["https", "wss"] {
        let error = SocketIoSignaling::new(&format!("{scheme}://example.org")).unwrap_err();
        assert_eq!(error, AddressError::NoTls { scheme: scheme.to_owned() });
        assert!(error.to_string().contains("rustls-native-roots"), "{error}");
    }
}
