//! Lanes of a link, and their numbers on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which lane of a link a packet belongs to. Order holds within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Events: the default.
    Events,
    /// Big blobs, which must not delay events.
    Bulk,
    /// Events that may be lost rather than late.
    Volatile,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Events, Self::Bulk, Self::Volatile];

    /// The lanes on which nothing gets lost.
    pub const RELIABLE: [Self; 2] = [Self::Events, Self::Bulk];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Events => 0,
            Self::Bulk => 1,
            Self::Volatile => 2,
        }
    }

    /// The position in arrays of one entry per lane.
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
            _ => Err(serde::de::Error::custom("there are lanes 0, 1 and 2")),
        }
    }
}
