//! What members of a room know about each other: metadata, and data that the server's application has verified.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::unreadable::UnreadableJson;

/// The maximum bytes of a member's data as JSON text.
pub const MAX_MEMBER_DATA: usize = 4096;

/// Data about a member of a room, as JSON text of at most [`MAX_MEMBER_DATA`] bytes; cheap to clone. It is either
/// the member's own *metadata*, or the *user data* that the server's application verified when the member joined
/// (`PROTOCOL.md` section 1).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use socketio_p2p_core::MemberData;
///
/// #[derive(Serialize, Deserialize)]
/// struct Cursor {
///     line: u32,
/// }
///
/// let data = MemberData::new(&Cursor { line: 7 })?;
/// assert_eq!(data.as_json(), r#"{"line":7}"#);
/// assert_eq!(data.read::<Cursor>()?.line, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MemberData(Arc<str>);

/// The reason why a value cannot be the data of a member.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemberDataError {
    /// The value is too long.
    #[error("expected member data of at most {MAX_MEMBER_DATA} bytes as JSON, got {got}")]
    TooLong {
        /// Its bytes as JSON text.
        got: usize,
    },
    /// The value is not JSON, for example a map whose keys are not texts.
    #[error("expected member data that can be written as JSON: {0}")]
    NotJson(String),
}

impl MemberData {
    /// Writes a value as member data.
    ///
    /// # Errors
    /// [`MemberDataError`] when the value cannot be written as JSON, or is too long.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, MemberDataError> {
        let text = serde_json::to_string(value)
            .map_err(|error| MemberDataError::NotJson(error.to_string()))?;
        Self::within_bounds(&text)
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Reads the data as a value of the application's type.
    ///
    /// # Errors
    /// [`UnreadableJson`] when the data has another form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, UnreadableJson> {
        serde_json::from_str(&self.0)
            .map_err(|error| UnreadableJson::new("other member data", &error))
    }

    fn within_bounds(text: &str) -> Result<Self, MemberDataError> {
        if text.len() > MAX_MEMBER_DATA {
            return Err(MemberDataError::TooLong { got: text.len() });
        }
        Ok(Self(text.into()))
    }
}

/// Prints the length only.
impl fmt::Debug for MemberData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberData({} bytes)", self.0.len())
    }
}

impl Serialize for MemberData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MemberData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::within_bounds(raw.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_data_of_exactly_the_maximum_length_is_accepted() {
        // Two bytes are quotes.
        let longest = "x".repeat(MAX_MEMBER_DATA - 2);
        assert!(MemberData::new(&longest).is_ok());
        let error = MemberData::new(&format!("{longest}x")).unwrap_err();
        assert_eq!(error, MemberDataError::TooLong { got: MAX_MEMBER_DATA + 1 });
    }

    #[test]
    fn member_data_beyond_the_maximum_length_is_not_read() {
        let text = format!("\"{}\"", "x".repeat(MAX_MEMBER_DATA));
        assert!(serde_json::from_str::<MemberData>(&text).is_err());
    }

    #[test]
    fn debug_of_member_data_prints_the_length_only() {
        let data = MemberData::new("hunter2").unwrap();
        assert_eq!(format!("{data:?}"), "MemberData(9 bytes)");
    }
}
