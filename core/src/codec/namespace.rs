//! The namespace of a packet.

use std::fmt;

use bytestring::ByteString;
use thiserror::Error;

/// The namespace of a packet: `/` by default, otherwise a name that begins with `/`. It may have a query part
/// (`/room?token=x`), which the codec does not interpret. A clone shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(ByteString);

const MAX_NAMESPACE: usize = 65_535;

/// A text that is not a valid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "expected a namespace that begins with `/`, has no comma and at most {MAX_NAMESPACE} bytes"
)]
pub struct InvalidNamespace;

impl Namespace {
    /// Creates a namespace from a text.
    ///
    /// # Errors
    /// [`InvalidNamespace`] when the text does not begin with `/`, contains a comma, which ends a namespace on
    /// the wire, or exceeds 65,535 bytes.
    pub fn new(namespace: impl Into<ByteString>) -> Result<Self, InvalidNamespace> {
        let namespace = namespace.into();
        if Self::is_valid(&namespace) { Ok(Self(namespace)) } else { Err(InvalidNamespace) }
    }

    /// Creates a namespace from a static text, also in constants.
    ///
    /// # Panics
    /// Panics when the text is not a valid namespace; in a constant, this is a compile-time error.
    #[must_use]
    pub const fn from_static(namespace: &'static str) -> Self {
        assert!(Self::is_valid(namespace), "a namespace begins with `/` and has no comma");
        Self(ByteString::from_static(namespace))
    }

    /// Creates a namespace from a checked part of a head.
    pub(super) fn from_scanned(namespace: ByteString) -> Self {
        Self(namespace)
    }

    const fn is_valid(namespace: &str) -> bool {
        let bytes = namespace.as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_NAMESPACE || bytes[0] != b'/' {
            return false;
        }
        let mut at = 1;
        while at < bytes.len() {
            if bytes[at] == b',' {
                return false;
            }
            at += 1;
        }
        true
    }

    /// Returns the text, including the query part.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the namespace is `/`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == "/"
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(ByteString::from_static("/"))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Prints the name without the query part, which may contain a token.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str().split_once('?') {
            Some((name, _)) => write!(f, "Namespace({name:?} and a query)"),
            None => write!(f, "Namespace({:?})", self.as_str()),
        }
    }
}
