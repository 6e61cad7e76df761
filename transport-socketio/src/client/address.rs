//! The server's URL as configured, and the WebSocket URL derived from it.

use http::Uri;
use thiserror::Error;

/// The default path of Socket.IO servers.
const DEFAULT_PATH: &str = "/socket.io/";

/// Whether the build is without TLS; browsers bring their own.
const NO_TLS: bool = cfg!(not(any(feature = "rustls", target_family = "wasm")));

/// An unusable server URL or request header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL cannot be parsed. The error does not quote it, because it may contain a password.
    #[error("the server's URL cannot be parsed: {reason}")]
    Malformed {
        /// The parser's reason.
        reason: String,
    },
    /// The URL contains no host.
    #[error("expected a host in the server's URL, got none")]
    NoHost,
    /// The URL has no scheme.
    #[error(
        "expected http://, https://, ws:// or wss:// at the beginning of the server's URL, got none"
    )]
    NoScheme,
    /// The URL's port is not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535 in the server's URL, got {port:?}")]
    Port {
        /// The port as written.
        port: String,
    },
    /// The URL needs TLS, which this build does not contain.
    #[error(
        "expected one of the features `rustls-native-roots`, `rustls-webpki-roots` and `rustls` for {scheme}://, got a build without TLS"
    )]
    NoTls {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The URL's scheme is none of `http`, `https`, `ws` and `wss`.
    #[error(
        "expected http://, https://, ws:// or wss:// in the server's URL, got the scheme {scheme:?}"
    )]
    Scheme {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The URL has a user and a password, on the web, where browsers send neither for a WebSocket.
    #[error(
        "expected a server's URL without user and password, which browsers do not send; an auth payload can hold them"
    )]
    UserInfo,
    /// HTTP does not allow the header. The error does not quote the value.
    #[error("the request header {name:?} has an invalid name or value")]
    Header {
        /// The name of the header.
        name: String,
    },
}

/// A parsed server URL.
#[derive(Clone)]
pub(super) struct Address {
    /// The URL of the WebSocket.
    pub(super) url: String,
    /// Scheme, host, port and path, for errors: without credentials and query.
    pub(super) shown: String,
    /// The user and the password in the URL, as written there. There are none on the web.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "browsers send no header"))]
    pub(super) user: Option<String>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, AddressError> {
        let malformed = |reason: String| AddressError::Malformed { reason };
        // The `http` crate does not accept fragments in a URI.
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let uri: Uri = url.parse().map_err(|error| malformed(format!("{error}")))?;
        let scheme = match uri.scheme_str() {
            Some("http" | "ws") => "ws",
            Some(scheme @ ("https" | "wss")) if NO_TLS => {
                return Err(AddressError::NoTls { scheme: scheme.to_owned() });
            }
            Some("https" | "wss") => "wss",
            Some(scheme) => return Err(AddressError::Scheme { scheme: scheme.to_owned() }),
            None => return Err(AddressError::NoScheme),
        };
        let authority = uri.authority().ok_or(AddressError::NoHost)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        if authority.host().is_empty() {
            return Err(AddressError::NoHost);
        }
        if user.is_some() && cfg!(target_family = "wasm") {
            return Err(AddressError::UserInfo);
        }
        // The parser accepts any digits, and none.
        if let Some((_, port)) = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'))
            && !port.parse::<u16>().is_ok_and(|port| port > 0)
        {
            return Err(AddressError::Port { port: port.to_owned() });
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
            user: user.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_url_is_derived_from_every_scheme_and_path() {
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
    fn the_address_in_errors_has_neither_credentials_nor_query() {
        let address =
            Address::parse("https://user:secret@example.org:8443/p?token=secret").unwrap();
        assert_eq!(address.shown, "wss://example.org:8443/p/");
        assert_eq!(address.user.as_deref(), Some("user:secret"));
    }

    #[test]
    fn an_invalid_url_is_refused_without_being_quoted() {
        let scheme = |scheme: &str| AddressError::Scheme { scheme: scheme.to_owned() };
        assert_eq!(Address::parse("ftp://a").err(), Some(scheme("ftp")));
        for without in ["localhost", "localhost:3000", "/socket.io/"] {
            assert_eq!(Address::parse(without).err(), Some(AddressError::NoScheme), "{without}");
        }
        for port in ["99999", "0", ""] {
            for host in ["127.0.0.1", "[::1]"] {
                let error = Address::parse(&format!("http://{host}:{port}/")).err();
                assert_eq!(error, Some(AddressError::Port { port: port.to_owned() }));
            }
        }
        for malformed in
            ["", "http://", "http://user:secret@", "http://a b:secret/", "http://[::1:secret"]
        {
            let error = Address::parse(malformed).err().unwrap_or_else(|| panic!("{malformed}"));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
