//! The types of packets.

use std::fmt;

/// The seven packet types. `Display` prints their names in the protocol: `CONNECT`, `BINARY_EVENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketType {
    /// Requests, or confirms, the connection to a namespace.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// An event without attachments.
    Event,
    /// The answer to an event with an ack id, without attachments.
    Ack,
    /// Refuses the connection to a namespace.
    ConnectError,
    /// An event with attachments.
    BinaryEvent,
    /// The answer to an event with an ack id, with attachments.
    BinaryAck,
}

impl PacketType {
    /// Returns the name in the protocol text.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Disconnect => "DISCONNECT",
            Self::Event => "EVENT",
            Self::Ack => "ACK",
            Self::ConnectError => "CONNECT_ERROR",
            Self::BinaryEvent => "BINARY_EVENT",
            Self::BinaryAck => "BINARY_ACK",
        }
    }

    /// Returns whether packets of this type have attachments.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    /// Returns whether packets of this type have an event name.
    #[must_use]
    pub const fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::BinaryEvent)
    }

    /// Returns whether packets of this type can have an ack id.
    pub(crate) const fn may_have_ack_id(self) -> bool {
        matches!(self, Self::Event | Self::Ack | Self::BinaryEvent | Self::BinaryAck)
    }

    /// Returns the corresponding type without attachments.
    #[must_use]
    pub const fn without_attachments(self) -> Self {
        match self {
            Self::BinaryEvent => Self::Event,
            Self::BinaryAck => Self::Ack,
            Self::Connect | Self::Disconnect | Self::Event | Self::Ack | Self::ConnectError => self,
        }
    }

    /// Returns the corresponding type with attachments.
    pub(crate) const fn to_binary(self) -> Self {
        match self {
            Self::Event => Self::BinaryEvent,
            Self::Ack => Self::BinaryAck,
            Self::Connect
            | Self::Disconnect
            | Self::ConnectError
            | Self::BinaryEvent
            | Self::BinaryAck => self,
        }
    }

    pub(crate) const fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Connect,
            b'1' => Self::Disconnect,
            b'2' => Self::Event,
            b'3' => Self::Ack,
            b'4' => Self::ConnectError,
            b'5' => Self::BinaryEvent,
            b'6' => Self::BinaryAck,
            _ => return None,
        })
    }

    /// Returns the digit of the type on the wire.
    pub(crate) const fn digit(self) -> char {
        match self {
            Self::Connect => '0',
            Self::Disconnect => '1',
            Self::Event => '2',
            Self::Ack => '3',
            Self::ConnectError => '4',
            Self::BinaryEvent => '5',
            Self::BinaryAck => '6',
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
