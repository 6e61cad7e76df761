//! Where the server is: the URL that the user gives, and the URL of the WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use tokio_tungstenite::tungstenite::http::Uri;

/// The path at which Socket.IO servers listen unless told otherwise.
const DEFAULT_PATH: &str = "/socket.io/";

/// A URL that leads to no Socket.IO server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It cannot be read. The text is not repeated: it may hold a password.
    #[error("the server's URL cannot be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// It names no host.
    #[error("the server's URL names no host")]
    NoHost,
    /// Another scheme than the four.
    #[error("the server's URL starts with http://, https://, ws:// or wss://, not {scheme:?}")]
    Scheme {
        /// The scheme that came.
        scheme: String,
    },
    /// A header that HTTP does not allow. The value is not repeated.
    #[error("{name:?} is not a valid header, or its value is not")]
    Header {
        /// The name of the header.
        name: String,
    },
}

/// A server's address, taken apart.
#[derive(Clone)]
pub(super) struct Address {
    /// The URL of the WebSocket.
    pub(super) url: String,
    /// Scheme, host, port and path: what errors show. No credentials, no query.
    pub(super) shown: String,
    /// `Authorization`, from the user and the password in the URL.
    pub(super) authorization: Option<String>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, AddressError> {
        let malformed = |reason: String| AddressError::Malformed { reason };
        // The `http` crate does not know fragments as part of a URI.
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let uri: Uri = url.parse().map_err(|error| malformed(format!("{error}")))?;
        let scheme = match uri.scheme_str() {
            Some("http" | "ws") => "ws",
            Some("https" | "wss") => "wss",
            Some(scheme) => return Err(AddressError::Scheme { scheme: scheme.to_owned() }),
            None => return Err(AddressError::Scheme { scheme: String::new() }),
        };
        let authority = uri.authority().ok_or(AddressError::NoHost)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        if authority.host().is_empty() {
            return Err(AddressError::NoHost);
        }
        let path = match uri.path() {
            "" | "/" => DEFAULT_PATH.to_owned(),
            path if path.ends_with('/') => path.to_owned(),
            path => format!("{path}/"),
        };
        let query = uri.query().filter(|query| !query.is_empty());
        let query = query.map_or_else(String::new, |query| format!("&{query}"));
        Ok(Self {
            url: format!("{scheme}://{host}{path}?EIO=4&transport=websocket{query}"),
            shown: format!("{scheme}://{host}{path}"),
            authorization: user.map(|user| {
                let user = if user.contains(':') { user.to_owned() } else { format!("{user}:") };
                format!("Basic {}", STANDARD.encode(percent_decode(&user)))
            }),
        })
    }
}

/// Undoes `%41` for the user information. What is no escape stays as it is.
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
    fn every_scheme_and_path_leads_to_the_websocket() {
        for (given, expected) in [
            ("http://localhost:3000", "ws://localhost:3000/socket.io/?EIO=4&transport=websocket"),
            ("https://example.org/", "wss://example.org/socket.io/?EIO=4&transport=websocket"),
            ("ws://[::1]:80/app", "ws://[::1]:80/app/?EIO=4&transport=websocket"),
            ("wss://a.b/app/", "wss://a.b/app/?EIO=4&transport=websocket"),
            (
                "http://a/?key=1&x=%20#top",
                "ws://a/socket.io/?EIO=4&transport=websocket&key=1&x=%20",
            ),
            ("http://u:p@a:1/", "ws://a:1/socket.io/?EIO=4&transport=websocket"),
        ] {
            assert_eq!(Address::parse(given).unwrap().url, expected, "{given}");
        }
    }

    #[test]
    fn what_errors_show_has_neither_credentials_nor_query() {
        let address =
            Address::parse("https://user:secret@example.org:8443/p?token=secret").unwrap();
        assert_eq!(address.shown, "wss://example.org:8443/p/");
        assert_eq!(address.authorization.as_deref(), Some("Basic dXNlcjpzZWNyZXQ="));
        let escaped = Address::parse("https://user:p%40s%zz@example.org").unwrap();
        assert_eq!(
            escaped.authorization,
            Some(format!("Basic {}", STANDARD.encode("user:p@s%zz")))
        );
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let scheme = |scheme: &str| AddressError::Scheme { scheme: scheme.to_owned() };
        assert_eq!(Address::parse("ftp://a").err(), Some(scheme("ftp")));
        assert_eq!(Address::parse("localhost").err(), Some(scheme("")));
        for malformed in
            ["", "http://", "http://user:secret@", "http://a b:secret/", "http://[::1:secret"]
        {
            let error = Address::parse(malformed).err().unwrap_or_else(|| panic!("{malformed}"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
