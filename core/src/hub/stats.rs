//! Numbers for monitoring.

/// The numbers of a hub for monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// The rooms with a member.
    pub rooms: usize,
    /// The connected clients.
    pub clients: usize,
    /// The members that are away and can resume.
    pub away: usize,
    /// The packets relayed since the start, counted once per receiver of an envelope and once per event of a v0
    /// client.
    pub relayed: u64,
    /// The packets dropped since the start because their receiver was away, had left, or is a v0 client that
    /// cannot use them. The links of v1 peers retransmit their records.
    pub undeliverable: u64,
    /// The messages refused since the start.
    pub refused: u64,
    /// The refused messages that were envelopes, or events of v0 clients, beyond their sender's rate limits.
    pub throttled: u64,
    /// The joins refused since the start.
    pub joins_refused: u64,
    /// The members removed by the server's application since the start.
    pub kicked: u64,
    /// The members that were away and were replaced by a newcomer since the start.
    pub displaced: u64,
}
