//! What paths do to what travels on them.

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

/// What a path does to what travels on it, in one direction. Each path keeps the guarantees of the real one:
///
/// - A data channel is reliable and ordered. What is lost below it is sent again: it comes late, and everything
///   behind it waits. Duplicates and overtaking below it are not seen above.
/// - A socket to the hub is reliable and ordered too, but the hub may lose whole *relay envelopes*, pass them on
///   twice, or let them overtake one another; membership and signals keep their order with one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Added to the mesh's [`Latency`].
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub delay: Duration,
    /// A random delay up to this is added to each message.
    #[serde(with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub jitter: Duration,
    /// How many of 1000 messages are lost.
    #[serde(skip_serializing_if = "is_zero")]
    pub loss: u16,
    /// How many of 1000 envelopes come twice.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicate: u16,
    /// How many of 1000 envelopes are overtaken by later ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub reorder: u16,
    /// Bytes per second; 0: without limit.
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

/// What happens to signals on their way from the hub to a node, in 1000 cases each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalFaults {
    /// Offers that never come.
    pub lose_offer: u16,
    /// Answers, candidates and declines that never come.
    pub lose_answer: u16,
    /// Signals that come twice, the second time late.
    pub duplicate: u16,
    /// Signals that come late, so that others cross them.
    pub late: u16,
    /// Descriptions before which the transport gives out a candidate, and connections for which one comes after
    /// their end.
    pub stray_candidate: u16,
}

/// What a hub does with rosters and joins, in 1000 cases each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RosterFaults {
    /// Members that are named twice.
    pub repeat: u16,
    /// Members that are not named, and told of later, as by a hub of several machines that hear of one another
    /// with a delay.
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
