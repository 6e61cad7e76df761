//! Settings that cannot be.

use std::fmt::{self, Display};

/// A setting that cannot be: which one, what was expected, what came.
///
/// Transports report their own settings with it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    expected: String,
    got: String,
}

impl ConfigError {
    /// An error about the setting `field`. `expected` and `got` are shown as they are: no secret belongs in them.
    #[must_use]
    pub fn new(field: &'static str, expected: impl Display, got: impl Display) -> Self {
        Self { field, expected: expected.to_string(), got: got.to_string() }
    }

    /// The name of the setting, as it is in the configuration.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Checks one setting.
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
