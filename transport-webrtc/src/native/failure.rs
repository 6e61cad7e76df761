//! What an error of the `webrtc` crate becomes.

use socketio_p2p_core::driver::TransportError;
use webrtc::error::Error;

pub(super) fn failure(step: &str, error: &Error) -> TransportError {
    TransportError(format!("{step}: {}", reason(error)))
}

/// What an error of the crate says, when that is a fixed text: others can quote a remote description, which
/// holds a password.
pub(super) fn reason(error: &Error) -> String {
    let is_fixed = format!("{error:?}").chars().all(|c| c.is_ascii_alphanumeric());
    if is_fixed { error.to_string() } else { "it is malformed".to_owned() }
}

/// The crate's task has ended.
pub(super) fn stopped() -> TransportError {
    TransportError("the connection broke down".to_owned())
}
