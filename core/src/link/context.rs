//! The environment of all parts of a link.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use super::Outbox;
use crate::config::{Config, Policy};
use crate::time::Time;
use crate::wire::IceServer;

/// The environment of a link, and its output.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) policy: Policy,
    /// The time that the session waits for a peer without a live path.
    pub(crate) resume_window: Duration,
    pub(crate) ice_servers: &'a [IceServer],
    pub(crate) rng: &'a mut ChaCha12Rng,
    pub(crate) next_connection: &'a mut u64,
    /// The bytes of received data that the session may still hold.
    pub(crate) left: usize,
    /// Whether the application takes events of the reliable lanes.
    pub(crate) receiving: bool,
    pub(crate) out: &'a mut Outbox,
}

impl Context<'_> {
    /// Returns the maximum probe time-out, so that a link ends only after several probes.
    pub(crate) fn longest_timeout(&self) -> Duration {
        self.config.silence_timeout.min(self.config.stall_timeout / 8)
    }
}
