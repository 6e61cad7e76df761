//! What an application can set, with the defaults.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::codec::{Limits, Namespace};
use crate::config_error::ConfigError;
use crate::id::RoomName;

/// When a session talks to a peer directly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Connect directly and switch as soon as the direct path has proved itself (the original's
    /// `autoUpgrade: true`).
    #[default]
    Automatic,
    /// Connect directly, but stay on the relay until [`upgrade`](crate::Session::upgrade) (the original's
    /// `autoUpgrade: false`).
    Manual,
    /// Never connect directly; offers are declined.
    RelayOnly,
    /// Connect directly and never send an event through the server again: events wait for the direct path.
    DirectOnly,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::Automatic, Self::Manual, Self::RelayOnly, Self::DirectOnly];

    const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::RelayOnly => "relay-only",
            Self::DirectOnly => "direct-only",
        }
    }
}

/// As it is parsed: `automatic`, `manual`, `relay-only` or `direct-only`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or(UnknownPolicy)
    }
}

/// A text that names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a policy: automatic, manual, relay-only or direct-only")]
pub struct UnknownPolicy;

/// The settings of a [`Session`](crate::Session). All bounds are per session or per peer and hold whatever a
/// remote sends.
///
/// ```
/// # use socketio_p2p_core::{Config, Policy};
/// let config = Config::default().with_max_peers(10).with_policy(Policy::Manual);
/// assert_eq!(config.max_peers, 10);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The room to join.
    pub room: RoomName,
    /// The Socket.IO namespace of the signalling server. Default: `/`.
    pub namespace: Namespace,
    /// The most direct connections at a time (the original's `numClients`). Members beyond stay on the relay.
    /// Default: 5.
    pub max_peers: usize,
    /// When to talk directly. Default: automatic.
    pub policy: Policy,
    /// What a packet may hold, in both directions. Default: 256 attachments, 16 MiB, otherwise the codec's
    /// defaults.
    pub limits: Limits,
    /// The most bytes that wait for one peer in one lane, and in each transfer to it, unacknowledged ones counted. A single
    /// packet above it is taken when nothing else waits. Default: 1 MiB.
    pub queue_bytes: usize,
    /// The most packets that wait for one peer in one lane. Default: 4096.
    pub queue_packets: usize,
    /// The most bytes of volatile events that are under way to one peer; more are dropped. Default: 64 KiB.
    pub volatile_bytes: usize,
    /// The longest record on the relay and through neighbours, in bytes; slow paths get shorter ones. Default and
    /// most: 16 KiB.
    pub record_bytes: usize,
    /// The most bytes that are under way to one peer through the relay or a neighbour before it acknowledges some; twice
    /// that where one upload serves many, and less on slow paths. Default: 256 KiB.
    pub relay_window: usize,
    /// The most bytes that are under way to one peer on a direct path; less on slow ones. Default: 1 MiB.
    pub direct_window: usize,
    /// The most memory for what has come of all peers together and cannot be handed out yet, because something before it is
    /// missing or the application has not read it. For what is beyond, the largest unfinished packet of all peers is refused
    /// ([`PeerError::NoRoom`](crate::PeerError::NoRoom)), and what found no room is sent again. Default: 128 MiB.
    pub receive_bytes: usize,
    /// How long a packet of which a part has come may go on without 1 KiB of news before it is refused, the time in which
    /// its sender is away not counted. Default: 30 s.
    pub unfinished_timeout: Duration,
    /// How long a peer without any live path is waited for. Default: 8 s.
    pub resume_window: Duration,
    /// How long a direct path may be silent before it is given up. Default: 5 s.
    pub silence_timeout: Duration,
    /// How often a quiet direct path is probed. Default: 1.5 s.
    pub probe_interval: Duration,
    /// How long an attempt at a direct path may take until the channel opens. Default: 15 s.
    pub negotiation_timeout: Duration,
    /// How long an open channel may take to prove itself. Default: 5 s.
    pub validation_timeout: Duration,
    /// How long a member waits for a newcomer's offer before it makes one itself. Default: 3 s.
    pub offer_patience: Duration,
    /// Attempts at a direct path with a peer before the session waits for `upgrade` or an offer. Default: 6.
    pub max_attempts: u32,
    /// The pauses between attempts at a direct path. Default: 1 s to 30 s. A peer's offers are taken up no more often
    /// than the shortest, after 16 at once.
    pub retry: Backoff,
    /// The pauses between attempts to reach the signalling server. Default: 0.5 s to 10 s.
    pub reconnect: Backoff,
    /// How long joining may take once the signalling channel is open. Default: 10 s.
    pub join_timeout: Duration,
    /// How long a peer to which a path leads may acknowledge less than 1 KiB of what it was sent before it is given up.
    /// Default: 30 s.
    pub stall_timeout: Duration,
    /// How long `emit_with_ack` waits for the answer when the caller says nothing. Default: 10 s.
    pub ack_timeout: Duration,
    /// The most answers of one peer that a session waits for at a time. Default: 1024.
    pub max_pending_acks: usize,
    /// The most transfers to one peer, and from it, at a time. Default: 4.
    pub max_transfers: usize,
    /// The most bytes of a peer's transfer that wait for the application to read them. Default: 256 KiB.
    pub transfer_window: usize,
    /// How long `close` may take to deliver what was accepted. Default: 5 s.
    pub close_timeout: Duration,
    /// The most pairs of other peers between which the session passes packets on, when these have no better path.
    /// A pair that sends nothing for 10 s makes room. 0: never. Default: 8.
    pub forward_pairs: usize,
    /// How many bytes per second the session passes on from one peer to one other. Default: 1,000,000.
    pub forward_rate: u64,
    /// The most members of a room that the session keeps books on; later ones are ignored. Default: 1024.
    pub max_members: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            room: RoomName::default(),
            namespace: Namespace::default(),
            max_peers: 5,
            policy: Policy::default(),
            limits: Limits::default().with_max_attachments(256).with_max_packet_bytes(16 << 20),
            queue_bytes: 1 << 20,
            queue_packets: 4096,
            volatile_bytes: 64 << 10,
            record_bytes: 16 << 10,
            relay_window: 256 << 10,
            direct_window: 1 << 20,
            receive_bytes: 128 << 20,
            unfinished_timeout: Duration::from_secs(30),
            resume_window: Duration::from_secs(8),
            silence_timeout: Duration::from_secs(5),
            probe_interval: Duration::from_millis(1500),
            negotiation_timeout: Duration::from_secs(15),
            validation_timeout: Duration::from_secs(5),
            offer_patience: Duration::from_secs(3),
            max_attempts: 6,
            retry: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) },
            reconnect: Backoff { first: Duration::from_millis(500), max: Duration::from_secs(10) },
            join_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(10),
            max_pending_acks: 1024,
            max_transfers: 4,
            transfer_window: 256 << 10,
            close_timeout: Duration::from_secs(5),
            forward_pairs: 8,
            forward_rate: 1_000_000,
            max_members: 1024,
        }
    }
}

