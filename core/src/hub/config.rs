//! The settings of a hub.

use std::fmt;
use std::time::Duration;

use crate::config_error::ConfigError;
use crate::wire::{HubLimits, IceServer};

/// The settings of a [`Hub`](super::Hub), with setters to change the defaults.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubConfig {
    /// The maximum number of members of a room, including members that are away. A newcomer can replace a
    /// member that is away. Default: 64.
    pub room_capacity: usize,
    /// The maximum number of rooms with a member. Default: 10,000.
    pub max_rooms: usize,
    /// The time for which a v1 member whose connection is lost keeps its seat, unless a newcomer replaces it. It is
    /// part of the welcome: the members wait for each other as long, unless their
    /// [`Config::resume_window`](crate::Config::resume_window) says otherwise. Default: 8 s.
    pub resume_window: Duration,
    /// The time for which the token of a member that was kicked is not valid. The hub remembers the last 65,536
    /// of them, until it restarts. Default: 24 h.
    pub revocation: Duration,
    /// The ICE servers in the welcome of v1 clients. Default: none.
    pub ice_servers: Vec<IceServer>,
    /// The maximum size of an envelope, and of an event of a v0 client; part of the welcome of v1 clients.
    /// Default: 1 MiB and 256 attachments.
    pub limits: HubLimits,
    /// The key from which the hub derives resume tokens and pair keys. `None`, the default, draws a key from
    /// the hub's seed. With a configured key that is kept between runs, tokens survive a restart of the hub.
    pub token_key: Option<[u8; 32]>,
    /// Whether v1 clients get pair keys, with which two of them seal the bundles that a neighbour forwards.
    /// With pair keys, a join causes one message per member instead of one per room. Default: `true`.
    pub pair_keys: bool,
    /// The burst of the rate limit for a client's signals, where each offer of a message counts. The default of
    /// 1024 lets a client that joins a full room send each member an offer and a dozen candidates.
    pub signal_burst: u32,
    /// The rate limit for a client's signals, per second. Default: 100.
    pub signals_per_second: u32,
    /// The maximum bytes of a signal and its offer id. Default: 64 KiB.
    pub max_signal: usize,
    /// The maximum number of offers in one message of a v1 client. Default: 64.
    pub max_offers: usize,
    /// The burst of the rate limit for a room's joins without a seat. At least twice
    /// [`room_capacity`](Self::room_capacity) applies, because after a restart of the hub all members join
    /// again, and their connections can break once more. Default: 256.
    pub room_join_burst: u32,
    /// The rate limit for a room's joins without a seat, per second. In a room of 64 each join causes up to 27
    /// KB of messages, including later presence and the limits of all members. Default: 16.
    pub room_joins_per_second: u32,
    /// The burst of the rate limit for a member's returns to its seat. Default: 32.
    pub resume_burst: u32,
    /// The rate limit for a member's returns to its seat, per second. The sessions of this library pause for
    /// 0.5 s before they reconnect. Default: 2.
    pub resumes_per_second: u32,
    /// The burst of the rate limit for a client's envelopes; an event of a v0 client counts as one. Default:
    /// 125,000, the envelopes of 2 s.
    pub envelope_burst: u32,
    /// The rate limit for a client's envelopes, per second. The default of 62,500 fills an uplink of 100 Mbit/s
    /// with envelopes of 200 bytes, the length on the wire of an event of some 64 bytes for one receiver. An
    /// envelope for a room of 64 has over 3,000 bytes of recipients alone: 100 Mbit/s carry 4,000 of them per
    /// second.
    ///
    /// The hub drops envelopes beyond this rate or beyond
    /// [`deliveries_per_second`](Self::deliveries_per_second); the links of v1 peers retransmit their records.
    /// A dropped envelope takes nothing from the bucket. The hub closes a client whose dropped envelopes reach
    /// this rate by themselves until the burst is exhausted.
    pub envelopes_per_second: u32,
    /// The burst of the rate limit for deliveries, in bytes: the bytes of a packet, and 128 for a header, once
    /// per receiver. The default of 10⁹ is the cost of 16 MB of uploads for a room of 64, which exceeds the
    /// buffers of a connection. An envelope of higher cost passes while the bucket is not empty, and its debt
    /// is paid before the next one.
    pub delivery_burst: u64,
    /// The rate limit for deliveries of one client's packets, in bytes per second. Default: 10⁹. An uplink of
    /// 100 Mbit/s, filled with envelopes for a room of 64, causes 12.5 MB × 63 = 787.5 MB; the rest is for the
    /// headers of deliveries, which are longer than the recipients in an envelope only for events of v0
    /// clients. Such events of 512 bytes and more stay below the limit, too. For a server with slower downlinks
    /// set less.
    pub deliveries_per_second: u64,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            room_capacity: 64,
            max_rooms: 10_000,
            resume_window: Duration::from_secs(8),
            revocation: Duration::from_secs(24 * 60 * 60),
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
    /// [`ConfigError`] for the first invalid setting: a capacity of zero, a rate or a burst of zero, or
    /// envelopes of zero length.
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

    /// Sets [`revocation`](Self::revocation).
    #[must_use]
    pub fn with_revocation(mut self, span: Duration) -> Self {
        self.revocation = span;
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

/// Prints neither the key nor the credentials of ICE servers.
impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig")
            .field("room_capacity", &self.room_capacity)
            .field("max_rooms", &self.max_rooms)
            .field("resume_window", &self.resume_window)
            .field("revocation", &self.revocation)
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
