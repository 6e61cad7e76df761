//! The namespace of a packet.

use std::fmt;

use bytestring::ByteString;
use thiserror::Error;

/// The namespace of a packet: `/` by default, else a name that begins with `/`. It may have a query part
/// (`/room?token=x`), which the codec passes on as it is. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(ByteString);

const MAX_NAMESPACE: usize = 65_535;

/// A text that cannot be a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a namespace begins with `/`, has no comma and at most {MAX_NAMESPACE} bytes")]
pub struct InvalidNamespace;

impl Namespace {
    /// Takes a text as a namespace.
    ///
    /// # Errors
    /// [`InvalidNamespace`] when it does not begin with `/`, has a comma, which ends a namespace on the wire, or
    /// is longer than 65,535 bytes.
    pub fn new(namespace: impl Into<ByteString>) -> Result<Self, InvalidNamespace> {
        let namespace = namespace.into();
        if Self::is_valid(&namespace) { Ok(Self(namespace)) } else { Err(InvalidNamespace) }
    }

    /// Takes a text that is known when the program is built.
    ///
    /// # Panics
    /// When the text is no namespace; in a constant, that is when the program is built.
    #[must_use]
    pub const fn from_static(namespace: &'static str) -> Self {
        assert!(Self::is_valid(namespace), "a namespace begins with `/` and has no comma");
        Self(ByteString::from_static(namespace))
    }

    /// The part of a head that a scan has found to be a namespace.
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

    /// The text, query part included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `/`.
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

/// Shows the name without the query part, which may carry a token.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str().split_once('?') {
            Some((name, _)) => write!(f, "Namespace({name:?} and a query)"),
            None => write!(f, "Namespace({:?})", self.as_str()),
        }
    }
}
