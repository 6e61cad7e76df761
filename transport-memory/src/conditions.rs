//! The conditions of paths, and the faults of signals and rosters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One-way delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Between a session and the hub.
    pub relay: Duration,
    /// Between two sessions.
    pub direct: Duration,
}

impl Default for Latency {
    /// 20 ms to the hub, 5 ms between peers.
    fn default() -> Self {
        Self { relay: Duration::from_millis(20), direct: Duration::from_millis(5) }
    }
}

/// The conditions of a path in one direction. Each path keeps the guarantees of the real one:
///
/// - A data channel is reliable and ordered. A packet lost below it is retransmitted: it is late, and all messages
///   behind it wait. Duplicates and reordering below it are not visible above.
/// - A socket to the hub is reliable and ordered too, but the hub may lose whole *relay envelopes*, duplicate
///   or reorder them; membership messages and signals keep their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// A delay added to the mesh's [`Latency`].
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub delay: Duration,
    /// The maximum of a random delay added to each message.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub jitter: Duration,
    /// Messages lost, per mille.
    #[serde(skip_serializing_if = "is_zero")]
    pub loss: u16,
    /// Envelopes duplicated, per mille.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicate: u16,
    /// Envelopes delayed past later ones, per mille.
    #[serde(skip_serializing_if = "is_zero")]
    pub reorder: u16,
    /// Bytes per second; 0: unlimited.
    #[serde(skip_serializing_if = "is_zero_rate")]
    pub rate: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero_rate(number: &u32) -> bool {
    *number == 0
}

/// Faults of signals from the hub to a node, per mille.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalFaults {
    /// Offers lost.
    pub lose_offer: u16,
    /// Answers, candidates and declines lost.
    pub lose_answer: u16,
    /// Signals duplicated; the duplicate is late.
    pub duplicate: u16,
    /// Signals delayed past later ones.
    pub late: u16,
    /// Descriptions preceded by a candidate, and closed connections followed by one.
    pub stray_candidate: u16,
}

/// Faults of rosters and join messages, per mille.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RosterFaults {
    /// Members named twice.
    pub repeat: u16,
    /// Members omitted and named later, as by a hub of several machines with replication
    /// delay.
    pub omit: u16,
}

/// Spans as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        span: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
