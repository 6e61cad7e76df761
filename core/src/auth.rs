//! The application's entries in the auth payload of CONNECT, and the resume token.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The maximum bytes of an auth payload as JSON text.
pub const MAX_AUTH: usize = 16 * 1024;

/// The entry of this library in the auth payload.
const RESERVED: &str = "p2p";

/// The application's entries in the auth payload with which a session connects, such as an access token: a JSON
/// object of at most [`MAX_AUTH`] bytes. The server's middleware or admission checks it.
///
/// ```
/// use serde::Serialize;
/// use socketio_p2p_core::AuthPayload;
///
/// #[derive(Serialize)]
/// struct Ticket<'a> {
///     ticket: &'a str,
/// }
///
/// let auth = AuthPayload::new(&Ticket { ticket: "secret" })?;
/// assert_eq!(format!("{auth:?}"), "AuthPayload(19 bytes)");
/// # Ok::<(), socketio_p2p_core::AuthError>(())
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct AuthPayload(Map<String, Value>);

/// The reason why a value cannot be an auth payload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The value is not an object.
    #[error("expected a value that is a JSON object as the auth payload")]
    NotAnObject,
    /// The value has the entry that belongs to this library.
    #[error("expected an auth payload without the entry `{RESERVED}`, which the session adds")]
    Reserved,
    /// The value is too long.
    #[error("expected an auth payload of at most {MAX_AUTH} bytes as JSON, got {got}")]
    TooLong {
        /// Its bytes as JSON text.
        got: usize,
    },
}

impl AuthPayload {
    /// Writes a value, such as a struct or a map, as an auth payload.
    ///
    /// # Errors
    /// [`AuthError`] when it is no JSON object, has an entry `p2p`, or is too long.
    pub fn new<T: Serialize + ?Sized>(value: &T) -> Result<Self, AuthError> {
        let Ok(Value::Object(entries)) = serde_json::to_value(value) else {
            return Err(AuthError::NotAnObject);
        };
        if entries.contains_key(RESERVED) {
            return Err(AuthError::Reserved);
        }
        let auth = Self(entries);
        match auth.len() {
            got if got > MAX_AUTH => Err(AuthError::TooLong { got }),
            _ => Ok(auth),
        }
    }

    fn len(&self) -> usize {
        serde_json::to_string(&self.0).map_or(0, |text| text.len())
    }
}

/// Prints the length only.
impl fmt::Debug for AuthPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthPayload({} bytes)", self.len())
    }
}

/// A resume token: a secret with which a session that joins the same room is the same member, with the same peer id.
/// Save [`Session::resume_token`](crate::Session::resume_token) whenever the session has joined, and give it to the
/// next run of the program in [`Config::resume_token`](crate::Config::resume_token).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResumeToken(String);

impl ResumeToken {
    /// Wraps the text of a token.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// Returns the text, to be kept as a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Never prints the token.
impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_auth_payload_is_an_object_without_the_reserved_entry() {
        assert_eq!(AuthPayload::new("text"), Err(AuthError::NotAnObject));
        assert_eq!(AuthPayload::new(&json!({"p2p": 1})), Err(AuthError::Reserved));
        assert!(AuthPayload::new(&json!({"ticket": 1})).is_ok());
    }

    #[test]
    fn an_auth_payload_beyond_the_maximum_is_refused() {
        let of = |bytes: usize| AuthPayload::new(&json!({ "a": "x".repeat(bytes - 8) }));
        assert!(of(MAX_AUTH).is_ok());
        assert_eq!(of(MAX_AUTH + 1), Err(AuthError::TooLong { got: MAX_AUTH + 1 }));
    }
}
