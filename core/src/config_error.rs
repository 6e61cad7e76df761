//! The error of an invalid setting.

use std::fmt::{self, Display};

/// An invalid setting: its name, the expected value and the given one. Transports use it for their own settings
/// as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    expected: String,
    got: String,
}

impl ConfigError {
    /// Creates an error about the setting `field`. The texts of `expected` and `got` appear in the error
    /// unchanged and must not contain a secret.
    #[must_use]
    pub fn new(field: &'static str, expected: impl Display, got: impl Display) -> Self {
        Self { field, expected: expected.to_string(), got: got.to_string() }
    }

    /// Returns the name of the setting, as in the configuration.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Returns an error unless the setting is valid.
    pub(crate) fn unless(
        fits: bool,
        field: &'static str,
        expected: impl Display,
        got: impl Display,
    ) -> Result<(), Self> {
        if fits { Ok(()) } else { Err(Self::new(field, expected, got)) }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, got } = self;
        write!(f, "expected `{field}` to be {expected}, got {got}")
    }
}

impl std::error::Error for ConfigError {}
