//! Errors of the browser as [`TransportError`]s.

use js_sys::futures::JsFuture;
use js_sys::{Error, Promise};
use socketio_p2p_core::driver::TransportError;
use wasm_bindgen::{JsCast as _, JsValue};

/// The failure of a step. Of the browser's error only its name is told: the text may quote a description, which
/// contains a password.
pub(super) fn failure(step: &str, error: &JsValue) -> TransportError {
    TransportError(format!("{step}: {}", reason(error)))
}

/// The name of an error of the browser, such as `OperationError`.
pub(super) fn reason(error: &JsValue) -> String {
    error.dyn_ref().map_or_else(|| "unknown error".to_owned(), |error: &Error| error.name().into())
}

/// Waits for a promise; the error names the step that it stands for.
pub(super) async fn done(step: &str, promise: Promise) -> Result<JsValue, TransportError> {
    JsFuture::from(promise).await.map_err(|error| failure(step, &error))
}
