//! The limits of a decoder.

/// The maximum nesting of arrays and objects that the codec reads or writes, including the payload's own array.
/// Typed values are read recursively: this bound keeps any input from exhausting the stack.
pub const MAX_DEPTH: usize = 128;

/// The limits of packets from a remote. A packet beyond one of them is a [`DecodeError`](super::DecodeError).
///
/// The defaults are those of the reference implementation where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of attachments of a packet. Default: 10, as in the reference parser.
    pub max_attachments: usize,
    /// The maximum bytes of a packet, head and attachments together. Default: 1,000,000, the reference server's
    /// limit of one message.
    pub max_packet_bytes: usize,
    /// The maximum nesting of arrays and objects, including the payload's own array. Default and upper bound:
    /// [`MAX_DEPTH`]; a greater value counts as [`MAX_DEPTH`]. [`Packet::validate`](crate::Packet::validate)
    /// enforces it.
    pub max_depth: usize,
    /// The maximum bytes of a namespace, including its query part. Default: 2048.
    pub max_namespace: usize,
    /// The maximum bytes of an event name as written, including escapes, without quotes. Default: 256.
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
    /// Returns limits that only enforce [`MAX_DEPTH`], for packets that do not come from a remote.
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

    /// Sets the maximum number of attachments of a packet.
    #[must_use]
    pub const fn with_max_attachments(mut self, attachments: usize) -> Self {
        self.max_attachments = attachments;
        self
    }

    /// Sets the maximum bytes of a packet, head and attachments together.
    #[must_use]
    pub const fn with_max_packet_bytes(mut self, bytes: usize) -> Self {
        self.max_packet_bytes = bytes;
        self
    }

    /// Sets the maximum nesting of arrays and objects; a value above [`MAX_DEPTH`] counts as [`MAX_DEPTH`].
    #[must_use]
    pub const fn with_max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets the maximum bytes of a namespace.
    #[must_use]
    pub const fn with_max_namespace(mut self, bytes: usize) -> Self {
        self.max_namespace = bytes;
        self
    }

    /// Sets the maximum bytes of an event name.
    #[must_use]
    pub const fn with_max_event_name(mut self, bytes: usize) -> Self {
        self.max_event_name = bytes;
        self
    }
}
