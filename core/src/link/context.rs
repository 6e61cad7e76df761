//! What every part of a link works with.

use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use super::Outbox;
use crate::config::{Config, Policy};
use crate::time::Time;
use crate::wire::IceServer;

/// What a link works with and where its output goes.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a Config,
    pub(crate) policy: Policy,
    pub(crate) ice_servers: &'a [IceServer],
    pub(crate) rng: &'a mut ChaCha12Rng,
    pub(crate) next_connection: &'a mut u64,
    /// Bytes that the session may still hold of what has come.
    pub(crate) left: usize,
    pub(crate) out: &'a mut Outbox,
}

impl Context<'_> {
    /// The longest probe time-out: a peer is asked several times before it is given up.
    pub(crate) fn longest_timeout(&self) -> Duration {
        self.config.silence_timeout.min(self.config.stall_timeout / 8)
    }
}