/// The longest record on the relay and through neighbours: what every hub and every v1 peer takes.
const MAX_RECORD_BYTES: usize = 16 << 10;

impl Config {
    /// Checks the settings, as [`Session::new`](crate::Session::new) does.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting with which no session works: a window, a queue or a time-out of zero, a
    /// [`record_bytes`](Self::record_bytes) above 16 KiB, a [`probe_interval`](Self::probe_interval) that is not
    /// shorter than the [`silence_timeout`](Self::silence_timeout), or pauses that end below their beginning.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let records = 1..=MAX_RECORD_BYTES;
        let expected = format_args!("1 to {MAX_RECORD_BYTES} bytes");
        let fits = records.contains(&self.record_bytes);
        ConfigError::unless(fits, "record_bytes", expected, self.record_bytes)?;
        for (field, size) in [
            ("queue_packets", self.queue_packets),
            ("relay_window", self.relay_window),
            ("direct_window", self.direct_window),
            ("transfer_window", self.transfer_window),
        ] {
            ConfigError::unless(size > 0, field, "1 at least", size)?;
        }
        for (field, span) in [
            ("unfinished_timeout", self.unfinished_timeout),
            ("silence_timeout", self.silence_timeout),
            ("probe_interval", self.probe_interval),
            ("negotiation_timeout", self.negotiation_timeout),
            ("validation_timeout", self.validation_timeout),
            ("join_timeout", self.join_timeout),
            ("stall_timeout", self.stall_timeout),
        ] {
            ConfigError::unless(!span.is_zero(), field, "longer than 0 s", Pause(span))?;
        }
        let (probe, silence) = (self.probe_interval, self.silence_timeout);
        let expected = format_args!("shorter than `silence_timeout` ({})", Pause(silence));
        ConfigError::unless(probe < silence, "probe_interval", expected, Pause(probe))?;
        for (field, Backoff { first, max }) in
            [("retry", self.retry), ("reconnect", self.reconnect)]
        {
            let expected = "pauses that begin above 0 s and do not shrink";
            let got = format_args!("{} to {}", Pause(first), Pause(max));
            ConfigError::unless(!first.is_zero() && first <= max, field, expected, got)?;
        }
        Ok(())
    }
}

/// A span of time as an error shows it.
struct Pause(Duration);

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $setter:ident($field:ident: $type:ty);)*) => {
        impl Config {
            $(
                #[doc = concat!("The same with this [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    with_room(room: RoomName);
    with_namespace(namespace: Namespace);
    with_max_peers(max_peers: usize);
    with_policy(policy: Policy);
    with_limits(limits: Limits);
    with_queue_bytes(queue_bytes: usize);
    with_record_bytes(record_bytes: usize);
    with_relay_window(relay_window: usize);
    with_direct_window(direct_window: usize);
    with_receive_bytes(receive_bytes: usize);
    with_max_transfers(max_transfers: usize);
    with_transfer_window(transfer_window: usize);
    with_resume_window(resume_window: Duration);
    with_silence_timeout(silence_timeout: Duration);
    with_stall_timeout(stall_timeout: Duration);
    with_ack_timeout(ack_timeout: Duration);
    with_forward_pairs(forward_pairs: usize);
    with_forward_rate(forward_rate: u64);
    with_reconnect(reconnect: Backoff);
    with_queue_packets(queue_packets: usize);
    with_volatile_bytes(volatile_bytes: usize);
    with_unfinished_timeout(unfinished_timeout: Duration);
    with_probe_interval(probe_interval: Duration);
    with_negotiation_timeout(negotiation_timeout: Duration);
    with_validation_timeout(validation_timeout: Duration);
    with_offer_patience(offer_patience: Duration);
    with_max_attempts(max_attempts: u32);
    with_join_timeout(join_timeout: Duration);
    with_max_pending_acks(max_pending_acks: usize);
    with_close_timeout(close_timeout: Duration);
    with_max_members(max_members: usize);
    with_retry(retry: Backoff);
}

/// Pauses that double from `first` to `max`; each is drawn from the upper half of its length, so that peers
/// that failed together do not try again together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause before try `attempt` (from 0), with `random` as the source of its jitter.
    pub(crate) fn pause(&self, attempt: u32, random: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.min(30)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.max);
        // Divided first: the longest pauses must not overflow.
        full / 2 + full / 2 / 0xffff * (random >> 16)
    }
}
