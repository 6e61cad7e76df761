//! What a native program can say about the request that opens a connection: headers and TLS.

#[cfg(feature = "rustls")]
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use super::super::address::{Address, AddressError};

/// Headers and TLS configuration.
#[derive(Clone, Default)]
pub(in crate::client) struct Options {
    headers: Vec<(HeaderName, HeaderValue)>,
    #[cfg(feature = "rustls")]
    pub(in crate::client) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Options {
    pub(in crate::client) fn add_header(
        &mut self,
        name: &str,
        value: &str,
    ) -> Result<(), AddressError> {
        let invalid = || AddressError::Header { name: name.to_owned() };
        let header = HeaderName::try_from(name).map_err(|_| invalid())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        value.set_sensitive(true);
        self.headers.push((header, value));
        Ok(())
    }

    pub(super) fn request(&self, address: &Address) -> Result<Request, WsError> {
        let mut request = address.url.as_str().into_client_request()?;
        let headers = request.headers_mut();
        if let Some(user) = &address.user
            && let Ok(mut value) = HeaderValue::try_from(authorization(user))
        {
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        headers.extend(self.headers.iter().cloned());
        Ok(request)
    }

    /// The application's TLS configuration; `None` for the default of the library.
    #[cfg(feature = "rustls")]
    pub(super) fn tls(
        &self,
        address: &Address,
    ) -> Result<Option<tokio_tungstenite::Connector>, WsError> {
        if let Some(config) = self.tls.clone() {
            return Ok(Some(tokio_tungstenite::Connector::Rustls(config)));
        }
        #[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
        {
            // Fails when the process has already chosen a cryptography provider, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let _ = address;
            Ok(None)
        }
        #[cfg(not(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots")))]
        if address.url.starts_with("wss:") {
            Err(tokio_tungstenite::tungstenite::error::UrlError::TlsFeatureNotEnabled.into())
        } else {
            Ok(None)
        }
    }
}

/// The `Authorization` header for the user and the password of a URL.
fn authorization(user: &str) -> String {
    let user = if user.contains(':') { user.to_owned() } else { format!("{user}:") };
    format!("Basic {}", STANDARD.encode(percent_decode(&user)))
}

/// Decodes percent-encoding (`%41`) in the user information. Invalid escapes stay unchanged.
fn percent_decode(text: &str) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                (None, _) | (_, None) => bytes.push(first),
            },
            (_, _) => bytes.push(first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_the_url_become_an_authorization_header() {
        assert_eq!(authorization("user:secret"), "Basic dXNlcjpzZWNyZXQ=");
        assert_eq!(
            authorization("user:p%40s%zz"),
            format!("Basic {}", STANDARD.encode("user:p@s%zz"))
        );
        assert_eq!(authorization("user"), format!("Basic {}", STANDARD.encode("user:")));
    }
}
