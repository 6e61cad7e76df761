//! Settings of the transport.

#[cfg(not(target_family = "wasm"))]
use std::net::IpAddr;
use std::time::Duration;

use socketio_p2p_core::ConfigError;

/// Interval of ICE checks on an open path, in both directions.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Minimum of `max_message`: shorter messages cannot carry the bundles of a session.
const LEAST_MAX_MESSAGE: u32 = 1_200;

/// Maximum of `max_message`: the longest message that the `webrtc` crate sends and receives, and the browsers' limit.
pub(crate) const MAX_MESSAGE: u32 = 262_144;

/// Settings of a [`WebRtcTransport`](crate::WebRtcTransport). The defaults suit paths over the internet and machines
/// of any size; each field states what it bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebRtcConfig {
    /// Local addresses to use, each on a free UDP port. Empty (the default) means all addresses of this machine
    /// except loopback and link-local ones, at most 16; loopback when there is no other, as in a container
    /// without a network. Not on the web.
    #[cfg(not(target_family = "wasm"))]
    pub addresses: Vec<IpAddr>,
    /// Maximum number of connections. An offer or answer beyond it is `Closed` at once. Default 64.
    pub max_connections: usize,
    /// How long a session description waits for candidates from STUN and TURN servers. Host candidates do not
    /// wait; candidates found later are trickled. Default 500 ms.
    pub gather_timeout: Duration,
    /// Time limit from the command to the open data channel, the wait for the remote's answer included.
    /// Default 30 s.
    pub open_timeout: Duration,
    /// How long a path may be silent before the connection ends. A live remote answers an ICE check every 2 s.
    /// At least 2 s; default 15 s. On the web the browser decides what is silent, and says so late: see
    /// [the crate](crate#on-the-web).
    pub path_timeout: Duration,
    /// Pause between two ICE checks of the same candidate pair while connecting. At least 1 ms; default 20 ms.
    /// Not on the web.
    #[cfg(not(target_family = "wasm"))]
    pub check_interval: Duration,
    /// Outstanding bytes (sent and not acknowledged) below which a sink takes a message; it may exceed this by one
    /// message. At least 1 byte; default 256 KiB. Higher values are slower on paths that lose packets. On the web
    /// only bytes that SCTP has not sent yet count.
    pub send_buffer: usize,
    /// Maximum length in bytes of a message, sent or received: 1,200 to 262,144. Default 262,144.
    ///
    /// It bounds the memory of a channel that the application does not read: the `webrtc` crate holds up to
    /// 768 messages (a fixed number) and 1 MiB of fragments before SCTP's receive window stops the remote. On the web
    /// [`max_unread`](Self::max_unread) bounds it.
    pub max_message: u32,
    /// Maximum bytes that a channel holds for an application that does not read it; beyond it the connection ends
    /// with an error. Checked twice per second. Default 64 MiB: with messages of up to 64 KiB the receive window
    /// stops the remote first. On the web nothing stops the remote, each message counts 64 bytes more, and the check
    /// comes with each message.
    pub max_unread: u64,
    /// Send and receive buffer of each UDP socket in bytes, as far as the kernel allows (`net.core.rmem_max`,
    /// `net.core.wmem_max`). Default 4 MiB: with the common 208 KiB, bulk transfers are about ten times slower.
    /// Not on the web.
    #[cfg(not(target_family = "wasm"))]
    pub socket_buffer: usize,
    /// How long a closing connection waits for the remote to acknowledge what was sent. Default 250 ms.
    pub linger: Duration,
}

impl Default for WebRtcConfig {
    fn default() -> Self {
        Self {
            #[cfg(not(target_family = "wasm"))]
            addresses: Vec::new(),
            max_connections: 64,
            gather_timeout: Duration::from_millis(500),
            open_timeout: Duration::from_secs(30),
            path_timeout: Duration::from_secs(15),
            #[cfg(not(target_family = "wasm"))]
            check_interval: Duration::from_millis(20),
            send_buffer: 256 * 1024,
            max_message: MAX_MESSAGE,
            max_unread: 64 * 1024 * 1024,
            #[cfg(not(target_family = "wasm"))]
            socket_buffer: 4 * 1024 * 1024,
            linger: Duration::from_millis(250),
        }
    }
}

