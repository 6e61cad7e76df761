//! Errors of the `webrtc` crate as [`TransportError`]s.

use socketio_p2p_core::driver::TransportError;
use webrtc::error::Error;

pub(super) fn failure(step: &str, error: &Error) -> TransportError {
    TransportError(format!("{step}: {}", reason(error)))
}

/// The text of an error of the crate if that is fixed. Other texts may quote a remote description, which contains
/// a password.
pub(super) fn reason(error: &Error) -> String {
    let is_fixed = format!("{error:?}").chars().all(|c| c.is_ascii_alphanumeric());
    if is_fixed { error.to_string() } else { "it is malformed".to_owned() }
}

/// The error of a connection whose crate task has ended.
pub(super) fn stopped() -> TransportError {
    TransportError("the task of the WebRTC connection has ended".to_owned())
}
