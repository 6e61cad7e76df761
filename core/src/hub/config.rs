//! What a hub allows, and what it tells its clients.

use std::fmt;
use std::time::Duration;

use crate::signal::{HubLimits, IceServer};

/// Settings of a [`Hub`](super::Hub). Start from [`HubConfig::default`] and change what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// The most members of one room, those away counted. 64 by default.
    pub room_capacity: usize,
    /// The most rooms with a member in them. 10,000 by default.
    pub max_rooms: usize,
    /// How long a v1 member whose connection is lost keeps its place. 8 s by default.
    pub resume_window: Duration,
    /// The ICE servers that v1 clients are told. None by default.
    pub ice_servers: Vec<IceServer>,
    /// The bounds of one relayed packet, which v1 clients are told: 1 MiB and 256 parts by default. They
    /// hold for the events of v0 clients too.
    pub limits: HubLimits,
    /// The key of the resume tokens and of the keys of pairs. `None`, the default, draws one from the hub's seed; with a key of your
    /// own, kept between runs, tokens survive a restart of the hub.
    pub token_key: Option<[u8; 32]>,
    /// Whether v1 clients are given the keys by which they recognise packets that one of them passes on for two
    /// others. With keys, a join costs one message per member instead of one per room. Yes by default.
    pub pair_keys: bool,
    /// How many signals a client may send at once; each offer of a message counts. 1024 by default, which
    /// lets a client that joins a full room send each member an offer and a dozen candidates.
    pub signal_burst: u32,
    /// How many signals a client may send per second in the long run. 100 by default.
    pub signals_per_second: u32,
    /// The most bytes of one signal, its offer id counted. 64 KiB by default.
    pub max_signal: usize,
    /// The most offers in one message of a v1 client. 64 by default.
    pub max_offers: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            room_capacity: 64,
            max_rooms: 10_000,
            resume_window: Duration::from_secs(8),
            ice_servers: Vec::new(),
            limits: HubLimits { max_envelope: 1024 * 1024, max_attachments: 256 },
            token_key: None,
            pair_keys: true,
            signal_burst: 1024,
            signals_per_second: 100,
            max_signal: 64 * 1024,
            max_offers: 64,
        }
    }
}

impl HubConfig {
    /// Sets [`room_capacity`](Self::room_capacity).
    #[must_use]
    pub fn with_room_capacity(mut self, members: usize) -> Self {
        self.room_capacity = members;
        self
    }

    /// Sets [`max_rooms`](Self::max_rooms).
    #[must_use]
    pub fn with_max_rooms(mut self, rooms: usize) -> Self {
        self.max_rooms = rooms;
        self
    }

    /// Sets [`resume_window`](Self::resume_window).
    #[must_use]
    pub fn with_resume_window(mut self, window: Duration) -> Self {
        self.resume_window = window;
        self
    }

    /// Sets [`ice_servers`](Self::ice_servers).
    #[must_use]
    pub fn with_ice_servers(mut self, servers: Vec<IceServer>) -> Self {
        self.ice_servers = servers;
        self
    }

    /// Sets [`limits`](Self::limits).
    #[must_use]
    pub fn with_limits(mut self, limits: HubLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets [`token_key`](Self::token_key).
    #[must_use]
    pub fn with_token_key(mut self, key: [u8; 32]) -> Self {
        self.token_key = Some(key);
        self
    }

    /// Sets [`pair_keys`](Self::pair_keys).
    #[must_use]
    pub fn with_pair_keys(mut self, pair_keys: bool) -> Self {
        self.pair_keys = pair_keys;
        self
    }

    /// Sets [`signal_burst`](Self::signal_burst) and [`signals_per_second`](Self::signals_per_second).
    #[must_use]
    pub fn with_signal_rate(mut self, burst: u32, per_second: u32) -> Self {
        self.signal_burst = burst;
        self.signals_per_second = per_second;
        self
    }

    /// Sets [`max_signal`](Self::max_signal).
    #[must_use]
    pub fn with_max_signal(mut self, bytes: usize) -> Self {
        self.max_signal = bytes;
        self
    }

    /// Sets [`max_offers`](Self::max_offers).
    #[must_use]
    pub fn with_max_offers(mut self, offers: usize) -> Self {
        self.max_offers = offers;
        self
    }
}

/// Shows neither the key nor the credentials of ICE servers.
impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig")
            .field("room_capacity", &self.room_capacity)
            .field("max_rooms", &self.max_rooms)
            .field("resume_window", &self.resume_window)
            .field("ice_servers", &self.ice_servers)
            .field("limits", &self.limits)
            .field("has_token_key", &self.token_key.is_some())
            .field("pair_keys", &self.pair_keys)
            .field("signal_burst", &self.signal_burst)
            .field("signals_per_second", &self.signals_per_second)
            .field("max_signal", &self.max_signal)
            .field("max_offers", &self.max_offers)
            .finish()
    }
}
