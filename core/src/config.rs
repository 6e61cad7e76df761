//! The settings of a session, with their defaults.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::auth::ResumeToken;
use crate::codec::{Limits, Namespace};
use crate::config_error::ConfigError;
use crate::id::RoomName;
use crate::wire::MemberData;

/// When a session connects to a peer directly, and which paths it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Connect directly, and send on the direct path as soon as it is validated (the original's `autoUpgrade:
    /// true`).
    #[default]
    Automatic,
    /// Connect directly, but stay on the relay until [`upgrade`](crate::Session::upgrade) (the original's
    /// `autoUpgrade: false`).
    Manual,
    /// Never connect directly; offers are declined.
    RelayOnly,
    /// Connect directly, and never send an event through the server: events wait for the direct path.
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

/// Prints the text that `from_str` parses: `automatic`, `manual`, `relay-only` or `direct-only`.
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

/// A text that is not the name of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a policy: automatic, manual, relay-only or direct-only")]
pub struct UnknownPolicy;

/// The settings of a [`Session`](crate::Session). Each bound applies per session or per peer, and holds for any
/// input from a remote.
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
    /// The resume token of an earlier run of the program, with which the session is the same member again. A token
    /// that the hub does not accept leads to a new peer id. Default: none.
    pub resume_token: Option<ResumeToken>,
    /// The metadata with which the session joins. Default: none.
    pub metadata: Option<MemberData>,
    /// The Socket.IO namespace of the signalling server. Default: `/`.
    pub namespace: Namespace,
    /// The maximum number of direct connections (the original's `numClients`). Further members stay on the
    /// relay. Default: 5.
    pub max_peers: usize,
    /// The policy for direct paths. Default: automatic.
    pub policy: Policy,
    /// The limits of a packet, in both directions. Default: 256 attachments, 16 MiB, otherwise the codec's
    /// defaults.
    pub limits: Limits,
    /// The maximum bytes queued for one peer in one lane, and in each transfer to it, including unacknowledged
    /// bytes. An empty queue accepts a single packet above the maximum. Default: 1 MiB.
    pub queue_bytes: usize,
    /// The maximum number of packets queued for one peer in one lane. Default: 4096.
    pub queue_packets: usize,
    /// The maximum bytes of volatile events in flight to one peer; further ones are dropped. Default: 64 KiB.
    pub volatile_bytes: usize,
    /// The maximum bytes of a record on the relay and through neighbours; slow paths get shorter records.
    /// Default and upper bound: 16 KiB.
    pub record_bytes: usize,
    /// The maximum congestion window of the relay, and of a neighbour: the bytes of records in flight to one
    /// peer. Twice that where one upload serves several receivers; less on slow paths. Default: 256 KiB.
    pub relay_window: usize,
    /// The maximum congestion window of a direct path, in bytes; less on slow paths. Default: 1 MiB.
    pub direct_window: usize,
    /// The maximum memory, over all peers, for received data that cannot be delivered yet: it is behind a gap,
    /// or the application has not read it. Beyond the maximum the session refuses the largest unfinished packet
    /// of all peers ([`PeerError::NoRoom`](crate::PeerError::NoRoom)), and the sender retransmits the records
    /// that were dropped. When only complete packets wait, it refuses the missing packet behind which the most
    /// data of one peer waits. Default: 128 MiB.
    pub receive_bytes: usize,
    /// The time in which an unfinished packet must grow by at least 1 KiB; otherwise it is refused. The time in
    /// which its sender is away does not count. Default: 30 s.
    pub unfinished_timeout: Duration,
    /// The time that the session waits for a peer without a live path. `None`, the default: as long as the hub keeps
    /// the peer's seat ([`HubConfig::resume_window`](crate::hub::HubConfig::resume_window)), which the hub says when
    /// the session joins; 8 s if it does not. Another value here is for this session alone: a link ends when
    /// the first of its two sessions, or the hub where no other path leads to the peer, no longer waits.
    pub resume_window: Option<Duration>,
    /// The time without any received frame after which a direct path ends. Default: 5 s.
    pub silence_timeout: Duration,
    /// The interval of pings on an idle direct path; shorter than `silence_timeout`. Default: 1.5 s.
    pub probe_interval: Duration,
    /// The time-out of an attempt at a direct path, until the channel opens. Default: 15 s.
    pub negotiation_timeout: Duration,
    /// The time-out of path validation on an open channel. Default: 5 s.
    pub validation_timeout: Duration,
    /// The time that a member waits for a newcomer's offer before it makes an offer itself. Default: 3 s.
    pub offer_patience: Duration,
    /// The maximum number of attempts at a direct path with a peer before the session waits for `upgrade` or an
    /// offer. Default: 6.
    pub max_attempts: u32,
    /// The pauses between attempts at a direct path. Default: 1 s to 30 s. The session accepts a peer's offers
    /// at the rate of one per `first` pause, after a burst of 16.
    pub retry: Backoff,
    /// The pauses between attempts to reach the signalling server. Default: 0.5 s to 1.5 s, so that after an
    /// outage of up to the [`resume_window`](Self::resume_window) less 2 s both ends of a relayed link are back in
    /// time. Where a longer `max` is set, the window should be longer too.
    pub reconnect: Backoff,
    /// The time-out of joining, from the opening of the signalling channel. Default: 10 s.
    pub join_timeout: Duration,
    /// The time in which a peer to which a path leads must acknowledge at least 1 KiB of the data in flight;
    /// otherwise the link to the peer ends. Default: 30 s.
    pub stall_timeout: Duration,
    /// The time-out of an acknowledgement when `emit_with_ack` is called without one. Default: 10 s.
    pub ack_timeout: Duration,
    /// The maximum number of pending acknowledgements per peer. Default: 1024.
    pub max_pending_acks: usize,
    /// The maximum number of open transfers to one peer, and of open transfers from one peer. Default: 4.
    pub max_transfers: usize,
    /// The maximum bytes of a peer's transfer that wait for the application to read them. Default: 256 KiB.
    pub transfer_window: usize,
    /// The time-out of delivering the accepted events after `close`. Default: 5 s.
    pub close_timeout: Duration,
    /// The maximum number of pairs of other peers between which the session forwards bundles while these peers
    /// have no better path. A pair without traffic for 10 s can be replaced. 0 disables forwarding. Default: 8.
    pub forward_pairs: usize,
    /// The maximum bytes per second that the session forwards from one peer to another. Default: 1,000,000.
    pub forward_rate: u64,
    /// The maximum number of members of a room that the session tracks; further ones are ignored. Default:
    /// 1024.
    pub max_members: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            room: RoomName::default(),
            resume_token: None,
            metadata: None,
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
            resume_window: None,
            silence_timeout: Duration::from_secs(5),
            probe_interval: Duration::from_millis(1500),
            negotiation_timeout: Duration::from_secs(15),
            validation_timeout: Duration::from_secs(5),
            offer_patience: Duration::from_secs(3),
            max_attempts: 6,
            retry: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) },
            reconnect: Backoff {
                first: Duration::from_millis(500),
                max: Duration::from_millis(1500),
            },
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

