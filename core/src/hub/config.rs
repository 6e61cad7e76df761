//! What a hub allows, and what it tells its clients.

use std::fmt;
use std::time::Duration;

use crate::config_error::ConfigError;
use crate::wire::{HubLimits, IceServer};

/// Settings of a [`Hub`](super::Hub). Start from [`HubConfig::default`] and change what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// The most members of one room, those away counted, whose places go to newcomers when it is full. 64 by
    /// default.
    pub room_capacity: usize,
    /// The most rooms with a member in them. 10,000 by default.
    pub max_rooms: usize,
    /// How long a v1 member whose connection is lost keeps its place, unless a newcomer needs it. 8 s by default.
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
    /// How many may join a room at once who have no seat in it. 256 by default, and always twice
    /// [`room_capacity`](Self::room_capacity) at least: after a restart of the hub everyone comes back, and may
    /// be cut off again.
    pub room_join_burst: u32,
    /// How many may join a room per second in the long run who have no seat in it. 16 by default. In a room of 64
    /// each causes up to 27 KB, presence after it
    /// and the limits of all members counted.
    pub room_joins_per_second: u32,
    /// How many times a member may come back to its seat at once. 32 by default.
    pub resume_burst: u32,
    /// How many times per second a member may come back to its seat in the long run. 2 by default: the sessions of
    /// this library pause for half a second before they reconnect.
    pub resumes_per_second: u32,
    /// How many envelopes a client may send at once; an event of a v0 client counts as one. 125,000 by default:
    /// two seconds' worth.
    pub envelope_burst: u32,
    /// How many envelopes a client may send per second in the long run. 62,500 by default: what fills an uplink
    /// of 100 Mbit/s with envelopes of 200 bytes, as an event of some 64 bytes for one receiver takes on the
    /// wire. An envelope for a room of 64 takes over 3,000 bytes for its receivers alone: 100 Mbit/s carry
    /// 4,000 of them a second.
    ///
    /// Envelopes over this rate are refused, as are those over
    /// [`deliveries_per_second`](Self::deliveries_per_second); between v1 peers the links make that good. What is
    /// refused is not taken off the allowance. A client is closed that has envelopes refused at this rate again,
    /// for as long as the burst lasts.
    pub envelopes_per_second: u32,
    /// How many bytes of one client's the hub delivers at once: those of a packet, and 128 for a header, once
    /// for each receiver. 10⁹ by default, which is what 16 MB of uploads for a room of 64 come to: more than
    /// the buffers of a connection hold when the server was busy for a moment. An envelope that costs more than
    /// this passes when anything is left, and is paid for before the next.
    pub delivery_burst: u64,
    /// How many bytes of one client's the hub delivers per second in the long run. 10⁹ by default. An uplink of
    /// 100 Mbit/s, filled with envelopes for a room of 64, comes to 12.5 MB × 63 = 787.5 MB; what is above that
    /// is for the headers of deliveries, which outweigh what an envelope says of its receivers only for events
    /// of v0 clients: those of 512 bytes and more stay below, too. A server whose own downlinks are slower may
    /// set less.
    pub deliveries_per_second: u64,
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
            room_join_burst: 256,
            room_joins_per_second: 16,
            resume_burst: 32,
            resumes_per_second: 2,
            envelope_burst: 125_000,
            envelopes_per_second: 62_500,
            delivery_burst: 1_000_000_000,
            deliveries_per_second: 1_000_000_000,
        }
    }
}

impl HubConfig {
    /// Checks the settings, as [`Hub::new`](super::Hub::new) does.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting with which no hub works: room for nobody, a rate or a burst of zero, or
    /// envelopes in which nothing fits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let HubLimits { max_envelope, max_attachments } = self.limits;
        for (field, number) in [
            ("room_capacity", self.room_capacity as u64),
            ("max_rooms", self.max_rooms as u64),
            ("limits.max_envelope", max_envelope.into()),
            ("limits.max_attachments", max_attachments.into()),
            ("signal_burst", self.signal_burst.into()),
            ("signals_per_second", self.signals_per_second.into()),
            ("max_signal", self.max_signal as u64),
            ("max_offers", self.max_offers as u64),
            ("room_join_burst", self.room_join_burst.into()),
            ("room_joins_per_second", self.room_joins_per_second.into()),
            ("resume_burst", self.resume_burst.into()),
            ("resumes_per_second", self.resumes_per_second.into()),
            ("envelope_burst", self.envelope_burst.into()),
            ("envelopes_per_second", self.envelopes_per_second.into()),
            ("delivery_burst", self.delivery_burst),
            ("deliveries_per_second", self.deliveries_per_second),
        ] {
            ConfigError::unless(number > 0, field, "1 at least", number)?;
        }
        Ok(())
    }

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

    /// Sets [`room_join_burst`](Self::room_join_burst) and
    /// [`room_joins_per_second`](Self::room_joins_per_second).
    #[must_use]
    pub fn with_room_join_rate(mut self, burst: u32, per_second: u32) -> Self {
        self.room_join_burst = burst;
        self.room_joins_per_second = per_second;
        self
    }

    /// Sets [`resume_burst`](Self::resume_burst) and [`resumes_per_second`](Self::resumes_per_second).
    #[must_use]
    pub fn with_resume_rate(mut self, burst: u32, per_second: u32) -> Self {
        self.resume_burst = burst;
        self.resumes_per_second = per_second;
        self
    }

    /// Sets [`envelope_burst`](Self::envelope_burst) and [`envelopes_per_second`](Self::envelopes_per_second).
    #[must_use]
    pub fn with_envelope_rate(mut self, burst: u32, per_second: u32) -> Self {
        self.envelope_burst = burst;
        self.envelopes_per_second = per_second;
        self
    }

    /// Sets [`delivery_burst`](Self::delivery_burst) and
    /// [`deliveries_per_second`](Self::deliveries_per_second), in bytes.
    #[must_use]
    pub fn with_delivery_rate(mut self, burst: u64, per_second: u64) -> Self {
        self.delivery_burst = burst;
        self.deliveries_per_second = per_second;
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
            .field("room_join_burst", &self.room_join_burst)
            .field("room_joins_per_second", &self.room_joins_per_second)
            .field("resume_burst", &self.resume_burst)
            .field("resumes_per_second", &self.resumes_per_second)
            .field("envelope_burst", &self.envelope_burst)
            .field("envelopes_per_second", &self.envelopes_per_second)
            .field("delivery_burst", &self.delivery_burst)
            .field("deliveries_per_second", &self.deliveries_per_second)
            .finish()
    }
}
