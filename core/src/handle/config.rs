//! The settings of the handle layer.

/// The settings of [`Driver::split_with`](crate::driver::Driver::split_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandleConfig {
    /// The bytes of unread events beyond which the session tells the peers to wait. Beyond four times as many,
    /// or 16,384 unread events, nothing is read from the transports. Default: 1 MiB.
    pub unread_bytes: usize,
}

impl HandleConfig {
    /// Returns the settings with another bound of unread bytes.
    #[must_use]
    pub const fn with_unread_bytes(self, unread_bytes: usize) -> Self {
        Self { unread_bytes, ..self }
    }
}

impl Default for HandleConfig {
    fn default() -> Self {
        Self { unread_bytes: 1 << 20 }
    }
}