/// The maximum bytes of a record on the relay and through neighbours that every hub and every v1 peer accepts.
const MAX_RECORD_BYTES: usize = 16 << 10;

impl Config {
    /// Checks the settings, as [`Session::new`](crate::Session::new) does.
    ///
    /// # Errors
    /// [`ConfigError`] for the first invalid setting: a queue or a time-out of zero, a window below 2, a
    /// [`record_bytes`](Self::record_bytes) above 16 KiB, a [`probe_interval`](Self::probe_interval) that is
    /// not shorter than the [`silence_timeout`](Self::silence_timeout), or pauses whose `first` is zero or above
    /// their `max`.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let records = 1..=MAX_RECORD_BYTES;
        let expected = format_args!("1 to {MAX_RECORD_BYTES} bytes");
        let fits = records.contains(&self.record_bytes);
        ConfigError::unless(fits, "record_bytes", expected, self.record_bytes)?;
        for (field, size, min) in [
            ("queue_bytes", self.queue_bytes, 1),
            ("queue_packets", self.queue_packets, 1),
            // Bulk and transfers may use half of a window.
            ("relay_window", self.relay_window, 2),
            ("direct_window", self.direct_window, 2),
            ("transfer_window", self.transfer_window, 1),
        ] {
            ConfigError::unless(size >= min, field, format_args!("{min} at least"), size)?;
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
            let expected = "a first pause above 0 s and a longest pause that is not shorter";
            let got = format_args!("{} to {}", Pause(first), Pause(max));
            ConfigError::unless(!first.is_zero() && first <= max, field, expected, got)?;
        }
        Ok(())
    }
}

/// A duration as an error text prints it.
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
                #[doc = concat!("Returns the configuration with this [`", stringify!($field), "`](Self::", stringify!($field), ").")]
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
    with_resume_token(resume_token: Option<ResumeToken>);
    with_metadata(metadata: Option<MemberData>);
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

impl Config {
    /// Returns the configuration with this [`resume_window`](Self::resume_window).
    #[must_use]
    pub fn with_resume_window(mut self, resume_window: impl Into<Option<Duration>>) -> Self {
        self.resume_window = resume_window.into();
        self
    }
}

/// Pauses that double from `first` to `max`. Each pause is drawn from the upper half of its length, so that
/// peers that failed at the same time retry at different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// Returns the pause before retry `attempt` (from 0), with `random` as the source of its jitter.
    pub(crate) fn pause(&self, attempt: u32, random: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.min(30)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.max);
        // Divides first, so that the longest pauses do not overflow.
        full / 2 + full / 2 / 0xffff * (random >> 16)
    }
}
