//! What a decoder accepts.

/// The deepest nesting of arrays and objects that the codec reads or writes, the payload's own array counted.
/// Typed values are read by recursion: this bound keeps any input from exhausting the stack.
pub const MAX_DEPTH: usize = 128;

/// Bounds on what a remote may send. Everything over a bound is a [`DecodeError`](super::DecodeError).
///
/// The defaults are those of the reference implementation where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Attachments per packet. Default 10, as in the reference parser.
    pub max_attachments: usize,
    /// Bytes per packet, head and attachments together. Default 1,000,000, the reference server's limit for
    /// one message.
    pub max_packet_bytes: usize,
    /// Arrays and objects open at once, the payload's own array counted. Default and most: [`MAX_DEPTH`];
    /// more counts as [`MAX_DEPTH`]. [`Packet::validate`](crate::Packet::validate) enforces it.
    pub max_depth: usize,
    /// Bytes of a namespace, query part included. Default 2048.
    pub max_namespace: usize,
    /// Bytes of an event name as it is written, escapes included, quotes not. Default 256.
    pub max_event_name: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attachments: 10,
            max_packet_bytes: 1_000_000,
            max_depth: MAX_DEPTH,
            max_namespace: 2048,
            max_event_name: 256,
        }
    }
}

impl Limits {
    /// No bounds but [`MAX_DEPTH`]: for packets that do not come from a remote.
    #[must_use]
    pub const fn unbounded() -> Self {
        Self {
            max_attachments: usize::MAX,
            max_packet_bytes: usize::MAX,
            max_depth: MAX_DEPTH,
            max_namespace: usize::MAX,
            max_event_name: usize::MAX,
        }
    }

    /// Sets the number of attachments per packet.
    #[must_use]
    pub const fn with_max_attachments(mut self, attachments: usize) -> Self {
        self.max_attachments = attachments;
        self
    }

    /// Sets the bytes per packet, head and attachments together.
    #[must_use]
    pub const fn with_max_packet_bytes(mut self, bytes: usize) -> Self {
        self.max_packet_bytes = bytes;
        self
    }

    /// Sets how many arrays and objects may be open at once; more than [`MAX_DEPTH`] counts as [`MAX_DEPTH`].
    #[must_use]
    pub const fn with_max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets the bytes of a namespace.
    #[must_use]
    pub const fn with_max_namespace(mut self, bytes: usize) -> Self {
        self.max_namespace = bytes;
        self
    }

    /// Sets the bytes of an event name.
    #[must_use]
    pub const fn with_max_event_name(mut self, bytes: usize) -> Self {
        self.max_event_name = bytes;
        self
    }
}
