//! Settings of the native transport.

use std::net::IpAddr;
use std::time::Duration;

use socketio_p2p_core::ConfigError;

/// A remote that is alive answers an ICE check so often.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// The shortest limit on messages with which the sessions of this library work.
const LEAST_MAX_MESSAGE: u32 = 1_200;

/// The longest message in bytes that the `webrtc` crate can take or send, and what browsers use.
pub(super) const MAX_MESSAGE: u32 = 262_144;

/// Settings of a [`WebRtcTransport`](crate::WebRtcTransport). The defaults suit the open internet and a
/// machine of any size; each field says what it bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebRtcConfig {
    /// The local addresses to use, each on a free UDP port. Empty (the default) means all addresses of this
    /// machine except loopback and link-local ones, at most 16, and loopback when there is no other, as in a
    /// container without a network.
    pub addresses: Vec<IpAddr>,
    /// The most connections at a time; an offer or answer beyond them is `Closed` at once. Default 64.
    pub max_connections: usize,
    /// How long a description waits for candidates of STUN and TURN servers; host candidates are there at
    /// once. What is found later follows as trickled candidates. Default 500 ms.
    pub gather_timeout: Duration,
    /// How long a connection may take from its command to its open channel, waiting for the remote's answer
    /// included. Default 30 s.
    pub open_timeout: Duration,
    /// How long the path may be silent before the connection counts as lost. A remote that is alive answers
    /// an ICE check every 2 s. At least 2 s; default 15 s.
    pub path_timeout: Duration,
    /// The pause between two ICE checks of the same pair of addresses while connecting. Default 20 ms.
    pub check_interval: Duration,
    /// Bytes that a channel may have outstanding (sent, not yet acknowledged) while its sink still takes a
    /// message; one message more than this can be outstanding. Default 256 KiB: more is slower on paths that
    /// lose packets.
    pub send_buffer: usize,
    /// The longest message in bytes to take and to send, 1,200 to 262,144. Default 262,144.
    ///
    /// It bounds the memory of a channel that the application does not read: the `webrtc` crate holds up to
    /// 768 messages (there is no setting for it) and 1 MiB of fragments before it makes the remote wait.
    pub max_message: u32,
    /// The most bytes that a channel holds for an application that does not read it; a remote that sends more
    /// is cut off with an error. Checked twice a second. Default 64 MiB: with messages of up to 64 KiB the
    /// back-pressure above sets in before.
    pub max_unread: u64,
    /// The buffers of each UDP socket in bytes, as far as the kernel allows (`net.core.rmem_max`). Default
    /// 4 MiB: with the usual 208 KiB bulk transfers run an order of magnitude slower.
    pub socket_buffer: usize,
    /// How long a closing connection waits for the acknowledgement of what was sent. Default 250 ms.
    pub linger: Duration,
}

impl Default for WebRtcConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            max_connections: 64,
            gather_timeout: Duration::from_millis(500),
            open_timeout: Duration::from_secs(30),
            path_timeout: Duration::from_secs(15),
            check_interval: Duration::from_millis(20),
            send_buffer: 256 * 1024,
            max_message: MAX_MESSAGE,
            max_unread: 64 * 1024 * 1024,
            socket_buffer: 4 * 1024 * 1024,
            linger: Duration::from_millis(250),
        }
    }
}

impl WebRtcConfig {
    /// Checks the settings, as [`WebRtcTransport::new`](crate::WebRtcTransport::new) does.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting outside of the bounds that its field names: [`path_timeout`](Self::path_timeout),
    /// [`check_interval`](Self::check_interval) (1 ms at least), [`send_buffer`](Self::send_buffer) (1 byte at least) and
    /// [`max_message`](Self::max_message).
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { path_timeout, check_interval, send_buffer, max_message, .. } = self;
        if *path_timeout < KEEP_ALIVE {
            let (expected, got) = (format!("{KEEP_ALIVE:?} at least"), format!("{path_timeout:?}"));
            return Err(ConfigError::new("path_timeout", expected, got));
        }
        if check_interval.as_millis() == 0 {
            return Err(ConfigError::new(
                "check_interval",
                "1 ms at least",
                format!("{check_interval:?}"),
            ));
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
    fn a_setting_out_of_bounds_is_named_with_what_was_expected_and_what_came() {
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
