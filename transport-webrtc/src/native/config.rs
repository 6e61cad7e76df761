//! Settings of the native transport.

use std::net::IpAddr;
use std::time::Duration;

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
