//! Identifiers: peers, rooms, connections, emits, clients.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytestring::ByteString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The maximum bytes of a peer id. A Socket.IO id has 20, an id of this library's hub has 22.
pub const MAX_PEER_ID: usize = 64;

/// The maximum bytes of a room name.
pub const MAX_ROOM_NAME: usize = 128;

/// A text that is not a valid peer id or room name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a {what} has 1 to {max} bytes and no control character, this one has {len} bytes{found}")]
pub struct InvalidName {
    what: &'static str,
    max: usize,
    len: usize,
    found: &'static str,
}

impl InvalidName {
    fn check(what: &'static str, max: usize, name: &str) -> Result<(), Self> {
        let control = if name.is_ascii() {
            // A fold without early exit, which the compiler vectorises.
            name.bytes().fold(false, |control, byte| control | byte.is_ascii_control())
        } else {
            name.chars().any(char::is_control)
        };
        if name.is_empty() || name.len() > max || control {
            let found = if control { " and a control character" } else { "" };
            return Err(Self { what, max, len: name.len(), found });
        }
        Ok(())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ByteString);

        impl $name {
            #[doc = concat!("Creates a ", $what, " from a text.")]
            ///
            /// # Errors
            #[doc = concat!("[`InvalidName`] when it is empty, longer than [`", stringify!($max), "`] or has a control character.")]
            pub fn new(name: impl Into<ByteString>) -> Result<Self, InvalidName> {
                let name = name.into();
                InvalidName::check($what, $max, &name)?;
                Ok(Self(name))
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                Self::new(name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The id of a peer within its room, assigned by the hub. A v1 peer keeps its id across reconnects; the id
    /// of a v0 client is its Socket.IO socket id.
    PeerId,
    "peer id",
    MAX_PEER_ID
);

name!(
    /// The name of a room. Peers can exchange events only with peers of the same room.
    RoomName,
    "room name",
    MAX_ROOM_NAME
);

impl PeerId {
    /// Creates an id of 128 random bits: 22 characters of base64url.
    pub(crate) fn from_random(random: [u8; 16]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(random).into())
    }
}

impl Default for RoomName {
    /// Returns the room of peers that name none.
    fn default() -> Self {
        Self(ByteString::from_static("lobby"))
    }
}

/// The signalling dialect of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Dialect v0: the original JavaScript client `socket.io-p2p`.
    V0,
    /// Dialect v1: this library, with addressed offers, numbered delivery and resumable peer ids.
    V1,
}

impl Dialect {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V0 => "v0",
            Self::V1 => "v1",
        })
    }
}

impl Serialize for Dialect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

/// A dialect above v1 parses as v1: a later peer must still speak v1 with this one.
impl<'de> Deserialize<'de> for Dialect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(if u64::deserialize(deserializer)? == 0 { Self::V0 } else { Self::V1 })
    }
}

/// The id of one attempt at a direct connection. A session never uses a number twice, so that it can recognise
/// and ignore late input for an attempt that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// Creates an id for a transport that is used without a session. A session numbers its own connections.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// The id of one call of `emit`, which its outcomes carry. Unique within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmitId(pub(crate) u64);

impl EmitId {
    /// Returns the number, for logs and scripts.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EmitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "emit {}", self.0)
    }
}

/// The id of one client's connection to a hub. Never used twice, so that the hub ignores late input for a
/// closed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(crate) u64);

impl ClientId {
    /// Returns the number, for logs.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}
