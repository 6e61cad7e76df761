//! Admission: the application decides who joins, and as whom.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_p2p_core::hub::Admission;
use socketio_p2p_core::wire::{Join, MemberData};
use socketio_p2p_core::{Dialect, MemberDataError, RoomName};
use socketioxide::extract::SocketRef;
use thiserror::Error;

/// The default time for an admission: less than a session waits for its welcome (10 s).
pub(super) const ADMISSION_TIMEOUT: Duration = Duration::from_secs(5);

/// When a client whose admission took too long should come back.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The maximum bytes of the code of a rejection.
const MAX_CODE: usize = 64;

/// The maximum bytes of the message of a rejection.
const MAX_MESSAGE: usize = 1024;

pub(super) type Hook = Arc<dyn Fn(JoinRequest) -> Decision + Send + Sync>;

type Decision = Pin<Box<dyn Future<Output = Result<Admission, Rejection>> + Send>>;

/// A client that asks to join.
pub struct JoinRequest {
    socket: SocketRef,
    auth: Option<String>,
    join: Join,
}

impl JoinRequest {
    pub(super) const fn new(socket: SocketRef, auth: Option<String>, join: Join) -> Self {
        Self { socket, auth, join }
    }

    /// Returns the socket, for its id and what middlewares have left in it.
    #[must_use]
    pub const fn socket(&self) -> &SocketRef {
        &self.socket
    }

    /// Returns the HTTP request that opened the connection: the URL with the query, and the headers.
    #[must_use]
    pub fn request(&self) -> &http::request::Parts {
        self.socket.req_parts()
    }

    /// Returns the auth payload as JSON text, with the library's entry `p2p`.
    #[must_use]
    pub fn auth(&self) -> Option<&str> {
        self.auth.as_deref()
    }

    /// Reads the application's entries of the auth payload.
    ///
    /// # Errors
    /// [`Rejection`] with the code `bad-auth` when they are missing or have another form.
    pub fn read_auth<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        let auth = serde_json::from_str(self.auth().unwrap_or("null"));
        // The error of the parser would quote the payload.
        auth.map_err(|_| Rejection {
            code: "bad-auth".to_owned(),
            message: "expected another auth payload".to_owned(),
            retry_after: None,
        })
    }

    /// Returns the client's dialect.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.join.dialect
    }

    /// Returns the room that the client asks for, or that was chosen for a client of the original library; `None` for
    /// the default room.
    #[must_use]
    pub const fn room(&self) -> Option<&RoomName> {
        self.join.room.as_ref()
    }

    /// Returns the client's metadata, which other members will see.
    #[must_use]
    pub const fn metadata(&self) -> Option<&MemberData> {
        self.join.metadata.as_ref()
    }
}

/// Prints neither the auth payload nor the request.
impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("join", &self.join).finish_non_exhaustive()
    }
}

/// The application's refusal of a client. The client sees code and message, in
/// [`Event::Refused`](socketio_p2p_core::Event::Refused), and does not come back by itself unless it is told when.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{code}: {}{message}", retry_text(*retry_after))]
pub struct Rejection {
    code: String,
    message: String,
    retry_after: Option<Duration>,
}

/// Why a rejection cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RejectionError {
    /// The code has another form.
    #[error("expected a code of 1 to {MAX_CODE} lowercase letters and hyphens, got {0:?}")]
    Code(String),
    /// The message is too long.
    #[error("expected a message of at most {MAX_MESSAGE} bytes, got {got}")]
    Message {
        /// Its bytes.
        got: usize,
    },
}

impl Rejection {
    /// Refuses a client, with a stable code for programs (lowercase letters and hyphens) and a text for people.
    ///
    /// # Errors
    /// [`RejectionError`] when the code has another form, or the message is longer than 1,024 bytes. In an admission
    /// `Err(Rejection::new(…)?)` passes such an error on, as a rejection with the code `bad-rejection`.
    pub fn new(code: &str, message: &str) -> Result<Self, RejectionError> {
        let fits = (1..=MAX_CODE).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        if !fits {
            return Err(RejectionError::Code(code.to_owned()));
        }
        if message.len() > MAX_MESSAGE {
            return Err(RejectionError::Message { got: message.len() });
        }
        Ok(Self { code: code.to_owned(), message: message.to_owned(), retry_after: None })
    }

    /// Asks the client to come back after this time, at most 60 s.
    #[must_use]
    pub const fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn took_too_long(limit: Duration) -> Self {
        Self {
            code: "admission-timeout".to_owned(),
            message: format!("expected the admission within {} ms", limit.as_millis()),
            retry_after: Some(RETRY_AFTER),
        }
    }
}

impl From<RejectionError> for Rejection {
    fn from(error: RejectionError) -> Self {
        // The code of an application may not be printed: it goes to the client.
        let message = match error {
            RejectionError::Code(_) => "the server's code of a refusal is not valid".to_owned(),
            RejectionError::Message { .. } => error.to_string(),
        };
        Self { code: "bad-rejection".to_owned(), message, retry_after: None }
    }
}

/// A rejection with the code `bad-user-data`: `MemberData::new(…)?` in an admission refuses the client when the data
/// is too long, for example because the client has sent a long name.
impl From<MemberDataError> for Rejection {
    fn from(error: MemberDataError) -> Self {
        // The text of another error is the application's.
        let message = match matches!(error, MemberDataError::TooLong { .. }) {
            true => error.to_string(),
            false => "the server cannot write its data about the client".to_owned(),
        };
        Self { code: "bad-user-data".to_owned(), message, retry_after: None }
    }
}

/// As the client parses it.
fn retry_text(retry_after: Option<Duration>) -> String {
    retry_after.map(|pause| format!("try again in {} ms: ", pause.as_millis())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_beyond_its_bounds_is_an_error_at_the_caller() {
        assert!(Rejection::new("no-ticket", "buy one").is_ok());
        for code in ["", "No", "no ticket", "a:b", &"x".repeat(65)] {
            assert_eq!(Rejection::new(code, ""), Err(RejectionError::Code(code.to_owned())));
        }
        let long = "x".repeat(1025);
        assert_eq!(Rejection::new("a", &long), Err(RejectionError::Message { got: 1025 }));
    }

    #[test]
    fn user_data_that_is_too_long_is_a_rejection() {
        let decide = |name: &str| -> Result<MemberData, Rejection> { Ok(MemberData::new(name)?) };
        assert!(decide("ann").is_ok());
        let refused = decide(&"x".repeat(5000)).unwrap_err();
        assert_eq!(refused.code(), "bad-user-data");
        assert!(refused.to_string().ends_with("at most 4096 bytes as JSON, got 5002"), "{refused}");
    }

    #[test]
    fn a_rejection_says_its_code_then_when_to_retry_then_its_message() {
        let rejection = Rejection::new("busy", "too many guests").unwrap();
        assert_eq!(rejection.to_string(), "busy: too many guests");
        let later = rejection.with_retry_after(Duration::from_secs(2));
        assert_eq!(later.to_string(), "busy: try again in 2000 ms: too many guests");
    }
}
