//! Numbers for monitoring.

/// Numbers for monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Rooms with a member in them.
    pub rooms: usize,
    /// Connected clients.
    pub clients: usize,
    /// Members whose connection is lost and who may come back.
    pub away: usize,
    /// Packets passed on since the start, counted once per receiver of an envelope and once per event of a v0
    /// client.
    pub relayed: u64,
    /// Packets not passed on since the start because their receiver was away, had left, or is a v0 client
    /// that has no use for them. Those between v1 peers are made good end to end.
    pub undeliverable: u64,
    /// Messages refused since the start.
    pub refused: u64,
    /// Those of them that were envelopes, or events of v0 clients, beyond what their sender may have delivered.
    pub throttled: u64,
    /// Clients turned away since the start.
    pub joins_refused: u64,
    /// Members since the start that were away and whose place went to a newcomer.
    pub displaced: u64,
}