impl WebRtcConfig {
    /// Checks the settings, as [`WebRtcTransport::new`](crate::WebRtcTransport::new) does.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting out of the bounds that its field states:
    /// [`path_timeout`](Self::path_timeout), [`check_interval`](Self::check_interval),
    /// [`send_buffer`](Self::send_buffer) or [`max_message`](Self::max_message).
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { path_timeout, send_buffer, max_message, .. } = self;
        if *path_timeout < KEEP_ALIVE {
            let (expected, got) = (format!("{KEEP_ALIVE:?} at least"), format!("{path_timeout:?}"));
            return Err(ConfigError::new("path_timeout", expected, got));
        }
        #[cfg(not(target_family = "wasm"))]
        if self.check_interval.as_millis() == 0 {
            let got = format!("{:?}", self.check_interval);
            return Err(ConfigError::new("check_interval", "1 ms at least", got));
        }
        if *send_buffer == 0 {
            return Err(ConfigError::new("send_buffer", "1 at least", send_buffer));
        }
        if !(LEAST_MAX_MESSAGE..=MAX_MESSAGE).contains(max_message) {
            let expected = format!("{LEAST_MAX_MESSAGE} to {MAX_MESSAGE} bytes");
            return Err(ConfigError::new("max_message", expected, max_message));
        }
        Ok(())
    }

    /// Sets [`addresses`](Self::addresses).
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn with_addresses(mut self, addresses: Vec<IpAddr>) -> Self {
        self.addresses = addresses;
        self
    }

    /// Sets [`max_connections`](Self::max_connections).
    #[must_use]
    pub fn with_max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// Sets [`gather_timeout`](Self::gather_timeout).
    #[must_use]
    pub fn with_gather_timeout(mut self, gather_timeout: Duration) -> Self {
        self.gather_timeout = gather_timeout;
        self
    }

    /// Sets [`open_timeout`](Self::open_timeout).
    #[must_use]
    pub fn with_open_timeout(mut self, open_timeout: Duration) -> Self {
        self.open_timeout = open_timeout;
        self
    }

    /// Sets [`path_timeout`](Self::path_timeout).
    #[must_use]
    pub fn with_path_timeout(mut self, path_timeout: Duration) -> Self {
        self.path_timeout = path_timeout;
        self
    }

    /// Sets [`check_interval`](Self::check_interval).
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn with_check_interval(mut self, check_interval: Duration) -> Self {
        self.check_interval = check_interval;
        self
    }

    /// Sets [`send_buffer`](Self::send_buffer).
    #[must_use]
    pub fn with_send_buffer(mut self, send_buffer: usize) -> Self {
        self.send_buffer = send_buffer;
        self
    }

    /// Sets [`max_message`](Self::max_message).
    #[must_use]
    pub fn with_max_message(mut self, max_message: u32) -> Self {
        self.max_message = max_message;
        self
    }

    /// Sets [`max_unread`](Self::max_unread).
    #[must_use]
    pub fn with_max_unread(mut self, max_unread: u64) -> Self {
        self.max_unread = max_unread;
        self
    }

    /// Sets [`socket_buffer`](Self::socket_buffer).
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn with_socket_buffer(mut self, socket_buffer: usize) -> Self {
        self.socket_buffer = socket_buffer;
        self
    }

    /// Sets [`linger`](Self::linger).
    #[must_use]
    pub fn with_linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::WebRtcConfig;

    #[test]
    fn config_error_states_the_setting_its_bounds_and_its_value() {
        let field = |config: WebRtcConfig| config.validate().unwrap_err().field();
        let config = WebRtcConfig::default;
        assert_eq!(config().validate(), Ok(()));
        assert_eq!(field(config().with_path_timeout(Duration::from_secs(1))), "path_timeout");
        assert_eq!(field(config().with_check_interval(Duration::ZERO)), "check_interval");
        assert_eq!(field(config().with_send_buffer(0)), "send_buffer");
        let error = config().with_max_message(100).validate().unwrap_err();
        assert_eq!(error.to_string(), "expected `max_message` to be 1200 to 262144 bytes, got 100");
    }
}
