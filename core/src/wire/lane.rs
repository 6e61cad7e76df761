//! The lanes of a link, and their numbers on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A lane of a link. Packets are ordered within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// The lane of events: the default.
    Events,
    /// The lane of large packets, which must not delay events.
    Bulk,
    /// The lane of events that may be lost, but must not be late.
    Volatile,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Events, Self::Bulk, Self::Volatile];

    /// The lanes with reliable delivery.
    pub const RELIABLE: [Self; 2] = [Self::Events, Self::Bulk];

    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Events => 0,
            Self::Bulk => 1,
            Self::Volatile => 2,
        }
    }

    /// Returns the index in arrays of one entry per lane.
    pub(crate) const fn index(self) -> usize {
        self.number() as usize
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Bulk => "bulk",
            Self::Volatile => "volatile",
        })
    }
}

impl Serialize for Lane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Lane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Events),
            1 => Ok(Self::Bulk),
            2 => Ok(Self::Volatile),
            _ => Err(serde::de::Error::custom("expected lane 0, 1 or 2")),
        }
    }
}
